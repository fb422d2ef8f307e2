//! Log lines of several instances in arrival order.
//!
//! Boundary: lines in, text out; where they come from is `operations::stream`'s.

use console::{Color, Style};
use serde::Serialize;

use super::{Format, Ui, sanitise};
use crate::{
    domain::{HostName, Instance, ServerName},
    operations::stream::{CUT, LogEvent, LogLine, Pause},
};

/// Colours that tell sources apart.
pub(super) const COLORS: [Color; 6] =
    [Color::Cyan, Color::Yellow, Color::Green, Color::Magenta, Color::Blue, Color::Red];

/// Prints log lines, each with its instance when there are several.
pub struct LogPrinter {
    instances: Vec<Instance>,
    labels: Vec<String>,
    shows_times: Vec<bool>,
    raw: bool,
    colored: bool,
}

/// A line as JSON. Every key is always there; what is not known is null.
#[derive(Serialize)]
struct Row<'a> {
    /// Docker's time, as docker wrote it.
    time: Option<&'a str>,
    name: &'a ServerName,
    host: &'a HostName,
    /// `stdout` or `stderr`.
    stream: &'static str,
    line: &'a str,
    /// Whether the line was longer than is kept.
    truncated: bool,
}

impl LogPrinter {
    /// A printer for these instances; `shows_times` says for each whether docker's times stand in front of its lines. `raw` lets the bytes
    /// through as they are.
    #[must_use]
    pub fn new(ui: &Ui, instances: Vec<Instance>, shows_times: Vec<bool>, raw: bool) -> Self {
        let colored = ui.colored();
        if instances.len() < 2 {
            return Self { instances, labels: vec![], shows_times, raw, colored };
        }
        let names: Vec<String> = instances.iter().map(ToString::to_string).collect();
        let width = names.iter().map(String::len).max().unwrap_or(0);
        let labels = names
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let label = format!("{name:<width$} | ");
                if colored {
                    Style::new().force_styling(true).fg(COLORS[index % COLORS.len()]).apply_to(label).to_string()
                } else {
                    label
                }
            })
            .collect();
        Self { instances, labels, shows_times, raw, colored }
    }

    /// Prints one line of the instance at `index`. Says `false` when nobody reads any more.
    pub fn line(&self, ui: &mut Ui, index: usize, line: &LogLine) -> bool {
        if ui.format == Format::Json {
            return self.json(ui, index, line);
        }
        let label = self.labels.get(index);
        let mut text = label.map_or_else(Vec::new, |label| label.clone().into_bytes());
        let shown = if self.shows_times[index] { line.stamped() } else { line.text() };
        if self.raw {
            text.extend_from_slice(shown);
        } else if self.colored {
            sanitise::append_colored(&mut text, shown);
        } else {
            sanitise::append(&mut text, shown);
        }
        if line.is_cut {
            text.extend_from_slice(CUT.as_bytes());
        }
        // The bytes as they are have no line feeds but their own; those of several instances must not meet in a line.
        if line.ended || !self.raw || label.is_some() {
            text.push(b'\n');
        }
        ui.answer_bytes(&text)
    }

    fn json(&self, ui: &mut Ui, index: usize, line: &LogLine) -> bool {
        let text = String::from_utf8_lossy(line.text());
        let instance = &self.instances[index];
        let row = Row {
            time: Some(line.stamp()).filter(|stamp| !stamp.is_empty()),
            name: &instance.server,
            host: &instance.host,
            stream: line.stream_name(),
            line: &text,
            truncated: line.is_cut,
        };
        ui.answer_in_pieces(|out| {
            row.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, sanitise::Json))?;
            writeln!(out)
        })
    }
}

impl Ui {
    /// Says on stderr what happens to a log that is followed. stdout has the lines alone.
    pub fn log_news(&mut self, instance: &str, event: &LogEvent) {
        match event {
            LogEvent::Paused(Pause::Absent) => {
                self.note(&format!("-- {instance}: there is no container; waiting for its start"));
            }
            LogEvent::Paused(Pause::Stopped) => {
                self.note(&format!("-- {instance}: the container does not run; waiting for its next start"));
            }
            LogEvent::Paused(Pause::Lost(why)) => {
                self.warn(&format!("{instance}: the connection was lost, connecting again: {why}"));
            }
            LogEvent::Paused(Pause::Failed(why)) => {
                self.warn(&format!("{instance}: docker cannot go on, waiting for it: {why}"));
            }
            LogEvent::Resumed => self.note(&format!("-- {instance}: reading again")),
            LogEvent::Remark(text) => self.note(&format!("-- {instance}: beside the log: {}", text.trim_end())),
            LogEvent::Line(_) | LogEvent::Ended(_) => {}
        }
    }
}
