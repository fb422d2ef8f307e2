//! A session of libssh2's in this process, as `exec` uses it. When it is dropped it goes to the pool of sessions to keep,
//! if there is one and nothing is left open on it.
//!
//! Boundary: one command at a time, in steps that never block. Next: `wire` waits, `kept` keeps.

use std::{
    cell::Cell,
    io::{self, Read, Write},
    time::{Duration, Instant},
};

use super::{
    kept::{Keepable, Place},
    link::{Bounds, Channel, Link, SILENCE},
    wire::Wire,
};
use crate::transport::{Cancel, End, Limits, Phase, Stream, TransportError, TransportErrorKind, cancel::CancelGuard};

/// A session that is logged in.
pub(super) struct DirectLink {
    /// There until it is given away.
    wire: Option<Wire>,
    place: Option<Place>,
    /// Whether nothing is open on it and nothing has gone wrong.
    is_clean: Cell<bool>,
    /// Whether a channel was open on it before.
    has_served: Cell<bool>,
}

/// How often a channel is asked for again, and the time between.
const LATER: u32 = 20;
const A_MOMENT: Duration = Duration::from_millis(50);

/// Whether the host opens no channel (`LIBSSH2_ERROR_CHANNEL_FAILURE`).
fn is_no_channel(error: &TransportError) -> bool {
    matches!(&*error.kind, TransportErrorKind::Ssh { code: -21, .. })
}

impl DirectLink {
    /// `place` is where the session goes when nobody here needs it any more.
    pub(super) fn new(wire: Wire, place: Option<Place>) -> Self {
        Self { wire: Some(wire), place, is_clean: Cell::new(true), has_served: Cell::new(false) }
    }

    fn wire(&self) -> Result<&Wire, TransportError> {
        // It is taken only when this is dropped.
        self.wire
            .as_ref()
            .ok_or_else(|| TransportError::new(Phase::Exec, TransportErrorKind::Lost("it was given away".to_owned())))
    }
}

impl Link for DirectLink {
    type Channel<'a> = DirectChannel<'a>;

    fn start(&self, command: &str, limits: &Limits<'_>) -> Result<DirectChannel<'_>, TransportError> {
        self.is_clean.set(false);
        let wire = self.wire()?;
        let mut tries = 0;
        let mut channel = loop {
            let opened = wire.drive(Phase::Exec, limits, |session| {
                session.channel_session().inspect_err(|_| wire.acknowledge_now())
            });
            match opened {
                // With `MaxSessions 1` (sshd_config(5)) sshd takes no other command until it has reaped the last one, which comes after the
                // last one's channel is closed. Nothing was asked for yet, so asking again is safe.
                Err(error) if tries < LATER && self.has_served.get() && is_no_channel(&error) => {
                    tries += 1;
                    std::thread::sleep(A_MOMENT);
                }
                opened => break opened?,
            }
        };
        self.has_served.set(true);
        wire.drive(Phase::Exec, limits, |_| channel.exec(command))?;
        let stderr = channel.stderr();
        Ok(DirectChannel { wire, channel, stderr, is_clean: &self.is_clean })
    }

    fn longest_command(&self) -> usize {
        // Without a session no command starts at all.
        self.wire.as_ref().map_or(0, Wire::longest_command)
    }

    fn wake_on<'a>(&self, cancel: &'a Cancel) -> CancelGuard<'a> {
        match &self.wire {
            Some(wire) => wire.wake_on(cancel),
            None => cancel.on_abandon(|| {}),
        }
    }

    fn cut(&self) {
        self.is_clean.set(false);
        if let Some(wire) = &self.wire {
            wire.cut();
        }
    }
}

impl Drop for DirectLink {
    fn drop(&mut self) {
        if let (true, Some(place), Some(wire)) = (self.is_clean.get(), self.place.take(), self.wire.take()) {
            place.keep(Keepable::new(wire));
        }
    }
}

/// A command on a session of this process.
pub(super) struct DirectChannel<'a> {
    wire: &'a Wire,
    channel: ssh2::Channel,
    stderr: ssh2::Stream,
    is_clean: &'a Cell<bool>,
}

