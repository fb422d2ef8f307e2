//! Any command on many hosts: its output as it comes, how it ended on each.
//!
//! Boundary: one task per host through `Fleet::roll`; what comes leaves through a callback, how it looks is `render`'s.
//! Next: `exec::text` writes the script, `exec::report` says what became of each host.

mod lines;
pub mod report;
pub mod text;

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

pub use crate::transport::{MEMORY_LIMIT, OUTPUT_LIMIT, Room, Stream};

use self::{
    lines::Lines,
    report::{ExecOutcome, ExecReport},
};
use super::{
    Context,
    host_run::{HostRun, Went},
};
use crate::{
    domain::Host,
    domain::secrets,
    error::CommandError,
    fleet::{Halt, HostError, Session},
    transport::{Cancel, Collected, End, GRACE, Input, ShellScript},
};

/// Deadline of one host's command unless the user, or the host's entry, says otherwise.
pub const ALLOWED: Duration = Duration::from_secs(300);

/// What runs on each host.
pub struct Request<'a> {
    /// The shell text, without the host's environment.
    pub text: String,
    /// The text is shown to nobody who lists the host's processes: it travels on stdin.
    pub sensitive: bool,
    /// Its standard input; nothing without one.
    pub input: Option<&'a dyn Input>,
    /// What becomes of the output.
    pub output: OutputMode,
}

/// What becomes of a command's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputMode {
    /// It is handed over as it comes; `true` holds a stream back until its lines are whole.
    Streamed { whole_stdout: bool, whole_stderr: bool },
    /// It is kept for the report: up to [`OUTPUT_LIMIT`] bytes of each stream, and [`MEMORY_LIMIT`] of all hosts that report at once.
    Kept,
    /// Nobody asks for it.
    Dropped,
}

/// What comes from one of the hosts.
#[derive(Debug)]
pub enum ExecEvent {
    /// Bytes of one of its streams; with whole lines only the last piece may lack its line end.
    Output(Stream, Vec<u8>),
    /// There will be no more.
    Ended(Box<ExecReport>),
}

/// Runs `request` on `hosts`, batch by batch as `run` says, and writes into its journal what became of each; `take` gets the index of a host and what came from it, as it comes, and says `false` to end.
/// Every host ends once.
///
/// # Errors
/// Only when nothing could be begun. Each host's own trouble is in its report.
pub fn exec(
    context: &Context<'_>,
    hosts: &[&Host],
    request: &Request<'_>,
    run: &HostRun<'_>,
    mut take: impl FnMut(usize, ExecEvent) -> bool,
) -> Result<Went, CommandError> {
    let fleet = context.fleet;
    // Few, because each may be 64 KiB: who does not read holds up the hosts.
    let (sender, receiver) = mpsc::sync_channel(64);
    let work: Vec<(&Host, Work<'_>)> = hosts
        .iter()
        .enumerate()
        .map(|(index, host)| (*host, Work { index, request, run, cancel: fleet.cancel, sender: sender.clone() }))
        .collect();
    drop(sender);
    let rolled = std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            let rolled = fleet.roll(
                &work,
                &run.batches,
                &run.rolling,
                |outcome| !matches!(outcome, ExecOutcome::Ok | ExecOutcome::NotAttempted),
                |session, work, halt| {
                    let report = work.run(session, halt)?;
                    let outcome = report.outcome;
                    // Nobody receives any more when the reader has left.
                    let _ = work.sender.send((work.index, ExecEvent::Ended(Box::new(report))));
                    Ok(outcome)
                },
            );
            // The senders live in `work`; the receiver below ends when they are gone.
            drop(work);
            rolled
        });
        while let Ok((index, event)) = receiver.recv() {
            if !take(index, event) {
                fleet.cancel.abandon();
                break;
            }
        }
        drop(receiver);
        running.join()
    });
    let rolled = rolled
        .map_err(|_| CommandError::failed("a worker ended unexpectedly"))?
        .map_err(|e| CommandError::failed("cannot start the workers").because(&e).hint("use fewer --forks"))?;
    for (index, outcome) in rolled.outcomes.into_iter().enumerate() {
        if let Err(error) = outcome.result {
            let mut report = ExecReport::of_error(hosts[index], &error, outcome.elapsed);
            advise(run, &mut report);
            take(index, ExecEvent::Ended(Box::new(report)));
        }
    }
    Ok(Went { begun: rolled.begun, halted: rolled.halted })
}

