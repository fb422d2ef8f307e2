//! Tables that fit the terminal.
//!
//! Boundary: rows of text in, lines out. On a terminal columns without any value are left out, long texts give way and names
//! do not. What fits is only padded, which costs a tenth of what the library's arrangement does.

use comfy_table::{ColumnConstraint, ContentArrangement, Row, Table, TableStyle, Width};

use super::sanitise::is_plain;

/// Columns that may be cut when the terminal is too narrow; the others say which row it is.
const ELASTIC: [&str; 7] = ["MESSAGE", "NOTE", "IMAGE", "COMMAND", "GROUPS", "TARGET", "CONTAINER"];

/// Columns that are shown even without any value, because their place is where people look.
const ALWAYS: [&str; 5] = ["NAME", "HOST", "STATUS", "RESULT", "MESSAGE"];

/// Narrowest an elastic column gets.
const LEAST: u16 = 8;

/// Blanks between two columns.
const BETWEEN: usize = 2;

/// Widest table that is only padded; the library counts columns in 16 bits.
const WIDEST: usize = 30_000;

/// Lays `rows` out under `header` within `width` columns; `None` lets them be as wide as they are (output to a file).
pub(super) fn table(header: &[&str], rows: Vec<Vec<String>>, width: Option<usize>) -> String {
    let shown: Vec<usize> = (0..header.len())
        .filter(|column| width.is_none() || ALWAYS.contains(&header[*column]) || has_value(&rows, *column))
        .collect();
    padded(header, &rows, &shown, width).unwrap_or_else(|| arranged(header, rows, &shown, width))
}

/// The rows as they are, when they fit and every cell is one line of text.
fn padded(header: &[&str], rows: &[Vec<String>], shown: &[usize], width: Option<usize>) -> Option<String> {
    let measure = |cell: &str| {
        let is_text = !cell.chars().any(|c| c.is_control() && c != '\u{1b}');
        is_text.then(|| if is_plain(cell.as_bytes()) { cell.len() } else { console::measure_text_width(cell) })
    };
    let mut lines: Vec<Vec<(&str, usize)>> = Vec::with_capacity(rows.len() + 1);
    lines.push(shown.iter().map(|column| Some((header[*column], measure(header[*column])?))).collect::<Option<_>>()?);
    for row in rows {
        let cells = shown.iter().map(|column| Some((row[*column].as_str(), measure(&row[*column])?)));
        lines.push(cells.collect::<Option<_>>()?);
    }
    let mut widths = vec![0; shown.len()];
    for line in &lines {
        widths.iter_mut().zip(line).for_each(|(width, (_, cell))| *width = (*width).max(*cell));
    }
    let between = shown.len().saturating_sub(1) * BETWEEN;
    let whole = widths.iter().sum::<usize>() + between;
    if whole > width.unwrap_or(WIDEST).min(WIDEST) {
        return None;
    }
    let mut text = String::with_capacity(lines.len() * (whole + 1));
    for line in lines {
        let begin = text.len();
        for ((cell, cell_width), width) in line.into_iter().zip(&widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', width - cell_width + BETWEEN));
        }
        let end = begin + text[begin..].trim_end().len();
        text.truncate(end);
        text.push('\n');
    }
    Some(text)
}

/// The rows arranged by the library: columns are narrowed, texts cut.
fn arranged(header: &[&str], rows: Vec<Vec<String>>, shown: &[usize], width: Option<usize>) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    match width.and_then(|w| u16::try_from(w).ok()) {
        Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    let mut first = Row::from(shown.iter().map(|column| header[*column]).collect::<Vec<_>>());
    first.max_height(1);
    table.set_header(first);
    for row in rows {
        let mut row = Row::from(shown.iter().map(|column| row[*column].clone()).collect::<Vec<_>>());
        row.max_height(1);
        table.add_row(row);
    }
    let last = shown.len().saturating_sub(1);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index == last { 0 } else { 2 }));
        if width.is_some() {
            column.set_constraint(if ELASTIC.contains(&header[shown[index]]) {
                ColumnConstraint::LowerBoundary(Width::Fixed(LEAST))
            } else {
                ColumnConstraint::ContentWidth
            });
        }
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn has_value(rows: &[Vec<String>], column: usize) -> bool {
    rows.iter().any(|row| !matches!(row[column].as_str(), "" | "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [&str; 4] = ["NAME", "STATUS", "CPU", "MESSAGE"];

    fn rows() -> Vec<Vec<String>> {
        let long = "a very long message that will not fit in forty columns";
        vec![
            vec!["finance".into(), "running".into(), "-".into(), long.into()],
            vec!["x".into(), "stopped".into(), "-".into(), String::new()],
        ]
    }

    #[test]
    fn a_table_keeps_one_line_per_row_and_fits_the_width() {
        let text = table(&HEADER, rows(), Some(40));
        assert_eq!(text.lines().count(), 3);
        assert!(text.lines().all(|l| console::measure_text_width(l) <= 40), "{text}");
    }

    #[test]
    fn names_and_states_are_whole_however_narrow_the_terminal_is() {
        let text = table(&HEADER, rows(), Some(12));
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("finance  running"), "{text}");
    }

    #[test]
    fn a_column_without_any_value_is_left_out_on_a_terminal_only() {
        assert!(!table(&HEADER, rows(), Some(80)).contains("CPU"));
        assert!(table(&HEADER, rows(), None).contains("CPU"));
    }

    #[test]
    fn a_table_for_a_file_cuts_nothing() {
        let text = table(&HEADER, rows(), None);
        assert!(text.contains("will not fit in forty columns"), "{text}");
    }
    proptest::proptest! {
        #[test]
        fn padding_makes_the_same_table_as_the_library(
            cells in proptest::collection::vec("[a-z \\-日é\u{301}🙂]{0,12}|\u{1b}\\[32mrunning\u{1b}\\[0m|-|\\PC{0,6}", 16),
            width in proptest::option::of(10usize..90),
        ) {
            let rows: Vec<Vec<String>> = cells.chunks(4).map(<[String]>::to_vec).collect();
            let shown = [0, 1, 2, 3];
            if let Some(text) = padded(&HEADER, &rows, &shown, width) {
                proptest::prop_assert_eq!(text, arranged(&HEADER, rows, &shown, width));
            }
        }
    }

    #[test]
    fn a_cell_of_two_lines_shows_one() {
        let rows = vec![vec!["x".into(), "stopped".into(), "-".into(), "one\ntwo".into()]];
        assert_eq!(table(&HEADER, rows, None).lines().count(), 2);
    }
}
