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

/// Appends `line`, the bytes of one line of a host's output, to `out`; what is not UTF-8 becomes U+FFFD, the carriage return of a
/// line end goes.
pub(super) fn append(out: &mut Vec<u8>, line: &[u8]) {
    let text = line.strip_suffix(b"\r").unwrap_or(line);
    if is_plain(text) {
        out.extend_from_slice(text);
    } else {
        out.extend_from_slice(self::line(&String::from_utf8_lossy(text)).as_bytes());
    }
}

/// Whether `text` is printable ASCII and line feeds. No branch within a block, so that 16 to 64 bytes are looked at at once.
pub(super) fn is_plain(text: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.wrapping_sub(b' ') < 0x5f || *byte == b'\n';
    text.chunks(256).all(|block| block.iter().fold(true, |all, byte| all & is_plain(byte)))
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
    fn bytes_of_a_line_are_as_safe_as_its_text() {
        let safe = |bytes: &[u8]| {
            let mut out = b"> ".to_vec();
            append(&mut out, bytes);
            String::from_utf8_lossy(&out).into_owned()
        };
        for text in ["plain", "", "a\tb", "a\x1b[31mred", "naïve", "x\u{202e}y", "~ \x7f", &"x".repeat(1000)] {
            assert_eq!(safe(text.as_bytes()), format!("> {}", line(text)));
        }
        assert_eq!(safe(b"cr\r"), "> cr");
        assert_eq!(safe(b"\xff"), "> \u{fffd}");
    }

    #[test]
    fn plain_is_what_needs_no_change_at_all() {
        for byte in 0..=u8::MAX {
            let mut text = vec![b'x'; 300];
            text[299] = byte;
            assert_eq!(is_plain(&text), byte == b'\n' || (b' '..=b'~').contains(&byte), "{byte}");
        }
    }

    #[test]
    fn ordinary_text_of_any_script_stays() {
        for text in ["plain", "naïve façade", "日本語", "🙂"] {
            assert_eq!(line(text), text);
        }
    }
}
