//! Holds an edited text against the old one: the wanted change is there, and nothing else changed, neither value nor byte.
//!
//! Boundary: says yes or no. It reads with the parser that loads the files, not with the one that edited them.

use std::{ops::Range, rc::Rc};

use super::{EditError, Kind};
use crate::config::yaml::{self, Entry, Node, Value};

/// `new` is `old` with one more entry, `name`, that is as `done` wants it.
pub(super) fn added(
    root: &Node,
    old: &str,
    new: &str,
    kind: Kind,
    name: &str,
    done: &dyn Fn(&Node) -> bool,
) -> Result<(), EditError> {
    let tree = parse(new, kind, name)?;
    let entry = entry(&tree, kind, name).is_some_and(|entry| done(&entry.value));
    let before = root.entry(kind.key).filter(|entries| !entries_of(&entries.value).is_empty());
    // Without entries there is `{}`, `~` or nothing in their place, and it gives way to them.
    let inserted = common_ends(old, new) >= old.len();
    let kept = match (before, root.entry(kind.key)) {
        (None, Some(empty)) => inserted || keeps(old, new, widen(old, empty.key_span.end..empty.span.end)),
        _ => inserted,
    };
    report(entry && kept && same_but(root, &tree, kind, name), kind, name)
}

/// `new` is `old` without `name`.
pub(super) fn removed(root: &Node, old: &str, new: &str, kind: Kind, name: &str) -> Result<(), EditError> {
    let tree = parse(new, kind, name)?;
    let gone = entry(&tree, kind, name).is_none();
    // With its last entry gone, the mapping is written `{}`, perhaps before a comment that followed the key.
    let without_braces = tree.entry(kind.key).filter(|entries| entries_of(&entries.value).is_empty()).map(|entries| {
        let braces = entries.value.span.clone();
        let head = new.get(..braces.start).unwrap_or("").trim_end_matches(' ');
        format!("{head}{}", new.get(braces.end..).unwrap_or(""))
    });
    let kept = entry(root, kind, name).is_some_and(|entry| {
        let range = widen(old, entry.span.clone());
        keeps(old, new, range.clone()) || without_braces.is_some_and(|new| keeps(old, &new, range))
    });
    report(gone && kept && same_but(root, &tree, kind, name), kind, name)
}

/// `new` is `old` but for `key` of `name`, which is as `done` wants it.
pub(super) fn changed(
    root: &Node,
    old: &str,
    new: &str,
    kind: Kind,
    name: &str,
    key: &str,
    done: &dyn Fn(&Node) -> bool,
) -> Result<(), EditError> {
    let tree = parse(new, kind, name)?;
    let (Some(before), Some(after)) = (entry(root, kind, name), entry(&tree, kind, name)) else {
        return report(false, kind, name);
    };
    let others = |node: &Node| -> Vec<(String, Rc<Node>)> {
        let others = entries_of(node).iter().filter(|entry| entry.key != key);
        others.map(|entry| (entry.key.clone(), Rc::clone(&entry.value))).collect()
    };
    let (was, is) = (others(&before.value), others(&after.value));
    let same = was.len() == is.len() && was.iter().zip(&is).all(|(a, b)| a.0 == b.0 && a.1.same(&b.1));
    let kept = keeps(old, new, widen(old, before.span.clone()));
    report(done(&after.value) && same && kept && same_but(root, &tree, kind, name), kind, name)
}

fn parse(new: &str, kind: Kind, name: &str) -> Result<Rc<Node>, EditError> {
    yaml::parse(new, kind.file).map_err(|errors| kind.layout(name, &format!("the result would be: {errors}")))
}

fn report(right: bool, kind: Kind, name: &str) -> Result<(), EditError> {
    if right { Ok(()) } else { Err(kind.layout(name, "the result would differ elsewhere too")) }
}

fn entry<'a>(root: &'a Node, kind: Kind, name: &str) -> Option<&'a Entry> {
    root.entry(kind.key)?.value.entry(name)
}

fn entries_of(node: &Node) -> &[Entry] {
    match &node.value {
        Value::Mapping { entries, .. } => entries,
        _ => &[],
    }
}

/// Everything but `name` has the same values in the same order.
fn same_but(old: &Node, new: &Node, kind: Kind, name: &str) -> bool {
    fn without<'a>(node: &'a Node, key: &'a str) -> impl Iterator<Item = &'a Entry> {
        entries_of(node).iter().filter(move |entry| entry.key != key)
    }
    fn equal<'a>(old: impl Iterator<Item = &'a Entry>, new: impl Iterator<Item = &'a Entry>) -> bool {
        let (old, new): (Vec<_>, Vec<_>) = (old.collect(), new.collect());
        old.len() == new.len() && old.iter().zip(&new).all(|(a, b)| a.key == b.key && a.value.same(&b.value))
    }
    let below = match (old.entry(kind.key), new.entry(kind.key)) {
        (Some(old), Some(new)) => equal(without(&old.value, name), without(&new.value, name)),
        (None, Some(new)) => without(&new.value, name).next().is_none(),
        _ => false,
    };
    below && equal(without(old, kind.key), without(new, kind.key))
}

/// `range` with what separates it from its neighbours: blanks and line ends, and the comma of a flow mapping.
/// Comments are neither, so they are kept.
fn widen(text: &str, range: Range<usize>) -> Range<usize> {
    let blank = |c: char| c.is_whitespace() || c == ',';
    let start = text.get(..range.start).map_or(range.start, |head| head.trim_end_matches(blank).len());
    let rest = text.get(range.end..).unwrap_or("");
    // A comment on the entry's last line goes with the entry.
    let line = rest.split('\n').next().unwrap_or("");
    let comment = if line.trim_start().starts_with('#') { line.len() } else { 0 };
    let after = rest.get(comment..).unwrap_or("");
    let blanks = after.len() - after.trim_start_matches(|c| blank(c) || c == ':').len();
    start..range.end + comment + blanks
}

/// Every byte outside of `range` is still there.
fn keeps(old: &str, new: &str, range: Range<usize>) -> bool {
    let (head, tail) = (old.get(..range.start).unwrap_or(old), old.get(range.end..).unwrap_or(""));
    new.len() >= head.len() + tail.len() && new.starts_with(head) && new.ends_with(tail)
}

/// How many bytes the texts share at their start and end together.
fn common_ends(old: &str, new: &str) -> usize {
    let start = old.bytes().zip(new.bytes()).take_while(|(a, b)| a == b).count();
    start + old.bytes().rev().zip(new.bytes().rev()).take_while(|(a, b)| a == b).count()
}
