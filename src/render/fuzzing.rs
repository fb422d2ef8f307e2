//! The fuzzing target of what makes text safe to show.
//!
//! Boundary: bytes in; a panic when something does not hold. Built for tests and fuzzing only.

use super::{sanitise as safe, table::table};

/// Text and bytes of a host: nothing that moves a cursor, colours or reorders is left, and a table fits.
pub(crate) fn sanitise(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let shown = safe::line(&text);
    assert!(!shown.chars().any(safe::is_harmful), "{shown:?}");
    assert_eq!(safe::line(&shown), shown, "safe text was changed");
    for line in data.split(|byte| *byte == b'\n') {
        let mut out = vec![];
        safe::append(&mut out, line);
        let out = String::from_utf8(out).unwrap_or_else(|error| panic!("{error}"));
        assert!(!out.chars().any(safe::is_harmful), "{out:?}");
    }
    let cells: Vec<String> = text.split(' ').take(8).map(|cell| safe::line(cell).into_owned()).collect();
    let rows: Vec<Vec<String>> = cells.chunks_exact(2).map(<[String]>::to_vec).collect();
    let lines = table(&["NAME", "MESSAGE"], rows.clone(), None);
    assert_eq!(lines.lines().count(), rows.len() + 1, "{lines:?}");
    for line in table(&["NAME", "MESSAGE"], rows.clone(), Some(40)).lines() {
        let is_name = rows.iter().any(|row| row[0].trim_end() == line);
        assert!(console::measure_text_width(line) <= 40 || is_name, "{line:?}");
    }
}
