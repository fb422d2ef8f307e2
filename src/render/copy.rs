//! What became of a file on each host.
//!
//! Boundary: reports in, text out. The rows are the answer, the recap is the story.

use std::time::Duration;

use super::{Format, Ui, sanitise, table::table, words};
use crate::{
    domain::Host,
    operations::{
        copy::{CopyOutcome, CopyReport},
        exec::report::ExecSummary,
        host_run::HostRunReport,
    },
};

impl Ui {
    /// Prints what became of a copy; `hosts` are those of the reports, in their order.
    pub fn copied(&mut self, hosts: &[&Host], reports: &[CopyReport], elapsed: Duration, run: &HostRunReport) {
        let reports = &*self.hidden(reports);
        if self.format == Format::Name {
            let is_there = |r: &&CopyReport| matches!(r.outcome, CopyOutcome::Copied | CopyOutcome::Unchanged);
            let names: String = reports.iter().filter(is_there).map(|r| format!("{}\n", r.host)).collect();
            self.answer(&names);
        } else if !self.structured(&reports) && !self.quiet {
            let rows = reports.iter().map(|report| self.copy_row(report)).collect();
            self.answer(&table(&["HOST", "RESULT", "SENT", "TIME", "PATH", "NOTE"], rows, self.width()));
        }
        let mut summary = ExecSummary::default();
        let (mut copied, mut unchanged) = (0, 0);
        for (host, report) in hosts.iter().zip(reports) {
            match report.outcome {
                CopyOutcome::Copied => copied += 1,
                CopyOutcome::Unchanged => unchanged += 1,
                CopyOutcome::Not(outcome) => summary.tally(host, outcome, report.error.as_ref()),
            }
        }
        self.troubled(&summary);
        let mut parts = vec![format!("{copied} copied"), format!("{unchanged} unchanged")];
        parts.extend(summary.counts.iter().map(|(outcome, count)| format!("{count} {}", outcome.as_str())));
        self.host_run("copy", &parts.join(" · "), elapsed, run);
    }

    fn copy_row(&self, report: &CopyReport) -> Vec<String> {
        let result = self.paint(report.outcome.as_str(), |s| match report.outcome {
            CopyOutcome::Copied => s.green(),
            CopyOutcome::Unchanged => s,
            CopyOutcome::Not(_) => s.red(),
        });
        let backup = report.backup.as_ref().map(|path| format!("the old one is {path}"));
        // Why it was not copied stands below the table, once for all hosts that share it.
        let note = backup.unwrap_or_default();
        vec![
            report.host.to_string(),
            result,
            if report.bytes == 0 { "-".to_owned() } else { words::bytes(report.bytes) },
            words::seconds(Duration::from_secs_f64(report.seconds.max(0.0))),
            sanitise::line(report.path.as_deref().unwrap_or("-")).into_owned(),
            sanitise::line(&note).into_owned(),
        ]
    }
}
