//! Serves one run that wants a kept session: opens channels, starts commands, moves their bytes.
//!
//! Boundary: one socket and one session, on a thread of its own, which ends when the run hangs up. A run that hangs up in the
//! middle of a command cuts the session: what the host would send next belongs to nobody.
//! Next: `link` is the other side, `keeper` starts this.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};
use ssh2::{BlockDirections, Session};

use super::{
    super::{
        direct::end_of,
        exec::FIRST_CHUNK,
        link::SILENCE,
        wire::{self, KEEPALIVE, Wire},
    },
    frame::{CHUNK, Filled, Inbox, Kind, Outbox},
    link::end_to,
};
use crate::transport::local::timespec;

/// Most bytes of output that wait for the run; the host is not listened to while there are more.
const BACKLOG: usize = 4 * CHUNK;

/// How long a channel that nobody needs may take to close before its session is given up.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// Why a run is no longer served.
enum Trouble {
    /// It has hung up, or speaks something else.
    Left,
    /// The session is of no use any more.
    Lost(String),
}

impl From<io::Error> for Trouble {
    fn from(_: io::Error) -> Self {
        Self::Left
    }
}

/// One run's side.
pub(super) struct Attendant<'a> {
    stream: &'a UnixStream,
    inbox: &'a mut Inbox,
    outbox: Outbox,
    wire: &'a Wire,
}

impl<'a> Attendant<'a> {
    pub(super) fn new(stream: &'a UnixStream, inbox: &'a mut Inbox, wire: &'a Wire) -> Self {
        Self { stream, inbox, outbox: Outbox::default(), wire }
    }

    /// Serves the run until it hangs up; true when the session can be used again.
    pub(super) fn serve(mut self) -> bool {
        // The first channel shows whether the session lives.
        let Ok(channel) = self.open() else {
            self.outbox.push(Kind::Gone, &[]);
            let _ = self.flush();
            return false;
        };
        match self.commands(channel) {
            Ok(is_clean) => is_clean,
            Err(Trouble::Left) => false,
            Err(Trouble::Lost(why)) => {
                self.outbox.push(Kind::Lost, why.as_bytes());
                let _ = self.flush();
                false
            }
        }
    }

    /// One command after the other; true when nothing is left open.
    fn commands(&mut self, channel: ssh2::Channel) -> Result<bool, Trouble> {
        let mut channel = Some(channel);
        loop {
            if !self.flush()? {
                return Ok(false);
            }
            match (self.word()?, channel.take()) {
                (None, None) => return Ok(true),
                (None, Some(unused)) => return Ok(self.close_quietly(unused)),
                (Some((Kind::Open, _)), None) => channel = Some(self.open()?),
                (Some((Kind::Exec, command)), Some(ready)) => {
                    self.command(ready, &String::from_utf8_lossy(&command))?
                }
                // Input of a command that ended before it came.
                (Some((Kind::Input | Kind::InputEnd, _)), idle) => channel = idle,
                _ => return Err(Trouble::Left),
            }
        }
    }

    fn open(&mut self) -> Result<ssh2::Channel, Trouble> {
        let channel = self.drive(|session| session.channel_session())?;
        let key = self.wire.session.host_key().map(|(key, _)| key.to_vec()).unwrap_or_default();
        self.outbox.push(Kind::Ready, &key);
        self.flush()?;
        Ok(channel)
    }

    fn command(&mut self, mut channel: ssh2::Channel, command: &str) -> Result<(), Trouble> {
        self.drive(|_| channel.exec(command))?;
        self.pump(&mut channel)?;
        self.drive(|_| channel.close())?;
        self.drive(|_| channel.wait_close())?;
        self.outbox.push(Kind::End, &end_to(&end_of(&channel)));
        Ok(())
    }

