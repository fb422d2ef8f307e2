//! The recap of start, stop and restart.
//!
//! Boundary: a [`ChangeReport`] in, text out. The rows are the answer (stdout), the recap is the story (stderr).

use std::time::Duration;

use jiff::Timestamp;

use super::{Format, Ui, host_run::batches, sanitise, status::age, table::table, trouble::Subject, words};
use crate::{
    domain::{ServerStatus, Status, plural},
    error::Exit,
    operations::{ChangeReport, InstanceReport, Outcome, Verb},
};

impl Ui {
    /// Prints what a change did.
    pub fn change(&mut self, report: &ChangeReport) {
        let report = &*self.hidden(report);
        if self.format == Format::Name {
            let names: String = report.instances.iter().map(|row| format!("{}@{}\n", row.name, row.host)).collect();
            self.answer(&names);
        } else if !self.structured(report) && !self.quiet {
            let rows = report.instances.iter().map(|row| self.change_row(row)).collect();
            let text = table(&["NAME", "HOST", "RESULT", "STATUS", "NOTE"], rows, self.width());
            self.answer(&text);
        }
        let failures = report.instances.iter().filter(|row| row.error.is_some());
        let before = format!("cannot {} ", report.verb.as_str());
        self.troubles(
            failures.filter_map(|row| {
                Some((Subject::instance(before.as_str(), &row.name, &row.host), row.error.as_ref()?))
            }),
        );
        self.note(&self.recap(report));
        if report.killed() > 0 {
            self.note(&format!(
                "hint: {} did not end at SIGTERM and took 10 s until SIGKILL. Run the container with `--init`, or set \
                 STOPSIGNAL in its image, or shorten the wait with `mcp edit NAME --stop 'docker stop -t 2 NAME'`",
                plural(report.killed(), "container")
            ));
        }
        let is_left = report.exit() != Exit::Ok && report.instances.iter().any(|row| !row.outcome.is_ok());
        if is_left
            && let Some(run) = &report.run
            && (report.interrupted || report.halted.is_some())
        {
            self.note(&format!("resume with: mcp resume {run}"));
        }
    }

    /// Says that a run has nothing to do; to a program with the report of a run on nothing.
    pub fn nothing_left(&mut self, verb: Verb, why: &str) {
        self.structured(&ChangeReport::nothing(verb));
        self.note(why);
    }

    fn change_row(&self, row: &InstanceReport) -> Vec<String> {
        let result = match row.outcome {
            Outcome::Changed => {
                let word = row.action.map_or("done", crate::operations::Action::as_str).replace('_', " ");
                self.paint(&word, |s| s.green())
            }
            Outcome::Unchanged => "ok, unchanged".to_owned(),
            Outcome::Failed => self.paint("failed", |s| s.red()),
            Outcome::RolledBack => self.paint("rolled back", |s| s.red()),
            Outcome::Unreachable => self.paint("unreachable", |s| s.magenta()),
            Outcome::NotDone => self.paint("not done", |s| s.yellow()),
            Outcome::Unknown => self.paint("unknown", |s| s.magenta()),
            Outcome::NotAttempted => self.paint("not attempted", |s| s.yellow()),
        };
        let known = |s: &ServerStatus| match row.outcome {
            // The host was not asked, so this is as old as the last answer.
            Outcome::NotAttempted if s.status != Status::Unknown => {
                format!("{} ({} ago)", s.status.as_str(), age(s, Timestamp::now()))
            }
            _ => s.status.as_str().to_owned(),
        };
        let status = row.status.as_ref().map_or_else(|| "-".to_owned(), known);
        // The cause stands below the table, once for all rows that share it.
        let note = row.note.as_deref().unwrap_or_default();
        vec![row.name.to_string(), row.host.to_string(), result, status, sanitise::line(note).into_owned()]
    }

    fn recap(&self, report: &ChangeReport) -> String {
        let ok = report.count(Outcome::Changed) + report.count(Outcome::Unchanged);
        let mut parts = vec![format!("{ok} ok")];
        let unchanged = report.count(Outcome::Unchanged);
        if unchanged > 0 {
            parts[0].push_str(&format!(" ({unchanged} unchanged)"));
        }
        for (outcome, word) in [
            (Outcome::Failed, "failed"),
            (Outcome::RolledBack, "rolled back"),
            (Outcome::Unreachable, "unreachable"),
            (Outcome::NotDone, "not done"),
            (Outcome::Unknown, "unknown"),
            (Outcome::NotAttempted, "not attempted"),
        ] {
            let count = report.count(outcome);
            if count > 0 {
                parts.push(format!("{count} {word}"));
            }
        }
        let verb = report.verb.as_str();
        let interrupted = if report.interrupted { " (interrupted)" } else { "" };
        let took = words::seconds(Duration::from_secs_f64(report.seconds.max(0.0)));
        let batches = batches(report.batches, report.batches_begun);
        let halted = report.halted.as_ref().map(|why| format!("\n{verb} ended early: {}", sanitise::line(why)));
        format!("{verb}: {} in {took}{batches}{interrupted}{}", parts.join(" · "), halted.unwrap_or_default())
    }
}
