//! The table of `mcp sessions`.
//!
//! Boundary: rows in, text out.

use super::{Format, Ui, sanitise, table::table, words};
use crate::operations::sessions::{SessionRow, SessionState};

impl Ui {
    /// Prints kept sessions.
    pub fn sessions(&mut self, rows: &[SessionRow]) {
        if self.print_sessions(rows) {
            return;
        }
        if rows.is_empty() {
            self.note("no session is kept");
            return;
        }
        let header = ["HOST", "TARGET", "VIA", "STATE", "OPEN", "ENDS IN", "KEEPER"];
        let rows = rows.iter().map(cells).collect();
        self.answer(&table(&header, rows, self.width()));
    }

    /// Says which sessions were closed.
    pub fn closed_sessions(&mut self, rows: &[SessionRow]) {
        if !self.print_sessions(rows) {
            let busy = rows.iter().filter(|row| row.state == SessionState::Busy).count();
            let after =
                if busy == 0 { String::new() } else { format!(", {busy} of them when the run that uses it ends") };
            self.note(&format!("{} closed{after}", crate::domain::plural(rows.len(), "session")));
        }
    }

    fn print_sessions(&mut self, rows: &[SessionRow]) -> bool {
        if self.format == Format::Name {
            let names: String = rows.iter().map(|row| format!("{}\n", row.host)).collect();
            self.answer(&names);
            return true;
        }
        self.structured(&rows)
    }
}

fn cells(row: &SessionRow) -> Vec<String> {
    let line = |text: &str| sanitise::line(text).into_owned();
    let state = match row.state {
        SessionState::Idle => "idle",
        SessionState::Busy => "in use",
    };
    vec![
        line(&row.host),
        line(&row.target),
        if row.jump.is_empty() { "-".to_owned() } else { line(&row.jump.join(" > ")) },
        state.to_owned(),
        words::duration(row.open_seconds),
        row.ends_in_seconds.map_or_else(|| "-".to_owned(), words::duration),
        row.keeper.to_string(),
    ]
}
