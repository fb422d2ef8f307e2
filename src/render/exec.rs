//! What commands on hosts say: as it comes, gathered by answer, or one JSON object per host.
//!
//! Boundary: events and reports in, text out. The output of commands is the answer; the recap is the story.

use std::{borrow::Cow, collections::HashMap, io::IsTerminal, time::Duration};

use console::Style;

use super::{Format, Ui, log::COLORS, sanitise};
use crate::{
    domain::{HostName, fold::fold},
    operations::{
        exec::{
            Stream,
            report::{ExecOutcome, ExecReport, ExecSummary},
        },
        host_run::HostRunReport,
    },
};

/// Prints the output of commands as it comes, each line with its host.
pub struct ExecPrinter {
    labels: Vec<(String, String)>,
    /// Bytes of several hosts may not meet within a line.
    several: bool,
    raw_stdout: bool,
    raw_stderr: bool,
}

impl ExecPrinter {
    /// A printer for these hosts. Without labels, a stream that is no terminal gets the bytes as they are.
    #[must_use]
    pub fn new(ui: &Ui, hosts: &[&HostName], labelled: bool, raw: bool) -> Self {
        if !labelled {
            return Self {
                labels: vec![],
                several: hosts.len() > 1,
                raw_stdout: raw || !std::io::stdout().is_terminal(),
                raw_stderr: raw || !std::io::stderr().is_terminal(),
            };
        }
        let width = hosts.iter().map(|name| name.as_str().len()).max().unwrap_or(0) + 1;
        let paint = |colored: bool, is_terminal: bool, index: usize, name: &HostName| {
            // Columns help an eye; a program wants one space.
            let label = if is_terminal { format!("{:<width$} ", format!("{name}:")) } else { format!("{name}: ") };
            let style = Style::new().force_styling(true).fg(COLORS[index % COLORS.len()]);
            if colored { style.apply_to(label).to_string() } else { label }
        };
        let (out, err) = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        let labels = hosts
            .iter()
            .enumerate()
            .map(|(n, name)| (paint(ui.colored(), out, n, name), paint(ui.colored_err(), err, n, name)))
            .collect();
        Self { labels, several: true, raw_stdout: raw, raw_stderr: raw }
    }

    /// Whether the lines of a stream must be whole when they are printed.
    #[must_use]
    pub fn needs_lines(&self, stream: Stream) -> bool {
        self.several || !self.labels.is_empty() || !self.is_raw(stream)
    }

    fn is_raw(&self, stream: Stream) -> bool {
        if stream == Stream::Stdout { self.raw_stdout } else { self.raw_stderr }
    }

    /// Prints what came from the host at `index`. Says `false` when nobody reads any more.
    pub fn print(&self, ui: &mut Ui, index: usize, stream: Stream, bytes: &[u8]) -> bool {
        let text =
            if self.needs_lines(stream) { Cow::Owned(self.lines(index, stream, bytes)) } else { Cow::Borrowed(bytes) };
        match stream {
            Stream::Stdout => ui.answer_bytes(&text),
            Stream::Stderr => {
                ui.story_bytes(&text);
                true
            }
        }
    }

    fn lines(&self, index: usize, stream: Stream, bytes: &[u8]) -> Vec<u8> {
        let label = self.labels.get(index).map_or("", |(out, err)| if stream == Stream::Stdout { out } else { err });
        let mut text = Vec::with_capacity(bytes.len() + 64);
        for line in bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|byte| *byte == b'\n') {
            text.extend_from_slice(label.as_bytes());
            if self.is_raw(stream) {
                text.extend_from_slice(line);
            } else {
                text.extend_from_slice(safe(line).as_bytes());
            }
            text.push(b'\n');
        }
        text
    }
}

/// A line of a host's output, safe to show.
fn safe(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    sanitise::line(&String::from_utf8_lossy(line)).into_owned()
}

/// An answer: both streams, how it ended where that was not well, and whether something was dropped.
type Answer = (Vec<u8>, Vec<u8>, Option<String>, bool);

/// Holds each answer once, with the hosts that gave it.
#[derive(Default)]
pub struct Gathered {
    answers: HashMap<Answer, Vec<(usize, HostName)>>,
}

impl Gathered {
    /// Takes in what the host at `index` gave.
    pub fn take(&mut self, index: usize, report: ExecReport) {
        let ending = report.ending();
        let answer = (report.stdout, report.stderr, ending, report.truncated);
        self.answers.entry(answer).or_default().push((index, report.host));
    }
}

