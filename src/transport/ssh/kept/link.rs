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

use super::{
    super::link::{Bounds, Channel, Link},
    Directory, Key,
    frame::{CHUNK, Kind},
    left,
    talk::Talk,
    words::{attach_to, end_from, ready_from},
};
use crate::transport::{Cancel, End, Limits, Phase, Stream, TransportError, TransportErrorKind, cancel::CancelGuard};

/// How long a kept session may take to open a channel. It is given up after that, which costs nothing but this time: no
/// command was sent.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a keeper may take to show that it lives, when a deadline has passed.
const PULSE: Duration = Duration::from_millis(500);

/// Most bytes of input that wait for the keeper.
const BACKLOG: usize = 4 * CHUNK;

/// The way to a session of another process.
pub(in super::super) struct KeptLink {
    stream: Arc<UnixStream>,
    talk: RefCell<Talk>,
    /// Whether the channel that the keeper has opened is still unused.
    has_channel: RefCell<bool>,
    longest_command: usize,
    /// Where its keeper can be asked whether it lives.
    keeper: Option<(Directory, Key)>,
}

/// The session of `key`, if a keeper holds it, it lives and `accepts` the keys of all hosts on the way, from the outermost in. It is to
/// be kept for `persist` after this use.
pub(in super::super) fn attach(
    directory: &Directory,
    (key, persist): (Key, Duration),
    limits: &Limits<'_>,
    accepts: impl Fn(&[&[u8]]) -> bool,
) -> Option<KeptLink> {
    directory.check().ok()?;
    let mut talk = Talk::with_keeper_of(directory, key)?;
    let stream = Arc::clone(&talk.stream);
    let waker = Arc::clone(&stream);
    let _guard = limits.cancel.on_abandon(move || cut(&waker));
    talk.say(Kind::Attach, &attach_to(key, persist)).ok()?;
    let (kind, ready) = talk.hear(Instant::now() + PATIENCE.min(limits.left() / 4)).ok()?;
    let (longest_command, keys) = ready_from(&ready)?;
    let is_ready = kind == Kind::Ready && accepts(&keys);
    is_ready.then(|| KeptLink {
        longest_command,
        stream,
        talk: RefCell::new(talk),
        has_channel: RefCell::new(true),
        keeper: Some((directory.clone(), key)),
    })
}

fn cut(stream: &UnixStream) {
    let _ = stream.shutdown(std::net::Shutdown::Both);
}

impl KeptLink {
    /// Waits until the socket can be read, writing meanwhile what there is to write.
    fn wait(&self, bounds: &Bounds<'_>) -> Result<bool, TransportError> {
        let left = self.check(bounds)?.min(Duration::from_secs(3600));
        let mut talk = self.talk.borrow_mut();
        let writes = talk.unsent() > 0;
        let waited = talk.wait(writes, left);
        let flushed = if writes { talk.flush().map(|_| ()) } else { Ok(()) };
        flushed.and(waited).map_err(|error| gone(bounds, &error))
    }

    /// The time left. A keeper that was stopped is told from a host that takes too long: nothing is killed there, and nobody knows
    /// what became of the command.
    fn check(&self, bounds: &Bounds<'_>) -> Result<Duration, TransportError> {
        let result = check(bounds);
        let is_timeout = |error: &TransportError| matches!(*error.kind, TransportErrorKind::Timeout { .. });
        if result.as_ref().is_err_and(is_timeout) && !self.keeper_answers() {
            return Err(gone(bounds, &io::Error::other("it is stopped or hangs")));
        }
        result
    }

    fn keeper_answers(&self) -> bool {
        let asked = self.keeper.as_ref().and_then(|(directory, key)| Talk::with_keeper_of(directory, *key));
        // Where the way to it is gone, the session was told to close after this use.
        asked.is_none_or(|mut talk| talk.say(Kind::List, &[]).and_then(|()| talk.hear(Instant::now() + PULSE)).is_ok())
    }

    fn send(&self, kind: Kind, payload: &[u8], bounds: &Bounds<'_>) -> Result<(), TransportError> {
        self.talk.borrow_mut().say(kind, payload).map_err(|error| gone(bounds, &error))
    }

