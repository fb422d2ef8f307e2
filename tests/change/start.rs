//! What `start` does to each state a container can be in.

use super::{entry, id, register, register_one};
use crate::{rig::Rig, said::run};

#[test]
fn start_runs_the_registered_string_when_there_is_no_container() {
    let scratch = Rig::get().scratch();
    register_one(&scratch, "finance", "", "");
    let said = run(scratch.mcp(&["start", &scratch.name("finance"), "--json"])).code(0);
    let report = said.json();
    assert_eq!(report["verb"], "start");
    assert_eq!(report["interrupted"], false);
    let row = &report["instances"][0];
    assert_eq!(row["outcome"], "changed");
    assert_eq!(row["action"], "created");
    assert_eq!(row["status"]["status"], "running");
    assert_eq!(row["status"]["container_id"], id(&scratch, "finance"));
    assert!(row["error"].is_null());
}

#[test]
fn a_running_container_is_left_alone() {
    let scratch = Rig::get().scratch();
    register_one(&scratch, "finance", "", "");
    run(scratch.mcp(&["start", "--all"])).code(0);
    let before = id(&scratch, "finance");
    run(scratch.mcp(&["start", "--all"])).code(0).out("ok, unchanged").err("1 ok (1 unchanged)");
    assert_eq!(id(&scratch, "finance"), before);
}

#[test]
fn a_stopped_container_of_the_same_command_is_started_again() {
    let scratch = Rig::get().scratch();
    register_one(&scratch, "finance", "", "");
    run(scratch.mcp(&["start", "--all"])).code(0);
    let before = id(&scratch, "finance");
    run(scratch.mcp(&["stop", "--all"])).code(0).out("stopped");
    assert_eq!(scratch.container_state(1, "finance").as_deref(), Some("exited"));
    run(scratch.mcp(&["start", "--all"])).code(0).out("started");
    assert_eq!(id(&scratch, "finance"), before);
}

#[test]
fn a_stopped_container_of_another_command_is_replaced_and_the_answer_says_so() {
    let scratch = Rig::get().scratch();
    register_one(&scratch, "finance", "", "");
    run(scratch.mcp(&["start", "--all"])).code(0);
    run(scratch.mcp(&["stop", "--all"])).code(0);
    let before = id(&scratch, "finance");
    register_one(&scratch, "finance", "-e MODE=2", "");
    run(scratch.mcp(&["start", "--all"])).code(0).out("replaced");
    assert_ne!(id(&scratch, "finance"), before);
}

#[test]
fn a_running_container_of_another_command_keeps_running_until_restart() {
    let scratch = Rig::get().scratch();
    register_one(&scratch, "finance", "", "");
    run(scratch.mcp(&["start", "--all"])).code(0);
    let before = id(&scratch, "finance");
    register_one(&scratch, "finance", "-e MODE=2", "");
    run(scratch.mcp(&["start", "--all"])).code(0).out("mcp restart");
    assert_eq!(id(&scratch, "finance"), before);
    run(scratch.mcp(&["restart", "--all"])).code(0).out("replaced");
    assert_ne!(id(&scratch, "finance"), before);
}

#[test]
fn a_container_of_somebody_else_that_differs_is_refused_with_the_way_out() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let foreign = scratch.docker_run("finance", "-e OTHER=1 --restart always", "");
    rig.on(1, &["sh", "-c", &foreign]);
    let before = id(&scratch, "finance");
    register_one(&scratch, "finance", "", "");
    run(scratch.mcp(&["start", "--all"]))
        .code(1)
        .out("failed")
        .err("is taken by a container that differs")
        .err("--replace");
    run(scratch.mcp(&["restart", "--all"])).code(1).err("--replace");
    assert_eq!(id(&scratch, "finance"), before);
    run(scratch.mcp(&["start", "--all", "--replace"])).code(0).out("replaced");
    assert_ne!(id(&scratch, "finance"), before);
}

#[test]
fn losing_the_state_loses_nothing() {
    let scratch = Rig::get().scratch();
    register_one(&scratch, "finance", "-e MODE=1 --restart unless-stopped", "");
    run(scratch.mcp(&["start", "--all"])).code(0);
    let before = id(&scratch, "finance");
    std::fs::remove_file(scratch.path().join("state.yaml")).unwrap();
    run(scratch.mcp(&["start", "--all"])).code(0).out("ok, unchanged");
    run(scratch.mcp(&["stop", "--all"])).code(0);
    std::fs::remove_file(scratch.path().join("state.yaml")).unwrap();
    run(scratch.mcp(&["start", "--all"])).code(0).out("started");
    assert_eq!(id(&scratch, "finance"), before);
}

