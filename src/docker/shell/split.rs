//! Splits one simple command into words, refusing whatever would make it more than one.
//!
//! Boundary: tokens and spans; no expansion is done, and what was expanded is only marked.

use std::{borrow::Cow, ops::Range};

use super::typography::LookAlike;

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
    /// A backslash that begins a word or ends one, with a blank after it.
    #[error("a backslash followed by a blank does not continue the line: the blank becomes part of a word")]
    BackslashBlank,
    /// The line continuation of PowerShell or of Windows' command prompt.
    #[error("`{0}` at the end of a line continues it on Windows only")]
    WindowsContinuation(char),
    /// A character that is not the one it looks like.
    #[error("{0}")]
    LookAlike(LookAlike),
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
            Self::BackslashBlank => {
                "remove the backslash: it continues a line only as its last character (in YAML, `|` keeps line breaks and `>` \
                 turns them into blanks); a blank that belongs to a word goes into quotes"
            }
            Self::WindowsContinuation(_) => "end the line with a backslash, or write it on one line",
            Self::LookAlike(found) => found.hint(),
        }
    }
}

/// Splits `text` into the words of one simple command. White space around them, line breaks at the end included, is
/// skipped; a backslash before a line break joins the lines, as in the shell.
///
/// # Errors
/// A [`SplitError`] at the first thing that is not a plain word.
pub fn split(text: &str) -> Result<Vec<Word>, SplitError> {
    let (words, joins, refusal) = pieces(text);
    let refused = |at: usize, kind| Err(SplitError { kind, at, column: text[..at].chars().count() });
    match (refusal, joins.iter().find(|join| text[(*join).clone()].contains('\r'))) {
        (Some((at, kind)), _) => refused(at, kind),
        // The host's shell would take the `\r` for the escaped character, and the line break for the end.
        (None, Some(join)) => refused(join.start + 1, SplitErrorKind::ControlCharacter('\r')),
        (None, None) => Ok(words),
    }
}

/// The words of `text` up to the first thing that is not a plain word, and that thing with its place in bytes.
pub(in crate::docker) fn until_refused(text: &str) -> (Vec<Word>, Option<Refusal>) {
    let (words, _, refusal) = pieces(text);
    (words, refusal)
}

/// The words, the line continuations in bytes, and the first thing that is not a plain word.
fn pieces(text: &str) -> (Vec<Word>, Vec<Range<usize>>, Option<Refusal>) {
    let mut splitter = Splitter { text, at: 0, word: None, words: Vec::new(), joins: Vec::new() };
    let refusal = splitter.run().err();
    if let Some((at, _)) = &refusal {
        splitter.end_word(*at);
    }
    (splitter.words, splitter.joins, refusal)
}

/// `text` on one line where backslashes at line ends (before `\n` or `\r\n`) continue it: what a shell makes of them, with the
/// blanks around each one as one space. Quoted text stays as it is. A text that is not one simple command is returned unchanged.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    let (words, joins, refusal) = pieces(text);
    if refusal.is_some() || joins.is_empty() {
        return Cow::Borrowed(text);
    }
    let is_blank = |c: char| c == ' ' || c == '\t';
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for join in &joins {
        out.push_str(&text[at..join.start]);
        at = join.end;
        let inside = words.iter().any(|word| word.span.start < join.start && join.end < word.span.end);
        let after = text[at..].len() - text[at..].trim_start_matches(is_blank).len();
        if !inside && (out.ends_with(is_blank) || after > 0) {
            out.truncate(out.trim_end_matches(is_blank).len());
            out.push(' ');
            at += after;
        }
    }
    out.push_str(&text[at..]);
    Cow::Owned(out)
}

type Refusal = (usize, SplitErrorKind);

