//! Fan-out: one worker and one session per host, at most `forks` at a time, each with its deadline.
//!
//! Boundary: knows hosts, sessions and events; knows nothing of docker or of terminals.
//! Next: `operations` says what each worker does, `render` shows the events.

mod session;

use std::time::{Duration, Instant};

use rayon::prelude::*;

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

/// Stack of a worker: it polls sockets and parses short texts; 1000 of them should fit in little memory.
const WORKER_STACK: usize = 1024 * 1024;

/// What happens while a run goes on.
#[derive(Debug)]
pub enum Event<'a> {
    /// The run begins; this many hosts.
    Begin { hosts: usize },
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
    /// Deadline of one exec, over what the host and the operation say.
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
        (self.listener)(Event::Begin { hosts: work.len() });
        let outcomes = if let [(host, work)] = work {
            vec![self.host(host, work, &task)]
        } else {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(self.forks.clamp(1, work.len().max(1)))
                .stack_size(WORKER_STACK)
                .build()
                .map_err(std::io::Error::other)?;
            // One host is one piece of work: a split into larger pieces would queue hosts behind a slow one.
            pool.install(|| work.par_iter().with_max_len(1).map(|(host, work)| self.host(host, work, &task)).collect())
        };
        (self.listener)(Event::End);
        Ok(outcomes)
    }

    fn host<W, T>(
        &self,
        host: &Host,
        work: &W,
        task: &(impl Fn(&mut Session<'_>, &W) -> Result<T, HostError> + Sync),
    ) -> HostOutcome<T> {
        let begin = Instant::now();
        if self.cancel.is_draining() {
            return HostOutcome { result: Err(HostError::NotAttempted), elapsed: Duration::ZERO };
        }
        (self.listener)(Event::HostBegin { host: &host.name });
        let mut session = Session::new(self, host);
        let result = task(&mut session, work);
        drop(session);
        (self.listener)(Event::HostEnd { host: &host.name, ok: result.is_ok() });
        HostOutcome { result, elapsed: begin.elapsed() }
    }
}

#[cfg(test)]
mod tests;
