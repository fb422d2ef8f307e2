//! Changes one entry of `servers.yaml` or `hosts.yaml` and leaves every other byte as it is.
//!
//! Boundary: text in, text out. The crate yaml-edit does the editing: in trials it kept comments, order, line ends and
//! layout where yamlpatch dropped what follows a removed last entry and rewrote flow mappings. Every result is then held
//! against the old text by `edit/verify.rs`, with another parser, so that a fault there is an error and not a loss.

mod list;
#[cfg(test)]
mod tests;
mod verify;

use std::{str::FromStr, time::Duration};

use yaml_edit::{Document, Mapping, ScalarValue, Sequence};

use super::{
    error::{ConfigErrors, closest},
    range,
    registry::settings,
    store,
    walk::{boolean, duration},
    yaml::{self, Node, Value as Tree},
};
use crate::domain::{Amount, Rollout, Serial, Server, ServerName};

/// A value to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A string; quoted where it would otherwise be read as something else.
    Text(String),
    /// A whole number.
    Number(i64),
    /// `true` or `false`.
    Boolean(bool),
    /// A list of strings.
    List(Vec<String>),
    /// Strings by name (`env`).
    Map(Vec<(String, String)>),
    /// A time, in whole milliseconds.
    Time(Duration),
    /// Sizes of batches.
    Serial(Serial),
    /// Keys with values of their own (`rollout`).
    Keys(Vec<(&'static str, Value)>),
}

/// As one line for people; of variables only the names, since their values may be secret.
impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::List(items) => f.write_str(&items.join(",")),
            Self::Map(values) => {
                let names: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
                f.write_str(&names.join(","))
            }
            Self::Time(time) => f.write_str(&time_text(*time)),
            Self::Serial(serial) => write!(f, "{serial}"),
            Self::Keys(values) => {
                let keys: Vec<String> = values.iter().map(|(name, value)| format!("{name} {value}")).collect();
                f.write_str(&keys.join(" "))
            }
        }
    }
}

