//! Tables that fit the terminal.
//!
//! Boundary: rows of text in, lines out. Off a terminal nothing is left out or cut. On one, columns without any value are left out,
//! and where the rest is too wide `fit` chooses what is dropped, shortened or put below its row; names, states and causes never are.

mod fit;

use std::borrow::Cow;

use textwrap::{Options, WordSplitter};

use self::fit::{Column, Cut, Plan, Text};
use super::sanitise::is_plain;

/// Columns that are shown even without any value, because their place is where people look.
const ALWAYS: [&str; 5] = ["NAME", "HOST", "STATUS", "RESULT", "MESSAGE"];

/// Blanks between two columns.
const BETWEEN: usize = 2;

/// Blanks in front of what is put below its row.
const INDENT: &str = "  ";

/// Lays `rows` out under `header` within `width` columns; `None` lets them be as wide as they are (output to a file).
pub(super) fn table(header: &[&str], rows: Vec<Vec<String>>, width: Option<usize>) -> String {
    let is_shown = |column: usize| width.is_none() || ALWAYS.contains(&header[column]) || has_value(&rows, column);
    let heads = std::iter::once(header.iter().map(|head| Cell::new(head)).collect());
    let lines: Vec<Vec<Cell<'_>>> =
        heads.chain(rows.iter().map(|row| row.iter().map(|cell| Cell::new(cell)).collect())).collect();
    let columns: Vec<Column<'_>> = (0..header.len())
        .filter(|at| is_shown(*at))
        .map(|at| {
            let natural = lines.iter().map(|line| line[at].width).max().unwrap_or(0);
            Column { head: header[at], at, natural }
        })
        .collect();
    let plan = Plan::new(&columns, width.unwrap_or(usize::MAX));
    let mut out = String::new();
    for (number, line) in lines.iter().enumerate() {
        // The head of what stands below the rows would be a line of its own for nothing.
        let text = plan.text_of(line).filter(|_| number > 0 || !matches!(plan.text, Text::Below(_)));
        match width.filter(|width| plan.width() > *width) {
            Some(width) => flow(&mut out, plan.columns.iter().map(|(at, _)| &line[*at]), width),
            None => row(&mut out, line, &plan, text),
        }
        if let (Text::Below(_), Some(text), Some(width)) = (plan.text, text, width) {
            for piece in wrapped(&text.text, width.saturating_sub(INDENT.len())) {
                out.push_str(&format!("{INDENT}{piece}\n"));
            }
        }
    }
    out
}

/// One line of text and how many columns it takes.
struct Cell<'a> {
    text: Cow<'a, str>,
    width: usize,
}

impl<'a> Cell<'a> {
    fn new(text: &'a str) -> Self {
        let text = text.lines().next().unwrap_or_default();
        let width = if is_plain(text.as_bytes()) { text.len() } else { console::measure_text_width(text) };
        Self { text: Cow::Borrowed(text), width }
    }
}

impl Plan {
    /// The text of a row, where it has one.
    fn text_of<'c, 'a>(&self, line: &'c [Cell<'a>]) -> Option<&'c Cell<'a>> {
        let (Text::Beside(at, _) | Text::Below(at)) = self.text else { return None };
        line.get(at).filter(|cell| !matches!(&*cell.text, "" | "-"))
    }

    /// How wide the columns are together, without the text.
    fn width(&self) -> usize {
        self.columns.iter().map(|(_, width)| width + BETWEEN).sum::<usize>().saturating_sub(BETWEEN)
    }
}

/// A row in columns; a text beside them that is too long goes on below itself.
fn row(out: &mut String, line: &[Cell<'_>], plan: &Plan, text: Option<&Cell<'_>>) {
    let begin = out.len();
    for (at, width) in &plan.columns {
        let cell = &line[*at];
        let (shown, taken) = if cell.width > *width {
            let shown = shortened(&cell.text, *width, plan.cut(*at));
            let taken = console::measure_text_width(&shown);
            (Cow::Owned(shown), taken)
        } else {
            (Cow::Borrowed(&*cell.text), cell.width)
        };
        out.push_str(&shown);
        out.extend(std::iter::repeat_n(' ', width.saturating_sub(taken) + BETWEEN));
    }
    if let (Text::Beside(_, width), Some(text)) = (plan.text, text) {
        if text.width <= width {
            out.push_str(&text.text);
        } else {
            let indent = " ".repeat(if plan.columns.is_empty() { 0 } else { plan.width() + BETWEEN });
            out.push_str(&wrapped(&text.text, width).join(&format!("\n{indent}")));
        }
    }
    let end = begin + out[begin..].trim_end_matches(' ').len();
    out.truncate(end);
    out.push('\n');
}

/// A row whose columns do not fit side by side: as many of its cells on a line as fit, whole.
fn flow<'c>(out: &mut String, cells: impl Iterator<Item = &'c Cell<'c>>, width: usize) {
    let mut used = 0;
    for (number, cell) in cells.filter(|cell| cell.width > 0).enumerate() {
        if number > 0 && used + BETWEEN + cell.width <= width {
            out.push_str("  ");
            used += BETWEEN;
        } else if number > 0 {
            out.push('\n');
            out.push_str(INDENT);
            used = INDENT.len();
        }
        out.push_str(&cell.text);
        used += cell.width;
    }
    out.push('\n');
}

fn wrapped(text: &str, width: usize) -> Vec<Cow<'_, str>> {
    textwrap::wrap(text, Options::new(width.max(1)).word_splitter(WordSplitter::NoHyphenation))
}

/// `text` in `width` columns, with a mark where something was cut.
fn shortened(text: &str, width: usize, cut: Cut) -> String {
    match cut {
        Cut::End => console::truncate_str(text, width, "…").into_owned(),
        Cut::Start => {
            let mut left = width.saturating_sub(1);
            let fits = |c: &char| {
                let wide = console::measure_text_width(c.encode_utf8(&mut [0; 4]));
                let fits = wide <= left;
                left = if fits { left - wide } else { 0 };
                fits
            };
            let mut end: Vec<char> = text.chars().rev().take_while(fits).collect();
            end.push('…');
            end.into_iter().rev().collect()
        }
    }
}

fn has_value(rows: &[Vec<String>], column: usize) -> bool {
    rows.iter().any(|row| !matches!(row[column].as_str(), "" | "-"))
}

#[cfg(test)]
mod tests;
