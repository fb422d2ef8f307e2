//! Reading logs of several instances at once, line by line, in arrival order.
//!
//! Boundary: lines leave through a callback; how they look is `render`'s.

use std::{sync::mpsc, time::Duration};

use regex::Regex;

use super::{Context, Trouble, act::understand, registered::Registered, select::Target};
use crate::{
    docker::{command, failure::is_complaint, shell::quote},
    domain::{Host, secrets},
    error::CommandError,
    fleet::{HostError, Session},
    transport::{End, ShellScript, Stream, TransportErrorKind, script::C_LOCALE},
};

/// What of the logs is read.
#[derive(Debug, Clone, Default)]
pub struct LogOptions {
    /// Go on as lines come.
    pub follow: bool,
    /// The last so many lines; all when absent.
    pub tail: Option<u64>,
    /// From then on, as docker takes it.
    pub since: Option<String>,
    /// Up to then, as docker takes it.
    pub until: Option<String>,
    /// With docker's time in front.
    pub timestamps: bool,
    /// Only lines that match.
    pub grep: Option<Regex>,
}

/// Longest line handed over in one piece, in bytes; a longer one is cut in pieces.
const LONGEST_LINE: usize = 64 * 1024;

/// A line of a log as it came, or a piece of one that is too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Without the line feed at its end.
    pub bytes: Vec<u8>,
    /// Whether a line feed stood there.
    pub ended: bool,
}

/// What comes from one of the targets.
#[derive(Debug)]
pub enum LogEvent {
    /// A line of its log.
    Line(LogLine),
    /// There will be no more lines; with the reason when there should have been.
    Ended(Option<Trouble>),
}

/// Reads the logs of `targets`; `take` gets the index of a target and what came from it, as it comes, and says `false` to
/// end.
///
/// # Errors
/// Only when nothing could be begun. Each target's own trouble is an event.
pub fn logs(
    context: &Context<'_>,
    targets: &[Target<'_>],
    options: &LogOptions,
    mut take: impl FnMut(usize, LogEvent) -> bool,
) -> Result<(), CommandError> {
    let registered = understand(targets)?;
    let (sender, receiver) = mpsc::sync_channel(1024);
    let work: Vec<(&Host, Work<'_>)> = registered
        .iter()
        .enumerate()
        .map(|(index, r)| (r.target.host, Work { index, registered: r, sender: sender.clone() }))
        .collect();
    drop(sender);
    let outcomes = std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let outcomes = context.fleet.run(&work, |session, work| {
                let ended = work.read(session, options);
                // Nobody receives any more when the reader has left.
                let _ = work.sender.send((work.index, LogEvent::Ended(ended)));
                Ok(())
            });
            // The senders live in `work`; the receiver below ends when they are gone.
            drop(work);
            outcomes
        });
        while let Ok((index, event)) = receiver.recv() {
            if !take(index, event) {
                context.fleet.cancel.abandon();
                break;
            }
        }
        drop(receiver);
        reading.join()
    });
    outcomes
        .map_err(|_| CommandError::failed("a worker ended unexpectedly"))?
        .map_err(|e| CommandError::failed("cannot start the workers").because(&e))?;
    Ok(())
}

/// One target, and where what comes from it goes.
struct Work<'a> {
    index: usize,
    registered: &'a Registered<'a>,
    sender: mpsc::SyncSender<(usize, LogEvent)>,
}

impl Work<'_> {
    /// Reads one log to its end and says why it ended, when that is trouble.
    fn read(&self, session: &mut Session<'_>, options: &LogOptions) -> Option<Trouble> {
        let host = session.host();
        let text = script(self.registered, options);
        let script = ShellScript { sensitive: !host.env.is_empty() || secrets::holds(&text), text };
        let mut out = Lines::new(self.index, &self.sender, options.grep.as_ref());
        let mut err = Lines::new(self.index, &self.sender, options.grep.as_ref());
        let mut said = String::new();
        let mut is_docker_s = false;
        let end = session.stream(&script, ALLOWED, &mut |stream, bytes| {
            if stream == Stream::Stdout {
                return out.take(bytes);
            }
            // A container's standard error comes on the same stream as docker's own complaints, which come first and alone.
            if said.is_empty() && !out.has_sent() {
                is_docker_s = is_complaint(&String::from_utf8_lossy(bytes));
            }
            if said.len() < LONGEST_COMPLAINT {
                said.push_str(&String::from_utf8_lossy(bytes));
            }
            is_docker_s || err.take(bytes)
        });
        out.finish();
        err.finish();
        match end {
            Ok(End::Exit(0) | End::Stopped) => None,
            Ok(End::Exit(code)) => Trouble::docker(Some(code), &said),
            Ok(End::NotBegun(code)) => Some(Trouble::not_begun(host, code)),
            Ok(End::Signal(_) | End::Unsaid) => Trouble::docker(None, &said),
            Err(HostError::Transport(e)) if matches!(*e.kind, TransportErrorKind::Cancelled) => None,
            Err(error) => Some(Trouble::host(&error, host)),
        }
    }
}