impl DirectChannel<'_> {
    /// Repeats `step` only while a packet is sent in part: libssh2 takes no other before that one's end, and a read sends packets
    /// too (it widens the window). `None` when it would block.
    fn settled<T>(
        wire: &Wire,
        bounds: &Bounds<'_>,
        mut step: impl FnMut() -> io::Result<T>,
    ) -> Result<Option<T>, TransportError> {
        loop {
            let result = ready(wire, bounds, step())?;
            if result.is_some() || !wire.is_sending() {
                return Ok(result);
            }
            wire.wait(bounds.phase, bounds.limits, bounds.until)?;
        }
    }
}

/// A read's or write's result, `None` when it would block.
fn ready<T>(wire: &Wire, bounds: &Bounds<'_>, result: io::Result<T>) -> Result<Option<T>, TransportError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(match ssh2::Error::last_session_error(&wire.session) {
            Some(error) => wire.failure(bounds.phase, bounds.limits, &error),
            None => wire.lost(bounds.phase, &error.to_string()),
        }),
    }
}

impl Channel for DirectChannel<'_> {
    fn read(
        &mut self,
        stream: Stream,
        buffer: &mut [u8],
        bounds: &Bounds<'_>,
    ) -> Result<Option<usize>, TransportError> {
        match stream {
            Stream::Stdout => Self::settled(self.wire, bounds, || self.channel.read(buffer)),
            Stream::Stderr => Self::settled(self.wire, bounds, || self.stderr.read(buffer)),
        }
    }

    fn write(&mut self, bytes: &[u8], bounds: &Bounds<'_>) -> Result<Option<usize>, TransportError> {
        Self::settled(self.wire, bounds, || self.channel.write(bytes))
    }

    fn can_write(&self) -> bool {
        self.channel.write_window().remaining > 0
    }

    fn send_eof(&mut self, bounds: &Bounds<'_>) -> Result<Option<()>, TransportError> {
        Self::settled(self.wire, bounds, || self.channel.send_eof().map_err(Into::into))
    }

    fn is_at_end(&self) -> bool {
        self.channel.eof()
    }

    fn keep_alive(&self, heard: Instant, bounds: &Bounds<'_>) -> Result<(), TransportError> {
        if heard.elapsed() > SILENCE {
            let kind = TransportErrorKind::Lost(format!("nothing heard for {} s", heard.elapsed().as_secs()));
            return Err(TransportError::new(bounds.phase, kind));
        }
        // In blocking mode libssh2 would make reads fail for it, so it is done here.
        Self::settled(self.wire, bounds, || self.wire.session.keepalive_send().map_err(Into::into)).map(|_| ())
    }

    fn wait(&self, bounds: &Bounds<'_>) -> Result<bool, TransportError> {
        self.wire.wait(bounds.phase, bounds.limits, bounds.until)
    }

    fn check(&self, bounds: &Bounds<'_>) -> Result<(), TransportError> {
        self.wire.check(bounds.phase, bounds.limits, bounds.until).map(|_| ())
    }

    fn close(&mut self, limits: &Limits<'_>) -> Result<(), TransportError> {
        // Here, not when it is dropped, where nobody could finish what would block.
        self.wire.drive(Phase::Exec, limits, |_| self.channel.close())?;
        self.wire.drive(Phase::Exec, limits, |_| self.channel.wait_close())?;
        self.is_clean.set(true);
        Ok(())
    }

    fn end(&self) -> End {
        end_of(&self.channel)
    }
}

/// How a command ended that did not get to its mark. A status of 0 proves nothing: libssh2 says 0 when none arrived.
pub(super) fn end_of(channel: &ssh2::Channel) -> End {
    if let Some(signal) = channel.exit_signal().ok().and_then(|signal| signal.exit_signal) {
        return End::Signal(signal);
    }
    match channel.exit_status() {
        Ok(0) | Err(_) => End::Unsaid,
        Ok(code) => End::Exit(u8::try_from(code).unwrap_or(u8::MAX).into()),
    }
}
