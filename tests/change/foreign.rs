//! Containers that `mcp` did not make, or does not remember.

use crate::support::{Bench, error, gist};

#[test]
fn a_foreign_container_that_differs_is_refused_with_the_way_out() {
    let mut bench = Bench::new();
    bench.server("a", "edge-1", "-e COLOUR=blue", "--log-lines 3");
    let foreign = bench.scratch.docker_run("a", "", "--log-lines 4");
    bench.by_hand(1, &foreign);
    let before = (bench.id(1, "a"), bench.started_at(1, "a"));
    for verb in ["start", "restart"] {
        let answer = bench.mcp(&format!("{verb} :a"));
        answer.says(1, &["is taken by a container that differs", "--log-lines 3", "COLOUR", "--replace", "mcp remove"]);
        assert!(!answer.err.contains("blue"), "values of variables are nobody's to see: {answer:?}");
        assert_eq!((bench.id(1, "a"), bench.started_at(1, "a")), before, "{verb}");
    }
    // A stopped one is as much somebody's.
    bench.rig.docker_text(1, &["kill", &before.0]);
    let report = bench.report("start :a", 1);
    assert_eq!(report.row()["outcome"], "failed");
    assert!(error(report.row(), "cause").contains("differs"));
    assert_eq!((bench.id(1, "a"), bench.state(1, "a")), (before.0, "exited".to_owned()));
}

#[test]
fn a_foreign_container_is_stopped_and_removed_only_when_told_to() {
    let mut bench = Bench::new();
    bench.server("a", "edge-1", "", "--log-lines 3");
    bench.by_hand(1, &bench.scratch.docker_run("a", "", "--log-lines 4"));
    let before = (bench.id(1, "a"), bench.started_at(1, "a"));
    let report = bench.report("stop :a", 1);
    assert_eq!(report.row()["outcome"], "failed");
    assert!(error(report.row(), "hint").contains("--foreign"), "{report:?}");
    bench.mcp("remove :a --stop").says(1, &["--foreign"]);
    assert_eq!(
        (bench.id(1, "a"), bench.started_at(1, "a"), bench.state(1, "a").as_str()),
        (before.0, before.1, "running")
    );
    assert_eq!(gist(bench.report("stop :a --foreign", 0).row()), "changed stopped stopped");
    // A stopped one needs no stop, and is not removed either without being told to.
    assert_eq!(bench.report("stop :a", 0).row()["outcome"], "unchanged");
    bench.mcp("remove :a").says(1, &["--foreign"]);
    assert_eq!(bench.state(1, "a"), "exited");
    bench.mcp("remove :a --foreign").says(0, &[]);
    assert_eq!(bench.state(1, "a"), "none");
}

#[test]
fn a_foreign_container_is_replaced_when_told_to() {
    let mut bench = Bench::new();
    bench.server("up", "edge-1", "", "--log-lines 3");
    bench.server("down", "edge-1", "", "--log-lines 3");
    for short in ["up", "down"] {
        let foreign = bench.scratch.docker_run(short, "", "--log-lines 4");
        bench.by_hand(1, &foreign);
    }
    bench.rig.docker_text(1, &["kill", &bench.name("down")]);
    let before = ["up", "down"].map(|short| bench.id(1, short));
    let report = bench.report("start :up :down --replace --settle 200ms", 0);
    for row in report.rows() {
        assert_eq!(gist(row), "changed replaced running");
    }
    for (short, id) in ["up", "down"].iter().zip(before) {
        assert_ne!(bench.id(1, short), id);
        assert_eq!(bench.inspect(1, short, "{{.Args}}"), "[--log-lines 3]");
    }
}

#[test]
fn a_foreign_container_of_the_same_configuration_is_adopted() {
    let mut bench = Bench::new();
    let port = bench.scratch.port();
    let command = bench.server("a", "edge-1", &format!("-p 127.0.0.1:{port}:8080 -e COLOUR=blue"), "--log-lines 3");
    bench.by_hand(1, &command);
    let id = bench.id(1, "a");
    assert_eq!(gist(bench.report("start :a", 0).row()), "unchanged - running");
    // Adopted means remembered: a change that only the hash of the string shows is seen now.
    bench.server("a", "edge-1", &format!("-p 127.0.0.1:{port}:8080 -e COLOUR=red"), "--log-lines 3");
    assert_eq!(gist(bench.report("restart :a --settle 0", 0).row()), "changed replaced running");
    assert_ne!(bench.id(1, "a"), id);
}

#[test]
fn without_the_state_file_everything_is_managed_as_before() {
    let mut bench = Bench::new();
    bench.server("a", "edge-1", "-e COLOUR=blue", "--log-lines 3");
    bench.report("start :a --settle 0", 0);
    let id = bench.id(1, "a");
    let forget = || std::fs::remove_file(bench.scratch.path().join("state.yaml")).unwrap();
    for (words, gist_expected) in [
        ("start :a", "unchanged - running"),
        ("restart :a --settle 200ms", "changed restarted running"),
        ("stop :a", "changed stopped stopped"),
        ("stop :a", "unchanged - stopped"),
        ("start :a --settle 200ms", "changed started running"),
    ] {
        forget();
        assert_eq!(gist(bench.report(words, 0).row()), gist_expected, "{words}");
        assert_eq!(bench.id(1, "a"), id, "{words}");
    }
}

#[test]
fn a_replacement_that_did_not_happen_is_not_remembered_as_done() {
    let mut bench = Bench::new();
    bench.server("a", "edge-1", "-l version=1", "");
    bench.report("start :a --settle 0", 0);
    let id = bench.id(1, "a");
    let command = bench.scratch.docker_run("a", "-l version=2", "");
    bench.entry("a", "edge-1", &command, &["stop: docker stop no-such-container"]);
    let report = bench.report("restart :a --settle 0", 1);
    assert_eq!(report.row()["outcome"], "failed");
    assert_eq!(bench.id(1, "a"), id, "its stop failed, so it is still the old one");
    bench.entry("a", "edge-1", &command, &[]);
    let report = bench.report("start :a --settle 0", 0);
    assert!(report.row()["note"].as_str().is_some_and(|note| note.contains("earlier command")), "{report:?}");
    assert_eq!(gist(bench.report("restart :a --settle 0", 0).row()), "changed replaced running");
    assert_eq!(bench.inspect(1, "a", "{{.Config.Labels.version}}"), "2");
}
