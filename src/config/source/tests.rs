#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]

use std::{fs, path::PathBuf};

use serde_json::Value as Json;

use super::*;
use crate::config::ansible::{SECRETS, tests::as_listed};

fn context() -> Context {
    Context { dir: "/ws".into(), home: Some("/home/ana".into()), user: "ana".into(), ssh: Default::default() }
}

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/ansible")
}

fn sources(directory: &Path, names: &[&str]) -> Sources {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Sources::new(names, directory.to_owned(), EXECUTABLE_TIMEOUT)
}

/// Takes Ansible's marks off strings that it would not evaluate.
fn plain(value: &mut Json) {
    if let Some(text) = value.get("__ansible_unsafe") {
        *value = text.clone();
    }
    match value {
        Json::Object(map) => map.values_mut().for_each(plain),
        Json::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}

/// What Ansible said, without secrets and without what it adds for itself.
fn comparable(mut expected: Json) -> Json {
    expected["_meta"].as_object_mut().unwrap().remove("profile");
    plain(&mut expected);
    let hosts = expected["_meta"]["hostvars"].as_object_mut().unwrap();
    for (_, vars) in hosts.iter_mut() {
        vars.as_object_mut().unwrap().retain(|name, _| !SECRETS.contains(&name.as_str()));
    }
    hosts.retain(|_, vars| !vars.as_object().unwrap().is_empty());
    expected
}

#[test]
fn hosts_groups_order_and_every_variable_are_those_of_ansible() {
    let mut cases = 0;
    for case in fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let file = |name: &str| fs::read_to_string(case.join(name)).unwrap();
        let names = file("sources");
        let sources = sources(&case, &names.lines().collect::<Vec<_>>());
        let context = context();
        let (mut reader, _) = sources.gather(&context).unwrap_or_else(|error| panic!("{}: {error}", case.display()));
        let resolved = reader.data.resolve().unwrap();
        let listed = as_listed(&reader.data, &resolved);
        let expected = comparable(serde_json::from_str(&file("expected.json")).unwrap());
        assert_eq!(
            serde_json::to_string_pretty(&listed).unwrap(),
            serde_json::to_string_pretty(&expected).unwrap(),
            "{}",
            case.display()
        );
        let order: Vec<&str> = resolved.order.iter().map(|at| reader.data.hosts[*at].name.as_str()).collect();
        assert_eq!(order, file("order").lines().collect::<Vec<_>>(), "{}", case.display());
        // Hosts of the same names and in the same order come out in the end.
        let loaded = sources.load(&context).unwrap_or_else(|error| panic!("{}: {error}", case.display()));
        assert_eq!(loaded.inventory.hosts().iter().map(|host| host.name.as_str()).collect::<Vec<_>>(), order);
        cases += 1;
    }
    assert!(cases >= 25, "only {cases} cases were found");
}