    /// Moves bytes both ways until the command has closed its output.
    fn pump(&mut self, channel: &mut ssh2::Channel) -> Result<(), Trouble> {
        let mut stderr = channel.stderr();
        let mut buffer = vec![0; FIRST_CHUNK];
        let mut input = Input::default();
        let mut heard = Instant::now();
        while !channel.eof() {
            let mut moved = false;
            self.outbox.flush(self.stream)?;
            input.take(self.inbox)?;
            if !input.rest().is_empty() {
                // A command that has ended does not take its input any more, and its end is about to be read.
                let written = self.settled(|| channel.write(input.rest()))?.unwrap_or(0);
                input.sent += written;
                moved |= written > 0;
            } else if input.ends
                && !input.is_closed
                && self.settled(|| channel.send_eof().map_err(Into::into))?.is_some()
            {
                input.is_closed = true;
                moved = true;
            }
            for kind in [Kind::Output, Kind::ErrorOutput] {
                if self.outbox.len() >= BACKLOG {
                    continue;
                }
                let read = self.settled(|| match kind {
                    Kind::Output => channel.read(&mut buffer),
                    _ => stderr.read(&mut buffer),
                })?;
                if let Some(read) = read.filter(|read| *read > 0) {
                    self.outbox.push(kind, &buffer[..read]);
                    moved = true;
                    if read == buffer.len() && read < CHUNK {
                        buffer.resize(CHUNK, 0);
                    }
                }
            }
            if moved {
                heard = Instant::now();
            } else if !channel.eof() {
                if heard.elapsed() > SILENCE {
                    return Err(Trouble::Lost(format!("nothing heard for {} s", heard.elapsed().as_secs())));
                }
                self.settled(|| self.wire.session.keepalive_send().map_err(Into::into))?;
                if self.wait(&input)? {
                    heard = Instant::now();
                }
            }
        }
        Ok(())
    }

    /// Waits for the run or the host; true when the host has sent something.
    fn wait(&mut self, input: &Input) -> Result<bool, Trouble> {
        let mut from_run = PollFlags::empty();
        from_run.set(PollFlags::IN, input.rest().is_empty() && !input.ends);
        from_run.set(PollFlags::OUT, self.outbox.len() > 0);
        let mut from_host = PollFlags::empty();
        from_host.set(PollFlags::IN, self.outbox.len() < BACKLOG);
        from_host.set(PollFlags::OUT, self.is_sending());
        let mut fds = [PollFd::new(self.stream, from_run), PollFd::new(self.wire.socket(), from_host)];
        let ready = self.poll(&mut fds)?;
        if ready[0].contains(PollFlags::IN) && self.inbox.fill(self.stream)? == Filled::HungUp {
            return Err(Trouble::Left);
        }
        if ready[0].contains(PollFlags::HUP) && !ready[0].contains(PollFlags::IN) {
            return Err(Trouble::Left);
        }
        Ok(ready[1].contains(PollFlags::IN))
    }

    /// The next word of the run; `None` when it has hung up.
    fn word(&mut self) -> Result<Option<(Kind, Vec<u8>)>, Trouble> {
        loop {
            if let Some((kind, payload)) = self.inbox.next()? {
                return Ok(Some((kind, payload.to_vec())));
            }
            let mut fds = [PollFd::new(self.stream, PollFlags::IN)];
            if self.poll(&mut fds)?[0].is_empty() {
                continue;
            }
            if self.inbox.fill(self.stream)? == Filled::HungUp {
                return Ok(None);
            }
        }
    }

