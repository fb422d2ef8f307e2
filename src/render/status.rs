//! The table of `mcp list`.
//!
//! Boundary: records in, text out.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{Format, Ui, sanitise, table::table, words};
use crate::{
    domain::{ServerStatus, Status},
    operations::{Trouble, list::ListReport},
};

impl Ui {
    /// Prints the status of instances. `ages` shows when each record was learnt instead of trusting it to be now.
    pub fn list(&mut self, report: &ListReport, ages: bool) {
        // Most lists quote nobody and need no second copy of thousands of rows.
        let quotes = report.statuses().any(|status| status.message.is_some()) || !report.troubles.is_empty();
        let report = &*if quotes { self.hidden(report) } else { Cow::Borrowed(report) };
        if self.format == Format::Name {
            let names: String = report.statuses().map(|s| format!("{}@{}\n", s.name, s.host)).collect();
            self.answer(&names);
        } else if !self.structured(&report.statuses().collect::<Vec<_>>()) {
            let wide = self.format == Format::Wide;
            let mut header =
                vec!["NAME", "HOST", "STATUS", "UPTIME", "PORT", "CPU", "MEM", "GPU", "IMAGE", "HEALTH", "OUTDATED"];
            if ages {
                header.push("AGE");
            }
            if wide {
                header.extend(["RESTARTS", "CONTAINER"]);
            }
            header.push("MESSAGE");
            let now = Timestamp::now();
            let rows = report
                .rows
                .iter()
                .map(|(status, port)| {
                    let mut row = self.status_row(status, *port);
                    if ages {
                        row.push(age(status, now));
                    }
                    if wide {
                        row.push(status.restart_count.map_or("-".to_owned(), |n| n.to_string()));
                        // What is remembered may be anything.
                        let id = status.container_id.as_deref().map(|id| id.chars().take(12).collect::<String>());
                        row.push(id.map_or_else(|| "-".to_owned(), |id| sanitise::line(&id).into_owned()));
                    }
                    row.push(status.message.as_deref().map_or(String::new(), |m| sanitise::line(m).into_owned()));
                    row
                })
                .collect();
            if report.rows.is_empty() {
                self.note("no servers are registered here; add one with `mcp add NAME --command \"docker run …\"`");
            } else {
                self.answer(&table(&header, rows, self.width()));
            }
        }
        self.no_answers(&report.troubles);
    }

    /// Names the hosts without an answer, and why.
    pub fn no_answers(&mut self, troubles: &[(String, Trouble)]) {
        self.troubles(troubles.iter().map(|(host, trouble)| (format!("no answer for {host}"), trouble)));
    }

    fn status_row(&self, status: &ServerStatus, port: Option<u16>) -> Vec<String> {
        let dash = || "-".to_owned();
        let memory = match (status.memory_usage, status.memory_limit) {
            (Some(used), Some(limit)) => format!("{} / {}", words::bytes(used), words::bytes(limit)),
            (Some(used), None) => words::bytes(used),
            _ => dash(),
        };
        vec![
            status.name.to_string(),
            status.host.to_string(),
            self.status_word(status.status),
            status.uptime.map_or_else(dash, words::duration),
            port.map_or_else(dash, |p| p.to_string()),
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

/// How old a record is.
pub(super) fn age(status: &ServerStatus, now: Timestamp) -> String {
    if status.last_check == Timestamp::UNIX_EPOCH {
        return "-".to_owned();
    }
    words::duration(u64::try_from(now.as_second() - status.last_check.as_second()).unwrap_or(0))
}
