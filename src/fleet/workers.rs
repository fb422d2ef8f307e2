//! The threads of a run, and how they share its hosts out among themselves.
//!
//! Boundary: takes numbers in order and calls back with each; knows no hosts. Next: `roll` says what is done with a number.
//!
//! Each of rayon's workers gets one job, which takes one number after the other from a common place. Work that is split and stolen
//! (`par_iter`) suits many short pieces: with few long ones, every worker that looks for more reads the queues of all the others
//! dozens of times before it sleeps, and is woken for each piece somebody else takes. For the same reason the workers begin only when
//! their jobs lie before them.

use std::{
    io,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Stack of a worker: it polls sockets and parses short texts; 1000 of them should fit in little memory. Unoptimised code needs more.
const STACK: usize = if cfg!(debug_assertions) { 1024 * 1024 } else { 256 * 1024 };

/// The workers of a run; none of their own where one host at a time is all there is to do.
pub(super) struct Workers {
    pool: Option<(ThreadPool, Gate)>,
}

impl Workers {
    /// As many as `most`; no thread is made for one.
    pub(super) fn new(most: usize) -> io::Result<Self> {
        if most <= 1 {
            return Ok(Self { pool: None });
        }
        let gate = Gate::default();
        // Opened as well when this fails: the threads that were made would wait for ever.
        let pool = ThreadPoolBuilder::new().num_threads(most).spawn_handler(|worker| {
            let gate = gate.clone();
            let begin = move || {
                gate.0.wait();
                worker.run();
            };
            std::thread::Builder::new().stack_size(STACK).spawn(begin).map(|_| ())
        });
        match pool.build() {
            Ok(pool) => Ok(Self { pool: Some((pool, gate)) }),
            Err(error) => {
                gate.open();
                Err(io::Error::other(error))
            }
        }
    }

    /// What `one` makes of each of `items`, in no order. An item is taken up as soon as a worker is free, in the order of the list.
    pub(super) fn each<T: Send>(&self, items: &[usize], one: impl Fn(usize) -> T + Sync) -> Vec<T> {
        let Some((pool, gate)) = &self.pool else { return items.iter().map(|item| one(*item)).collect() };
        let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(items.len())));
        pool.in_place_scope(|scope| {
            scope.spawn_broadcast(|_, _| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = one(*item);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
                }
            });
            gate.open();
        });
        done.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some((_, gate)) = &self.pool {
            gate.open();
        }
    }
}

/// Holds threads back until it is opened, once and for all.
#[derive(Clone, Default)]
struct Gate(Arc<OnceLock<()>>);

impl Gate {
    fn open(&self) {
        let _ = self.0.set(());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use std::sync::Barrier;

    use super::*;

    #[test]
    fn each_item_is_done_once_by_any_number_of_workers_batch_after_batch() {
        for most in [0, 1, 2, 7] {
            let workers = Workers::new(most).unwrap();
            for length in [0, 1, 3, 100] {
                let items: Vec<usize> = (0..length).map(|item| item * 2).collect();
                let mut done = workers.each(&items, |item| item);
                done.sort_unstable();
                assert_eq!(done, items, "{most} workers");
            }
        }
    }

    #[test]
    fn as_many_items_are_under_way_at_once_as_there_are_workers() {
        let workers = Workers::new(5).unwrap();
        let together = Barrier::new(5);
        // Would never end with fewer.
        assert_eq!(workers.each(&[0, 1, 2, 3, 4], |_| together.wait().is_leader()).len(), 5);
    }

    #[test]
    fn workers_that_never_get_work_end() {
        drop(Workers::new(3).unwrap());
    }
}
