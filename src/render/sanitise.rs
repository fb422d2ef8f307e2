//! Makes text from a host safe to show: control characters, escape sequences and bidirectional overrides become visible.
//!
//! Boundary: text in, text out. JSON needs none of this (it escapes by itself); `log --raw` goes around it.

use std::borrow::Cow;

/// `text` on one line: what could move the cursor, recolour or reorder a terminal is written as an escape.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\t' => out.push_str("    "),
            c if is_harmful(c) => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn is_harmful(c: char) -> bool {
    c.is_control()
        // Unicode Standard Annex #9: embeddings, overrides, isolates and marks; and the line and paragraph separators.
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{061c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_the_cursor_or_reorders_text_becomes_visible() {
        assert_eq!(line("a\x1b[31mred\x07"), "a\\u{1b}[31mred\\u{7}");
        assert_eq!(line("one\ntwo\r"), "one\\ntwo\\r");
        assert_eq!(line("x\u{202e}txt.exe"), "x\\u{202e}txt.exe");
        assert_eq!(line("a\tb"), "a    b");
    }

    #[test]
    fn ordinary_text_of_any_script_stays() {
        for text in ["plain", "naïve façade", "日本語", "🙂"] {
            assert_eq!(line(text), text);
        }
    }
}
