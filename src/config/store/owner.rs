//! Whose a file is: what decides which commands run as root on hosts must not be somebody else's to write.
//!
//! The bar is that of OpenSSH for `~/.ssh/config` ("Bad owner or permissions") and of git for a repository (`safe.directory`).
//!
//! Boundary: owners, groups and modes of files; nothing is read of them and nothing changed.

use std::{
    fs::{self, File, Metadata},
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt,
    path::Path,
};

use super::machine::is_private_group;

/// Numbers of users, with commas between, whose files are used as well.
const TRUSTED: &str = "MCP_TRUST_OWNERS";

/// Refuses a regular file that belongs to a stranger or that everybody can write, and a symbolic link that a stranger made.
pub(in crate::config) fn check(path: &Path, file: &File) -> io::Result<()> {
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Ok(());
    }
    // In a directory that all can write, whoever made a link chose what is read.
    let link = fs::symlink_metadata(path).ok().filter(Metadata::is_symlink);
    let stranger = link.iter().map(|link| (link.uid(), "the symbolic link")).chain([(meta.uid(), "it")]);
    if let Some((owner, what)) = stranger.into_iter().find(|(owner, _)| !is_trusted(*owner)) {
        let message = format!(
            "{what} belongs to user {owner}, so it is not used; it must be yours or root's (chown), or say {TRUSTED}={owner} if you trust that user"
        );
        return Err(io::Error::new(ErrorKind::PermissionDenied, message));
    }
    if meta.mode() & 0o002 != 0 {
        let message = format!("everybody can write it, so it is not used; chmod o-w {}", path.display());
        return Err(io::Error::new(ErrorKind::PermissionDenied, message));
    }
    Ok(())
}

/// As [`check`], for what is executed rather than read.
pub(in crate::config) fn check_executable(path: &Path) -> io::Result<()> {
    // One that may be executed and not read is opened by nobody.
    match File::open(path) {
        Ok(file) => check(path, &file),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}

/// What is odd about who may write `path`, although it is used: people do share such files.
pub(super) fn warning(path: &Path) -> Option<String> {
    let meta = fs::metadata(path).ok()?;
    let own = rustix::process::geteuid().as_raw();
    let shown = path.display();
    if meta.is_dir() && meta.mode() & 0o1002 == 0o002 {
        return Some(format!("{shown}: everybody can replace the files in it; chmod o-w {shown}"));
    }
    if meta.mode() & 0o020 != 0 && !is_private_group(meta.gid(), own) {
        let group = meta.gid();
        return Some(format!(
            "{shown}: the members of group {group} can write it, and so what runs on your hosts; chmod g-w {shown}"
        ));
    }
    None
}

/// Whether files of this user may say what runs: the one who runs this, root, who became root by sudo (as git has it), and those named.
fn is_trusted(owner: u32) -> bool {
    let own = rustix::process::geteuid().as_raw();
    let number = |text: String| text.trim().parse::<u32>().ok();
    owner == 0
        || owner == own
        || (own == 0 && std::env::var("SUDO_UID").ok().and_then(number) == Some(owner))
        || std::env::var(TRUSTED).is_ok_and(|list| list.split(',').any(|one| number(one.to_owned()) == Some(owner)))
}
