//! Reading logs of several instances at once, line by line, in arrival order.
//!
//! Boundary: lines leave through a callback; how they look is `render`'s. Next: `stream::follow` for one log, `save` for the files of
//! `mcp log --save`.

mod cursor;
mod follow;
mod lines;
mod script;

use std::sync::mpsc;

use regex::bytes::Regex;

pub use self::{
    cursor::Cursor,
    lines::{CUT, LONGEST_LINE, LogLine},
};
use self::{follow::Follower, lines::Lines, script::Ask};
use super::{Context, Trouble, act::understand, registered::Registered, select::Target};
use crate::{
    docker::registered,
    domain::{Host, Moment},
    error::CommandError,
    fleet::Fleet,
    transport::Stream,
};

pub(super) use self::{cursor::MOST_REMEMBERED, lines::stamp_of};

/// What of the logs is read.
#[derive(Debug, Clone, Default)]
pub struct LogOptions {
    /// Go on as lines come.
    pub follow: bool,
    /// Go on over restarts of the container, its replacement and losses of the connection, and wait for a container that is not there.
    pub reattach: bool,
    /// The last so many lines; all when absent.
    pub tail: Option<u64>,
    /// From then on.
    pub since: Option<Moment>,
    /// Up to then.
    pub until: Option<Moment>,
    /// With docker's time in front.
    pub timestamps: bool,
    /// Only lines that match.
    pub grep: Option<Regex>,
    /// Say of each line which stream it came from; what was written to both at once may then change places.
    pub is_split: bool,
}

impl LogOptions {
    fn reattaches(&self) -> bool {
        // Where an end was asked for, it is one.
        self.follow && self.reattach
    }

    /// Whether the text of `line` matches, or what is shown of it.
    fn wants(&self, line: &LogLine) -> bool {
        let text = line.text().strip_suffix(b"\r").unwrap_or(line.text());
        self.grep.as_ref().is_none_or(|grep| grep.is_match(text) || (self.timestamps && grep.is_match(line.stamped())))
    }
}

/// Most logs that are followed at once, whatever `--forks` says: each has a thread and a session.
const MOST_FOLLOWED: usize = 4096;

/// Why a log that is followed says nothing for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pause {
    /// There is no container.
    Absent,
    /// Its container does not run.
    Stopped,
    /// The connection to the host was lost.
    Lost(String),
    /// Docker could not go on.
    Failed(String),
}

/// What comes from one of the targets.
#[derive(Debug)]
pub enum LogEvent {
    /// A line of its log.
    Line(LogLine),
    /// What docker, or a program in front of it, wrote beside the log, and did not fail.
    Remark(String),
    /// No lines come for now.
    Paused(Pause),
    /// Lines come again.
    Resumed,
    /// There will be no more lines; with the reason when there should have been.
    Ended(Option<Trouble>),
}

/// Reads the logs of `targets`; `take` gets the index of a target and what came from it, as it comes, and says `false` to
/// end. `cursors` say how far they were read before: none, or one for each target.
///
/// # Errors
/// Only when nothing could be begun. Each target's own trouble is an event.
pub fn logs(
    context: &Context<'_>,
    targets: &[Target<'_>],
    options: &LogOptions,
    cursors: &[Cursor],
    mut take: impl FnMut(usize, LogEvent) -> bool,
) -> Result<(), CommandError> {
    let registered = understand(targets)?;
    let (sender, receiver) = mpsc::sync_channel(1024);
    let work: Vec<(&Host, Work<'_>)> = registered
        .iter()
        .enumerate()
        .map(|(index, r)| {
            let cursor = cursors.get(index).cloned().unwrap_or_default();
            (r.target.host, Work { index, registered: r, cursor, sender: sender.clone() })
        })
        .collect();
    drop(sender);
    let followed = if options.follow { work.len().min(MOST_FOLLOWED) } else { 0 };
    // What is followed never makes room for what waits for its turn.
    let fleet = Fleet { forks: context.fleet.forks.max(followed), ..context.fleet };
    let outcomes = std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let outcomes = fleet.run(&work, |session, work| {
                let send = |event| work.sender.send((work.index, event)).is_ok();
                let ended = Follower::new(work.registered, options, work.cursor.clone(), &send).run(session);
                // Nobody receives any more when the reader has left.
                send(LogEvent::Ended(ended));
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
    cursor: Cursor,
    sender: mpsc::SyncSender<(usize, LogEvent)>,
}

/// Of which targets docker's times are shown: of all, or of those whose registered string asks for them.
#[must_use]
pub fn shown_times(targets: &[Target<'_>], all: bool) -> Vec<bool> {
    let asks =
        |text: &String| registered::check(registered::Kind::Logs, text).is_ok_and(|logs| logs.gives("timestamps"));
    targets.iter().map(|target| all || target.server.logs.as_ref().is_some_and(asks)).collect()
}

/// The string that reads the log of `r`.
#[must_use]
pub fn command_of(r: &Registered<'_>, options: &LogOptions) -> String {
    script::command_of(r, &Ask::of(options))
}

/// The string that reads the last `lines` of the log of `r`; see [`read_tail`].
#[must_use]
pub fn tail_of(r: &Registered<'_>, lines: u64) -> String {
    script::command_of(r, &Ask { tail: Some(lines), ..Ask::default() })
}

/// Reads what [`tail_of`] printed on both streams: the lines of the log, and what is none of them, which is docker's.
#[must_use]
pub fn read_tail(r: &Registered<'_>, bytes: &[u8]) -> (Vec<String>, String) {
    let shows_times = shown_times(&[r.target], false)[0];
    let mut lines = Lines::new(Stream::Stdout).of_podman(r.target.host.docker.is_podman());
    let (mut log, mut said) = (vec![], String::new());
    let mut take = |line: LogLine| {
        let text = String::from_utf8_lossy(if shows_times { line.stamped() } else { line.text() }).into_owned();
        if line.stamp().is_empty() {
            said.push_str(&text);
            said.push('\n');
        } else {
            log.push(text);
        }
        true
    };
    lines.push(bytes, &mut take);
    lines.finish(&mut take);
    (log, said)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    #[test]
    fn a_pattern_is_held_against_the_whole_text_and_against_the_time_where_it_is_shown() {
        let line = |text: &str| {
            let (mut lines, mut got) = (Lines::new(Stream::Stdout), vec![]);
            lines.push(format!("2026-11-28T10:54:11.463789953Z {text}\n").as_bytes(), &mut |line| {
                got.push(line);
                true
            });
            got.remove(0)
        };
        let wants = |pattern: &str, timestamps, text: &str| {
            let grep = Some(Regex::new(pattern).unwrap());
            LogOptions { grep, timestamps, ..LogOptions::default() }.wants(&line(text))
        };
        assert!(wants("^ERR(OR)?$", false, "ERROR") && wants("^ERR(OR)?$", true, "ERR\r"));
        assert!(!wants("ERR", false, "err") && !wants("10:54", false, "x") && wants("^2026.*10:54", true, "x"));
        let long = format!("{}end", "x".repeat(200_000));
        assert!(wants("^x+end$", false, &long));
    }
}
