//! How far a log was read, by docker's times, so that reading it again gives each line once.
//!
//! Docker stamps a line before it writes it down, each stream by itself, so that lines of standard output and standard error may stand
//! in the log in another order than that of their times. So the last lines are remembered, not the last one alone.
//!
//! Boundary: pure. Next: `follow` asks docker for what is new and passes it through here.

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

use jiff::{SignedDuration, Timestamp};

use super::lines::LogLine;
use crate::transport::Stream;

/// How long a line is remembered, by docker's times: longer than docker takes from stamping a line to writing it down.
const REMEMBERED: SignedDuration = SignedDuration::from_secs(1);

/// Most lines remembered of each stream.
pub(crate) const MOST_REMEMBERED: usize = 4096;

/// How far a log was read.
#[derive(Debug, Clone, Default)]
pub struct Cursor {
    streams: [Track; 2],
    /// When reading began: where there was no line, there was none before that is wanted.
    begun: Option<Timestamp>,
}

/// How far one stream was read.
#[derive(Debug, Clone, Default)]
struct Track {
    /// The last lines.
    recent: VecDeque<Mark>,
    /// The latest time of a line that is not remembered.
    horizon: Option<Timestamp>,
    /// The last line, where docker may write the next one right behind it, for want of a line feed.
    open: Option<(Timestamp, Vec<u8>)>,
    /// What is passed over while docker repeats it.
    known: HashMap<Mark, u32>,
}

/// What a line is told by: its time and its text.
type Mark = (Timestamp, u64);

fn mark(time: Timestamp, text: &[u8]) -> Mark {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    (time, hasher.finish())
}

impl Track {
    fn note(&mut self, mark: Mark) {
        self.recent.push_back(mark);
        let oldest = mark.0.checked_sub(REMEMBERED).unwrap_or(mark.0);
        while let Some(first) = self.recent.front().copied() {
            if first.0 >= oldest && self.recent.len() <= MOST_REMEMBERED {
                break;
            }
            self.recent.pop_front();
            self.horizon = self.horizon.max(Some(first.0));
        }
    }

    fn resume(&mut self) {
        self.known.clear();
        for mark in &self.recent {
            *self.known.entry(*mark).or_default() += 1;
        }
    }

    /// Whether this line was read before.
    fn knows(&mut self, mark: Mark) -> bool {
        match self.known.get_mut(&mark) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        }
    }
}

impl Cursor {
    /// Notes a line that was read before, in the order of the log.
    pub fn note(&mut self, time: Timestamp, text: &[u8]) {
        self.streams[0].note(mark(time, text));
        self.streams[0].open = Some((time, text.to_vec()));
    }

    /// Notes that lines up to `time` were read, though they are not remembered.
    pub fn forget(&mut self, time: Timestamp) {
        self.streams[0].horizon = self.streams[0].horizon.max(Some(time));
    }

    /// Notes when reading begins, by the host's clock.
    pub(super) fn begin(&mut self, now: Option<Timestamp>) {
        self.begun = self.begun.or(now);
    }