/// Why a file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The file cannot be read as it is.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The name is taken.
    #[error("{file} has {name:?} already")]
    Exists { file: &'static str, name: String },
    /// There is no such entry.
    #[error("{file} has no {name:?}{}", suggestion.as_ref().map(|name| format!("; did you mean {name:?}?")).unwrap_or_default())]
    Missing { file: &'static str, name: String, suggestion: Option<String> },
    /// The entry is laid out so that it cannot be changed alone.
    #[error("cannot change {name:?} in {file} without touching anything else ({reason}); edit the file by hand")]
    Layout { file: &'static str, name: String, reason: String },
}

/// Which file, and the key that holds its entries.
#[derive(Clone, Copy)]
struct Kind {
    file: &'static str,
    key: &'static str,
}

const SERVERS: Kind = Kind { file: store::SERVERS, key: "servers" };
const HOSTS: Kind = Kind { file: store::HOSTS, key: "hosts" };

/// Adds `server` at the end of the registry; an empty text becomes a whole file.
///
/// # Errors
/// The name is taken, the text is broken, or the layout does not allow it.
pub fn add_server(text: &str, server: &Server) -> Result<String, EditError> {
    let fields: Vec<(&str, Value)> =
        fields(server).into_iter().filter_map(|(key, value, default)| (!default).then_some((key, value?))).collect();
    add(SERVERS, text, server.name.as_str(), &fields)
}

/// Brings the entry `name` to what `server` says, touching only the keys that differ. The name itself stays.
///
/// # Errors
/// There is no such server, the text is broken, or the layout does not allow it.
pub fn update_server(text: &str, name: &ServerName, server: &Server) -> Result<String, EditError> {
    let mut text = text.to_owned();
    for (key, value, default) in fields(server) {
        let root = yaml::parse(&text, SERVERS.file)?;
        let entry = find(SERVERS, &root, name.as_str())?;
        let now = entry.entry(key).map(|entry| &entry.value).filter(|value| !value.is_null());
        let unchanged = match (now, &value) {
            (None, None) => true,
            (None, Some(_)) => default,
            (Some(now), Some(value)) => same(now, value),
            (Some(_), None) => false,
        };
        if !unchanged {
            let value = if default { None } else { value };
            text = replace_server_key(&text, name, key, value.as_ref())?;
        }
    }
    Ok(text)
}

/// One key with its values in two entries; `None` where it has none.
pub type Difference = (&'static str, Option<Value>, Option<Value>);

/// The keys whose values differ between two entries of the registry, in the order they are written.
#[must_use]
pub fn differences(before: &Server, after: &Server) -> Vec<Difference> {
    let pairs = fields(before).into_iter().zip(fields(after));
    pairs.filter(|(old, new)| old.1 != new.1).map(|((key, old, _), (_, new, _))| (key, old, new)).collect()
}

/// The entries of `hosts` as they are written, ranges as one.
///
/// # Errors
/// The text is not YAML.
pub fn host_entries(text: &str) -> Result<Vec<String>, EditError> {
    entries(HOSTS, text)
}

/// The names of the registry's entries, whatever else is wrong with them.
///
/// # Errors
/// The text is not YAML.
pub fn server_entries(text: &str) -> Result<Vec<String>, EditError> {
    entries(SERVERS, text)
}

fn entries(kind: Kind, text: &str) -> Result<Vec<String>, EditError> {
    let root = yaml::parse(text, kind.file)?;
    Ok(match root.entry(kind.key).map(|entries| &entries.value.value) {
        Some(Tree::Mapping { entries, .. }) => entries.iter().map(|entry| entry.key.clone()).collect(),
        Some(Tree::Sequence(items)) => {
            let text = |item: &Node| match &item.value {
                Tree::Scalar(scalar) => Some(scalar.text.clone()),
                _ => None,
            };
            items.iter().filter_map(|item| text(item)).collect()
        }
        _ => vec![],
    })
}

/// Sets one key of the server `name`, or takes it away.
///
/// # Errors
/// As [`update_server`].
pub fn replace_server_key(
    text: &str,
    name: &ServerName,
    key: &str,
    value: Option<&Value>,
) -> Result<String, EditError> {
    let root = yaml::parse(text, SERVERS.file)?;
    let old = find(SERVERS, &root, name.as_str())?;
    let layout = |reason: &str| SERVERS.layout(name.as_str(), reason);
    let entry = root.entry(SERVERS.key).and_then(|servers| servers.value.entry(name.as_str()));
    if entry.is_some_and(|entry| entry.merged || !entry.span.contains(&old.span.start)) {
        return Err(layout("it is an alias of another entry"));
    }
    if value.is_none() && old.entry(key).is_some_and(|entry| entry.merged) {
        return Err(layout("the key comes from a merged mapping"));
    }
    let document = Document::from_str(text).map_err(|error| layout(&error.to_string()))?;
    let server = document
        .as_mapping()
        .and_then(|root| root.get_mapping(SERVERS.key))
        .and_then(|servers| servers.get_mapping(name.as_str()))
        .ok_or_else(|| layout("its values are not a mapping of their own"))?;
    match value {
        Some(value) => put(&server, key, value),
        None => {
            server.remove(key);
        }
    }
    let new = document.to_string();
    let done = |server: &Node| match (server.entry(key), value) {
        (Some(entry), Some(value)) => same(&entry.value, value),
        (None, None) => true,
        _ => false,
    };
    verify::changed(&root, text, &new, SERVERS, name.as_str(), key, &done)?;
    Ok(new)
}

/// Removes the server `name`. Comments around it stay.
///
/// # Errors
/// As [`update_server`].
pub fn remove_server(text: &str, name: &ServerName) -> Result<String, EditError> {
    remove(SERVERS, text, name.as_str())
}

/// Adds a host, or a range of hosts, at the end of the inventory's `hosts`.
///
/// # Errors
/// As [`add_server`].
pub fn add_host(text: &str, name: &str, fields: &[(&str, Value)]) -> Result<String, EditError> {
    add(HOSTS, text, name, fields)
}

/// Removes the host or the range of hosts `name`, which must be an entry of its own. Groups that list it are left alone.
///
/// # Errors
/// As [`update_server`].
pub fn remove_host(text: &str, name: &str) -> Result<String, EditError> {
    remove(HOSTS, text, name)
}

impl Kind {
    fn layout(self, name: &str, reason: &str) -> EditError {
        EditError::Layout { file: self.file, name: name.to_owned(), reason: reason.to_owned() }
    }
}

/// Keys of a server in the order they are written, whether each has its default value, which need not be written.
fn fields(server: &Server) -> Vec<(&'static str, Option<Value>, bool)> {
    let text = |text: &Option<String>| text.clone().map(Value::Text);
    let host = match server.host.as_slice() {
        [] => None,
        [host] => Some(Value::Text(host.clone())),
        hosts => Some(Value::List(hosts.to_vec())),
    };
    let tags = (!server.tags.is_empty()).then(|| Value::List(server.tags.clone()));
    vec![
        ("description", text(&server.description), false),
        ("command", Some(Value::Text(server.command.clone())), false),
        ("host", host, false),
        ("port", server.port.map(|port| Value::Number(port.into())), false),
        ("tags", tags, false),
        ("priority", Some(Value::Number(server.priority.into())), server.priority == 0),
        ("enabled", Some(Value::Boolean(server.enabled)), server.enabled),
        ("stop", text(&server.stop), false),
        ("logs", text(&server.logs), false),
        ("stats", text(&server.stats), false),
        ("pull", text(&server.pull), false),
        ("rollout", rollout(&server.own.rollout), false),
        ("keep_previous", server.own.keep_previous.map(Value::Time), false),
    ]
}

fn rollout(rollout: &Rollout) -> Option<Value> {
    let keys: Vec<(&str, Value)> = [
        ("serial", rollout.serial.clone().map(Value::Serial)),
        ("max_fail", rollout.max_fail.map(|amount| Value::Serial(Serial::new(vec![amount])))),
        ("wait", rollout.wait.map(Value::Time)),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key, value?)))
    .collect();
    (!keys.is_empty()).then_some(Value::Keys(keys))
}

fn find<'a>(kind: Kind, root: &'a Node, name: &str) -> Result<&'a Node, EditError> {
    let entries = root.entry(kind.key).map(|entry| &entry.value);
    if let Some(entry) = entries.and_then(|entries| entries.entry(name)) {
        return Ok(&entry.value);
    }
    let Some(Tree::Mapping { entries, .. }) = entries.map(|entries| &entries.value) else {
        if let Some(Tree::Sequence(_)) = entries.map(|entries| &entries.value) {
            return Err(kind.layout(name, "the entries are a list"));
        }
        return Err(EditError::Missing { file: kind.file, name: name.to_owned(), suggestion: None });
    };
    let range = entries.iter().find(|entry| {
        entry.key.contains('[') && range::expand(&entry.key).is_ok_and(|names| names.iter().any(|one| one == name))
    });
    if let Some(range) = range {
        return Err(kind.layout(name, &format!("it is one of the range {}", range.key)));
    }
    let suggestion = closest(name, entries.iter().map(|entry| entry.key.as_str()));
    Err(EditError::Missing { file: kind.file, name: name.to_owned(), suggestion })
}

