//! Cuts the bytes of a log into lines, and docker's time from each.
//!
//! Boundary: pure. Next: `cursor` decides which lines are new, `follow` hands them on.

use jiff::Timestamp;
use memchr::memchr;

use crate::transport::{Room, Stream};

/// Longest text of a line that is handed over, in bytes; the rest of a longer one is dropped and the line marked.
pub const LONGEST_LINE: usize = 1024 * 1024;

/// What stands behind a line that was longer.
pub const CUT: &str = " … [cut: the line is longer than 1 MiB]";

/// What a line may take without room being claimed for it, in bytes.
const SMALL: usize = 64 * 1024;

/// Docker keeps a longer line in parts of this size and writes the time in front of each, within the line.
const PART: usize = 16 * 1024;

/// Longest time that an engine writes, with the blank behind it: RFC 3339 with nanoseconds and an offset.
const LONGEST_STAMP: usize = "2026-11-28T10:54:11.463789953+01:00 ".len();

/// Most bytes held of one line: its text and the times within it.
const MOST: usize = LONGEST_LINE + (LONGEST_LINE / PART + 1) * LONGEST_STAMP;

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Docker's time with a blank behind it, and the text without its line feed.
    bytes: Vec<u8>,
    /// Length of the time with its blank; 0 when there is none.
    stamp: usize,
    /// Whether a line feed stood there.
    pub ended: bool,
    /// Whether it was longer than [`LONGEST_LINE`], or than there was memory for.
    pub is_cut: bool,
    /// Where the container wrote it; standard output for all lines when the streams are read as one.
    pub stream: Stream,
    room: Room,
}

impl LogLine {
    /// The line with docker's time, as docker writes it.
    #[must_use]
    pub fn stamped(&self) -> &[u8] {
        &self.bytes
    }

    /// The text alone.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.bytes[self.stamp..]
    }

    /// Docker's time as docker writes it; empty when there is none.
    #[must_use]
    pub fn stamp(&self) -> &str {
        str::from_utf8(&self.bytes[..self.stamp]).unwrap_or_default().trim_end()
    }

    /// Docker's time.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        self.stamp().parse().ok()
    }

    /// The name of its stream.
    #[must_use]
    pub fn stream_name(&self) -> &'static str {
        if self.stream == Stream::Stderr { "stderr" } else { "stdout" }
    }

    /// A whole line, for tests.
    #[cfg(test)]
    pub(in crate::operations) fn of(text: &str) -> Self {
        let (bytes, stamp) = (text.as_bytes().to_vec(), stamp_of(text.as_bytes()));
        Self { bytes, stamp, ended: true, is_cut: false, stream: Stream::Stdout, room: Room::default() }
    }

    /// What follows `text` in this line, when that is a line with its own time: docker writes the next line right behind a last one
    /// that has no line feed.
    pub(super) fn behind(&self, text: &[u8]) -> Option<Self> {
        let bytes = self.text().strip_prefix(text).filter(|rest| stamp_of(rest) > 0)?.to_vec();
        Some(Self { stamp: stamp_of(&bytes), bytes, ..self.clone() })
    }
}

/// Length of the time that `line` begins with, its blank included; 0 when it begins with something else.
pub(crate) fn stamp_of(line: &[u8]) -> usize {
    let Some(blank) = memchr(b' ', &line[..line.len().min(LONGEST_STAMP)]) else { return 0 };
    let stamp = &line[..blank];
    let fits = stamp.len() >= "2026-11-28T10:54:11Z".len()
        && (stamp[4], stamp[7], stamp[10], stamp[13], stamp[16]) == (b'-', b'-', b'T', b':', b':')
        && stamp[..4].iter().chain(&stamp[11..13]).all(u8::is_ascii_digit)
        && stamp.iter().all(|b| b.is_ascii_digit() || b"-+T:.Z".contains(b));
    if fits { blank + 1 } else { 0 }
}

/// One stream on its way to lines.
pub(super) struct Lines {
    stream: Stream,
    /// The engine writes a time in front of each piece in which a line was written, within the line.
    joins_pieces: bool,
    rest: Vec<u8>,
    is_cut: bool,
    room: Option<Room>,
}

