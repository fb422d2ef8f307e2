//! The sessions that are kept for the next run: which there are, and ending them.
//!
//! Boundary: asks this user's keepers on this machine, no host. Next: `transport::ssh::kept`.

use std::path::PathBuf;

use crate::transport::ssh::kept::{self, Directory};
pub use crate::transport::ssh::kept::{SessionRow, SessionState};

fn directory() -> Directory {
    Directory::of_user(std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).as_deref())
}

/// All kept sessions of this user, by host, and what is wrong with keepers that do not answer.
#[must_use]
pub fn list() -> (Vec<SessionRow>, Vec<String>) {
    kept::list(&directory())
}

/// Closes the sessions with `hosts`, or all of them; what is said is as for [`list`].
#[must_use]
pub fn close(hosts: Option<&Vec<String>>) -> (Vec<SessionRow>, Vec<String>) {
    kept::close(&directory(), hosts.map(Vec::as_slice))
}
