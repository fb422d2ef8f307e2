//! Counting in words, for reports and tables alike.
//!
//! Boundary: English plurals that take an `s`; nothing else.

/// `1 host`, `2 hosts`.
#[must_use]
pub fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}
