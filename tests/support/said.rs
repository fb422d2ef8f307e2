//! What a run of `mcp` ended with, and assertions on it that show all of it when they fail.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part of this module")]

use std::{
    process::Command,
    time::{Duration, Instant},
};

/// The end of one run.
#[derive(Debug)]
pub struct Said {
    /// Exit code; -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs `command` to its end.
pub fn run(mut command: Command) -> Said {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Said {
    /// It ended with `code`.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Standard output has `text`.
    #[track_caller]
    pub fn out(self, text: &str) -> Self {
        assert!(self.out.contains(text), "stdout lacks {text:?}\n{self}");
        self
    }

    /// Standard error has `text`.
    #[track_caller]
    pub fn err(self, text: &str) -> Self {
        assert!(self.err.contains(text), "stderr lacks {text:?}\n{self}");
        self
    }

    /// `text` is in neither stream.
    #[track_caller]
    pub fn nowhere(self, text: &str) -> Self {
        assert!(!self.out.contains(text) && !self.err.contains(text), "{text:?} was said\n{self}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("stdout is not JSON: {e}\n{self}"))
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {}\n--- stdout\n{}--- stderr\n{}", self.code, self.out, self.err)
    }
}

/// Waits up to 30 s for `condition`.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