    /// Whether anything is known of this log.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.begun.is_none() && self.streams.iter().all(|track| track.recent.is_empty() && track.horizon.is_none())
    }

    /// From when on the log is to be read again, or all of it; what is known of it is passed over from now on. `is_whole` says that the log
    /// was read to its end: of streams that were cut off, each may lack lines that are older than the last one of the other.
    pub(super) fn resume(&mut self, is_split: bool, is_whole: bool) -> Option<Timestamp> {
        self.streams.iter_mut().for_each(Track::resume);
        let [out, err] = [0, 1].map(|at| self.streams[at].horizon);
        match (is_split, is_whole) {
            (false, _) | (true, true) => out.max(err).or(self.begun),
            (true, false) => out.and_then(|out| err.map(|err| out.min(err))).or(self.begun),
        }
    }

    /// Passes `line` on unless it is known, and notes it.
    pub(super) fn admit(&mut self, mut line: LogLine) -> Option<LogLine> {
        let Some(mut time) = line.time() else { return Some(line) };
        let track = &mut self.streams[usize::from(line.stream == Stream::Stderr)];
        if !track.known.is_empty() || track.horizon == Some(time) {
            if track.knows(mark(time, line.text())) || (!track.known.is_empty() && track.horizon >= Some(time)) {
                return None;
            }
            // Behind the last one that was read all is new, also where the host's clock is set back later.
            if track.recent.back().is_some_and(|last| last.0 < time) {
                track.known.clear();
            }
            let open = track.open.as_ref().filter(|open| open.0 == time);
            if let Some(behind) = open.and_then(|(_, text)| line.behind(text)) {
                line = behind;
                time = line.time()?;
            }
        }
        track.note(mark(time, line.text()));
        track.open = (!line.ended).then(|| (time, line.text().to_vec()));
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::{super::lines::Lines, *};

    fn stamp(second: i64) -> String {
        format!("2026-11-28T10:00:{second:02}.000000000Z")
    }

    fn time(second: i64) -> Timestamp {
        stamp(second).parse().unwrap()
    }

    /// The texts that `cursor` lets through of a log as docker writes it.
    fn read(cursor: &mut Cursor, stream: Stream, log: &str) -> Vec<String> {
        let mut got = vec![];
        let mut lines = Lines::new(stream);
        let mut take = |line: LogLine| {
            got.extend(cursor.admit(line).map(|line| String::from_utf8_lossy(line.text()).into_owned()));
            true
        };
        lines.push(log.as_bytes(), &mut take);
        lines.finish(&mut take);
        got
    }

    /// The lines of `log` that docker gives with `--since`.
    fn since(log: &str, from: Option<Timestamp>) -> String {
        let is_in =
            |line: &&str| from.is_none_or(|from| line.split(' ').next().unwrap().parse::<Timestamp>().unwrap() >= from);
        log.split_inclusive('\n').filter(is_in).collect()
    }

    #[test]
    fn a_log_read_again_at_any_point_gives_each_line_once_though_times_are_out_of_order() {
        // Bursts, pauses, equal times, equal lines, and times that go back a little.
        let seconds = [1, 1, 2, 2, 2, 5, 4, 5, 5, 4, 6, 9, 9, 8, 9, 12, 30, 30, 29, 31];
        let lines: Vec<String> =
            seconds.iter().enumerate().map(|(n, s)| format!("{} {}\n", stamp(*s), n % 7)).collect();
        let log = lines.concat();
        let whole: Vec<String> = (0..lines.len()).map(|n| (n % 7).to_string()).collect();
        for first in 0..=lines.len() {
            for second in first..=lines.len() {
                let mut cursor = Cursor::default();
                let mut got = read(&mut cursor, Stream::Stdout, &lines[..first].concat());
                for end in [second, lines.len(), lines.len()] {
                    let from = cursor.resume(false, true);
                    got.extend(read(&mut cursor, Stream::Stdout, &since(&lines[..end].concat(), from)));
                }
                assert_eq!(got, whole, "{first} {second}");
            }
        }
        // As a file has them.
        for count in 0..=lines.len() {
            let mut cursor = Cursor::default();
            seconds[..count]
                .iter()
                .enumerate()
                .for_each(|(n, s)| cursor.note(time(*s), (n % 7).to_string().as_bytes()));
            let from = cursor.resume(false, true);
            assert_eq!(read(&mut cursor, Stream::Stdout, &since(&log, from)), whole[count..], "{count}");
        }
    }

    #[test]
    fn a_great_burst_is_remembered_in_part_and_still_gives_each_line_once() {
        let count = 3 * MOST_REMEMBERED;
        let line = |n: usize| format!("2026-11-28T10:00:00.{n:09}Z {n}\n");
        let log: String = (0..count + 5).map(line).collect();
        let mut cursor = Cursor::default();
        read(&mut cursor, Stream::Stdout, &(0..count).map(line).collect::<String>());
        assert_eq!(cursor.streams[0].recent.len(), MOST_REMEMBERED);
        let from = cursor.resume(false, true);
        assert_eq!(read(&mut cursor, Stream::Stdout, &since(&log, from)).len(), 5);
    }

    #[test]
    fn a_line_right_behind_one_without_a_line_feed_is_not_taken_for_it() {
        let mut cursor = Cursor::default();
        assert_eq!(read(&mut cursor, Stream::Stdout, &format!("{} no end", stamp(1))), ["no end"]);
        cursor.resume(false, true);
        let again = format!("{} no end{} again\n", stamp(1), stamp(2));
        assert_eq!(read(&mut cursor, Stream::Stdout, &again), ["again"]);
        cursor.resume(false, true);
        assert!(read(&mut cursor, Stream::Stdout, &format!("{} again\n", stamp(2))).is_empty());
    }

    #[test]
    fn a_stream_that_was_cut_off_is_read_from_its_own_last_line_on() {
        let mut cursor = Cursor::default();
        cursor.begin(Some(time(0)));
        let out = format!("{} a\n{} b\n", stamp(1), stamp(9));
        read(&mut cursor, Stream::Stdout, &out);
        // Nothing of standard error yet: it may lack lines since the beginning.
        assert_eq!(cursor.resume(true, false), Some(time(0)));
        let err = format!("{} x\n{} y\n", stamp(3), stamp(5));
        assert_eq!(read(&mut cursor, Stream::Stderr, &err), ["x", "y"]);
        assert_eq!(cursor.resume(true, false), Some(time(1)));
        assert_eq!(read(&mut cursor, Stream::Stdout, &format!("{out}{} c\n", stamp(10))), ["c"]);
        assert_eq!(read(&mut cursor, Stream::Stderr, &format!("{err}{} z\n", stamp(7))), ["z"]);
    }

    #[test]
    fn where_no_line_was_seen_reading_goes_on_from_when_it_began() {
        let mut cursor = Cursor::default();
        assert!(cursor.is_new() && cursor.resume(false, true).is_none());
        cursor.begin(Some(time(7)));
        cursor.begin(Some(time(8)));
        assert_eq!(cursor.resume(false, true), Some(time(7)));
    }
}
