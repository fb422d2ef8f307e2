//! What the journal tells, as answers that serialise.
//!
//! Boundary: runs in, reports out; whether a run is still at work is asked of the system. Next: `resume` for what is left,
//! `config::journal::verify` for whether it was tampered with.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    config::{
        journal::{Run, RunOptions, Runs, Target, verify::Verification},
        store::{
            Workspace,
            origin::{Life, life},
        },
    },
    domain::{HostName, ServerName},
    error::CommandError,
};

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// It came to its end.
    Finished,
    /// Its process lives.
    Running,
    /// Its process ended without a word.
    Killed,
    /// It has no end, and its process cannot be looked for: it ran on another machine.
    Unknown,
}

impl RunState {
    /// The word shown for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Running => "running",
            Self::Killed => "killed",
            Self::Unknown => "unknown",
        }
    }
}

/// One run. Every key is always there; what is not known is null.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// Its id.
    pub run: String,
    /// The run it went on with.
    pub parent: Option<String>,
    /// `start`, `stop`, `restart`, `remove`, `exec`, `copy`.
    pub verb: String,
    /// The command line after `mcp`, secrets masked.
    pub command: Vec<String>,
    /// How far it is.
    pub state: RunState,
    /// When it began.
    pub started: Timestamp,
    /// How long it took.
    pub seconds: Option<f64>,
    /// Its exit code.
    pub exit: Option<u8>,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// Why it ended before all was attempted, because of what failed.
    pub halted: Option<String>,
    /// The acting person that `$MCP_ACTOR` named.
    pub actor: Option<String>,
    /// The process's user by the passwd database; in runs of 0.1 by the environment.
    pub user: String,
    /// The number of that user, as the kernel has it.
    pub uid: Option<u32>,
    /// Who that was before sudo.
    pub sudo_user: Option<String>,
    /// On which machine.
    pub machine: String,
    /// The address that user was logged in from.
    pub from: Option<String>,
    /// In which workspace, an absolute path.
    pub directory: Option<String>,
    /// Version of `mcp`.
    pub version: String,
    /// How many instances or hosts it was about.
    pub planned: usize,
    /// How many of them had each outcome.
    pub counts: BTreeMap<String, usize>,
}

/// One run with its instances.
#[derive(Debug, Clone, Serialize)]
pub struct RunPage {
    /// The run.
    #[serde(flatten)]
    pub run: RunReport,
    /// The options it was done with; those at their default are left out.
    pub options: RunOptions,
    /// The hosts of each batch; empty when there was one batch.
    pub batches: Vec<Vec<HostName>>,
    /// What became of each instance, in their order; empty for a run on hosts.
    pub instances: Vec<RunRow>,
    /// What became of each host, in their order; empty for a run on instances.
    pub hosts: Vec<HostRow>,
    /// How many `mcp resume` would do again, as far as they are still there.
    pub left: usize,
}

/// What became of one instance in a run.
#[derive(Debug, Clone, Serialize)]
pub struct RunRow {
    /// The server.
    pub name: ServerName,
    /// The host.
    pub host: HostName,
    /// As in the answer of a change; `running` and `pending` while the run goes on.
    pub outcome: String,
    /// What was done.
    pub action: Option<String>,
    /// How long its host took, in seconds.
    pub seconds: Option<f64>,
    /// Why it did not work.
    pub cause: Option<String>,
}

/// What became of one host in a run.
#[derive(Debug, Clone, Serialize)]
pub struct HostRow {
    /// The host.
    pub host: HostName,
    /// As in the answer of the verb; `running` and `pending` while the run goes on.
    pub outcome: String,
    /// The exit code of its command.
    pub exit_code: Option<i32>,
    /// How long it took, in seconds.
    pub seconds: Option<f64>,
    /// Why it did not work.
    pub cause: Option<String>,
}

/// The last `count` runs, oldest first.
#[must_use]
pub fn list(runs: &Runs, count: usize) -> Vec<RunReport> {
    runs.runs.iter().skip(runs.runs.len().saturating_sub(count)).map(report).collect()
}

/// Holds the journal of `workspace` against its hashes, and against `head`, a hash that was noted elsewhere or the beginning of one.
///
/// # Errors
/// What the system says.
pub fn verify(workspace: &Workspace, head: Option<&str>) -> Result<Verification, CommandError> {
    workspace.verify_journal(head).map_err(|e| CommandError::failed("the journal cannot be verified").because(&e))
}

/// One run with its instances.
#[must_use]
pub fn page(runs: &Runs, run: &Run) -> RunPage {
    let state = state(run);
    let (mut instances, mut hosts) = (vec![], vec![]);
    for target in run.begin.targets.list() {
        let done = run.results.get(&target);
        let outcome = outcome(run, state, &target).to_owned();
        let (seconds, cause) = (done.map(|d| d.seconds), done.and_then(|d| d.cause.clone()));
        match target {
            Target::Instance(instance) => instances.push(RunRow {
                name: instance.server,
                host: instance.host,
                outcome,
                action: done.and_then(|d| d.action.clone()),
                seconds,
                cause,
            }),
            Target::Host(host) => {
                let exit_code = done.and_then(|d| d.exit_code);
                hosts.push(HostRow { host, outcome, exit_code, seconds, cause });
            }
        }
    }
    RunPage {
        options: run.begin.options.clone(),
        batches: run.begin.batches.clone(),
        instances,
        hosts,
        left: runs.left(run).len(),
        run: report(run),
    }
}

fn report(run: &Run) -> RunReport {
    let begin = &run.begin;
    let state = state(run);
    let end = run.end.as_ref();
    let mut counts = BTreeMap::new();
    for target in begin.targets.list() {
        *counts.entry(outcome(run, state, &target).to_owned()).or_default() += 1;
    }
    RunReport {
        run: run.id.to_string(),
        parent: begin.parent.as_ref().map(ToString::to_string),
        verb: begin.verb.clone(),
        command: begin.command.clone(),
        state,
        started: run.started,
        seconds: end.map(|(at, _)| at.duration_since(run.started).as_secs_f64().max(0.0)),
        exit: end.map(|(_, end)| end.exit),
        interrupted: end.is_some_and(|(_, end)| end.interrupted),
        halted: end.and_then(|(_, end)| end.halted.clone()),
        actor: begin.who.actor.clone(),
        user: begin.who.user.clone(),
        uid: begin.who.uid,
        sudo_user: begin.who.sudo_user.clone(),
        machine: begin.who.machine.clone(),
        from: begin.who.from.clone(),
        directory: begin.directory.clone(),
        version: begin.version.clone(),
        planned: begin.targets.len(),
        counts,
    }
}

fn state(run: &Run) -> RunState {
    if run.end.is_some() {
        return RunState::Finished;
    }
    match life(&run.begin.who, run.begin.process) {
        Life::Lives => RunState::Running,
        Life::Ended => RunState::Killed,
        Life::Unknown => RunState::Unknown,
    }
}

fn outcome<'r>(run: &'r Run, state: RunState, target: &Target) -> &'r str {
    match run.outcome(target) {
        "unknown" if state == RunState::Running && !run.results.contains_key(target) => "running",
        "not_attempted" if state == RunState::Running => "pending",
        outcome => outcome,
    }
}
