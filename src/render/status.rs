//! The table of `mcp list`.
//!
//! Boundary: records in, text out.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{Format, Ui, sanitise, table::table, trouble::Subject, words};
use crate::{
    domain::{ServerStatus, Status},
    operations::{
        Trouble,
        list::{ListReport, ListRow},
    },
};

impl Ui {
    /// Prints the status of instances. `ages` shows when each record was learnt instead of trusting it to be now.
    pub fn list(&mut self, report: &ListReport, ages: bool) {
        let report = &*self.shown_list(report);
        if self.format == Format::Name {
            let names: String = report.rows.iter().map(|r| format!("{}@{}\n", r.status.name, r.status.host)).collect();
            self.answer(&names);
        } else if !self.structured(&report.rows) {
            if report.rows.is_empty() && report.filtered_out > 0 {
                self.note(&format!("none of {} instances is in such a state", report.filtered_out));
            } else if report.rows.is_empty() {
                self.note("no servers are registered here; add one with `mcp add NAME --command \"docker run …\"`");
            } else {
                let text = self.list_table(report, ages);
                self.answer(&text);
            }
        }
        self.no_answers(&report.troubles);
    }

    /// Names the hosts without an answer, and why.
    pub fn no_answers(&mut self, troubles: &[(String, Trouble)]) {
        self.troubles(unanswered(troubles));
    }

    /// The report as it may be shown: a copy only where something in it is hidden.
    pub(super) fn shown_list<'r>(&self, report: &'r ListReport) -> Cow<'r, ListReport> {
        // Most tables quote nobody and need no second copy of thousands of rows; the strings of a row are in the other formats.
        let has_strings = matches!(self.format, Format::Wide | Format::Json | Format::Yaml);
        let quotes = has_strings || report.rows.iter().any(|row| row.note().is_some()) || !report.troubles.is_empty();
        if quotes { self.hidden(report) } else { Cow::Borrowed(report) }
    }

    pub(super) fn list_table(&self, report: &ListReport, ages: bool) -> String {
        let wide = self.format == Format::Wide;
        let mut header =
            vec!["NAME", "HOST", "STATUS", "UPTIME", "PORT", "CPU", "MEM", "GPU", "IMAGE", "HEALTH", "OUTDATED"];
        if ages {
            header.push("AGE");
        }
        if wide {
            header.extend(["RESTARTS", "CONTAINER", "ADDRESS", "PORTS", "TAGS", "COMMAND"]);
        }
        header.push("MESSAGE");
        let now = Timestamp::now();
        let rows = report.rows.iter().map(|row| {
            let mut cells = self.status_cells(row);
            if ages {
                cells.push(age(&row.status, now));
            }
            if wide {
                cells.extend(wide_cells(row));
            }
            cells.push(row.note().map_or(String::new(), |m| sanitise::line(m).into_owned()));
            cells
        });
        table(&header, rows.collect(), self.width())
    }

    fn status_cells(&self, row: &ListRow) -> Vec<String> {
        let status = &row.status;
        let dash = || "-".to_owned();
        let memory = match (status.memory_usage, status.memory_limit) {
            (Some(used), Some(limit)) => format!("{} / {}", words::bytes(used), words::bytes(limit)),
            (Some(used), None) => words::bytes(used),
            _ => dash(),
        };
        let mut word = self.status_word(status.status);
        if !row.enabled {
            word.push_str(&self.paint(" (disabled)", |s| s.dim()));
        }
        vec![
            status.name.to_string(),
            status.host.to_string(),
            word,
            status.uptime.map_or_else(dash, words::duration),
            row.port.map_or_else(dash, |p| p.to_string()),
            status.cpu_usage.map_or_else(dash, |p| format!("{p:.1}%")),
            memory,
            status.gpu_usage.map_or_else(dash, |p| format!("{p:.0}%")),
            status.image.as_deref().map_or_else(dash, |i| sanitise::line(i).into_owned()),
            status.health.map_or_else(dash, |h| h.as_str().to_owned()),
            if status.outdated == Some(true) { status.outdated_reasons.join(",") } else { dash() },
        ]
    }

    pub(super) fn status_word(&self, status: Status) -> String {
        self.paint(status.as_str(), |s| match status {
            Status::Running => s.green(),
            Status::Stopped => s.dim(),
            Status::Error => s.red(),
            Status::Unknown => s.magenta(),
        })
    }
}

/// Why hosts gave no answer.
pub(super) fn unanswered(troubles: &[(String, Trouble)]) -> impl Iterator<Item = (Subject, &Trouble)> {
    troubles.iter().map(|(host, trouble)| (Subject::host("no answer from ", host, ""), trouble))
}

fn wide_cells(row: &ListRow) -> [String; 6] {
    let text = |text: &str| if text.is_empty() { "-".to_owned() } else { sanitise::line(text).into_owned() };
    // What is remembered may be anything.
    let id: String = row.status.container_id.iter().flat_map(|id| id.chars().take(12)).collect();
    [
        row.status.restart_count.map_or("-".to_owned(), |n| n.to_string()),
        text(&id),
        text(row.address.as_deref().unwrap_or_default()),
        text(&row.ports.join(",")),
        text(&row.tags.join(",")),
        text(&row.command),
    ]
}

/// How old a record is.
pub(super) fn age(status: &ServerStatus, now: Timestamp) -> String {
    if status.last_check == Timestamp::UNIX_EPOCH {
        return "-".to_owned();
    }
    words::duration(u64::try_from(now.as_second() - status.last_check.as_second()).unwrap_or(0))
}
