//! What `ssh_config` asks of this machine: files, names, variables.
//!
//! Boundary: the only part of reading OpenSSH's configuration that touches the system; nothing is run and nothing looked up
//! over a network.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::config::{
    ssh_config::{Machine, ReadError},
    yaml::LARGEST,
};

/// This machine, as one user sees it.
#[derive(Debug, Clone)]
pub struct ThisMachine {
    /// What `~` stands for.
    pub home: Option<PathBuf>,
    /// The user's name.
    pub user: String,
}

impl Machine for ThisMachine {
    fn read(&self, path: &Path, strict: bool) -> Result<Option<String>, ReadError> {
        let closed = |error: io::Error| ReadError::Closed(format!("it cannot be read: {error}"));
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(closed(error)),
        };
        let meta = file.metadata().map_err(closed)?;
        if strict {
            fit(path, &meta)?;
        }
        // To OpenSSH a directory is a file without lines.
        if meta.is_dir() {
            return Ok(Some(String::new()));
        }
        let mut bytes = Vec::new();
        let most = u64::try_from(LARGEST).unwrap_or(u64::MAX);
        file.take(most + 1).read_to_end(&mut bytes).map_err(closed)?;
        if bytes.len() > LARGEST {
            return Err(ReadError::Unfit(format!("the file has more than {LARGEST} bytes")));
        }
        // Other encodings stand in comments, where they do no harm.
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn glob(&self, pattern: &str) -> Result<Vec<PathBuf>, String> {
        // To glob(7) `**` is `*`, and to the library a way through all directories below.
        let mut single = String::with_capacity(pattern.len());
        for letter in pattern.chars() {
            if letter != '*' || !single.ends_with('*') {
                single.push(letter);
            }
        }
        let options = glob::MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: true,
        };
        let found = glob::glob_with(&single, options).map_err(|error| format!("{pattern:?} is no pattern: {error}"))?;
        // What cannot be looked into matches nothing, as for glob(3) without GLOB_ERR.
        let mut paths: Vec<PathBuf> = found.filter_map(Result::ok).collect();
        paths.sort();
        Ok(paths)
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn home_of(&self, user: &str) -> Option<PathBuf> {
        // passwd(5): name, password, number, group, comment, home, shell.
        let home = |line: &str| {
            let fields: Vec<&str> = line.split(':').collect();
            (fields.first() == Some(&user)).then(|| fields.get(5).map(PathBuf::from)).flatten()
        };
        fs::read_to_string("/etc/passwd").ok()?.lines().find_map(home)
    }

    fn home(&self) -> Option<PathBuf> {
        self.home.clone()
    }

    fn user(&self) -> String {
        self.user.clone()
    }

    fn user_id(&self) -> u32 {
        rustix::process::getuid().as_raw()
    }

    fn host_name(&self) -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }
}

/// Refuses a file that others could have written: they would choose where connections go.
fn fit(path: &Path, meta: &fs::Metadata) -> Result<(), ReadError> {
    let own = rustix::process::getuid().as_raw();
    if meta.uid() != 0 && meta.uid() != own {
        let message = format!("it belongs to user {}, so it is not used; it must be yours or root's", meta.uid());
        return Err(ReadError::Unfit(message));
    }
    let for_all = meta.mode() & 0o002 != 0;
    if for_all || (meta.mode() & 0o020 != 0 && !is_private_group(meta.gid(), own)) {
        let message = format!("it can be written by others, so it is not used; chmod go-w {}", path.display());
        return Err(ReadError::Unfit(message));
    }
    Ok(())
}

/// Whether the user is alone in a group (ssh_config(5), FILES, as Debian has it: its users have a group each).
pub(super) fn is_private_group(group: u32, user: u32) -> bool {
    let Ok(users) = fs::read_to_string("/etc/passwd") else { return false };
    let Ok(groups) = fs::read_to_string("/etc/group") else { return false };
    let field = |line: &str, at: usize| line.split(':').nth(at).map(str::to_owned);
    let number = |line: &str, at: usize| field(line, at).and_then(|text| text.parse::<u32>().ok());
    let name = users.lines().find(|line| number(line, 2) == Some(user)).and_then(|line| field(line, 0));
    let alone_by_default =
        users.lines().filter(|line| number(line, 3) == Some(group)).all(|line| number(line, 2) == Some(user));
    let Some(entry) = groups.lines().find(|line| number(line, 2) == Some(group)) else { return false };
    let members = field(entry, 3).unwrap_or_default();
    alone_by_default
        && name.is_some_and(|name| members.split(',').all(|member| member.is_empty() || member == name.as_str()))
}