fn advise(run: &HostRun<'_>, report: &mut ExecReport) {
    if let Some(trouble) = &mut report.error {
        run.advise(report.outcome, trouble);
    }
}

/// Connects, so that a host on which nothing has been done yet can still be left out.
///
/// # Errors
/// The connection's trouble, or that the run has ended meanwhile.
pub(super) fn enter(session: &mut Session<'_>, cancel: &Cancel, halt: &Halt) -> Result<(), HostError> {
    session.connect()?;
    if cancel.is_draining() {
        return Err(HostError::NotAttempted);
    }
    halt.error().map_or(Ok(()), Err)
}

/// One host, and where what comes from it goes.
struct Work<'a> {
    index: usize,
    request: &'a Request<'a>,
    run: &'a HostRun<'a>,
    cancel: &'a Cancel,
    sender: mpsc::SyncSender<(usize, ExecEvent)>,
}

impl Work<'_> {
    /// One host, from connecting to its line in the journal.
    ///
    /// # Errors
    /// It was left out.
    fn run(&self, session: &mut Session<'_>, halt: &Halt) -> Result<ExecReport, HostError> {
        let begin = Instant::now();
        let host = session.host();
        let mut report = match enter(session, self.cancel, halt) {
            Ok(()) => self.command(session, begin),
            Err(error @ (HostError::NotAttempted | HostError::Halted(_))) => return Err(error),
            Err(error) => ExecReport::of_error(host, &error, begin.elapsed()),
        };
        if report.outcome == ExecOutcome::NotAttempted {
            advise(self.run, &mut report);
        } else {
            let signal = report.signal.as_ref().map(|signal| format!("ended by signal {signal}"));
            let cause = report.error.as_ref().map(|error| &error.cause).or(signal.as_ref());
            self.run.result(host, report.outcome, report.exit_code, begin.elapsed(), cause.map(String::as_str));
        }
        Ok(report)
    }

    fn command(&self, session: &mut Session<'_>, begin: Instant) -> ExecReport {
        let host = session.host();
        self.run.attempt(host);
        let request = self.request;
        let script = ShellScript {
            text: text::with_environment(&request.text, host),
            sensitive: request.sensitive || !host.env.is_empty() || secrets::holds(&request.text),
        };
        let mut kept = Collected::new(self.cancel, begin + session.allows(ALLOWED) / 2);
        let send = |stream, bytes: Vec<u8>| self.sender.send((self.index, ExecEvent::Output(stream, bytes))).is_ok();
        let (mut out, mut err) = (Lines::default(), Lines::default());
        let end = session.pipe("exec", &script, request.input, (ALLOWED, GRACE), &mut |stream, bytes| {
            let (lines, whole) = match (request.output, stream) {
                (OutputMode::Streamed { whole_stdout, .. }, Stream::Stdout) => (&mut out, whole_stdout),
                (OutputMode::Streamed { whole_stderr, .. }, Stream::Stderr) => (&mut err, whole_stderr),
                (OutputMode::Kept, _) => {
                    kept.take(stream, bytes);
                    return true;
                }
                (OutputMode::Dropped, _) => return true,
            };
            let ready = if whole { lines.take(bytes) } else { Some(bytes.to_vec()) };
            ready.is_none_or(|bytes| send(stream, bytes))
        });
        for (stream, lines) in [(Stream::Stdout, out), (Stream::Stderr, err)] {
            if let Some(rest) = lines.rest() {
                send(stream, rest);
            }
        }
        let elapsed = begin.elapsed();
        let mut report = match &end {
            Ok(end) => ExecReport::of_end(host, end, elapsed),
            Err(error) => ExecReport::of_error(host, error, elapsed),
        };
        let kept = kept.into_output(end.unwrap_or(End::Unsaid));
        (report.stdout, report.stderr, report.truncated, report.room) =
            (kept.stdout, kept.stderr, kept.truncated, kept.room);
        report
    }
}
