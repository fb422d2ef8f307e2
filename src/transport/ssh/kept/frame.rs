//! The words between a run and a keeper: a kind, a length of 32 bits (big-endian), and so many bytes.
//!
//! Boundary: bytes in memory and one non-blocking socket; what the words mean is `link`'s and `attendant`'s.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
};

/// Changes with the words.
pub(super) const VERSION: u8 = 5;

/// Most bytes behind one header; a command line is at most 128 KiB on Linux (execve(2)).
pub(super) const LONGEST: usize = 1024 * 1024;

/// Most bytes of a command's streams in one frame.
pub(super) const CHUNK: usize = 64 * 1024;

/// Bytes of a header.
const HEADER: usize = 5;

/// What a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// From a run: the session of this key, with a channel open on it, and how long it is to be kept after this use (see
    /// [`super::words::attach_to`]).
    Attach = 1,
    /// From a run: a further channel.
    Open,
    /// From a run: this command on the open channel.
    Exec,
    /// From a run: bytes for the command's stdin.
    Input,
    /// From a run: the end of the command's stdin.
    InputEnd,
    /// From `mcp sessions`: what is kept.
    List,
    /// From `mcp sessions`: end the sessions with these hosts (JSON list of names), or all of them (nothing).
    Close,
    /// From a keeper: a channel is open; what the host takes and the keys of all hosts on the way (see [`super::words::ready_to`]).
    Ready,
    /// From a keeper: bytes of the command's stdout.
    Output,
    /// From a keeper: bytes of the command's stderr.
    ErrorOutput,
    /// From a keeper: the command ended and its channel is closed (see [`super::words::end_to`]).
    End,
    /// From a keeper: the session is lost, and why.
    Lost,
    /// From a keeper: there is no such session, or it is in use.
    Gone,
    /// From a keeper: the answer to `List` or `Close`, as JSON.
    Answer,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        use Kind::{
            Answer, Attach, Close, End, ErrorOutput, Exec, Gone, Input, InputEnd, List, Lost, Open, Output, Ready,
        };
        let all =
            [Attach, Open, Exec, Input, InputEnd, List, Close, Ready, Output, ErrorOutput, End, Lost, Gone, Answer];
        all.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// What is still to be written.
