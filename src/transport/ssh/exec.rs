//! Runs scripts over a session, one channel each.
//!
//! Boundary: bytes and how they ended. A script that is still running when its deadline comes runs on at the host; one
//! that is streamed or piped dies with its channel (see `command`). Next: `link` says what a session is to this; `direct`
//! is one of libssh2's, `kept` one that another process holds.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use super::{
    Counts,
    command::{self, Invocation, Mark},
    link::{Bounds, Channel, Link, SILENCE},
};
use crate::transport::{
    AFTERMATH, Collected, End, Input, Limits, Output, Phase, Remote, ShellScript, Stream, TransportError,
    TransportErrorKind, input::Feed,
};

/// How long a stream that was stopped may take to die on the host before its channel is closed over it.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// Bytes taken from a channel at once: few at first, as most commands say little and memory that is never touched costs nothing.
pub(super) const FIRST_CHUNK: usize = 4 * 1024;

/// The same for a command that says more.
pub(super) const CHUNK: usize = 64 * 1024;

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
pub(super) struct SshRemote<L> {
    link: L,
    counts: Arc<Counts>,
}

impl<L: Link> SshRemote<L> {
    pub(super) fn new(link: L, counts: Arc<Counts>) -> Self {
        Self { link, counts }
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
        let _guard = self.link.wake_on(limits.cancel);
        self.counts.execs.fetch_add(1, Ordering::Relaxed);
        let mut channel = self.link.start(&invocation.command, limits)?;
        let mut mark = Mark::new(nonce);
        let mut feed = Feed::new(invocation.stdin.unwrap_or_default(), input);
        let mut exchange = Exchange { channel: &mut channel, limits, mode, phase: Phase::Exec };
        let finished = exchange.pump(&mut feed, &mut mark, sink)?;
        if !finished && mode == Mode::Pipe && !feed.is_done() {
            // A script that does not read its input is told of the end by nothing less (see `tied`).
            self.link.cut();
            return Ok(End::Stopped);
        }
        if !finished {
            exchange.stop();
            return Ok(End::Stopped);
        }
        if channel.is_at_end() {
            channel.close(limits_of_close(limits, mode).as_ref().unwrap_or(limits))?;
        }
        let has_begun = mark.has_begun();
        let (held, code) = mark.finish();
        if !held.is_empty() {
            sink(Stream::Stderr, &held);
        }
        Ok(match (code, channel.end()) {
            (Some(code), _) => End::Exit(code),
            (None, End::Exit(code)) if !has_begun => End::NotBegun(code),
            (None, end) => end,
        })
    }

    /// Cuts the connection after trouble: what the host would send next belongs to nobody.
    fn settle<T>(&self, result: Result<T, TransportError>) -> Result<T, TransportError> {
        result.inspect_err(|error| {
            if !matches!(*error.kind, TransportErrorKind::Ssh { .. } | TransportErrorKind::Unsupported(_)) {
                self.link.cut();
            }
        })
    }
}

/// The time a stream's channel may take to close once it has said its last word; its own deadline is long gone.
fn limits_of_close<'a>(limits: &Limits<'a>, mode: Mode) -> Option<Limits<'a>> {
    (mode == Mode::Stream).then(|| Limits { deadline: Instant::now() + SILENCE, allowed: SILENCE, ..*limits })
}

impl<L: Link> Remote for SshRemote<L> {
    fn exec(&mut self, script: &ShellScript, limits: &Limits<'_>) -> Result<Output, TransportError> {
        refuse_nul(script)?;
        let nonce = nonce();
        let mut output = Collected::of_call(limits);
        let mut keep = |stream, bytes: &[u8]| {
            output.take(stream, bytes);
            true
        };
        let end = self.settle(self.run(
            command::for_exec(script, &nonce, self.link.longest_command()),
            None,
            &nonce,
            limits,
            Mode::Exec,
            &mut keep,
        ))?;
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
        match self.settle(self.run(
            command::for_stream(script, &nonce, self.link.longest_command()),
            None,
            &nonce,
            limits,
            Mode::Stream,
            sink,
        )) {
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
        let invocation =
            command::for_pipe(script, &nonce, self.link.longest_command(), input.map_or(0, Input::size), limits.grace);
        self.settle(self.run(invocation, input, &nonce, limits, Mode::Pipe, sink))
    }
}

/// One command's bytes, both ways.
struct Exchange<'a, C> {
    channel: &'a mut C,
    limits: &'a Limits<'a>,
    mode: Mode,
    phase: Phase,
}

