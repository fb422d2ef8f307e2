//! `servers.yaml`: the registered servers, in the order of the file.
//!
//! Boundary: text in, servers out. What a `docker run` string may say is `docker`'s; its verdict comes in through a check.
//! Reference of the keys: `docs/files.md`. Next: `edit` changes the text and keeps its formatting.

pub(super) mod settings;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    error::ConfigErrors,
    inventory::Inventory,
    pattern::{HostPattern, PatternError},
    walk::{At, Fields, Walk},
    yaml::{self, Value},
};
use crate::domain::{Docker, HostName, Instance, Server, ServerName, Settings};

/// Keys of one server.
const KEYS: [&str; 13] = [
    "command",
    "host",
    "port",
    "description",
    "tags",
    "priority",
    "enabled",
    "stop",
    "logs",
    "stats",
    "pull",
    "rollout",
    "keep_previous",
];

/// Judges one server's strings: the keys that are wrong, each with the reason.
pub type Check<'a> = &'a dyn Fn(&Server) -> Vec<(&'static str, String)>;

/// The servers of a workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registry {
    servers: Vec<Server>,
    index: HashMap<ServerName, usize>,
}

impl Registry {
    /// Reads `servers.yaml`, with `check` judging each server that is otherwise whole.
    ///
    /// # Errors
    /// Everything that is wrong in it, `label` being the file's name in the errors.
    pub fn parse(text: &str, label: &str, inventory: &Inventory, check: Check<'_>) -> Result<Self, ConfigErrors> {
        load(text, label, Some(inventory), check)
    }

    /// Reads `servers.yaml` while `hosts.yaml` is broken: all but the hosts is checked.
    pub(super) fn parse_without_hosts(text: &str, label: &str, check: Check<'_>) -> Result<Self, ConfigErrors> {
        load(text, label, None, check)
    }

    /// The servers, in the order of the file.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// A server by name.
    #[must_use]
    pub fn get(&self, name: &ServerName) -> Option<&Server> {
        self.index.get(name).and_then(|at| self.servers.get(*at))
    }

    /// Every server on every host that its patterns select: servers in the order of the file, hosts in inventory order.
    #[must_use]
    pub fn instances(&self, inventory: &Inventory) -> Vec<Instance> {
        // Servers side by side in groups share their patterns.
        let mut hosts: HashMap<&[String], Vec<HostName>> = HashMap::new();
        let mut instances = Vec::new();
        for server in &self.servers {
            let hosts =
                hosts.entry(&server.host).or_insert_with(|| placed(server, inventory).unwrap_or_default()).iter();
            instances.extend(hosts.map(|host| Instance { server: server.name.clone(), host: host.clone() }));
        }
        instances
    }
}

/// The hosts that `server` is placed on, without those that have no docker.
///
/// # Errors
/// A pattern that is broken or matches nothing. None with an inventory that was named for this run: there it selects nobody.
pub fn placed(server: &Server, inventory: &Inventory) -> Result<Vec<HostName>, PatternError> {
    let hosts = if inventory.is_named() {
        // The source of one run need not have every host that servers are placed on.
        let pattern = HostPattern::join(&server.host);
        pattern.and_then(|pattern| inventory.select_present(&pattern)).unwrap_or_default()
    } else {
        inventory.select(&HostPattern::join(&server.host)?)?
    };
    Ok(hosts.into_iter().filter(|host| host.docker != Docker::Absent).map(|host| host.name.clone()).collect())
}

fn load(text: &str, label: &str, inventory: Option<&Inventory>, check: Check<'_>) -> Result<Registry, ConfigErrors> {
    let root = yaml::parse(text, label)?;
    let mut walk = Walk::new(label);
    let mut placing = Placing { inventory, fit: HashSet::new() };
    let mut servers = Vec::new();
    if let Some(fields) = walk.document(root, &["version", "defaults", "servers"]) {
        let defaults = fields.get("defaults").and_then(|at| walk.mapping(&at)).map(|fields| {
            walk.known(&fields, &settings::KEYS);
            settings::read(&mut walk, &fields)
        });
        let defaults = Arc::new(defaults.unwrap_or_default());
        if let Some(entries) = fields.get("servers").and_then(|at| walk.mapping(&at)) {
            for (name, at) in entries.iter() {
                servers.extend(server(&mut walk, name, &at, &defaults, &mut placing, check));
            }
        }
    }
    let index = servers.iter().enumerate().map(|(at, server): (usize, &Server)| (server.name.clone(), at)).collect();
    walk.finish(Registry { servers, index })
}

