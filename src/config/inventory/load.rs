//! Reads `hosts.yaml` from the tree: hosts with their ranges, then groups, then every value of every host.
//!
//! Boundary: reports all errors before it gives up; a host of a broken file is never handed out.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use super::{CONNECT_TIMEOUT, Context, Inventory, groups, vars, vars::Vars};
use crate::{
    config::{
        error::{ConfigErrors, closest},
        graph, range,
        walk::{At, Fields, Walk, kind},
        yaml::{self, Node, Value},
    },
    domain::{Connection, Host, HostName, JumpHost, SshEndpoint},
};

/// Most jump hosts on the way to one host.
const MOST_JUMPS: usize = 8;

/// A host as it is written, one of a range perhaps.
struct RawHost {
    name: HostName,
    at: At,
    address: Option<String>,
    vars: Rc<Vars>,
}

#[derive(Default)]
struct RawHosts {
    hosts: Vec<RawHost>,
    index: HashMap<String, usize>,
    /// Host, group, place.
    joined: Vec<(usize, String, At)>,
}

pub(super) fn load(text: &str, label: &str, context: &Context) -> Result<Inventory, ConfigErrors> {
    load_tree(yaml::parse(text, label)?, label, context)
}

/// Loads a tree, which need not have been a text: hosts of other sources take the same way.
pub(super) fn load_tree(root: Rc<Node>, label: &str, context: &Context) -> Result<Inventory, ConfigErrors> {
    let mut walk = Walk::new(label);
    let Some(fields) = walk.document(root, &["version", "defaults", "hosts", "groups"]) else {
        return walk.finish(Inventory::new(Vec::new(), Vec::new()));
    };
    let defaults = defaults(&mut walk, &fields, context);
    let raw = hosts(&mut walk, &fields, context);
    let raw_groups = groups::read(&mut walk, &fields, context);
    let resolved = groups::resolve(&mut walk, &raw_groups, &raw.index, &raw.joined);

    let mut memberships: Vec<Vec<usize>> = vec![Vec::new(); raw.hosts.len()];
    for position in &resolved.precedence {
        for host in &resolved.groups[*position].members {
            memberships[*host].push(*position);
        }
    }
    let mut hosts = Vec::with_capacity(raw.hosts.len());
    let mut jumps = Vec::with_capacity(raw.hosts.len());
    let mut unknown = HashSet::new();
    for (host, mine) in raw.hosts.iter().zip(&memberships) {
        let mut vars = defaults.clone();
        for position in mine {
            vars.overlay(&raw_groups[*position].vars);
        }
        vars.overlay(&host.vars);
        let mut edges = Vec::new();
        for (name, at) in vars.jump.iter().flatten() {
            match raw.index.get(name) {
                Some(position) => edges.push(*position),
                // One place may stand for many hosts.
                None if unknown.insert((at.line, name.clone())) => {
                    let suggestion = closest(name, raw.index.keys().map(String::as_str));
                    walk.suggest(at, format!("there is no host {name:?} to jump through"), suggestion);
                }
                None => {}
            }
        }
        jumps.push(edges);
        let mut groups: Vec<_> = mine.iter().map(|position| resolved.groups[*position].name.clone()).collect();
        groups.sort();
        hosts.push(resolve(host, vars, groups, context));
    }
    jump(&mut walk, &raw.hosts, &mut hosts, &jumps);
    if walk.failed() {
        hosts.clear();
    }
    walk.finish(Inventory::new(hosts, resolved.groups))
}

fn defaults(walk: &mut Walk<'_>, fields: &Fields, context: &Context) -> Vars {
    let Some(fields) = fields.get("defaults").and_then(|at| walk.mapping(&at)) else { return Vars::default() };
    walk.known(&fields, &vars::KEYS);
    Vars::read(walk, &fields, context)
}

/// `hosts` as names with values, or as a list of names.
fn hosts(walk: &mut Walk<'_>, fields: &Fields, context: &Context) -> RawHosts {
    let mut raw = RawHosts::default();
    let Some(at) = fields.get("hosts") else { return raw };
    match &at.node.value {
        Value::Mapping { .. } => {
            for (name, at) in (Fields { at: at.clone() }).iter() {
                host(walk, &mut raw, &name, &at, context);
            }
        }
        Value::Sequence(_) => {
            for (name, at) in walk.strings(&at, "the name of a host") {
                add(walk, &mut raw, &name, &at, None, &Rc::default(), &[]);
            }
        }
        Value::Scalar(_) => walk.error(&at, format!("expected hosts by name, found {}", kind(&at.node))),
    }
    raw
}

fn host(walk: &mut Walk<'_>, raw: &mut RawHosts, name: &str, at: &At, context: &Context) {
    if at.node.is_null() {
        return add(walk, raw, name, at, None, &Rc::default(), &[]);
    }
    let Some(fields) = walk.mapping(at) else { return };
    let keys: Vec<&str> = ["address", "groups"].into_iter().chain(vars::KEYS).collect();
    walk.known(&fields, &keys);
    let vars = Rc::new(Vars::read(walk, &fields, context));
    let address = fields.get("address").and_then(|at| Some((walk.string(&at, "a DNS name or an IP address")?, at)));
    let groups = fields.get("groups").map(|at| walk.strings(&at, "the name of a group")).unwrap_or_default();
    add(walk, raw, name, at, address, &vars, &groups);
}

