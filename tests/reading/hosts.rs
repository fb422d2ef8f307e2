//! `mcp hosts list` and `mcp hosts check`: the first broken layer by name, with the fix.

use std::process::Command;

use crate::{rig::Rig, said::run};

#[test]
fn a_sound_fleet_is_ok_with_its_versions() {
    let scratch = Rig::get().scratch();
    let rows = run(scratch.mcp(&["hosts", "check", "-o", "json"])).code(0).json();
    assert_eq!(rows.as_array().unwrap().len(), 3, "{rows:#}");
    for row in rows.as_array().unwrap() {
        assert!(row["broken"].is_null() && row["error"].is_null(), "{row:#}");
        for key in ["client", "engine"] {
            assert!(row[key].as_str().unwrap().starts_with(|c: char| c.is_ascii_digit()), "{row:#}");
        }
        assert!(row["seconds"].as_f64().unwrap() > 0.0, "{row:#}");
    }
    run(scratch.mcp(&["hosts", "check", "edge-1"])).code(0).out("edge-1").out("ok").nowhere("edge-2");
    assert_eq!(run(scratch.mcp(&["hosts", "check", "-o", "name"])).code(0).out, "edge-1\nedge-2\nedge-3\n");
}

#[test]
fn the_inventory_is_listed_with_targets_groups_and_instances() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    run(scratch.mcp(&["add", "it", "--host", "edge-1", "--command", "docker run acme/a"])).code(0);
    let rows = run(scratch.mcp(&["hosts", "ls", "--json"])).code(0).json();
    let target = format!("root@{}:{}", rig.host(1).address, rig.port);
    assert_eq!((&rows[0]["name"], &rows[0]["target"]), (&"edge-1".into(), &target.into()), "{rows:#}");
    assert_eq!((&rows[0]["instances"], &rows[1]["instances"]), (&1.into(), &0.into()), "{rows:#}");
    assert_eq!(rows[0]["groups"], serde_json::json!(["demo"]));
    assert_eq!(run(scratch.mcp(&["hosts", "list", "@demo,!edge-2", "-o", "name"])).code(0).out, "edge-1\nedge-3\n");
    run(scratch.mcp(&["hosts", "list", "egde-1"])).code(2).err("edge-1");
}

#[test]
fn each_broken_layer_is_named_with_its_fix_and_the_others_are_checked() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let other_key = scratch.path().join("other_key");
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&other_key).status().unwrap();
    assert!(made.success());
    let empty = scratch.write("empty_known_hosts", "");
    // Another host's key under this address.
    let known = std::fs::read_to_string(&rig.known_hosts).unwrap();
    let addresses = |number: usize| rig.host(number).address.clone();
    let swapped = known.replace(&addresses(2), "0.0.0.0").replace(&addresses(1), &addresses(2));
    let swapped = scratch.write("swapped_known_hosts", &swapped);
    let address = &rig.host(1).address;
    let hosts = [
        ("dns", "address: nonexistent.invalid".to_owned(), "DNS", "hosts.dns.address"),
        ("tcp", "address: 127.0.0.1, port: 1".to_owned(), "TCP", "is sshd running there"),
        ("unknown", format!("address: {address}, known_hosts: {}", empty.display()), "host key", "accept-new"),
        (
            "changed",
            format!("address: {}, known_hosts: {}", addresses(2), swapped.display()),
            "host key",
            "ask its owner",
        ),
        ("login", format!("address: {address}, identity_file: {}", other_key.display()), "authentication", "ssh-add"),
        ("cli", format!("address: {address}, docker: /nonexistent"), "docker CLI", "hint:"),
        ("engine", format!("address: {address}, docker: docker -H unix:///nonexistent.sock"), "engine", "hint:"),
        ("guest", format!("address: {address}, user: guest"), "permission", "docker"),
        ("sound", format!("address: {address}"), "", ""),
    ];
    let mut text = scratch.hosts_yaml().split("hosts:\n").next().unwrap().to_owned();
    text.push_str("hosts:\n");
    for (name, keys, ..) in &hosts {
        text.push_str(&format!("  {name}: {{{keys}}}\n"));
    }
    scratch.write("hosts.yaml", &text);
    let said = run(scratch.mcp(&["hosts", "check", "--json"])).code(4);
    let rows = said.json();
    for ((name, _, layer, fix), row) in hosts.iter().zip(rows.as_array().unwrap()) {
        assert_eq!(row["host"], *name);
        assert_eq!(row["broken"].as_str().unwrap_or_default(), *layer, "{name}: {row:#}");
        assert!(row["error"].is_null() || row["error"]["hint"].is_string(), "{name} has no fix: {row:#}");
        assert!(said.err.contains(fix), "{name}: {fix:?} is missing\n{said}");
    }
    assert!(said.err.matches("SHA256:").count() >= 3, "both fingerprints of the changed key are shown\n{said}");
    for (name, .., code) in
        [("dns", 4), ("tcp", 4), ("unknown", 4), ("login", 4), ("cli", 1), ("engine", 1), ("guest", 1), ("sound", 0)]
    {
        run(scratch.mcp(&["hosts", "check", name])).code(code);
    }
}

#[test]
fn an_engine_that_is_stopped_is_the_engine_and_not_the_host() {
    let rig = Rig::own(1);
    let scratch = rig.scratch();
    rig.engine("stop", 1);
    let said = run(scratch.mcp(&["hosts", "check", "--json"])).code(1);
    assert_eq!(said.json()[0]["broken"], "engine", "{said}");
    assert!(said.json()[0]["client"].is_string(), "the CLI is there\n{said}");
}

#[test]
fn a_host_key_that_is_accepted_once_is_known_from_then_on() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let known = scratch.path().join("my_known_hosts");
    let inventory = scratch
        .hosts_yaml()
        .replace(&format!("known_hosts: {}", rig.known_hosts.display()), &format!("known_hosts: {}", known.display()))
        .replace("hosts:\n", "  host_key: accept-new\nhosts:\n");
    scratch.write("hosts.yaml", &inventory);
    run(scratch.mcp(&["hosts", "check"])).code(0);
    let written = std::fs::read_to_string(&known).unwrap();
    assert_eq!(written.lines().count(), 3, "{written}");
    scratch.write("hosts.yaml", &inventory.replace("  host_key: accept-new\n", ""));
    run(scratch.mcp(&["hosts", "check"])).code(0);
}
