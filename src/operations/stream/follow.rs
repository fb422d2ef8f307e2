//! One log from its beginning to its end, over restarts of its container and losses of the connection.
//!
//! Boundary: decides when to read, to wait and to end; lines and news leave through a callback. Next: `script` for what runs on the
//! host, `cursor` for which lines are new.

use std::{
    hash::{BuildHasher, RandomState},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{
    LogEvent, LogOptions, Pause,
    cursor::Cursor,
    lines::{Lines, LogLine},
    script::{self, Ask},
};
use crate::{
    docker::{
        command::parse_start,
        failure::{EngineFailure, EngineFailureKind, classify},
    },
    domain::{Moment, secrets},
    fleet::{HostError, Session},
    operations::{Trouble, registered::Registered},
    transport::{End, ShellScript, Stream, TransportErrorKind},
};

/// Time until a stream must run.
const ALLOWED: Duration = Duration::from_secs(30);

/// How long a host that was lost is tried again.
const PATIENCE: Duration = Duration::from_secs(600);

/// Most bytes kept of what is no line of the log.
const LONGEST_REMARK: usize = 2000;

/// One target whose log is read.
pub(super) struct Follower<'a> {
    pub(super) registered: &'a Registered<'a>,
    pub(super) options: &'a LogOptions,
    /// How far the log was read before.
    pub(super) cursor: Cursor,
    /// Takes lines and news; says `false` when nobody wants more.
    pub(super) send: &'a dyn Fn(LogEvent) -> bool,
    /// The container that is read, and when it was started.
    start: Option<(String, String)>,
    /// Whether the last reading came to the end of the log.
    is_whole: bool,
    /// Whether a start was waited for: what is read then is new from its first line on.
    has_waited: bool,
    /// Whether the last reading gave a line.
    is_fruitful: bool,
}

/// How one reading of the log ended.
enum Stage {
    /// At the end of the log.
    Ended,
    /// By a wish from here.
    Stopped,
    /// By docker.
    Failed(EngineFailure),
    /// With the connection.
    Lost(HostError),
    /// Without a word.
    Unsaid,
    /// Before it began, with this exit code: the account runs no shell.
    NotBegun(i32),
}

impl<'a> Follower<'a> {
    pub(super) fn new(
        registered: &'a Registered<'a>,
        options: &'a LogOptions,
        cursor: Cursor,
        send: &'a dyn Fn(LogEvent) -> bool,
    ) -> Self {
        Self { registered, options, cursor, send, start: None, is_whole: true, has_waited: false, is_fruitful: true }
    }

