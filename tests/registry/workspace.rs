//! Which workspace, what `check` and `init` say of it, and `hosts add/remove`.

use std::path::Path;

use crate::{
    rig::Rig,
    said::{Said, run},
};

fn workspace_with(host: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), host);
    directory
}

fn write(directory: &Path, host: &str) {
    std::fs::create_dir_all(directory).unwrap();
    std::fs::write(directory.join("hosts.yaml"), format!("version: 1\nhosts:\n  {host}: {{}}\n")).unwrap();
}

#[test]
fn the_workspace_is_looked_up_in_the_documented_order() {
    let rig = Rig::get();
    let (flag, variable, current, config) = (
        workspace_with("by-flag"),
        workspace_with("by-variable"),
        workspace_with("by-cwd"),
        tempfile::tempdir().unwrap(),
    );
    write(&config.path().join("mcp"), "by-config");
    let empty = tempfile::tempdir().unwrap();
    let hosts = |with_flag: bool, with_variable: bool, directory: &Path| {
        let mut command = rig.mcp();
        command.env("XDG_CONFIG_HOME", config.path()).current_dir(directory);
        if with_variable {
            command.env("MCP_DIR", variable.path());
        }
        command.args(["hosts", "list", "-o", "name"]);
        if with_flag {
            command.arg("-C").arg(flag.path());
        }
        run(command).code(0).out
    };
    assert_eq!(hosts(true, true, current.path()), "by-flag\n");
    assert_eq!(hosts(false, true, current.path()), "by-variable\n");
    assert_eq!(hosts(false, false, current.path()), "by-cwd\n");
    assert_eq!(hosts(false, false, empty.path()), "by-config\n");
    let servers_only = tempfile::tempdir().unwrap();
    std::fs::write(servers_only.path().join("servers.yaml"), "version: 1\nservers: {}\n").unwrap();
    assert_eq!(hosts(false, false, servers_only.path()), "localhost\n");
    let mut missing = rig.mcp();
    missing.args(["list", "--dir"]).arg(empty.path().join("nowhere"));
    run(missing).code(2).err("not a directory").err("mcp init");
}

fn check(hosts: &str, servers: &str, more: &[&str]) -> Said {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("hosts.yaml"), hosts).unwrap();
    std::fs::write(directory.path().join("servers.yaml"), servers).unwrap();
    let mut command = Rig::get().mcp();
    command.arg("-C").arg(directory.path()).arg("check").args(more);
    run(command)
}

#[test]
fn check_reports_every_error_of_both_files_at_once() {
    let hosts = "\
version: 1
defaults:
  prot: 22
hosts:
  edge-1:
    address: 127.0.0.1
    port: eighty
  edge-2:
    gruops: [prod]
  web-[9:1]: {}
groups:
  prod:
    children: [stage]
  stage:
    children: [prod]
";
    let servers = "\
version: 1
servers:
  finance:
    comand: docker run -d --name finance acme/f
    host: edge-1
  search:
    command: docker run -it acme/s
    host: egde-1
    port: 99999
";
    let said = check(hosts, servers, &[]).code(2);
    for part in [
        "hosts.yaml:3",
        "defaults.prot",
        "did you mean \"port\"",
        "hosts.edge-1.port",
        "gruops",
        "did you mean \"groups\"",
        "web-[9:1]",
        "comand",
        "did you mean \"command\"",
        "servers.search.command",
        "without `-d`",
        "servers.search.port",
    ] {
        assert!(said.out.contains(part), "{part:?} is missing\n{said}");
    }
    let list = check(hosts, servers, &["-o", "json"]).code(2).json();
    assert!(list.as_array().unwrap().iter().filter(|f| f["ok"] == false).count() >= 8, "{list:#}");

    let good = "version: 1\nhosts:\n  edge-1: {address: 127.0.0.1}\ngroups:\n  stage: {hosts: [edge-1]}\n";
    let unknown =
        "version: 1\nservers:\n  search:\n    command: docker run -d --name search acme/s\n    host: egde-1\n";
    check(good, unknown, &[]).code(2).out("servers.search.host").out("did you mean \"edge-1\"");
    let circle = "version: 1\nhosts:\n  edge-1: {}\ngroups:\n  aa: {children: [bb]}\n  bb: {children: [aa]}\n";
    check(circle, "version: 1\nservers: {}\n", &[]).code(2).out("aa").out("bb");
    let twice = "version: 1\nhosts:\n  edge-1: {}\n  edge-1: {}\n";
    check(twice, "version: 1\nservers: {}\n", &[]).code(2).out("edge-1").out("hosts.yaml:4");
}

