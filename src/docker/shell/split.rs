//! Splits one simple command into words, refusing whatever would make it more than one.
//!
//! Boundary: tokens and spans; no expansion is done, and what was expanded is only marked.

use std::ops::Range;

/// One word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The word with its quotes removed; expansions stand as they were written.
    pub value: String,
    /// Where it stands in the text, in bytes, quotes included.
    pub span: Range<usize>,
    /// The host's shell will put something else here: it holds `$…`, a leading `~` or a brace list.
    pub unresolved: bool,
}

/// Why a text is not one simple command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} (at character {})", column + 1)]
pub struct SplitError {
    /// What was found.
    pub kind: SplitErrorKind,
    /// Where, in bytes from the start.
    pub at: usize,
    /// Where, in characters from the start.
    pub column: usize,
}

/// What makes a text more, or less, than one simple command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitErrorKind {
    /// `;`, `&`, `&&`, `|`, `||`, `<`, `>`, `(`, `)` outside quotes.
    #[error("`{0}` outside quotes is a control operator, and a registered string is one command")]
    Operator(&'static str),
    /// A backtick or `$(`, outside single quotes.
    #[error("`{0}` runs another command, and a registered string is one command")]
    Substitution(&'static str),
    /// A line break outside quotes.
    #[error("a line break outside quotes ends the command, and a registered string is one command")]
    Newline,
    /// A `#` that begins a word.
    #[error("`#` here begins a comment that swallows the rest")]
    Comment,
    /// A quote or `${` that is never closed.
    #[error("`{0}` is never closed")]
    Unterminated(&'static str),
    /// A backslash with nothing after it.
    #[error("the backslash at the end has nothing to escape")]
    TrailingBackslash,
    /// A control character that no shell word has a use for.
    #[error("the control character {0:?} cannot be part of a command")]
    ControlCharacter(char),
}

impl SplitErrorKind {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Operator(_) => {
                "put it in single quotes if the container should get it; otherwise register one command only"
            }
            Self::Substitution(_) => {
                "put it in single quotes if the container should get it; otherwise write the value out or use a variable of the host"
            }
            Self::Newline => "write it on one line, or end the line with a backslash",
            Self::Comment => "remove the comment, or quote the word",
            Self::Unterminated(_) => "close it, or quote it",
            Self::TrailingBackslash => "remove the backslash",
            Self::ControlCharacter(_) => "remove it",
        }
    }
}

/// Splits `text` into the words of one simple command. White space around them, line breaks at the end included, is
/// skipped; a backslash before a line break joins the lines, as in the shell.
///
/// # Errors
/// A [`SplitError`] at the first thing that is not a plain word.
pub fn split(text: &str) -> Result<Vec<Word>, SplitError> {
    let (words, refusal) = until_refused(text);
    match refusal {
        None => Ok(words),
        Some((at, kind)) => Err(SplitError { kind, at, column: text[..at].chars().count() }),
    }
}

/// The words of `text` up to the first thing that is not a plain word, and that thing with its place in bytes.
pub(in crate::docker) fn until_refused(text: &str) -> (Vec<Word>, Option<(usize, SplitErrorKind)>) {
    let mut splitter = Splitter { text, at: 0, word: None, words: Vec::new() };
    let refusal = splitter.run().err();
    if let Some((at, _)) = &refusal {
        splitter.end_word(*at);
    }
    (splitter.words, refusal)
}

type Refusal = (usize, SplitErrorKind);

struct Splitter<'a> {
    text: &'a str,
    at: usize,
    word: Option<Building>,
    words: Vec<Word>,
}

struct Building {
    value: String,
    start: usize,
    expands: bool,
    brace: bool,
    list: bool,
}

