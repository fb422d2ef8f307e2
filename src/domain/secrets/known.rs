//! The secrets that are registered: hidden wherever they come back, under whatever name.
//!
//! Boundary: pure. `docker: invalid reference "hunter2"` has no name in front of it by which anybody could know a secret.

use std::{borrow::Cow, collections::BTreeSet};

use super::{MASK, find, is_secret_name, mask};

/// Shorter values are words that stand in any text.
const SHORTEST: usize = 6;

/// Values that are known to be secret.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Secrets {
    /// The longest first, so that none hides a part of another.
    values: Vec<String>,
}

impl Secrets {
    /// Those that stand in `texts` in clear, and the values of `variables` whose names or values look so. A value that the same text
    /// has in clear elsewhere (`POSTGRES_PASSWORD=postgres … postgres:16`) is not hidden by itself: it would hide what it is not.
    #[must_use]
    pub fn of<'a>(
        texts: impl IntoIterator<Item = &'a str>,
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut values = BTreeSet::new();
        for text in texts {
            let found = find(text);
            if found.is_empty() {
                continue;
            }
            let rest = mask(text);
            let written = found.iter().map(|secret| text[secret.range.clone()].to_owned());
            let values_of_text = found.iter().map(|secret| secret.value.clone()).chain(written);
            values.extend(values_of_text.filter(|value| !rest.contains(value.as_str())));
        }
        for (name, value) in variables {
            if is_secret_name(name) {
                values.insert(value.to_owned());
            } else {
                values.extend(find(value).into_iter().map(|secret| secret.value));
            }
        }
        let mut values: Vec<String> = values.into_iter().filter(|value| value.len() >= SHORTEST).collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Self { values }
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// `text` without the values that are known, and nothing else changed.
    #[must_use]
    pub fn without_known<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut hidden = Cow::Borrowed(text);
        for value in &self.values {
            if hidden.contains(value.as_str()) {
                hidden = Cow::Owned(hidden.replace(value.as_str(), MASK));
            }
        }
        hidden
    }

    /// `text` without the values that are known and without what looks like a secret.
    #[must_use]
    pub fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        // By their names first: what is left of `-e KEY='a b'` after its value went is no longer what it was.
        match mask(text) {
            Cow::Borrowed(text) => self.without_known(text),
            Cow::Owned(masked) => Cow::Owned(self.without_known(&masked).into_owned()),
        }
    }
}