    /// Writes all that waits for the run; false when it has hung up.
    fn flush(&mut self) -> Result<bool, Trouble> {
        while !self.outbox.flush(self.stream)? {
            let mut fds = [PollFd::new(self.stream, PollFlags::OUT)];
            if self.poll(&mut fds)?[0].contains(PollFlags::HUP) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Repeats `step` until it no longer would block, or the run hangs up.
    fn drive<T>(&mut self, mut step: impl FnMut(&Session) -> Result<T, ssh2::Error>) -> Result<T, Trouble> {
        let mut heard = Instant::now();
        loop {
            match step(&self.wire.session) {
                Ok(value) => return Ok(value),
                Err(error) if Wire::would_block(&error) => {
                    if heard.elapsed() > SILENCE {
                        return Err(Trouble::Lost(format!("nothing heard for {} s", heard.elapsed().as_secs())));
                    }
                    if self.wait_host()? {
                        heard = Instant::now();
                    }
                }
                Err(error) => return Err(lost(&error)),
            }
        }
    }

    /// As [`Attendant::drive`], but only while a packet is sent in part; `None` when the step would block.
    fn settled<T>(&self, mut step: impl FnMut() -> io::Result<T>) -> Result<Option<T>, Trouble> {
        loop {
            match step() {
                Ok(value) => return Ok(Some(value)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    return Err(ssh2::Error::last_session_error(&self.wire.session)
                        .map_or_else(|| Trouble::Lost(error.to_string()), |error| lost(&error)));
                }
            }
            if !self.is_sending() {
                return Ok(None);
            }
            self.wait_host()?;
        }
    }

    /// Waits for the host alone, or for the run to hang up; true when the host has sent something.
    fn wait_host(&self) -> Result<bool, Trouble> {
        let mut flags = PollFlags::IN;
        if self.is_sending() {
            flags = match self.wire.session.block_directions() {
                BlockDirections::Outbound => PollFlags::OUT,
                _ => PollFlags::IN | PollFlags::OUT,
            };
        }
        self.wire.acknowledge_now();
        let mut fds = [PollFd::new(self.stream, PollFlags::empty()), PollFd::new(self.wire.socket(), flags)];
        let ready = self.poll(&mut fds)?;
        if ready[0].contains(PollFlags::HUP) {
            return Err(Trouble::Left);
        }
        Ok(ready[1].contains(PollFlags::IN))
    }

    fn is_sending(&self) -> bool {
        matches!(self.wire.session.block_directions(), BlockDirections::Outbound | BlockDirections::Both)
    }

    fn poll<const N: usize>(&self, fds: &mut [PollFd<'_>; N]) -> Result<[PollFlags; N], Trouble> {
        match poll(fds, Some(&timespec(KEEPALIVE))) {
            Ok(_) => Ok(std::array::from_fn(|at| fds[at].revents())),
            Err(Errno::INTR) => Ok([PollFlags::empty(); N]),
            Err(errno) => Err(Trouble::Lost(errno.to_string())),
        }
    }

    /// Closes a channel on which nothing ran, for the sake of the session.
    fn close_quietly(&mut self, mut channel: ssh2::Channel) -> bool {
        let until = Instant::now() + CLOSE_PATIENCE;
        while let Err(error) = channel.close() {
            let mut fds = [PollFd::new(self.wire.socket(), PollFlags::IN)];
            let waits = Wire::would_block(&error) && Instant::now() < until;
            if !waits || poll(&mut fds, Some(&timespec(super::left(until)))).is_err() {
                return false;
            }
        }
        true
    }
}

fn lost(error: &ssh2::Error) -> Trouble {
    let text = if Wire::is_gone(error) { wire::gone(error) } else { error.message() };
    Trouble::Lost(text.to_owned())
}

/// What the command's stdin is to get.
#[derive(Default)]
struct Input {
    bytes: Vec<u8>,
    sent: usize,
    ends: bool,
    is_closed: bool,
}

impl Input {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Takes the next bytes of the run once the last ones are sent.
    fn take(&mut self, inbox: &mut Inbox) -> Result<(), Trouble> {
        if self.rest().is_empty() && !self.ends {
            match inbox.next()? {
                Some((Kind::Input, bytes)) => {
                    self.bytes.clear();
                    self.bytes.extend_from_slice(bytes);
                    self.sent = 0;
                }
                Some((Kind::InputEnd, _)) => self.ends = true,
                Some(_) => return Err(Trouble::Left),
                None => {}
            }
        }
        Ok(())
    }
}
