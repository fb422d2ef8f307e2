//! The snapshots of `mcp list --watch`: redrawn in place on a terminal, one after the other elsewhere.
//!
//! Boundary: reports in, text out. Next: `status` for the table.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize as _;

use super::{Format, Ui, history::when, sanitise, status::unanswered};
use crate::{domain::Status, operations::list::ListReport};

/// Draws snapshots.
pub struct WatchPrinter {
    every: Duration,
    /// Lines of the last snapshot that are on the terminal.
    drawn: usize,
    /// Rows and columns of the terminal then.
    size: Option<(usize, usize)>,
}

impl WatchPrinter {
    /// A printer of snapshots that come `every` so often.
    #[must_use]
    pub fn new(every: Duration) -> Self {
        Self { every, drawn: 0, size: None }
    }

    /// Prints a snapshot. Says `false` when nobody reads any more.
    pub fn snapshot(&mut self, ui: &mut Ui, report: &ListReport) -> bool {
        let report = &*ui.shown_list(report);
        match (ui.format, ui.terminal_size()) {
            (Format::Json, _) => ui.answer_in_pieces(|out| {
                report.rows.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, sanitise::Json))?;
                out.write_all(b"\n")
            }),
            (Format::Yaml, _) => ui.answer("---\n") && ui.structured(&report.rows) && !ui.is_closed(),
            (Format::Table | Format::Wide, Some(size)) => self.draw(ui, report, size),
            _ => {
                if ui.format != Format::Name {
                    ui.answer(&format!("{}\n", when(Timestamp::now())));
                }
                ui.list(report, false);
                ui.answer("\n")
            }
        }
    }

    fn draw(&mut self, ui: &mut Ui, report: &ListReport, size: (usize, usize)) -> bool {
        let (rows, columns) = size;
        let mut lines = vec![self.title(report)];
        lines.extend(ui.list_table(report, false).lines().map(str::to_owned));
        lines.extend(ui.trouble_lines(unanswered(&report.troubles)));
        // The last line of a terminal takes the cursor.
        let most = rows.saturating_sub(1).max(2);
        if lines.len() > most {
            let more = lines.len() - (most - 1);
            lines.truncate(most - 1);
            lines.push(format!(
                "… {more} more lines; --on, --tag or a name shows fewer, --sort status what is wrong first"
            ));
        }
        let mut text = match self.size {
            // What was drawn has other lines now.
            Some(before) if before != size => "\u{1b}[2J\u{1b}[H".to_owned(),
            _ if self.drawn > 0 => format!("\u{1b}[{}A\r", self.drawn),
            _ => String::new(),
        };
        for line in &lines {
            // Wrapped, a line would take two.
            text.push_str(&console::truncate_str(line, columns, "…"));
            text.push_str("\u{1b}[K\n");
        }
        text.push_str("\u{1b}[J");
        (self.drawn, self.size) = (lines.len(), Some(size));
        ui.answer(&text)
    }

    /// `every 2 s · 2026-11-28 11:20:31 · 3 running · 1 error`.
    fn title(&self, report: &ListReport) -> String {
        let mut title = format!("every {} s · {}", self.every.as_secs_f64(), when(Timestamp::now()));
        for status in [Status::Running, Status::Stopped, Status::Error, Status::Unknown] {
            let count = report.rows.iter().filter(|row| row.status.status == status).count();
            if count > 0 {
                title.push_str(&format!(" · {count} {}", status.as_str()));
            }
        }
        title
    }
}
