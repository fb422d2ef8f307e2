//! The tables of `mcp history`.
//!
//! Boundary: reports in, text out. Everything of the journal is shown through `sanitise`: files can be written to by others.

use jiff::{Timestamp, tz::TimeZone};

use super::{Format, Ui, sanitise, table::table, words};
use crate::{
    config::journal::is_ok,
    operations::history::{HostRow, RunPage, RunReport, RunRow, RunState},
};

/// A time as people read it here: `2026-05-14 12:15:02`, in the local time zone, UTC where that is not known.
#[must_use]
pub fn when(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

impl Ui {
    /// Prints runs.
    pub fn runs(&mut self, runs: &[RunReport]) {
        if self.format == Format::Name {
            let names: String = runs.iter().map(|run| format!("{}\n", run.run)).collect();
            self.answer(&names);
            return;
        }
        if self.structured(&runs) {
            return;
        }
        if runs.is_empty() {
            self.note("nothing was done in this workspace yet");
            return;
        }
        let rows = runs.iter().map(|run| self.run_row(run)).collect();
        let header = ["RUN", "STARTED", "WHO", "RESULT", "EXIT", "TOOK", "COMMAND"];
        self.answer(&table(&header, rows, self.width()));
    }

    fn run_row(&self, run: &RunReport) -> Vec<String> {
        let line = |text: &str| sanitise::line(text).into_owned();
        let exit = run.exit.map_or_else(|| "-".to_owned(), |code| code.to_string());
        let result = match run.state {
            RunState::Finished => line(&counts(run)),
            state => format!("{}: {}", state.as_str(), line(&counts(run))),
        };
        let result = match (run.state, run.exit) {
            (RunState::Finished, Some(0)) => result,
            (RunState::Running, _) => self.paint(&result, |s| s.cyan()),
            (RunState::Finished, Some(130)) => self.paint(&result, |s| s.yellow()),
            _ => self.paint(&result, |s| s.red()),
        };
        vec![
            run.run.clone(),
            when(run.started),
            line(&who(run, self.format == Format::Wide)),
            result,
            exit,
            run.seconds.map_or_else(|| "-".to_owned(), |s| format!("{s:.1} s")),
            line(&run.command.join(" ")),
        ]
    }

    /// Prints one run with its instances.
    pub fn run_page(&mut self, page: &RunPage) {
        if self.format == Format::Name {
            let instances = page.instances.iter().map(|row| format!("{}@{}\n", row.name, row.host));
            let names: String = instances.chain(page.hosts.iter().map(|row| format!("{}\n", row.host))).collect();
            self.answer(&names);
            return;
        }
        if self.structured(page) {
            return;
        }
        let took = |seconds: Option<f64>| seconds.map_or_else(|| "-".to_owned(), |s| format!("{s:.1} s"));
        let cause = |cause: &Option<String>| sanitise::line(cause.as_deref().unwrap_or_default()).into_owned();
        if page.hosts.is_empty() {
            let row = |row: &RunRow| {
                let result = self.run_outcome(&row.outcome, row.action.as_deref());
                vec![row.name.to_string(), row.host.to_string(), result, took(row.seconds), cause(&row.cause)]
            };
            let rows = page.instances.iter().map(row).collect();
            self.answer(&table(&["NAME", "HOST", "RESULT", "TOOK", "NOTE"], rows, self.width()));
        } else {
            let row = |row: &HostRow| {
                let result = self.run_outcome(&row.outcome, None);
                let code = row.exit_code.map_or_else(|| "-".to_owned(), |code| code.to_string());
                vec![row.host.to_string(), result, code, took(row.seconds), cause(&row.cause)]
            };
            let rows = page.hosts.iter().map(row).collect();
            self.answer(&table(&["HOST", "RESULT", "EXIT", "TOOK", "NOTE"], rows, self.width()));
        }
        let run = &page.run;
        let mut story = vec![format!("{} by {}: {}", when(run.started), who(run, true), run.command.join(" "))];
        story.extend(run.parent.as_ref().map(|parent| format!("goes on with {parent}")));
        let batches = page.batches.len();
        story.extend((batches > 1).then(|| format!("{batches} batches")));
        story.extend(run.halted.as_ref().map(|why| format!("ended early: {why}")));
        story.extend(run.interrupted.then(|| "interrupted".to_owned()));
        let took = run.seconds.map(|s| format!(" in {}", words::seconds(std::time::Duration::from_secs_f64(s))));
        story.push(format!("{}: {}{}", run.state.as_str(), counts(run), took.unwrap_or_default()));
        if page.left > 0 && run.state != RunState::Running {
            story.push(format!("{} left; resume with: mcp resume {}", page.left, run.run));
        }
        for line in story {
            self.note(&sanitise::line(&line));
        }
    }
}

impl Ui {
    /// What became of an instance or a host, in words.
    fn run_outcome(&self, outcome: &str, action: Option<&str>) -> String {
        let word = sanitise::line(&outcome.replace('_', " ")).into_owned();
        match outcome {
            "changed" => self.paint(&sanitise::line(action.unwrap_or("changed")), |s| s.green()),
            "unchanged" => "ok, unchanged".to_owned(),
            "ok" | "copied" => self.paint(&word, |s| s.green()),
            "failed" | "timed_out" => self.paint(&word, |s| s.red()),
            "not_attempted" | "pending" | "running" | "interrupted" => self.paint(&word, |s| s.yellow()),
            _ => self.paint(&word, |s| s.magenta()),
        }
    }
}

fn who(run: &RunReport, whole: bool) -> String {
    let acting = run.actor.as_ref().or(run.sudo_user.as_ref()).unwrap_or(&run.user);
    let mut text = format!("{acting}@{}", run.machine);
    if whole && *acting != run.user {
        text.push_str(&format!(" as {}", run.user));
    }
    if let Some(from) = run.from.as_ref().filter(|_| whole) {
        text.push_str(&format!(" from {from}"));
    }
    text
}

/// `3 ok · 1 failed · 8 not attempted`.
fn counts(run: &RunReport) -> String {
    let (ok, others): (Vec<_>, Vec<_>) = run.counts.iter().partition(|(outcome, _)| is_ok(outcome));
    let mut parts = vec![format!("{} ok", ok.into_iter().map(|(_, count)| count).sum::<usize>())];
    parts.extend(others.into_iter().map(|(outcome, count)| format!("{count} {}", outcome.replace('_', " "))));
    parts.join(" · ")
}
