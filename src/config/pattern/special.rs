//! Terms of a pattern that are no plain names: `~expression` and `user@address:port`.
//!
//! Boundary: one term's text to its meaning; what a pattern does with it is [`pattern`](super)'s.

use super::Body;
use crate::config::{range, target::Target};

/// A regular expression, compared by its text.
#[derive(Debug, Clone)]
pub(crate) struct Expression {
    text: String,
    regex: regex::Regex,
}

impl Expression {
    fn parse(text: &str) -> Result<Self, String> {
        // Bound at the start only, as Python's `re.match` is, which Ansible uses.
        let regex = regex::RegexBuilder::new(&format!("^(?:{text})")).size_limit(1 << 20).build();
        let regex = regex
            .map_err(|error| format!("{text:?} is not a regular expression: {}", last_line(&error.to_string())))?;
        Ok(Self { text: format!("~{text}"), regex })
    }

    /// The text it was read from.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a name begins with what it describes.
    pub(crate) fn matches(&self, name: &str) -> bool {
        self.regex.is_match(name)
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Expression {}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or(text).trim_start_matches("error: ")
}

/// A term that is no plain name: a target or a regular expression.
///
/// Errors: what is wrong with it, in words.
pub(super) fn special(name: &str) -> Result<Option<Body>, String> {
    if let Some(expression) = name.strip_prefix('~') {
        return Expression::parse(expression).map(|expression| Some(Body::Regex(expression)));
    }
    if name.starts_with('@') || !Target::is_meant(name) {
        return Ok(None);
    }
    if let Some((_, rest)) = name.split_once(':').filter(|(_, rest)| rest.starts_with(['!', '&'])) {
        return Err(format!("patterns are separated by commas: write `,{rest}`"));
    }
    let is_bracketed = Target::parse(name).is_ok();
    let texts = if is_bracketed { vec![name.to_owned()] } else { range::expand(name)? };
    let targets = texts.iter().map(|text| Target::parse(text)).collect::<Result<_, _>>()?;
    Ok(Some(Body::Targets(targets)))
}
