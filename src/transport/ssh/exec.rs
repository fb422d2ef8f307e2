//! Runs scripts over an open session, one channel each.
//!
//! Boundary: bytes and how they ended. A script that is still running when its deadline comes runs on at the host; one
//! that is streamed or piped dies with its channel (see `command`).

use std::{
    cell::Cell,
    hash::{BuildHasher, RandomState},
    io::{self, Read, Write},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use ssh2::{BlockDirections, Channel};

use super::{
    Counts,
    command::{self, Invocation, Mark},
    wire::{KEEPALIVE, Wire},
};
use crate::transport::{
    AFTERMATH, Collected, End, Input, Limits, Output, Phase, Remote, ShellScript, Stream, TransportError,
    TransportErrorKind, input::Feed,
};

/// How long a stream that was stopped may take to die on the host before its channel is closed over it.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// A connection that has heard nothing for so long, not even an answer to a keepalive, is lost.
const SILENCE: Duration = KEEPALIVE.saturating_mul(3);

/// How a script's stdin and its deadline are bound to its channel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Stdin is closed behind the script's text; the deadline is for all of it.
    Exec,
    /// Stdin stays open; the deadline was for the start.
    Stream,
    /// Stdin stays open behind the input; the deadline is for all of it.
    Pipe,
}

/// A session that is logged in.
pub(super) struct SshRemote {
    wire: Wire,
    counts: Arc<Counts>,
}

impl SshRemote {
    pub(super) fn new(wire: Wire, counts: Arc<Counts>) -> Self {
        Self { wire, counts }
    }

    fn run(
        &self,
        invocation: Invocation,
        input: Option<&dyn Input>,
        nonce: &str,
        limits: &Limits<'_>,
        mode: Mode,
        sink: &mut dyn FnMut(Stream, &[u8]) -> bool,
    ) -> Result<End, TransportError> {
        (limits.phase)(Phase::Exec);
        let _guard = self.wire.wake_on(limits.cancel);
        self.counts.execs.fetch_add(1, Ordering::Relaxed);
        let mut channel = self.wire.drive(Phase::Exec, limits, |session| {
            session.channel_session().inspect_err(|_| self.wire.acknowledge_now())
        })?;
        self.wire.drive(Phase::Exec, limits, |_| channel.exec(&invocation.command))?;
        let exchange = Exchange { wire: &self.wire, limits, mode, phase: Cell::new(Phase::Exec) };
        let mut mark = Mark::new(nonce);
        let mut feed = Feed::new(invocation.stdin.unwrap_or_default(), input);
        let finished = exchange.pump(&mut channel, &mut feed, &mut mark, sink)?;
        if !finished && mode == Mode::Pipe && !feed.is_done() {
            // A script that does not read its input is told of the end by nothing less (see `tied`).
            self.wire.cut();
            return Ok(End::Stopped);
        }
        if !finished {
            exchange.stop(&mut channel);
            return Ok(End::Stopped);
        }
        if channel.eof() {
            self.wire.drive(Phase::Exec, limits_of_close(limits, mode).as_ref().unwrap_or(limits), |_| {
                channel.wait_close()
            })?;
        }
        let (held, code) = mark.finish();
        if !held.is_empty() {
            sink(Stream::Stderr, &held);
        }
        Ok(code.map_or_else(|| unmarked_end(&channel), End::Exit))
    }

    /// Cuts the connection after trouble: what the host would send next belongs to nobody.
    fn settle<T>(&self, result: Result<T, TransportError>) -> Result<T, TransportError> {
        result.inspect_err(|error| {
            if !matches!(*error.kind, TransportErrorKind::Ssh { .. } | TransportErrorKind::Unsupported(_)) {
                self.wire.cut();
            }
        })
    }
}

/// The time a stream's channel may take to close once it has said its last word; its own deadline is long gone.
fn limits_of_close<'a>(limits: &Limits<'a>, mode: Mode) -> Option<Limits<'a>> {
    (mode == Mode::Stream).then(|| Limits { deadline: Instant::now() + SILENCE, allowed: SILENCE, ..*limits })
}

