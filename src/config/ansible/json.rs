//! The JSON of inventory executables: groups by name, and `_meta.hostvars`.
//!
//! Boundary: text into [`Data`]; the executable is run by [`source`](crate::config::source). Source: Ansible's
//! `plugins/inventory/script.py` and the developer guide, "Developing dynamic inventory".

use super::{
    Data,
    data::error,
    value::{Place, Value},
};
use crate::config::error::ConfigErrors;

/// What `--list` said of the hosts' variables.
pub(crate) enum HostVars {
    /// All of it.
    Known,
    /// Nothing: `--host` must be asked for each of these.
    Missing(Vec<String>),
}

/// Reads the answer of `--list` into `data`. `label` names the executable.
///
/// # Errors
/// What is wrong with the answer.
pub(crate) fn list(data: &mut Data, text: &str, label: &str) -> Result<HostVars, ConfigErrors> {
    let place = Place { file: label.into(), line: 0 };
    let wrong = |message: String| error(&place, &message);
    let Value::Map(groups) = parse(text, &place, "--list")? else {
        return Err(wrong("--list: expected a JSON object with groups by name".to_owned()));
    };
    let mut named: Vec<String> = Vec::new();
    let mut host_vars: Option<Vec<(String, Value)>> = None;
    for (name, group) in groups {
        if name != "_meta" {
            read_group(data, &name, group, &place, &mut named)?;
        } else if let Value::Map(meta) = group
            && let Some((_, found)) = meta.into_iter().find(|(key, _)| key == "hostvars")
        {
            let Value::Map(found) = found else {
                return Err(wrong("--list: _meta.hostvars: expected an object with hosts by name".to_owned()));
            };
            host_vars = Some(found);
        }
    }
    let Some(host_vars) = host_vars else { return Ok(HostVars::Missing(named)) };
    let named: std::collections::HashSet<&str> = named.iter().map(String::as_str).collect();
    // As in Ansible, a host that is only here is in no group and does not exist.
    for (name, vars) in host_vars.into_iter().filter(|(name, _)| named.contains(name.as_str())) {
        set_vars(data, &name, vars, &place, "_meta.hostvars")?;
    }
    Ok(HostVars::Known)
}

/// Reads the answer of `--host NAME` into `data`.
///
/// # Errors
/// What is wrong with the answer.
pub(crate) fn host(data: &mut Data, name: &str, text: &str, label: &str) -> Result<(), ConfigErrors> {
    let place = Place { file: label.into(), line: 0 };
    if text.trim().is_empty() {
        return Ok(());
    }
    let what = format!("--host {name}");
    let vars = parse(text, &place, &what)?;
    set_vars(data, name, vars, &place, &what)
}

fn parse(text: &str, place: &Place, what: &str) -> Result<Value, ConfigErrors> {
    serde_json::from_str(text).map_err(|source| {
        let message = format!("{what}: the answer is not JSON: {source}; run it by hand to see what it prints");
        error(place, &message)
    })
}

fn set_vars(data: &mut Data, name: &str, vars: Value, place: &Place, what: &str) -> Result<(), ConfigErrors> {
    let Value::Map(vars) = vars else {
        return Err(error(place, &format!("{what}: the variables of {name:?}: expected an object")));
    };
    let host = data.host(name, None, place);
    for (key, value) in vars {
        data.set_host(host, &key, value, place);
    }
    Ok(())
}

fn read_group(
    data: &mut Data,
    name: &str,
    group: Value,
    place: &Place,
    named: &mut Vec<String>,
) -> Result<(), ConfigErrors> {
    let wrong = |key: &str, expected: &str| error(place, &format!("--list: {name}.{key}: expected {expected}"));
    let text = |value: Value, key: &str| match value {
        Value::Text(text) if !text.is_empty() => Ok(text),
        _ => Err(wrong(key, "names in quotes")),
    };
    let position = data.group(name);
    let fields = match group {
        Value::Map(fields) if fields.iter().any(|(key, _)| matches!(key.as_str(), "hosts" | "vars" | "children")) => {
            fields
        }
        // Forms from before Ansible 1.0: variables of one host that is called as the group is, or just its hosts.
        Value::Map(fields) => {
            vec![
                ("hosts".to_owned(), Value::List(vec![Value::Text(name.to_owned())])),
                ("vars".to_owned(), Value::Map(fields)),
            ]
        }
        hosts => vec![("hosts".to_owned(), hosts)],
    };
    for (key, value) in fields {
        match (key.as_str(), value) {
            ("hosts", Value::List(hosts)) => {
                for host in hosts {
                    let host = text(host, "hosts")?;
                    let at = data.host(&host, None, place);
                    data.join(position, at);
                    named.push(host);
                }
            }
            ("hosts", _) => return Err(wrong("hosts", "a list")),
            ("vars", Value::Map(vars)) => {
                for (key, value) in vars {
                    data.set_group(position, &key, value, place)?;
                }
            }
            ("vars", _) => return Err(wrong("vars", "an object")),
            ("children", Value::List(children)) => {
                for child in children {
                    let child = data.group(&text(child, "children")?);
                    data.child(position, child, place);
                }
            }
            ("children", _) => return Err(wrong("children", "a list")),
            _ => {}
        }
    }
    Ok(())
}
