#![allow(clippy::unwrap_used, reason = "a test may panic")]
//! Selection over a small workspace.

use super::*;
use crate::{config::inventory::Context, error::Exit};

const HOSTS: &str = "\
version: 1
hosts:
  web-[1:3]: {groups: [prod]}
  lab: {}
groups:
  prod: {}
";

const SERVERS: &str = "\
version: 1
servers:
  finance: {command: docker run -d --name finance x, host: web-1, tags: [core]}
  search: {command: docker run -d --name search x, host: '@prod', tags: [core, night]}
  old: {command: docker run -d --name old x, host: lab, enabled: false, tags: [night]}
";

fn workspace() -> (Inventory, Registry) {
    let context = Context { dir: "/w".into(), home: None, user: "me".to_owned(), ssh: Default::default() };
    let inventory = Inventory::parse(HOSTS, "hosts.yaml", &context).unwrap();
    let registry = Registry::parse(SERVERS, "servers.yaml", &inventory, &|_| vec![]).unwrap();
    (inventory, registry)
}

fn selected(selection: &Selection, default_all: bool) -> Result<Vec<String>, CommandError> {
    let (inventory, registry) = workspace();
    let targets = select(selection, &inventory, &registry, default_all)?;
    Ok(targets.iter().map(|t| t.instance().to_string()).collect())
}

fn named(names: &[&str]) -> Selection {
    Selection { names: names.iter().map(|n| (*n).to_owned()).collect(), ..Selection::default() }
}

#[test]
fn naming_nothing_is_an_error_unless_everything_is_the_default() {
    assert_eq!(selected(&Selection::default(), false).unwrap_err().exit, Exit::Usage);
    assert_eq!(selected(&Selection::default(), true).unwrap().len(), 5);
}

#[test]
fn all_leaves_disabled_servers_out() {
    let all = Selection { all: true, ..Selection::default() };
    assert_eq!(selected(&all, false).unwrap(), ["finance@web-1", "search@web-1", "search@web-2", "search@web-3"]);
}

#[test]
fn a_disabled_server_is_reached_by_its_full_name_only() {
    assert_eq!(selected(&named(&["old"]), false).unwrap(), ["old@lab"]);
    assert!(selected(&named(&["ol*"]), false).is_err());
}

#[test]
fn names_take_globs_and_instances_and_each_instance_comes_once() {
    assert_eq!(
        selected(&named(&["fin*", "finance", "search@web-2"]), false).unwrap(),
        ["finance@web-1", "search@web-2"]
    );
    assert_eq!(selected(&named(&["*@web-3"]), false).unwrap(), ["search@web-3"]);
}

#[test]
fn on_limits_what_the_rest_selects() {
    let on = |pattern: &str| Selection { all: true, on: Some(pattern.to_owned()), ..Selection::default() };
    assert_eq!(selected(&on("@prod,!web-1"), false).unwrap(), ["search@web-2", "search@web-3"]);
    assert!(selected(&on("web-9"), false).unwrap_err().causes.join(" ").contains("web-9"));
}

#[test]
fn tags_select_enabled_servers_and_an_unknown_tag_is_an_error() {
    let tag = |tag: &str| Selection { tags: vec![tag.to_owned()], ..Selection::default() };
    assert_eq!(selected(&tag("night"), false).unwrap(), ["search@web-1", "search@web-2", "search@web-3"]);
    assert!(selected(&tag("nigth"), false).is_err());
}

#[test]
fn a_name_that_is_nearly_right_is_suggested() {
    assert_eq!(selected(&named(&["finanse"]), false).unwrap_err().hint.as_deref(), Some("did you mean finance?"));
    assert!(selected(&named(&["finance@web-2"]), false).unwrap_err().message.contains("not placed"));
}

#[test]
fn targets_of_one_host_travel_together_in_inventory_order() {
    let (inventory, registry) = workspace();
    let targets = select(&Selection::default(), &inventory, &registry, true).unwrap();
    let grouped: Vec<(String, usize)> =
        by_host(&targets).iter().map(|(host, list)| (host.name.to_string(), list.len())).collect();
    assert_eq!(grouped, [("web-1".into(), 2), ("web-2".into(), 1), ("web-3".into(), 1), ("lab".into(), 1)]);
}
