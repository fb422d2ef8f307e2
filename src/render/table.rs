//! Tables that fit the terminal.
//!
//! Boundary: rows of text in, lines out; columns never wrap, the widest give way first.

use comfy_table::{ContentArrangement, Row, Table, TableStyle};

/// Lays `rows` out under `header` within `width` columns; `None` lets them be as wide as they are (output to a file).
pub(super) fn table(header: &[&str], rows: Vec<Vec<String>>, width: Option<usize>) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    let width = width.and_then(|w| u16::try_from(w).ok());
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    } else {
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    table.set_header(Row::from(header.to_vec()));
    for row in rows {
        let mut row = Row::from(row);
        row.max_height(1);
        table.add_row(row);
    }
    let last = header.len().saturating_sub(1);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index == last { 0 } else { 2 }));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        vec![
            vec!["finance".into(), "running".into(), "a very long message that will not fit in forty columns".into()],
            vec!["x".into(), "stopped".into(), String::new()],
        ]
    }

    #[test]
    fn a_table_keeps_one_line_per_row_and_fits_the_width() {
        let text = table(&["NAME", "STATUS", "MESSAGE"], rows(), Some(40));
        assert_eq!(text.lines().count(), 3);
        assert!(text.lines().all(|l| console::measure_text_width(l) <= 40), "{text}");
    }

    #[test]
    fn a_table_for_a_file_cuts_nothing() {
        let text = table(&["NAME", "STATUS", "MESSAGE"], rows(), None);
        assert!(text.contains("will not fit in forty columns"), "{text}");
    }
}