/// Most bytes of standard error kept to find the reason of a failure in.
const LONGEST_COMPLAINT: usize = 2000;

/// Time until the stream must run.
const ALLOWED: Duration = Duration::from_secs(30);

fn script(r: &Registered<'_>, options: &LogOptions) -> String {
    let mut text = String::new();
    for (key, value) in &r.target.host.env {
        text.push_str(&format!("export {key}={}\n", quote(value)));
    }
    text.push_str(C_LOCALE);
    text.push_str(&command_of(r, options));
    text.push('\n');
    text
}

/// The string that reads the log of `r`.
#[must_use]
pub fn command_of(r: &Registered<'_>, options: &LogOptions) -> String {
    let mut flags = command::logs(&r.container).follow(options.follow).timestamps(options.timestamps);
    if let Some(tail) = options.tail {
        flags = flags.tail(tail);
    }
    if let Some(since) = &options.since {
        flags = flags.since(since);
    }
    if let Some(until) = &options.until {
        flags = flags.until(until);
    }
    r.logs_command_with(&flags)
}

/// Cuts a stream of bytes into lines.
struct Lines<'a> {
    index: usize,
    sender: &'a mpsc::SyncSender<(usize, LogEvent)>,
    grep: Option<&'a Regex>,
    rest: Vec<u8>,
    has_sent: bool,
}

impl<'a> Lines<'a> {
    fn new(index: usize, sender: &'a mpsc::SyncSender<(usize, LogEvent)>, grep: Option<&'a Regex>) -> Self {
        Self { index, sender, grep, rest: vec![], has_sent: false }
    }

    fn has_sent(&self) -> bool {
        self.has_sent
    }

    fn take(&mut self, bytes: &[u8]) -> bool {
        let mut bytes = bytes;
        while let Some(at) = bytes.iter().position(|b| *b == b'\n') {
            self.rest.extend_from_slice(&bytes[..at]);
            bytes = &bytes[at + 1..];
            if !self.send(true) {
                return false;
            }
        }
        self.rest.extend_from_slice(bytes);
        self.rest.len() < LONGEST_LINE || self.send(false)
    }

    fn send(&mut self, ended: bool) -> bool {
        let bytes = std::mem::take(&mut self.rest);
        let text = || String::from_utf8_lossy(bytes.strip_suffix(b"\r").unwrap_or(&bytes));
        if self.grep.is_some_and(|grep| !grep.is_match(&text())) {
            return true;
        }
        self.has_sent = true;
        self.sender.send((self.index, LogEvent::Line(LogLine { bytes, ended }))).is_ok()
    }

    fn finish(&mut self) {
        if !self.rest.is_empty() {
            self.send(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line((index, event): (usize, LogEvent)) -> (usize, String) {
        match event {
            LogEvent::Line(line) => (index, String::from_utf8_lossy(&line.bytes).into_owned()),
            LogEvent::Ended(_) => panic!("it has not ended"),
        }
    }

    fn whole(event: LogEvent) -> Option<LogLine> {
        match event {
            LogEvent::Line(line) => Some(line),
            LogEvent::Ended(_) => None,
        }
    }

    #[test]
    fn lines_come_whole_however_the_bytes_are_cut() {
        let (sender, receiver) = mpsc::sync_channel(10);
        let mut lines = Lines::new(3, &sender, None);
        for piece in [&b"on"[..], b"e\r\ntw", b"o\xff\n", b"\nlast"] {
            assert!(lines.take(piece));
        }
        lines.finish();
        drop(sender);
        let got: Vec<LogLine> = receiver.iter().filter_map(|(_, event)| whole(event)).collect();
        let line = |bytes: &[u8], ended| LogLine { bytes: bytes.to_vec(), ended };
        assert_eq!(got, [line(b"one\r", true), line(b"two\xff", true), line(b"", true), line(b"last", false)]);
    }

    #[test]
    fn a_line_without_end_is_handed_over_in_pieces() {
        let (sender, receiver) = mpsc::sync_channel(10);
        let mut lines = Lines::new(0, &sender, None);
        assert!(lines.take(&vec![b'x'; LONGEST_LINE + 5]));
        assert_eq!(receiver.try_iter().count(), 1);
    }

    #[test]
    fn grep_keeps_matching_lines_only() -> Result<(), regex::Error> {
        let (sender, receiver) = mpsc::sync_channel(10);
        let grep = Regex::new("ERR(OR)?")?;
        let mut lines = Lines::new(0, &sender, Some(&grep));
        lines.take(b"fine\nan ERROR here\nERR\nerr\n");
        assert_eq!(receiver.try_iter().map(|event| line(event).1).collect::<Vec<_>>(), ["an ERROR here", "ERR"]);
        Ok(())
    }
}