impl Splitter<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn building(&mut self, start: usize) -> &mut Building {
        self.word.get_or_insert_with(|| Building {
            value: String::new(),
            start,
            expands: false,
            brace: false,
            list: false,
        })
    }

    fn end_word(&mut self, end: usize) {
        if let Some(word) = self.word.take() {
            let unresolved = word.expands || (word.brace && word.list);
            self.words.push(Word { value: word.value, span: word.start..end, unresolved });
        }
    }

    fn run(&mut self) -> Result<(), Refusal> {
        loop {
            let at = self.at;
            let Some(c) = self.next() else {
                self.end_word(at);
                return Ok(());
            };
            match c {
                ' ' | '\t' => self.end_word(at),
                '\n' if self.rest().trim().is_empty() => {
                    self.end_word(at);
                    return Ok(());
                }
                '\n' => return Err((at, SplitErrorKind::Newline)),
                '\'' => self.single_quoted(at)?,
                '"' => self.double_quoted(at)?,
                '\\' => self.escaped(at)?,
                '$' => self.dollar(at, false)?,
                '`' => return Err((at, SplitErrorKind::Substitution("`"))),
                '#' if self.word.is_none() => return Err((at, SplitErrorKind::Comment)),
                ';' | '&' | '|' | '<' | '>' | '(' | ')' => return Err((at, operator(c, self.rest()))),
                '\r' if self.rest().trim().is_empty() => self.end_word(at),
                c if c.is_ascii_control() => return Err((at, SplitErrorKind::ControlCharacter(c))),
                c => {
                    let word = self.building(at);
                    word.expands |= c == '~' && word.value.is_empty() && word.start == at;
                    word.brace |= c == '{';
                    word.list |= word.brace && (c == ',' || (c == '.' && word.value.ends_with('.')));
                    word.value.push(c);
                }
            }
        }
    }

    fn single_quoted(&mut self, at: usize) -> Result<(), Refusal> {
        let Some(length) = self.rest().find('\'') else { return Err((at, SplitErrorKind::Unterminated("'"))) };
        let inner = self.rest()[..length].to_owned();
        if let Some(nul) = inner.find('\0') {
            return Err((self.at + nul, SplitErrorKind::ControlCharacter('\0')));
        }
        self.at += length + 1;
        self.building(at).value.push_str(&inner);
        Ok(())
    }

    fn double_quoted(&mut self, start: usize) -> Result<(), Refusal> {
        self.building(start);
        loop {
            let at = self.at;
            match self.next() {
                None => return Err((start, SplitErrorKind::Unterminated("\""))),
                Some('"') => return Ok(()),
                Some('`') => return Err((at, SplitErrorKind::Substitution("`"))),
                Some('$') => self.dollar(at, true)?,
                Some('\0') => return Err((at, SplitErrorKind::ControlCharacter('\0'))),
                // XCU 2.2.3: inside double quotes a backslash escapes only these.
                Some('\\') => match self.next() {
                    None => return Err((start, SplitErrorKind::Unterminated("\""))),
                    Some('\n') => {}
                    Some(c @ ('$' | '`' | '"' | '\\')) => self.building(start).value.push(c),
                    Some('\0') => return Err((at, SplitErrorKind::ControlCharacter('\0'))),
                    Some(c) => self.building(start).value.extend(['\\', c]),
                },
                Some(c) => self.building(start).value.push(c),
            }
        }
    }

    fn escaped(&mut self, at: usize) -> Result<(), Refusal> {
        match self.next() {
            None => Err((at, SplitErrorKind::TrailingBackslash)),
            Some('\n') => Ok(()),
            Some('\0') => Err((at, SplitErrorKind::ControlCharacter('\0'))),
            // "\" before "\r\n" would escape the "\r" and leave the line break.
            Some('\r') => Err((at + 1, SplitErrorKind::ControlCharacter('\r'))),
            Some(c) => {
                self.building(at).value.push(c);
                Ok(())
            }
        }
    }

    /// After a `$`: refuses command substitution, keeps everything else as written and marks the word.
    fn dollar(&mut self, at: usize, quoted: bool) -> Result<(), Refusal> {
        let next = self.rest().chars().next();
        match next {
            Some('(') => Err((at, SplitErrorKind::Substitution("$("))),
            Some('{') => self.braced(at),
            Some(c) if c.is_ascii_alphanumeric() || "_@*#?-$!".contains(c) => {
                let word = self.building(at);
                word.expands = true;
                word.value.push('$');
                // `$#` must not leave the `#` to begin a comment, nor `$$` a second `$` to be read alone.
                word.value.push(c);
                self.at += c.len_utf8();
                Ok(())
            }
            // `$'…'` and `$"…"` are quotes to some shells and a dollar before quotes to others.
            Some('\'' | '"') if !quoted => {
                let word = self.building(at);
                word.expands = true;
                word.value.push('$');
                Ok(())
            }
            _ => {
                self.building(at).value.push('$');
                Ok(())
            }
        }
    }

    /// After a `$`, at a `{`: takes the expansion up to its closing brace, as written.
    fn braced(&mut self, at: usize) -> Result<(), Refusal> {
        let mut depth = 0_usize;
        let mut quote: Option<char> = None;
        loop {
            let here = self.at;
            match (self.next(), quote) {
                (None, _) => return Err((at, SplitErrorKind::Unterminated("${"))),
                (Some('`'), None | Some('"')) => return Err((here, SplitErrorKind::Substitution("`"))),
                (Some('$'), None | Some('"')) if self.rest().starts_with('(') => {
                    return Err((here, SplitErrorKind::Substitution("$(")));
                }
                (Some('\0'), _) => return Err((here, SplitErrorKind::ControlCharacter('\0'))),
                (Some('\\'), None | Some('"')) => {
                    self.next();
                }
                (Some('{'), None) => depth += 1,
                (Some('}'), None) => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                (Some(c), Some(open)) if c == open => quote = None,
                (Some(c @ ('\'' | '"')), None) => quote = Some(c),
                _ => {}
            }
        }
        let written = self.text[at..self.at].to_owned();
        let word = self.building(at);
        word.expands = true;
        word.value.push_str(&written);
        Ok(())
    }
}

