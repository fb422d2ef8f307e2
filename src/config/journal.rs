//! `journal.jsonl`: what was done by whom, to what, and what came of it; one JSON object a line, only ever added to.
//!
//! Boundary: lines in, runs out, and back; appending and rotating are `store`'s. Reading is tolerant: a line that cannot be read
//! (torn by a kill, written by a later version) is counted and passed over, keys that are not known are too.
//! Next: `runs` puts lines together, `target` says what a run is about, `again` what is needed to do it again, `chain` binds lines
//! together, `verify` looks whether they still are; `domain::secrets` keeps secrets out.

mod again;
pub mod chain;
mod runs;
mod target;
pub mod verify;

use std::{collections::BTreeMap, fmt, hash::BuildHasher, hash::Hasher};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use again::{Again, CopyAgain, ExecAgain, KnownFile};
pub use runs::{Run, Runs};
pub use target::{Target, Targets};

use crate::domain::{
    HostName,
    secrets::{Secrets, mask},
};

/// The newest version of a line: the second one can name hosts where the first has instances. A line has the lowest version that
/// can say it, so that an older program reads what it knows.
pub const VERSION: u32 = 2;

/// Most characters kept of a cause, which comes from a host.
const LONGEST_CAUSE: usize = 500;

/// Names a run: `260514-101502-k3qx`, the second it began in (UTC) and four letters at random. Sorts by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct RunId(String);

impl RunId {
    /// An id for a run that begins `at` that time.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        // Crockford's alphabet, which has no letters that look like digits.
        const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        // RandomState is seeded from the system's entropy; an id has to be unique, not secret.
        let mut random = std::collections::hash_map::RandomState::new().build_hasher().finish();
        let mut word = String::new();
        for _ in 0..4 {
            word.push(char::from(LETTERS[usize::try_from(random % 32).unwrap_or(0)]));
            random /= 32;
        }
        Self(format!("{}-{word}", at.strftime("%y%m%d-%H%M%S")))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RunId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fits = (1..=40).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits { Ok(Self(text)) } else { Err(format!("{text:?} is no run's id")) }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Version of the line.
    pub v: u32,
    /// Number of the line in the journal, counted through its older files.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The run it is about.
    pub run: RunId,
    /// What it says.
    #[serde(flatten)]
    pub entry: Entry,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Entry {
    /// A run begins. On the disk before anything is done.
    Begin(Box<Begin>),
    /// These instances of one host, or that host, are about to be acted on.
    Attempt {
        /// Which.
        #[serde(flatten)]
        targets: Targets,
    },
    /// What became of an instance or a host.
    Result(Done),
    /// A run is over.
    End(End),
    /// A kind that a later version writes.
    #[serde(other)]
    Other,
}

/// How a run began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// `start`, `stop`, `restart`, `remove`, `exec`, `copy`.
    pub verb: String,
    /// The command line after `mcp`, secrets masked.
    #[serde(default)]
    pub command: Vec<String>,
    /// Who ran it.
    pub who: Who,
    /// The process that ran it.
    pub process: Process,
    /// Version of `mcp`.
    #[serde(default)]
    pub version: String,
    /// The run whose rest this one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<RunId>,
    /// What is needed to do it again.
    #[serde(default)]
    pub options: RunOptions,
    /// What it is about, in order.
    #[serde(flatten)]
    pub targets: Targets,
    /// The hosts of each batch; left out when there is one batch.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "target::batches")]
    pub batches: Vec<Vec<HostName>>,
    /// The workspace, an absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// The inventories its hosts came from; left out when that was `hosts.yaml`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Of a run on hosts: those that only its command line names.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "target::hosts")]
    pub addresses: Vec<HostName>,
    /// Of a run on hosts: what is needed to do it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Again>,
}

/// Who ran a command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Who {
    /// The name of the process's user in the passwd database, else `uid1000`. In lines of 0.1 it is the environment's `$USER`.
    pub user: String,
    /// The acting person that `$MCP_ACTOR` names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The user's number, as the kernel has it: the real one of the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The machine `mcp` ran on.
    pub machine: String,
    /// Who that user was before sudo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sudo_user: Option<String>,
    /// The address that user was logged in from over SSH.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

impl Who {
    /// The acting person: `$MCP_ACTOR`, else the user before sudo, else the process's user.
    #[must_use]
    pub fn acting(&self) -> &str {
        self.actor.as_ref().or(self.sudo_user.as_ref()).unwrap_or(&self.user)
    }
}