    /// Has the keeper open a further channel.
    fn open(&self, bounds: &Bounds<'_>) -> Result<(), TransportError> {
        self.send(Kind::Open, &[], bounds)?;
        let until = bounds.until.unwrap_or(bounds.limits.deadline);
        match self.talk.borrow_mut().hear(until) {
            Ok((Kind::Ready, _)) => Ok(()),
            Ok((Kind::Lost, why)) => Err(lost(bounds, &String::from_utf8_lossy(&why))),
            Ok(_) => Err(gone(bounds, &io::ErrorKind::InvalidData.into())),
            Err(error) => Err(self.check(bounds).err().unwrap_or_else(|| gone(bounds, &error))),
        }
    }
}

impl Link for KeptLink {
    type Channel<'a> = KeptChannel<'a>;

    fn start(&self, command: &str, limits: &Limits<'_>) -> Result<KeptChannel<'_>, TransportError> {
        let bounds = Bounds { limits, phase: Phase::Exec, until: Some(limits.deadline) };
        if !self.has_channel.take() {
            self.open(&bounds)?;
        }
        self.send(Kind::Exec, command.as_bytes(), &bounds)?;
        Ok(KeptChannel { link: self, ended: None })
    }

    fn longest_command(&self) -> usize {
        self.longest_command
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
            if self.look(bounds)? || !self.link.talk.borrow_mut().fill().map_err(|error| gone(bounds, &error))? {
                return Ok(None);
            }
        }
        Ok(None)
    }

    fn write(&mut self, bytes: &[u8], bounds: &Bounds<'_>) -> Result<Option<usize>, TransportError> {
        let mut talk = self.link.talk.borrow_mut();
        if talk.unsent() >= BACKLOG {
            talk.flush().map_err(|error| gone(bounds, &error))?;
            if talk.unsent() >= BACKLOG {
                return Ok(None);
            }
        }
        drop(talk);
        let bytes = &bytes[..bytes.len().min(CHUNK)];
        self.link.send(Kind::Input, bytes, bounds)?;
        Ok(Some(bytes.len()))
    }

    fn can_write(&self) -> bool {
        self.link.talk.borrow().unsent() < BACKLOG
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
        // What came for one stream may have been read while the other was asked, and the keeper has nothing more to say.
        let is_there = !matches!(self.link.talk.borrow_mut().inbox.peek(), Ok(None));
        if is_there { self.link.check(bounds).map(|_| true) } else { self.link.wait(bounds) }
    }

    fn check(&self, bounds: &Bounds<'_>) -> Result<(), TransportError> {
        self.link.check(bounds).map(|_| ())
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
    let kind =
        TransportErrorKind::Lost(format!("the process that kept its session is gone or does not answer: {error}"));
    TransportError::new(bounds.phase, kind)
}

fn lost(bounds: &Bounds<'_>, why: &str) -> TransportError {
    if bounds.limits.cancel.is_abandoned() {
        return TransportError::new(bounds.phase, TransportErrorKind::Cancelled);
    }
    TransportError::new(bounds.phase, TransportErrorKind::Lost(why.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn nothing_is_waited_for_that_has_come_while_the_other_stream_was_read() {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let talk = Talk::new(near).unwrap();
        let link = KeptLink {
            longest_command: 0,
            stream: Arc::clone(&talk.stream),
            talk: RefCell::new(talk),
            has_channel: RefCell::new(true),
            keeper: None,
        };
        let cancel = Cancel::new();
        let limits = Limits::new(Duration::from_secs(60), &cancel, &|_| {});
        let bounds = Bounds { limits: &limits, phase: Phase::Exec, until: Some(limits.deadline) };
        let mut channel = link.start("true", &limits).unwrap();
        let mut buffer = [0; 100];
        assert_eq!(channel.read(Stream::Stdout, &mut buffer, &bounds).unwrap(), None);
        let mut keeper = Talk::new(far).unwrap();
        keeper.push(Kind::Output, b"out");
        keeper.push(Kind::ErrorOutput, b"err");
        keeper.push(Kind::End, b"e0");
        assert!(keeper.flush().unwrap());
        assert_eq!(channel.read(Stream::Stderr, &mut buffer, &bounds).unwrap(), None, "it stands behind the other");
        assert!(channel.wait(&bounds).unwrap());
        assert_eq!(channel.read(Stream::Stdout, &mut buffer, &bounds).unwrap(), Some(3));
        assert_eq!(channel.read(Stream::Stderr, &mut buffer, &bounds).unwrap(), Some(3));
        assert_eq!(channel.read(Stream::Stdout, &mut buffer, &bounds).unwrap(), None);
        assert_eq!((channel.is_at_end(), channel.end()), (true, End::Exit(0)));
    }
}