    /// Reads to the end and says why it ended, when that is trouble.
    pub(super) fn run(mut self, session: &mut Session<'_>) -> Option<Trouble> {
        let host = session.host();
        if self.registered.run.is_on_demand() {
            return Some(Trouble::failed(
                "it has no log: each connection has a container of its own, whose output goes to the client",
                None,
            ));
        }
        loop {
            let was_fruitful = std::mem::replace(&mut self.is_fruitful, false);
            let stage = self.read(session);
            self.is_whole = matches!(stage, Stage::Ended);
            // The log may end, or not be there, for now; what fails before a line could be read is told at once.
            let goes_on = self.options.reattaches();
            let was_read = goes_on && self.start.is_some();
            // What fails twice with nothing in between would fail for ever.
            let may_retry = was_read && (was_fruitful || self.is_fruitful);
            let pause = match stage {
                Stage::Stopped => return None,
                Stage::Ended if goes_on => Pause::Stopped,
                Stage::Ended => return None,
                Stage::Failed(failure) => match failure.kind {
                    EngineFailureKind::NoContainer if goes_on => Pause::Absent,
                    EngineFailureKind::NoEngine | EngineFailureKind::Other if may_retry => {
                        Pause::Failed(failure.detail)
                    }
                    EngineFailureKind::NoContainer if self.registered.run.removes_itself() => {
                        return Some(Trouble::failed(
                            "the container is gone, and its log with it: `--rm` removes it when it ends",
                            Some("leave `--rm` out of the string to keep the log of a container that ended".to_owned()),
                        ));
                    }
                    _ => return Some(Trouble::engine(&failure)),
                },
                Stage::NotBegun(code) => return Some(Trouble::not_begun(host, code)),
                Stage::Unsaid if may_retry => Pause::Failed("the stream ended without a word".to_owned()),
                Stage::Unsaid => return Trouble::docker(None, ""),
                Stage::Lost(error) if was_read && may_pass(&error) => {
                    if !(self.send)(LogEvent::Paused(Pause::Lost(error.to_string()))) {
                        return None;
                    }
                    if let Err(error) = session.reconnect(PATIENCE) {
                        return (!session.is_abandoned()).then(|| Trouble::host(&error, host));
                    }
                    if !(self.send)(LogEvent::Resumed) {
                        return None;
                    }
                    continue;
                }
                Stage::Lost(error) => return Some(Trouble::host(&error, host)),
            };
            let waits_for_another = !matches!(pause, Pause::Failed(_));
            self.is_fruitful |= waits_for_another;
            self.has_waited = true;
            if !(self.send)(LogEvent::Paused(pause)) {
                return None;
            }
            loop {
                match self.wait(session, waits_for_another) {
                    Ok(true) => break,
                    Ok(false) => return None,
                    Err(error) if may_pass(&error) => {
                        if !(self.send)(LogEvent::Paused(Pause::Lost(error.to_string()))) {
                            return None;
                        }
                        if let Err(error) = session.reconnect(PATIENCE) {
                            return (!session.is_abandoned()).then(|| Trouble::host(&error, host));
                        }
                    }
                    Err(error) => return Some(Trouble::host(&error, host)),
                }
            }
            if !(self.send)(LogEvent::Resumed) {
                return None;
            }
        }
    }

    /// Reads the log once: from its beginning as it was asked for, later from where it was left.
    fn read(&mut self, session: &mut Session<'_>) -> Stage {
        let options = self.options;
        let mut ask = Ask::of(options);
        let is_split = options.is_split;
        if !self.cursor.is_new() {
            ask.tail = None;
            ask.since = self.cursor.resume(is_split, self.is_whole).map(Moment::At).or(ask.since);
        } else if self.has_waited {
            ask.tail = None;
            ask.since = ask.since.filter(|since| matches!(since, Moment::At(_)));
        }
        let word = nonce();
        let text = script::read(self.registered, &ask, is_split, options.reattaches().then_some(word.as_str()));
        let script = self.shell(session, text);
        let mut said = String::new();
        let mut take = |line: LogLine| {
            let begins = line.text().strip_prefix(word.as_bytes());
            if let Some(header) = begins.filter(|_| options.reattaches()) {
                self.begin(&String::from_utf8_lossy(header));
                return true;
            }
            if line.stamp().is_empty() {
                if said.len() < LONGEST_REMARK {
                    said.push_str(&String::from_utf8_lossy(line.text()));
                    said.push('\n');
                }
                return true;
            }
            let Some(line) = self.cursor.admit(line) else { return true };
            self.is_fruitful = true;
            !options.wants(&line) || (self.send)(LogEvent::Line(line))
        };
        let is_podman = session.host().docker.is_podman();
        let [mut out, mut err] = [Stream::Stdout, Stream::Stderr].map(|stream| Lines::new(stream).of_podman(is_podman));
        let end = session.stream(&script, ALLOWED, &mut |stream, bytes| match stream {
            Stream::Stdout => out.push(bytes, &mut take),
            Stream::Stderr => err.push(bytes, &mut take),
        });
        // What was cut off comes whole when it is read again.
        if let Ok(End::Exit(_)) = end {
            out.finish(&mut take);
            err.finish(&mut take);
        }
        match end {
            Ok(End::Exit(code)) => match classify(code, &said) {
                Some(failure) => Stage::Failed(failure),
                None if said.is_empty() || (self.send)(LogEvent::Remark(said)) => Stage::Ended,
                None => Stage::Stopped,
            },
            Ok(End::Stopped) => Stage::Stopped,
            Ok(End::NotBegun(code)) => Stage::NotBegun(code),
            Ok(End::Signal(_) | End::Unsaid) => Stage::Unsaid,
            Err(HostError::Transport(e)) if matches!(*e.kind, TransportErrorKind::Cancelled) => Stage::Stopped,
            Err(error) => Stage::Lost(error),
        }
    }

