//! Hosts of the inventory with OpenSSH's configuration behind them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]

use std::{path::PathBuf, sync::Arc, sync::atomic::Ordering, time::Duration};

use super::{Context, Inventory};
use crate::{
    config::ssh_config::{Reader, tests::FakeMachine},
    domain::{AddressFamily, AgentChoice, Connection, Host, HostKeyPolicy, HostName, SshEndpoint},
};

const USER: &str = "/home/ana/.ssh/config";

fn load_with(machine: Arc<FakeMachine>, hosts: &str) -> Result<Inventory, String> {
    let ssh = Reader::new(machine);
    let context = Context { dir: "/ws".into(), home: Some("/home/ana".into()), user: "ana".into(), ssh };
    Inventory::parse(&format!("version: 1\n{hosts}"), "hosts.yaml", &context).map_err(|error| error.to_string())
}

fn load(ssh_config: &str, hosts: &str) -> Result<Inventory, String> {
    load_with(Arc::new(FakeMachine::with(&[(USER, ssh_config)])), hosts)
}

fn host<'a>(inventory: &'a Inventory, name: &str) -> &'a Host {
    inventory.get(&HostName::new(name).unwrap()).unwrap()
}

fn ssh<'a>(inventory: &'a Inventory, name: &str) -> &'a SshEndpoint {
    match &host(inventory, name).connection {
        Connection::Ssh(endpoint) => endpoint,
        other => panic!("{name}: {other:?}"),
    }
}

fn refusal(inventory: &Inventory, name: &str) -> String {
    match &host(inventory, name).connection {
        Connection::Refused(reason) => reason.clone(),
        other => panic!("{name}: {other:?}"),
    }
}

/// The way to a host: `user@address:port` of every jump host.
fn way(inventory: &Inventory, name: &str) -> String {
    let hop = |endpoint: &SshEndpoint| format!("{}@{}:{}", endpoint.user, endpoint.address, endpoint.port);
    ssh(inventory, name).jump.iter().map(|jump| hop(&jump.endpoint)).collect::<Vec<_>>().join(" ")
}

const EVERYTHING: &str = "Host a
HostName Real.Example.ORG
User u
Port 2222
IdentityFile ~/.ssh/%r
CertificateFile ~/.ssh/c-cert.pub
IdentitiesOnly yes
IdentityAgent ~/agent
UserKnownHostsFile /kh
StrictHostKeyChecking no
ConnectTimeout 1m
HostKeyAlias Alias
HashKnownHosts yes
AddressFamily inet
Ciphers aes256-ctr
";

