//! At most ten connections start at once towards one endpoint, or through one jump host.
//!
//! Stock sshd begins to drop connections at random when ten have not logged in yet (sshd_config(5), `MaxStartups 10:30:100`).
//!
//! Boundary: counts starts; knows no sockets. A start that makes no haste is no longer counted after [`LEASE`], so that a
//! host that hangs never holds up the others.

use std::{
    collections::HashMap,
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::wire::timeout;
use crate::transport::{Limits, Phase, TransportError, TransportErrorKind};

/// Most starts at once.
const MOST: usize = 10;

/// How long a start is counted at most.
const LEASE: Duration = Duration::from_secs(2);

/// How often a waiting worker looks whether the run was abandoned.
const LOOK: Duration = Duration::from_millis(100);

/// Longest wait for a turn, over which no deadline of a host runs.
const LONGEST: Duration = Duration::from_secs(120);

/// The starts under way, by endpoint.
#[derive(Default)]
pub(super) struct Gate {
    starts: Mutex<HashMap<String, Vec<Start>>>,
    freed: Condvar,
    next: AtomicU64,
}

struct Start {
    id: u64,
    since: Instant,
}

/// Permission to start; given back when dropped.
pub(super) struct Permit<'a> {
    gate: &'a Gate,
    key: String,
    id: u64,
}

impl Gate {
    /// Waits for a turn towards `key`.
    pub(super) fn enter(&self, key: &str, limits: &Limits<'_>) -> Result<Permit<'_>, TransportError> {
        let begin = Instant::now();
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let here = starts.entry(key.to_owned()).or_default();
            here.retain(|start| start.since.elapsed() < LEASE);
            if here.len() < MOST {
                // Never used twice: a start that outlived its lease must not give back another's.
                let id = self.next.fetch_add(1, Ordering::Relaxed);
                here.push(Start { id, since: Instant::now() });
                return Ok(Permit { gate: self, key: key.to_owned(), id });
            }
            if limits.cancel.is_abandoned() {
                return Err(TransportError::new(Phase::Tcp, TransportErrorKind::Cancelled));
            }
            if begin.elapsed() > LONGEST {
                return Err(timeout(Phase::Tcp, limits));
            }
            let oldest = here.iter().map(|start| start.since).min().unwrap_or(begin);
            let wait = LEASE.saturating_sub(oldest.elapsed()).clamp(Duration::from_millis(1), LOOK);
            (starts, _) = self.freed.wait_timeout(starts, wait).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut starts = self.gate.starts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = starts.get_mut(&self.key) {
            here.retain(|start| start.id != self.id);
            if here.is_empty() {
                starts.remove(&self.key);
            }
        }
        self.gate.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::transport::Cancel;

    #[test]
    fn no_more_than_ten_start_at_once_and_all_get_their_turn() {
        let (gate, cancel) = (Gate::default(), Cancel::new());
        let (now, most, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..50 {
                scope.spawn(|| {
                    let limits = Limits::new(Duration::from_secs(9), &cancel, &|_| {});
                    let permit = gate.enter("a:22", &limits).unwrap();
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    now.fetch_sub(1, Ordering::SeqCst);
                    drop(permit);
                    done.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= MOST);
        assert_eq!(done.load(Ordering::SeqCst), 50);
        assert!(gate.starts.lock().unwrap().is_empty());
    }

    #[test]
    fn ten_that_hang_hold_up_neither_their_own_endpoint_for_long_nor_another_at_all() {
        let (gate, cancel) = (Gate::default(), Cancel::new());
        let limits = Limits::new(Duration::from_secs(9), &cancel, &|_| {});
        let hung: Vec<_> = (0..MOST).map(|_| gate.enter("a:22", &limits).unwrap()).collect();
        drop(gate.enter("b:22", &limits).unwrap());
        drop(gate.enter("a:22", &limits).unwrap());
        drop(hung);
    }

    #[test]
    fn an_abandoned_run_waits_no_longer() {
        let (gate, cancel) = (Gate::default(), Cancel::new());
        let limits = Limits::new(Duration::from_secs(9), &cancel, &|_| {});
        let _hung: Vec<_> = (0..MOST).map(|_| gate.enter("a:22", &limits).unwrap()).collect();
        cancel.abandon();
        assert!(gate.enter("a:22", &limits).is_err());
    }
}
