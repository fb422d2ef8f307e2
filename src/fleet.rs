//! Fan-out: one worker and one session per host, at most `forks` at a time, each with its deadline.
//!
//! Boundary: knows hosts, sessions and events; knows nothing of docker or of terminals.
//! Next: `roll` goes over hosts in the batches that `rolling` plans; `operations` says what each worker does, `render` shows
//! the events.

mod roll;
mod rolling;
mod session;
mod workers;

use std::time::Duration;

pub use roll::{Halt, Rolled};
pub use rolling::{Rolling, Spread};

pub use crate::domain::{Amount, Serial};
pub use session::Session;

pub use crate::transport::Phase;

use crate::{
    domain::{Host, HostName},
    transport::{Cancel, Connector, TransportError},
};

/// Most workers at once unless the user says otherwise. Past this, sshd and the client's cores are what limits a run.
pub const DEFAULT_FORKS: usize = 100;

/// How often a connect is tried again unless the user says otherwise.
pub const DEFAULT_RETRIES: u32 = 2;

/// Deadline of what has none (`--timeout 0`): a time that can still be added to a clock.
pub const NO_LIMIT: Duration = Duration::from_secs(365 * 86_400);

/// What happens while a run goes on.
#[derive(Debug)]
pub enum Event<'a> {
    /// The run begins; this many hosts.
    Begin { hosts: usize },
    /// A batch begins, the `number`th, from 1, `of` so many; said only of runs with more than one.
    Batch { number: usize, of: usize, hosts: usize },
    /// A worker took a host up.
    HostBegin { host: &'a HostName },
    /// A host's connection got this far.
    Phase { host: &'a HostName, phase: Phase },
    /// An exec ended.
    Exec { host: &'a HostName, label: &'a str, elapsed: Duration },
    /// A worker is done with a host.
    HostEnd { host: &'a HostName, ok: bool },
    /// The run is over.
    End,
}

/// Consumes events; called from many threads.
pub type Listener<'a> = dyn Fn(Event<'_>) + Sync + 'a;

/// Why a host has no answer.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The connection failed or broke.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The run was interrupted before this host was taken up.
    #[error("not attempted: the run was interrupted")]
    NotAttempted,
    /// The host began the script too late, so it did nothing ([`crate::transport::script::Script::begin_by`]).
    #[error("the host took too long to begin, so nothing was done")]
    Late,
    /// The run ended before this host, because of what failed on others.
    #[error("not attempted: {0}")]
    Halted(String),
    /// The host answered with something that is not an answer.
    #[error("{0}")]
    Answer(String),
}

/// What one host gave.
#[derive(Debug)]
pub struct HostOutcome<T> {
    /// The answer or the trouble.
    pub result: Result<T, HostError>,
    /// How long the host took.
    pub elapsed: Duration,
}

/// What a run works with.
#[derive(Clone, Copy)]
pub struct Fleet<'a> {
    /// Opens sessions.
    pub connector: &'a dyn Connector,
    /// Ends the run early.
    pub cancel: &'a Cancel,
    /// Told what happens.
    pub listener: &'a Listener<'a>,
    /// Most hosts at once; at least 1.
    pub forks: usize,
    /// How often a connect is tried again after a failure that may pass.
    pub retries: u32,
    /// Deadline of one exec, over those of the host and of the operation; zero for no limit.
    pub timeout: Option<Duration>,
}

impl Fleet<'_> {
    /// Runs `task` once per host and returns the outcomes in the order of `work`. A host's failure is its own.
    ///
    /// # Errors
    /// Only when the workers cannot be started.
    pub fn run<W: Sync, T: Send>(
        &self,
        work: &[(&Host, W)],
        task: impl Fn(&mut Session<'_>, &W) -> Result<T, HostError> + Sync,
    ) -> Result<Vec<HostOutcome<T>>, std::io::Error> {
        let all = Rolling::default();
        let batches = all.batches(work.len(), &Spread::default());
        Ok(self.roll(work, &batches, &all, |_| false, |session, work, _| task(session, work))?.outcomes)
    }
}

#[cfg(test)]
mod tests;
