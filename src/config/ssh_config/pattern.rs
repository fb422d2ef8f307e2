//! Patterns and pattern-lists (ssh_config(5), PATTERNS).
//!
//! Boundary: matching only; case is the caller's, as `Host` keeps it and `Match host` does not.

use crate::config::pattern::glob;

/// What a pattern-list says of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A pattern matches and no negated one does.
    Matched,
    /// A negated pattern matches.
    Excluded,
    /// Nothing matches.
    Unmatched,
}

/// Whether `text` matches the one pattern, case included.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    glob(pattern, text)
}

/// Holds `text` against a list with commas: one negated match decides, wherever it stands.
pub(super) fn list(patterns: &str, text: &str) -> Verdict {
    let mut verdict = Verdict::Unmatched;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(negated) if glob(negated, text) => return Verdict::Excluded,
            None if glob(pattern, text) => verdict = Verdict::Matched,
            _ => {}
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negated_match_decides_wherever_it_stands() {
        for (patterns, text, verdict) in [
            ("*.dialup.example.com,*.example.com", "a.example.com", Verdict::Matched),
            ("!*.dialup.example.com,*.example.com", "a.dialup.example.com", Verdict::Excluded),
            ("*.example.com,!*.dialup.example.com", "a.dialup.example.com", Verdict::Excluded),
            ("!host1,!host2", "host3", Verdict::Unmatched),
            ("!host1,!host2,*", "host3", Verdict::Matched),
            ("", "host", Verdict::Unmatched),
            ("192.168.0.?", "192.168.0.7", Verdict::Matched),
            ("192.168.0.?", "192.168.0.77", Verdict::Unmatched),
        ] {
            assert_eq!(list(patterns, text), verdict, "{patterns} {text}");
        }
    }
}
