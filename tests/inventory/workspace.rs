//! The workspace's files beside another inventory: what is placed where, what is refused, and what is said of it.

use crate::{Place, said::run};

const SERVERS: &str = "version: 1
servers:
  here: {command: docker run -d --name here x, host: '@web,!web-2'}
  gone: {command: docker run -d --name gone x, host: edge-1}
  part: {command: docker run -d --name part x, host: [web-1, edge-1]}
";

fn place() -> Place {
    let place = Place::new();
    place.write("hosts.yaml", "version: 1\nhosts: {edge-1: {address: 192.0.2.1}, web-1: {groups: web}, web-2: {groups: web}}\ngroups: {web: }\n");
    place.write("servers.yaml", SERVERS);
    place.write("other.ini", "[web]\nweb-1 ansible_host=198.51.100.1\nweb-2\n");
    place
}

#[test]
fn servers_run_on_the_hosts_that_the_source_has() {
    let place = place();
    let rows = run(place.mcp(&["-i", "other.ini", "list", "--cached", "-o", "name"])).code(0);
    let rows = rows.err("1 server left out, placed on no host of other.ini: gone");
    assert_eq!(rows.out, "here@web-1\npart@web-1\n");
    run(place.mcp(&["-i", "other.ini", "start", "gone", "--dry-run"])).code(2).err("gone");
    run(place.mcp(&["list", "--cached", "-o", "name"])).code(0).out("gone@edge-1").out("part@edge-1");
    run(place.mcp(&["-i", "other.ini", "add", "new", "--host", "edge-1", "--command", "docker run x"]))
        .code(2)
        .err("cannot place new")
        .err("edge-1");
    run(place.mcp(&["-i", "other.ini", "add", "new", "--host", "web-2", "--command", "docker run x"])).code(0);
}

#[test]
fn a_misspelt_placement_is_still_an_error_with_hosts_yaml() {
    let place = place();
    place.write("servers.yaml", "version: 1\nservers: {s: {command: docker run -d --name s x, host: egde-1}}\n");
    run(place.mcp(&["list"])).code(2).err("servers.yaml:2").err("egde-1");
}

#[test]
fn the_inventory_may_be_named_by_the_environment_and_flags_win() {
    let place = place();
    let mut command = place.mcp(&["hosts", "list", "--json"]);
    command.env("MCP_INVENTORY", "other.ini");
    let rows = run(command).code(0).json();
    assert_eq!((&rows[0]["name"], &rows[0]["source"]), (&"web-1".into(), &"other.ini".into()), "{rows:#}");
    assert_eq!(rows[0]["target"], "ana@198.51.100.1:22");
    let mut command = place.mcp(&["-i", "solo,", "hosts", "list", "-o", "name"]);
    command.env("MCP_INVENTORY", "other.ini");
    assert_eq!(run(command).code(0).out, "solo\n");
    assert_eq!(run(place.mcp(&["hosts", "list", "--json"])).code(0).json()[0]["source"], "hosts.yaml");
}

#[test]
fn a_port_behind_an_address_refuses_its_host_with_the_key_that_is_meant() {
    let place = place();
    place.write("ports.ini", "a ansible_host=198.51.100.1:2222\nb ansible_host=198.51.100.2\n");
    let rows = run(place.mcp(&["-i", "ports.ini", "hosts", "list", "--json"])).code(0).json();
    assert!(rows[0]["refused"].as_str().is_some_and(|why| why.contains("ansible_port")), "{rows}");
    assert!(rows[1]["refused"].is_null(), "{rows}");
}

#[test]
fn sources_of_both_kinds_are_merged_in_order() {
    let place = place();
    place.write("mine/hosts.yaml", "version: 1\nhosts: {web-1: {user: mine, identity_file: key, groups: web}, own: {jump: web-1}}\ngroups: {web: }\n");
    let rows = run(place.mcp(&["-i", "other.ini", "-i", "mine/hosts.yaml", "hosts", "list", "--json"])).code(0).json();
    let targets: Vec<&str> = rows.as_array().unwrap().iter().map(|row| row["target"].as_str().unwrap()).collect();
    assert_eq!(targets, ["ana@own:22", "mine@web-1:22", "ana@web-2:22"]);
    let rows =
        run(place.mcp(&["-i", "mine/hosts.yaml", "-i", "other.ini", "hosts", "list", "@web", "--json"])).code(0).json();
    let targets: Vec<&str> = rows.as_array().unwrap().iter().map(|row| row["target"].as_str().unwrap()).collect();
    assert_eq!(targets, ["ana@198.51.100.1:22", "ana@web-2:22"]);
}

#[test]
fn a_directory_may_be_another_workspace() {
    let place = place();
    let other = Place::new();
    for (name, text) in
        [("hosts.yaml", "version: 1\nhosts: [theirs]\n"), ("servers.yaml", SERVERS), ("state.yaml", "version: 1\n")]
    {
        other.write(name, text);
    }
    other.write("journal.jsonl", "{}\n");
    let path = other.path("here");
    let said = run(place.mcp(&["-i", path.to_str().unwrap(), "hosts", "list", "-o", "name"])).code(0);
    assert_eq!(said.out, "theirs\n");
    run(place.mcp(&["-i", "", "hosts", "list"])).code(2).err("is empty");
}

#[test]
fn hosts_of_another_source_are_not_edited() {
    let place = place();
    for arguments in
        [&["hosts", "add", "x"][..], &["hosts", "remove", "web-1", "--yes"], &["hosts", "add", "x", "--dry-run"]]
    {
        let mut command = place.mcp(arguments);
        command.args(["-i", "other.ini"]);
        run(command).code(2).err("the hosts come from other.ini").err("only hosts.yaml is edited");
    }
}

#[test]
fn check_reads_the_sources_and_says_what_is_wrong_with_file_and_line() {
    let place = place();
    place.write("broken.ini", "web-1\n[web]\n\nweb-1 a='\n");
    run(place.mcp(&["-i", "broken.ini", "check"])).code(2).out("broken.ini:4: a `'` is left open");
    run(place.mcp(&["-i", "nowhere.ini", "check"])).code(2).out("nowhere.ini: there is no such file");
    run(place.mcp(&["-i", "nowhere.ini", "hosts", "list"])).code(2).err("nowhere.ini: there is no such file");
}

#[test]
fn no_server_is_placed_on_a_host_by_address() {
    let place = place();
    run(place.mcp(&["list", "--on", "root@10.0.0.5:2222"]))
        .code(2)
        .err("no server is placed on root@10.0.0.5:2222")
        .err("mcp hosts list");
    run(place.mcp(&["hosts", "list", "--on", "web-1:http"])).code(2).err("not a port");
    run(place.mcp(&["hosts", "list", "--on", "ssh://root:geheim@web-1"]))
        .code(2)
        .nowhere("@web-1,")
        .err("without password");
}

#[test]
fn secrets_are_never_shown_and_their_neglect_is_said_once() {
    let place = place();
    place.write(
        "hosts.ini",
        "[web]\nweb-1 ansible_password=geheim\nweb-2 ansible_become_pass=geheim ansible_password=geheim\n",
    );
    let said = run(place.mcp(&["-i", "hosts.ini", "hosts", "list", "-o", "json"])).code(0).nowhere("geheim");
    assert_eq!(said.err.matches("not used").count(), 1, "{said}");
    said.err("ansible_password (2 hosts)");
}
