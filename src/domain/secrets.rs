//! The one place that knows what looks like a secret, and hides it: in strings that run, in what hosts and files are quoted with, in
//! what is written down.
//!
//! Boundary: text in, text out; errs on the side of hiding. What is hidden stays recognisable by its name (`-e API_KEY=***`), and
//! quotes stay as they were. Next: `name` judges names, `words` reads a text as a shell would, `find` looks at its words, `known`
//! hides the very values that are registered wherever they come back.

mod find;
mod known;
mod name;
mod words;

use std::borrow::Cow;

pub use find::Found;
pub use known::Secrets;
pub use name::is_secret as is_secret_name;

/// Stands in for what was there.
pub const MASK: &str = "***";

/// The secrets that stand in `text` in clear, in their order: values of names such as `*_KEY`, `TOKEN`, `PASSWORD`, `SECRET` (as
/// `NAME=value`, `--name value`, `"name": "value"`, `Name: value`), passwords in URLs, bearer tokens, tokens of well-known shapes.
/// A reference to a variable (`-e TOKEN=$TOKEN`) is none.
#[must_use]
pub fn find(text: &str) -> Vec<Found> {
    if find::may_hold(text) { find::in_text(text) } else { vec![] }
}

/// Whether a secret stands in `text` in clear.
#[must_use]
pub fn holds(text: &str) -> bool {
    !find(text).is_empty()
}

/// `text` with [`MASK`] in the place of every secret.
#[must_use]
pub fn mask(text: &str) -> Cow<'_, str> {
    let found = find(text);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut masked = String::with_capacity(text.len());
    let mut at = 0;
    for secret in found {
        masked.push_str(&text[at..secret.range.start]);
        masked.push_str(MASK);
        masked.extend(secret.closing);
        at = secret.range.end;
    }
    masked.push_str(&text[at..]);
    Cow::Owned(masked)
}

/// [`mask`] for each word of a command line; the word after a flag that takes a secret is one too.
#[must_use]
pub fn mask_words(words: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut before = find::Before::default();
    words
        .into_iter()
        .map(|word| {
            let found = find::in_word(&word, &mut before, 0);
            let mut masked = word;
            for secret in found.into_iter().rev() {
                masked.replace_range(secret.range, MASK);
            }
            masked
        })
        .collect()
}

#[cfg(test)]
mod tests;
