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
