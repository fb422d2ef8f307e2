#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]

use super::*;
use crate::{
    config::pattern::HostPattern,
    domain::{Docker, HostKeyPolicy},
};
use std::time::Duration;

pub(super) fn context() -> Context {
    Context { dir: "/ws".into(), home: Some("/home/ana".into()), user: "ana".into(), ssh: Default::default() }
}

fn parse(text: &str) -> Inventory {
    Inventory::parse(text, "hosts.yaml", &context()).unwrap_or_else(|error| panic!("{error}"))
}

fn errors(text: &str) -> String {
    Inventory::parse(text, "hosts.yaml", &context()).unwrap_err().to_string()
}

fn ssh<'a>(inventory: &'a Inventory, name: &str) -> &'a crate::domain::SshEndpoint {
    match &inventory.get(&HostName::new(name).unwrap()).unwrap().connection {
        Connection::Ssh(endpoint) => endpoint,
        other => panic!("{other:?}"),
    }
}

fn host<'a>(inventory: &'a Inventory, name: &str) -> &'a Host {
    inventory.get(&HostName::new(name).unwrap()).unwrap()
}

fn select(inventory: &Inventory, pattern: &str) -> String {
    match HostPattern::parse(pattern).and_then(|pattern| inventory.select(&pattern)) {
        Ok(hosts) => hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>().join(" "),
        Err(error) => format!("error: {error}"),
    }
}

const FLEET: &str = "version: 1
defaults: {user: deploy, port: 2222, env: {A: default, B: default}}
hosts:
  web-[01:03]: {address: '10.0.0.[1:3]', groups: [web]}
  db-1: {groups: [db], port: 22}
  bastion: {docker: false, jump: []}
groups:
  prod: {children: [web, db], env: {B: prod, C: prod}, timeout: 2m}
  web: {env: {C: web}, jump: bastion}
  db: {hosts: ['db-*'], user: dba}
";

#[test]
fn values_come_from_the_host_then_its_groups_then_the_defaults() {
    let inventory = parse(FLEET);
    let web = ssh(&inventory, "web-02");
    assert_eq!((web.address.as_str(), web.user.as_str(), web.port), ("10.0.0.2", "deploy", 2222));
    assert_eq!(web.jump.iter().map(|jump| jump.name.as_str()).collect::<Vec<_>>(), ["bastion"]);
    let env = &host(&inventory, "web-02").env;
    assert_eq!(env.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(), ["A=default", "B=prod", "C=web"]);
    assert_eq!(host(&inventory, "web-02").timeout, Some(Duration::from_secs(120)));
    let db = ssh(&inventory, "db-1");
    assert_eq!((db.address.as_str(), db.user.as_str(), db.port), ("db-1", "dba", 22));
    assert_eq!(host(&inventory, "db-1").groups.iter().map(|g| g.as_str()).collect::<Vec<_>>(), ["db", "prod"]);
    assert_eq!(host(&inventory, "bastion").docker, Docker::Absent);
}

#[test]
fn a_host_with_nothing_said_gets_the_documented_defaults() {
    let inventory = parse("version: 1\nhosts: [plain]\n");
    assert_eq!(ssh(&inventory, "plain"), &crate::domain::SshEndpoint::new("plain", "ana"));
    let plain = host(&inventory, "plain");
    assert_eq!((plain.connect_timeout, plain.timeout), (Duration::from_secs(10), None));
    assert_eq!(plain.docker, Docker::Words("docker".into()));
}

#[test]
fn paths_are_resolved_against_workspace_and_home() {
    let text = "version: 1\nhosts:\n  a: {identity_file: [keys/a, ~/.ssh/b, /etc/c], known_hosts: '~', host_key: accept-new}\n";
    let inventory = parse(text);
    let a = ssh(&inventory, "a");
    assert_eq!(a.identity_files, [PathBuf::from("/ws/keys/a"), "/home/ana/.ssh/b".into(), "/etc/c".into()]);
    assert_eq!(a.known_hosts, [PathBuf::from("/home/ana")]);
    assert_eq!(a.host_key, HostKeyPolicy::AcceptNew);
}

