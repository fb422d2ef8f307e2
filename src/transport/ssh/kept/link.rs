//! A session that a keeper holds, as `exec` uses it.
//!
//! Boundary: one run's side of the socket; a keeper that does not answer in time is left alone. Next: `attendant` is the
//! other side.

use std::{
    cell::RefCell,
    io,
    os::unix::net::UnixStream,
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, poll};

use super::{
    super::link::{Bounds, Channel, Link},
    Directory, Key,
    directory::wait_readable,
    frame::{CHUNK, Filled, Inbox, Kind, Outbox},
    left,
};
use crate::transport::{
    Cancel, End, Limits, Phase, Stream, TransportError, TransportErrorKind, cancel::CancelGuard, local::timespec,
};

/// How long a kept session may take to open a channel. It is given up after that, which costs nothing but this time: no
/// command was sent.
const PATIENCE: Duration = Duration::from_secs(2);

/// Most bytes of input that wait for the keeper.
const BACKLOG: usize = 4 * CHUNK;

/// The way to a session of another process.
pub(in super::super) struct KeptLink {
    stream: Arc<UnixStream>,
    talk: RefCell<Talk>,
}

#[derive(Default)]
struct Talk {
    inbox: Inbox,
    outbox: Outbox,
    /// Whether the channel that the keeper has opened is still unused.
    has_channel: bool,
}

/// The session of `key`, if a keeper holds it, it lives and `accepts` its host's key.
pub(in super::super) fn attach(
    directory: &Directory,
    key: Key,
    limits: &Limits<'_>,
    accepts: impl Fn(&[u8]) -> bool,
) -> Option<KeptLink> {
    directory.check().ok()?;
    let stream = Arc::new(directory.reach(key)?);
    if !is_of_this_user(&stream) {
        return None;
    }
    let waker = Arc::clone(&stream);
    let _guard = limits.cancel.on_abandon(move || cut(&waker));
    let until = Instant::now() + PATIENCE.min(limits.left() / 4);
    let mut talk = Talk { has_channel: true, ..Talk::default() };
    talk.outbox.push(Kind::Attach, &key.0);
    talk.outbox.flush(&stream).ok()?;
    loop {
        match talk.inbox.next().ok()? {
            Some((Kind::Ready, blob)) if accepts(blob) => break,
            Some(_) => return None,
            None => {}
        }
        if !wait_readable(&stream, left(until)) || talk.inbox.fill(&stream).ok()? == Filled::HungUp {
            return None;
        }
    }
    Some(KeptLink { stream, talk: RefCell::new(talk) })
}

/// Whether the process behind `stream` belongs to this user (unix(7), `SO_PEERCRED`).
pub(super) fn is_of_this_user(stream: &UnixStream) -> bool {
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

fn cut(stream: &UnixStream) {
    let _ = stream.shutdown(std::net::Shutdown::Both);
}

impl KeptLink {
    /// Waits until the socket can be read, writing meanwhile what there is to write.
    fn wait(&self, bounds: &Bounds<'_>) -> Result<bool, TransportError> {
        let left = check(bounds)?;
        let mut flags = PollFlags::IN;
        let has_more = self.talk.borrow().outbox.len() > 0;
        flags.set(PollFlags::OUT, has_more);
        let mut fds = [PollFd::new(&*self.stream, flags)];
        match poll(&mut fds, Some(&timespec(left.min(Duration::from_secs(3600))))) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(gone(bounds, &errno.into())),
        }
        let ready = fds[0].revents();
        if has_more {
            self.flush(bounds)?;
        }
        Ok(ready.intersects(PollFlags::IN | PollFlags::HUP))
    }

    fn flush(&self, bounds: &Bounds<'_>) -> Result<bool, TransportError> {
        self.talk.borrow_mut().outbox.flush(&self.stream).map_err(|error| gone(bounds, &error))
    }

    fn send(&self, kind: Kind, payload: &[u8], bounds: &Bounds<'_>) -> Result<(), TransportError> {
        self.talk.borrow_mut().outbox.push(kind, payload);
        self.flush(bounds).map(|_| ())
    }

    /// Reads what the keeper has sent; false when that is nothing.
    fn fill(&self, bounds: &Bounds<'_>) -> Result<bool, TransportError> {
        match self.talk.borrow_mut().inbox.fill(&self.stream) {
            Ok(Filled::Some) => Ok(true),
            Ok(Filled::Nothing) => Ok(false),
            Ok(Filled::HungUp) => Err(gone(bounds, &io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(gone(bounds, &error)),
        }
    }

    /// Has the keeper open a further channel.
    fn open(&self, bounds: &Bounds<'_>) -> Result<(), TransportError> {
        self.send(Kind::Open, &[], bounds)?;
        loop {
            match self.talk.borrow_mut().inbox.next() {
                Ok(Some((Kind::Ready, _))) => return Ok(()),
                Ok(Some((Kind::Lost, why))) => return Err(lost(bounds, &String::from_utf8_lossy(why))),
                Ok(Some(_)) | Err(_) => return Err(gone(bounds, &io::ErrorKind::InvalidData.into())),
                Ok(None) => {}
            }
            while !self.fill(bounds)? {
                self.wait(bounds)?;
            }
        }
    }
}

impl Link for KeptLink {
    type Channel<'a> = KeptChannel<'a>;

    fn start(&self, command: &str, limits: &Limits<'_>) -> Result<KeptChannel<'_>, TransportError> {
        let bounds = Bounds { limits, phase: Phase::Exec, until: Some(limits.deadline) };
        let has_channel = std::mem::take(&mut self.talk.borrow_mut().has_channel);
        if !has_channel {
            self.open(&bounds)?;
        }
        self.send(Kind::Exec, command.as_bytes(), &bounds)?;
        Ok(KeptChannel { link: self, ended: None })
    }

    fn wake_on<'a>(&self, cancel: &'a Cancel) -> CancelGuard<'a> {
        let stream = Arc::clone(&self.stream);
        cancel.on_abandon(move || cut(&stream))
    }

    fn cut(&self) {
        cut(&self.stream);
    }
}

/// A command on a session of another process.
pub(in super::super) struct KeptChannel<'a> {
    link: &'a KeptLink,
    ended: Option<End>,
}

