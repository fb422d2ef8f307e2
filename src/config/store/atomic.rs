//! Replaces a file as a whole: whoever reads it, and whoever is killed meanwhile, leaves or finds the old or the new text.
//!
//! Boundary: bytes and modes. Called with the workspace's lock held.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// The mode of the new file.
#[derive(Clone, Copy)]
pub(super) enum Mode {
    /// This, whatever the old file's was.
    Exactly(u32),
    /// The old file's, or this when there is none.
    KeepOr(u32),
}

/// Ends the names of files that are not finished; a leftover of a killed run is known by it.
const SUFFIX: &str = ".mcp-tmp";

/// Puts `text` in the place of what is at `path`; returns the new file.
pub(super) fn write(path: &Path, text: &str, mode: Mode) -> io::Result<File> {
    let target = match mode {
        // A file of this program's own is never behind a link: one in its place is replaced.
        Mode::Exactly(_) => own(path)?,
        Mode::KeepOr(_) => target(path)?,
    };
    let (Some(dir), Some(name)) = (target.parent(), target.file_name()) else {
        return Err(io::Error::other("the path has no directory or no name"));
    };
    let prefix = format!(".{}.", name.to_string_lossy());
    sweep(dir, &prefix);
    let old = fs::symlink_metadata(&target).ok().filter(fs::Metadata::is_file);
    // Created with O_EXCL and mode 0600, so no prepared link is followed and no secret is readable in between.
    let mut file = tempfile::Builder::new().prefix(&prefix).suffix(SUFFIX).tempfile_in(dir)?;
    file.write_all(text.as_bytes())?;
    let bits = match (mode, &old) {
        (Mode::KeepOr(_), Some(old)) => old.permissions().mode() & 0o7777,
        (Mode::Exactly(bits) | Mode::KeepOr(bits), _) => bits,
    };
    match &old {
        Some(old) => keep_owner(file.as_file(), old),
        None => give_to_owner_of(dir, file.as_file()),
    }
    file.as_file().set_permissions(Permissions::from_mode(bits))?;
    file.as_file().sync_all()?;
    let file = file.persist(&target).map_err(|error| error.error)?;
    // The rename itself must reach the disk too (rename(2) says nothing of it; fsync(2) does, for directories).
    File::open(dir)?.sync_all()?;
    Ok(file)
}

/// The file to replace: behind a symbolic link its target, since people keep these files in a repository of their own.
fn target(path: &Path) -> io::Result<PathBuf> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => fs::canonicalize(path),
        Ok(metadata) if !metadata.is_file() => Err(io::Error::other("it is not a regular file")),
        _ => Ok(path.to_owned()),
    }
}

fn own(path: &Path) -> io::Result<PathBuf> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() && !metadata.is_symlink() => {
            Err(io::Error::other("it is not a regular file"))
        }
        _ => Ok(path.to_owned()),
    }
}

/// Run as root in somebody's workspace, what is made there is that user's, who could not use it any more otherwise.
pub(super) fn give_to_owner_of(dir: &Path, file: &File) {
    let is_root = |meta: &fs::Metadata| meta.uid() == 0;
    if let (Ok(dir), Ok(old)) = (fs::metadata(dir), file.metadata())
        && is_root(&old)
        && !is_root(&dir)
    {
        keep_owner(file, &dir);
    }
}

/// Run as root, a write must not take the file from its owner; anyone else cannot give files away, nor needs to.
fn keep_owner(file: &File, old: &fs::Metadata) {
    if rustix::process::geteuid().is_root() {
        let owner = (rustix::fs::Uid::from_raw(old.uid()), rustix::fs::Gid::from_raw(old.gid()));
        let _ = rustix::fs::fchown(file, Some(owner.0), Some(owner.1));
    }
}

/// Removes what a killed run left behind. The lock is held, so no live run is writing here.
fn sweep(dir: &Path, prefix: &str) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(prefix) && name.ends_with(SUFFIX) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
