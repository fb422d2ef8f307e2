//! The threads of a run, and how they share its hosts out among themselves.
//!
//! Boundary: takes numbers in order and calls back with each; knows no hosts. Next: `roll` says what is done with a number.
//!
//! Each of rayon's workers gets one job, which takes one number after the other from a common place. Work that is split and stolen
//! (`par_iter`) suits many short pieces: with few long ones, every worker that looks for more reads the queues of all the others
//! dozens of times before it sleeps, and is woken for each piece somebody else takes. For the same reason the workers begin only when
//! their jobs lie before them, those who are done look around among a few only, and nobody begins to look around before all are
//! done: each would hand its processor over dozens of times before it sleeps, in the middle of what the others do.

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

/// How many workers look for each other's work when they have none.
const CREW: usize = 8;

/// The workers of a run; none of their own where one host at a time is all there is to do.
pub(super) struct Workers {
    crews: Vec<ThreadPool>,
    size: usize,
    gate: Gate,
}

impl Workers {
    /// As many as `most`; no thread is made for one.
    pub(super) fn new(most: usize) -> io::Result<Self> {
        // Its gate is opened as well when a thread cannot be made: those that were would wait for ever.
        let size = if most > 1 { most } else { 0 };
        let mut workers = Self { crews: Vec::new(), size, gate: Gate::default() };
        let mut left = size;
        while left > 0 {
            let size = left.min(CREW);
            workers.crews.push(workers.crew(size)?);
            left -= size;
        }
        Ok(workers)
    }

    fn crew(&self, size: usize) -> io::Result<ThreadPool> {
        let crew = ThreadPoolBuilder::new().num_threads(size).spawn_handler(|worker| {
            let gate = self.gate.clone();
            let begin = move || {
                gate.0.wait();
                worker.run();
            };
            std::thread::Builder::new().stack_size(STACK).spawn(begin).map(|_| ())
        });
        crew.build().map_err(io::Error::other)
    }

    /// What `one` makes of each of `items`, in no order. An item is taken up as soon as a worker is free, in the order of the list.
    pub(super) fn each<T: Send>(&self, items: &[usize], one: impl Fn(usize) -> T + Sync) -> Vec<T> {
        if self.crews.is_empty() {
            return items.iter().map(|item| one(*item)).collect();
        }
        let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(items.len())));
        let end = End { busy: AtomicUsize::new(self.size), gate: Gate::default() };
        let job = || {
            let _waits = Departure(&end);
            while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                let outcome = one(*item);
                done.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
            }
        };
        self.all_do(&self.crews, &job);
        done.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has every worker of `crews` do `job`, and waits for all of them.
    fn all_do(&self, crews: &[ThreadPool], job: &(impl Fn() + Sync)) {
        match crews.split_first() {
            Some((crew, others)) => crew.in_place_scope(|scope| {
                scope.spawn_broadcast(|_, _| job());
                self.all_do(others, job);
            }),
            None => self.gate.open(),
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.gate.open();
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

/// Where workers that find no more to do wait for the others.
struct End {
    busy: AtomicUsize,
    gate: Gate,
}

/// A worker's way there, which it takes as well when it panics: the others would wait for ever.
struct Departure<'a>(&'a End);

impl Drop for Departure<'_> {
    fn drop(&mut self) {
        if self.0.busy.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.gate.open();
        } else {
            self.0.gate.0.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use std::sync::Barrier;

    use super::*;

    #[test]
    fn each_item_is_done_once_by_any_number_of_workers_batch_after_batch() {
        for most in [0, 1, 2, 7, 20] {
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
        let workers = Workers::new(20).unwrap();
        let together = Barrier::new(20);
        // Would never end with fewer.
        let items: Vec<usize> = (0..20).collect();
        assert_eq!(workers.each(&items, |_| together.wait().is_leader()).len(), 20);
    }

    #[test]
    fn a_worker_that_panics_holds_nobody_up() {
        let workers = Workers::new(4).unwrap();
        let items: Vec<usize> = (0..20).collect();
        let panics = std::panic::AssertUnwindSafe(|| workers.each(&items, |item| assert!(item != 7, "on purpose")));
        assert!(std::panic::catch_unwind(panics).is_err());
        assert_eq!(workers.each(&items, |item| item).len(), 20);
    }

    #[test]
    fn workers_that_never_get_work_end() {
        drop(Workers::new(3).unwrap());
    }
}
