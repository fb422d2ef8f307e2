//! The two streams, and what they may look like.
//!
//! Boundary: writing and nothing else. What is written comes from the other files here.

use std::{
    io::{BufWriter, IsTerminal, Write},
    sync::Arc,
};

use console::{Style, Term};
use serde::Serialize;

use super::{color::ColorChoice, sanitise};
use crate::domain::secrets::Secrets;

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// A table that fits the terminal.
    #[default]
    Table,
    /// A table with every column, uncut.
    Wide,
    /// JSON, stable.
    Json,
    /// YAML, the same shape as the JSON.
    Yaml,
    /// Names only, one per line.
    Name,
}

/// The terminal, or what stands in for it.
pub struct Ui {
    /// How the answer is written.
    pub format: Format,
    /// Say only what is wrong.
    pub quiet: bool,
    /// Say each exec with its time.
    pub verbose: bool,
    /// Log how far each connection is, too.
    pub trace: bool,
    /// Whether questions may be asked.
    pub interactive: bool,
    /// Show secrets instead of hiding them.
    pub show_secrets: bool,
    /// Those that are registered.
    pub(super) secrets: Arc<Secrets>,
    /// Causes, hints and logs of troubles that were printed one by one.
    pub(super) told: Vec<(String, Option<String>, Vec<String>)>,
    color: bool,
    color_err: bool,
    width: Option<usize>,
    reader_left: bool,
    write_error: Option<String>,
}

impl Ui {
    /// Looks at the two streams and at the environment; `color` decides for both streams.
    #[must_use]
    pub fn new(format: Format, quiet: bool, verbose: bool, color: ColorChoice) -> Self {
        let out = std::io::stdout().is_terminal();
        let err = std::io::stderr().is_terminal();
        let width = out.then(|| Term::stdout().size_checked().map_or(80, |(_, columns)| usize::from(columns)));
        Self {
            format,
            quiet,
            verbose,
            trace: false,
            interactive: err && std::io::stdin().is_terminal(),
            show_secrets: false,
            secrets: Arc::default(),
            told: vec![],
            color: color.colors(out, |name| std::env::var_os(name)),
            color_err: color.colors(err, |name| std::env::var_os(name)),
            width,
            reader_left: false,
            write_error: None,
        }
    }

    /// Columns of the terminal that tables have to fit; `None` when stdout is not one.
    pub(super) fn width(&self) -> Option<usize> {
        if self.format == Format::Wide { None } else { self.width }
    }

    /// Rows and columns of the terminal now, which tables have to fit from here on; `None` when stdout is not one.
    pub(super) fn terminal_size(&mut self) -> Option<(usize, usize)> {
        self.width?;
        let (rows, columns) = Term::stdout().size_checked().unwrap_or((24, 80));
        self.width = Some(usize::from(columns));
        Some((usize::from(rows), usize::from(columns)))
    }

    /// Whether stderr shows colour.
    pub(super) fn colored_err(&self) -> bool {
        self.color_err
    }

    /// Whether stdout shows colour.
    pub(super) fn colored(&self) -> bool {
        self.color
    }

    /// Whether progress can be drawn on stderr.
    #[must_use]
    pub fn shows_progress(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }

    /// Writes `text` to stdout as it is. Says `false` when nobody reads it any more.
    pub fn answer(&mut self, text: &str) -> bool {
        self.answer_bytes(text.as_bytes())
    }

    /// As [`Ui::answer`], for bytes that are shown as they are.
    pub(super) fn answer_bytes(&mut self, bytes: &[u8]) -> bool {
        let mut out = std::io::stdout().lock();
        let written = out.write_all(bytes).and_then(|()| out.flush());
        self.note_writing(written)
    }