fn operator(c: char, rest: &str) -> SplitErrorKind {
    let twice = rest.starts_with(c);
    SplitErrorKind::Operator(match (c, twice) {
        (';', _) => ";",
        ('&', true) => "&&",
        ('&', false) => "&",
        ('|', true) => "||",
        ('|', false) => "|",
        ('<', _) => "<",
        ('>', _) => ">",
        ('(', _) => "(",
        _ => ")",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        split(text).unwrap_or_else(|e| panic!("{text:?}: {e}")).into_iter().map(|w| w.value).collect()
    }

    fn refusal(text: &str) -> (SplitErrorKind, usize) {
        let error = split(text).err().unwrap_or_else(|| panic!("{text:?} was taken"));
        (error.kind, error.at)
    }

    #[test]
    fn quotes_are_removed_and_spans_point_at_the_text() {
        let text = r#"docker  run -e 'a b' "c \"d\" \n"e\ f"#;
        let words = split(text).unwrap_or_else(|e| panic!("{e}"));
        let found: Vec<_> = words.iter().map(|w| (w.value.as_str(), &text[w.span.clone()])).collect();
        assert_eq!(
            found,
            [
                ("docker", "docker"),
                ("run", "run"),
                ("-e", "-e"),
                ("a b", "'a b'"),
                (r#"c "d" \ne f"#, r#""c \"d\" \n"e\ f"#)
            ]
        );
    }

    #[test]
    fn control_operators_outside_quotes_are_named_with_their_place() {
        use SplitErrorKind::*;
        for (text, kind, at) in [
            ("a; b", Operator(";"), 1),
            ("a & b", Operator("&"), 2),
            ("a && b", Operator("&&"), 2),
            ("a | b", Operator("|"), 2),
            ("a || b", Operator("||"), 2),
            ("a > b", Operator(">"), 2),
            ("a < b", Operator("<"), 2),
            ("a (b", Operator("("), 2),
            ("a )", Operator(")"), 2),
            ("a `b`", Substitution("`"), 2),
            ("a \"`b`\"", Substitution("`"), 3),
            ("a $(b)", Substitution("$("), 2),
            ("a \"x$(b)\"", Substitution("$("), 4),
            ("a ${x:-$(b)}", Substitution("$("), 7),
            ("a ${x:-`b`}", Substitution("`"), 7),
            ("a $((1+1))", Substitution("$("), 2),
            ("a\nb", Newline, 1),
            ("a # b", Comment, 2),
            ("a 'b", Unterminated("'"), 2),
            ("a \"b", Unterminated("\""), 2),
            ("a ${b", Unterminated("${"), 2),
            ("a \\", TrailingBackslash, 2),
            ("a\0b", ControlCharacter('\0'), 1),
            ("a '\0'", ControlCharacter('\0'), 3),
            ("a \\\r\n b", ControlCharacter('\r'), 3),
        ] {
            assert_eq!(refusal(text), (kind, at), "{text:?}");
        }
    }

    #[test]
    fn the_same_characters_inside_quotes_are_text() {
        assert_eq!(values("a ';&|<>()`$(x)#' \";&|<>()#\" \\; b#c"), ["a", ";&|<>()`$(x)#", ";&|<>()#", ";", "b#c"]);
        assert_eq!(values("a 'x\ny'"), ["a", "x\ny"]);
    }

    #[test]
    fn lines_joined_by_a_backslash_and_a_line_break_at_the_end_are_one_command() {
        assert_eq!(values("docker run \\\n  -d \\\n  image\n"), ["docker", "run", "-d", "image"]);
        assert_eq!(values("a\\\nb"), ["ab"]);
        assert_eq!(values("  a \n\n "), ["a"]);
        assert_eq!(values("a\r\n"), ["a"]);
    }

    #[test]
    fn expansions_are_left_alone_and_marked() {
        for (text, value) in [
            ("$PORT:80", "$PORT:80"),
            ("\"$HOME\"/x", "$HOME/x"),
            ("${PORT:-80 80}:1", "${PORT:-80 80}:1"),
            ("~/data", "~/data"),
            ("$#", "$#"),
            ("$$", "$$"),
            ("x{1,2}", "x{1,2}"),
        ] {
            let words = split(text).unwrap_or_else(|e| panic!("{text:?}: {e}"));
            assert_eq!(words.len(), 1, "{text:?}");
            assert_eq!(words[0].value, value);
            assert!(words[0].unresolved, "{text:?}");
        }
        for text in ["'$PORT'", "\\$PORT", "a~b", "'~'", "cost$", "[::1]:80:80", "{{.Name}}", "a,b", "\"\\$x\""] {
            assert!(split(text).is_ok_and(|w| w.len() == 1 && !w[0].unresolved), "{text:?}");
        }
    }

    #[test]
    fn the_column_counts_characters_not_bytes() {
        let error = split("é; b").err().unwrap_or_else(|| panic!("taken"));
        assert_eq!((error.at, error.column), (2, 1));
        assert!(error.to_string().ends_with("(at character 2)"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_split_or_refused_without_panic(text in "(?s).{0,60}") {
            if let Ok(words) = split(&text) {
                for word in words {
                    proptest::prop_assert!(text.get(word.span).is_some());
                }
            }
        }
    }
}
