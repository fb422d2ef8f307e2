//! Reads `hosts.yaml` from the tree: hosts with their ranges, then groups, then every value of every host.
//!
//! Boundary: reports all errors before it gives up; a host of a broken file is never handed out.

use std::{collections::HashMap, rc::Rc};

use super::{
    Context, Inventory,
    connect::{Connections, MOST_JUMPS, Stop},
    groups, vars,
    vars::Vars,
};
use crate::{
    config::{
        error::{ConfigErrors, closest},
        graph, range,
        ssh_config::{Choice, Config},
        target::{address_alone, port_behind},
        walk::{At, Fields, Walk, kind},
        yaml::{self, Node, Value},
    },
    domain::{Connection, Host, HostName},
};

/// A host as it is written, one of a range perhaps.
pub(super) struct RawHost {
    pub(super) name: HostName,
    at: At,
    pub(super) address: Option<String>,
    vars: Rc<Vars>,
    /// Why it cannot be reached as it is written.
    refused: Option<String>,
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
    let Some(fields) = walk.document(root, &["version", "ssh_config", "defaults", "hosts", "groups"]) else {
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
    let layered: Vec<Vars> = raw
        .hosts
        .iter()
        .zip(&memberships)
        .map(|(host, mine)| {
            let mut vars = defaults.clone();
            for position in mine {
                vars.overlay(&raw_groups[*position].vars);
            }
            vars.overlay(&host.vars);
            vars
        })
        .collect();
    let config = ssh_config(&mut walk, &fields, &layered, context);
    let refusals = refusals(&walk, &raw, &layered, config.as_ref());
    let mut hosts = Vec::with_capacity(raw.hosts.len());
    if !walk.failed() {
        let mut connections = Connections::new(&raw.hosts, &raw.index, &layered, config, context);
        for (position, (host, vars)) in raw.hosts.iter().zip(&layered).enumerate() {
            let refused = |reason: String| (Connection::Refused(reason), Host::CONNECT_TIMEOUT);
            let connected = match &refusals[position] {
                Some(reason) => Err(Stop::Refused(reason.clone())),
                None => connections.of(host, vars),
            };
            let (connection, connect_timeout) = match connected {
                Ok(connected) => connected,
                Err(Stop::Refused(reason)) => refused(reason),
                Err(Stop::TooMany) if vars.jump.is_some() => {
                    let reason = format!("more than {MOST_JUMPS} jump hosts on the way");
                    refused(walk.described(&host.at, reason, None).to_string())
                }
                Err(Stop::TooMany) => {
                    refused(format!("more than {MOST_JUMPS} jump hosts on the way; does a ProxyJump lead back?"))
                }
                // One line of one file is wrong, whichever host it was found for.
                Err(Stop::Broken(error)) => {
                    walk.foreign(error);
                    break;
                }
            };
            let mut groups: Vec<_> =
                memberships[position].iter().map(|group| resolved.groups[*group].name.clone()).collect();
            groups.sort();
            hosts.push(Host {
                name: host.name.clone(),
                connection,
                docker: vars.docker.clone().unwrap_or_default(),
                env: vars.env.clone(),
                groups,
                connect_timeout,
                timeout: vars.timeout,
                persist: vars.persist,
                audit: vars.audit.unwrap_or_default(),
                in_all: vars.in_all.unwrap_or(true),
            });
        }
    }
    if walk.failed() {
        hosts.clear();
    } else if refusals.iter().any(Option::is_some) {
        refuse_behind_refused(&mut hosts, &raw.index, &refusals);
    }
    walk.finish(Inventory::new(hosts, resolved.groups))
}

/// OpenSSH's configuration, read if a host is reached over SSH; `ssh_config` names another file, or `none`.
fn ssh_config(walk: &mut Walk<'_>, fields: &Fields, vars: &[Vars], context: &Context) -> Option<Config> {
    let choice = match fields.get("ssh_config") {
        None => Choice::Default,
        Some(at) => match &at.node.value {
            Value::Scalar(scalar) if scalar.text == "none" => Choice::Nothing,
            _ => Choice::File(walk.path(&at, &context.dir, context.home.as_deref())?),
        },
    };
    if vars.iter().all(|vars| vars.local == Some(true)) {
        return None;
    }
    context.ssh.read(&choice).unwrap_or_else(|error| {
        walk.foreign(error);
        None
    })
}

/// Why hosts cannot be reached as they are written, each with its place: an address that says more than an address, a public
/// key for an identity file, names to jump through that are unknown, jumps through this machine, and circles.
fn refusals(walk: &Walk<'_>, raw: &RawHosts, vars: &[Vars], config: Option<&Config>) -> Vec<Option<String>> {
    let mut refusals: Vec<Option<String>> = raw.hosts.iter().map(|host| host.refused.clone()).collect();
    let mut edges = Vec::with_capacity(vars.len());
    for (host, vars) in vars.iter().enumerate() {
        let mut refuse = |at: &At, message: String, suggestion: Option<String>| {
            refusals[host].get_or_insert_with(|| walk.described(at, message, suggestion).to_string());
        };
        if let Some((at, reason)) = vars.public_key.as_ref().filter(|_| vars.local != Some(true)) {
            refuse(at, reason.clone(), None);
        }
        let mut mine = Vec::new();
        for (name, at) in vars.jump.iter().flatten() {
            match raw.index.get(name) {
                Some(position) => mine.push(*position),
                None if config.is_some_and(|(config, _)| config.names(name)) => {}
                None => {
                    let aliases = config.iter().flat_map(|(config, _)| config.all_names());
                    let suggestion = closest(name, raw.index.keys().map(String::as_str).chain(aliases));
                    refuse(at, format!("there is no host {name:?} to jump through"), suggestion);
                }
            }
        }
        edges.push(mine);
    }
    for (host, mine) in edges.iter().enumerate() {
        if let Some(jump) = mine.iter().find(|jump| vars[**jump].local == Some(true)) {
            let message = format!("cannot jump through {:?}: its connection is local", raw.hosts[*jump].name.as_str());
            refusals[host].get_or_insert_with(|| walk.described(&raw.hosts[host].at, message, None).to_string());
        }
    }
    let (_, cycles) = graph::order(&edges);
    for cycle in &cycles {
        let names: Vec<&str> = cycle.iter().chain(cycle.first()).map(|at| raw.hosts[*at].name.as_str()).collect();
        let way_out = "; `jump: []` on a host overrides an inherited one";
        let message = format!("the jumps go round in a circle: {}{way_out}", names.join(" → "));
        let reason = walk.described(&raw.hosts[cycle[0]].at, message, None).to_string();
        for host in cycle {
            refusals[*host].get_or_insert_with(|| reason.clone());
        }
    }
    refusals
}

/// A host that goes through a refused one cannot be reached either.
fn refuse_behind_refused(hosts: &mut [Host], index: &HashMap<String, usize>, refusals: &[Option<String>]) {
    for host in hosts {
        let Connection::Ssh(endpoint) = &host.connection else { continue };
        let through = endpoint.jump.iter().find_map(|jump| {
            let reason = refusals[*index.get(&jump.name)?].as_ref()?;
            Some(format!("it is reached through {}: {reason}", jump.name))
        });
        if let Some(reason) = through {
            host.connection = Connection::Refused(reason);
        }
    }
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
    if let Some((host, port)) = port_behind(name).filter(|(host, _)| !host.starts_with('[')) {
        return walk
            .error(at, format!("a host's name has no port: call it {host:?} and write `port: {port}` under it"));
    }
    let names = match range::expand(name) {
        Ok(names) => names,
        Err(reason) => return walk.error(at, reason),
    };
    if raw.hosts.len() + names.len() > range::MOST {
        return walk.error(at, format!("the inventory has more than {} hosts", range::MOST));
    }
    let mut addresses = vec![None; names.len()];
    let mut refused = None;
    if let Some((address, at)) = address {
        let mut refuse = |reason: String| {
            refused.get_or_insert_with(|| walk.described(&at, reason, None).to_string());
        };
        let alone = address_alone(&address).unwrap_or_else(|reason| {
            refuse(reason);
            ""
        });
        if alone.starts_with('-') || alone.contains(|c: char| c.is_whitespace() || c.is_control() || "@/".contains(c)) {
            refuse(format!("expected a DNS name or an IP address, found {address:?}"));
        }
        if refused.is_none() {
            match range::expand(alone) {
                Ok(expanded) if expanded.len() == names.len() => addresses = expanded.into_iter().map(Some).collect(),
                Ok(expanded) => {
                    let (many, hosts) = (expanded.len(), names.len());
                    walk.error(&at, format!("{address:?} stands for {many} addresses, the name for {hosts} hosts"));
                }
                Err(reason) => walk.error(&at, reason),
            }
        }
    }
    for (name, address) in names.into_iter().zip(addresses) {
        let host = match HostName::new(name) {
            Ok(name) if name.as_str() == "all" => {
                return walk.error(at, "`all` always means every host; a host needs another name");
            }
            Ok(name) => RawHost { name, at: at.clone(), address, vars: Rc::clone(vars), refused: refused.clone() },
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
