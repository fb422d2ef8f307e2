//! OpenSSH's client configuration: what `ssh HOST` would mean, without running `ssh`.
//!
//! Boundary: pure; text, names and variables come through [`Machine`], which `store` implements. What is followed, what does
//! not matter here and what is refused stands in `keywords`. Source: ssh_config(5), and OpenSSH's own reading of it where the
//! page is silent. Next: `lexer` splits lines, `parser` reads files with their includes, `conditions` their `Host` and `Match` lines, `evaluate` answers for one host.

mod conditions;
mod evaluate;
mod jump;
mod keywords;
mod lexer;
mod options;
mod parser;
mod pattern;
mod reader;
mod settings;
#[cfg(test)]
pub(crate) mod tests;
mod tokens;
mod values;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use jump::{Hop, Jump};
pub use keywords::{Treatment, keywords};
pub use parser::SshConfig;
pub(crate) use reader::Config;
pub use reader::{Choice, Reader};
pub use settings::{Refusal, Request, Settings};
pub use values::HostKeyChecking;

/// Why a file gives no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is there and cannot be opened, which OpenSSH passes over in silence at the two usual places.
    #[error("{0}")]
    Closed(String),
    /// It must not be used as it is.
    #[error("{0}")]
    Unfit(String),
}

/// What the configuration asks of this machine.
pub trait Machine: fmt::Debug + Send + Sync {
    /// The text of a file; `None` when there is none. With `strict`, a file that others may write is an error, as in OpenSSH.
    ///
    /// # Errors
    /// Why the file cannot be used.
    fn read(&self, path: &Path, strict: bool) -> Result<Option<String>, ReadError>;
    /// The files that a pattern of glob(7) names, sorted.
    ///
    /// # Errors
    /// When the pattern is none.
    fn glob(&self, pattern: &str) -> Result<Vec<PathBuf>, String>;
    /// A variable of the environment.
    fn variable(&self, name: &str) -> Option<String>;
    /// The home directory of another user.
    fn home_of(&self, user: &str) -> Option<PathBuf>;
    /// The user's own home directory.
    fn home(&self) -> Option<PathBuf>;
    /// The user's name here.
    fn user(&self) -> String;
    /// The user's number.
    fn user_id(&self) -> u32;
    /// This machine's name, with its domain if it has one (gethostname(2)).
    fn host_name(&self) -> String;
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file as it is shown.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
