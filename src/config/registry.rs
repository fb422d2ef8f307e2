//! `servers.yaml`: the registered servers, in the order of the file.
//!
//! Boundary: text in, servers out. What a `docker run` string may say is `docker`'s; its verdict comes in through a check.
//! Reference of the keys: `docs/files.md`. Next: `edit` changes the text and keeps its formatting.

use std::collections::HashMap;

use super::{
    error::ConfigErrors,
    inventory::Inventory,
    pattern::{HostPattern, PatternError},
    walk::{At, Fields, Walk},
    yaml::{self, Value},
};
use crate::domain::{Docker, HostName, Instance, Server, ServerName};

/// Keys of one server.
const KEYS: [&str; 10] =
    ["command", "host", "port", "description", "tags", "priority", "enabled", "stop", "logs", "stats"];

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
        let instances = |server: &Server| {
            let hosts = placed(server, inventory).unwrap_or_default();
            let server = server.name.clone();
            hosts.into_iter().map(move |host| Instance { server: server.clone(), host }).collect::<Vec<_>>()
        };
        self.servers.iter().flat_map(instances).collect()
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
    let mut servers = Vec::new();
    if let Some(fields) = walk.document(root, &["version", "servers"])
        && let Some(entries) = fields.get("servers").and_then(|at| walk.mapping(&at))
    {
        for (name, at) in entries.iter() {
            servers.extend(server(&mut walk, name, &at, inventory, check));
        }
    }
    let index = servers.iter().enumerate().map(|(at, server): (usize, &Server)| (server.name.clone(), at)).collect();
    walk.finish(Registry { servers, index })
}

