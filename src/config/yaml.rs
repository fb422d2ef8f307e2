//! YAML text to a tree that remembers lines, byte ranges and the written form of every scalar.
//!
//! Boundary: YAML's own rules and limits; what the keys mean is the schemas'. The parser's events are used rather than a
//! value type because only they keep `010`, `0x1f` and `1e3` as written, and carry the positions that errors and edits need.
//! Next: `yaml/build.rs` turns events into the tree; `walk` reads typed values out of the tree.

mod build;

use std::{ops::Range, rc::Rc};

use build::Builder;

use super::error::{ConfigError, ConfigErrors};

/// Largest file taken, in bytes.
pub(crate) const LARGEST: usize = 16 * 1024 * 1024;
/// Deepest nesting taken: the schemas need five levels, and recursion must not be bounded by the stack.
const DEEPEST: usize = 64;
/// Most nodes taken once aliases are followed; stops a few lines from standing for billions of values.
const MOST_NODES: usize = 4_000_000;

/// One value and where it stands.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) line: usize,
    /// Bytes of the value itself. A block collection ends with its last item.
    pub(crate) span: Range<usize>,
    pub(crate) value: Value,
    weight: usize,
}

#[derive(Debug)]
pub(crate) enum Value {
    Scalar(Scalar),
    Sequence(Vec<Rc<Node>>),
    Mapping { entries: Vec<Entry> },
}

/// A scalar as written, quotes and escapes removed.
#[derive(Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Written without quotes, so it may stand for a number, a boolean or nothing.
    pub(crate) plain: bool,
}

/// One `key: value`.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: usize,
    /// Bytes from the key to the end of the value.
    pub(crate) span: Range<usize>,
    pub(crate) key_span: Range<usize>,
    pub(crate) value: Rc<Node>,
    /// Came in through a merge key (`<<: *anchor`).
    pub(crate) merged: bool,
}

impl Node {
    /// A scalar that no file holds, as if written without quotes.
    pub(crate) fn scalar(text: &str) -> Rc<Self> {
        Self::made(Value::Scalar(Scalar { text: text.to_owned(), plain: true }), 1)
    }

    /// A string that no file holds.
    pub(crate) fn text(text: &str) -> Rc<Self> {
        Self::made(Value::Scalar(Scalar { text: text.to_owned(), plain: false }), 1)
    }

    /// A list that no file holds.
    pub(crate) fn list(items: Vec<Rc<Self>>) -> Rc<Self> {
        Self::made(Value::Sequence(items), 1)
    }

    /// A mapping that no file holds.
    pub(crate) fn mapping(entries: Vec<(String, Rc<Self>)>) -> Rc<Self> {
        let entry = |(key, value): (String, Rc<Self>)| Entry {
            key,
            line: value.line,
            span: 0..0,
            key_span: 0..0,
            value,
            merged: false,
        };
        Self::made(Value::Mapping { entries: entries.into_iter().map(entry).collect() }, 1)
    }

    /// The same node at another line.
    pub(crate) fn at_line(self: Rc<Self>, line: usize) -> Rc<Self> {
        match Rc::try_unwrap(self) {
            Ok(node) => Rc::new(Self { line, ..node }),
            Err(shared) => shared,
        }
    }

    fn made(value: Value, line: usize) -> Rc<Self> {
        Rc::new(Self { line, span: 0..0, value, weight: 1 })
    }

    /// Whether the value is left out (`key:`) or written `~` or `null` (YAML 1.2.2, section 10.3.2).
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(Scalar { text, plain: true }) if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// Same content, wherever it stands and however it is written.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::Scalar(a), Value::Scalar(b)) => a.text == b.text && a.plain == b.plain,
            (Value::Sequence(a), Value::Sequence(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b)),
            (Value::Mapping { entries: a, .. }, Value::Mapping { entries: b, .. }) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.key == b.key && a.value.same(&b.value))
            }
            _ => false,
        }
    }

    /// The entry of a mapping by key.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Mapping { entries, .. } => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }
}

/// Reads the only document of `text`. Errors: one for broken YAML, or one per duplicate key and unsupported construct.
pub(crate) fn parse(text: &str, file: &str) -> Result<Rc<Node>, ConfigErrors> {
    build(text, Builder::new(text, file), file)
}

/// As [`parse`], by Ansible's rules: of two equal keys the later counts (both are kept), and its own tags `!vault` and
/// `!unsafe` stand before strings.
pub(crate) fn parse_ansible(text: &str, file: &str) -> Result<Rc<Node>, ConfigErrors> {
    build(text, Builder::new(text, file).for_ansible(), file)
}

fn build(text: &str, mut builder: Builder<'_>, file: &str) -> Result<Rc<Node>, ConfigErrors> {
    if text.len() > LARGEST {
        let message = format!("the file has {} bytes; at most {LARGEST} are read", text.len());
        return Err(ConfigError::file(file, message).into());
    }
    match builder.stream() {
        Ok(root) => ConfigErrors::none_or(builder.into_errors(), root),
        Err(error) => Err((*error).into()),
    }
}

/// A key as a part of a path: quoted when it would be misread.
pub(crate) fn segment(key: &str, first: bool) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "._-*@[:]".contains(c));
    let dot = if first { "" } else { "." };
    if plain { format!("{dot}{key}") } else { format!("{dot}{key:?}") }
}

#[cfg(test)]
mod tests;