impl Lines {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, joins_pieces: false, rest: vec![], is_cut: false, room: None }
    }

    /// The same of an engine that is podman: `podman logs --timestamps` of 4.3 writes a time in front of each piece of a line.
    pub(super) fn of_podman(self, joins_pieces: bool) -> Self {
        Self { joins_pieces, ..self }
    }

    /// Hands the lines that `bytes` complete to `take`, until that says `false`; says the same.
    pub(super) fn push(&mut self, mut bytes: &[u8], take: &mut dyn FnMut(LogLine) -> bool) -> bool {
        while let Some(at) = memchr(b'\n', bytes) {
            self.keep(&bytes[..at]);
            bytes = &bytes[at + 1..];
            if !take(self.line(true)) {
                return false;
            }
        }
        self.keep(bytes);
        true
    }

    /// Hands over what has no line feed at the end of a log.
    pub(super) fn finish(&mut self, take: &mut dyn FnMut(LogLine) -> bool) {
        if !self.rest.is_empty() {
            take(self.line(false));
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let mut most = if self.room.is_some() { MOST } else { SMALL };
        if self.rest.len() + bytes.len() > most && self.room.is_none() && !self.is_cut {
            self.room = Room::now(MOST);
            most = if self.room.is_some() { MOST } else { SMALL };
        }
        let kept = most.saturating_sub(self.rest.len()).min(bytes.len());
        self.is_cut |= kept < bytes.len();
        self.rest.extend_from_slice(&bytes[..kept]);
    }

    fn line(&mut self, ended: bool) -> LogLine {
        let mut bytes = std::mem::take(&mut self.rest);
        let stamp = stamp_of(&bytes);
        if self.joins_pieces {
            bytes = without_later_stamps(bytes, stamp);
        } else if bytes.len() > PART {
            bytes = without_stamps_within(bytes, stamp);
        }
        let longest = stamp + LONGEST_LINE;
        let mut is_cut = std::mem::take(&mut self.is_cut);
        if bytes.len() > longest {
            // Not within a character.
            let is_begin = |at: &usize| bytes[*at] & 0xc0 != 0x80;
            bytes.truncate((longest - 3..=longest).rev().find(is_begin).unwrap_or(longest));
            is_cut = true;
        }
        let room = self.room.take().unwrap_or_default();
        LogLine { bytes, stamp, ended, is_cut, stream: self.stream, room }
    }
}

/// `line` without the repetitions of its time in front of the parts that docker keeps a long line in.
fn without_stamps_within(line: Vec<u8>, stamp: usize) -> Vec<u8> {
    let mut at = stamp + PART;
    let time = line[..stamp].to_vec();
    if stamp == 0 || !line.get(at..).is_some_and(|rest| rest.starts_with(&time)) {
        return line;
    }
    let mut whole = Vec::with_capacity(line.len());
    whole.extend_from_slice(&line[..at]);
    while line[at..].starts_with(&time) {
        let end = line.len().min(at + stamp + PART);
        whole.extend_from_slice(&line[at + stamp..end]);
        at = end;
    }
    whole.extend_from_slice(&line[at..]);
    whole
}

