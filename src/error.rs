//! What a command ends with: an exit code, or an error that says what, where, why and what next.
//!
//! Boundary: values only; `render::error` prints them. Next: `operations::trouble` turns a host's failure into words.

use std::{error::Error, fmt};

/// The exit codes of `mcp`, the same for every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All well.
    Ok,
    /// An instance failed.
    Failed,
    /// The command line or the configuration is wrong; nothing was done.
    Usage,
    /// A host was unreachable.
    Unreachable,
    /// Interrupted by Ctrl-C or SIGTERM.
    Interrupted,
    /// Nobody reads the answer any more, and what went on for it was ended before its own end.
    Unread,
    /// The one command that ran on the one host ended with this, and its code was asked for.
    Command(u8),
}

impl Exit {
    /// The process's exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unreachable => 4,
            // 128 + SIGINT, as shells report it.
            Self::Interrupted => 130,
            // 128 + SIGPIPE, as shells report who wrote to a pipe without a reader.
            Self::Unread => 141,
            Self::Command(code) => code,
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed | Self::Command(_) => 1,
            Self::Unreachable => 2,
            Self::Usage => 3,
            Self::Interrupted => 4,
            Self::Unread => 5,
        }
    }

    /// The one of two that a script should hear of: unreachable outranks failed, interrupted outranks both.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }
}

/// Why a command could not do its work.
#[derive(Debug)]
pub struct CommandError {
    /// What failed, and where.
    pub message: String,
    /// Why, outermost first.
    pub causes: Vec<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// The exit code it gives.
    pub exit: Exit,
}

impl CommandError {
    /// A mistake on the command line or in a file: exit code 2.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), causes: vec![], hint: None, exit: Exit::Usage }
    }

    /// Something that did not work out: exit code 1.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self { message: message.into(), causes: vec![], hint: None, exit: Exit::Failed }
    }

    /// Adds `error` and all its sources as causes.
    #[must_use]
    pub fn because(mut self, error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            if self.causes.last() != Some(&text) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for CommandError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreachable_outranks_failed_and_interrupted_outranks_all() {
        let fold = |exits: &[Exit]| exits.iter().fold(Exit::Ok, |a, b| a.or(*b));
        assert_eq!(fold(&[]), Exit::Ok);
        assert_eq!(fold(&[Exit::Failed, Exit::Unreachable, Exit::Failed]), Exit::Unreachable);
        assert_eq!(fold(&[Exit::Interrupted, Exit::Unreachable]), Exit::Interrupted);
        assert_eq!(fold(&[Exit::Ok, Exit::Failed]).code(), 1);
    }
}
