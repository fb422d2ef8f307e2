//! `mcp list --watch`: asks every host again and again, and hands out a snapshot per interval.
//!
//! Boundary: one worker and one session per host, one exec per host and interval. A host that hangs holds up its own worker only: a
//! snapshot does not wait for it longer than [`PATIENCE`]. Next: `render` draws the snapshots.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{HostAnswer, ListReport, ListRow, ask};
use crate::{
    config::state::Record,
    domain::Instance,
    error::CommandError,
    fleet::{Fleet, HostError, Session},
    operations::{Context, Trouble, TroubleKind, context::understood, observe, registered::Registered, select::Target},
};

/// Longest time a snapshot waits for hosts that answered the last time.
const PATIENCE: Duration = Duration::from_secs(2);

/// Pause between two looks whether all hosts have answered.
const GLANCE: Duration = Duration::from_millis(20);

/// How a list is watched.
#[derive(Debug, Clone, Copy)]
pub struct WatchOptions {
    /// From one snapshot to the next.
    pub every: Duration,
    /// Whether usage is asked for.
    pub with_usage: bool,
}

/// How watching ended.
#[derive(Debug)]
pub struct Watched {
    /// What is odd and does no harm.
    pub warnings: Vec<String>,
    /// Whether the run was interrupted; else nobody read the snapshots any more.
    pub interrupted: bool,
}

/// What is known of a host.
struct Seen {
    /// The interval in which it was last asked, from 0.
    round: u32,
    at: Instant,
    answer: HostAnswer,
}

/// The last answers of all hosts.
struct Board {
    begun: Instant,
    every: Duration,
    hosts: Mutex<Vec<Option<Seen>>>,
}

impl Board {
    fn hosts(&self) -> MutexGuard<'_, Vec<Option<Seen>>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the interval that is going on.
    fn round(&self) -> u32 {
        let rounds = self.begun.elapsed().as_secs_f64() / self.every.as_secs_f64();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float saturates")]
        let round = rounds as u32;
        round
    }

    fn begin_of(&self, round: u32) -> Instant {
        self.begun + self.every * round
    }

    /// Whether all hosts that can be expected to have answered in `round`.
    fn is_complete(&self, round: u32) -> bool {
        self.hosts().iter().all(|seen| match seen {
            Some(seen) => seen.round >= round || seen.answer.is_err(),
            None => round > 0,
        })
    }

    /// How old an answer may get before it says nothing about now.
    fn fresh(&self) -> Duration {
        self.every * 2 + PATIENCE
    }
}

