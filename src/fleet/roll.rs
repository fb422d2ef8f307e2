//! Carries a run out batch by batch, and ends it when enough has failed.
//!
//! Boundary: what a failure is, is said by whoever runs it. Next: `rolling` plans batches, `workers` shares a batch out,
//! `session` does a host's work.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::{Event, Fleet, HostError, HostOutcome, Rolling, Session, workers::Workers};
use crate::domain::{Host, plural};

/// How often a pause looks whether it was interrupted.
const GLANCE: Duration = Duration::from_millis(50);

/// Whether a run should take up no further host, and why. Set once.
#[derive(Debug, Default)]
pub struct Halt {
    why: OnceLock<String>,
}

impl Halt {
    /// Why no further host should be taken up; `None` while all goes on.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        self.why.get().map(String::as_str)
    }

    /// What a host that was taken up before, but on which nothing has been done yet, should give instead of its answer.
    #[must_use]
    pub fn error(&self) -> Option<HostError> {
        self.why.get().map(|why| HostError::Halted(why.clone()))
    }

    fn set(&self, why: String) {
        let _ = self.why.set(why);
    }
}

/// What a run over batches gave.
#[derive(Debug)]
pub struct Rolled<T> {
    /// One per host, in the order of the work.
    pub outcomes: Vec<HostOutcome<T>>,
    /// How many batches were begun.
    pub begun: usize,
    /// Why hosts were left out, if any were because of what failed.
    pub halted: Option<String>,
}

impl Fleet<'_> {
    /// Runs `task` once per host, one of `batches` (numbers into `work`, see [`Rolling::batches`]) after the other, and returns
    /// the outcomes in the order of `work`. `failed` says whether a host's answer counts as a failure; an error always does,
    /// unless the run is being interrupted.
    ///
    /// A task asks its [`Halt`] before it changes anything, so that a host which was only looked at can still be left out.
    ///
    /// # Errors
    /// Only when the workers cannot be started.
    pub fn roll<W: Sync, T: Send>(
        &self,
        work: &[(&Host, W)],
        batches: &[Vec<usize>],
        rolling: &Rolling,
        failed: impl Fn(&T) -> bool + Sync,
        task: impl Fn(&mut Session<'_>, &W, &Halt) -> Result<T, HostError> + Sync,
    ) -> Result<Rolled<T>, std::io::Error> {
        (self.listener)(Event::Begin { hosts: work.len() });
        let tally = Tally { rolling, all: work.len(), batches: batches.len(), failed: AtomicUsize::new(0) };
        let halt = Halt::default();
        let widest = batches.iter().map(Vec::len).max().unwrap_or(0);
        let workers = Workers::new(self.forks.min(widest))?;
        let one = |index: usize| {
            let (host, work) = &work[index];
            let outcome = self.host(host, work, &halt, &task);
            let bad = outcome.result.as_ref().map_or_else(is_failure, &failed);
            // What ends because of an interrupt is no reason of its own.
            if bad && !self.cancel.is_draining() {
                tally.after_host(host, &halt);
            }
            (index, bad, outcome)
        };
        let mut outcomes: Vec<Option<HostOutcome<T>>> = work.iter().map(|_| None).collect();
        let mut begun = 0;
        for (number, batch) in batches.iter().enumerate() {
            if number > 0 && halt.why().is_none() {
                self.pause(rolling.wait);
            }
            if halt.why().is_none() && !self.cancel.is_draining() {
                begun += 1;
                if batches.len() > 1 {
                    (self.listener)(Event::Batch { number: number + 1, of: batches.len(), hosts: batch.len() });
                }
            }
            let done = workers.each(batch, one);
            if !self.cancel.is_draining() && done.iter().any(|(_, bad, _)| *bad) {
                let bad = done.iter().filter(|(_, bad, _)| *bad).count();
                tally.after_batch(number, bad, batch.len(), &halt);
            }
            for (index, _, outcome) in done {
                outcomes[index] = Some(outcome);
            }
        }
        drop(workers);
        (self.listener)(Event::End);
        let outcomes: Vec<HostOutcome<T>> = outcomes
            .into_iter()
            .map(|o| o.unwrap_or_else(|| HostOutcome { result: Err(HostError::NotAttempted), elapsed: Duration::ZERO }))
            .collect();
        let halted = outcomes.iter().find_map(|o| match &o.result {
            Err(HostError::Halted(why)) => Some(why.clone()),
            _ => None,
        });
        Ok(Rolled { outcomes, begun, halted })
    }

    fn host<W, T>(
        &self,
        host: &Host,
        work: &W,
        halt: &Halt,
        task: &(impl Fn(&mut Session<'_>, &W, &Halt) -> Result<T, HostError> + Sync),
    ) -> HostOutcome<T> {
        let begin = Instant::now();
        let left_out = if self.cancel.is_draining() { Some(HostError::NotAttempted) } else { halt.error() };
        if let Some(error) = left_out {
            return HostOutcome { result: Err(error), elapsed: Duration::ZERO };
        }
        (self.listener)(Event::HostBegin { host: &host.name });
        let mut session = Session::new(self, host);
        let result = task(&mut session, work, halt);
        drop(session);
        (self.listener)(Event::HostEnd { host: &host.name, ok: result.is_ok() });
        HostOutcome { result, elapsed: begin.elapsed() }
    }

    /// Waits for `time`, or until the run is interrupted.
    fn pause(&self, time: Duration) {
        let end = Instant::now() + time;
        while !self.cancel.is_draining() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(GLANCE));
        }
    }
}

fn is_failure(error: &HostError) -> bool {
    !matches!(error, HostError::NotAttempted | HostError::Halted(_))
}

/// Counts failures and says when they are enough.
struct Tally<'a> {
    rolling: &'a Rolling,
    all: usize,
    batches: usize,
    failed: AtomicUsize,
}

impl Tally<'_> {
    fn after_host(&self, host: &Host, halt: &Halt) {
        let failed = self.failed.fetch_add(1, Ordering::SeqCst) + 1;
        if self.rolling.fail_fast {
            halt.set(format!("{} failed, and --fail-fast ends the run with the first", host.name));
        } else if self.rolling.serial.is_none() {
            self.judge(failed, halt);
        }
    }

    fn after_batch(&self, number: usize, bad: usize, size: usize, halt: &Halt) {
        if self.rolling.max_fail.is_some() {
            self.judge(self.failed.load(Ordering::SeqCst), halt);
        } else if self.rolling.serial.is_some() && bad == size {
            // Ansible's rule: a batch that failed as a whole ends the play.
            let hosts = if size == 1 { "its only host".to_owned() } else { format!("all of its {size} hosts") };
            halt.set(format!("batch {} of {} failed: {hosts} did", number + 1, self.batches));
        }
    }

    fn judge(&self, failed: usize, halt: &Halt) {
        if let Some(limit) = self.rolling.max_fail.filter(|limit| limit.is_reached(failed, self.all)) {
            halt.set(format!("{failed} of {} failed, and the limit is --max-fail {limit}", plural(self.all, "host")));
        }
    }
}

#[cfg(test)]
mod tests;
