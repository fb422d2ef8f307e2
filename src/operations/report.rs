//! What a change did, per instance.
//!
//! Boundary: values that serialise, and the fold to an exit code.

use serde::Serialize;

use super::{Trouble, TroubleKind};
use crate::{
    domain::{HostName, ServerName, ServerStatus},
    error::Exit,
};

/// Exit code of what SIGKILL ended: 128 + 9.
const KILLED: i64 = 137;

/// Seconds that `docker stop` waits by default before it kills, a little less to allow for clocks.
const STOP_GRACE: f64 = 9.5;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Have it run.
    Start,
    /// Have it not run.
    Stop,
    /// Stop, then start.
    Restart,
    /// Have the previous container run again.
    Rollback,
}

impl Verb {
    /// The word typed for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Rollback => "rollback",
        }
    }
}

/// What became of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Done.
    Changed,
    /// Nothing needed doing.
    Unchanged,
    /// It did not work.
    Failed,
    /// The new container did not come up, and the old one has its place again.
    RolledBack,
    /// The host gave no answer, so nothing was done.
    Unreachable,
    /// It did not happen, and the container is as it was: another run holds it, or the connection was lost before, and the host was
    /// asked since.
    NotDone,
    /// The connection ended while the host was at work, and what became of it could not be found out: look again.
    Unknown,
    /// The run was interrupted, or halted because of what failed, before it came to this.
    NotAttempted,
}

impl Outcome {
    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_ok(self) -> bool {
        matches!(self, Self::Changed | Self::Unchanged)
    }
}

/// What was done to the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The registered string ran; there was no container.
    Created,
    /// The stopped container was started again.
    Started,
    /// The registered string ran in place of the container.
    Replaced,
    /// The container that was set aside has its place again.
    RolledBack,
    /// Stopped and started again.
    Restarted,
    /// Stopped.
    Stopped,
}

impl Action {
    /// The word shown for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Started => "started",
            Self::Replaced => "replaced",
            Self::RolledBack => "rolled_back",
            Self::Restarted => "restarted",
            Self::Stopped => "stopped",
        }
    }
}

/// One instance's row of a [`ChangeReport`].
#[derive(Debug, Clone, Serialize)]
pub struct InstanceReport {
    /// The server.
    pub name: ServerName,
    /// The host.
    pub host: HostName,
    /// What became of it.
    pub outcome: Outcome,
    /// What was done.
    pub action: Option<Action>,
    /// What is worth knowing although it went well.
    pub note: Option<String>,
    /// The status afterwards, where it could be learnt.
    pub status: Option<ServerStatus>,
    /// What went wrong.
    pub error: Option<Trouble>,
}

/// What a change did.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeReport {
    /// What was asked for.
    pub verb: Verb,
    /// One row per instance, in inventory order and then by name.
    pub instances: Vec<InstanceReport>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// Its id in the journal; null when it could not be written there.
    pub run: Option<String>,
    /// How many batches were planned; 1 without `--serial`.
    pub batches: usize,
    /// How many of them were begun.
    pub batches_begun: usize,
    /// Why it ended before all was attempted, because of what failed.
    pub halted: Option<String>,
}

impl ChangeReport {
    /// The report of a run that had nothing to do.
    #[must_use]
    pub fn nothing(verb: Verb) -> Self {
        Self {
            verb,
            instances: vec![],
            seconds: 0.0,
            interrupted: false,
            run: None,
            batches: 0,
            batches_begun: 0,
            halted: None,
        }
    }

    /// How many rows ended in `outcome`.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.instances.iter().filter(|i| i.outcome == outcome).count()
    }

    /// How many containers docker killed because they had not ended at SIGTERM within its ten seconds.
    #[must_use]
    pub fn killed(&self) -> usize {
        let is_killed = |row: &&InstanceReport| {
            row.action == Some(Action::Stopped) && row.status.as_ref().is_some_and(|s| s.exit_code == Some(KILLED))
        };
        // A stop string of its own that kills at once is meant that way.
        if self.seconds < STOP_GRACE { 0 } else { self.instances.iter().filter(is_killed).count() }
    }

    /// The exit code of the whole.
    #[must_use]
    pub fn exit(&self) -> Exit {
        let interrupted = if self.interrupted { Exit::Interrupted } else { Exit::Ok };
        self.instances.iter().fold(interrupted, |exit, row| {
            exit.or(match row.outcome {
                Outcome::Changed | Outcome::Unchanged => Exit::Ok,
                Outcome::Failed | Outcome::RolledBack => Exit::Failed,
                Outcome::Unreachable | Outcome::NotDone | Outcome::Unknown => match &row.error {
                    Some(Trouble { kind: TroubleKind::Interrupted, .. }) => Exit::Interrupted,
                    Some(Trouble { kind: TroubleKind::Failed, .. }) => Exit::Failed,
                    _ => Exit::Unreachable,
                },
                // A run that is halted is so because of a failure.
                Outcome::NotAttempted => match &row.error {
                    Some(Trouble { kind: TroubleKind::Halted, .. }) => Exit::Failed,
                    _ => Exit::Interrupted,
                },
            })
        })
    }
}