struct Splitter<'a> {
    text: &'a str,
    at: usize,
    word: Option<Building>,
    words: Vec<Word>,
    /// The line continuations: backslash and line end, in bytes.
    joins: Vec<Range<usize>>,
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
                '\n' | '\r' if self.rest().trim_matches(['\n', '\r', ' ', '\t']).is_empty() => {
                    self.end_word(at);
                    return Ok(());
                }
                '\r' if self.rest().starts_with('\n') => return Err((at, SplitErrorKind::Newline)),
                '\n' => return Err((at, SplitErrorKind::Newline)),
                '`' | '^' if self.rest().trim_start_matches([' ', '\t', '\r']).starts_with('\n') => {
                    return Err((at, SplitErrorKind::WindowsContinuation(c)));
                }
                '\'' => self.single_quoted(at)?,
                '"' => self.double_quoted(at)?,
                '\\' => self.escaped(at)?,
                '$' => self.dollar(at, false)?,
                '`' => return Err((at, SplitErrorKind::Substitution("`"))),
                '#' if self.word.is_none() => return Err((at, SplitErrorKind::Comment)),
                ';' | '&' | '|' | '<' | '>' | '(' | ')' => return Err((at, operator(c, self.rest()))),
                c if c.is_ascii_control() => return Err((at, SplitErrorKind::ControlCharacter(c))),
                c => {
                    if let Some(found) = LookAlike::of(c) {
                        return Err((at, SplitErrorKind::LookAlike(found)));
                    }
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
                    Some('\n') => self.joins.push(at..self.at),
                    Some('\r') if self.rest().starts_with('\n') => {
                        self.at += 1;
                        self.joins.push(at..self.at);
                    }
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
            Some('\n') => {
                self.joins.push(at..self.at);
                Ok(())
            }
            Some('\r') if self.rest().starts_with('\n') => {
                self.at += 1;
                self.joins.push(at..self.at);
                Ok(())
            }
            Some('\0') => Err((at, SplitErrorKind::ControlCharacter('\0'))),
            Some('\r') => Err((at + 1, SplitErrorKind::ControlCharacter('\r'))),
            // `a\ b` is one word in every shell; at either end of a word the backslash was the end of a line once.
            Some(' ' | '\t') if self.word.is_none() || !self.rest().starts_with(|c: char| !c.is_ascii_whitespace()) => {
                Err((at, SplitErrorKind::BackslashBlank))
            }
            Some(c) if LookAlike::of(c).is_some_and(|found| matches!(found, LookAlike::Blank(_))) => {
                Err((at, SplitErrorKind::BackslashBlank))
            }
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
    fn what_makes_it_more_than_plain_words_is_named_with_its_place() {
        use super::super::typography;
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
            ("a\r\nb", Newline, 1),
            ("a \\ b", BackslashBlank, 2),
            ("a \\  -d", BackslashBlank, 2),
            ("a\\  b", BackslashBlank, 1),
            ("a\\ \n b", BackslashBlank, 1),
            ("a \\\t\r\n b", BackslashBlank, 2),
            ("a b\\ ", BackslashBlank, 3),
            ("a \\\u{a0}b", BackslashBlank, 2),
            ("a `\n b", WindowsContinuation('`'), 2),
            ("a ^\r\n b", WindowsContinuation('^'), 2),
            ("a \u{2013}d", LookAlike(typography::LookAlike::Dash('\u{2013}')), 2),
            ("a -\u{2010}d", LookAlike(typography::LookAlike::Dash('\u{2010}')), 3),
            ("a \u{2014}name", LookAlike(typography::LookAlike::Dash('\u{2014}')), 2),
            ("a \u{2212}p", LookAlike(typography::LookAlike::Dash('\u{2212}')), 2),
            ("a \u{201c}b c\u{201d}", LookAlike(typography::LookAlike::Quote('\u{201c}')), 2),
            ("a don\u{2019}t", LookAlike(typography::LookAlike::Quote('\u{2019}')), 5),
            ("a\u{a0}b", LookAlike(typography::LookAlike::Blank('\u{a0}')), 1),
            ("a\u{3000}b", LookAlike(typography::LookAlike::Blank('\u{3000}')), 1),
            ("\u{feff}a", LookAlike(typography::LookAlike::Invisible('\u{feff}')), 0),
            ("a b\u{200b}", LookAlike(typography::LookAlike::Invisible('\u{200b}')), 3),
            ("a b\u{ad}c", LookAlike(typography::LookAlike::Invisible('\u{ad}')), 3),
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
    fn look_alikes_in_quotes_and_escaped_blanks_within_words_are_text() {
        assert_eq!(
            values("a 'x \u{2013} \u{201c}y\u{201d}\u{a0}z' \"\u{2019}\" b\\ c \u{e9}\u{1f600}\u{fe0f}").len(),
            5
        );
    }

    #[test]
    fn continued_lines_become_one_and_mean_the_same() {
        for (text, line) in [
            ("docker run \\\n  -d \\\n  image\n", "docker run -d image\n"),
            ("docker run \\\r\n  -d\\\r\n  image\r\n", "docker run -d image\r\n"),
            ("a\\\nb \\\n\\\n c", "ab c"),
            ("a 'x\\\n y' \"z\\\n w\"", "a 'x\\\n y' \"z w\""),
            ("a b", "a b"),
            ("a; \\\n b", "a; \\\n b"),
        ] {
            assert_eq!(one_line(text), line, "{text:?}");
            let unix = text.replace("\r\n", "\n");
            if split(&unix).is_ok() {
                assert_eq!(values(&one_line(text)), values(&unix), "{text:?}");
            }
        }
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
        fn any_text_is_split_or_refused_without_panic(text in "(?s)(.|\\\\\r?\n|[ab ']){0,60}") {
            if let Ok(words) = split(&text) {
                for word in &words {
                    proptest::prop_assert!(text.get(word.span.clone()).is_some());
                }
                let again = split(&one_line(&text)).map(|words| words.into_iter().map(|word| word.value).collect::<Vec<_>>());
                proptest::prop_assert_eq!(again.ok(), Some(words.into_iter().map(|word| word.value).collect()));
            }
        }
    }
}
