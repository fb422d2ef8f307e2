//! What Ctrl-C, SIGTERM and SIGHUP do, however often they come and whichever process of the run hears them.
//!
//! Boundary: counts and one switch; what the switch ends is the transport's. Next: `background` for the second process.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::{Signal, getpid, kill_process};

use crate::{error::Exit, render::interrupted, transport::Cancel};

/// Signals that follow each other faster were meant once: timeout(1) sends one to its child and one to the whole group.
const BURST: Duration = Duration::from_millis(100);

/// How long work that was told to end at once may take. It may be stuck where no switch reaches, in a system call of a dead file
/// system: a further signal ends the process.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the first Ctrl-C does to work that runs; a second one always ends it at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    /// It may finish, each host by its own deadline: a change should not be left half done.
    Drains,
    /// It ends: nothing is lost by not looking any longer.
    Ends,
}

/// The signals of one run.
#[derive(Default)]
pub struct Interrupts {
    counts: Mutex<Counts>,
    ends_at_once: AtomicBool,
}

#[derive(Default)]
struct Counts {
    /// Heard by this process.
    own: Heard,
    /// Heard by the front. A terminal tells both, so the larger number is how often it was meant.
    front: Heard,
    done: usize,
    /// When the work was told to end at once.
    abandoned: Option<Instant>,
    switch: Option<(Arc<Cancel>, Interrupt)>,
}

/// What one process has heard.
#[derive(Default)]
struct Heard {
    times: usize,
    /// When one last counted.
    counted: Option<Instant>,
}

impl Heard {
    fn hear(&mut self, now: Instant) {
        if self.counted.is_none_or(|counted| now.saturating_duration_since(counted) >= BURST) {
            self.times += 1;
            self.counted = Some(now);
        }
    }
}

/// The signals that end a run; SIGHUP is not among them under `nohup`, which has it ignored.
pub(super) fn caught() -> Vec<i32> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    // proc_pid_status(5): a mask in hexadecimal, the lowest bit is signal 1.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    let is_ignored = ignored.is_some_and(|mask| mask & 1 << (SIGHUP - 1) != 0);
    [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| *signal != SIGHUP || !is_ignored).collect()
}

impl Interrupts {
    /// Has signals fire `cancel` from here on. The first call counts.
    pub fn fire(self: &Arc<Self>, cancel: Arc<Cancel>, interrupt: Interrupt) {
        use signal_hook::iterator::Signals;
        self.counts().switch.get_or_insert((cancel, interrupt));
        let Ok(mut signals) = Signals::new(caught()) else { return };
        let interrupts = Arc::clone(self);
        let _ = std::thread::Builder::new().name("signals".to_owned()).stack_size(64 * 1024).spawn(move || {
            for _ in signals.forever() {
                interrupts.heard(|counts| &mut counts.own, Instant::now());
            }
        });
    }

    /// A signal that the front has heard.
    pub(super) fn heard_by_front(&self, signal: i32) {
        if self.counts().switch.is_none() {
            // Nothing is done yet that would have to be ended in order.
            let signal = if signal == signal_hook::consts::SIGINT { Signal::INT } else { Signal::TERM };
            let _ = kill_process(getpid(), signal);
        }
        self.heard(|counts| &mut counts.front, Instant::now());
    }

    /// Has the next signal end the process: the run is over.
    pub(super) fn end_at_once(&self) {
        self.ends_at_once.store(true, Ordering::SeqCst);
    }

    fn heard(&self, by: impl Fn(&mut Counts) -> &mut Heard, now: Instant) {
        if self.ends_at_once.load(Ordering::SeqCst) {
            std::process::exit(0);
        }
        let mut counts = self.counts();
        by(&mut counts).hear(now);
        while counts.done < counts.own.times.max(counts.front.times) {
            counts.done += 1;
            let Some((cancel, interrupt)) = &counts.switch else { return };
            match (interrupt, counts.done) {
                (Interrupt::Drains, 1) => {
                    cancel.drain();
                    interrupted();
                }
                _ if counts.abandoned.is_some_and(|at| now.saturating_duration_since(at) >= PATIENCE) => {
                    std::process::exit(i32::from(Exit::Interrupted.code()));
                }
                _ => {
                    cancel.abandon();
                    counts.abandoned.get_or_insert(now);
                }
            }
        }
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interrupts(interrupt: Interrupt) -> (Interrupts, Arc<Cancel>) {
        let (interrupts, cancel) = (Interrupts::default(), Arc::new(Cancel::new()));
        interrupts.counts().switch = Some((Arc::clone(&cancel), interrupt));
        (interrupts, cancel)
    }

    #[test]
    fn what_both_processes_hear_counts_once() {
        let (interrupts, cancel) = interrupts(Interrupt::Drains);
        let begin = Instant::now();
        interrupts.heard(|counts| &mut counts.own, begin);
        interrupts.heard(|counts| &mut counts.front, begin + 5 * BURST);
        assert!(cancel.is_draining() && !cancel.is_abandoned());
        interrupts.heard(|counts| &mut counts.front, begin + 10 * BURST);
        assert!(cancel.is_abandoned());
    }

    #[test]
    fn a_burst_of_signals_counts_once() {
        let (interrupts, cancel) = interrupts(Interrupt::Drains);
        let begin = Instant::now();
        for step in 0..10 {
            interrupts.heard(|counts| &mut counts.own, begin + step * BURST / 20);
            interrupts.heard(|counts| &mut counts.front, begin + step * BURST / 20);
        }
        assert!(cancel.is_draining() && !cancel.is_abandoned());
        interrupts.heard(|counts| &mut counts.own, begin + BURST);
        assert!(cancel.is_abandoned());
    }

    #[test]
    fn the_first_signal_ends_a_run_that_only_looks() {
        let (interrupts, cancel) = interrupts(Interrupt::Ends);
        interrupts.heard_by_front(signal_hook::consts::SIGTERM);
        assert!(cancel.is_abandoned());
    }
}