impl Ui {
    /// Prints the groups of hosts that gave the same answer, in the order of their first hosts.
    pub fn gathered(&mut self, gathered: Gathered) {
        let mut groups: Vec<_> = gathered.answers.into_iter().collect();
        for (_, hosts) in &mut groups {
            hosts.sort_unstable_by_key(|(index, _)| *index);
        }
        groups.sort_unstable_by_key(|(_, hosts)| hosts[0].0);
        for ((stdout, stderr, ending, truncated), hosts) in groups {
            let names = fold(hosts.iter().map(|(_, name)| name.as_str()));
            let header = self.paint(&format!("{names} ({})", hosts.len()), |s| s.bold());
            let mut text = format!("--- {header}");
            if let Some(ending) = ending {
                let ending = sanitise::line(&ending).into_owned();
                text.push_str(&format!(" · {}", self.paint(&ending, |s| s.red())));
            }
            text.push('\n');
            for line in lines(&stdout) {
                text.push_str(&safe(line));
                text.push('\n');
            }
            let label = self.paint("stderr:", |s| s.red());
            for line in lines(&stderr) {
                text.push_str(&format!("{label} {}\n", safe(line)));
            }
            if truncated {
                text.push_str("… (cut: there was more than 8 MiB of output)\n");
            }
            if !self.answer(&text) {
                return;
            }
        }
    }

    /// Prints the report of one host as it ends, where the format is one of reports.
    pub fn exec_report(&mut self, report: &ExecReport) -> bool {
        match self.format {
            // One line: a consumer reads it as soon as the host has ended.
            Format::Json => match serde_json::to_string(report) {
                Ok(line) => self.answer(&(line + "\n")),
                Err(error) => {
                    self.warn(&format!("the answer of {} cannot be written: {error}", report.host));
                    true
                }
            },
            Format::Yaml => self.answer("---\n") && self.structured(report) && !self.reader_left(),
            Format::Name if report.outcome == ExecOutcome::Ok => self.answer(&format!("{}\n", report.host)),
            _ => true,
        }
    }

    /// Says which hosts did not do it and why, and the sum.
    pub fn exec_recap(&mut self, summary: &ExecSummary, elapsed: Duration, run: &HostRunReport) {
        for (ending, hosts) in &summary.endings {
            let names = fold(hosts.iter().map(HostName::as_str));
            let label = self.paint_err("failed:", |s| s.red().bold());
            self.story(&format!("{label} {names} ({}): {}", hosts.len(), sanitise::line(ending)));
        }
        self.troubled(summary);
        let mut parts = vec![format!("{} ok", summary.counts.get(&ExecOutcome::Ok).copied().unwrap_or(0))];
        for (outcome, count) in summary.counts.iter().filter(|(outcome, _)| **outcome != ExecOutcome::Ok) {
            let mut part = format!("{count} {}", outcome.as_str());
            if *outcome == ExecOutcome::Failed && !summary.endings.is_empty() {
                let endings = summary.endings.iter().map(|(ending, hosts)| match summary.endings.len() {
                    1 => ending.clone(),
                    _ => format!("{ending}: {}", hosts.len()),
                });
                part.push_str(&format!(" ({})", endings.collect::<Vec<_>>().join(", ")));
            }
            parts.push(part);
        }
        self.host_run("exec", &parts.join(" · "), elapsed, run);
    }

    /// Prints each cause once, with the hosts that have it.
    pub(super) fn troubled(&mut self, summary: &ExecSummary) {
        for troubled in &summary.troubles {
            let names = fold(troubled.hosts.iter().map(HostName::as_str));
            let label = self.paint_err("error:", |s| s.red().bold());
            self.story(&format!("{label} {} on {names} ({})", troubled.outcome.as_str(), troubled.hosts.len()));
            // Names and addresses in the words are those of one of them.
            let of = match (troubled.hosts.len(), troubled.hosts.first()) {
                (2.., Some(first)) => format!("on {first}: "),
                _ => String::new(),
            };
            self.story(&format!("  cause: {of}{}", sanitise::line(&troubled.trouble.cause)));
            if let Some(hint) = &troubled.trouble.hint {
                self.story(&format!("  hint:  {}", sanitise::line(hint)));
            }
        }
    }
}

/// The lines of a text, the last one perhaps without its end.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = text.strip_suffix(b"\n").unwrap_or(text);
    whole.split(|byte| *byte == b'\n').filter(move |_| !text.is_empty())
}
