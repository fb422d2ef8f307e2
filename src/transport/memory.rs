//! How much output of hosts this process holds at most, all hosts together.
//!
//! A bound per host alone grows with the number of hosts. So whoever holds output claims room for it first and gives it back by
//! dropping it. Who finds no room waits for those that will give some back, and does without when there are none: nobody waits for
//! somebody who waits, because the last one that could go on may have what is set aside for it.
//!
//! Boundary: counts bytes, holds none. Next: `collected` holds them.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Cancel, OUTPUT_LIMIT};

/// Most bytes of output held by this process.
pub const MEMORY_LIMIT: usize = 256 * 1024 * 1024;

/// A claim below this is an everyday answer: it has what is left without waiting, and nobody waits for it to be given back.
const SMALL: usize = 64 * 1024;

/// Longest wait at a stretch. The connection is not read meanwhile, and sshd hangs up on a client that answers none of its own signs of
/// life (sshd_config(5), `ClientAliveInterval`; 45 s in hardened setups).
const PATIENCE: Duration = Duration::from_secs(20);

/// How often who waits looks whether the run was abandoned.
const GLANCE: Duration = Duration::from_millis(50);

/// The room of this process. Memory is the process's, so its bound is too, however many runs there are.
pub(super) static MEMORY: Budget = Budget::new(MEMORY_LIMIT, 2 * OUTPUT_LIMIT);

/// Bytes that may be held, and who holds some.
pub(super) struct Budget {
    /// Set aside for the last one that can go on.
    reserve: usize,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    left: usize,
    /// How many hold more than [`SMALL`], will give it back and do not wait.
    active: usize,
    waiting: usize,
}

impl Budget {
    /// Room for `bytes`, the last `reserve` of them for one at a time.
    pub(super) const fn new(bytes: usize, reserve: usize) -> Self {
        Self { reserve, state: Mutex::new(State { left: bytes, active: 0, waiting: 0 }), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives something back, and tells those that wait for it.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        if state.waiting > 0 {
            self.changed.notify_all();
        }
    }

    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.state().left
    }
}

/// Until when somebody waits for room.
#[derive(Clone, Copy)]
pub(super) struct Patience<'a> {
    pub(super) cancel: &'a Cancel,
    pub(super) until: Instant,
}

/// Bytes that somebody holds; given back when it is dropped.
pub(super) struct Claim {
    budget: &'static Budget,
    bytes: usize,
    is_active: bool,
}

impl Claim {
    pub(super) fn new(budget: &'static Budget) -> Self {
        Self { budget, bytes: 0, is_active: false }
    }

    /// Claims `more` bytes. Says `false` when there is no room for them and none will come in time.
    pub(super) fn grow(&mut self, more: usize, patience: Patience<'_>) -> bool {
        let mut state = self.budget.state();
        let is_small = self.bytes + more <= SMALL;
        if !is_small && !self.is_active {
            self.is_active = true;
            state.active += 1;
        }
        let until = patience.until.min(Instant::now() + PATIENCE);
        loop {
            let is_last = state.active <= 1;
            let reserve = if is_small || is_last { 0 } else { self.budget.reserve };
            if state.left >= more.saturating_add(reserve) {
                state.left -= more;
                self.bytes += more;
                return true;
            }
            if is_small || is_last || Instant::now() >= until || patience.cancel.is_abandoned() {
                return false;
            }
            state.active -= 1;
            state.waiting += 1;
            state = self.budget.changed.wait_timeout(state, GLANCE).unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
            state.active += 1;
        }
    }

    /// Gives back all but `bytes`.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        self.bytes -= less;
        self.budget.change(|state| state.left += less);
    }

    /// Nobody need wait for this one.
    fn keep(&mut self) {
        if std::mem::take(&mut self.is_active) {
            self.budget.change(|state| state.active -= 1);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.keep();
        self.shrink_to(0);
    }
}

/// The room that output takes; given back when its last clone is dropped, so it stays with the output.
#[derive(Clone, Default)]
pub struct Room(Option<Arc<Mutex<Claim>>>);