/// `line` without the times within it that are no earlier than its own: what a container writes itself has an earlier one.
fn without_later_stamps(line: Vec<u8>, stamp: usize) -> Vec<u8> {
    let time = |bytes: &[u8]| str::from_utf8(bytes).ok()?.trim_end().parse::<Timestamp>().ok();
    let Some(begin) = time(&line[..stamp]) else { return line };
    let later = |at: usize| {
        let rest = &line[at..];
        let length = if rest[0] == line[0] { stamp_of(rest) } else { 0 };
        (length > 0 && time(&rest[..length]).is_some_and(|time| time >= begin)).then_some(length)
    };
    let (mut whole, mut at) = (line[..stamp].to_vec(), stamp);
    while at < line.len() {
        match later(at) {
            Some(length) => at += length,
            None => {
                whole.push(line[at]);
                at += 1;
            }
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: &str = "2026-11-28T10:54:11.463789953Z ";

    fn lines(pieces: &[&[u8]]) -> Vec<LogLine> {
        let (mut lines, mut got) = (Lines::new(Stream::Stdout), vec![]);
        for piece in pieces {
            let mut take = |line| {
                got.push(line);
                true
            };
            assert!(lines.push(piece, &mut take));
        }
        lines.finish(&mut |line| {
            got.push(line);
            true
        });
        got
    }

    fn texts(pieces: &[&[u8]]) -> Vec<(String, bool)> {
        lines(pieces).iter().map(|line| (String::from_utf8_lossy(line.text()).into_owned(), line.ended)).collect()
    }

    #[test]
    fn lines_come_whole_however_the_bytes_are_cut() {
        let got = texts(&[b"on", b"e\r\ntw", b"o\xff\n", b"\nlast"]);
        let line = |text: &str, ended| (text.to_owned(), ended);
        assert_eq!(got, [line("one\r", true), line("two\u{fffd}", true), line("", true), line("last", false)]);
    }

    #[test]
    fn the_time_in_front_is_told_from_the_text() {
        for (line, stamp) in [
            ("2026-11-28T10:54:11.463789953Z x", "2026-11-28T10:54:11.463789953Z"),
            ("2026-11-28T11:54:11.463789953+01:00 x", "2026-11-28T11:54:11.463789953+01:00"),
            ("2026-11-28T10:54:11Z ", "2026-11-28T10:54:11Z"),
            ("2026-11-28T10:54:11.463789953Z", ""),
            ("2026-11-28 10:54:11 x", ""),
            ("Error response from daemon: no", ""),
            ("", ""),
            (" ", ""),
        ] {
            let got = lines(&[line.as_bytes(), b"\n"]);
            assert_eq!(got[0].stamp(), stamp, "{line}");
            assert_eq!(got[0].time().is_some(), !stamp.is_empty(), "{line}");
        }
    }

    #[test]
    fn a_line_that_docker_keeps_in_parts_is_one_line_without_times_within() {
        for length in [PART - 1, PART, PART + 1, 2 * PART, 40_000, LONGEST_LINE] {
            let text = "x".repeat(length);
            let mut written: Vec<u8> = vec![];
            // As `docker logs --timestamps` of 20.10 does; a part that ends the line has its line feed behind it, alone if need be.
            for part in (0..=length).step_by(PART) {
                written.extend_from_slice(STAMP.as_bytes());
                written.extend_from_slice(&text.as_bytes()[part..length.min(part + PART)]);
            }
            written.push(b'\n');
            for pieces in [vec![&written[..]], written.chunks(1000).collect()] {
                let got = lines(&pieces);
                assert_eq!(got.len(), 1, "{length}");
                assert!(got[0].text() == text.as_bytes() && !got[0].is_cut && got[0].ended, "{length}");
            }
        }
        // Another time, or the same elsewhere, is text.
        let text = format!("{}{STAMP}y", "x".repeat(PART + 5));
        let got = lines(&[format!("{STAMP}{text}\n").as_bytes()]);
        assert_eq!(got[0].text(), text.as_bytes());
    }

    #[test]
    fn a_line_that_podman_has_in_pieces_is_one_line_without_times_within() {
        let at = |second: u32| format!("2026-11-28T15:02:{second:02}.095375321Z ");
        // As `podman logs --timestamps` of 4.3 writes what was written in three pieces.
        let pieces = format!("{}listens on port {}8080{} at /mcp\n{}next\n", at(4), at(4), at(5), at(6));
        let quoted = format!("{}{}is what it says itself\n", at(4), at(3));
        let mut got = vec![];
        let mut take = |line: LogLine| {
            got.push(String::from_utf8_lossy(line.text()).into_owned());
            true
        };
        let mut lines = Lines::new(Stream::Stdout).of_podman(true);
        assert!(lines.push(pieces.as_bytes(), &mut take) && lines.push(quoted.as_bytes(), &mut take));
        assert_eq!(got, ["listens on port 8080 at /mcp", "next", &format!("{}is what it says itself", at(3))]);
    }

    #[test]
    fn a_longer_line_is_cut_once_and_marked_and_the_next_one_is_whole() {
        let long = "é".repeat(LONGEST_LINE);
        let got = lines(&[b"a", long.as_bytes(), b"\nnext\n"]);
        assert_eq!(got.len(), 2);
        assert!(got[0].is_cut && got[0].text().len() == LONGEST_LINE - 1, "{}", got[0].text().len());
        assert!(str::from_utf8(got[0].text()).is_ok(), "a character was cut");
        assert!(!got[1].is_cut && got[1].text() == b"next");
    }
}