#[test]
fn a_container_that_exits_at_once_fails_with_its_code_and_last_lines_and_the_others_are_done() {
    let scratch = Rig::get().scratch();
    let dies = scratch.docker_run("dies", "", "--log-lines 30 --exit 3");
    let lives = scratch.docker_run("lives", "", "");
    register(&scratch, &[entry(&scratch, "dies", "edge-1", &dies, ""), entry(&scratch, "lives", "edge-1", &lives, "")]);
    let said = run(scratch.mcp(&["start", "--all", "--json"])).code(1);
    let report = said.json();
    let row = |name: &str| {
        let rows = report["instances"].as_array().unwrap();
        rows.iter().find(|r| r["name"] == scratch.name(name)).unwrap().clone()
    };
    assert_eq!(row("lives")["outcome"], "changed");
    assert_eq!(row("dies")["outcome"], "failed");
    assert_eq!(row("dies")["status"]["status"], "error");
    assert_eq!(row("dies")["status"]["exit_code"], 3);
    assert_eq!(row("dies")["error"]["log"].as_array().unwrap().len(), 20);
    run(scratch.mcp(&["start", "--all"])).code(1).err("log:   ").err("exited with code 3").err("1 failed");
}

#[test]
fn a_container_killed_for_memory_says_so() {
    let scratch = Rig::get().scratch();
    register_one(&scratch, "hungry", "-m 16m", "--eat-memory 64");
    run(scratch.mcp(&["start", "--all", "--settle", "3s"])).code(1).err("memory");
}

#[test]
fn a_container_that_restarts_in_a_loop_does_not_count_as_started() {
    let scratch = Rig::get().scratch();
    register_one(&scratch, "loops", "--restart always", "--exit 1");
    run(scratch.mcp(&["start", "--all", "--settle", "2s"])).code(1);
    run(scratch.mcp(&["list"])).code(0).out("error");
}

#[test]
fn what_docker_refuses_is_a_failure_with_cause_and_hint() {
    let scratch = Rig::get().scratch();
    let port = scratch.port();
    let missing = format!("docker run -d --name {} --pull never nobody/nothing:1", scratch.name("missing"));
    let first = scratch.docker_run("first", &format!("-p {port}:8080"), "");
    register(&scratch, &[entry(&scratch, "missing", "edge-1", &missing, "")]);
    run(scratch.mcp(&["start", "--all"])).code(1).err("cause:").err("nobody/nothing").err("hint:");
    Rig::get().on(1, &["sh", "-c", &first]);
    register_one(&scratch, "second", &format!("-p {port}:8080"), "");
    run(scratch.mcp(&["start", "--all"])).code(1).err("port is already allocated").err("hint:");
}

#[test]
fn a_dry_run_prints_the_exact_strings_and_asks_no_host() {
    let rig = Rig::own(1);
    let scratch = rig.scratch();
    let run_string = scratch.docker_run("finance", "-e A='b c'", "");
    register(&scratch, &[entry(&scratch, "finance", "edge-1", &run_string, "")]);
    for verb in ["start", "stop", "restart"] {
        let said = run(scratch.mcp(&[verb, "--all", "--dry-run", "--json"])).code(0);
        let steps = said.json();
        let commands: Vec<&str> = steps.as_array().unwrap().iter().map(|s| s["command"].as_str().unwrap()).collect();
        assert!(verb == "stop" || commands.contains(&run_string.as_str()), "{commands:#?}");
        assert!(
            verb != "stop"
                || commands.contains(&format!("docker stop -- {}", scratch.name("finance")).as_str())
                || commands.contains(&format!("docker stop {}", scratch.name("finance")).as_str()),
            "{commands:#?}"
        );
    }
    assert_eq!(rig.ssh_counts(1).sessions, 0);
    assert!(!scratch.path().join("state.yaml").exists());
}

#[test]
fn words_for_docker_and_environment_of_a_host_reach_the_command() {
    let scratch = Rig::get().scratch();
    let hosts = scratch.hosts_yaml().replacen(
        "    groups: [demo]\n",
        "    groups: [demo]\n    docker: env LANG=C docker\n    env: {FLAVOUR: \"it's sweet\"}\n",
        1,
    );
    scratch.write("hosts.yaml", &hosts);
    register_one(&scratch, "finance", "-e FLAVOUR", "");
    run(scratch.mcp(&["start", "--all"])).code(0);
    let env = Rig::get().docker_text(1, &["inspect", "-f", "{{.Config.Env}}", &scratch.name("finance")]);
    assert!(env.contains("FLAVOUR=it's sweet"), "{env}");
    assert!(!scratch.read("state.yaml").contains("sweet"));
}
