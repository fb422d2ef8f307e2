//! Jump hosts as the commands show them.

use crate::{
    fleet::Fleet,
    rig::Rig,
    said::run,
    sshd::{Sshd, known_line, user},
};

#[test]
fn every_hop_is_shown_and_the_one_that_is_broken_is_named_for_all_behind_it() {
    let fleet = Fleet::new("");
    fleet.hosts(
        "\n  outer: {address: 127.0.80.1}\n  inner: {address: 127.0.80.2, jump: outer}\n  deep: {address: 127.0.80.3, jump: inner}\n  \
         dead: {address: 127.0.80.4, port: 1}\n  a: {address: 127.0.80.5, jump: [outer, dead, inner]}\n  \
         b: {address: 127.0.80.6, jump: [outer, dead, inner]}",
    );
    let said = run(fleet.mcp(&["hosts", "check", "--retries", "0", "--json"])).code(4);
    let rows = said.json();
    let row = |name: &str| rows.as_array().unwrap().iter().find(|row| row["host"] == name).unwrap().clone();
    let hops = |name: &str| {
        let hops = row(name)["hops"].as_array().unwrap().clone();
        let hop = |h: &serde_json::Value| format!("{}={}", h["name"].as_str().unwrap(), h["state"].as_str().unwrap());
        hops.iter().map(hop).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(hops("outer"), "");
    assert_eq!(hops("deep"), "outer=ok inner=ok");
    assert!(row("deep")["broken"].is_null(), "{rows:#}");
    for name in ["a", "b"] {
        assert_eq!(hops(name), "outer=ok dead=broken inner=not_reached");
        assert_eq!(row(name)["broken"], "jump host");
        assert_eq!(row(name)["hops"][1]["broken"], "TCP");
        assert!(row(name)["error"]["cause"].as_str().unwrap().contains("the jump host dead cannot"), "{rows:#}");
    }
    // One trouble, said once.
    let said = run(fleet.mcp(&["hosts", "check", "a,b", "--retries", "0"])).code(4);
    let said = said.out("outer → dead (broken: TCP) → inner (not reached)").err("(2)");
    assert_eq!(said.err.matches("the jump host dead cannot").count(), 1, "{said}");
    run(fleet.mcp(&["hosts", "list"])).code(0).out("via outer,inner");
    assert_eq!(
        run(fleet.mcp(&["hosts", "list", "deep", "--json"])).code(0).json()[0]["jump"],
        serde_json::json!(["outer", "inner"])
    );
}

#[test]
fn servers_behind_a_jump_host_are_managed_like_any_other() {
    // Its own: logins are counted.
    let rig = &Rig::own(2);
    let scratch = rig.scratch();
    let gate = Sshd::start();
    let known = std::fs::read_to_string(&rig.known_hosts).unwrap()
        + &known_line(gate.directory.path(), "ed25519", &gate.address, gate.port);
    let known = scratch.write("known_hosts", &known);
    let address = &rig.host(2).address;
    scratch.write(
        "hosts.yaml",
        &format!(
            "version: 1\nssh_config: none\ndefaults: {{user: root, port: {}, identity_file: {}, known_hosts: {}}}\nhosts:\n  \
             gate: {{address: {}, port: {}, user: {}, identity_file: {}, docker: false}}\n",
            rig.port,
            rig.key.display(),
            known.display(),
            gate.address,
            gate.port,
            user(),
            gate.path("id_ed25519").display(),
        ),
    );
    run(scratch.mcp(&["hosts", "add", "far", "--address", address, "--jump", "gate"])).code(0);
    let name = scratch.name("far");
    let command = scratch.docker_run("far", "", "");
    run(scratch.mcp(&["add", &name, "--host", "far", "--command", &command, "--start"])).code(0);
    let before = rig.ssh_counts(2).sessions;
    run(scratch.mcp(&["restart", &name])).code(0).out("restarted");
    assert_eq!(rig.ssh_counts(2).sessions - before, 1);
    run(scratch.mcp(&["list"])).code(0).out("running");
    run(scratch.mcp(&["stop", &name])).code(0).out("stopped");
}
