//! Which hosts are in which group, children included, and which group's values win.
//!
//! Boundary: names to positions; the hosts' own values are `load`'s.

use std::collections::{BTreeSet, HashMap};

use super::{Context, Group, vars};
use crate::{
    config::{
        error::closest,
        graph,
        pattern::{glob, is_glob},
        range,
        walk::{At, Fields, Walk},
        yaml::Value,
    },
    domain::GroupName,
};

/// Most groups in one inventory.
const MOST_GROUPS: usize = 10_000;
/// Most memberships in one inventory, nested ones included.
const MOST_MEMBERSHIPS: usize = 5_000_000;

/// A group as it is written.
pub(super) struct RawGroup {
    pub(super) name: GroupName,
    at: At,
    hosts: Vec<(String, At)>,
    children: Vec<(String, At)>,
    pub(super) vars: vars::Vars,
}

/// Groups with their members, and the order in which their values are laid over each other.
#[derive(Default)]
pub(super) struct Resolved {
    pub(super) groups: Vec<Group>,
    /// Positions of groups, parents before children, otherwise in the order of the file.
    pub(super) precedence: Vec<usize>,
}

pub(super) fn read(walk: &mut Walk<'_>, fields: &Fields, context: &Context) -> Vec<RawGroup> {
    let Some(groups) = fields.get("groups").and_then(|at| walk.mapping(&at)) else { return Vec::new() };
    let mut raw = Vec::new();
    for (name, at) in groups.iter() {
        if raw.len() >= MOST_GROUPS {
            walk.error(&groups.at, format!("more than {MOST_GROUPS} groups"));
            break;
        }
        let name = match GroupName::new(name) {
            Ok(name) if name.as_str() == "all" => {
                walk.error(&at, "`all` always means every host; a group needs another name");
                continue;
            }
            Ok(name) => name,
            Err(error) => {
                walk.error(&at, error.to_string());
                continue;
            }
        };
        let mut group =
            RawGroup { name, at: at.clone(), hosts: Vec::new(), children: Vec::new(), vars: vars::Vars::default() };
        if !at.node.is_null()
            && let Some(fields) = walk.mapping(&at)
        {
            let keys: Vec<&str> = ["hosts", "children"].into_iter().chain(vars::KEYS).collect();
            if let Some(address) = fields.get("address") {
                walk.error(&address, "an address belongs to one host; write it under `hosts`");
            }
            walk.known(&fields, &[keys.as_slice(), &["address"]].concat());
            group.hosts = names(walk, &fields, "hosts");
            group.children = names(walk, &fields, "children");
            group.vars = vars::Vars::read(walk, &fields, context);
        }
        raw.push(group);
    }
    raw
}

/// A list of names; one name without brackets is taken too.
fn names(walk: &mut Walk<'_>, fields: &Fields, key: &str) -> Vec<(String, At)> {
    let Some(at) = fields.get(key) else { return Vec::new() };
    if matches!(at.node.value, Value::Mapping { .. }) {
        walk.error(&at, "expected a list of names, found keys and values");
        return Vec::new();
    }
    walk.strings(&at, "a name")
}

/// `hosts` maps each host's name to its position; `joined` are the groups that hosts name themselves.
pub(super) fn resolve(
    walk: &mut Walk<'_>,
    raw: &[RawGroup],
    hosts: &HashMap<String, usize>,
    joined: &[(usize, String, At)],
) -> Resolved {
    let index: HashMap<&str, usize> = raw.iter().enumerate().map(|(at, group)| (group.name.as_str(), at)).collect();
    let mut members: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); raw.len()];
    for (position, group) in raw.iter().enumerate() {
        if let Some(at) = hosts.get(group.name.as_str()) {
            let _ = at;
            walk.error(
                &group.at,
                format!("a host is named {:?} too; one of them needs another name", group.name.as_str()),
            );
        }
        for (name, at) in &group.hosts {
            members[position].extend(matching(walk, name, at, hosts, &index));
        }
    }
    let mut unknown = std::collections::HashSet::new();
    for (host, group, at) in joined {
        match index.get(group.as_str()) {
            Some(position) => {
                members[*position].insert(*host);
            }
            // A range of hosts shares one place in the file, so it is reported once.
            None if unknown.insert((at.line, group)) => {
                let message = format!("there is no group {group:?}; groups are declared under `groups`");
                walk.suggest(at, message, closest(group, index.keys().copied()));
            }
            None => {}
        }
    }
    let children = children(walk, raw, &index);
    let (order, cycles) = graph::order(&children);
    for cycle in &cycles {
        let names: Vec<&str> = cycle.iter().chain(cycle.first()).map(|at| raw[*at].name.as_str()).collect();
        walk.error(&raw[cycle[0]].at, format!("the groups hold each other: {}", names.join(" → ")));
    }
    let mut total = 0;
    for position in &order {
        for child in &children[*position] {
            let below = members[*child].clone();
            members[*position].extend(below);
        }
        total += members[*position].len();
        if total > MOST_MEMBERSHIPS {
            walk.error(&raw[*position].at, format!("the groups hold more than {MOST_MEMBERSHIPS} hosts in all"));
            return Resolved::default();
        }
    }
    let mut depth = vec![0_usize; raw.len()];
    for position in order.iter().rev() {
        for child in &children[*position] {
            depth[*child] = depth[*child].max(depth[*position] + 1);
        }
    }
    let mut precedence: Vec<usize> = (0..raw.len()).collect();
    precedence.sort_by_key(|at| depth[*at]);
    let groups = raw.iter().zip(members);
    let groups =
        groups.map(|(raw, members)| Group { name: raw.name.clone(), members: members.into_iter().collect() }).collect();
    Resolved { groups, precedence }
}

fn matching(
    walk: &mut Walk<'_>,
    name: &str,
    at: &At,
    hosts: &HashMap<String, usize>,
    groups: &HashMap<&str, usize>,
) -> Vec<usize> {
    let names = match range::expand(name) {
        Ok(names) => names,
        Err(reason) => {
            walk.error(at, reason);
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for name in &names {
        let before = found.len();
        if is_glob(name) {
            found.extend(hosts.iter().filter(|(host, _)| glob(name, host)).map(|(_, at)| *at));
        } else {
            found.extend(hosts.get(name));
        }
        if found.len() == before {
            if groups.contains_key(name.trim_start_matches('@')) {
                walk.error(at, format!("{name:?} is a group; list it under `children`"));
            } else {
                let suggestion = closest(name, hosts.keys().map(String::as_str));
                walk.suggest(at, format!("there is no host {name:?}"), suggestion);
            }
        }
    }
    found
}

fn children(walk: &mut Walk<'_>, raw: &[RawGroup], index: &HashMap<&str, usize>) -> Vec<Vec<usize>> {
    let mut all = Vec::with_capacity(raw.len());
    for group in raw {
        let mut positions = Vec::new();
        for (name, at) in &group.children {
            match index.get(name.as_str()) {
                Some(position) => positions.push(*position),
                None => {
                    let suggestion = closest(name, index.keys().copied());
                    walk.suggest(at, format!("there is no group {name:?}"), suggestion);
                }
            }
        }
        positions.sort_unstable();
        positions.dedup();
        all.push(positions);
    }
    all
}