impl Remote for SshRemote {
    fn exec(&mut self, script: &ShellScript, limits: &Limits<'_>) -> Result<Output, TransportError> {
        refuse_nul(script)?;
        let nonce = nonce();
        let mut output = Collected::of_call(limits);
        let mut keep = |stream, bytes: &[u8]| {
            output.take(stream, bytes);
            true
        };
        let end =
            self.settle(self.run(command::for_exec(script, &nonce), None, &nonce, limits, Mode::Exec, &mut keep))?;
        Ok(output.into_output(end))
    }

    fn stream(
        &mut self,
        script: &ShellScript,
        limits: &Limits<'_>,
        sink: &mut dyn FnMut(Stream, &[u8]) -> bool,
    ) -> Result<End, TransportError> {
        refuse_nul(script)?;
        let nonce = nonce();
        match self.settle(self.run(command::for_stream(script, &nonce), None, &nonce, limits, Mode::Stream, sink)) {
            Err(error) if matches!(*error.kind, TransportErrorKind::Cancelled) => Ok(End::Stopped),
            other => other,
        }
    }

    fn pipe(
        &mut self,
        script: &ShellScript,
        input: Option<&dyn Input>,
        limits: &Limits<'_>,
        sink: &mut dyn FnMut(Stream, &[u8]) -> bool,
    ) -> Result<End, TransportError> {
        refuse_nul(script)?;
        let nonce = nonce();
        let invocation = command::for_pipe(script, &nonce, input.map_or(0, Input::size));
        self.settle(self.run(invocation, input, &nonce, limits, Mode::Pipe, sink))
    }
}

/// One command's bytes, both ways.
struct Exchange<'a> {
    wire: &'a Wire,
    limits: &'a Limits<'a>,
    mode: Mode,
    phase: Cell<Phase>,
}

