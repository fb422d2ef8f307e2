//! Reads any text as words of a shell, whatever it is: nothing is refused, so that also what no shell would take is looked at.
//!
//! Boundary: words, and where each of their characters stands. What may be registered is [`crate`]'s `docker::shell`, which is strict.

use std::ops::Range;

/// One word.
pub(super) struct Word {
    /// Without its quotes.
    pub(super) value: String,
    /// Where each byte of the value begins and ends in the text, and in which quotes.
    places: Vec<(usize, usize, Quote)>,
    end: usize,
}

/// What a character stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    Single,
    Double,
}

impl Word {
    /// Where in the text the bytes `range` of the value stand, and the quote that has to be closed when they are replaced.
    pub(super) fn place(&self, range: &Range<usize>) -> (Range<usize>, Option<char>) {
        let (Some((start, _, opened)), Some((_, end, closed))) =
            (self.places.get(range.start), self.places.get(range.end.wrapping_sub(1)))
        else {
            return (self.end..self.end, None);
        };
        if opened == closed {
            return (*start..*end, None);
        }
        let closing = match opened {
            Quote::None => None,
            Quote::Single => Some('\''),
            Quote::Double => Some('"'),
        };
        (*start..self.end, closing)
    }

    /// Adds a character that stands at `at`, its backslash, if it has one, at `start`.
    fn push(&mut self, c: char, start: usize, at: usize, quote: Quote) {
        self.value.push(c);
        self.places
            .extend((0..c.len_utf8()).map(|byte| (if byte == 0 { start } else { at + byte }, at + byte + 1, quote)));
    }
}

/// The words of `text`. A quote that is never closed is a character like any other, as in `can't`.
pub(super) fn split(text: &str) -> Vec<Word> {
    let mut words = vec![];
    let mut word: Option<Word> = None;
    let mut quote = Quote::None;
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        if quote == Quote::None && (c.is_whitespace() || matches!(c, ';' | '&' | '|' | '<' | '>' | '(' | ')')) {
            // `&` and `;` also part the fields of URLs and connection strings, which are one word to their reader.
            if matches!(c, '&' | ';')
                && characters.peek().is_some_and(|(_, next)| next.is_alphanumeric())
                && word.is_some()
            {
                word.get_or_insert_with(|| begun(at)).push(c, at, at, quote);
                continue;
            }
            if let Some(mut done) = word.take() {
                done.end = at;
                words.push(done);
            }
            continue;
        }
        let word = word.get_or_insert_with(|| begun(at));
        match (c, quote) {
            ('\'', Quote::Single) | ('"', Quote::Double) => quote = Quote::None,
            ('\'', Quote::None) if text[at + 1..].contains('\'') => quote = Quote::Single,
            ('"', Quote::None) if closes(&text[at + 1..]) => quote = Quote::Double,
            ('\\', Quote::None | Quote::Double) => match characters.peek().copied() {
                Some((next_at, next)) if quote == Quote::None || matches!(next, '"' | '\\' | '$' | '`') => {
                    characters.next();
                    word.push(next, at, next_at, quote);
                }
                _ => word.push(c, at, at, quote),
            },
            _ => word.push(c, at, at, quote),
        }
    }
    if let Some(mut done) = word.take() {
        done.end = text.len();
        words.push(done);
    }
    words
}

fn begun(at: usize) -> Word {
    Word { value: String::new(), places: vec![], end: at }
}

/// Whether a double quote closes in `rest`.
fn closes(rest: &str) -> bool {
    let mut escaped = false;
    rest.bytes().any(|b| {
        let is_end = b == b'"' && !escaped;
        escaped = b == b'\\' && !escaped;
        is_end
    })
}
