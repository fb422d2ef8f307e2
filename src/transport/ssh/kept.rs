//! Sessions that outlive the run that opened them, so that the next one within a minute does not shake hands again.
//!
//! A run that opened sessions ends in the background as their *keeper*: the process that holds them goes on, listens on a socket in
//! a directory that only this user can enter, and ends when nobody has needed a session for a while. The next run finds a
//! session by its *key*, which stands for all that the session was made with; it checks the host's key against
//! `known_hosts` as it would for a new one, and opens a channel, which is the sign that the session lives, before it sends a
//! command. Where any of that fails, it connects as ever: a kept session saves time and changes nothing else.
//!
//! Boundary: sessions, sockets and their files; who becomes a keeper, and when, is `commands::background`'s.
//! Next: `directory` (the files), `talk` with `frame` and `words` (what goes over the socket), `link` (a run that attaches), `pool`
//! (what is to be kept), `keeper` with `attendant` and `running` (who keeps it), `control` (`mcp sessions`).

mod attendant;
mod control;
mod directory;
mod frame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod keeper;
mod link;
mod pool;
mod running;
mod talk;
mod words;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

pub use self::{
    control::{SessionRow, SessionState, close, list},
    directory::Directory,
    keeper::Keeper,
    pool::Pool,
};
pub(super) use self::{
    link::attach,
    pool::{Keepable, Place},
};
use crate::domain::{Host, SshEndpoint};

/// How long a session is kept after its last use unless the user or the host's entry says otherwise.
pub const DEFAULT_PERSIST: Duration = Duration::from_secs(60);

/// Where a run finds kept sessions and where it leaves its own.
#[derive(Clone)]
pub struct Keep {
    /// Where the sockets are.
    pub directory: Directory,
    /// How long, over what the host's entry says; zero keeps and uses none.
    pub persist: Option<Duration>,
    /// Takes the sessions that the run no longer needs.
    pub pool: Arc<Pool>,
}

impl Keep {
    /// How long a session with `host` is kept; zero for not at all.
    pub(super) fn persist(&self, host: &Host) -> Duration {
        self.persist.or(host.persist).unwrap_or(DEFAULT_PERSIST)
    }
}

/// What a session was made with, as a number: two runs share a session only if each would have made the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 16]);

impl Key {
    /// The key of a session with `endpoint`, logged in to with what is in `home` and the agent behind `agent`.
    pub(super) fn new(endpoint: &SshEndpoint, home: Option<&Path>, agent: Option<&Path>) -> Self {
        // The version of the words on the socket is part of it: who speaks others finds nothing.
        let text = format!("{} {endpoint:?} {home:?} {agent:?}", frame::VERSION);
        let mut key = [0; 16];
        key.copy_from_slice(&Sha256::digest(text)[..16]);
        Self(key)
    }

    /// As it stands in a file's name: 32 hexadecimal digits.
    fn hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Time left until `at`.
fn left(at: Instant) -> Duration {
    at.saturating_duration_since(Instant::now())
}
