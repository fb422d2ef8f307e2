//! The tables of `mcp lock`.
//!
//! Boundary: reports in, text out.

use super::{Format, Ui, table::table, trouble::Subject, words};
use crate::{
    domain::plural,
    operations::locks::{HostTrouble, LockReport, ReleaseReport},
};

impl Ui {
    /// Prints what is held.
    pub fn locks(&mut self, report: &LockReport) {
        if self.format == Format::Name {
            let names: String = report.leases.iter().map(|l| format!("{}@{}\n", l.container, l.host)).collect();
            self.answer(&names);
        } else if !self.structured(report) {
            if report.leases.is_empty() {
                self.note("nobody holds a container");
            } else {
                let cells = report.leases.iter().map(|lease| {
                    vec![
                        lease.host.to_string(),
                        lease.container.clone(),
                        lease.name.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
                        lease.owner.clone(),
                        lease.purpose.clone(),
                        words::duration(lease.held_seconds),
                        words::duration(lease.ends_in_seconds),
                        lease.run.clone().unwrap_or_else(|| "-".to_owned()),
                    ]
                });
                let header = ["HOST", "CONTAINER", "SERVER", "HELD BY", "FOR", "SINCE", "ENDS IN", "RUN"];
                self.answer(&table(&header, cells.collect(), self.width()));
            }
            if let Some(holder) = &report.workspace {
                self.note(&format!("this workspace is being written to by {holder}"));
            }
        }
        self.unasked(&report.troubles);
    }

    fn unasked(&mut self, troubles: &[HostTrouble]) {
        self.troubles(
            troubles.iter().map(|trouble| (Subject::host("no answer from ", &trouble.host, ""), &trouble.error)),
        );
    }

    /// Says what was released.
    pub fn released(&mut self, report: &ReleaseReport) {
        if self.format == Format::Name {
            let names: String = report.released.iter().map(|instance| format!("{instance}\n")).collect();
            self.answer(&names);
        } else if !self.structured(report) {
            self.note(&format!("{} taken away", plural(report.released.len(), "lease")));
        }
        for kept in &report.kept {
            self.warn(&format!(
                "the lease on {} belongs to the account {} there, and only it and root can take it away",
                kept.instance, kept.account
            ));
        }
        self.unasked(&report.troubles);
    }
}
