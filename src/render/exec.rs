//! What commands on hosts say: as it comes, gathered by answer, or one JSON object per host.
//!
//! Boundary: events and reports in, text out. The output of commands is the answer; the recap is the story.

use std::{
    borrow::Cow,
    collections::HashMap,
    io::{self, IsTerminal, Write},
    time::Duration,
};

use console::Style;
use serde::Serialize as _;

use super::{Format, Ui, log::COLORS, sanitise, words};
use crate::{
    domain::{HostName, fold::fold},
    operations::{
        exec::{
            MEMORY_LIMIT, OUTPUT_LIMIT, Room, Stream,
            report::{ExecOutcome, ExecReport, ExecSummary, Troubled},
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
    /// What is being printed: one piece after the other in the same memory.
    text: Vec<u8>,
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
                text: vec![],
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
        Self { labels, several: true, raw_stdout: raw, raw_stderr: raw, text: vec![] }
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
    pub fn print(&mut self, ui: &mut Ui, index: usize, stream: Stream, bytes: &[u8]) -> bool {
        let mut text = std::mem::take(&mut self.text);
        let shown = if self.needs_lines(stream) {
            text.clear();
            self.lines(index, stream, bytes, &mut text);
            &text
        } else {
            bytes
        };
        let is_read = match stream {
            Stream::Stdout => ui.answer_bytes(shown),
            Stream::Stderr => {
                ui.story_bytes(shown);
                true
            }
        };
        self.text = text;
        is_read
    }

    fn lines(&self, index: usize, stream: Stream, bytes: &[u8], text: &mut Vec<u8>) {
        let label = self.labels.get(index).map_or("", |(out, err)| if stream == Stream::Stdout { out } else { err });
        // Looked at as a whole, because short lines cost more each than their bytes do.
        let as_it_is = self.is_raw(stream) || sanitise::is_plain(bytes);
        if as_it_is && label.is_empty() {
            text.extend_from_slice(bytes);
            if !bytes.ends_with(b"\n") {
                text.push(b'\n');
            }
            return;
        }
        for line in lines(bytes) {
            text.extend_from_slice(label.as_bytes());
            if as_it_is {
                text.extend_from_slice(line);
            } else {
                sanitise::append(text, line);
            }
            text.push(b'\n');
        }
    }
}

/// An answer: both streams, how it ended where that was not well, and whether something was dropped.
type Answer = (Vec<u8>, Vec<u8>, Option<String>, bool);

/// The hosts that gave one answer, and the room that it takes.
type Givers = (Vec<(usize, HostName)>, Room);

/// Holds each answer once, with the hosts that gave it.
#[derive(Default)]
pub struct Gathered {
    answers: HashMap<Answer, Givers>,
}

impl Gathered {
    /// Takes in what the host at `index` gave. An answer that was given before takes no more room.
    pub fn take(&mut self, index: usize, report: ExecReport) {
        let ending = report.ending();
        let answer = (report.stdout, report.stderr, ending, report.truncated);
        let (hosts, _) = self.answers.entry(answer).or_insert_with(|| {
            report.room.keep();
            (vec![], report.room)
        });
        hosts.push((index, report.host));
    }
}

impl Ui {
    /// Prints the groups of hosts that gave the same answer, in the order of their first hosts.
    pub fn gathered(&mut self, gathered: Gathered) {
        let mut groups: Vec<_> = gathered.answers.into_iter().collect();
        for (_, (hosts, _)) in &mut groups {
            hosts.sort_unstable_by_key(|(index, _)| *index);
        }
        groups.sort_unstable_by_key(|(_, (hosts, _))| hosts[0].0);
        for (answer, (hosts, _)) in groups {
            let names = fold(hosts.iter().map(|(_, name)| name.as_str()));
            let mut header = format!("--- {}", self.paint(&format!("{names} ({})", hosts.len()), |s| s.bold()));
            if let Some(ending) = &answer.2 {
                let ending = sanitise::line(ending).into_owned();
                header.push_str(&format!(" · {}", self.paint(&ending, |s| s.red())));
            }
            let label = format!("{} ", self.paint("stderr:", |s| s.red()));
            if !self.answer_in_pieces(|out| group(out, &header, &label, &answer)) {
                return;
            }
        }
    }

    /// Prints the report of one host as it ends, where the format is one of reports.
    pub fn exec_report(&mut self, report: &ExecReport) -> bool {
        // Its output is not looked at, and may be large.
        let report = &*if report.error.is_some() { self.hidden(report) } else { Cow::Borrowed(report) };
        match self.format {
            // One line: a consumer reads it as soon as the host has ended.
            Format::Json => self.answer_in_pieces(|out| {
                report.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, sanitise::Json))?;
                out.write_all(b"\n")
            }),
            Format::Yaml => self.answer("---\n") && self.structured(report) && !self.is_closed(),
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
        self.cut(summary);
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

    /// Says of whose output some was dropped, and how to have all of it.
    fn cut(&mut self, summary: &ExecSummary) {
        if summary.cut.is_empty() {
            return;
        }
        let names = fold(summary.cut.iter().map(HostName::as_str));
        let label = self.paint_err("cut:", |s| s.yellow().bold());
        let (of_a_stream, of_all) = (words::bytes(OUTPUT_LIMIT as u64), words::bytes(MEMORY_LIMIT as u64));
        let count = summary.cut.len();
        self.story(&format!(
            "{label} {names} ({count}): more output than is kept ({of_a_stream} of a stream, {of_all} of all hosts)"
        ));
        self.story("  hint:  without -b or an output format all of it is printed as it comes");
    }

    /// Prints each cause once, with the hosts that have it.
    pub(super) fn troubled(&mut self, summary: &ExecSummary) {
        for Troubled { outcome, hosts, trouble } in &summary.troubles {
            self.shared_trouble(&format!("{}: ", outcome.as_str()), hosts, trouble);
        }
    }
}

/// Writes one answer below its header, `label` before each line of standard error.
fn group(out: &mut dyn Write, header: &str, label: &str, (stdout, stderr, _, is_cut): &Answer) -> io::Result<()> {
    writeln!(out, "{header}")?;
    let mut text = vec![];
    for (stream, label) in [(stdout, ""), (stderr, label)] {
        for line in lines(stream).filter(|_| !stream.is_empty()) {
            text.clear();
            text.extend_from_slice(label.as_bytes());
            sanitise::append(&mut text, line);
            text.push(b'\n');
            out.write_all(&text)?;
        }
    }
    if *is_cut { writeln!(out, "… (cut: there was more output than is kept)") } else { Ok(()) }
}

/// The lines of a text, the last one perhaps without its end.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = text.strip_suffix(b"\n").unwrap_or(text);
    let mut ends = memchr::memchr_iter(b'\n', whole);
    let mut start = Some(0);
    std::iter::from_fn(move || {
        let from = start?;
        let end = ends.next();
        start = end.map(|end| end + 1);
        Some(&whole[from..end.unwrap_or(whole.len())])
    })
}
