#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
use super::*;
use crate::config::{
    self,
    state::{LeftBehind, Record},
};

fn record(instance: &str, id: &str, name: Option<&str>, left: &[(&str, &str)]) -> (Instance, Record) {
    let instance: Instance = instance.parse().unwrap();
    let (server, host) = (instance.server.clone(), instance.host.clone());
    let left =
        left.iter().map(|(id, name)| LeftBehind { container_id: (*id).to_owned(), container: (*name).to_owned() });
    let record = Record {
        status: ServerStatus::bare(server, host, Status::Running, Timestamp::UNIX_EPOCH),
        container_id: (!id.is_empty()).then(|| id.to_owned()),
        command_hash: None,
        stopped_by: None,
        container: name.map(str::to_owned),
        left: left.collect(),
    };
    (instance, record)
}

fn inventory(text: &str) -> Inventory {
    let context =
        config::inventory::Context { dir: "/w".into(), home: None, user: "me".to_owned(), ssh: Default::default() };
    Inventory::parse(text, "hosts.yaml", &context).unwrap()
}

#[test]
fn what_is_remembered_and_registered_no_more_is_an_orphan_and_nothing_else_is() {
    let inventory = inventory("version: 1\nhosts: {h1: {}, h2: {}}\n");
    let servers = "version: 1\nservers:\n  a: {command: docker run -d --name new x, host: h1}\n  b: {command: docker run -d --name bb x, host: h1}\n";
    let registry = Registry::parse(servers, "servers.yaml", &inventory, &|_| vec![]).unwrap();
    let state = State {
        instances: [
            record("a@h1", "1", Some("old"), &[("2", "older"), ("3", "bb")]),
            record("a@h2", "4", Some("new"), &[]),
            record("b@h1", "5", Some("bb"), &[("6", "c")]),
            record("gone@h1", "7", Some("gone"), &[]),
            record("moved@h1", "5", Some("x"), &[]),
            record("never@h1", "", Some("never"), &[]),
            record("gone@h9", "8", None, &[]),
        ]
        .into_iter()
        .collect(),
    };
    let found: Vec<(String, String, OrphanReason)> = candidates(&state, &registry, &inventory)
        .into_iter()
        .map(|c| (c.instance.to_string(), c.container_id, c.reason))
        .collect();
    let expected = [
        ("a@h1", "1", OrphanReason::Renamed),
        ("a@h1", "2", OrphanReason::Renamed),
        ("a@h2", "4", OrphanReason::Moved),
        ("b@h1", "6", OrphanReason::Renamed),
        ("gone@h1", "7", OrphanReason::Removed),
        ("gone@h9", "8", OrphanReason::Removed),
    ];
    let expected: Vec<_> = expected.map(|(i, id, reason)| (i.to_owned(), id.to_owned(), reason)).into();
    assert_eq!(found, expected, "a name or an id that is registered is no orphan");
}

#[test]
fn a_record_of_an_earlier_version_has_no_name_and_is_no_orphan_while_it_is_registered() {
    let inventory = inventory("version: 1\nhosts: {h1: {}}\n");
    let servers = "version: 1\nservers:\n  a: {command: docker run -d --name a x, host: h1}\n";
    let registry = Registry::parse(servers, "servers.yaml", &inventory, &|_| vec![]).unwrap();
    let state = State { instances: [record("a@h1", "1", None, &[])].into_iter().collect() };
    assert_eq!(candidates(&state, &registry, &inventory), []);
}