#[test]
fn check_says_which_servers_cannot_run_side_by_side() {
    let servers = "\
version: 1
servers:
  aa: {command: docker run -d --name same -p 80:80 acme/a, host: edge-1}
  bb: {command: docker run -d --name same -p 80:81 acme/b, host: edge-1}
";
    check("version: 1\nhosts:\n  edge-1: {}\n", servers, &[]).code(2).out("name same").out("port 80").out("edge-1");
}

#[test]
fn yaml_surprises_are_refused_or_kept_as_they_are_written() {
    let hosts = "version: 1\nhosts:\n  no: {address: 127.0.0.1, user: yes, port: 022}\n  edge-2: {port: 22:22}\n";
    let said = check(hosts, "version: 1\nservers: {}\n", &[]).code(2);
    assert!(said.out.contains("hosts.no.port") && said.out.contains("hosts.edge-2.port"), "{said}");
    let hosts = "version: 1\nhosts:\n  no: {address: 127.0.0.1, user: 'yes', docker: false}\n  '007': {}\n";
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("hosts.yaml"), hosts).unwrap();
    let mut command = Rig::get().mcp();
    command.arg("-C").arg(directory.path()).args(["hosts", "list", "--json"]);
    let rows = run(command).code(0).json();
    assert_eq!((&rows[0]["name"], &rows[1]["name"]), (&"007".into(), &"no".into()), "{rows}");
    assert_eq!(rows[1]["target"], "yes@127.0.0.1:22");
    assert!(rows[1]["docker"].is_null(), "{rows}");
}

#[test]
fn init_writes_a_workspace_that_check_accepts_and_overwrites_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("fleet");
    let mcp = |arguments: &[&str]| {
        let mut command = Rig::get().mcp();
        command.current_dir(directory.path()).args(arguments);
        run(command)
    };
    mcp(&["init", "fleet", "--dry-run"]).code(0);
    assert!(!place.exists());
    mcp(&["init", "fleet"]).code(0).err("hosts.yaml").err("mcp hosts check");
    mcp(&["check", "-C", "fleet"]).code(0);
    let hosts = std::fs::read_to_string(place.join("hosts.yaml")).unwrap();
    assert!(hosts.contains('#'), "commented: {hosts}");
    // This machine is there, and no pattern but its name has it.
    mcp(&["exec", "-C", "fleet", "--dry-run", "all", "--", "true"]).code(2);
    mcp(&["exec", "-C", "fleet", "--dry-run", "localhost", "--", "true"]).code(0).out("localhost");
    mcp(&["add", "-C", "fleet", "it", "--command", "docker run acme/it"]).code(0);
    std::fs::write(place.join("hosts.yaml"), "# mine\nversion: 1\nhosts:\n  mine: {}\n").unwrap();
    mcp(&["init", "fleet"]).err("there already");
    assert!(std::fs::read_to_string(place.join("hosts.yaml")).unwrap().starts_with("# mine"));
}