fn add(kind: Kind, text: &str, name: &str, fields: &[(&str, Value)]) -> Result<String, EditError> {
    let text = match yaml::parse(text, kind.file)?.is_null() {
        true if text.is_empty() => format!("version: 1\n\n{}:\n", kind.key),
        true => format!("{}\nversion: 1\n\n{}:\n", text.trim_end(), kind.key),
        false => text.to_owned(),
    };
    let root = yaml::parse(&text, kind.file)?;
    let entries = root.entry(kind.key);
    if entries.is_some_and(|entries| entries.value.entry(name).is_some()) {
        return Err(EditError::Exists { file: kind.file, name: name.to_owned() });
    }
    if entries.is_some_and(|entries| matches!(entries.value.value, Tree::Sequence(_))) {
        if fields.is_empty() {
            return list::add(kind, &text, &root, name);
        }
        return Err(kind
            .layout(name, "the entries are a list of names, which have no values; write each name as a key: `NAME:`"));
    }
    let document = Document::from_str(&text).map_err(|error| kind.layout(name, &error.to_string()))?;
    let top = document.as_mapping().ok_or_else(|| kind.layout(name, "the file is not a mapping"))?;
    let empty = |node: &Node| match &node.value {
        Tree::Mapping { entries, .. } => entries.is_empty(),
        _ => node.is_null(),
    };
    let new_entry = Mapping::new();
    for (key, value) in fields {
        put(&new_entry, key, value);
    }
    match top.get_mapping(kind.key).filter(|_| entries.is_some_and(|entries| !empty(&entries.value))) {
        Some(mapping) => mapping.set(name, &new_entry),
        None => {
            let mapping = Mapping::new();
            mapping.set(name, &new_entry);
            top.set(kind.key, &mapping);
        }
    }
    let new = document.to_string();
    let done = |entry: &Node| {
        let count = match &entry.value {
            Tree::Mapping { entries, .. } => entries.len(),
            _ => 0,
        };
        count == fields.len()
            && fields.iter().all(|(key, value)| entry.entry(key).is_some_and(|now| same(&now.value, value)))
    };
    verify::added(&root, &text, &new, kind, name, &done)?;
    Ok(new)
}

