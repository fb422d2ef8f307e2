//! Reads typed values out of a YAML tree and gathers every error on the way.
//!
//! Boundary: types, paths and wording; the keys themselves are the schemas'.

use std::{ops::RangeInclusive, path::PathBuf, rc::Rc, time::Duration};

use super::{
    error::{ConfigError, ConfigErrors, closest},
    yaml::{self, Node, Scalar, Value},
};

/// Errors past this many say nothing new.
const MOST_ERRORS: usize = 1000;
/// Longest time taken, one day: more is a typing error.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A node and the path that led to it.
#[derive(Clone)]
pub(crate) struct At {
    pub(crate) node: Rc<Node>,
    pub(crate) path: String,
    pub(crate) line: usize,
}

impl At {
    pub(crate) fn root(node: Rc<Node>) -> Self {
        Self { node, path: String::new(), line: 1 }
    }
}

/// Collects errors of one file.
pub(crate) struct Walk<'a> {
    file: &'a str,
    errors: Vec<ConfigError>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(file: &'a str) -> Self {
        Self { file, errors: Vec::new() }
    }

    pub(crate) fn finish<T>(self, value: T) -> Result<T, ConfigErrors> {
        let mut errors = self.errors;
        errors.sort_by_key(|error| error.line);
        ConfigErrors::none_or(errors, value)
    }

    pub(crate) fn failed(&self) -> bool {
        !self.errors.is_empty()
    }

    pub(crate) fn error(&mut self, at: &At, message: impl Into<String>) {
        self.suggest(at, message, None);
    }

    /// The error that [`Walk::suggest`] would report, for a place that spoils less than the file.
    pub(crate) fn described(&self, at: &At, message: impl Into<String>, suggestion: Option<String>) -> ConfigError {
        let path = (!at.path.is_empty()).then(|| at.path.clone());
        let (file, line) = (self.file.to_owned(), Some(at.line));
        ConfigError { file, path, line, message: message.into(), suggestion }
    }

    /// Takes an error of another file.
    pub(crate) fn foreign(&mut self, error: ConfigError) {
        self.errors.push(error);
    }

    pub(crate) fn suggest(&mut self, at: &At, message: impl Into<String>, suggestion: Option<String>) {
        if self.errors.len() < MOST_ERRORS {
            let error = self.described(at, message, suggestion);
            self.errors.push(error);
        }
    }

    /// The root mapping with its `version: 1`; `None` when there is nothing more to read.
    pub(crate) fn document(&mut self, root: Rc<Node>, keys: &[&str]) -> Option<Fields> {
        let at = At::root(root);
        if at.node.is_null() {
            self.error(&at, "the file is empty; it must say `version: 1`");
            return None;
        }
        let fields = self.mapping(&at)?;
        self.known(&fields, keys);
        match fields.get("version") {
            None => self.error(&at, "`version: 1` is missing at the top"),
            Some(version) => match &version.node.value {
                Value::Scalar(Scalar { text, plain: true }) if text == "1" => {}
                _ => self
                    .error(&version, format!("expected 1, the only version there is, found {}", found(&version.node))),
            },
        }
        Some(fields)
    }

    pub(crate) fn mapping(&mut self, at: &At) -> Option<Fields> {
        if matches!(at.node.value, Value::Mapping { .. }) {
            return Some(Fields { at: at.clone() });
        }
        self.error(at, format!("expected keys and values, found {}", found(&at.node)));
        None
    }

    /// Reports every key that is not one of `keys`.
    pub(crate) fn known(&mut self, fields: &Fields, keys: &[&str]) {
        for (key, at) in fields.iter() {
            if !keys.contains(&key.as_str()) {
                let message = format!("unknown key; the keys here are {}", keys.join(", "));
                self.suggest(&at, message, closest(&key, keys.iter().copied()));
            }
        }
    }

    /// A string, exactly as written: `no` is "no" and `010` is "010".
    pub(crate) fn string(&mut self, at: &At, what: &str) -> Option<String> {
        match &at.node.value {
            Value::Scalar(scalar) if !at.node.is_null() => {
                if scalar.text.trim().is_empty() {
                    self.error(at, format!("expected {what}, found an empty string"));
                    return None;
                }
                if scalar.text.contains('\0') {
                    self.error(at, format!("expected {what}, found one with a NUL character"));
                    return None;
                }
                Some(scalar.text.clone())
            }
            _ => {
                self.error(at, format!("expected {what}, found {}", found(&at.node)));
                None
            }
        }
    }

    /// One value or a list of them.
    pub(crate) fn items(&mut self, at: &At) -> Vec<At> {
        match &at.node.value {
            Value::Sequence(items) => items
                .iter()
                .enumerate()
                .map(|(index, node)| At {
                    node: Rc::clone(node),
                    path: format!("{}[{index}]", at.path),
                    line: node.line,
                })
                .collect(),
            _ => vec![at.clone()],
        }
    }

    /// One string or a list of strings.
    pub(crate) fn strings(&mut self, at: &At, what: &str) -> Vec<(String, At)> {
        let items = self.items(at);
        items.into_iter().filter_map(|item| Some((self.string(&item, what)?, item))).collect()
    }

    pub(crate) fn integer(&mut self, at: &At, range: RangeInclusive<i64>, what: &str) -> Option<i64> {
        if let Value::Scalar(Scalar { text, plain: true }) = &at.node.value
            && decimal(text)
            && let Ok(number) = text.parse::<i64>()
            && range.contains(&number)
        {
            return Some(number);
        }
        // Octal, hexadecimal and base-60 readings differ between YAML versions; only the plain decimal form is taken.
        self.error(at, format!("expected {what} from {} to {}, found {}", range.start(), range.end(), found(&at.node)));
        None
    }

    pub(crate) fn port(&mut self, at: &At) -> Option<u16> {
        self.integer(at, 1..=65535, "a port").and_then(|port| u16::try_from(port).ok())
    }

    pub(crate) fn boolean(&mut self, at: &At) -> Option<bool> {
        if let Some(value) = boolean(&at.node) {
            return Some(value);
        }
        let suggestion = match &at.node.value {
            Value::Scalar(scalar) => match scalar.text.to_ascii_lowercase().as_str() {
                "yes" | "on" | "y" | "1" | "true" => Some("true".to_owned()),
                "no" | "off" | "n" | "0" | "false" => Some("false".to_owned()),
                _ => None,
            },
            _ => None,
        };
        self.suggest(at, format!("expected true or false, found {}", found(&at.node)), suggestion);
        None
    }

    /// Whole seconds, or a number with `ms`, `s`, `m`, `h` or `d`.
    pub(crate) fn duration(&mut self, at: &At) -> Option<Duration> {
        self.time(at, LONGEST, |time| !time.is_zero())
    }

    /// A duration, or `0` for none of it.
    pub(crate) fn duration_or_zero(&mut self, at: &At) -> Option<Duration> {
        self.time(at, LONGEST, |_| true)
    }

    /// A duration, or `0` for none of it, of no more than `longest`.
    pub(crate) fn duration_up_to(&mut self, at: &At, longest: Duration) -> Option<Duration> {
        self.time(at, longest, |_| true)
    }

    fn time(&mut self, at: &At, longest: Duration, is_allowed: impl Fn(Duration) -> bool) -> Option<Duration> {
        let parsed = match &at.node.value {
            Value::Scalar(scalar) => duration(&scalar.text).filter(|time| *time <= longest && is_allowed(*time)),
            _ => None,
        };
        if parsed.is_none() {
            let most = match longest.as_secs() / 86_400 {
                1 => "one day".to_owned(),
                days => format!("{days} days"),
            };
            let message = format!(
                "expected seconds, or a time such as 500ms, 30s or 2m, up to {most}, found {}",
                found(&at.node)
            );
            self.error(at, message);
        }
        parsed
    }

    /// One of `words`.
    pub(crate) fn word(&mut self, at: &At, words: &[&'static str]) -> Option<&'static str> {
        if let Value::Scalar(scalar) = &at.node.value {
            if let Some(word) = words.iter().find(|word| **word == scalar.text) {
                return Some(word);
            }
            let message = format!("expected {}, found {}", words.join(" or "), found(&at.node));
            self.suggest(at, message, closest(&scalar.text, words.iter().copied()));
            return None;
        }
        self.error(at, format!("expected {}, found {}", words.join(" or "), found(&at.node)));
        None
    }

    /// A path: `~` is `home`, a relative one stands below `dir`.
    pub(crate) fn path(&mut self, at: &At, dir: &std::path::Path, home: Option<&std::path::Path>) -> Option<PathBuf> {
        let text = self.string(at, "a path")?;
        let Some(rest) = text.strip_prefix('~') else { return Some(dir.join(text)) };
        if !(rest.is_empty() || rest.starts_with('/')) {
            self.error(at, "`~user` is not supported; write the whole path");
            return None;
        }
        let Some(home) = home else {
            self.error(at, "`~` cannot be resolved: there is no home directory ($HOME is not set)");
            return None;
        };
        Some(home.join(rest.trim_start_matches('/')))
    }
}

/// A mapping being read.
pub(crate) struct Fields {
    pub(crate) at: At,
}

impl Fields {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (String, At)> {
        let entries = match &self.at.node.value {
            Value::Mapping { entries, .. } => entries.as_slice(),
            _ => &[],
        };
        entries.iter().map(|entry| (entry.key.clone(), self.below(&entry.key, &entry.value, entry.line)))
    }

    fn below(&self, key: &str, node: &Rc<Node>, line: usize) -> At {
        let path = format!("{}{}", self.at.path, yaml::segment(key, self.at.path.is_empty()));
        At { node: Rc::clone(node), path, line }
    }

    /// The value of `key`; a null one counts as left out.
    pub(crate) fn get(&self, key: &str) -> Option<At> {
        let entry = self.at.node.entry(key)?;
        (!entry.value.is_null()).then(|| self.below(key, &entry.value, entry.line))
    }
}

/// `true` or `false` as YAML 1.2's core schema writes them.
pub(crate) fn boolean(node: &Node) -> Option<bool> {
    match &node.value {
        Value::Scalar(Scalar { text, plain: true }) => match text.as_str() {
            "true" | "True" | "TRUE" => Some(true),
            "false" | "False" | "FALSE" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits == "0" || (!digits.starts_with('0') && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// Whole seconds, or a number with `ms`, `s`, `m`, `h` or `d`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = if decimal(digits) { digits.parse().ok()? } else { return None };
    let time = match text.get(digits.len()..)? {
        "ms" => Duration::from_millis(number),
        "" | "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.checked_mul(60)?),
        "h" => Duration::from_secs(number.checked_mul(3600)?),
        "d" => Duration::from_secs(number.checked_mul(86_400)?),
        _ => return None,
    };
    Some(time)
}

/// What a node is, for "found …". Not for values that may be secret.
pub(crate) fn found(node: &Node) -> String {
    match &node.value {
        _ if node.is_null() => "nothing".to_owned(),
        Value::Scalar(scalar) => {
            let short: String = scalar.text.chars().take(60).collect();
            let dots = if short.len() < scalar.text.len() { "…" } else { "" };
            let kind = if scalar.plain { "" } else { "the string " };
            format!("{kind}{:?}{dots}", short)
        }
        _ => kind(node).to_owned(),
    }
}

/// The kind of a node, without its content.
pub(crate) fn kind(node: &Node) -> &'static str {
    match &node.value {
        _ if node.is_null() => "nothing",
        Value::Scalar(_) => "a single value",
        Value::Sequence(_) => "a list",
        Value::Mapping { .. } => "keys and values",
    }
}