#[test]
fn yaml_surprises_in_string_places_keep_their_written_text() {
    let text = "version: 1\nhosts:\n  010: {user: 0x1f, address: 1e3, env: {A: no, B: 22:22, C: 010, D: 1.10, E: '', F: 2024-01-01}}\n  no:\n";
    let inventory = parse(text);
    let octal = ssh(&inventory, "010");
    assert_eq!((octal.user.as_str(), octal.address.as_str()), ("0x1f", "1e3"));
    let values: Vec<&str> = host(&inventory, "010").env.values().map(String::as_str).collect();
    assert_eq!(values, ["no", "22:22", "010", "1.10", "", "2024-01-01"]);
    assert_eq!(ssh(&inventory, "no").address, "no");
}

#[test]
fn yaml_surprises_in_number_and_boolean_places_are_errors() {
    for (key, value) in [
        ("port", "022"),
        ("port", "22:22"),
        ("port", "0x16"),
        ("port", "2e1"),
        ("port", "0"),
        ("port", "65536"),
        ("port", "'22'"),
        ("port", "[22]"),
        ("port", "99999999999999999999"),
        ("docker", "no"),
        ("docker", "off"),
        ("docker", "'a \"b'"),
        ("connection", "telnet"),
        ("host_key", "no"),
        ("connect_timeout", "0"),
        ("connect_timeout", "1e3"),
        ("timeout", "-5"),
        ("timeout", "5 minutes"),
        ("timeout", "99999999999999999999h"),
        ("timeout", "25h"),
        ("identity_file", "~bob/x"),
        ("identity_file", "{a: b}"),
        ("user", "a b"),
        ("user", "-x"),
        ("env", "[A=1]"),
        ("env", "{1A: x}"),
        ("env", "{A: [1]}"),
        ("env", "{A: }"),
        ("groups", "nowhere"),
        ("groups", "{a: b}"),
    ] {
        let text = format!("version: 1\nhosts:\n  a: {{{key}: {value}}}\n");
        let errors = errors(&text);
        assert!(errors.starts_with(&format!("hosts.yaml:3: hosts.a.{key}")), "{key}: {value}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
}

#[test]
fn values_of_env_are_never_in_an_error() {
    let errors = errors("version: 1\nhosts:\n  a: {env: {A: [secret], B: {secret: secret2}, 'B C': secret}}\n");
    assert!(errors.lines().count() == 3 && !errors.contains("secret"), "{errors}");
}

#[test]
fn every_error_of_the_file_is_reported_at_once() {
    let text = "version: 2
defualts: {}
hosts:
  web-[1:2]: {adress: x, port: x}
  web-2:
  web: {groups: [prd]}
  all:
  'a b':
  r[5:1]:
groups:
  prod: {hosts: [web-3, web-1], children: [x]}
  web: {}
  x: {children: [y]}
  y: {children: [x]}
  z: {children: [z], address: 1.2.3.4, hosts: [x]}
";
    let expected = "hosts.yaml:1: version: expected 1, the only version there is, found \"2\"
hosts.yaml:2: defualts: unknown key; the keys here are version, ssh_config, defaults, hosts, groups; did you mean \"defaults\"?
hosts.yaml:4: hosts.web-[1:2].adress: unknown key; the keys here are address, groups, user, port, identity_file, jump, connection, docker, env, connect_timeout, timeout, persist, audit, in_all, host_key, known_hosts; did you mean \"address\"?
hosts.yaml:4: hosts.web-[1:2].port: expected a port from 1 to 65535, found \"x\"
hosts.yaml:5: hosts.web-2: the host \"web-2\" is already on line 4
hosts.yaml:6: hosts.web.groups[0]: there is no group \"prd\"; groups are declared under `groups`; did you mean \"prod\"?
hosts.yaml:7: hosts.all: `all` always means every host; a host needs another name
hosts.yaml:8: hosts.\"a b\": \"a b\" is not a host name: ' ' is not allowed (letters, digits, '.', '_' and '-')
hosts.yaml:9: hosts.r[5:1]: bad range [5:1] in \"r[5:1]\": the end lies before the start
hosts.yaml:11: groups.prod.hosts[0]: there is no host \"web-3\"; did you mean \"web-1\"?
hosts.yaml:12: groups.web: a host is named \"web\" too; one of them needs another name
hosts.yaml:13: groups.x: the groups hold each other: x → y → x
hosts.yaml:15: groups.z.address: an address belongs to one host; write it under `hosts`
hosts.yaml:15: groups.z.hosts[0]: \"x\" is a group; list it under `children`
hosts.yaml:15: groups.z: the groups hold each other: z → z";
    assert_eq!(errors(text), expected);
}

#[test]
fn a_version_is_required() {
    assert_eq!(errors("hosts: [a]\n"), "hosts.yaml:1: `version: 1` is missing at the top");
    assert!(errors("").contains("version: 1"));
    assert!(errors("- a\n").contains("expected keys and values, found a list"));
}

#[test]
fn an_address_range_must_have_as_many_as_the_names() {
    let errors = errors("version: 1\nhosts:\n  w[1:3]: {address: '10.0.0.[1:2]'}\n");
    assert!(errors.contains("stands for 2 addresses, the name for 3 hosts"), "{errors}");
}

#[test]
fn a_jump_through_a_host_behind_a_jump_host_goes_through_both() {
    let inventory = parse(
        "version: 1\nhosts:\n  outer: {port: 2201}\n  inner: {jump: outer}\n  other: {jump: inner}\n  by-inner: {jump: inner}\n  \
         by-both: {jump: [outer, inner]}\n  by-three: {jump: [inner, other]}\n",
    );
    let chain = |name| ssh(&inventory, name).jump.iter().map(|jump| jump.name.as_str()).collect::<Vec<_>>().join(" ");
    assert_eq!(chain("inner"), "outer");
    assert_eq!(chain("by-inner"), "outer inner");
    assert_eq!(chain("by-both"), "outer inner");
    // As `ssh -J inner,other` does: how the first one is reached counts, how the others would be reached alone does not.
    assert_eq!(chain("by-three"), "outer inner other");
    assert_eq!(ssh(&inventory, "by-inner").jump[0].endpoint.port, 2201);
    let long: String = (1..=20).map(|n| format!("  h{n}: {{jump: h{}}}\n", n - 1)).collect();
    let inventory = parse(&format!("version: 1\nhosts:\n  h0: {{}}\n{long}"));
    assert_eq!(refusal(&inventory, "h8"), "");
    assert_eq!(refusal(&inventory, "h9"), "hosts.yaml:12: hosts.h9: more than 8 jump hosts on the way");
}

#[test]
fn jumps_in_a_circle_and_through_a_local_host_refuse_the_hosts_on_them() {
    let inventory = parse(
        "version: 1\nhosts:\n  a: {jump: b}\n  b: {jump: [c]}\n  c: {jump: a}\n  d: {jump: d}\n  e: {jump: l}\n  l: {connection: local}\n  \
         f: {jump: a}\n  g:\n",
    );
    for (name, words) in [
        ("a", "a → b → c → a"),
        ("b", "a → b → c → a"),
        ("c", "a → b → c → a"),
        ("d", "d → d"),
        ("e", "cannot jump through \"l\""),
        ("f", "circle"),
        ("g", ""),
    ] {
        let reason = refusal(&inventory, name);
        assert!(reason.contains(words) && reason.is_empty() == words.is_empty(), "{name}: {reason}");
    }
}

fn refusal<'a>(inventory: &'a Inventory, name: &str) -> &'a str {
    match &host(inventory, name).connection {
        Connection::Refused(reason) => reason,
        _ => "",
    }
}

