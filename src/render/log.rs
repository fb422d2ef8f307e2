//! Log lines of several instances in arrival order.
//!
//! Boundary: lines in, text out; where they come from is `operations::stream`'s.

use console::{Color, Style};

use super::{Ui, sanitise};
use crate::operations::stream::LogLine;

/// Colours that tell sources apart.
pub(super) const COLORS: [Color; 6] =
    [Color::Cyan, Color::Yellow, Color::Green, Color::Magenta, Color::Blue, Color::Red];

/// Prints log lines, each with its instance when there are several.
pub struct LogPrinter {
    labels: Vec<String>,
    raw: bool,
}

impl LogPrinter {
    /// A printer for these instances. `raw` lets the bytes through as they are.
    #[must_use]
    pub fn new(ui: &Ui, instances: &[String], raw: bool) -> Self {
        if instances.len() < 2 {
            return Self { labels: vec![], raw };
        }
        let width = instances.iter().map(String::len).max().unwrap_or(0);
        let labels = instances
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let label = format!("{name:<width$} | ");
                if ui.colored() {
                    Style::new().force_styling(true).fg(COLORS[index % COLORS.len()]).apply_to(label).to_string()
                } else {
                    label
                }
            })
            .collect();
        Self { labels, raw }
    }

    /// Prints one line of the instance at `index`. Says `false` when nobody reads any more.
    pub fn line(&self, ui: &mut Ui, index: usize, line: &LogLine) -> bool {
        let label = self.labels.get(index);
        let mut text = label.map_or_else(Vec::new, |label| label.clone().into_bytes());
        if self.raw {
            text.extend_from_slice(&line.bytes);
        } else {
            sanitise::append(&mut text, &line.bytes);
        }
        // The bytes as they are have no line feeds but their own; those of several instances must not meet in a line.
        if line.ended || !self.raw || label.is_some() {
            text.push(b'\n');
        }
        ui.answer_bytes(&text)
    }
}
