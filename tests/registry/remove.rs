//! `mcp remove`: what runs is not forgotten by mistake.

use crate::{
    rig::{Rig, Scratch},
    said::run,
};

fn running(scratch: &Scratch<'_>, arguments: &str) -> String {
    let name = scratch.name("it");
    let command = scratch.docker_run("it", "", arguments);
    run(scratch.mcp(&["add", &name, "--host", "edge-1", "--command", &command])).code(0);
    run(scratch.mcp(&["start", &name, "--settle", "0s"])).code(0);
    name
}

#[test]
fn a_running_server_is_not_removed() {
    let scratch = Rig::get().scratch();
    let name = running(&scratch, "");
    let before = scratch.read("servers.yaml");
    run(scratch.mcp(&["remove", &name])).code(1).err(&format!("{name} runs on edge-1")).err("--stop").err("--keep");
    assert_eq!(scratch.read("servers.yaml"), before);
    assert_eq!(scratch.container_state(1, "it").as_deref(), Some("running"));
}

#[test]
fn stop_removes_the_container_as_well() {
    let scratch = Rig::get().scratch();
    let name = running(&scratch, "");
    run(scratch.mcp(&["rm", &name, "--stop"])).code(0).err("removed the container").err("unregistered");
    assert_eq!(scratch.container_state(1, "it"), None);
    assert!(!scratch.read("servers.yaml").contains(&name));
    assert!(!scratch.read("state.yaml").contains(&name), "the state forgets it too");
}

#[test]
fn keep_leaves_the_container_running() {
    let scratch = Rig::get().scratch();
    let name = running(&scratch, "");
    run(scratch.mcp(&["remove", &name, "--keep"])).code(0);
    assert_eq!(scratch.container_state(1, "it").as_deref(), Some("running"));
    assert!(!scratch.read("servers.yaml").contains(&name));
}

#[test]
fn a_stopped_container_goes_with_its_server() {
    let scratch = Rig::get().scratch();
    let name = running(&scratch, "");
    run(scratch.mcp(&["stop", &name])).code(0);
    run(scratch.mcp(&["remove", &name])).code(0);
    assert_eq!(scratch.container_state(1, "it"), None);
}

#[test]
fn a_server_without_container_is_just_forgotten() {
    let scratch = Rig::get().scratch();
    run(scratch.mcp(&["add", "none", "--host", "@demo", "--command", "docker run acme/a"])).code(0);
    run(scratch.mcp(&["remove", "none", "--offline"])).code(0).err("would unregister none");
    run(scratch.mcp(&["remove", "none"])).code(0);
    run(scratch.mcp(&["remove", "none"])).code(2).err("none");
}

#[test]
fn a_host_without_an_answer_keeps_the_server_registered() {
    let scratch = Rig::get().scratch();
    let inventory = scratch.hosts_yaml().replace("hosts:\n", "hosts:\n  gone: {address: 127.0.0.1, port: 1}\n");
    scratch.write("hosts.yaml", &inventory);
    run(scratch.mcp(&["add", "it", "--host", "gone", "--command", "docker run acme/a"])).code(0);
    let before = scratch.read("servers.yaml");
    run(scratch.mcp(&["remove", "it"])).code(4).err("it@gone").err("Connection refused").err("--keep");
    assert_eq!(scratch.read("servers.yaml"), before);
    run(scratch.mcp(&["remove", "it", "--keep"])).code(0);
    assert!(!scratch.read("servers.yaml").contains("acme/a"));
}

#[test]
fn a_container_that_somebody_else_made_is_never_removed() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let name = scratch.name("it");
    rig.on(1, &["sh", "-c", &scratch.docker_run("it", "--restart unless-stopped", "")]);
    run(scratch.mcp(&["add", &name, "--host", "edge-1", "--command", &scratch.docker_run("it", "", "")])).code(0);
    for end in ["running", "exited"] {
        for flags in [&["remove", name.as_str()][..], &["remove", name.as_str(), "--stop"]] {
            run(scratch.mcp(flags)).code(1).err("not created by mcp").err("--keep");
            assert_eq!(scratch.container_state(1, "it").as_deref(), Some(end));
        }
        rig.docker_text(1, &["stop", "-t", "1", &name]);
    }
    run(scratch.mcp(&["remove", &name, "--keep"])).code(0);
    assert_eq!(scratch.container_state(1, "it").as_deref(), Some("exited"));
}

#[test]
fn a_refused_removal_removes_nothing_on_any_host() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let name = scratch.name("it");
    run(scratch.mcp(&["add", &name, "--host", "@demo", "--start", "--command", &scratch.docker_run("it", "", "")]))
        .code(0);
    run(scratch.mcp(&["stop", &name, "--on", "edge-1"])).code(0);
    run(scratch.mcp(&["remove", &name])).code(1).err("edge-2");
    assert_eq!(scratch.container_state(1, "it").as_deref(), Some("exited"), "the stopped one stays as well");
}

#[test]
fn many_servers_and_globs_go_at_once_and_one_that_runs_stays() {
    let scratch = Rig::get().scratch();
    let name = running(&scratch, "");
    for other in ["aa", "test-1", "test-2", "kept"] {
        let command = format!("docker run acme/{other}");
        run(scratch.mcp(&["add", other, "--host", "edge-1", "--command", &command])).code(0);
    }
    run(scratch.mcp(&["remove", "aa", "test-*", &name])).code(1).err(&format!("{name} runs on edge-1"));
    let file = scratch.read("servers.yaml");
    assert!(!file.contains("acme/aa") && !file.contains("acme/test"), "{file}");
    assert!(file.contains("acme/kept") && file.contains(&name), "{file}");
    assert_eq!(scratch.container_state(1, "it").as_deref(), Some("running"));
    run(scratch.mcp(&["remove", "kept", "nothing-*"])).code(2).err("nothing-*");
    run(scratch.mcp(&["remove", "kept@edge-1"])).code(2).err("whole servers");
    assert_eq!(scratch.read("servers.yaml"), file);
}

#[test]
fn a_dead_host_holds_up_no_other_and_the_server_stays_registered_there_alone() {
    let scratch = Rig::get().scratch();
    let inventory = scratch.hosts_yaml().replace("hosts:\n", "hosts:\n  gone: {address: 127.0.0.1, port: 1}\n");
    let name = scratch.name("it");
    let command = scratch.docker_run("it", "", "");
    run(scratch.mcp(&["add", &name, "--host", "@demo", "--command", &command, "--start"])).code(0);
    scratch.write("hosts.yaml", &inventory);
    run(scratch.mcp(&["edit", &name, "--host", "gone,@demo"])).code(0);
    run(scratch.mcp(&["remove", &name, "--stop"])).code(4).err(&format!("{name}@gone")).err("stays registered on gone");
    assert_eq!(scratch.container_state(1, "it"), None);
    assert_eq!(scratch.container_state(2, "it"), None);
    let page = run(scratch.mcp(&["list", "--cached", "-o", "name"])).out;
    assert_eq!(page.trim(), format!("{name}@gone"));
    run(scratch.mcp(&["resume"])).code(4).err("stays registered");
    run(scratch.mcp(&["remove", &name, "--keep"])).code(0);
    assert!(!scratch.read("servers.yaml").contains(&name));
}
