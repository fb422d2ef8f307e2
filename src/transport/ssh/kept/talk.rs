//! One end of a socket between a run and a keeper, with the words that are on their way.
//!
//! Boundary: nothing here waits but [`Talk::hear`], which a keeper never calls: it serves many at once.
//! Next: `frame` for how words look.

use std::{
    io,
    os::unix::net::UnixStream,
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, poll};

use super::{
    Directory, Key,
    directory::dial,
    frame::{Filled, Inbox, Kind, Outbox},
    left,
};
use crate::transport::local::timespec;

/// A conversation with another process of this user.
pub(super) struct Talk {
    pub(super) stream: Arc<UnixStream>,
    pub(super) inbox: Inbox,
    outbox: Outbox,
}

impl Talk {
    /// With whoever is at the other end of `stream`, which does not block.
    ///
    /// # Errors
    /// That is not this user.
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        if !is_of_this_user(&stream) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"));
        }
        Ok(Self { stream: Arc::new(stream), inbox: Inbox::default(), outbox: Outbox::default() })
    }

    /// With the keeper of `key`; `None` when there is none.
    pub(super) fn with_keeper_of(directory: &Directory, key: Key) -> Option<Self> {
        Self::new(directory.reach(key)?).ok()
    }

    /// With the keeper behind `socket`.
    ///
    /// # Errors
    /// It is gone or not this user's.
    pub(super) fn with_keeper(socket: &std::path::Path) -> io::Result<Self> {
        Self::new(dial(socket)?)
    }

    /// Says something, as far as the socket takes it now.
    pub(super) fn say(&mut self, kind: Kind, payload: &[u8]) -> io::Result<()> {
        self.push(kind, payload);
        self.flush().map(|_| ())
    }

    /// Says something with the next flush.
    pub(super) fn push(&mut self, kind: Kind, payload: &[u8]) {
        self.outbox.push(kind, payload);
    }

    /// Writes what the socket takes; true when nothing is left.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        self.outbox.flush(&self.stream)
    }

    /// How many bytes wait to be written.
    pub(super) fn unsent(&self) -> usize {
        self.outbox.len()
    }

    /// Reads what has come; false when that is nothing.
    ///
    /// # Errors
    /// The other side has hung up (`UnexpectedEof`), or the socket is broken.
    pub(super) fn fill(&mut self) -> io::Result<bool> {
        match self.inbox.fill(&self.stream)? {
            Filled::Some => Ok(true),
            Filled::Nothing => Ok(false),
            Filled::HungUp => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Waits for the next word, writing meanwhile what there is to write.
    ///
    /// # Errors
    /// As [`Talk::fill`], and `TimedOut`.
    pub(super) fn hear(&mut self, until: Instant) -> io::Result<(Kind, Vec<u8>)> {
        loop {
            if let Some((kind, payload)) = self.inbox.next()? {
                return Ok((kind, payload.to_vec()));
            }
            let waits_to_write = !self.flush()?;
            self.wait(waits_to_write, left(until))?;
            if !self.fill()? && left(until).is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }

    /// Waits until there is something to read, or to write if `writes`; true when it can be read.
    pub(super) fn wait(&self, writes: bool, patience: Duration) -> io::Result<bool> {
        let mut flags = PollFlags::IN;
        flags.set(PollFlags::OUT, writes);
        let mut fds = [PollFd::new(&*self.stream, flags)];
        match poll(&mut fds, Some(&timespec(patience))) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(fds[0].revents().intersects(PollFlags::IN | PollFlags::HUP)),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Whether the process behind `stream` belongs to this user (unix(7), `SO_PEERCRED`).
fn is_of_this_user(stream: &UnixStream) -> bool {
    #[cfg(target_os = "linux")]
    {
        rustix::net::sockopt::socket_peercred(stream).is_ok_and(|peer| peer.uid == rustix::process::geteuid())
    }
    #[cfg(not(target_os = "linux"))]
    {
        // The directory lets nobody else in.
        let _ = stream;
        true
    }
}
