//! The rows and the recap of `mcp pull`.
//!
//! Boundary: a [`PullReport`] in, text out.

use std::time::Duration;

use super::{Format, Ui, sanitise, table::table, trouble::Subject, words};
use crate::operations::pull::{PullOutcome, PullReport, PullRow};

/// Characters of an image id that are shown, as docker does.
const SHORT_ID: usize = 12;

impl Ui {
    /// Prints what a pull did.
    pub fn pull(&mut self, report: &PullReport) {
        let report = &*self.hidden(report);
        if self.format == Format::Name {
            let lines: String = report.images.iter().map(|row| format!("{}@{}\n", row.image, row.host)).collect();
            self.answer(&lines);
        } else if !self.structured(report) && !self.quiet {
            let rows = report.images.iter().map(|row| self.pull_row(row)).collect();
            let text = table(&["IMAGE", "HOST", "RESULT", "ID", "SERVERS", "NOTE"], rows, self.width());
            self.answer(&text);
        }
        let failures = report.images.iter().filter(|row| row.error.is_some());
        self.troubles(failures.filter_map(|row| {
            let before = format!("cannot pull {} on ", row.image);
            Some((Subject::host(before, &row.host, ""), row.error.as_ref()?))
        }));
        let mut parts = vec![];
        for (outcome, word) in [
            (PullOutcome::Pulled, "pulled"),
            (PullOutcome::Unchanged, "unchanged"),
            (PullOutcome::Failed, "failed"),
            (PullOutcome::Unreachable, "unreachable"),
            (PullOutcome::NotAttempted, "not attempted"),
        ] {
            let count = report.count(outcome);
            if count > 0 {
                parts.push(format!("{count} {word}"));
            }
        }
        let interrupted = if report.interrupted { " (interrupted)" } else { "" };
        let took = words::seconds(Duration::from_secs_f64(report.seconds.max(0.0)));
        self.note(&format!("pull: {} in {took}{interrupted}", parts.join(" · ")));
    }

    fn pull_row(&self, row: &PullRow) -> Vec<String> {
        let result = match row.outcome {
            PullOutcome::Pulled => self.paint("pulled", |s| s.green()),
            PullOutcome::Unchanged => "unchanged".to_owned(),
            PullOutcome::Failed => self.paint("failed", |s| s.red()),
            PullOutcome::Unreachable => self.paint("unreachable", |s| s.magenta()),
            PullOutcome::NotAttempted => self.paint("not attempted", |s| s.yellow()),
        };
        let id = row.image_id.as_deref().map_or("-", |id| id.strip_prefix("sha256:").unwrap_or(id));
        let servers: Vec<&str> = row.servers.iter().map(|name| name.as_str()).collect();
        // A cause is told once, below.
        let note = if row.error.is_some() { "see below" } else { "" };
        vec![
            sanitise::line(&row.image).into_owned(),
            row.host.to_string(),
            result,
            sanitise::line(&id.chars().take(SHORT_ID).collect::<String>()).into_owned(),
            servers.join(", "),
            note.to_owned(),
        ]
    }
}