#[test]
fn hosts_come_and_go_and_the_comments_stay() {
    let scratch = Rig::get().scratch();
    let text = "# The fleet\nversion: 1  # one\nhosts:\n    edge-1:   # first\n        address: 127.0.0.1\n\n# groups\ngroups:\n    prod: # live\n";
    scratch.write("hosts.yaml", text);
    run(scratch.mcp(&["hosts", "add", "edge-4", "--address", "192.0.2.4", "--user", "no", "--group", "prod"])).code(0);
    let rows = run(scratch.mcp(&["hosts", "list", "@prod", "--json"])).code(0).json();
    assert_eq!(rows[0]["target"], "no@192.0.2.4:22", "{rows}");
    run(scratch.mcp(&["hosts", "add", "edge-4"])).code(2).err("edge-4");
    run(scratch.mcp(&["hosts", "remove", "edge-4"])).code(0);
    assert_eq!(scratch.read("hosts.yaml"), text);
    run(scratch.mcp(&["hosts", "remove", "edge-9"])).code(2).err("edge-9");
}

#[test]
fn many_hosts_and_globs_leave_the_inventory_at_once_or_not_at_all() {
    let scratch = Rig::get().scratch();
    let text = "version: 1\nhosts:\n  a: {}\n  old-1: {}\n  old-2: {}\n  web-[1:3]: {}\n";
    scratch.write("hosts.yaml", text);
    run(scratch.mcp(&["hosts", "remove", "old-*", "nowhere"])).code(2).err("nowhere");
    run(scratch.mcp(&["hosts", "remove", "a", "nothing-*"])).code(2).err("nothing-*");
    assert_eq!(scratch.read("hosts.yaml"), text);
    run(scratch.mcp(&["hosts", "remove", "old-*", "web-[1:3]"])).code(0);
    assert_eq!(run(scratch.mcp(&["hosts", "list", "-o", "name"])).out, "a\n");
}

#[test]
fn a_host_where_a_server_runs_is_refused_with_the_servers_name() {
    let scratch = Rig::get().scratch();
    let name = scratch.name("it");
    let command = scratch.docker_run("it", "", "");
    run(scratch.mcp(&["add", &name, "--host", "@demo", "--command", &command, "--start"])).code(0);
    let before = scratch.read("hosts.yaml");
    run(scratch.mcp(&["hosts", "remove", "edge-1"])).code(1).err(&format!("{name} runs on edge-1")).err("--yes");
    assert_eq!(scratch.read("hosts.yaml"), before);
    run(scratch.mcp(&["hosts", "remove", "edge-1", "--yes"])).code(0);
    assert!(!scratch.read("hosts.yaml").contains("edge-1"));
}

#[test]
fn a_server_is_selected_on_a_range_of_hosts_and_on_a_group() {
    let scratch = Rig::get().scratch();
    run(scratch.mcp(&["add", "fetch", "--host", "@demo", "--command", "docker run acme/fetch"])).code(0);
    let selected = |name: &str| {
        let said = run(scratch.mcp(&["list", "--cached", "-o", "name", name])).code(0);
        said.out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let all = selected("fetch");
    assert!(all.len() > 2, "{all:?}");
    for name in ["fetch@demo", "fetch@@demo", "fetch@all", "f[d-f]tch@edge-*", "*@demo"] {
        assert_eq!(selected(name), all, "{name}");
    }
    assert_eq!(selected("fetch@edge-[1-2]"), ["fetch@edge-1", "fetch@edge-2"]);
    assert_eq!(selected("fetch@@demo,!edge-1"), all[1..]);
    run(scratch.mcp(&["list", "--cached", "fetch@edge-[1-99]"])).code(2);
    run(scratch.mcp(&["list", "--cached", "fetch@prod"])).code(2).err("not placed");
}

#[test]
fn a_host_that_servers_need_is_not_removed() {
    let scratch = Rig::get().scratch();
    run(scratch.mcp(&["add", "it", "--host", "edge-1", "--command", "docker run acme/a"])).code(0);
    let before = scratch.read("hosts.yaml");
    run(scratch.mcp(&["hosts", "remove", "edge-1"])).code(2).err("edge-1").err("servers.it");
    assert_eq!(scratch.read("hosts.yaml"), before);
    run(scratch.mcp(&["hosts", "remove", "edge-2"])).code(0);
}
