//! Writes a run into the journal while it goes on. Trouble with the journal never stops a run: it is one warning.
//!
//! Boundary: knows rows and lines; the file is `config::store`'s. Next: `history` reads what was written.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;

use super::{InstanceReport, Outcome, audit::Stamp};
use crate::{
    config::{
        journal::{Begin, Done, End, Entry, RunId, Target, Targets},
        source::Sources,
        store::{Appender, StoreError, Workspace},
    },
    domain::{HostName, Instance},
};

/// The book of one run.
pub struct Recorder<'a> {
    /// `None` when the beginning could not be written: the rest would tell of nothing then.
    journal: Option<Appender<'a>>,
    warning: Mutex<Option<String>>,
    stamp: Stamp,
}

impl<'a> Recorder<'a> {
    /// Writes that a run begins. When this returns it is on the disk, or there is a warning.
    #[must_use]
    pub fn begin(workspace: &'a Workspace, mut begin: Begin) -> Self {
        // The same name may be another machine in another inventory: whoever goes on must know which it was.
        begin.sources = workspace.sources().map(Sources::names).unwrap_or_default();
        let directory = std::path::absolute(workspace.dir()).unwrap_or_else(|_| workspace.dir().to_owned());
        begin.directory = Some(directory.to_string_lossy().into_owned());
        let who = begin.who.clone();
        let journal = workspace.journal_of(RunId::new(Timestamp::now()));
        match journal.append(vec![Entry::Begin(Box::new(begin))]) {
            Ok(()) => {
                let stamp = Stamp::new(Some(journal.run().clone()), who);
                Self { journal: Some(journal), warning: Mutex::default(), stamp }
            }
            Err(error) => {
                let warning = format!("{}; `mcp resume` will not know of this run", text(&error));
                Self { journal: None, warning: Mutex::new(Some(warning)), stamp: Stamp::new(None, who) }
            }
        }
    }

    /// The run's id; `None` when it is in no journal.
    #[must_use]
    pub fn id(&self) -> Option<&RunId> {
        self.journal.as_ref().map(Appender::run)
    }

    /// What hosts write into their syslogs of this run.
    pub(super) fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// Writes which instances of a host are about to be acted on.
    pub fn attempt(&self, instances: Vec<Instance>) {
        if !instances.is_empty() {
            self.write(vec![Entry::Attempt { targets: Targets::Instances(instances) }]);
        }
    }

    /// Writes that a host is about to be acted on.
    pub fn attempt_host(&self, host: &HostName) {
        self.write(vec![Entry::Attempt { targets: Targets::Hosts(vec![host.clone()]) }]);
    }

    /// Writes what became of the instances of a host, which took `elapsed`. What was not attempted is not written: its
    /// absence says so.
    pub fn results(&self, rows: &[InstanceReport], elapsed: Duration) {
        let attempted = rows.iter().filter(|row| row.outcome != Outcome::NotAttempted);
        let lines = attempted.map(|row| Done {
            target: Target::Instance(Instance { server: row.name.clone(), host: row.host.clone() }),
            outcome: word(row.outcome),
            exit_code: None,
            action: row.action.map(|action| action.as_str().to_owned()),
            seconds: seconds(elapsed),
            cause: row.error.as_ref().map(|error| Done::cause(&error.cause)),
        });
        self.done(lines.collect());
    }

    /// Writes what became of instances or hosts.
    pub fn done(&self, lines: Vec<Done>) {
        if !lines.is_empty() {
            self.write(lines.into_iter().map(Entry::Result).collect());
        }
    }

    /// Writes that the run is over, and gives what went wrong with the journal.
    #[must_use]
    pub fn end(self, end: End) -> Option<String> {
        self.write(vec![Entry::End(end)]);
        self.warning.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, entries: Vec<Entry>) {
        let Some(journal) = &self.journal else { return };
        if let Err(error) = journal.append(entries) {
            let mut warning = self.warning.lock().unwrap_or_else(PoisonError::into_inner);
            warning.get_or_insert_with(|| format!("{}; it lacks a part of this run", text(&error)));
        }
    }
}

/// Seconds to the millisecond.
pub(super) fn seconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1000.0).round() / 1000.0
}

/// An outcome as the answer of its verb spells it.
#[must_use]
pub fn word(outcome: impl Serialize) -> String {
    match serde_json::to_value(outcome) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "unknown".to_owned(),
    }
}

fn text(error: &StoreError) -> String {
    let source = std::error::Error::source(error).map(|source| format!(": {source}"));
    format!("the journal was not written: {error}{}", source.unwrap_or_default())
}