fn server(
    walk: &mut Walk<'_>,
    name: String,
    at: &At,
    inventory: Option<&Inventory>,
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
    let host = host(walk, &fields, inventory);
    let port = fields.get("port").and_then(|at| walk.port(&at));
    let priority = fields.get("priority").and_then(|at| walk.integer(&at, -1_000_000..=1_000_000, "a number"));
    let enabled = fields.get("enabled").and_then(|at| walk.boolean(&at));
    let tags = fields.get("tags").map(|at| tags(walk, &at)).unwrap_or_default();
    let description = text(walk, "description", "a text");
    let stop = fields.get("stop").and_then(|at| string_only(walk, &at, "a `docker stop …` string"));
    let logs = fields.get("logs").and_then(|at| string_only(walk, &at, "a `docker logs …` string"));
    let stats = fields.get("stats").and_then(|at| string_only(walk, &at, "a `docker stats …` string"));
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

fn host(walk: &mut Walk<'_>, fields: &Fields, inventory: Option<&Inventory>) -> Option<Vec<String>> {
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
    let texts: Vec<String> = patterns.iter().map(|(text, _)| text.clone()).collect();
    if let Some(inventory) = inventory
        && !inventory.is_named()
        && whole
    {
        known(walk, &at, &patterns, &texts, inventory);
    }
    Some(texts)
}

/// Reports patterns that no host answers to.
fn known(walk: &mut Walk<'_>, at: &At, patterns: &[(String, At)], texts: &[String], inventory: &Inventory) {
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
        return;
    }
    match HostPattern::join(texts).and_then(|pattern| inventory.select(&pattern)) {
        Err(error) => walk.error(at, error.to_string()),
        Ok(hosts) if hosts.iter().all(|host| host.docker == Docker::Absent) => {
            let names: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).take(5).collect();
            walk.error(at, format!("there is no docker on {} (`docker: false` in hosts.yaml)", names.join(", ")));
        }
        Ok(_) => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::config::inventory::Context;

    fn inventory() -> Inventory {
        let context = Context { dir: "/ws".into(), home: None, user: "ana".into(), ssh: Default::default() };
        let text = "version: 1\nhosts: {'edge-[1:3]': {groups: edge}, db: , gate: {docker: false}}\ngroups: {edge: }\n";
        Inventory::parse(text, "hosts.yaml", &context).unwrap()
    }

    fn parse(text: &str) -> Result<Registry, ConfigErrors> {
        Registry::parse(text, "servers.yaml", &inventory(), &|_| Vec::new())
    }

    #[test]
    fn servers_come_in_the_order_of_the_file_with_every_key() {
        let text = "version: 1
servers:
  zeta: {command: docker run z, host: edge-1}
  finance:
    command: >-
      docker run -d
      --name finance acme
    host: ['@edge', '!edge-2']
    port: 8080
    description: no
    tags: [010, prod]
    priority: -5
    enabled: false
    stop: docker stop finance
    logs: docker logs finance
    stats: docker stats finance
";
        let registry = parse(text).unwrap();
        assert_eq!(registry.servers().iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["zeta", "finance"]);
        let expected = Server {
            name: ServerName::new("finance").unwrap(),
            command: "docker run -d --name finance acme".into(),
            host: vec!["@edge".into(), "!edge-2".into()],
            port: Some(8080),
            description: Some("no".into()),
            tags: vec!["010".into(), "prod".into()],
            priority: -5,
            enabled: false,
            stop: Some("docker stop finance".into()),
            logs: Some("docker logs finance".into()),
            stats: Some("docker stats finance".into()),
        };
        assert_eq!(registry.get(&expected.name), Some(&expected));
        let instances: Vec<String> = registry.instances(&inventory()).iter().map(ToString::to_string).collect();
        assert_eq!(instances, ["zeta@edge-1", "finance@edge-1", "finance@edge-3"]);
    }

    #[test]
    fn every_error_is_reported_and_the_check_speaks_with_paths() {
        let text = "version: 1
servers:
  a: {comand: x, host: edge-9}
  -b: {command: docker run x, host: edge-1}
  c: {command: [docker, run], host: gate, port: 080, enabled: yes, tags: ['a b'], priority: high}
  d: {command: docker run -it x, host: []}
  e: {command: docker run x}
  f: {command: docker run x, host: 'edge-1,'}
  g: {command: docker run x, host: '@edge,!edge-*'}
  h:
";
        let check = |server: &Server| match server.name.as_str() {
            "d" => vec![("command", "needs -d".to_owned()), ("stop", "elsewhere".to_owned())],
            _ => vec![],
        };
        let errors = Registry::parse(text, "servers.yaml", &inventory(), &check).unwrap_err().to_string();
        let expected = "servers.yaml:3: servers.a.comand: unknown key; the keys here are command, host, port, description, tags, priority, enabled, stop, logs, stats; did you mean \"command\"?
servers.yaml:3: servers.a: `command` is missing
servers.yaml:3: servers.a.host: no host or group is named \"edge-9\"; did you mean \"edge\"?
servers.yaml:4: servers.-b: \"-b\" is not a server name: it must begin with a letter or a digit
servers.yaml:5: servers.c.command: expected a `docker run …` string, found a list
servers.yaml:5: servers.c.host: there is no docker on gate (`docker: false` in hosts.yaml)
servers.yaml:5: servers.c.port: expected a port from 1 to 65535, found \"080\"
servers.yaml:5: servers.c.priority: expected a number from -1000000 to 1000000, found \"high\"
servers.yaml:5: servers.c.enabled: expected true or false, found \"yes\"; did you mean \"true\"?
servers.yaml:5: servers.c.tags[0]: a tag has no spaces or commas: \"a b\"
servers.yaml:6: servers.d.host: the list is empty; name a host
servers.yaml:6: servers.d.command: needs -d
servers.yaml:6: servers.d: elsewhere
servers.yaml:7: servers.e: `host` is missing; it can only be left out when the inventory has one host
servers.yaml:8: servers.f.host: \"edge-1,\" is not a pattern: a name is missing
servers.yaml:9: servers.g.host: \"@edge,!edge-*\" leaves no host
servers.yaml:10: servers.h: expected keys and values, found nothing";
        assert_eq!(errors, expected);
    }

    #[test]
    fn a_command_never_shows_up_in_an_error() {
        let errors = parse("version: 1\nservers:\n  a: {command: {secret: x}, host: db}\n").unwrap_err().to_string();
        assert!(!errors.contains("secret"), "{errors}");
    }

    #[test]
    fn without_an_inventory_servers_run_here() {
        let inventory = Inventory::implicit_localhost();
        let text = "version: 1\nservers: {a: {command: docker run x}}\n";
        let registry = Registry::parse(text, "servers.yaml", &inventory, &|_| Vec::new()).unwrap();
        assert_eq!(registry.instances(&inventory).iter().map(ToString::to_string).collect::<Vec<_>>(), ["a@localhost"]);
    }

    #[test]
    fn a_registry_without_servers_is_empty() {
        for text in ["version: 1\n", "version: 1\nservers:\n", "version: 1\nservers: {}\n"] {
            assert_eq!(parse(text), Ok(Registry::default()), "{text}");
        }
    }
}