fn server(
    walk: &mut Walk<'_>,
    name: String,
    at: &At,
    defaults: &Arc<Settings>,
    placing: &mut Placing<'_>,
    check: Check<'_>,
) -> Option<Server> {
    let name = match ServerName::new(name) {
        Ok(name) => Some(name),
        Err(error) => {
            walk.error(at, error.to_string());
            None
        }
    };
    let fields = walk.mapping(at)?;
    walk.known(&fields, &KEYS);
    let text = |walk: &mut Walk<'_>, key: &str, what: &str| fields.get(key).and_then(|at| walk.string(&at, what));
    let command = match fields.get("command") {
        Some(at) => string_only(walk, &at, "a `docker run …` string"),
        None => {
            walk.error(at, "`command` is missing");
            None
        }
    };
    let host = host(walk, &fields, placing);
    let port = fields.get("port").and_then(|at| walk.port(&at));
    let priority = fields.get("priority").and_then(|at| walk.integer(&at, -1_000_000..=1_000_000, "a number"));
    let enabled = fields.get("enabled").and_then(|at| walk.boolean(&at));
    let tags = fields.get("tags").map(|at| tags(walk, &at)).unwrap_or_default();
    let description = text(walk, "description", "a text");
    let stop = fields.get("stop").and_then(|at| string_only(walk, &at, "a `docker stop …` string"));
    let logs = fields.get("logs").and_then(|at| string_only(walk, &at, "a `docker logs …` string"));
    let stats = fields.get("stats").and_then(|at| string_only(walk, &at, "a `docker stats …` string"));
    let pull = fields.get("pull").and_then(|at| string_only(walk, &at, "a `docker pull …` string"));
    let own = settings::read(walk, &fields);
    let server = Server {
        name: name?,
        command: command?,
        host: host.unwrap_or_default(),
        port,
        description,
        tags,
        priority: priority.and_then(|number| i32::try_from(number).ok()).unwrap_or(0),
        enabled: enabled.unwrap_or(true),
        stop,
        logs,
        stats,
        pull,
        own,
        defaults: Arc::clone(defaults),
    };
    for (key, message) in check(&server) {
        walk.error(&fields.get(key).unwrap_or_else(|| at.clone()), message);
    }
    Some(server)
}

/// A command string. What is wrong with it is said without showing it: it may hold `-e TOKEN=…`.
fn string_only(walk: &mut Walk<'_>, at: &At, what: &str) -> Option<String> {
    match at.node.value {
        Value::Scalar(_) => walk.string(at, what),
        _ => {
            walk.error(at, format!("expected {what}, found {}", super::walk::kind(&at.node)));
            None
        }
    }
}

fn tags(walk: &mut Walk<'_>, at: &At) -> Vec<String> {
    let mut tags = Vec::new();
    for (tag, at) in walk.strings(at, "a tag") {
        if tag.contains(|c: char| c.is_whitespace() || c.is_control() || c == ',') {
            walk.error(&at, format!("a tag has no spaces or commas: {tag:?}"));
        } else if tags.contains(&tag) {
            walk.error(&at, format!("the tag {tag:?} is here twice"));
        } else {
            tags.push(tag);
        }
    }
    tags
}

/// What the hosts of servers are checked against.
struct Placing<'a> {
    inventory: Option<&'a Inventory>,
    /// Lists of patterns that select hosts: servers in groups share theirs.
    fit: HashSet<Vec<String>>,
}

fn host(walk: &mut Walk<'_>, fields: &Fields, placing: &mut Placing<'_>) -> Option<Vec<String>> {
    let inventory = placing.inventory;
    let Some(at) = fields.get("host") else {
        return match inventory.map(Inventory::default_host) {
            Some(Some(host)) => Some(vec![host.name.as_str().to_owned()]),
            Some(None) if inventory.is_some_and(Inventory::is_named) => None,
            Some(None) => {
                walk.error(&fields.at, "`host` is missing; it can only be left out when the inventory has one host");
                None
            }
            None => None,
        };
    };
    let patterns = walk.strings(&at, "a host or a pattern of hosts");
    if patterns.is_empty() {
        if matches!(&at.node.value, Value::Sequence(items) if items.is_empty()) {
            walk.error(&at, "the list is empty; name a host");
        }
        return None;
    }
    let texts: Vec<String> = patterns.iter().map(|(text, _)| text.clone()).collect();
    if placing.fit.contains(&texts) {
        return Some(texts);
    }
    let mut whole = true;
    for (text, at) in &patterns {
        match HostPattern::parse(text) {
            Ok(_) => {}
            Err(error) => {
                whole = false;
                walk.error(at, error.to_string());
            }
        }
    }
    let fits = whole
        && match inventory {
            Some(inventory) if !inventory.is_named() => known(walk, &at, &patterns, &texts, inventory),
            _ => true,
        };
    if fits {
        placing.fit.insert(texts.clone());
    }
    Some(texts)
}

/// Whether there is a host for every pattern; reports those that no host answers to.
fn known(walk: &mut Walk<'_>, at: &At, patterns: &[(String, At)], texts: &[String], inventory: &Inventory) -> bool {
    let mut failed = false;
    for (text, at) in patterns {
        let pattern = HostPattern::parse(text).and_then(|pattern| inventory.select(&pattern).map(|_| ()));
        if let Err(PatternError::NoMatch { term, group, suggestion }) = pattern {
            failed = true;
            let message = PatternError::NoMatch { term, group, suggestion: None }.to_string();
            walk.suggest(at, message, suggestion);
        }
    }
    if failed {
        return false;
    }
    match HostPattern::join(texts).and_then(|pattern| inventory.select(&pattern)) {
        Err(error) => {
            walk.error(at, error.to_string());
            false
        }
        Ok(hosts) if hosts.iter().all(|host| host.docker == Docker::Absent) => {
            let names: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).take(5).collect();
            walk.error(at, format!("there is no docker on {} (`docker: false` in hosts.yaml)", names.join(", ")));
            false
        }
        Ok(_) => true,
    }
}