#[test]
fn a_host_that_cannot_be_reached_as_it_is_written_is_refused_alone_and_told_what_to_write() {
    for (fields, words) in [
        (
            "address: '10.0.0.1:2222'",
            "hosts.a.address: the port has its own key: write `address: 10.0.0.1` and `port: 2222`",
        ),
        ("address: 'root@10.0.0.1'", "write `address: 10.0.0.1` and `user: root`"),
        ("address: '[::1]:22'", "write `address: ::1` and `port: 22`"),
        ("address: a b", "expected a DNS name or an IP address"),
        ("address: -oProxyCommand=x", "expected a DNS name or an IP address"),
        (
            "identity_file: /k/id_ed25519.pub",
            "hosts.a.identity_file: /k/id_ed25519.pub is the public key; write `identity_file: /k/id_ed25519`",
        ),
        ("identity_file: [/k/a, ~/b.pub]", "is the public key"),
        ("jump: nowhere", "hosts.a.jump: there is no host \"nowhere\" to jump through"),
    ] {
        let inventory = parse(&format!("version: 1\nhosts:\n  a: {{{fields}}}\n  b: {{identity_file: /k/id}}\n"));
        let reason = refusal(&inventory, "a");
        assert!(reason.starts_with("hosts.yaml:3: ") && reason.contains(words), "{fields}: {reason}");
        assert_eq!(refusal(&inventory, "b"), "", "{fields}");
    }
    let inventory =
        parse("version: 1\nhosts:\n  a: {address: '[2001:db8::1]'}\n  b-[1:2]: {address: '10.0.0.[1:2]:22'}\n");
    assert_eq!(ssh(&inventory, "a").address, "2001:db8::1");
    assert!(refusal(&inventory, "b-2").contains("write `address: 10.0.0.[1:2]` and `port: 22`"));
    // One that is nearer takes the place of a public key of the defaults.
    let inventory = parse("version: 1\ndefaults: {identity_file: /k/a.pub}\nhosts: {a: {identity_file: /k/a}, b: }\n");
    assert_eq!((refusal(&inventory, "a").is_empty(), refusal(&inventory, "b").is_empty()), (true, false));
}

