//! The fuzzing target of what looks like a secret.
//!
//! Boundary: text in; a panic when something does not hold. Built for tests and fuzzing only.

use super::secrets::{MASK, Secrets, find, mask, mask_words};

/// Finding secrets in a text, hiding them, and hiding them where they come back.
pub(crate) fn secrets(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let found = find(&text);
    let mut end = 0;
    for secret in &found {
        assert!(secret.range.start >= end && text.get(secret.range.clone()).is_some(), "{secret:?} in {text:?}");
        end = secret.range.end;
    }
    let masked = mask(&text);
    assert!(found.is_empty() || masked.contains(MASK), "{masked:?} of {text:?}");
    let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    assert_eq!(mask_words(words.clone()).len(), words.len());
    let known = Secrets::of([&*text], [("API_KEY", &*text)]);
    let _ = (known.hide(&text), known.without_known(&masked));
}