impl Room {
    pub(super) fn new(claim: Claim) -> Self {
        Self(Some(Arc::new(Mutex::new(claim))))
    }

    /// Room for `bytes` that are free now; `None` when they are not.
    #[must_use]
    pub fn now(bytes: usize) -> Option<Self> {
        let mut claim = Claim::new(&MEMORY);
        let patience = Patience { cancel: &Cancel::default(), until: Instant::now() };
        claim.grow(bytes, patience).then(|| Self::new(claim))
    }

    /// Says that the output will be held until the run is over, so that nobody waits for its room.
    pub fn keep(&self) {
        if let Some(claim) = &self.0 {
            claim.lock().unwrap_or_else(PoisonError::into_inner).keep();
        }
    }
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Room")
    }
}

/// Output is the same wherever it is accounted for.
impl PartialEq for Room {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Room {}

#[cfg(test)]
mod tests {
    use super::*;

    /// A budget that lives as long as the process, as that of the process does.
    fn budget(bytes: usize, reserve: usize) -> &'static Budget {
        Box::leak(Box::new(Budget::new(bytes, reserve)))
    }

    fn patience(cancel: &Cancel) -> Patience<'_> {
        Patience { cancel, until: Instant::now() + Duration::from_secs(3600) }
    }

    #[test]
    fn what_is_dropped_or_shrunk_is_given_back() {
        let (budget, cancel) = (budget(10 * SMALL, SMALL), Cancel::default());
        let mut claim = Claim::new(budget);
        assert!(claim.grow(3 * SMALL, patience(&cancel)));
        assert_eq!(budget.left(), 7 * SMALL);
        claim.shrink_to(10);
        assert_eq!(budget.left(), 10 * SMALL - 10);
        let room = Room::new(claim);
        let clone = room.clone();
        drop(room);
        assert_eq!(budget.left(), 10 * SMALL - 10);
        drop(clone);
        assert_eq!(budget.left(), 10 * SMALL);
        assert_eq!(budget.state().active, 0);
    }

    #[test]
    fn the_last_one_that_can_go_on_may_have_the_reserve_and_no_more() {
        let (budget, cancel) = (budget(10 * SMALL, 4 * SMALL), Cancel::default());
        let mut only = Claim::new(budget);
        assert!(only.grow(10 * SMALL, patience(&cancel)));
        assert!(!only.grow(2 * SMALL, patience(&cancel)));
        assert_eq!(budget.left(), 0);
    }

    #[test]
    fn who_finds_no_room_has_it_when_another_gives_it_back() {
        let (budget, cancel) = (budget(10 * SMALL, 2 * SMALL), Cancel::default());
        let mut first = Claim::new(budget);
        assert!(first.grow(8 * SMALL, patience(&cancel)));
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| {
                let mut second = Claim::new(budget);
                second.grow(2 * SMALL, patience(&cancel))
            });
            // The second counts until it waits, and then no more: only then does the first get the reserve.
            assert!(first.grow(2 * SMALL, patience(&cancel)));
            drop(first);
            assert!(waits.join().is_ok_and(|had| had));
        });
        assert_eq!(budget.left(), 10 * SMALL);
    }

    #[test]
    fn nobody_waits_for_what_is_kept() {
        let (budget, cancel) = (budget(10 * SMALL, SMALL), Cancel::default());
        let mut kept = Claim::new(budget);
        assert!(kept.grow(9 * SMALL, patience(&cancel)));
        let room = Room::new(kept);
        room.keep();
        let mut late = Claim::new(budget);
        assert!(!late.grow(2 * SMALL, patience(&cancel)));
        assert!(late.grow(SMALL, patience(&cancel)), "a small answer has what is left");
    }

    #[test]
    fn an_abandoned_run_waits_for_nothing() {
        let (budget, cancel) = (budget(10 * SMALL, SMALL), Cancel::default());
        let mut first = Claim::new(budget);
        assert!(first.grow(9 * SMALL, patience(&cancel)));
        cancel.abandon();
        assert!(!Claim::new(budget).grow(2 * SMALL, patience(&cancel)));
    }
}