    /// Has `write` write to stdout piece by piece: for answers too long to be made in memory first. Says `false` when nobody reads it
    /// any more.
    pub(super) fn answer_in_pieces(&mut self, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> bool {
        let mut out = BufWriter::with_capacity(64 * 1024, std::io::stdout().lock());
        let written = write(&mut out).and_then(|()| out.flush());
        // Dropped with what is left, it would write again.
        let _ = out.into_parts();
        self.note_writing(written)
    }

    fn note_writing(&mut self, written: std::io::Result<()>) -> bool {
        if let Err(error) = written {
            // `mcp list | head -1`: the reader has what it wanted; that is no error. A full disk is.
            if error.kind() == std::io::ErrorKind::BrokenPipe {
                self.reader_left = true;
            } else if self.write_error.is_none() {
                self.write_error = Some(error.to_string());
            }
        }
        !self.is_closed()
    }

    /// Why the answer could not be written, if it could not; a reader that left is no reason.
    #[must_use]
    pub fn write_error(&self) -> Option<&str> {
        self.write_error.as_deref()
    }

    /// Whether stdout is a pipe that nobody reads any more.
    #[must_use]
    pub fn reader_left(&self) -> bool {
        self.reader_left
    }

    /// Whether stdout takes no more, for either reason: what goes on only to be shown can end.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.reader_left || self.write_error.is_some()
    }

    /// Writes one line to stderr.
    pub fn story(&mut self, line: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }

    /// Writes bytes to stderr as they are.
    pub(super) fn story_bytes(&mut self, bytes: &[u8]) {
        let _ = std::io::stderr().lock().write_all(bytes);
    }

    /// Writes to stderr unless `--quiet`, each line safe to show.
    pub fn note(&mut self, text: &str) {
        if !self.quiet {
            let text = self.hide(text).into_owned();
            text.lines().for_each(|line| self.story(&sanitise::line(line)));
        }
    }

    /// Writes a warning to stderr.
    pub fn warn(&mut self, line: &str) {
        let label = self.paint_err("warning:", |s| s.yellow().bold());
        let line = self.hide(line).into_owned();
        self.story(&format!("{label} {}", sanitise::line(&line)));
    }

    /// Writes `value` as JSON or YAML. Says `false`, having written nothing, when neither was asked for.
    pub fn structured(&mut self, value: &impl Serialize) -> bool {
        let text = match self.format {
            Format::Json => pretty(value).map(|text| sanitise::json(&text).into_owned()),
            // YAML has no way to write such characters outside of quotes; JSON is YAML, and has.
            Format::Yaml => match crate::config::to_yaml(value).map_err(|e| e.to_string()) {
                Ok(text) if !sanitise::is_safe(&text) => {
                    pretty(value).map(|text| sanitise::json_as_yaml(&text).into_owned())
                }
                written => written,
            },
            Format::Table | Format::Wide | Format::Name => return false,
        };
        match text {
            Ok(text) => self.answer(&text),
            Err(error) => {
                self.warn(&format!("this answer cannot be written: {error}"));
                true
            }
        };
        true
    }

    /// Asks a yes-or-no question on the terminal; `false` unless the answer begins with y.
    pub fn confirm(&mut self, question: &str) -> bool {
        let _ = write!(std::io::stderr().lock(), "{} [y/N] ", sanitise::line(question));
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).is_ok() && line.trim_start().to_lowercase().starts_with('y')
    }

    /// `text` in a style on stdout.
    pub(super) fn paint(&self, text: &str, style: impl Fn(Style) -> Style) -> String {
        if self.color { style(Style::new().force_styling(true)).apply_to(text).to_string() } else { text.to_owned() }
    }

    /// `text` in a style on stderr.
    pub(super) fn paint_err(&self, text: &str, style: impl Fn(Style) -> Style) -> String {
        if self.color_err {
            style(Style::new().force_styling(true)).apply_to(text).to_string()
        } else {
            text.to_owned()
        }
    }
}

fn pretty(value: &impl Serialize) -> Result<String, String> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(|error| error.to_string())
}

/// Writes out what is still in the buffer of standard output.
///
/// # Errors
/// It cannot be written.
pub fn flush() -> std::io::Result<()> {
    std::io::Write::flush(&mut std::io::stdout())
}