/// The acting person and the machine: `ana@laptop`.
impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.acting(), self.machine)
    }
}

/// A process, so that a number which was given to another one since is not taken for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it started, in the kernel's clock ticks since boot (proc_pid_stat(5), field 22); absent without `/proc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
}

/// The options of a run. What is at its default is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunOptions {
    /// `--settle`, in milliseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub settle_ms: u64,
    /// How long health was waited for, in milliseconds; absent when it was not.
    #[serde(skip_serializing_if = "is_default")]
    pub health_ms: Option<u64>,
    /// `--replace`.
    #[serde(skip_serializing_if = "is_default")]
    pub replace: bool,
    /// `--recreate`.
    #[serde(skip_serializing_if = "is_default")]
    pub recreate: bool,
    /// `--serial`.
    #[serde(skip_serializing_if = "is_default")]
    pub serial: Option<String>,
    /// `--max-fail`.
    #[serde(skip_serializing_if = "is_default")]
    pub max_fail: Option<String>,
    /// `--fail-fast`.
    #[serde(skip_serializing_if = "is_default")]
    pub fail_fast: bool,
    /// `--wait`, in milliseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub wait_ms: u64,
    /// `--forks`.
    #[serde(skip_serializing_if = "is_default")]
    pub forks: Option<u16>,
    /// `--timeout`, in milliseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub timeout_ms: Option<u64>,
    /// `--stop` of `remove`.
    #[serde(skip_serializing_if = "is_default")]
    pub stop: bool,
    /// `--keep` of `remove`.
    #[serde(skip_serializing_if = "is_default")]
    pub keep: bool,
    /// `--foreign` of `stop` and `remove`.
    #[serde(skip_serializing_if = "is_default")]
    pub foreign: bool,
    /// `--no-rollout`.
    #[serde(skip_serializing_if = "is_default")]
    pub at_once: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What became of one instance or host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Which.
    #[serde(flatten)]
    pub target: Target,
    /// As in the answer of the verb: `changed`, `unchanged`, `ok`, `copied`, `failed`, `unreachable`, `unknown`, …
    pub outcome: String,
    /// The exit code of a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// What was done: `created`, `started`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Seconds its host took.
    #[serde(default)]
    pub seconds: f64,
    /// Why it did not work, in one line, secrets masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

impl Done {
    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        is_ok(&self.outcome)
    }

    /// A cause as it may stand in a file: one line, not longer than a few hundred characters, secrets masked.
    #[must_use]
    pub fn cause(text: &str) -> String {
        let line: String = text.lines().next().unwrap_or_default().chars().take(LONGEST_CAUSE).collect();
        mask(&line).into_owned()
    }
}

/// Whether an outcome, as it is written down, leaves nothing to do.
#[must_use]
pub fn is_ok(outcome: &str) -> bool {
    matches!(outcome, "changed" | "unchanged" | "ok" | "copied")
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The exit code.
    pub exit: u8,
    /// How many instances or hosts had each outcome.
    #[serde(default)]
    pub counts: BTreeMap<String, usize>,
    /// Whether it was interrupted.
    #[serde(default)]
    pub interrupted: bool,
    /// Why it ended before all were attempted, because of what failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halted: Option<String>,
}

impl Entry {
    /// The lowest version of a line that can say it.
    #[must_use]
    pub fn version(&self) -> u32 {
        match self {
            Self::Begin(begin) => begin.targets.version(),
            Self::Attempt { targets } => targets.version(),
            Self::Result(Done { target: Target::Host(_), .. }) => 2,
            Self::Result(_) | Self::End(_) | Self::Other => 1,
        }
    }
}

impl Entry {
    /// Takes out what is registered as a secret.
    pub(super) fn hide(&mut self, secrets: &Secrets) {
        let text = match self {
            Self::Result(done) => &mut done.cause,
            Self::End(end) => &mut end.halted,
            _ => return,
        };
        if let Some(text) = text {
            *text = secrets.hide(text).into_owned();
        }
    }
}

impl Line {
    /// The line without its newline.
    ///
    /// # Errors
    /// When a value has no JSON form.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Reads one line; `None` when it is none, or one of a later version.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|line: &Self| (1..=VERSION).contains(&line.v))
    }
}

#[cfg(test)]
mod tests;
