//! Makes text from a host safe to show: control characters, escape sequences and bidirectional overrides become visible.
//!
//! Boundary: text in, text out. `log --raw` and `exec --raw` go around it.

use std::{
    borrow::Cow,
    io::{self, Write},
};

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

/// As [`append`], but colours and styles pass: SGR sequences (ECMA-48, 8.3.117) that hide nothing. They end with the line.
pub(super) fn append_colored(out: &mut Vec<u8>, line: &[u8]) {
    if !line.contains(&0x1b) {
        return append(out, line);
    }
    let text = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
    let (mut rest, mut is_styled) = (&*text, false);
    while let Some(at) = rest.find('\u{1b}') {
        out.extend_from_slice(self::line(&rest[..at]).as_bytes());
        let length = sgr(&rest[at..]);
        let shown = length.max(1);
        if length > 0 {
            is_styled = true;
            out.extend_from_slice(&rest.as_bytes()[at..at + length]);
        } else {
            out.extend_from_slice(self::line("\u{1b}").as_bytes());
        }
        rest = &rest[at + shown..];
    }
    out.extend_from_slice(self::line(rest).as_bytes());
    if is_styled {
        out.extend_from_slice(b"\x1b[0m");
    }
}

/// Length of the SGR sequence that `text` begins with; 0 when there is none, when it is longer than any real one, and when it conceals
/// text (parameter 8).
fn sgr(text: &str) -> usize {
    let Some(body) = text.strip_prefix("\u{1b}[") else { return 0 };
    let Some(end) = body.find(|c: char| !c.is_ascii_digit() && c != ';' && c != ':') else { return 0 };
    if end > 64 || body.as_bytes()[end] != b'm' {
        return 0;
    }
    let mut parameters = body[..end].split(';');
    while let Some(parameter) = parameters.next() {
        match parameter.trim_start_matches('0') {
            "8" => return 0,
            // What follows names a colour: by its number, or by red, green and blue.
            "38" | "48" | "58" => {
                let count = match parameters.next().map(|kind| kind.trim_start_matches('0')) {
                    Some("5") => 1,
                    Some("2") => 3,
                    _ => return 0,
                };
                parameters.by_ref().take(count).for_each(drop);
            }
            _ => {}
        }
    }
    2 + end + 1
}

/// Whether `text` is printable ASCII and line feeds. No branch within a block, so that 16 to 64 bytes are looked at at once.
pub(super) fn is_plain(text: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.wrapping_sub(b' ') < 0x5f || *byte == b'\n';
    text.chunks(256).all(|block| block.iter().fold(true, |all, byte| all & is_plain(byte)))
}

/// Whether a terminal would act on `c`, or show nothing where something stands.
pub(super) fn is_harmful(c: char) -> bool {
    c.is_control()
        // Unicode Standard Annex #9: embeddings, overrides, isolates and marks; and the line and paragraph separators.
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{061c}')
        || is_invisible(c)
}

/// What has no width and no look, so that two texts that differ look alike (Unicode's `Default_Ignorable_Code_Point`, without the
/// variation selectors that ordinary emoji and ideographs have).
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}')
        || matches!(c, '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}')
        || matches!(c, '\u{e0000}'..='\u{e007f}')
}

/// JSON as it is, but that what [`line`] would make visible is written as an escape: it can stand within strings only, where the
/// escape means the same. serde_json escapes no more than JSON demands. Line feeds between values stay.
pub(super) fn json(text: &str) -> Cow<'_, str> {
    // JSON has 16 bits in an escape (RFC 8259, section 7).
    escaped(text, |out, c| c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))))
}

/// As [`json`], for JSON that is read as YAML, which has escapes of 32 bits instead of two of 16 (YAML 1.2.2, section 5.7).
pub(super) fn json_as_yaml(text: &str) -> Cow<'_, str> {
    escaped(text, |out, c| out.push_str(&format!("\\U{:08x}", u32::from(c))))
}

/// Whether a text of several lines can be shown as it is.
pub(super) fn is_safe(text: &str) -> bool {
    is_plain(text.as_bytes()) || !text.chars().any(|c| c != '\n' && is_harmful(c))
}

fn escaped(text: &str, escape: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if is_safe(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c != '\n' && is_harmful(c) { escape(&mut out, c) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// Writes JSON in one line as [`json`] would.
pub(super) struct Json;

impl serde_json::ser::Formatter for Json {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        writer.write_all(json(fragment).as_bytes())
    }
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
    fn colours_pass_where_they_are_wanted_and_nothing_else_of_a_terminal_s_language_does() {
        let shown = |text: &str| {
            let mut out = vec![];
            append_colored(&mut out, text.as_bytes());
            String::from_utf8_lossy(&out).into_owned()
        };
        for colour in ["31", "", "0", "1;38;5;8", "38;2;8;8;8", "4:3", "38:5:8", "048;05;8"] {
            let text = format!("a\u{1b}[{colour}mred\r");
            assert_eq!(shown(&text), format!("a\u{1b}[{colour}mred\u{1b}[0m"), "{colour}");
        }
        for other in [
            "\u{1b}[2J",
            "\u{1b}]0;title\u{7}",
            "\u{1b}[8m",
            "\u{1b}[0;8m",
            "\u{1b}[38;5;1;08m",
            "\u{1b}[?25l",
            "\u{1b}[31",
            "\u{1b}",
            "\u{1b}[1 m",
            "\u{1b}c",
            "\u{9b}31m",
            "\u{1b}\u{1b}[8m",
            &format!("\u{1b}[{}m", "1;".repeat(40)),
        ] {
            let text = shown(other);
            assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{7}']), "{other:?}: {text:?}");
        }
        assert_eq!(shown("x\u{1b}[31my\u{1b}[2Jz\u{202e}"), "x\u{1b}[31my\\u{1b}[2Jz\\u{202e}\u{1b}[0m");
        assert_eq!(shown("plain\r"), "plain");
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
    fn what_cannot_be_seen_becomes_visible() {
        assert_eq!(line("ad\u{200b}min"), "ad\\u{200b}min");
        for hidden in ["\u{200d}", "\u{2060}", "\u{feff}", "\u{ad}", "\u{e0041}", "\u{9b}31m", "\u{2066}", "\u{200f}"] {
            assert!(line(hidden).is_ascii(), "{hidden:?}");
        }
    }

    #[test]
    fn json_says_the_same_in_ascii_where_a_terminal_would_act() -> Result<(), serde_json::Error> {
        let value = serde_json::json!({"a\u{202e}": "\u{9b}31m \u{7f} \u{e0041} \n \u{1b}[m", "b": ["日本語", "🙂"]});
        let pretty = serde_json::to_string_pretty(&value)?;
        assert!(is_safe(&json(&pretty)) && !is_safe(&pretty));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json(&pretty))?, value);
        let mut bytes = vec![];
        serde::Serialize::serialize(&value, &mut serde_json::Serializer::with_formatter(&mut bytes, Json))?;
        let compact = String::from_utf8_lossy(&bytes);
        assert!(is_safe(&compact) && compact.contains("日本語") && !compact.contains('\n'), "{compact}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&compact)?, value);
        Ok(())
    }

    #[test]
    fn ordinary_text_of_any_script_stays() {
        for text in ["plain", "naïve façade", "日本語", "🙂", "❤\u{fe0f}", "e\u{301}"] {
            assert_eq!(line(text), text);
        }
    }
}
