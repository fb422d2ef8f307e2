//! One host's bytes, between its socket here and its channel in the jump host's session.
//!
//! Boundary: tries to move, never waits. What is read on one side is kept until the other side takes it, at most
//! [`CHUNK`] bytes each way, so that a slow reader slows its writer and nobody else.

use std::{
    io::{ErrorKind, Read, Write},
    net::Shutdown,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};

use rustix::event::PollFlags;
use ssh2::{Channel, Session};

use crate::transport::ssh::wire::{Wire, is_sending};

/// Most bytes held for each direction.
const CHUNK: usize = 32 * 1024;

/// How long the jump host may take to confirm that a channel is closed.
const CLOSING: Duration = Duration::from_secs(5);

/// What a step on a session came to.
pub(super) enum Step {
    /// Bytes moved, or something changed.
    Moved,
    /// Nothing to do until one of the sides is ready.
    Idle,
    /// The session's own socket takes no more. libssh2 keeps the packet that is half sent, and this very step has to be
    /// repeated before any other one on the session.
    Blocked,
    /// It is over and may be dropped.
    Done,
    /// The jump host's session broke.
    Broken(ssh2::Error),
}

/// One tunnel.
pub(super) struct Tunnel {
    channel: Channel,
    near: UnixStream,
    outbound: Buffer,
    inbound: Buffer,
    /// The near side will send no more.
    near_ended: bool,
    /// The far side has sent its last byte, and the near side was told.
    far_ended: bool,
    /// The last step stopped in the middle of a write, which has to be taken up again before anything is read.
    writes: bool,
    /// Since when the channel is being closed.
    closing: Option<Instant>,
}

#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    from: usize,
}

impl Buffer {
    fn is_empty(&self) -> bool {
        self.from == self.bytes.len()
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.from..]
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        self.from = 0;
    }
}

impl Tunnel {
    pub(super) fn new(channel: Channel, near: UnixStream) -> Self {
        Self {
            channel,
            near,
            outbound: Buffer::default(),
            inbound: Buffer::default(),
            near_ended: false,
            far_ended: false,
            writes: false,
            closing: None,
        }
    }

    /// The near side, and what to wait for on it; `None` when nothing.
    pub(super) fn waits_for(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let mut flags = PollFlags::empty();
        if self.closing.is_none() {
            flags.set(PollFlags::IN, self.outbound.is_empty() && !self.near_ended);
            flags.set(PollFlags::OUT, !self.inbound.is_empty());
        }
        (!flags.is_empty()).then(|| (self.near.as_fd(), flags))
    }

    /// Whether something is to be read from the far side: where nobody takes what has come, it is left where it is.
    pub(super) fn wants_more(&self) -> bool {
        self.closing.is_some() || (self.inbound.is_empty() && !self.far_ended)
    }

    /// Whether something waits here for room on the far side.
    pub(super) fn waits_to_send(&self) -> bool {
        !self.outbound.is_empty()
    }

    /// Whether the far side has room for what waits here. Another tunnel's read may have taken note of it, and then no poll tells of it.
    pub(super) fn can_send(&self) -> bool {
        self.closing.is_none() && !self.outbound.is_empty() && self.channel.write_window().remaining > 0
    }

    /// Moves what can be moved. `buffer` is scratch space of at least [`CHUNK`] bytes.
    pub(super) fn step(&mut self, session: &Session, buffer: &mut [u8]) -> Step {
        if self.closing.is_some() {
            return self.close(session);
        }
        let mut moved = false;
        if !std::mem::take(&mut self.writes) {
            match self.bring(session, buffer) {
                Step::Moved => moved = true,
                Step::Idle => {}
                other => return other,
            }
        }
        match self.send(session, buffer) {
            Step::Moved => moved = true,
            Step::Idle => {}
            other => return other,
        }
        // Once the near side is gone nobody is left to read; a host that only stopped writing has its session to end first.
        if self.near_ended && self.outbound.is_empty() {
            self.closing = Some(Instant::now());
            return self.close(session);
        }
        if moved { Step::Moved } else { Step::Idle }
    }

    fn bring(&mut self, session: &Session, buffer: &mut [u8]) -> Step {
        let mut moved = false;
        loop {
            if !self.inbound.is_empty() {
                match (&self.near).write(self.inbound.rest()) {
                    Ok(written) => {
                        self.inbound.from += written;
                        moved = true;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    // Nobody reads any more: what is left is dropped and the channel closed.
                    Err(_) => {
                        self.near_ended = true;
                        self.inbound = Buffer::default();
                        self.outbound = Buffer::default();
                        return Step::Moved;
                    }
                }
                continue;
            }
            if self.far_ended {
                break;
            }
            match self.channel.read(&mut buffer[..CHUNK]) {
                Ok(0) if self.channel.eof() => {
                    self.far_ended = true;
                    let _ = self.near.shutdown(Shutdown::Write);
                    moved = true;
                }
                Ok(0) => break,
                Ok(read) => self.inbound.put(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if is_sending(session) {
                        return Step::Blocked;
                    }
                    break;
                }
                Err(_) => return self.failed(session),
            }
        }
        if moved { Step::Moved } else { Step::Idle }
    }

    fn send(&mut self, session: &Session, buffer: &mut [u8]) -> Step {
        let mut moved = false;
        loop {
            if !self.outbound.is_empty() {
                match self.channel.write(self.outbound.rest()) {
                    // The far side's window is full.
                    Ok(0) => break,
                    Ok(written) => {
                        self.outbound.from += written;
                        moved = true;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        if is_sending(session) {
                            self.writes = true;
                            return Step::Blocked;
                        }
                        break;
                    }
                    Err(_) => return self.failed(session),
                }
                continue;
            }
            if self.near_ended {
                break;
            }
            match (&self.near).read(&mut buffer[..CHUNK]) {
                Ok(0) => self.near_ended = true,
                Ok(read) => self.outbound.put(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.near_ended = true,
            }
            moved = true;
        }
        if moved { Step::Moved } else { Step::Idle }
    }

    fn close(&mut self, session: &Session) -> Step {
        match self.channel.close() {
            Ok(()) => Step::Done,
            Err(error) if Wire::would_block(&error) => {
                if is_sending(session) {
                    return Step::Blocked;
                }
                let late = self.closing.is_some_and(|since| since.elapsed() > CLOSING);
                if late { Step::Done } else { Step::Idle }
            }
            Err(error) if Wire::is_gone(&error) => Step::Broken(error),
            Err(_) => Step::Done,
        }
    }

    /// A failed read or write: the session's trouble, or only this channel's.
    fn failed(&mut self, session: &Session) -> Step {
        match ssh2::Error::last_session_error(session) {
            Some(error) if Wire::is_gone(&error) => Step::Broken(error),
            _ => {
                self.closing = Some(Instant::now());
                let _ = self.near.shutdown(Shutdown::Both);
                Step::Moved
            }
        }
    }
}