fn remove(kind: Kind, text: &str, name: &str) -> Result<String, EditError> {
    let root = yaml::parse(text, kind.file)?;
    if root.entry(kind.key).is_some_and(|entries| matches!(entries.value.value, Tree::Sequence(_))) {
        return list::remove(kind, text, &root, name);
    }
    find(kind, &root, name)?;
    let document = Document::from_str(text).map_err(|error| kind.layout(name, &error.to_string()))?;
    let removed =
        document.as_mapping().and_then(|root| root.get_mapping(kind.key)).and_then(|entries| entries.remove(name));
    if removed.is_none() {
        return Err(kind.layout(name, "it is not an entry of its own"));
    }
    let mut new = document.to_string();
    if !text.ends_with('\n') && new.ends_with('\n') {
        // The last line had no end, so the line that is the last now gets none either.
        new.truncate(new.strip_suffix("\r\n").or(new.strip_suffix('\n')).map_or(0, str::len));
    }
    verify::removed(&root, text, &new, kind, name)?;
    Ok(new)
}

fn put(mapping: &Mapping, key: &str, value: &Value) {
    match value {
        Value::Text(text) => mapping.set(key, scalar(text)),
        Value::Number(number) => mapping.set(key, *number),
        Value::Boolean(value) => mapping.set(key, *value),
        Value::List(items) => {
            let list = Sequence::new();
            for item in items {
                list.push(scalar(item));
            }
            mapping.set(key, &list);
        }
        Value::Map(values) => {
            let map = Mapping::new();
            for (name, value) in values {
                map.set(name.as_str(), scalar(value));
            }
            mapping.set(key, &map);
        }
        Value::Time(time) => mapping.set(key, ScalarValue::plain(time_text(*time))),
        Value::Serial(serial) => match serial.sizes() {
            [Amount::Hosts(count)] => mapping.set(key, i64::try_from(*count).unwrap_or(i64::MAX)),
            [_] => mapping.set(key, ScalarValue::plain(serial.to_string())),
            _ => mapping.set(key, ScalarValue::single_quoted(serial.to_string())),
        },
        Value::Keys(values) => {
            let map = Mapping::new();
            values.iter().for_each(|(name, value)| put(&map, name, value));
            mapping.set(key, &map);
        }
    }
}

/// A time with the largest unit that divides it, down to milliseconds.
fn time_text(time: Duration) -> String {
    let (seconds, milliseconds) = (time.as_secs(), time.as_millis());
    match () {
        () if milliseconds % 1000 != 0 => format!("{milliseconds}ms"),
        () if seconds == 0 => "0".to_owned(),
        () if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        () if seconds % 60 == 0 => format!("{}m", seconds / 60),
        () => format!("{seconds}s"),
    }
}

/// A string as yaml-edit quotes it, and quoted too where only a YAML 1.1 reader would take it for a number or a date.
/// Line ends and tabs are escaped rather than written as a block, whose leading blanks parsers disagree on.
fn scalar(text: &str) -> ScalarValue {
    if text.contains(char::is_control) {
        return ScalarValue::double_quoted(text);
    }
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.:_".contains(c));
    let special = matches!(text, "=" | "<<") || matches!(text.to_ascii_lowercase().as_str(), "y" | "n");
    if numeric || special { ScalarValue::single_quoted(text) } else { ScalarValue::string(text) }
}

/// Whether `node` says `value`.
fn same(node: &Node, value: &Value) -> bool {
    let text =
        |node: &Node, text: &str| matches!(&node.value, Tree::Scalar(scalar) if scalar.text == text) && !node.is_null();
    match (value, &node.value) {
        (Value::Text(wanted), Tree::Scalar(_)) => text(node, wanted),
        (Value::Text(wanted), Tree::Sequence(items)) => matches!(items.as_slice(), [item] if text(item, wanted)),
        (Value::Number(number), Tree::Scalar(scalar)) => scalar.plain && scalar.text == number.to_string(),
        (Value::Boolean(wanted), _) => boolean(node) == Some(*wanted),
        (Value::List(wanted), Tree::Sequence(items)) => {
            wanted.len() == items.len() && items.iter().zip(wanted).all(|(item, wanted)| text(item, wanted))
        }
        (Value::List(wanted), Tree::Scalar(_)) => matches!(wanted.as_slice(), [one] if text(node, one)),
        (Value::Map(wanted), Tree::Mapping { entries, .. }) => {
            wanted.len() == entries.len()
                && wanted.iter().all(|(name, value)| node.entry(name).is_some_and(|entry| text(&entry.value, value)))
        }
        (Value::Time(wanted), Tree::Scalar(scalar)) => {
            duration(&scalar.text).is_some_and(|time| time.as_millis() == wanted.as_millis())
        }
        (Value::Serial(wanted), _) => settings::serial_of(node).as_ref() == Some(wanted),
        (Value::Keys(wanted), Tree::Mapping { entries, .. }) => {
            entries.iter().filter(|entry| !entry.value.is_null()).count() == wanted.len()
                && wanted.iter().all(|(name, value)| node.entry(name).is_some_and(|entry| same(&entry.value, value)))
        }
        _ => false,
    }
}
