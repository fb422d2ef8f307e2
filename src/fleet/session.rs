//! A worker's view of its host: connects on first use, bounds each exec, tells the listener.
//!
//! Boundary: no docker, no terminals. Next: `transport` for what happens on the wire.

use std::time::{Duration, Instant};

use super::{Event, Fleet, HostError, NO_LIMIT};
use crate::{
    domain::Host,
    transport::{
        End, Input, Limits, Phase, Remote, ShownKey, Stream,
        script::{Script, Sections},
    },
};

/// Pause before the second try to reconnect; each further one is twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// One host's session, opened when first needed.
pub struct Session<'a> {
    fleet: &'a Fleet<'a>,
    host: &'a Host,
    remote: Option<Box<dyn Remote>>,
}

impl<'a> Session<'a> {
    pub(super) fn new(fleet: &'a Fleet<'a>, host: &'a Host) -> Self {
        Self { fleet, host, remote: None }
    }

    /// The host this session goes to.
    #[must_use]
    pub fn host(&self) -> &'a Host {
        self.host
    }

    /// Connects now, for those who want to see that alone.
    ///
    /// # Errors
    /// What the transport says.
    pub fn connect(&mut self) -> Result<(), HostError> {
        self.remote().map(|_| ())
    }

    /// Has the host show its key, without logging in to it.
    ///
    /// # Errors
    /// What the transport says.
    pub fn scan(&self) -> Result<ShownKey, HostError> {
        let (fleet, host) = (self.fleet, self.host);
        let phase = |phase: Phase| (fleet.listener)(Event::Phase { host: &host.name, phase });
        let limits = Limits { retries: fleet.retries, ..Limits::new(self.connect_allowed(), fleet.cancel, &phase) };
        Ok(fleet.connector.scan(host, &limits)?)
    }

    /// Connects anew after trouble, trying again with longer and longer pauses until `patience` is used up: a host that is busy or a
    /// cable that was out comes back. Ends at once when the run is abandoned, and when the host answers and lets nobody in.
    ///
    /// # Errors
    /// What the last try said.
    pub fn reconnect(&mut self, patience: Duration) -> Result<(), HostError> {
        self.remote = None;
        let until = Instant::now() + self.allows(patience);
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.connect() {
                Err(HostError::Transport(error)) if error.may_pass() => error,
                other => return other,
            };
            if Instant::now() + pause >= until || !self.fleet.cancel.sleep(pause) {
                return Err(error.into());
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Runs `script` and cuts its output into sections. `allowed` is the operation's default deadline; the host's own
    /// and the user's win over it.
    ///
    /// # Errors
    /// The connection's trouble, or [`HostError::Answer`] when the host ran something else than the script (no POSIX
    /// `sh`, a forced command), or [`HostError::Late`].
    pub fn exec(&mut self, label: &str, script: &Script, allowed: Duration) -> Result<Sections, HostError> {
        let (fleet, host) = (self.fleet, self.host);
        let begin = Instant::now();
        let phase = |phase: Phase| (fleet.listener)(Event::Phase { host: &host.name, phase });
        let allowed = self.allowed(allowed);
        let remote = self.remote()?;
        let limits = Limits { speaking: Phase::Docker, ..Limits::new(allowed, fleet.cancel, &phase) };
        let output = remote.exec(&script.to_shell(), &limits)?;
        (fleet.listener)(Event::Exec { host: &host.name, label, elapsed: begin.elapsed() });
        let sections = script.read(&output);
        if sections.is_late() {
            return Err(HostError::Late);
        }
        if !sections.is_complete() {
            let said = String::from_utf8_lossy(if output.stderr.is_empty() { &output.stdout } else { &output.stderr });
            // Its own marks tell nobody anything.
            let tells = |line: &&str| !line.trim().is_empty() && !line.starts_with(script.word());
            let said: String = said.lines().rev().find(tells).unwrap_or("nothing").chars().take(200).collect();
            let how = match output.end {
                End::Exit(code) => format!("exit code {code}"),
                End::NotBegun(code) => {
                    let why =
                        format!("the command did not begin: the account's login shell ended with exit code {code}");
                    return Err(HostError::Answer(format!("{why}; last words: {said}")));
                }
                End::Signal(name) => format!("signal {name}"),
                End::Unsaid | End::Stopped => "no exit code".to_owned(),
            };
            return Err(HostError::Answer(format!("the script was cut short on the host ({how}); last words: {said}")));
        }
        Ok(sections)
    }

    /// Streams the output of `script` until it ends, `sink` says `false` or the run is abandoned.
    ///
    /// # Errors
    /// The connection's trouble.
    pub fn stream(
        &mut self,
        script: &crate::transport::ShellScript,
        allowed: Duration,
        sink: &mut dyn FnMut(Stream, &[u8]) -> bool,
    ) -> Result<End, HostError> {
        let (fleet, host) = (self.fleet, self.host);
        let phase = |phase: Phase| (fleet.listener)(Event::Phase { host: &host.name, phase });
        let allowed = self.allowed(allowed);
        let remote = self.remote()?;
        Ok(remote.stream(script, &Limits::new(allowed, fleet.cancel, &phase), sink)?)
    }

    /// Runs `script` with `input` as its standard input, handing over its output as it comes; it is told to end at its deadline,
    /// when `sink` says `false` and when the run is abandoned, and killed after `grace`.
    ///
    /// # Errors
    /// The connection's trouble, the deadline and the cancel among it.
    pub fn pipe(
        &mut self,
        label: &str,
        script: &crate::transport::ShellScript,
        input: Option<&dyn Input>,
        (allowed, grace): (Duration, Duration),
        sink: &mut dyn FnMut(Stream, &[u8]) -> bool,
    ) -> Result<End, HostError> {
        let (fleet, host) = (self.fleet, self.host);
        let begin = Instant::now();
        let phase = |phase: Phase| (fleet.listener)(Event::Phase { host: &host.name, phase });
        let allowed = self.allowed(allowed);
        let remote = self.remote()?;
        let limits = Limits { grace, ..Limits::new(allowed, fleet.cancel, &phase) };
        let end = remote.pipe(script, input, &limits, sink)?;
        (fleet.listener)(Event::Exec { host: &host.name, label, elapsed: begin.elapsed() });
        Ok(end)
    }

    /// The deadline that holds here for what waits `default` by itself.
    #[must_use]
    pub fn allows(&self, default: Duration) -> Duration {
        self.allowed(default).min(default)
    }

    /// Whether what runs should end.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.fleet.cancel.is_abandoned()
    }

    /// The deadline of an exec that is allowed `default` by itself: the user's and the host's win over it; zero there is [`NO_LIMIT`].
    #[must_use]
    pub fn allowed(&self, default: Duration) -> Duration {
        match self.fleet.timeout.or(self.host.timeout) {
            Some(Duration::ZERO) => NO_LIMIT,
            timeout => timeout.unwrap_or(default),
        }
    }

    fn connect_allowed(&self) -> Duration {
        // A short --timeout is meant for everything that waits, so it bounds the connection as well.
        let timeout = self.fleet.timeout.filter(|timeout| !timeout.is_zero());
        timeout.map_or(self.host.connect_timeout, |t| t.min(self.host.connect_timeout))
    }

    fn remote(&mut self) -> Result<&mut dyn Remote, HostError> {
        let remote = match self.remote.take() {
            Some(remote) => remote,
            None => {
                let (fleet, host) = (self.fleet, self.host);
                let phase = |phase: Phase| (fleet.listener)(Event::Phase { host: &host.name, phase });
                let limits =
                    Limits { retries: fleet.retries, ..Limits::new(self.connect_allowed(), fleet.cancel, &phase) };
                fleet.connector.connect(host, &limits)?
            }
        };
        Ok(self.remote.insert(remote).as_mut())
    }
}
