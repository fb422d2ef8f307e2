//! Splits a line into keyword and arguments, byte for byte as OpenSSH does.
//!
//! Boundary: no meaning. Source: `strdelim` and `argv_split` of OpenSSH's misc.c, and the top of `process_config_line` in
//! readconf.c; ssh_config(5) says less than they do.

/// What counts as space within a line.
const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// A line with something on it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// In lower case.
    pub(super) keyword: String,
    /// Quotes and escapes taken away, a trailing comment gone.
    pub(super) arguments: Vec<String>,
    /// Everything after the keyword as written, for the keywords that take the rest of their line.
    pub(super) rest: String,
}

/// Reads one line; `None` when it is empty or a comment.
pub(super) fn line(text: &str) -> Result<Option<Line>, &'static str> {
    // To OpenSSH a line ends at a NUL, and a form feed is space at the end of a line only.
    let text = text.split('\0').next().unwrap_or_default();
    let text = text.trim_end_matches(|c| SPACE.contains(&c) || c == '\x0c');
    let mut rest = Some(text.to_owned());
    let mut keyword = word(&mut rest);
    // Space before the keyword reads as an empty word.
    if keyword.as_deref() == Some("") {
        keyword = word(&mut rest);
    }
    let Some(keyword) = keyword.filter(|keyword| !keyword.is_empty() && !keyword.starts_with('#')) else {
        return Ok(None);
    };
    let rest = rest.unwrap_or_default().trim_start_matches(SPACE).to_owned();
    if rest.is_empty() {
        return Err("nothing stands after the keyword");
    }
    let arguments = arguments(&rest).ok_or("a quote is not closed")?;
    Ok(Some(Line { keyword: keyword.to_ascii_lowercase(), arguments, rest }))
}

/// Takes the next word off `rest`, where one `=` counts as space; `None` at the end, and when a quote is not closed.
pub(super) fn word(rest: &mut Option<String>) -> Option<String> {
    let mut text = rest.take()?;
    let Some(end) = text.find(|c| SPACE.contains(&c) || c == '"' || c == '=') else { return Some(text) };
    match text.as_bytes().get(end) {
        Some(b'"') => {
            // The quote goes, what is before it stays part of the word.
            text.remove(end);
            let close = end + text.get(end..)?.find('"')?;
            *rest = Some(text.get(close + 1..)?.trim_start_matches(SPACE).to_owned());
            text.truncate(close);
        }
        delimiter => {
            let mut after = text.get(end + 1..)?.trim_start_matches(SPACE);
            if delimiter != Some(&b'=')
                && let Some(value) = after.strip_prefix('=')
            {
                after = value.trim_start_matches(SPACE);
            }
            *rest = Some(after.to_owned());
            text.truncate(end);
        }
    }
    Some(text)
}

/// Splits arguments: both kinds of quotes, `\"`, `\'`, `\\` and, outside quotes, `\ `. A `#` that begins one ends the line.
fn arguments(text: &str) -> Option<Vec<String>> {
    let mut arguments = Vec::new();
    let mut letters = text.chars().peekable();
    loop {
        while letters.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        if matches!(letters.peek(), None | Some('#')) {
            return Some(arguments);
        }
        let mut argument = String::new();
        let mut quote = None;
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => {
                    let escaped =
                        letters.next_if(|next| matches!(next, '\'' | '"' | '\\') || (quote.is_none() && *next == ' '));
                    argument.push(escaped.unwrap_or('\\'));
                }
                ' ' | '\t' if quote.is_none() => break,
                '"' | '\'' if quote.is_none() => quote = Some(letter),
                _ if quote == Some(letter) => quote = None,
                _ => argument.push(letter),
            }
        }
        if quote.is_some() {
            return None;
        }
        arguments.push(argument);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn read(text: &str) -> (String, Vec<String>) {
        let line = line(text).unwrap().unwrap();
        (line.keyword, line.arguments)
    }

    #[test]
    fn a_keyword_is_parted_from_its_arguments_by_space_or_one_equals_sign() {
        for text in
            ["Port 22", "port=22", "PORT = 22", "\t port\t=\t22 ", "Port 22\r\n", "\"Port\" 22", "port \"22\"\x0c"]
        {
            assert_eq!(read(text), ("port".to_owned(), vec!["22".to_owned()]), "{text:?}");
        }
        assert_eq!(read("port == 22").1, ["=", "22"]);
    }

    #[test]
    fn arguments_lose_quotes_and_escapes_and_end_at_a_comment() {
        for (text, arguments) in [
            (r#"host "a b" c"#, vec!["a b", "c"]),
            (r"host a\ b c", vec!["a b", "c"]),
            (r#"host 'a"b' "c'd""#, vec!["a\"b", "c'd"]),
            (r#"host "a\"b" x\y"#, vec!["a\"b", r"x\y"]),
            (r#"host "a\ b""#, vec![r"a\ b"]),
            ("host a # b", vec!["a"]),
            ("host a#b", vec!["a#b"]),
            (r#"host pre"fix ed"x"#, vec!["prefix edx"]),
            (r#"host "" a"#, vec!["", "a"]),
        ] {
            assert_eq!(read(text).1, arguments, "{text}");
        }
    }

    #[test]
    fn empty_lines_and_comments_say_nothing() {
        for text in ["", "  ", "\n", "#", "  # x", "# \"", "\r", "=", "\"", "\0port 22"] {
            assert_eq!(line(text), Ok(None), "{text:?}");
        }
        assert!(line("port").is_err());
        assert!(line("port \"22").is_err());
    }
}
