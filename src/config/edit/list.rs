//! Adds a bare name to `hosts: [a, b]`, or takes one away, and leaves every other byte as it is.
//!
//! Boundary: lists of scalars, in flow or block style. The result is read again by the parser that loads the file.

use super::{EditError, Kind};
use crate::config::yaml::{self, Node, Value};

/// `text` with `name` as the last item.
pub(super) fn add(kind: Kind, text: &str, root: &Node, name: &str) -> Result<String, EditError> {
    let items = names(kind, root, name)?;
    if items.iter().any(|(item, _)| item == name) {
        return Err(EditError::Exists { file: kind.file, name: name.to_owned() });
    }
    let list = root.entry(kind.key).map(|entry| &entry.value);
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        && !matches!(
            name.to_ascii_lowercase().as_str(),
            "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null"
        );
    let written = if plain { name.to_owned() } else { format!("'{}'", name.replace('\'', "''")) };
    let (at, inserted) = match (items.last(), list) {
        (Some((_, last)), _) => match dash(text, last.span.start) {
            Some(before) => {
                let line_end = text[last.span.end..].find('\n').map_or(text.len(), |end| last.span.end + end);
                let at = if text[..line_end].ends_with('\r') { line_end - 1 } else { line_end };
                let line_break = if text.contains("\r\n") { "\r\n" } else { "\n" };
                (at, format!("{line_break}{before}{written}"))
            }
            None => (last.span.end, format!(", {written}")),
        },
        // `[]`
        (None, Some(list)) => (list.span.start + 1, written),
        (None, None) => return Err(kind.layout(name, "there is no list")),
    };
    let mut new = text.to_owned();
    new.insert_str(at, &inserted);
    let mut wanted: Vec<&str> = items.iter().map(|(item, _)| item.as_str()).collect();
    wanted.push(name);
    verified(kind, root, new, name, &wanted)
}

/// `text` without the item `name`.
pub(super) fn remove(kind: Kind, text: &str, root: &Node, name: &str) -> Result<String, EditError> {
    let items = names(kind, root, name)?;
    let Some(place) = items.iter().position(|(item, _)| item == name) else {
        let suggestion = crate::config::error::closest(name, items.iter().map(|(item, _)| item.as_str()));
        return Err(EditError::Missing { file: kind.file, name: name.to_owned(), suggestion });
    };
    let span = items[place].1.span.clone();
    let range = match dash(text, span.start) {
        Some(_) if items.len() == 1 => return Err(kind.layout(name, "it is the only one of its list")),
        Some(before) => {
            let end = text[span.end..].find('\n').map_or(text.len(), |end| span.end + end + 1);
            span.start - before.len()..end
        }
        None => match (place.checked_sub(1).map(|before| items[before].1.span.end), items.get(place + 1)) {
            (_, Some((_, next))) => span.start..next.span.start,
            (Some(before), None) => before..span.end,
            (None, None) => span,
        },
    };
    let mut new = text.to_owned();
    new.replace_range(range, "");
    let wanted: Vec<&str> = items.iter().map(|(item, _)| item.as_str()).filter(|item| *item != name).collect();
    verified(kind, root, new, name, &wanted)
}

/// The items, each with its node; all of them must be scalars.
fn names<'a>(kind: Kind, root: &'a Node, name: &str) -> Result<Vec<(String, &'a Node)>, EditError> {
    let Some(Value::Sequence(items)) = root.entry(kind.key).map(|entry| &entry.value.value) else {
        return Err(kind.layout(name, "there is no list"));
    };
    let scalar = |node: &'a std::rc::Rc<Node>| match &node.value {
        Value::Scalar(scalar) => Some((scalar.text.clone(), &**node)),
        _ => None,
    };
    items
        .iter()
        .map(scalar)
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| kind.layout(name, "the list holds more than names"))
}

/// What stands before an item of a block list on its line, dash included; `None` in a flow list.
fn dash(text: &str, start: usize) -> Option<&str> {
    let line = text[..start].rfind('\n').map_or(0, |end| end + 1);
    let before = &text[line..start];
    (before.trim() == "-").then_some(before)
}

/// `new`, if its list holds `wanted` and everything else says what it did.
fn verified(kind: Kind, root: &Node, new: String, name: &str, wanted: &[&str]) -> Result<String, EditError> {
    let tree =
        yaml::parse(&new, kind.file).map_err(|errors| kind.layout(name, &format!("the result would be: {errors}")))?;
    let found: Vec<String> = names(kind, &tree, name)?.into_iter().map(|(item, _)| item).collect();
    let others = |node: &Node| match &node.value {
        Value::Mapping { entries, .. } => {
            let others = entries.iter().filter(|entry| entry.key != kind.key);
            others.map(|entry| (entry.key.clone(), std::rc::Rc::clone(&entry.value))).collect::<Vec<_>>()
        }
        _ => Vec::new(),
    };
    let (was, is) = (others(root), others(&tree));
    let same = was.len() == is.len() && was.iter().zip(&is).all(|(a, b)| a.0 == b.0 && a.1.same(&b.1));
    if found == wanted && same { Ok(new) } else { Err(kind.layout(name, "the result would differ elsewhere too")) }
}
