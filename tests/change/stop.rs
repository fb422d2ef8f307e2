//! `mcp stop`.

use crate::support::{Bench, error, gist, wait_until};

#[test]
fn stop_stops_and_list_says_stopped_although_the_exit_code_is_not_zero() {
    let mut bench = Bench::new();
    let command = bench.scratch.docker_run("deaf", "", "--ignore-term");
    let stop = format!("docker stop -t 1 {}", bench.name("deaf"));
    bench.entry("deaf", "edge-1", &command, &[&format!("stop: {stop}")]);
    bench.report("start :deaf --settle 0", 0);
    let report = bench.report("stop :deaf", 0);
    assert_eq!(gist(report.row()), "changed stopped stopped");
    assert_eq!(report.row()["status"]["exit_code"], 137);
    let listed = bench.listed("deaf");
    assert_eq!((&listed["status"], &listed["exit_code"]), (&"stopped".into(), &137.into()));
    // Somebody else's kill afterwards is an error again.
    bench.by_hand(1, &format!("docker start {0} && docker kill {0}", bench.name("deaf")));
    assert_eq!(bench.listed("deaf")["status"], "error");
}

#[test]
fn stop_leaves_a_missing_and_a_stopped_container_as_they_are() {
    let mut bench = Bench::new();
    bench.server("missing", "edge-1", "", "");
    bench.server("stopped", "edge-1", "", "");
    bench.report("start :stopped --settle 0", 0);
    bench.report("stop :stopped", 0);
    let answer = bench.mcp("stop --all");
    answer.says(0, &["stop: 2 ok (2 unchanged)"]);
    assert_eq!(answer.out.matches("ok, unchanged").count(), 2, "{answer:?}");
    assert!(answer.out.contains("no container"), "{answer:?}");
    assert_eq!((bench.state(1, "missing").as_str(), bench.state(1, "stopped").as_str()), ("none", "exited"));
}

#[test]
fn a_crash_stays_an_error_when_stop_finds_nothing_to_do() {
    let mut bench = Bench::new();
    bench.server("a", "edge-1", "", "--exit 5 --after 0.2");
    bench.report("start :a --settle 0", 0);
    bench.rig.docker_text(1, &["wait", &bench.name("a")]);
    assert_eq!(gist(bench.report("stop :a", 0).row()), "unchanged - error");
    assert_eq!(bench.listed("a")["status"], "error");
}

#[test]
fn the_registered_stop_string_runs_as_it_is() {
    let mut bench = Bench::new();
    let command = bench.scratch.docker_run("a", "", "");
    // The server ends with 130 on SIGINT and with 0 on SIGTERM.
    let stop = format!("stop: docker  kill --signal=INT \"{}\"", bench.name("a"));
    bench.entry("a", "edge-1", &command, &[&stop]);
    bench.report("start :a --settle 200ms", 0);
    bench.mcp("stop :a");
    bench.rig.docker_text(1, &["wait", &bench.name("a")]);
    assert_eq!(bench.inspect(1, "a", "{{.State.ExitCode}}"), "130");
}

#[test]
fn a_stop_string_that_removes_the_container_is_fine() {
    let mut bench = Bench::new();
    let command = bench.scratch.docker_run("a", "", "");
    bench.entry("a", "edge-1", &command, &[&format!("stop: docker rm -f {}", bench.name("a"))]);
    bench.report("start :a --settle 0", 0);
    let id = bench.id(1, "a");
    assert_eq!(gist(bench.report("restart :a --settle 200ms", 0).row()), "changed replaced running");
    assert_ne!(bench.id(1, "a"), id);
    assert_eq!(gist(bench.report("stop :a", 0).row()), "changed stopped stopped");
    assert_eq!(bench.state(1, "a"), "none");
}

#[test]
fn a_stop_string_that_stops_another_container_is_found_out() {
    let mut bench = Bench::new();
    let command = bench.scratch.docker_run("a", "", "");
    bench.entry("a", "edge-1", &command, &[&format!("stop: docker stop {}", bench.name("b"))]);
    bench.server("b", "edge-1", "", "");
    bench.report("start --all --settle 0", 0);
    let report = bench.report("stop :a", 1);
    assert_eq!(gist(report.row()), "failed - running");
    assert!(error(report.row(), "cause").contains("still runs"), "{report:?}");
}

#[test]
fn a_stop_that_failed_does_not_excuse_a_later_crash() {
    let mut bench = Bench::new();
    let command = bench.scratch.docker_run("a", "", "");
    bench.entry("a", "edge-1", &command, &["stop: docker stop no-such-container"]);
    bench.report("start :a --settle 0", 0);
    let report = bench.report("stop :a", 1);
    assert!(error(report.row(), "cause").contains("No such container"), "{report:?}");
    bench.rig.docker_text(1, &["kill", &bench.name("a")]);
    assert_eq!(bench.listed("a")["status"], "error", "nobody stopped it: it was killed");
}

#[test]
fn containers_of_one_host_stop_side_by_side() {
    let mut bench = Bench::new();
    let names = ["a", "b", "c"];
    for short in names {
        let command = bench.scratch.docker_run(short, "", "--ignore-term");
        bench.entry(short, "edge-2", &command, &[&format!("stop: docker stop -t 3 {}", bench.name(short))]);
    }
    bench.report("start --all --settle 0", 0);
    bench.report("stop --all", 0);
    let mut ends: Vec<jiff::Timestamp> =
        names.iter().map(|short| bench.inspect(2, short, "{{.State.FinishedAt}}").parse().unwrap()).collect();
    ends.sort();
    let apart = ends[2].duration_since(ends[0]);
    // One after another they would end three seconds apart.
    assert!(apart < jiff::SignedDuration::from_millis(1500), "{apart:?}");
}

#[test]
fn a_higher_priority_stops_first() {
    let mut bench = Bench::new();
    for (short, priority) in [("a", 1), ("b", 3), ("c", 2)] {
        let command = bench.scratch.docker_run(short, "", "");
        bench.entry(short, "edge-3", &command, &[&format!("priority: {priority}")]);
    }
    bench.report("start --all --settle 0", 0);
    bench.report("stop --all", 0);
    let mut names = ["a", "b", "c"];
    names.sort_by_key(|short| bench.inspect(3, short, "{{.State.FinishedAt}}"));
    assert_eq!(names, ["b", "c", "a"]);
}

#[test]
fn stop_stops_paused_and_restarting_containers() {
    let mut bench = Bench::new();
    bench.server("paused", "edge-1", "", "");
    bench.server("looping", "edge-1", "--restart always", "--exit 1");
    let _ = bench.mcp("start --all --settle 0");
    bench.rig.docker_text(1, &["pause", &bench.name("paused")]);
    wait_until("docker waits before the next restart", || bench.state(1, "looping") == "restarting");
    let report = bench.report("stop --all", 0);
    for row in report.rows() {
        assert_eq!(gist(row), "changed stopped stopped");
    }
    assert_eq!((bench.state(1, "paused").as_str(), bench.state(1, "looping").as_str()), ("exited", "exited"));
}
