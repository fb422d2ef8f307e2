//! The table of `mcp list --orphans`.
//!
//! Boundary: a report in, text out.

use super::{Format, Ui, sanitise, table::table, words};
use crate::operations::orphans::OrphanReport;

impl Ui {
    /// Prints containers that are registered no more, each with the command that removes it.
    pub fn orphans(&mut self, report: &OrphanReport) {
        let report = &*self.hidden(report);
        if self.format == Format::Name {
            let id = |row: &crate::operations::orphans::OrphanRow| row.status.container_id.clone().unwrap_or_default();
            let names: String = report.rows.iter().map(|row| format!("{}\n", sanitise::line(&id(row)))).collect();
            self.answer(&names);
        } else if !self.structured(&report.rows) {
            if report.rows.is_empty() {
                self.note("no container is registered no more, as far as is remembered");
            } else {
                let rows = report
                    .rows
                    .iter()
                    .map(|row| {
                        let text = |text: Option<&str>| text.map_or("-".to_owned(), |t| sanitise::line(t).into_owned());
                        vec![
                            row.status.host.to_string(),
                            text(row.container.as_deref()),
                            row.status.name.to_string(),
                            row.reason.as_str().to_owned(),
                            self.status_word(row.status.status),
                            row.status.uptime.map_or("-".to_owned(), words::duration),
                            text(row.status.image.as_deref()),
                            sanitise::line(&row.remove).into_owned(),
                        ]
                    })
                    .collect();
                let header = ["HOST", "CONTAINER", "SERVER", "WHY", "STATUS", "UPTIME", "IMAGE", "REMOVE WITH"];
                self.answer(&table(&header, rows, self.width()));
            }
        }
        self.no_answers(&report.troubles);
    }
}
