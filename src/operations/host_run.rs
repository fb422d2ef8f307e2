//! A command or a file for hosts as a run: its batches, its lines in the journal, and how to go on with it.
//!
//! Boundary: what happens on a host is `exec`'s and `copy`'s. Next: `resume` for what such a run left.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{
    Trouble, TroubleKind,
    exec::report::ExecOutcome,
    recorder::{Recorder, seconds, word},
    run::options_of,
};
use crate::{
    config::{
        journal::{Again, Begin, Done, End, RunId, Target, Targets, is_ok},
        store::{Workspace, origin::Origin},
    },
    domain::{Host, HostName},
    error::Exit,
    fleet::{Rolling, Spread},
};

/// What is done on hosts rather than to instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostVerb {
    /// A command.
    Exec,
    /// A file.
    Copy,
}

impl HostVerb {
    /// The word typed for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Copy => "copy",
        }
    }

    /// The verb of that word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Exec, Self::Copy].into_iter().find(|verb| verb.as_str() == word)
    }
}

/// How a run goes over its hosts, and what is written down of it.
#[derive(Debug, Clone)]
pub struct HostOrder {
    /// What is done.
    pub verb: HostVerb,
    /// Batches and limits.
    pub rolling: Rolling,
    /// `--forks`, where it was given.
    pub forks: Option<u16>,
    /// `--timeout`, where it was given.
    pub timeout: Option<Duration>,
    /// The run whose rest this is.
    pub parent: Option<RunId>,
    /// Those of the hosts that only the command line names.
    pub addresses: Vec<HostName>,
    /// What is needed to do it again.
    pub again: Again,
    /// Who asks for it.
    pub origin: Origin,
}

/// The hosts of each batch of a run over `hosts`. No rule keeps hosts apart: no server is stopped by this.
#[must_use]
pub fn batches(hosts: &[&Host], rolling: &Rolling) -> Vec<Vec<HostName>> {
    let named = |batch: Vec<usize>| batch.into_iter().map(|host| hosts[host].name.clone()).collect();
    rolling.batches(hosts.len(), &Spread::default()).into_iter().map(named).collect()
}

/// A run over hosts that goes on.
pub struct HostRun<'a> {
    pub(super) rolling: Rolling,
    pub(super) batches: Vec<Vec<usize>>,
    recorder: Recorder<'a>,
    hosts: usize,
    lacks: bool,
    counts: Mutex<BTreeMap<String, usize>>,
}

/// How far a run came.
#[derive(Debug, Default)]
pub struct Went {
    /// How many batches were begun.
    pub begun: usize,
    /// Why hosts were left out, if any were because of what failed.
    pub halted: Option<String>,
}

/// How a run over hosts ended.
#[derive(Debug)]
pub struct HostRunReport {
    /// How many batches were planned; 1 without `--serial`.
    pub batches: usize,
    /// How many of them were begun.
    pub batches_begun: usize,
    /// Why it ended before all was attempted, because of what failed.
    pub halted: Option<String>,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// How many hosts are left.
    pub left: usize,
    /// How to go on with them.
    pub go_on: GoOn,
    /// Trouble with the journal.
    pub warning: Option<String>,
}

/// How to go on with a run over hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoOn {
    /// `mcp resume` has all it needs.
    Resume,
    /// The command has to be said again, with `--retry-failed`.
    Retry,
    /// It is in no journal.
    Anew,
}

impl<'a> HostRun<'a> {
    /// Writes into the journal that a run over `hosts` begins. What cannot be written there is a warning in the report.
    #[must_use]
    pub fn begin(workspace: &'a Workspace, hosts: &[&Host], order: HostOrder) -> Self {
        let rolling = order.rolling;
        let named = batches(hosts, &rolling);
        let again = order.again.without_secrets();
        let lacks = matches!(again, Again::Lacks(_));
        let targets = Targets::Hosts(hosts.iter().map(|host| host.name.clone()).collect());
        let begin = Begin {
            options: options_of(&rolling, order.forks, order.timeout),
            batches: if named.len() > 1 { named } else { vec![] },
            addresses: order.addresses,
            again: Some(again),
            ..order.origin.begin(order.verb.as_str(), order.parent, targets)
        };
        Self {
            batches: rolling.batches(hosts.len(), &Spread::default()),
            rolling,
            recorder: Recorder::begin(workspace, begin),
            hosts: hosts.len(),
            lacks,
            counts: Mutex::default(),
        }
    }

    /// Writes that a host is about to be acted on.
    pub(super) fn attempt(&self, host: &Host) {
        self.recorder.attempt_host(&host.name);
    }

    /// Writes what became of a host; `cause` is never its command's output.
    pub(super) fn result(
        &self,
        host: &Host,
        outcome: impl serde::Serialize,
        exit_code: Option<i32>,
        elapsed: Duration,
        cause: Option<&str>,
    ) {
        let (target, outcome) = (Target::Host(host.name.clone()), word(outcome));
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(outcome.clone()).or_default() += 1;
        let (seconds, cause) = (seconds(elapsed), cause.map(Done::cause));
        self.recorder.done(vec![Done { target, outcome, exit_code, action: None, seconds, cause }]);
    }

    /// Has the trouble of a host that was left out say how to go on.
    pub(super) fn advise(&self, outcome: ExecOutcome, trouble: &mut Trouble) {
        if outcome != ExecOutcome::NotAttempted {
            return;
        }
        let how = match self.go_on() {
            GoOn::Resume => "`mcp resume` goes on with the rest",
            GoOn::Retry => "the same command with --retry-failed goes on with the rest",
            GoOn::Anew => "run the same command on the hosts that are left",
        };
        trouble.hint = Some(match trouble.kind {
            TroubleKind::Halted => format!("mend what failed, then {how}"),
            _ => how.to_owned(),
        });
    }

    fn go_on(&self) -> GoOn {
        match self.recorder.id() {
            None => GoOn::Anew,
            Some(_) if self.lacks => GoOn::Retry,
            Some(_) => GoOn::Resume,
        }
    }

    /// Writes that the run is over and ends with `exit`.
    #[must_use]
    pub fn end(self, exit: Exit, went: Went, interrupted: bool) -> HostRunReport {
        let go_on = self.go_on();
        let mut counts = self.counts.into_inner().unwrap_or_else(PoisonError::into_inner);
        let done: usize = counts.iter().filter(|(outcome, _)| is_ok(outcome)).map(|(_, count)| count).sum();
        let not_attempted = self.hosts.saturating_sub(counts.values().sum());
        if not_attempted > 0 {
            counts.insert(word(ExecOutcome::NotAttempted), not_attempted);
        }
        let end = End { exit: exit.code(), counts, interrupted, halted: went.halted.clone() };
        HostRunReport {
            batches: self.batches.len(),
            batches_begun: went.begun,
            halted: went.halted,
            interrupted,
            left: self.hosts.saturating_sub(done),
            go_on,
            warning: self.recorder.end(end),
        }
    }
}
