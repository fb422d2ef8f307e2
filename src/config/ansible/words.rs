//! Words as Python's `shlex.split` makes them: host lines of INI inventories and `ansible_ssh_*_args`.
//!
//! Boundary: text to words. Source: Python's shlex module in POSIX mode with `whitespace_split`; the shlex crate differs in
//! where a comment may begin.

/// The words of `text`. With `comments`, `#` ends the line even within a word, as it does there.
///
/// Errors: what is left open, in words.
pub(super) fn split(text: &str, comments: bool) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '#' if comments => break,
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(rest.next().ok_or("nothing follows the last `\\`")?),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next().ok_or("a `'` is left open")? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next().ok_or("a `\"` is left open")? {
                        '"' => break,
                        '\\' => match rest.next().ok_or("a `\"` is left open")? {
                            c @ ('"' | '\\') => word.push(c),
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_python() {
        for (text, words) in [
            ("web1 a=b  c='d e' # comment", vec!["web1", "a=b", "c=d e"]),
            ("a#b c", vec!["a"]),
            (r#"x="a \"b\" \n" y=\ z"#, vec!["x=a \"b\" \\n", "y= z"]),
            ("a '' b", vec!["a", "", "b"]),
            ("", vec![]),
        ] {
            assert_eq!(split(text, true), Ok(words.into_iter().map(str::to_owned).collect()), "{text}");
        }
        assert_eq!(split("a#b", false), Ok(vec!["a#b".to_owned()]));
        for text in ["a 'b", "a \"b", "a\\", "\"\\"] {
            assert!(split(text, true).is_err(), "{text}");
        }
    }
}
