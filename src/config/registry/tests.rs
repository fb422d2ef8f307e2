#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]
use std::time::Duration;

use super::*;
use crate::{config::inventory::Context, domain::Rollout};

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
    pull: docker login r && docker pull r/finance
    rollout: {serial: [1, 25%], max_fail: 2, wait: 30s}
    keep_previous: 2d
defaults:
  rollout: {serial: 50%, max_fail: 10%}
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
        pull: Some("docker login r && docker pull r/finance".into()),
        own: Settings {
            rollout: Rollout {
                serial: "1,25%".parse().ok(),
                max_fail: "2".parse().ok(),
                wait: Some(Duration::from_secs(30)),
            },
            keep_previous: Some(Duration::from_secs(2 * 86_400)),
        },
        defaults: Arc::new(Settings {
            rollout: Rollout { serial: "50%".parse().ok(), max_fail: "10%".parse().ok(), wait: None },
            keep_previous: None,
        }),
    };
    assert_eq!(expected.rollout(), expected.own.rollout);
    assert_eq!(registry.servers()[0].rollout(), expected.defaults.rollout);
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
    let expected = "servers.yaml:3: servers.a.comand: unknown key; the keys here are command, host, port, description, tags, priority, enabled, stop, logs, stats, pull, rollout, keep_previous; did you mean \"command\"?
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
fn what_is_no_rollout_is_reported_at_a_server_and_under_defaults() {
    let text = "version: 1
defaults:
  rollout: {serail: 1, serial: 0, max_fail: 101%}
  keep_previous: 31d
  tags: [a]
servers:
  a: {command: docker run x, host: db, rollout: {serial: [1, x], wait: soon}, keep_previous: -1}
  b: {command: docker run x, host: db, rollout: 1, pull: [docker, pull]}
  c: {command: docker run x, host: db, rollout: {serial: []}}
";
    let errors = parse(text).unwrap_err().to_string();
    let expected = "servers.yaml:3: defaults.rollout.serail: unknown key; the keys here are serial, max_fail, wait; did you mean \"serial\"?
servers.yaml:3: defaults.rollout.max_fail: expected a number of hosts from 1 on, or 1% to 100%, found \"101%\"
servers.yaml:3: defaults.rollout.serial: expected a number of hosts from 1 on, or 1% to 100%, found \"0\"
servers.yaml:4: defaults.keep_previous: expected seconds, or a time such as 500ms, 30s or 2m, up to 30 days, found \"31d\"
servers.yaml:5: defaults.tags: unknown key; the keys here are rollout, keep_previous
servers.yaml:7: servers.a.rollout.serial[1]: expected a number of hosts from 1 on, or 1% to 100%, found \"x\"
servers.yaml:7: servers.a.rollout.wait: expected seconds, or a time such as 500ms, 30s or 2m, up to one day, found \"soon\"
servers.yaml:7: servers.a.keep_previous: expected seconds, or a time such as 500ms, 30s or 2m, up to 30 days, found \"-1\"
servers.yaml:8: servers.b.pull: expected a `docker pull …` string, found a list
servers.yaml:8: servers.b.rollout: expected keys and values, found \"1\"
servers.yaml:9: servers.c.rollout.serial: the list is empty; name the hosts per batch, such as 1 or 25%";
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
