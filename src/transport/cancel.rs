//! One switch that ends everything that waits.
//!
//! Boundary: a flag and what is to be called when it fires; signals are caught by `cli`, which fires it.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

type Action = Box<dyn Fn() + Send>;

/// A switch with two positions: `drain` hands out no more work, `abandon` also ends what runs.
#[derive(Default)]
pub struct Cancel {
    draining: AtomicBool,
    abandoned: AtomicBool,
    next: AtomicU64,
    actions: Mutex<HashMap<u64, Action>>,
}

impl Cancel {
    /// A switch that has not fired.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Hands out no more work from now on; what runs may finish.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// Ends what runs: every registered action is called, once.
    pub fn abandon(&self) {
        self.drain();
        self.abandoned.store(true, Ordering::SeqCst);
        let actions = std::mem::take(&mut *self.actions.lock().unwrap_or_else(PoisonError::into_inner));
        for action in actions.into_values() {
            action();
        }
    }

    /// Whether no more work should begin.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Whether what runs should end.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::SeqCst)
    }

    /// Sleeps for `time`; `false` at once when the run is abandoned before it is over.
    #[must_use]
    pub fn sleep(&self, time: Duration) -> bool {
        let (sender, abandoned) = mpsc::channel();
        let _guard = self.on_abandon(move || {
            let _ = sender.send(());
        });
        abandoned.recv_timeout(time).is_err()
    }

    /// Has `action` called when the run is abandoned, for as long as the guard lives; at once if it already was.
    pub fn on_abandon(&self, action: impl Fn() + Send + 'static) -> CancelGuard<'_> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.actions.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Box::new(action));
        // Abandoned between the caller's check and the insert: nobody else would call it.
        if self.is_abandoned()
            && let Some(action) = self.actions.lock().unwrap_or_else(PoisonError::into_inner).remove(&id)
        {
            action();
        }
        CancelGuard { cancel: self, id }
    }
}

/// Takes its action back when dropped.
pub struct CancelGuard<'a> {
    cancel: &'a Cancel,
    id: u64,
}

impl Drop for CancelGuard<'_> {
    fn drop(&mut self) {
        self.cancel.actions.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicUsize};

    use super::*;

    fn counter() -> (Arc<AtomicUsize>, impl Fn() + Send + 'static) {
        let count = Arc::new(AtomicUsize::new(0));
        let inner = Arc::clone(&count);
        (count, move || {
            inner.fetch_add(1, Ordering::SeqCst);
        })
    }

    #[test]
    fn abandon_calls_each_live_action_once() {
        let cancel = Cancel::new();
        let (kept, action) = counter();
        let (dropped, gone) = counter();
        let _guard = cancel.on_abandon(action);
        drop(cancel.on_abandon(gone));
        cancel.abandon();
        cancel.abandon();
        assert_eq!(kept.load(Ordering::SeqCst), 1);
        assert_eq!(dropped.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_sleep_ends_when_the_run_is_abandoned() {
        let cancel = Cancel::new();
        assert!(cancel.sleep(Duration::from_millis(1)));
        std::thread::scope(|scope| {
            let sleeping = scope.spawn(|| cancel.sleep(Duration::MAX));
            cancel.abandon();
            assert!(!sleeping.join().is_ok_and(|slept| slept));
        });
        assert!(!cancel.sleep(Duration::MAX), "and does not begin afterwards");
    }

    #[test]
    fn an_action_registered_too_late_is_called_at_once() {
        let cancel = Cancel::new();
        cancel.abandon();
        let (count, action) = counter();
        let _guard = cancel.on_abandon(action);
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}