impl KeptChannel<'_> {
    /// Looks at the next frame, which is not for the stream that is read; false when there is none yet.
    fn look(&mut self, bounds: &Bounds<'_>) -> Result<bool, TransportError> {
        let malformed = |error: io::Error| gone(bounds, &error);
        let mut talk = self.link.talk.borrow_mut();
        if matches!(talk.inbox.peek().map_err(malformed)?, Some(Kind::Output | Kind::ErrorOutput)) {
            return Ok(true);
        }
        match talk.inbox.next().map_err(malformed)? {
            None => return Ok(false),
            Some((Kind::End, word)) => self.ended = Some(end_from(word)),
            Some((Kind::Lost, why)) => return Err(lost(bounds, &String::from_utf8_lossy(why))),
            Some(_) => return Err(malformed(io::ErrorKind::InvalidData.into())),
        }
        Ok(true)
    }
}

impl Channel for KeptChannel<'_> {
    fn read(
        &mut self,
        stream: Stream,
        buffer: &mut [u8],
        bounds: &Bounds<'_>,
    ) -> Result<Option<usize>, TransportError> {
        let kind = if stream == Stream::Stdout { Kind::Output } else { Kind::ErrorOutput };
        while self.ended.is_none() {
            let taken = self.link.talk.borrow_mut().inbox.take(kind, buffer);
            if let Some(count) = taken.map_err(|error| gone(bounds, &error))? {
                return Ok(Some(count));
            }
            if self.look(bounds)? || !self.link.fill(bounds)? {
                return Ok(None);
            }
        }
        Ok(None)
    }

    fn write(&mut self, bytes: &[u8], bounds: &Bounds<'_>) -> Result<Option<usize>, TransportError> {
        if self.link.talk.borrow().outbox.len() >= BACKLOG {
            self.link.flush(bounds)?;
            if self.link.talk.borrow().outbox.len() >= BACKLOG {
                return Ok(None);
            }
        }
        let bytes = &bytes[..bytes.len().min(CHUNK)];
        self.link.send(Kind::Input, bytes, bounds)?;
        Ok(Some(bytes.len()))
    }

    fn send_eof(&mut self, bounds: &Bounds<'_>) -> Result<Option<()>, TransportError> {
        self.link.send(Kind::InputEnd, &[], bounds).map(Some)
    }

    fn is_at_end(&self) -> bool {
        self.ended.is_some()
    }

    fn keep_alive(&self, _heard: Instant, _bounds: &Bounds<'_>) -> Result<(), TransportError> {
        // The keeper does, and says when the host is gone.
        Ok(())
    }

    fn wait(&self, bounds: &Bounds<'_>) -> Result<bool, TransportError> {
        self.link.wait(bounds)
    }

    fn check(&self, bounds: &Bounds<'_>) -> Result<(), TransportError> {
        check(bounds).map(|_| ())
    }

    fn close(&mut self, _limits: &Limits<'_>) -> Result<(), TransportError> {
        // The keeper has closed it before it said that it ended.
        Ok(())
    }

    fn end(&self) -> End {
        self.ended.clone().unwrap_or(End::Unsaid)
    }
}

fn check(bounds: &Bounds<'_>) -> Result<Duration, TransportError> {
    let Bounds { limits, phase, until } = *bounds;
    if limits.cancel.is_abandoned() {
        return Err(TransportError::new(phase, TransportErrorKind::Cancelled));
    }
    match until.map(left) {
        Some(Duration::ZERO) => Err(super::super::wire::timeout(phase, limits)),
        left => Ok(left.unwrap_or(Duration::MAX)),
    }
}

fn gone(bounds: &Bounds<'_>, error: &io::Error) -> TransportError {
    if bounds.limits.cancel.is_abandoned() {
        return TransportError::new(bounds.phase, TransportErrorKind::Cancelled);
    }
    let kind = TransportErrorKind::Lost(format!("the process that kept its session is gone: {error}"));
    TransportError::new(bounds.phase, kind)
}

fn lost(bounds: &Bounds<'_>, why: &str) -> TransportError {
    if bounds.limits.cancel.is_abandoned() {
        return TransportError::new(bounds.phase, TransportErrorKind::Cancelled);
    }
    TransportError::new(bounds.phase, TransportErrorKind::Lost(why.to_owned()))
}

/// How a command ended, as it stands in a frame: `e` and a code, `s` and a signal's name, or nothing.
pub(super) fn end_to(end: &End) -> Vec<u8> {
    match end {
        End::Exit(code) => format!("e{code}").into_bytes(),
        End::Signal(name) => format!("s{name}").into_bytes(),
        End::Unsaid | End::Stopped => vec![],
    }
}

/// The other way round.
fn end_from(word: &[u8]) -> End {
    let text = String::from_utf8_lossy(word);
    match (text.strip_prefix('e').and_then(|code| code.parse().ok()), text.strip_prefix('s')) {
        (Some(code), _) => End::Exit(code),
        (_, Some(name)) => End::Signal(name.to_owned()),
        _ => End::Unsaid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_survives_its_way_through_a_frame() {
        for end in [End::Exit(0), End::Exit(255), End::Signal("KILL".to_owned()), End::Unsaid] {
            assert_eq!(end_from(&end_to(&end)), end);
        }
    }
}
