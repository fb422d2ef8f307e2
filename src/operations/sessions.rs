//! The sessions that are kept for the next run: which there are, and ending them.
//!
//! Boundary: asks this user's keepers on this machine, no host. Next: `transport::ssh::kept`.

pub use crate::transport::ssh::kept::{SessionRow, SessionState};
use crate::{
    domain::glob,
    transport::ssh::kept::{self, Directory},
};

/// Kept sessions, and why that may not be all.
#[derive(Debug)]
pub struct Sessions {
    /// By host.
    pub rows: Vec<SessionRow>,
    /// Keepers that do not answer, or a directory that is not used.
    pub troubles: Vec<String>,
    /// Names and patterns that no session is kept for.
    pub missing: Vec<String>,
}

/// All kept sessions of this user.
#[must_use]
pub fn list() -> Sessions {
    let (rows, troubles) = kept::list(&Directory::of_process());
    Sessions { rows, troubles, missing: vec![] }
}

/// Those with the hosts that one of `patterns` (`*` and `?`) means; all without any.
#[must_use]
pub fn select(patterns: &[String]) -> Sessions {
    let (mut rows, troubles) = kept::list(&Directory::of_process());
    rows.retain(|row| row.is_meant_by(patterns));
    answer(rows, troubles, patterns)
}

/// Closes what [`select`] finds, and gives that.
#[must_use]
pub fn close(patterns: &[String]) -> Sessions {
    let (rows, troubles) = kept::close(&Directory::of_process(), patterns);
    answer(rows, troubles, patterns)
}

fn answer(rows: Vec<SessionRow>, troubles: Vec<String>, patterns: &[String]) -> Sessions {
    let is_met = |pattern: &String| rows.iter().any(|row| glob(pattern, &row.host));
    let missing = patterns.iter().filter(|pattern| !is_met(pattern)).cloned().collect();
    Sessions { rows, troubles, missing }
}
