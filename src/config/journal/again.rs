//! What is needed to do a run on hosts again, as far as it may be written down.
//!
//! Boundary: values and what is secret in them; whether a file is still what it was is asked of the system.

use std::{fs, io, os::unix::fs::MetadataExt, path::Path};

use serde::{Deserialize, Serialize};

use crate::domain::secrets::{mask, mask_words};

/// What is needed to do a run on hosts again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Again {
    /// A command.
    Exec(ExecAgain),
    /// A file.
    Copy(CopyAgain),
    /// It cannot be done again, because this is not written down: words that follow "it lacks".
    Lacks(String),
}

/// A command on hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecAgain {
    /// The words after `--`.
    pub command: Vec<String>,
    /// The local script that runs there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<KnownFile>,
    /// What each command reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin: Option<KnownFile>,
    /// `--gather`.
    #[serde(skip_serializing_if = "is_not")]
    pub gather: bool,
    /// `--no-prefix`.
    #[serde(skip_serializing_if = "is_not")]
    pub no_prefix: bool,
    /// `--raw`.
    #[serde(skip_serializing_if = "is_not")]
    pub raw: bool,
    /// `--propagate`.
    #[serde(skip_serializing_if = "is_not")]
    pub propagate: bool,
}

/// A file to hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyAgain {
    /// The file.
    pub file: KnownFile,
    /// Its path there, or a directory; empty for where commands begin.
    pub destination: String,
    /// Permission bits.
    pub mode: u32,
    /// `--owner`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// `--parents`.
    #[serde(default, skip_serializing_if = "is_not")]
    pub parents: bool,
    /// `--backup`.
    #[serde(default, skip_serializing_if = "is_not")]
    pub backup: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_not(value: &bool) -> bool {
    !*value
}

/// A file of this machine, with what tells whether it is still the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownFile {
    /// Its absolute path.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last modified, in nanoseconds since 1970.
    pub modified: i64,
}

impl KnownFile {
    /// The file at `path` as it is now; `None` when it cannot be read a second time (a pipe, a device), or its path is not UTF-8.
    ///
    /// # Errors
    /// What the system says.
    pub fn at(path: &Path) -> io::Result<Option<Self>> {
        let metadata = fs::metadata(path)?;
        let absolute = std::path::absolute(path)?;
        // What a shell's <(…) names is open in this process alone.
        let lasts = metadata.is_file() && !absolute.starts_with("/proc") && !absolute.starts_with("/dev");
        let modified = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
        let known = |path: &str| Self { path: path.to_owned(), size: metadata.len(), modified };
        Ok(absolute.to_str().filter(|_| lasts).map(known))
    }

    /// Whether it is still there, and the same.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        Self::at(Path::new(&self.path)).is_ok_and(|now| now.as_ref() == Some(self))
    }
}

impl Again {
    /// Itself, unless it holds something like a credential: that is never written down.
    #[must_use]
    pub fn without_secrets(self) -> Self {
        let is_plain = match &self {
            Self::Exec(exec) => {
                let files = [&exec.script, &exec.stdin].into_iter().flatten().map(|file| file.path.clone());
                mask_words(exec.command.iter().cloned()) == exec.command
                    && files.into_iter().all(|path| is_plain(&path))
            }
            Self::Copy(copy) => {
                [&copy.file.path, &copy.destination].into_iter().chain(&copy.owner).all(|text| is_plain(text))
            }
            Self::Lacks(_) => true,
        };
        if is_plain { self } else { Self::Lacks("what looked like a credential in its command line".to_owned()) }
    }

    /// The files it needs.
    #[must_use]
    pub fn files(&self) -> Vec<&KnownFile> {
        match self {
            Self::Exec(exec) => [&exec.script, &exec.stdin].into_iter().flatten().collect(),
            Self::Copy(copy) => vec![&copy.file],
            Self::Lacks(_) => vec![],
        }
    }
}

fn is_plain(text: &str) -> bool {
    mask(text) == text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn command(words: &[&str]) -> Again {
        Again::Exec(ExecAgain {
            command: words.iter().map(|word| (*word).to_owned()).collect(),
            ..ExecAgain::default()
        })
    }

    #[test]
    fn what_looks_like_a_credential_is_lacking_and_everything_else_stays() {
        for words in [&["uptime"][..], &["sh", "-c", "df -h | tail -1"], &["echo", "$HOME"]] {
            assert_eq!(command(words).without_secrets(), command(words));
        }
        for words in [&["TOKEN=abc ./deploy"][..], &["tool", "--password", "hunter2"], &["curl https://u:p4ss@x/"]] {
            let text = serde_json::to_string(&command(words).without_secrets()).unwrap();
            assert!(text.starts_with(r#"{"lacks":"#), "{text}");
        }
    }

    #[test]
    fn a_file_is_the_same_until_its_content_may_be_another() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("file");
        fs::write(&path, "one").unwrap();
        let known = KnownFile::at(&path).unwrap().unwrap();
        assert!(known.is_unchanged());
        fs::write(&path, "other").unwrap();
        assert!(!known.is_unchanged());
        fs::remove_file(&path).unwrap();
        assert!(!known.is_unchanged());
        assert_eq!(KnownFile::at(Path::new("/dev/null")).unwrap(), None);
    }
}
