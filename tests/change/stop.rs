//! What `stop` does, and what is said of a container that it ended.

use super::{entry, register, register_one};
use crate::{rig::Rig, said::run};

#[test]
fn a_container_that_stop_had_to_kill_is_stopped_and_not_an_error() {
    let scratch = Rig::get().scratch();
    let name = scratch.name("stubborn");
    let run_string = scratch.docker_run("stubborn", "", "--ignore-term");
    let stop = format!("    stop: docker stop -t 1 {name}\n");
    register(&scratch, &[entry(&scratch, "stubborn", "edge-1", &run_string, &stop)]);
    run(scratch.mcp(&["start", "--all"])).code(0);
    run(scratch.mcp(&["stop", "--all"])).code(0).out("stopped");
    let listed = run(scratch.mcp(&["list", "--json"])).code(0).json();
    assert_eq!(listed[0]["status"], "stopped");
    assert_eq!(listed[0]["exit_code"], 137);
    // The same end without mcp's doing is an error.
    run(scratch.mcp(&["start", "--all"])).code(0);
    Rig::get().docker_text(1, &["kill", &name]);
    assert_eq!(run(scratch.mcp(&["list", "--json"])).code(0).json()[0]["status"], "error");
}

#[test]
fn a_missing_or_stopped_container_is_left_as_it_is() {
    let scratch = Rig::get().scratch();
    register_one(&scratch, "finance", "", "");
    run(scratch.mcp(&["stop", "--all"])).code(0).out("ok, unchanged").out("no container");
    run(scratch.mcp(&["start", "--all"])).code(0);
    run(scratch.mcp(&["stop", "--all"])).code(0).out("stopped");
    run(scratch.mcp(&["stop", "--all"])).code(0).out("ok, unchanged");
}

#[test]
fn a_registered_stop_string_runs_as_it_is_written() {
    let scratch = Rig::get().scratch();
    let run_string = scratch.docker_run("finance", "", "");
    let stop = format!("    stop: docker rm -f {}\n", scratch.name("finance"));
    register(&scratch, &[entry(&scratch, "finance", "edge-1", &run_string, &stop)]);
    run(scratch.mcp(&["start", "--all"])).code(0);
    run(scratch.mcp(&["stop", "--all"])).code(0);
    assert_eq!(scratch.container_state(1, "finance"), None);
    run(scratch.mcp(&["start", "--all"])).code(0).out("created");
    run(scratch.mcp(&["restart", "--all"])).code(0);
    assert_eq!(scratch.container_state(1, "finance").as_deref(), Some("running"));
}

#[test]
fn a_stop_string_that_stops_something_else_is_a_failure() {
    let scratch = Rig::get().scratch();
    let run_string = scratch.docker_run("finance", "", "");
    let other = scratch.docker_run("other", "", "");
    Rig::get().on(1, &["sh", "-c", &other]);
    let stop = format!("    stop: docker stop {}\n", scratch.name("other"));
    register(&scratch, &[entry(&scratch, "finance", "edge-1", &run_string, &stop)]);
    run(scratch.mcp(&["start", "--all"])).code(0);
    run(scratch.mcp(&["stop", "--all"])).code(1).err("still runs");
}

#[test]
fn containers_of_one_host_stop_side_by_side() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let names = ["a", "b", "c"];
    let entries: Vec<String> = names
        .iter()
        .map(|n| {
            let stop = format!("    stop: docker stop -t 3 {}\n", scratch.name(n));
            entry(&scratch, n, "edge-1", &scratch.docker_run(n, "", "--ignore-term"), &stop)
        })
        .collect();
    register(&scratch, &entries);
    run(scratch.mcp(&["start", "--all"])).code(0);
    run(scratch.mcp(&["stop", "--all"])).code(0);
    let ends: Vec<jiff::Timestamp> = names
        .iter()
        .map(|n| rig.docker_text(1, &["inspect", "-f", "{{.State.FinishedAt}}", &scratch.name(n)]).parse().unwrap())
        .collect();
    let spread = ends.iter().max().unwrap().duration_since(*ends.iter().min().unwrap());
    // In series each would end three seconds after the one before.
    assert!(spread.as_secs() < 3, "{ends:?}");
}
