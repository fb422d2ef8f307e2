//! The plan of `--dry-run`.
//!
//! Boundary: a [`PlanReport`] in, text out. The rows are the answer (stdout), the sum is on stderr.

use super::{Format, Ui, sanitise, table::table, trouble::Subject};
use crate::operations::preview::{PlanReport, PlanRow, PlannedAction};

impl Ui {
    /// Prints what would be done, one line per instance; with `--verbose` the strings as well.
    pub fn plan(&mut self, report: &PlanReport) {
        let report = &*self.hidden(report);
        if self.format == Format::Name {
            let names: String = report.instances.iter().map(|row| format!("{}@{}\n", row.name, row.host)).collect();
            self.answer(&names);
        } else if !self.structured(report) {
            let rows = report.instances.iter().map(|row| self.plan_row(row)).collect();
            let text = table(&["NAME", "HOST", "ACTION", "WHY"], rows, self.width());
            self.answer(&text);
            let strings = report.instances.iter().filter(|_| self.verbose).filter_map(|row| {
                let command = sanitise::line(row.command.as_ref()?);
                Some(format!("{}@{}: {command}\n", row.name, row.host))
            });
            let strings: String = strings.collect();
            self.answer(&strings);
        }
        let refused = report.instances.iter().filter(|row| row.error.is_some());
        let before = format!("cannot {} ", report.verb);
        self.troubles(
            refused.filter_map(|row| {
                Some((Subject::instance(before.as_str(), &row.name, &row.host), row.error.as_ref()?))
            }),
        );
        if report.batches.len() > 1 {
            self.batches(&report.batches);
        }
        self.note(&sum(report));
    }

    fn plan_row(&self, row: &PlanRow) -> Vec<String> {
        let word = row.action.as_str();
        let action = match row.action {
            PlannedAction::Nothing => word.to_owned(),
            PlannedAction::Refuse => self.paint(word, |s| s.red()),
            PlannedAction::Unknown => self.paint(word, |s| s.magenta()),
            _ => self.paint(word, |s| s.green()),
        };
        let pulls = if row.pulls && row.action != PlannedAction::Pull { "; the image is pulled first" } else { "" };
        // What is in the way is told once, below.
        let why = match (&row.error, row.action) {
            (None, _) => format!("{}{pulls}", row.reason),
            (Some(_), PlannedAction::Unknown) => "no answer".to_owned(),
            (Some(_), _) => "see below".to_owned(),
        };
        vec![row.name.to_string(), row.host.to_string(), action, sanitise::line(&why).into_owned()]
    }
}

fn sum(report: &PlanReport) -> String {
    let mut counts: Vec<(PlannedAction, usize)> = vec![];
    for row in &report.instances {
        match counts.iter_mut().find(|(action, _)| *action == row.action) {
            Some((_, count)) => *count += 1,
            None => counts.push((row.action, 1)),
        }
    }
    let parts: Vec<String> = counts.iter().map(|(action, count)| format!("{count} {}", action.as_str())).collect();
    format!("plan of {}: {}; nothing was changed", report.verb, parts.join(" · "))
}