/// Hands a snapshot to `show` each interval, until that says `false` or the run is interrupted.
///
/// # Errors
/// Only when nothing could be begun.
pub fn watch(
    context: &Context<'_>,
    targets: &[Target<'_>],
    options: WatchOptions,
    mut show: impl FnMut(ListReport) -> bool,
) -> Result<Watched, CommandError> {
    let work: Vec<_> = understood(targets)?
        .into_iter()
        .enumerate()
        .map(|(index, (host, registered))| (host, (index, registered)))
        .collect();
    let hosts = Mutex::new(work.iter().map(|_| None).collect());
    let board = Board { begun: Instant::now(), every: options.every, hosts };
    let turns = Turns::new(context.fleet.forks);
    // Each worker stays with its host; how many are asked at once is up to the turns.
    let fleet = Fleet { forks: work.len().max(1), ..context.fleet };
    let ended = std::thread::scope(|scope| {
        let workers = scope.spawn(|| {
            fleet.run(&work, |session, (index, registered)| {
                follow(context, session, registered, options.with_usage, &board, &turns, *index);
                Ok(())
            })
        });
        snapshots(context, &work, &board, &|| workers.is_finished(), &mut show);
        let interrupted = context.fleet.cancel.is_draining();
        // A host that is asked now answers to nobody.
        context.fleet.cancel.abandon();
        (workers.join(), interrupted)
    });
    let (ended, interrupted) = ended;
    if let Ok(Err(error)) = ended {
        let error = CommandError::failed("cannot start the workers").because(&error);
        return Err(error.hint("watch fewer hosts with --on"));
    }
    let mut seen = board.hosts.into_inner().unwrap_or_else(PoisonError::into_inner);
    let records = work.iter().zip(&mut seen).flat_map(|((_, (_, registered)), seen)| {
        let rows = seen.take().and_then(|seen| seen.answer.ok()).unwrap_or_default();
        let records: Vec<(Instance, Record)> =
            registered.iter().map(|r| r.target.instance()).zip(rows.into_iter().map(|(_, record)| record)).collect();
        records
    });
    let warnings = observe::remember_looks(context, records.collect());
    Ok(Watched { warnings, interrupted })
}

/// A host with its place on the board and what is registered on it.
type Work<'t> = (&'t crate::domain::Host, (usize, Vec<Registered<'t>>));

/// Asks one host each interval until the run is interrupted.
fn follow(
    context: &Context<'_>,
    session: &mut Session<'_>,
    registered: &[Registered<'_>],
    with_usage: bool,
    board: &Board,
    turns: &Turns,
    index: usize,
) {
    let cancel = context.fleet.cancel;
    let mut is_connected = true;
    loop {
        let Some(turn) = turns.take(&|| cancel.is_draining()) else { return };
        let round = board.round();
        // Another mcp may have stopped a container meanwhile, which is then no failure.
        let state = context.workspace.fresh_state();
        let state = state.as_deref().unwrap_or(context.state);
        let context = Context { state, actor: String::new(), ..*context };
        let connected = if is_connected { Ok(()) } else { session.reconnect(Duration::ZERO) };
        let asked = connected.and_then(|()| ask(&context, session, registered, with_usage));
        drop(turn);
        if cancel.is_draining() {
            return;
        }
        is_connected = asked.is_ok();
        let answer = asked.map_err(|error: HostError| Trouble::host(&error, session.host())).and_then(|inner| inner);
        board.hosts()[index] = Some(Seen { round, at: Instant::now(), answer });
        let next = board.begin_of(board.round().max(round) + 1);
        if !cancel.sleep(next.saturating_duration_since(Instant::now())) {
            return;
        }
    }
}

/// Hands out snapshots for as long as the hosts are asked.
fn snapshots(
    context: &Context<'_>,
    work: &[Work<'_>],
    board: &Board,
    is_over: &dyn Fn() -> bool,
    show: &mut impl FnMut(ListReport) -> bool,
) {
    let cancel = context.fleet.cancel;
    let mut round = 0;
    loop {
        let until = board.begin_of(round) + PATIENCE.min(board.every);
        while !board.is_complete(round) && Instant::now() < until {
            if !cancel.sleep(GLANCE) {
                return;
            }
        }
        if cancel.is_draining() || is_over() || !show(report(context, work, board)) {
            return;
        }
        round = board.round().max(round) + 1;
        if !cancel.sleep(board.begin_of(round).saturating_duration_since(Instant::now())) {
            return;
        }
    }
}

/// What is on the board as a list; an answer that is too old counts as none.
fn report(context: &Context<'_>, work: &[Work<'_>], board: &Board) -> ListReport {
    let mut report = ListReport::default();
    let hosts = board.hosts();
    for ((_, (_, registered)), seen) in work.iter().zip(hosts.iter()) {
        let answer = match seen {
            Some(Seen { at, answer: Ok(rows), .. }) if at.elapsed() > board.fresh() => {
                let cause = format!("no answer for more than {} s", board.fresh().as_secs());
                let trouble = silence(cause);
                let rows = rows.iter().map(|(row, record)| {
                    let instance = Instance { server: row.status.name.clone(), host: row.status.host.clone() };
                    let status = observe::unanswered(&instance, Some(record), &trouble, Timestamp::now());
                    ListRow::unanswered_again(row, status, &trouble.cause)
                });
                report.rows.extend(rows);
                report.troubles.extend(registered.first().map(|r| (r.target.host.name.to_string(), trouble.clone())));
                continue;
            }
            Some(seen) => seen.answer.clone(),
            None => Err(silence("no answer yet".to_owned())),
        };
        report.add(context, registered, answer);
    }
    report.by_name()
}

fn silence(cause: String) -> Trouble {
    Trouble { kind: TroubleKind::Unreachable, ..Trouble::failed(cause, None) }
}

/// How many hosts are asked at once.
struct Turns {
    free: Mutex<usize>,
    changed: Condvar,
}

impl Turns {
    fn new(forks: usize) -> Self {
        Self { free: Mutex::new(forks.max(1)), changed: Condvar::new() }
    }

    /// Waits for a turn; `None` when `is_over` before there is one.
    fn take(&self, is_over: &dyn Fn() -> bool) -> Option<Turn<'_>> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            if is_over() {
                return None;
            }
            let waited = self.changed.wait_timeout(free, GLANCE * 5);
            free = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *free -= 1;
        Some(Turn(self))
    }
}

/// A turn, given back when dropped.
struct Turn<'t>(&'t Turns);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.changed.notify_one();
    }
}
