//! A variable's value as Ansible would hold it, and the YAML 1.1 reading of plain scalars that decides it.
//!
//! Boundary: values only; which variables count is `settings`'s. Secrets and encrypted values lose their content here.

use std::rc::Rc;

use crate::config::yaml::{Entry, Node, Scalar, Value as Yaml};

/// Where something was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file as it should be shown.
    pub(crate) file: Rc<str>,
    /// Line from 1; 0 where there is none, as in the output of an executable.
    pub(crate) line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 { write!(f, ":{}", self.line) } else { Ok(()) }
    }
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
    /// Encrypted with Ansible Vault; its text was not kept.
    Vault,
    /// Of a variable that holds a secret; its text was not kept.
    Secret,
}

impl Value {
    /// A text, unless it is encrypted.
    pub(super) fn text(text: String) -> Self {
        if text.trim_start().starts_with(super::VAULT) { Self::Vault } else { Self::Text(text) }
    }

    /// The value of a YAML node, plain scalars read as PyYAML reads them.
    pub(super) fn of_yaml(node: &Node) -> Self {
        match &node.value {
            Yaml::Scalar(Scalar { text, plain: true }) => plain(text),
            Yaml::Scalar(Scalar { text, .. }) => Self::text(text.clone()),
            Yaml::Sequence(items) => Self::List(items.iter().map(|item| Self::of_yaml(item)).collect()),
            Yaml::Mapping { .. } => Self::Map(
                entries(node).into_iter().map(|entry| (entry.key.clone(), Self::of_yaml(&entry.value))).collect(),
            ),
        }
    }

    /// What Jinja would put where the value is named; `None` for lists, mappings and what has no content here.
    pub(super) fn shown(&self) -> Option<String> {
        match self {
            Self::Bool(value) => Some(if *value { "True" } else { "False" }.to_owned()),
            Self::Int(value) => Some(value.to_string()),
            Self::Float(value) => Some(format!("{value:?}")),
            Self::Text(text) => Some(text.clone()),
            Self::Null | Self::List(_) | Self::Map(_) | Self::Vault | Self::Secret => None,
        }
    }
}

/// The entries of a mapping; of two with one key the later counts, in the place of the first, as in Python.
pub(super) fn entries(node: &Node) -> Vec<&Entry> {
    let Yaml::Mapping { entries } = &node.value else { return Vec::new() };
    let mut places = std::collections::HashMap::with_capacity(entries.len());
    let mut kept: Vec<&Entry> = Vec::with_capacity(entries.len());
    for entry in entries {
        match places.get(entry.key.as_str()) {
            Some(at) => kept[*at] = entry,
            None => {
                places.insert(entry.key.as_str(), kept.len());
                kept.push(entry);
            }
        }
    }
    kept
}

/// A plain scalar by the rules of YAML 1.1's types (yaml.org/type), which Ansible's parser follows.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Value::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Value::Bool(false),
        _ => {}
    }
    if let Some(number) = integer(text) {
        return Value::Int(number);
    }
    float(text).map_or_else(|| Value::text(text.to_owned()), Value::Float)
}

fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let clean: String = digits.chars().filter(|c| *c != '_').collect();
    // An underscore may stand anywhere but first (and last, where only a digit may).
    if clean.is_empty() || !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let number = if let Some(binary) = clean.strip_prefix("0b") {
        i64::from_str_radix(binary, 2).ok()?
    } else if let Some(hexadecimal) = clean.strip_prefix("0x") {
        i64::from_str_radix(hexadecimal, 16).ok()?
    } else if clean.contains(':') {
        sexagesimal(&clean)?
    } else if !clean.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    } else if clean.len() > 1 && clean.starts_with('0') {
        i64::from_str_radix(&clean, 8).ok()?
    } else {
        clean.parse().ok()?
    };
    Some(if negative { -number } else { number })
}

/// `1:30` is 90 (yaml.org/type/int): the reason why a port mapping needs quotes.
fn sexagesimal(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let first = parts.next()?;
    if first.starts_with('0') || !first.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut number: i64 = first.parse().ok()?;
    for part in parts {
        let valid = matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
        number = number.checked_mul(60)?.checked_add(part.parse().ok().filter(|_| valid)?)?;
    }
    Some(number)
}

fn float(text: &str) -> Option<f64> {
    let body = text.trim_start_matches(['+', '-']);
    // PyYAML wants a point, and a sign in the exponent: `1e3` is a string.
    let has_point = body.contains('.') && body.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let digits = body.contains(|c: char| c.is_ascii_digit());
    let exponent = body.find(['e', 'E']).is_none_or(|at| body[at + 1..].starts_with(['+', '-']));
    if text.len() - body.len() > 1 || !has_point || !digits || !exponent {
        return None;
    }
    text.replace('_', "").parse().ok()
}

impl<'de> serde::Deserialize<'de> for Value {
    /// From JSON, with the order of keys kept; of two equal keys the later counts.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Value;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON value")
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(Value::Int(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(i64::try_from(value).map_or_else(|_| Value::Text(value.to_string()), Value::Int))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(Value::Float(value))
            }
            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(Value::text(value.to_owned()))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Value::List(list))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
                let mut map: Vec<(String, Value)> = Vec::new();
                let mut index = std::collections::HashMap::new();
                while let Some((key, value)) = entries.next_entry::<String, Value>()? {
                    match index.get(&key) {
                        Some(at) => map[*at] = (key, value),
                        None => {
                            index.insert(key.clone(), map.len());
                            map.push((key, value));
                        }
                    }
                }
                // What is encrypted or must not be evaluated, as `ansible-inventory --list` writes it.
                match map.as_slice() {
                    [(key, _)] if key == "__ansible_vault" => Ok(Value::Vault),
                    [(key, value)] if key == "__ansible_unsafe" => Ok(value.clone()),
                    _ => Ok(Value::Map(map)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_read_as_yaml_1_1() {
        for (text, value) in [
            ("yes", Value::Bool(true)),
            ("Off", Value::Bool(false)),
            ("y", Value::Text("y".into())),
            ("~", Value::Null),
            ("010", Value::Int(8)),
            ("0x1F", Value::Int(31)),
            ("0b11", Value::Int(3)),
            ("-1_000", Value::Int(-1000)),
            ("22:22", Value::Int(1342)),
            ("08", Value::Text("08".into())),
            ("1e3", Value::Text("1e3".into())),
            ("1.5e+3", Value::Float(1500.0)),
            ("1.10", Value::Float(1.1)),
            ("10.0.0.1", Value::Text("10.0.0.1".into())),
            ("2001:db8::1", Value::Text("2001:db8::1".into())),
            ("$ANSIBLE_VAULT;1.1;AES256", Value::Vault),
        ] {
            assert_eq!(plain(text), value, "{text}");
        }
    }

    #[test]
    fn json_keeps_the_order_of_its_keys_and_the_last_of_two_equal_ones() {
        let value: Result<Value, _> = serde_json::from_str(r#"{"z": 1, "a": [null, true, "x"], "z": 2}"#);
        let list = Value::List(vec![Value::Null, Value::Bool(true), Value::Text("x".into())]);
        assert_eq!(value.ok(), Some(Value::Map(vec![("z".into(), Value::Int(2)), ("a".into(), list)])));
    }
}
