//! `mcp doctor`, completions and man pages.

use std::os::unix::{fs::PermissionsExt, net::UnixListener};

use crate::{
    rig::{Rig, Scratch},
    said::{Said, run},
};

fn doctor(scratch: &Scratch<'_>, agent: Option<&str>) -> Said {
    let mut command = scratch.mcp(&["doctor"]);
    if let Some(socket) = agent {
        command.env("SSH_AUTH_SOCK", socket);
    }
    run(command)
}

#[test]
fn a_sound_machine_has_no_finding() {
    let said = doctor(&Rig::get().scratch(), None).code(0);
    assert!(!said.out.contains("FAIL") && said.out.contains("yours alone"), "{said}");
}

#[test]
fn each_finding_comes_with_its_fix() {
    let scratch = Rig::get().scratch();
    let key = scratch.write("key", "not looked into");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let hosts = format!(
        "version: 1\ndefaults:\n  identity_file: {}\n  known_hosts: {}\nhosts:\n  edge-1: {{}}\n",
        key.display(),
        scratch.path().join("nowhere").display()
    );
    let hosts = scratch.write("hosts.yaml", &hosts);
    std::fs::set_permissions(&hosts, std::fs::Permissions::from_mode(0o664)).unwrap();
    let said = doctor(&scratch, None);
    assert_ne!(said.code, 0, "{said}");
    let said = said
        .out(&format!("chmod 600 {}", key.display()))
        .out("nowhere cannot be read")
        .out("host_key: accept-new")
        .out("no SSH agent")
        .out("ssh-add")
        .out(&format!("chmod go-w {}", hosts.display()));
    for (index, line) in said.out.lines().enumerate() {
        if line.starts_with("FAIL") {
            assert!(said.out.lines().nth(index + 1).is_some_and(|next| next.trim().starts_with("fix: ")), "{said}");
        }
    }
}

#[test]
fn an_agent_that_answers_is_enough_and_a_dead_one_is_told() {
    let scratch = Rig::get().scratch();
    let inventory = scratch.hosts_yaml();
    let without_key: String =
        inventory.lines().filter(|line| !line.contains("identity_file")).map(|line| format!("{line}\n")).collect();
    scratch.write("hosts.yaml", &without_key);
    let socket = scratch.path().join("agent");
    let listener = UnixListener::bind(&socket).unwrap();
    doctor(&scratch, socket.to_str()).code(0).out("the SSH agent answers");
    drop(listener);
    let said = doctor(&scratch, socket.to_str()).out("does not answer");
    assert_ne!(said.code, 0, "{said}");
}

#[test]
fn a_broken_workspace_is_a_finding_of_the_doctor() {
    let scratch = Rig::get().scratch();
    scratch.write("servers.yaml", "version: 1\nservers:\n  aa: {comand: x}\n");
    let said = doctor(&scratch, None).out("did you mean \"command\"");
    assert_ne!(said.code, 0, "{said}");
}

#[test]
fn a_state_that_cannot_be_read_is_one_finding_and_is_not_to_be_deleted() {
    let scratch = Rig::get().scratch();
    let state = scratch.write("state.yaml", "version: 1\ninstances: {}\n");
    std::os::unix::fs::chown(&state, Some(4711), None).unwrap();
    std::fs::set_permissions(scratch.path(), std::fs::Permissions::from_mode(0o1777)).unwrap();
    let unreadable = doctor(&scratch, None);
    let findings =
        |said: &Said| said.out.lines().filter(|line| line.contains("state.yaml") && !line.contains("fix:")).count();
    assert_eq!(findings(&unreadable), 1, "{unreadable}");
    assert!(!unreadable.out.contains("delete"), "{unreadable}");
    std::fs::set_permissions(scratch.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::remove_file(&state).unwrap();
    scratch.write("state.yaml", "version: 1\ninstances: [\n");
    let broken = doctor(&scratch, None);
    assert_eq!(findings(&broken), 1, "{broken}");
    assert!(broken.out.contains("fix: delete "), "{broken}");
}

#[test]
fn completions_are_there_for_every_shell() {
    let rig = Rig::get();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let mut command = rig.mcp();
        command.args(["completions", shell]);
        let said = run(command).code(0);
        // The script asks mcp for everything else; tests/help drives the shells with it.
        assert!(said.out.contains("MCP_COMPLETE"), "{shell}: {said}");
    }
    let mut command = rig.mcp();
    command.args(["completions", "tcsh"]);
    run(command).code(2).err("bash");
}

#[test]
fn man_pages_are_troff_one_per_verb() {
    let rig = Rig::get();
    let mut command = rig.mcp();
    command.arg("man");
    let page = run(command).code(0);
    assert!(page.out.lines().any(|line| line.starts_with(".TH mcp 1")), "{page}");
    let directory = tempfile::tempdir().unwrap();
    let mut command = rig.mcp();
    command.args(["man", "--write"]).arg(directory.path());
    run(command).code(0);
    for name in ["mcp.1", "mcp-start.1", "mcp-hosts-check.1", "mcp-log.1"] {
        let text = std::fs::read_to_string(directory.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(text.contains(".SH NAME"), "{name}");
    }
}

#[test]
fn every_verb_has_help_with_examples() {
    let rig = Rig::get();
    for verb in [
        "start",
        "stop",
        "restart",
        "list",
        "get",
        "log",
        "add",
        "remove",
        "edit",
        "check",
        "init",
        "doctor",
        "completions",
        "man",
    ] {
        let mut command = rig.mcp();
        command.args([verb, "--help"]);
        let said = run(command).code(0);
        assert!(said.out.contains(&format!("mcp {verb}")) && said.out.contains("Examples:"), "{said}");
    }
    run(rig.mcp()).code(2).err("Usage");
}