#[test]
fn what_the_inventory_leaves_open_comes_from_ssh_config() {
    let inventory = load(EVERYTHING, "hosts: [a, b]\n").unwrap();
    let a = ssh(&inventory, "a");
    assert_eq!((a.address.as_str(), a.user.as_str(), a.port), ("real.example.org", "u", 2222));
    assert_eq!(a.identity_files, [PathBuf::from("/home/ana/.ssh/u")]);
    assert_eq!(a.certificate_files, [PathBuf::from("/home/ana/.ssh/c-cert.pub")]);
    assert!(a.identities_only && a.hash_known_hosts);
    assert_eq!(a.agent, AgentChoice::Socket("/home/ana/agent".into()));
    assert_eq!(
        a.known_hosts,
        ["/kh", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"].map(PathBuf::from).to_vec()
    );
    assert_eq!(a.host_key, HostKeyPolicy::AcceptNew);
    assert_eq!(a.host_key_alias.as_deref(), Some("alias"));
    assert_eq!(a.address_family, AddressFamily::Inet);
    assert_eq!(a.algorithms.ciphers.as_deref(), Some("aes256-ctr"));
    assert_eq!(host(&inventory, "a").connect_timeout, Duration::from_secs(60));
    assert_eq!(ssh(&inventory, "b"), &SshEndpoint::new("b", "ana"));
}

#[test]
fn what_the_inventory_says_wins_from_wherever_it_says_it() {
    let hosts = "defaults: {connect_timeout: 3}\nhosts:\n  a: {address: 10.0.0.1, port: 23, known_hosts: kh}\n\
                 groups:\n  all-of-them: {hosts: [a], user: group, host_key: strict, identity_file: key}\n";
    let a = load(EVERYTHING, hosts).unwrap();
    let timeout = host(&a, "a").connect_timeout;
    let a = ssh(&a, "a");
    assert_eq!((a.address.as_str(), a.user.as_str(), a.port), ("10.0.0.1", "group", 23));
    assert_eq!((a.host_key, timeout), (HostKeyPolicy::Strict, Duration::from_secs(3)));
    assert_eq!(a.known_hosts, [PathBuf::from("/ws/kh")]);
    // As with -i: the configuration's keys come after, and the tokens in them know the user that won.
    assert_eq!(a.identity_files, [PathBuf::from("/ws/key"), "/home/ana/.ssh/group".into()]);
}

#[test]
fn lines_are_chosen_by_what_the_inventory_says() {
    let config = "Match host 10.0.0.*\nPort 23\nMatch user deploy\nIdentityFile /deploy\nMatch originalhost a\nHostKeyAlias of-a\n";
    let inventory = load(config, "hosts:\n  a: {address: 10.0.0.1, user: deploy}\n  b: {}\n").unwrap();
    let a = ssh(&inventory, "a");
    assert_eq!((a.port, a.host_key_alias.as_deref()), (23, Some("of-a")));
    assert_eq!(a.identity_files, [PathBuf::from("/deploy")]);
    assert_eq!(ssh(&inventory, "b"), &SshEndpoint::new("b", "ana"));
}

#[test]
fn none_takes_away_where_an_empty_list_would_mean_the_defaults() {
    let config = "Host a\nIdentityFile none\nUserKnownHostsFile none\nGlobalKnownHostsFile none\nIdentityAgent none\n\
                  Host b\nIdentityAgent $NOT_SET\nGlobalKnownHostsFile /g\n";
    let inventory = load(config, "hosts: [a, b]\n").unwrap();
    let (a, b) = (ssh(&inventory, "a"), ssh(&inventory, "b"));
    let nothing = PathBuf::from("/dev/null");
    assert_eq!((&a.identity_files, &a.agent), (&vec![nothing.clone()], &AgentChoice::Off));
    assert_eq!(a.known_hosts, [nothing.clone(), nothing]);
    assert_eq!(b.agent, AgentChoice::Off);
    assert_eq!(
        b.known_hosts,
        ["/home/ana/.ssh/known_hosts", "/home/ana/.ssh/known_hosts2", "/g"].map(PathBuf::from).to_vec()
    );
}

#[test]
fn the_strictness_of_host_keys_is_never_weaker_than_accept_new() {
    for (word, policy) in [
        ("yes", HostKeyPolicy::Strict),
        ("ask", HostKeyPolicy::Strict),
        ("accept-new", HostKeyPolicy::AcceptNew),
        ("no", HostKeyPolicy::AcceptNew),
        ("off", HostKeyPolicy::AcceptNew),
    ] {
        let inventory = load(&format!("StrictHostKeyChecking {word}"), "hosts: [a]\n").unwrap();
        assert_eq!(ssh(&inventory, "a").host_key, policy, "{word}");
    }
}

#[test]
fn ways_lead_through_hosts_of_the_inventory_and_of_the_configuration() {
    let config = "Host a\nProxyJump outer,j@inner:2200\nHost inner\nProxyJump never\nUser i\nHost outer\nHostName o.example.org\n\
                  ProxyJump gate\nHost gate\nPort 2201\nHost d\nProxyJump ssh://u@[::2]:7\nHost e\nProxyJump ssh://u@far:7\n\
                  Host f\nProxyJump %r@gate\nHost deep\nProxyJump inner\n";
    assert!(load(config, "hosts: [a]\n").unwrap_err().contains("config:12: ProxyJump"));
    let config = config.replace("ssh://u@[::2]:7", "u@[::2]:7");
    let hosts = "hosts:\n  a: {}\n  b: {jump: outer}\n  c: {jump: []}\n  d: {}\n  e: {}\n  f: {user: me}\n  g: {jump: [inner, b]}\n\
                 \x20 inner: {address: 10.0.0.9, user: inv, jump: gate}\n  deep: {}\n";
    let inventory = load(&config, hosts).unwrap();
    // The first one's own way counts, the second one's does not; its user is the one of the list.
    assert_eq!(way(&inventory, "a"), "ana@gate:2201 ana@o.example.org:22 j@10.0.0.9:2200");
    assert_eq!(way(&inventory, "b"), "ana@gate:2201 ana@o.example.org:22");
    assert_eq!(way(&inventory, "c"), "");
    assert_eq!(way(&inventory, "d"), "u@::2:7");
    assert_eq!(way(&inventory, "e"), "u@far:7");
    assert_eq!(way(&inventory, "f"), "me@gate:2201");
    assert_eq!(way(&inventory, "g"), "ana@gate:2201 inv@10.0.0.9:22 ana@b:22");
    // The inventory's `jump` of a jump host wins over the configuration's.
    assert_eq!(way(&inventory, "deep"), "ana@gate:2201 inv@10.0.0.9:22");
}

#[test]
fn a_jump_host_is_worked_out_once_for_all_hosts_behind_it() {
    let inventory = load("Host web-*\nProxyJump gate\n", "hosts: ['web-[1:3]']\n").unwrap();
    let (one, three) = (&ssh(&inventory, "web-1").jump[0], &ssh(&inventory, "web-3").jump[0]);
    assert!(Arc::ptr_eq(one, three));
}

#[test]
fn circles_and_what_is_not_done_concern_their_hosts_alone() {
    let config = "Host a\nProxyCommand nc %h %p\nHost b\nProxyJump a\nHost c\nProxyJump d\nHost d\nProxyJump c\nHost self\nProxyJump self\n\
                  Host l\nProxyJump here\nHost bad\nIdentityFile %T\nHost h1\nProxyJump h2\nHost h2\nProxyJump h3\nHost h3\nProxyJump h4\n\
                  Host h4\nProxyJump h5\nHost h5\nProxyJump h6\nHost h6\nProxyJump h7\nHost h7\nProxyJump h8\nHost h8\nProxyJump h9\n\
                  Host h9\nProxyJump h10\nHost j\nProxyCommand nc\n";
    let hosts = "hosts:\n  a:\n  b:\n  c:\n  d:\n  self:\n  l:\n  bad:\n  h1:\n  h2:\n  fine:\n  here: {connection: local}\n  j: {jump: fine}\n";
    let inventory = load(config, hosts).unwrap();
    for (name, reason) in [
        ("a", "ProxyCommand (/home/ana/.ssh/config:2) is in effect"),
        ("b", "jump host a: ProxyCommand (/home/ana/.ssh/config:2) is in effect"),
        ("c", "go round in a circle: d → c → d"),
        ("d", "go round in a circle: c → d → c"),
        ("self", "go round in a circle: self → self"),
        ("l", "cannot jump through \"here\": its connection is local"),
        ("bad", "IdentityFile (/home/ana/.ssh/config:14)"),
        ("h1", "more than 8 jump hosts"),
    ] {
        let found = refusal(&inventory, name);
        assert!(found.contains(reason), "{name}: {found}");
    }
    assert_eq!(ssh(&inventory, "fine"), &SshEndpoint::new("fine", "ana"));
    assert_eq!(ssh(&inventory, "h2").jump.len(), 8);
    // A way of the inventory's own leaves no place for a command.
    assert_eq!(way(&inventory, "j"), "ana@fine:22");
}

#[test]
fn a_name_to_jump_through_is_known_by_the_inventory_or_by_name_in_the_configuration() {
    let config = "Host gate *.wild\nPort 23\nMatch originalhost one,two\nUser m\n";
    let inventory = load(config, "hosts:\n  a: {jump: gate}\n  b: {jump: two}\n").unwrap();
    assert_eq!((way(&inventory, "a"), way(&inventory, "b")), ("ana@gate:23".into(), "m@two:22".into()));
    for (name, meant) in [("gat", Some("gate")), ("x.wild", None), ("bb", Some("b"))] {
        let inventory = load(config, &format!("hosts:\n  a: {{jump: {name}}}\n  b: {{jump: a}}\n  c:\n")).unwrap();
        let reason = |name: &str| match &inventory.get(&HostName::new(name).unwrap()).unwrap().connection {
            Connection::Refused(reason) => reason.clone(),
            _ => String::new(),
        };
        let error = reason("a");
        assert_eq!((reason("b"), reason("c")), (format!("it is reached through a: {error}"), String::new()));
        let hint = meant.map(|meant| format!("; did you mean {meant:?}?")).unwrap_or_default();
        assert_eq!(error, format!("hosts.yaml:3: hosts.a.jump: there is no host {name:?} to jump through{hint}"));
    }
}

#[test]
fn another_file_or_none_can_be_named() {
    let machine = || {
        Arc::new(FakeMachine::with(&[
            (USER, "Port 1"),
            ("/ws/own", "Port 2"),
            ("/home/ana/x", "Port 3"),
            ("/none", "Port 4"),
        ]))
    };
    for (line, port) in [
        ("", 1),
        ("ssh_config: own\n", 2),
        ("ssh_config: ~/x\n", 3),
        ("ssh_config: none\n", 22),
        ("ssh_config: 'none'\n", 22),
        ("ssh_config: /none\n", 4),
    ] {
        let inventory = load_with(machine(), &format!("{line}hosts: [a]\n")).unwrap();
        assert_eq!(ssh(&inventory, "a").port, port, "{line}");
    }
    let error = load_with(machine(), "ssh_config: absent\nhosts: [a]\n").unwrap_err();
    assert_eq!(error, "/ws/absent: there is no such file");
    assert!(load_with(machine(), "ssh_config: [a]\nhosts: [a]\n").unwrap_err().contains("hosts.yaml:2: ssh_config"));
}

#[test]
fn a_broken_file_is_one_error_however_many_hosts_there_are() {
    for (config, error) in [
        ("Host a\n  Port x\n", "/home/ana/.ssh/config:2: Port: expected a port, found \"x\""),
        (
            "\n\nNonsense yes\n",
            "/home/ana/.ssh/config:3: there is no keyword \"nonsense\"; IgnoreUnknown passes over it",
        ),
    ] {
        assert_eq!(load(config, "hosts: ['a[1:50]']\n").unwrap_err(), error);
    }
}

#[test]
fn it_is_read_once_and_only_for_hosts_that_are_reached_over_ssh() {
    let machine = Arc::new(FakeMachine::with(&[(USER, "Port 1")]));
    load_with(Arc::clone(&machine), "hosts: {a: {connection: local}}\n").unwrap();
    assert_eq!(machine.reads.load(Ordering::Relaxed), 0);
    let context = Context {
        dir: "/ws".into(),
        home: Some("/home/ana".into()),
        user: "ana".into(),
        ssh: Reader::new(Arc::clone(&machine) as Arc<_>),
    };
    for _ in 0..3 {
        Inventory::parse("version: 1\nhosts: ['a[1:50]']\n", "hosts.yaml", &context).unwrap();
    }
    // The user's and the system's.
    assert_eq!(machine.reads.load(Ordering::Relaxed), 2);
}