#[test]
fn a_port_in_a_host_s_name_is_named_with_what_to_write() {
    for text in ["hosts:\n  'web1:22':\n", "hosts: ['web1:22']\n", "hosts:\n  'web1:22': {user: x}\n"] {
        let errors = errors(&format!("version: 1\n{text}"));
        assert!(errors.contains("call it \"web1\" and write `port: 22` under it"), "{errors}");
    }
    assert_eq!(ssh(&parse("version: 1\nhosts: ['2001:db8::22']\n"), "2001:db8::22").address, "2001:db8::22");
}

#[test]
fn too_many_hosts_are_refused() {
    assert!(errors("version: 1\nhosts: ['a[1:60000]', 'b[1:60000]']\n").contains("more than 100000"));
}

#[test]
fn patterns_select_in_inventory_order_whatever_their_own() {
    let inventory = parse(FLEET);
    for (pattern, hosts) in [
        ("all", "web-01 web-02 web-03 db-1 bastion"),
        ("*", "web-01 web-02 web-03 db-1 bastion"),
        ("db-1,web-*", "web-01 web-02 web-03 db-1"),
        ("web-*,!web-02", "web-01 web-03"),
        ("!web-02,web-*", "web-01 web-03"),
        ("@prod,&@web", "web-01 web-02 web-03"),
        ("&@web,web-01,db-1", "web-01"),
        ("prod", "web-01 web-02 web-03 db-1"),
        ("@*b,!@db", "web-01 web-02 web-03"),
        ("web-[01:02]", "web-01 web-02"),
        ("!@prod", "bastion"),
        ("&@db", "db-1"),
        (" web-01 , db-? ", "web-01 db-1"),
        ("web-9", "error: no host or group is named \"web-9\"; did you mean \"web\"?"),
        ("@prdo", "error: no group is named \"prdo\"; did you mean \"prod\"?"),
        ("web-*,!wbe-01", "error: no host or group is named \"wbe-01\"; did you mean \"web-01\"?"),
        ("mail-*", "error: no host or group matches \"mail-*\""),
        ("web-[01:04]", "error: no host or group is named \"web-04\"; did you mean \"web-01\"?"),
        ("@web,!@prod", "error: \"@web,!@prod\" leaves no host"),
    ] {
        assert_eq!(select(&inventory, pattern), hosts, "{pattern}");
    }
}

#[test]
fn without_an_inventory_there_is_this_machine() {
    let inventory = Inventory::implicit_localhost();
    assert!(inventory.is_implicit());
    assert_eq!(
        inventory.default_host().map(|host| (host.name.as_str(), host.connection.clone())),
        Some(("localhost", Connection::Local))
    );
}

proptest::proptest! {
    #[test]
    fn no_text_panics_and_every_broken_one_has_an_error(
        lines in proptest::collection::vec("(  ){0,3}(hosts|groups|defaults|version|a|b|web-\\[1:3\\]|children|jump|env|port)?:? ?(1|\\[a, b\\]|a|\\{a: b\\}|\\*x|&x a|<<)?", 0..20)
    ) {
        let text = format!("version: 1\n{}", lines.join("\n"));
        if let Err(errors) = Inventory::parse(&text, "hosts.yaml", &context()) {
            proptest::prop_assert!(!errors.0.is_empty());
        }
    }
}
