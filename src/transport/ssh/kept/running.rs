//! A command on a kept session: its bytes, both ways.
//!
//! Boundary: steps that never wait. libssh2 takes no other packet before the end of one that is sent in part, so such a step is
//! repeated before any other. Next: `attendant` for what goes before and comes after.

use std::io::{self, Read, Write};

use rustix::event::PollFlags;
use ssh2::Channel;

use super::{
    super::wire::Wire,
    attendant::{Events, Trouble},
    frame::{CHUNK, Kind},
    talk::Talk,
};

/// Most bytes of output that wait for the run; the host is not listened to while there are more.
const BACKLOG: usize = 4 * CHUNK;

/// Most rounds before others have their turn.
const ROUNDS: usize = 16;

/// A command that runs.
pub(super) struct Running {
    channel: Channel,
    stderr: ssh2::Stream,
    input: Input,
    /// What has to be repeated before anything else.
    partly: Option<Deed>,
    /// Whether the host may have sent something that was not read.
    may_read: bool,
    /// Whether it is time to ask for a sign of life.
    is_quiet: bool,
}

/// One of the things to do in each round.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Input,
    Output,
    ErrorOutput,
    KeepAlive,
}

impl Running {
    pub(super) fn new(channel: Channel) -> Self {
        let stderr = channel.stderr();
        Self { channel, stderr, input: Input::default(), partly: None, may_read: true, is_quiet: false }
    }

    /// What is waited for.
    pub(super) fn interest(&self, talk: &Talk, wire: &Wire) -> Events {
        let mut run = PollFlags::HUP;
        run.set(PollFlags::IN, self.input.wants_more());
        let host = if self.listens(talk) || wire.is_sending() { wire.waits_for() } else { PollFlags::empty() };
        Events { run, host }
    }

    /// Whether the host is listened to now.
    pub(super) fn listens(&self, talk: &Talk) -> bool {
        talk.unsent() < BACKLOG
    }

    /// Has the next step ask the host for a sign of life if it was quiet for long enough.
    pub(super) fn keep_alive(&mut self) {
        self.is_quiet = true;
    }

    /// Whether all output has come.
    pub(super) fn is_at_end(&self) -> bool {
        self.channel.eof()
    }

    pub(super) fn into_channel(self) -> Channel {
        self.channel
    }

    /// Moves what can be moved now; true when there may be more.
    pub(super) fn pump(
        &mut self,
        talk: &mut Talk,
        wire: &Wire,
        events: Events,
        buffer: &mut [u8],
    ) -> Result<bool, Trouble> {
        let Events { run, host } = events;
        if run.contains(PollFlags::HUP) && !self.input.wants_more() {
            return Err(Trouble::Left);
        }
        self.input.may_come |= run.intersects(PollFlags::IN | PollFlags::HUP);
        self.may_read |= host.contains(PollFlags::IN);
        for _ in 0..ROUNDS {
            self.input.take(talk)?;
            if self.channel.eof() {
                return Ok(false);
            }
            let moved = self.round(talk, wire, buffer)?;
            if talk.unsent() >= CHUNK {
                talk.flush()?;
            }
            if !moved && !self.can_go_on(talk) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether libssh2 may have taken from the socket what this waits for, of which no poll would tell: output for which there is
    /// room, or the word that there is room for input.
    pub(super) fn can_go_on(&self, talk: &Talk) -> bool {
        let may_read = self.may_read && self.listens(talk);
        let may_write = self.input.has_rest() && self.channel.write_window().remaining > 0;
        self.partly.is_none() && (may_read || may_write)
    }

    /// Each deed once; true when one of them has moved something.
    fn round(&mut self, talk: &mut Talk, wire: &Wire, buffer: &mut [u8]) -> Result<bool, Trouble> {
        let mut moved = false;
        let deeds = [Deed::Input, Deed::Output, Deed::ErrorOutput, Deed::KeepAlive];
        let first = self.partly.take();
        for deed in first.into_iter().chain(deeds.into_iter().filter(|deed| Some(*deed) != first)) {
            match self.perform(deed, talk, wire, buffer) {
                Ok(any) => moved |= any,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if wire.is_sending() {
                        self.partly = Some(deed);
                        return Ok(moved);
                    }
                }
                Err(error) => {
                    return Err(match ssh2::Error::last_session_error(&wire.session) {
                        Some(error) => error.into(),
                        None => Trouble::Lost(error.to_string()),
                    });
                }
            }
        }
        self.may_read &= moved || !self.listens(talk);
        Ok(moved)
    }

    /// Whether it has moved something.
    fn perform(&mut self, deed: Deed, talk: &mut Talk, wire: &Wire, buffer: &mut [u8]) -> io::Result<bool> {
        match deed {
            Deed::Input => {
                if self.input.has_rest() {
                    // libssh2 reads what the host has sent before it writes.
                    self.may_read = true;
                    // A command that has ended does not take its input any more, and its end is about to be read.
                    let written = self.channel.write(self.input.rest())?;
                    self.input.sent += written;
                    return Ok(written > 0);
                }
                let is_due = self.input.ends && !self.input.is_closed;
                if is_due {
                    self.channel.send_eof()?;
                    self.input.is_closed = true;
                }
                Ok(is_due)
            }
            Deed::Output | Deed::ErrorOutput => {
                if !self.may_read || !self.listens(talk) {
                    return Ok(false);
                }
                let (kind, read) = match deed {
                    Deed::Output => (Kind::Output, self.channel.read(buffer)?),
                    _ => (Kind::ErrorOutput, self.stderr.read(buffer)?),
                };
                if read > 0 {
                    talk.push(kind, &buffer[..read]);
                }
                Ok(read > 0)
            }
            Deed::KeepAlive => {
                if std::mem::take(&mut self.is_quiet) {
                    wire.session.keepalive_send()?;
                }
                Ok(false)
            }
        }
    }
}

/// What the command's stdin is to get.
struct Input {
    bytes: Vec<u8>,
    sent: usize,
    /// The run has said that there is no more.
    ends: bool,
    is_closed: bool,
    /// Whether the run may have said something that was not read.
    may_come: bool,
}

impl Default for Input {
    fn default() -> Self {
        Self { bytes: vec![], sent: 0, ends: false, is_closed: false, may_come: true }
    }
}

impl Input {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    fn has_rest(&self) -> bool {
        self.sent < self.bytes.len()
    }

    fn wants_more(&self) -> bool {
        !self.has_rest() && !self.ends
    }

    /// Takes the next bytes of the run once the last ones are sent.
    fn take(&mut self, talk: &mut Talk) -> Result<(), Trouble> {
        while self.wants_more() {
            match talk.inbox.next()? {
                Some((Kind::Input, bytes)) => {
                    self.bytes.clear();
                    self.bytes.extend_from_slice(bytes);
                    self.sent = 0;
                }
                Some((Kind::InputEnd, _)) => self.ends = true,
                Some(_) => return Err(Trouble::Left),
                None if self.may_come => self.may_come = talk.fill()?,
                None => return Ok(()),
            }
        }
        Ok(())
    }
}
