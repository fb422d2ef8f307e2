//! The sessions that a run no longer needs and somebody may soon.
//!
//! Boundary: memory only. Next: `keeper` holds them when the run is over.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{super::wire::Wire, Keep, Key};

/// Most sessions kept by one run: each takes some 80 KB here, and a process and a place in `MaxStartups`'s sum there.
pub(super) const MOST: usize = 256;

/// Sessions to keep.
#[derive(Default)]
pub struct Pool {
    sessions: Mutex<Vec<(Key, Held)>>,
}

/// What a keeper holds.
pub(super) struct Held {
    pub(super) wire: Wire,
    pub(super) title: Title,
    /// How long after its last use.
    pub(super) persist: Duration,
    pub(super) used: Instant,
}

/// What a session is called in lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Title {
    /// The inventory's name for the host.
    pub(super) host: String,
    /// `user@address:port`.
    pub(super) target: String,
    /// The names of the jump hosts on the way, from the outermost in.
    pub(super) jump: Vec<String>,
    /// When it was opened.
    pub(super) since: Instant,
}

/// A session that is logged in, with nothing open on it.
pub(in super::super) struct Keepable(Wire);

impl Keepable {
    pub(in super::super) fn new(wire: Wire) -> Self {
        Self(wire)
    }
}

/// Where a session goes when its run no longer needs it.
pub(in super::super) struct Place {
    pool: Arc<Pool>,
    key: Key,
    title: Title,
    persist: Duration,
}

impl Place {
    pub(in super::super) fn new(
        keep: &Keep,
        key: Key,
        host: &str,
        target: String,
        jump: Vec<String>,
        persist: Duration,
    ) -> Self {
        let title = Title { host: host.to_owned(), target, jump, since: Instant::now() };
        Self { pool: Arc::clone(&keep.pool), key, title, persist }
    }

    /// What the session is found by, and how long it is to be kept.
    pub(in super::super) fn wish(&self) -> (Key, Duration) {
        (self.key, self.persist)
    }

    /// Hands the session over; it is closed when there are enough.
    pub(in super::super) fn keep(self, Keepable(wire): Keepable) {
        let mut sessions = self.pool.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() < MOST {
            let held = Held { wire, title: self.title, persist: self.persist, used: Instant::now() };
            sessions.push((self.key, held));
        }
    }
}

impl Pool {
    /// Whether there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Whether a session among them goes through a jump host.
    pub(in super::super) fn has_tunnels(&self) -> bool {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.iter().any(|(_, held)| !held.title.jump.is_empty())
    }

    /// Closes all of them.
    pub fn clear(&self) {
        drop(self.take());
    }

    pub(super) fn take(&self) -> Vec<(Key, Held)> {
        std::mem::take(&mut *self.sessions.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