impl<'a, C: Channel> Exchange<'a, C> {
    /// Moves bytes until the command has closed its output (true) or `sink` has had enough (false). Both streams are read in
    /// turn: reading one alone stalls the command once the other's window is full.
    fn pump(
        &mut self,
        feed: &mut Feed<'_>,
        mark: &mut Mark,
        sink: &mut dyn FnMut(Stream, &[u8]) -> bool,
    ) -> Result<bool, TransportError> {
        let until = (self.mode != Mode::Stream).then_some(self.limits.deadline);
        let mut buffer = vec![0; FIRST_CHUNK];
        let mut closes_stdin = !feed.is_done() && self.mode == Mode::Exec;
        let mut heard = Instant::now();
        while !self.channel.is_at_end() {
            let (mut moved, mut is_full, mut is_held) = (false, false, false);
            let bounds = self.bounds(until);
            if !feed.is_done() {
                let chunk = feed.chunk()?;
                let written = self.channel.write(chunk, &bounds)?.unwrap_or(0);
                is_held = written == 0 && !chunk.is_empty();
                feed.advance(written);
                moved |= written > 0;
            } else if closes_stdin && self.channel.send_eof(&bounds)?.is_some() {
                closes_stdin = false;
                moved = true;
            }
            if let Some(read) = self.channel.read(Stream::Stdout, &mut buffer, &bounds)?.filter(|read| *read > 0) {
                moved = true;
                is_full |= read == buffer.len();
                if self.phase != self.limits.speaking {
                    self.phase = self.limits.speaking;
                    (self.limits.phase)(self.limits.speaking);
                }
                if !sink(Stream::Stdout, &buffer[..read]) {
                    return Ok(false);
                }
            }
            let bounds = self.bounds(until);
            if let Some(read) = self.channel.read(Stream::Stderr, &mut buffer, &bounds)?.filter(|read| *read > 0) {
                moved = true;
                is_full |= read == buffer.len();
                if !mark.push(&buffer[..read], &mut |bytes| sink(Stream::Stderr, bytes)) {
                    return Ok(false);
                }
            }
            if moved {
                heard = Instant::now();
                if is_full && buffer.len() < CHUNK {
                    buffer.resize(CHUNK, 0);
                }
                self.channel.check(&bounds)?;
            } else if is_held && self.channel.can_write() {
                self.channel.check(&bounds)?;
            } else if !self.channel.is_at_end() {
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
                    self.channel.keep_alive(heard, &bounds)?;
                }
                if self.channel.wait(&self.bounds(until))? {
                    heard = Instant::now();
                }
            }
        }
        Ok(true)
    }

    fn bounds(&self, until: Option<Instant>) -> Bounds<'a> {
        Bounds { limits: self.limits, phase: self.phase, until }
    }

    /// Ends a stream: its stdin is closed, which kills the command, and what it still says is dropped until it is gone.
    fn stop(&mut self) {
        let patience = Limits { deadline: Instant::now() + STOP_PATIENCE, allowed: STOP_PATIENCE, ..*self.limits };
        let bounds = Bounds { limits: &patience, phase: Phase::Exec, until: Some(patience.deadline) };
        let mut end = || {
            while self.channel.send_eof(&bounds)?.is_none() {
                self.channel.wait(&bounds)?;
            }
            let channel = &mut *self.channel;
            let mut waits = Exchange { channel, limits: &patience, mode: Mode::Exec, phase: Phase::Exec };
            waits.pump(&mut Feed::empty(), &mut Mark::new(""), &mut |_, _| true)?;
            self.channel.close(&patience)
        };
        let _: Result<(), TransportError> = end();
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