impl Exchange<'_> {
    /// Moves bytes until the command has closed its output (true) or `sink` has had enough (false). Both streams are read in
    /// turn: reading one alone stalls the command once the other's window is full.
    fn pump(
        &self,
        channel: &mut Channel,
        feed: &mut Feed<'_>,
        mark: &mut Mark,
        sink: &mut dyn FnMut(Stream, &[u8]) -> bool,
    ) -> Result<bool, TransportError> {
        let until = (self.mode != Mode::Stream).then_some(self.limits.deadline);
        let mut stderr = channel.stderr();
        let mut buffer = vec![0; 64 * 1024];
        let mut closes_stdin = !feed.is_done() && self.mode == Mode::Exec;
        let mut heard = Instant::now();
        while !channel.eof() {
            let mut moved = false;
            if !feed.is_done() {
                let chunk = feed.chunk()?;
                let written = self.settled(until, || channel.write(chunk))?.unwrap_or(0);
                feed.advance(written);
                moved |= written > 0;
            } else if closes_stdin && self.settled(until, || channel.send_eof().map_err(Into::into))?.is_some() {
                closes_stdin = false;
                moved = true;
            }
            if let Some(read) = self.settled(until, || channel.read(&mut buffer))?.filter(|read| *read > 0) {
                moved = true;
                if self.phase.replace(self.limits.speaking) != self.limits.speaking {
                    (self.limits.phase)(self.limits.speaking);
                }
                if !sink(Stream::Stdout, &buffer[..read]) {
                    return Ok(false);
                }
            }
            if let Some(read) = self.settled(until, || stderr.read(&mut buffer))?.filter(|read| *read > 0) {
                moved = true;
                if !mark.push(&buffer[..read], &mut |bytes| sink(Stream::Stderr, bytes)) {
                    return Ok(false);
                }
            }
            if moved {
                heard = Instant::now();
                self.wire.check(self.phase.get(), self.limits, until)?;
            } else if !channel.eof() {
                let mut until = until;
                if self.mode == Mode::Pipe && mark.is_said() {
                    // Somebody in the background holds the output open and says nothing.
                    let last = self.limits.deadline.min(heard + AFTERMATH);
                    if Instant::now() >= last {
                        return Ok(true);
                    }
                    // A little later, so that it is met here and not as a deadline.
                    until = Some(last + Duration::from_millis(50));
                } else {
                    self.keep_alive(&mut heard, until)?;
                }
                if self.wire.wait(self.phase.get(), self.limits, until)? {
                    heard = Instant::now();
                }
            }
        }
        Ok(true)
    }

    /// Sends a keepalive when one is due. In blocking mode libssh2 would make reads fail for it, so it is done here.
    fn keep_alive(&self, heard: &mut Instant, until: Option<Instant>) -> Result<(), TransportError> {
        if heard.elapsed() > SILENCE {
            let kind = TransportErrorKind::Lost(format!("nothing heard for {} s", heard.elapsed().as_secs()));
            return Err(TransportError::new(self.phase.get(), kind));
        }
        self.settled(until, || self.wire.session.keepalive_send().map_err(Into::into)).map(|_| ())
    }

    /// Ends a stream: its stdin is closed, which kills the command, and what it still says is dropped until it is gone.
    fn stop(&self, channel: &mut Channel) {
        let patience = Limits { deadline: Instant::now() + STOP_PATIENCE, allowed: STOP_PATIENCE, ..*self.limits };
        let waits = Exchange { wire: self.wire, limits: &patience, mode: Mode::Exec, phase: Cell::new(Phase::Exec) };
        let _ = self.wire.drive(Phase::Exec, &patience, |_| channel.send_eof()).and_then(|()| {
            waits.pump(channel, &mut Feed::empty(), &mut Mark::new(""), &mut |_, _| true)?;
            self.wire.drive(Phase::Exec, &patience, |_| channel.wait_close())
        });
    }

    /// As [`Exchange::ready`], but a packet that was sent in part is sent to its end first: libssh2 takes no other before
    /// that, and a read sends packets too (it widens the window).
    fn settled<T>(
        &self,
        until: Option<Instant>,
        mut step: impl FnMut() -> io::Result<T>,
    ) -> Result<Option<T>, TransportError> {
        loop {
            let result = self.ready(step())?;
            let is_sending =
                matches!(self.wire.session.block_directions(), BlockDirections::Outbound | BlockDirections::Both);
            if result.is_some() || !is_sending {
                return Ok(result);
            }
            self.wire.wait(self.phase.get(), self.limits, until)?;
        }
    }

    /// A read's or write's result, `None` when it would block.
    fn ready<T>(&self, result: io::Result<T>) -> Result<Option<T>, TransportError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(match ssh2::Error::last_session_error(&self.wire.session) {
                Some(error) => self.wire.failure(self.phase.get(), self.limits, &error),
                None => self.wire.lost(self.phase.get(), &error.to_string()),
            }),
        }
    }
}

/// How a command ended that did not get to its mark. A status of 0 proves nothing: libssh2 says 0 when none arrived.
fn unmarked_end(channel: &Channel) -> End {
    if let Some(signal) = channel.exit_signal().ok().and_then(|signal| signal.exit_signal) {
        return End::Signal(signal);
    }
    match channel.exit_status() {
        Ok(0) | Err(_) => End::Unsaid,
        Ok(code) => End::Exit(u8::try_from(code).unwrap_or(u8::MAX).into()),
    }
}

fn refuse_nul(script: &ShellScript) -> Result<(), TransportError> {
    if script.text.contains('\0') {
        let kind = TransportErrorKind::Unsupported("a script cannot hold a NUL byte".to_owned());
        return Err(TransportError::new(Phase::Exec, kind));
    }
    Ok(())
}

/// A word that no output holds by accident.
fn nonce() -> String {
    format!("mcp-{:016x}", RandomState::new().hash_one(Instant::now()))
}