    /// Notes which container is read and since when.
    fn begin(&mut self, header: &str) {
        let (now, start) = header.trim().split_once(' ').unwrap_or((header, ""));
        // A container that was made and not started has a log too, an empty one.
        let id = start.split(' ').next().unwrap_or_default().to_owned();
        let start = parse_start(start).unwrap_or((id, String::new()));
        if self.start.as_ref().is_some_and(|known| known.0 != start.0) {
            self.cursor = Cursor::default();
        }
        self.cursor.begin(instant(now));
        self.start = Some(start);
    }

    /// Waits until the container was started, after the start that is known where `another` is wanted. `false` when the run is to end.
    fn wait(&self, session: &mut Session<'_>, another: bool) -> Result<bool, HostError> {
        let word = nonce();
        let script = self.shell(session, script::wait(self.registered, &word));
        let mut lines = Lines::new(Stream::Stdout);
        let mut has_started = false;
        let mut take = |line: LogLine| {
            let text = String::from_utf8_lossy(line.stamped()).into_owned();
            let start = text.strip_prefix(&word).and_then(|rest| parse_start(rest.trim_start().strip_prefix("0 ")?));
            has_started |= match start {
                Some(start) => !another || self.start.as_ref() != Some(&start),
                // Not of a container that was made and never started; anything else is an event.
                None => !text.starts_with(&word),
            };
            !has_started
        };
        let end = session.stream(&script, ALLOWED, &mut |stream, bytes| match stream {
            Stream::Stdout => lines.push(bytes, &mut take),
            Stream::Stderr => true,
        });
        match end {
            Ok(_) if has_started => Ok(true),
            Ok(_) if session.is_abandoned() => Ok(false),
            Err(HostError::Transport(e)) if matches!(*e.kind, TransportErrorKind::Cancelled) => Ok(false),
            // It never ends by itself.
            Ok(End::Stopped) => Ok(false),
            Ok(_) => Err(HostError::Answer("waiting for the container was cut short on the host".to_owned())),
            Err(error) => Err(error),
        }
    }

    fn shell(&self, session: &Session<'_>, text: String) -> ShellScript {
        ShellScript { sensitive: !session.host().env.is_empty() || secrets::holds(&text), text }
    }
}

fn may_pass(error: &HostError) -> bool {
    matches!(error, HostError::Transport(error) if error.may_pass())
}

/// Seconds since 1970 as date(1) writes them with `+%s.%N`; where it knows no `%N`, what follows the dot is no number.
fn instant(text: &str) -> Option<Timestamp> {
    let (seconds, nanos) = text.split_once('.').unwrap_or((text, ""));
    let nanos = if nanos.len() == 9 { nanos.parse().unwrap_or(0) } else { 0 };
    Timestamp::new(seconds.parse().ok()?, nanos).ok()
}

/// A word that no log holds by accident.
fn nonce() -> String {
    format!("mcp-{:016x}", RandomState::new().hash_one(Instant::now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_s_time_is_read_with_and_without_nanoseconds() {
        let read = |text: &str| instant(text).map(|at| at.to_string());
        assert_eq!(read("1795861066.250000000").as_deref(), Some("2026-11-28T10:17:46.25Z"));
        assert_eq!(read("1795861066.%N").as_deref(), Some("2026-11-28T10:17:46Z"));
        assert_eq!(read("1795861066.N").as_deref(), Some("2026-11-28T10:17:46Z"));
        assert_eq!(read("").as_deref(), None);
    }
}
