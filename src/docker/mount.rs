//! Mounts: what `-v`, `--mount` and `--tmpfs` say and what `docker inspect` shows, in one shape.
//!
//! Boundary: mounts as values; comparing them is [`super::drift`]'s.

use std::fmt;

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MountKind {
    /// A path of the host.
    Bind,
    /// A volume of docker's; without a source it is an anonymous one.
    Volume,
    /// Memory.
    Tmpfs,
    /// Something else (`npipe`, `cluster`, `image`, …), by docker's word.
    Other(String),
}

impl MountKind {
    /// The kind that docker calls `word`.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word {
            "bind" => Self::Bind,
            "volume" => Self::Volume,
            "tmpfs" => Self::Tmpfs,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Docker's word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Bind => "bind",
            Self::Volume => "volume",
            Self::Tmpfs => "tmpfs",
            Self::Other(word) => word,
        }
    }
}

/// One mount of a container.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mount {
    /// Where it is in the container, without a trailing slash.
    pub target: String,
    /// What is mounted.
    pub kind: MountKind,
    /// The host's path or the volume's name; none for tmpfs and for a volume that docker names itself.
    pub source: Option<String>,
    /// The container cannot write to it.
    pub read_only: bool,
}

impl fmt::Display for Mount {
    /// As `-v` takes it, with the kind in front when `-v` cannot say it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.kind, &self.source) {
            (MountKind::Bind | MountKind::Volume, Some(source)) => write!(f, "{source}:{}", self.target)?,
            (kind, Some(source)) => write!(f, "{} {source}:{}", kind.as_str(), self.target)?,
            (kind, None) => write!(f, "{} {}", kind.as_str(), self.target)?,
        }
        if self.read_only { write!(f, ":ro") } else { Ok(()) }
    }
}

/// A path without `.`, doubled or trailing slashes and with `..` resolved, as docker stores it (Go's `path.Clean`).
/// Relative paths stay relative.
#[must_use]
pub fn clean_path(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(".."),
            },
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_cleans_them() {
        for (path, clean) in [
            ("/data/", "/data"),
            ("/a//b/./c", "/a/b/c"),
            ("/a/../b", "/b"),
            ("/../..", "/"),
            ("/", "/"),
            ("", "."),
            ("a/..", "."),
            ("../a", "../a"),
            ("../../a/", "../../a"),
        ] {
            assert_eq!(clean_path(path), clean, "{path}");
        }
    }
}
