//! The end of the recap of `exec` and `copy`: the sum, why it ended, and how to go on.
//!
//! Boundary: a report in, text out.

use std::time::Duration;

use super::{Ui, sanitise, words};
use crate::operations::host_run::{GoOn, HostRunReport};

/// ` in 3 batches`, or how many were begun; nothing of a run that had one.
pub(super) fn batches(all: usize, begun: usize) -> String {
    match (all, begun) {
        (0 | 1, _) => String::new(),
        (all, begun) if all == begun => format!(" in {all} batches"),
        (all, begun) => format!(", {begun} of {all} batches begun"),
    }
}

impl Ui {
    /// Prints the sum of a run over hosts.
    pub(super) fn host_run(&mut self, verb: &str, counts: &str, elapsed: Duration, run: &HostRunReport) {
        let interrupted = if run.interrupted { " (interrupted)" } else { "" };
        let batches = batches(run.batches, run.batches_begun);
        let sum = format!("{verb}: {counts} in {}{batches}{interrupted}", words::seconds(elapsed));
        self.note(&sanitise::line(&sum));
        if let Some(why) = &run.halted {
            self.note(&sanitise::line(&format!("{verb} ended early: {why}")));
        }
        if run.left > 0 && (run.interrupted || run.halted.is_some()) {
            match run.go_on {
                GoOn::Resume => self.note("resume with: mcp resume"),
                GoOn::Retry => self.note("go on with: the same command and --retry-failed"),
                GoOn::Anew => {}
            }
        }
        if let Some(warning) = &run.warning {
            self.warn(warning);
        }
    }
}
