//! `mcp start` where all goes well.

use crate::support::{Bench, gist};

#[test]
fn start_runs_the_registered_string_when_there_is_no_container() {
    let mut bench = Bench::new();
    let port = bench.scratch.port();
    bench.server("a", "edge-1", &format!("-p 127.0.0.1:{port}:8080 -l 'note=a  b' -e COLOUR=\"deep blue\""), "");
    let report = bench.report("start :a --settle 200ms", 0);
    let row = report.row();
    assert_eq!(gist(row), "changed created running");
    assert_eq!(row["status"]["container_id"], bench.id(1, "a"));
    assert_eq!(row["status"]["image"], bench.rig.image.as_str());
    assert_eq!(bench.inspect(1, "a", "{{.Config.Labels.note}}"), "a  b");
    assert!(bench.inspect(1, "a", "{{.Config.Env}}").contains("COLOUR=deep blue"));
    assert_eq!(bench.state(1, "a"), "running");
    for number in [2, 3] {
        assert_eq!(bench.state(number, "a"), "none", "it is registered on edge-1 alone");
    }
}

#[test]
fn start_leaves_a_running_container_as_it_is() {
    let mut bench = Bench::new();
    bench.server("a", "edge-1", "", "");
    bench.report("start :a --settle 0", 0);
    let before = (bench.id(1, "a"), bench.started_at(1, "a"));
    let answer = bench.mcp("start :a");
    answer.says(0, &["start: 1 ok (1 unchanged)"]);
    assert!(answer.out.contains("ok, unchanged"), "{answer:?}");
    assert_eq!((bench.id(1, "a"), bench.started_at(1, "a")), before);
}

#[test]
fn start_starts_a_stopped_container_of_the_same_string_again() {
    let mut bench = Bench::new();
    bench.server("a", "edge-1", "", "");
    bench.report("start :a --settle 0", 0);
    let id = bench.id(1, "a");
    for stop in ["stop", "kill"] {
        bench.rig.docker_text(1, &[stop, &id]);
        assert_eq!(gist(bench.report("start :a --settle 200ms", 0).row()), "changed started running", "after {stop}");
        assert_eq!(bench.id(1, "a"), id, "after {stop}");
    }
}

#[test]
fn start_replaces_a_stopped_container_whose_string_changed() {
    let mut bench = Bench::new();
    bench.server("a", "edge-1", "-l version=1", "");
    bench.report("start :a --settle 0", 0);
    let id = bench.id(1, "a");
    bench.report("stop :a", 0);
    // A label is no part of the configuration that is compared: the hash of the string alone tells.
    bench.server("a", "edge-1", "-l version=2", "");
    let answer = bench.mcp("start :a --settle 200ms");
    answer.says(0, &["start: 1 ok"]);
    assert!(answer.out.contains("replaced"), "{answer:?}");
    assert_ne!(bench.id(1, "a"), id);
    assert_eq!(bench.inspect(1, "a", "{{.Config.Labels.version}}"), "2");
    assert_eq!(bench.rig.docker(1, &["inspect", &id]).status.code(), Some(1), "the old container is gone");
}

#[test]
fn start_leaves_a_running_container_whose_string_changed_and_says_so() {
    let mut bench = Bench::new();
    bench.server("a", "edge-1", "", "");
    bench.report("start :a --settle 0", 0);
    let id = bench.id(1, "a");
    bench.server("a", "edge-1", "-l version=2", "");
    let report = bench.report("start :a", 0);
    assert_eq!(gist(report.row()), "unchanged - running");
    let note = report.row()["note"].as_str().unwrap();
    assert!(note.contains("earlier command") && note.contains(&format!("mcp restart {}", bench.name("a"))), "{note}");
    assert_eq!(bench.id(1, "a"), id);
    // What is known of the container stays known.
    assert_eq!(gist(bench.report("restart :a --settle 0", 0).row()), "changed replaced running");
}

#[test]
fn start_lets_a_paused_container_go_on() {
    let mut bench = Bench::new();
    bench.server("a", "edge-1", "", "");
    bench.report("start :a --settle 0", 0);
    let before = (bench.id(1, "a"), bench.started_at(1, "a"));
    bench.rig.docker_text(1, &["pause", &before.0]);
    assert_eq!(gist(bench.report("start :a --settle 200ms", 0).row()), "changed started running");
    assert_eq!((bench.id(1, "a"), bench.started_at(1, "a")), before);
}

#[test]
fn start_starts_a_server_on_every_host_it_is_placed_on() {
    let mut bench = Bench::new();
    bench.server("a", "edge-*,!edge-2", "", "");
    let report = bench.report("start :a --settle 200ms", 0);
    let hosts: Vec<&str> = report.rows().iter().filter_map(|row| row["host"].as_str()).collect();
    assert_eq!(hosts, ["edge-1", "edge-3"]);
    assert_eq!([1, 2, 3].map(|number| bench.state(number, "a")), ["running", "none", "running"]);
}

#[test]
fn a_lower_priority_starts_first() {
    let mut bench = Bench::new();
    for (short, priority) in [("a", 20), ("b", -3), ("c", 7)] {
        let command = bench.scratch.docker_run(short, "", "");
        bench.entry(short, "edge-1", &command, &[&format!("priority: {priority}")]);
    }
    bench.report("start --all --settle 0", 0);
    let order = |bench: &Bench<'_>| {
        let mut names = ["a", "b", "c"];
        names.sort_by_key(|short| bench.started_at(1, short));
        names
    };
    assert_eq!(order(&bench), ["b", "c", "a"]);
    bench.report("restart --all --settle 0", 0);
    assert_eq!(order(&bench), ["b", "c", "a"], "after a restart");
}
