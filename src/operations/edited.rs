//! What an edit of `servers.yaml` changes, and which command makes it so on the hosts.
//!
//! Boundary: pure; two registries in, changes out. The texts are `register`'s.

use serde::Serialize;

use super::register::left_behind;
use crate::{
    config::{
        edit::{Value, differences},
        inventory::Inventory,
        registry::Registry,
        state::State,
    },
    domain::{Server, ServerName},
};

/// What happened to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Some of its values differ.
    Changed,
}

/// One key of an entry with both values, as text; `None` where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyChange {
    /// The key.
    pub key: &'static str,
    /// What it was.
    pub before: Option<String>,
    /// What it is.
    pub after: Option<String>,
}

/// One entry that an edit changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerChange {
    /// The server.
    pub name: ServerName,
    /// What happened to it.
    pub change: Change,
    /// The keys that differ, in the order they are written; empty for an entry that is new or gone.
    pub keys: Vec<KeyChange>,
    /// Whether running containers keep what they were made with until a restart.
    pub restart: bool,
}

/// What an edit changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edited {
    /// Per server.
    pub servers: Vec<ServerChange>,
    /// Instances that run, by the state, and that the new text does not have.
    pub left_behind: Vec<String>,
}

/// How one entry changes; `None` when it does not.
#[must_use]
pub fn server(before: &Server, after: &Server) -> Option<ServerChange> {
    let text = |value: Option<Value>| value.map(|value| value.to_string());
    let keys: Vec<KeyChange> = differences(before, after)
        .into_iter()
        .map(|(key, before, after)| KeyChange { key, before: text(before), after: text(after) })
        .collect();
    let restart = keys.iter().any(|key| key.key == "command");
    (!keys.is_empty()).then(|| ServerChange { name: after.name.clone(), change: Change::Changed, keys, restart })
}

/// How `after` differs from `before`, in the order of `after`; entries that are gone come last.
#[must_use]
pub fn compare(before: &Registry, after: &Registry, inventory: &Inventory, state: &State) -> Edited {
    let whole =
        |server: &Server, change| ServerChange { name: server.name.clone(), change, keys: vec![], restart: false };
    let mut edited = Edited::default();
    for now in after.servers() {
        match before.get(&now.name) {
            None => edited.servers.push(whole(now, Change::Added)),
            Some(old) => {
                edited.servers.extend(server(old, now));
                edited.left_behind.extend(left_behind(old, now, inventory, state));
            }
        }
    }
    for old in before.servers().iter().filter(|old| after.get(&old.name).is_none()) {
        edited.servers.push(whole(old, Change::Removed));
        // Placed nowhere, all its instances are left.
        let nowhere = Server { host: vec![], ..old.clone() };
        edited.left_behind.extend(left_behind(old, &nowhere, inventory, state));
    }
    edited
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn registry(text: &str) -> Registry {
        let text = format!("version: 1\nservers:\n{text}");
        Registry::parse(&text, "servers.yaml", &Inventory::implicit_localhost(), &|_| vec![]).unwrap()
    }

    #[test]
    fn only_a_changed_command_asks_for_a_restart() {
        let before = registry("  a: {command: docker run -d --name a x:1}\n  b: {command: docker run -d --name b x}\n");
        let after = registry(
            "  a: {command: docker run -d --name a x:2, priority: 5}\n  b: {command: docker run -d --name b x, tags: [t]}\n  \
             c: {command: docker run -d --name c x}\n",
        );
        let edited = compare(&before, &after, &Inventory::implicit_localhost(), &State::default());
        let gist: Vec<_> = edited
            .servers
            .iter()
            .map(|s| (s.name.as_str(), s.change, s.keys.iter().map(|k| k.key).collect::<Vec<_>>(), s.restart))
            .collect();
        assert_eq!(
            gist,
            [
                ("a", Change::Changed, vec!["command", "priority"], true),
                ("b", Change::Changed, vec!["tags"], false),
                ("c", Change::Added, vec![], false),
            ]
        );
        let back = compare(&after, &before, &Inventory::implicit_localhost(), &State::default());
        assert_eq!(back.servers.last().map(|s| (s.name.as_str(), s.change)), Some(("c", Change::Removed)));
        assert_eq!(compare(&after, &after, &Inventory::implicit_localhost(), &State::default()), Edited::default());
    }
}