/// Adds the host, or every host of the range, that `name` stands for.
fn add(
    walk: &mut Walk<'_>,
    raw: &mut RawHosts,
    name: &str,
    at: &At,
    address: Option<(String, At)>,
    vars: &Rc<Vars>,
    groups: &[(String, At)],
) {
    let names = match range::expand(name) {
        Ok(names) => names,
        Err(reason) => return walk.error(at, reason),
    };
    if raw.hosts.len() + names.len() > range::MOST {
        return walk.error(at, format!("the inventory has more than {} hosts", range::MOST));
    }
    let mut addresses = vec![None; names.len()];
    if let Some((address, at)) = address {
        match range::expand(&address) {
            Ok(expanded) if expanded.len() == names.len() => addresses = expanded.into_iter().map(Some).collect(),
            Ok(expanded) => {
                let message =
                    format!("{address:?} stands for {} addresses, the name for {} hosts", expanded.len(), names.len());
                walk.error(&at, message);
            }
            Err(reason) => walk.error(&at, reason),
        }
        if address.starts_with('-')
            || address.contains(|c: char| c.is_whitespace() || c.is_control() || "@/".contains(c))
        {
            walk.error(&at, format!("expected a DNS name or an IP address, found {address:?}"));
        }
    }
    for (name, address) in names.into_iter().zip(addresses) {
        let host = match HostName::new(name) {
            Ok(name) if name.as_str() == "all" => {
                return walk.error(at, "`all` always means every host; a host needs another name");
            }
            Ok(name) => RawHost { name, at: at.clone(), address, vars: Rc::clone(vars) },
            // The other names of a range would fail for the same reason.
            Err(error) => return walk.error(at, error.to_string()),
        };
        let position = raw.hosts.len();
        if let Some(first) = raw.index.get(host.name.as_str()) {
            let line = raw.hosts[*first].at.line;
            walk.error(at, format!("the host {:?} is already on line {line}", host.name.as_str()));
            continue;
        }
        raw.index.insert(host.name.as_str().to_owned(), position);
        raw.joined.extend(groups.iter().map(|(group, at)| (position, group.clone(), at.clone())));
        raw.hosts.push(host);
    }
}

fn resolve(host: &RawHost, vars: Vars, groups: Vec<crate::domain::GroupName>, context: &Context) -> Host {
    let connection = if vars.local == Some(true) {
        Connection::Local
    } else {
        let address = host.address.clone().unwrap_or_else(|| host.name.as_str().to_owned());
        Connection::Ssh(SshEndpoint {
            port: vars.port.unwrap_or(22),
            identity_files: vars.identity_files.unwrap_or_default(),
            host_key: vars.host_key.unwrap_or_default(),
            known_hosts: vars.known_hosts.unwrap_or_default(),
            ..SshEndpoint::new(address, vars.user.unwrap_or_else(|| context.user.clone()))
        })
    };
    Host {
        name: host.name.clone(),
        connection,
        docker: vars.docker.unwrap_or_default(),
        env: vars.env,
        groups,
        connect_timeout: vars.connect_timeout.unwrap_or(Duration::from_secs(CONNECT_TIMEOUT)),
        timeout: vars.timeout,
    }
}

/// Gives every host its way: how the first jump host is reached, then the others in turn, as `ssh -J a,b` goes (ssh(1)).
fn jump(walk: &mut Walk<'_>, raw: &[RawHost], hosts: &mut [Host], jumps: &[Vec<usize>]) {
    for (host, edges) in raw.iter().zip(jumps) {
        for jump in edges {
            if hosts[*jump].connection == Connection::Local {
                let name = hosts[*jump].name.as_str();
                walk.error(&host.at, format!("cannot jump through {name:?}: its connection is local"));
            }
        }
    }
    let (order, cycles) = graph::order(jumps);
    for cycle in &cycles {
        let names: Vec<&str> = cycle.iter().chain(cycle.first()).map(|at| raw[*at].name.as_str()).collect();
        let way_out = "; `jump: []` on a host overrides an inherited one";
        walk.error(&raw[cycle[0]].at, format!("the jumps go round in a circle: {}{way_out}", names.join(" → ")));
    }
    if walk.failed() {
        return;
    }
    let mut hops: HashMap<usize, Arc<JumpHost>> = HashMap::new();
    for at in order {
        let Some(first) = jumps[at].first() else { continue };
        let mut way = match &hosts[*first].connection {
            Connection::Ssh(endpoint) => endpoint.jump.clone(),
            Connection::Local | Connection::Refused(_) => Vec::new(),
        };
        for jump in &jumps[at] {
            way.extend(hops.get(jump).cloned().or_else(|| {
                let hop = Arc::new(hop(&hosts[*jump])?);
                hops.insert(*jump, Arc::clone(&hop));
                Some(hop)
            }));
        }
        if way.len() > MOST_JUMPS {
            return walk.error(&raw[at].at, format!("more than {MOST_JUMPS} jump hosts on the way"));
        }
        if let Connection::Ssh(endpoint) = &mut hosts[at].connection {
            endpoint.jump = way;
        }
    }
}

fn hop(host: &Host) -> Option<JumpHost> {
    let Connection::Ssh(endpoint) = &host.connection else { return None };
    Some(JumpHost {
        name: host.name.as_str().to_owned(),
        endpoint: SshEndpoint { jump: Vec::new(), ..endpoint.clone() },
        connect_timeout: host.connect_timeout,
    })
}