#[derive(Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    /// Appends a frame.
    pub(super) fn push(&mut self, kind: Kind, payload: &[u8]) {
        if self.sent >= CHUNK {
            // One that is never quite empty would grow for ever.
            self.bytes.drain(..std::mem::take(&mut self.sent));
        }
        self.bytes.push(kind as u8);
        self.bytes.extend(u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.bytes.extend_from_slice(payload);
    }

    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Writes what the socket takes; true when nothing is left.
    pub(super) fn flush(&mut self, mut stream: &UnixStream) -> io::Result<bool> {
        while self.sent < self.bytes.len() {
            match stream.write(&self.bytes[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.bytes.clear();
        self.sent = 0;
        Ok(true)
    }
}

/// Bytes that an inbox begins with; most of what is said is shorter, and memory that is never touched costs nothing.
const SMALL: usize = 2 * 1024;

/// What has come and was not looked at yet.
#[derive(Default)]
pub(super) struct Inbox {
    /// What has come is at `at..end`; the rest is room.
    bytes: Vec<u8>,
    at: usize,
    end: usize,
}

/// What a look at the socket brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filled {
    /// Some bytes.
    Some,
    /// None now.
    Nothing,
    /// The other side has hung up.
    HungUp,
}

impl Inbox {
    /// Reads what the socket has.
    pub(super) fn fill(&mut self, mut stream: &UnixStream) -> io::Result<Filled> {
        self.bytes.copy_within(self.at..self.end, 0);
        self.end -= self.at;
        self.at = 0;
        if self.end == self.bytes.len() {
            // A frame that is longer than the room: more of its kind will come.
            self.bytes.resize((self.end * 4).clamp(SMALL, self.end + HEADER + CHUNK), 0);
        }
        let result = loop {
            match stream.read(&mut self.bytes[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        match result {
            Ok(0) => Ok(Filled::HungUp),
            Ok(read) => {
                self.end += read;
                Ok(Filled::Some)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Filled::Nothing),
            Err(error) => Err(error),
        }
    }

    /// The next whole frame, `None` when there is none yet.
    ///
    /// # Errors
    /// The other side speaks something else.
    pub(super) fn next(&mut self) -> io::Result<Option<(Kind, &[u8])>> {
        let Some(header) = self.bytes[..self.end].get(self.at..self.at + HEADER) else { return Ok(None) };
        let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let kind = Kind::of(header[0]).filter(|_| length <= LONGEST).ok_or(io::ErrorKind::InvalidData)?;
        let begin = self.at + HEADER;
        if self.end < begin + length {
            return Ok(None);
        }
        self.at = begin + length;
        Ok(Some((kind, &self.bytes[begin..begin + length])))
    }

    /// What the next frame says, if it is whole.
    ///
    /// # Errors
    /// As [`Inbox::next`].
    pub(super) fn peek(&mut self) -> io::Result<Option<Kind>> {
        let before = self.at;
        let kind = self.next()?.map(|(kind, _)| kind);
        self.at = before;
        Ok(kind)
    }

    /// Takes bytes out of the next frame if that is a whole one of `kind`.
    ///
    /// # Errors
    /// As [`Inbox::next`].
    pub(super) fn take(&mut self, kind: Kind, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let before = self.at;
        let Some((found, payload)) = self.next()? else { return Ok(None) };
        if found != kind {
            self.at = before;
            return Ok(None);
        }
        let count = payload.len().min(buffer.len());
        buffer[..count].copy_from_slice(&payload[..count]);
        let rest = payload.len() - count;
        if rest > 0 {
            // What is left becomes a frame of its own, whose header goes where bytes were that are taken.
            self.at -= rest + HEADER;
            self.bytes[self.at] = kind as u8;
            let length = u32::try_from(rest).unwrap_or(u32::MAX).to_be_bytes();
            self.bytes[self.at + 1..self.at + HEADER].copy_from_slice(&length);
        }
        Ok(Some(count))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in_however_they_are_cut() {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        far.set_nonblocking(true).unwrap();
        let long = vec![7; 3 * CHUNK];
        let sent: [(Kind, &[u8]); 4] =
            [(Kind::Attach, b"key"), (Kind::Exec, &long), (Kind::InputEnd, b""), (Kind::Output, b"x")];
        let mut outbox = Outbox::default();
        sent.iter().for_each(|(kind, payload)| outbox.push(*kind, payload));
        let (mut inbox, mut got) = (Inbox::default(), vec![]);
        loop {
            let is_empty = outbox.flush(&near).unwrap();
            let filled = inbox.fill(&far).unwrap();
            while let Some((kind, payload)) = inbox.next().unwrap() {
                got.push((kind, payload.to_vec()));
            }
            if is_empty && filled == Filled::Nothing {
                break;
            }
        }
        assert_eq!(got, sent.map(|(kind, payload)| (kind, payload.to_vec())));
        drop(near);
        assert_eq!(inbox.fill(&far).unwrap(), Filled::HungUp);
    }

    #[test]
    fn a_frame_is_taken_in_pieces_and_only_by_its_own_kind() {
        let (near, far) = UnixStream::pair().unwrap();
        let mut outbox = Outbox::default();
        outbox.push(Kind::Output, b"0123456789");
        outbox.push(Kind::End, b"");
        outbox.flush(&near).unwrap();
        let (mut inbox, mut buffer, mut got) = (Inbox::default(), [0; 4], vec![]);
        inbox.fill(&far).unwrap();
        assert_eq!(inbox.take(Kind::ErrorOutput, &mut buffer).unwrap(), None);
        while let Some(count) = inbox.take(Kind::Output, &mut buffer).unwrap() {
            got.extend_from_slice(&buffer[..count]);
        }
        assert_eq!(got, b"0123456789");
        assert_eq!(inbox.next().unwrap(), Some((Kind::End, &b""[..])));
    }

    #[test]
    fn what_is_no_frame_is_refused_before_memory_is_taken_for_it() {
        for bytes in [&[0, 0, 0, 0, 0][..], &[99, 0, 0, 0, 0], &[Kind::Output as u8, 255, 255, 255, 255]] {
            let mut inbox = Inbox { bytes: bytes.to_vec(), at: 0, end: bytes.len() };
            assert_eq!(inbox.next().unwrap_err().kind(), io::ErrorKind::InvalidData, "{bytes:?}");
        }
    }
}
