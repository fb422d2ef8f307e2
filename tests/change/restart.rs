//! `mcp restart`.

use crate::{
    rig::Rig,
    support::{Bench, gist, wait_until},
};

#[test]
fn restart_keeps_the_container_when_nothing_changed() {
    let mut bench = Bench::new();
    bench.server("a", "edge-1", "", "");
    bench.report("start :a --settle 0", 0);
    let (id, started) = (bench.id(1, "a"), bench.started_at(1, "a"));
    assert_eq!(gist(bench.report("restart :a --settle 200ms", 0).row()), "changed restarted running");
    assert_eq!(bench.id(1, "a"), id);
    assert!(bench.started_at(1, "a") > started);
}

#[test]
fn restart_applies_a_changed_string() {
    let mut bench = Bench::new();
    bench.server("a", "edge-1", "-l version=1", "");
    bench.report("start :a --settle 0", 0);
    let id = bench.id(1, "a");
    bench.server("a", "edge-1", "-l version=2", "");
    assert_eq!(gist(bench.report("restart :a --settle 200ms", 0).row()), "changed replaced running");
    assert_ne!(bench.id(1, "a"), id);
    assert_eq!(bench.inspect(1, "a", "{{.Config.Labels.version}}"), "2");
    let id = bench.id(1, "a");
    assert_eq!(gist(bench.report("restart :a --settle 0", 0).row()), "changed restarted running");
    assert_eq!(bench.id(1, "a"), id, "applied once");
}

#[test]
fn recreate_always_makes_a_new_container() {
    let mut bench = Bench::new();
    bench.server("up", "edge-1", "", "");
    bench.server("down", "edge-1", "", "");
    bench.report("start --all --settle 0", 0);
    bench.report("stop :down", 0);
    let before = ["up", "down"].map(|short| bench.id(1, short));
    for row in bench.report("restart --all --recreate --settle 200ms", 0).rows() {
        assert_eq!(gist(row), "changed replaced running");
    }
    for (short, id) in ["up", "down"].iter().zip(before) {
        assert_ne!(bench.id(1, short), id);
    }
}

#[test]
fn variables_in_a_string_are_the_host_s_shell_s_and_none_of_ours() {
    let mut bench = Bench::new();
    bench.server("a", "edge-1", "-e \"NONE=$n$D\" -e \"HOME_THERE=$HOME\"", "");
    for verb in ["start", "restart --recreate"] {
        bench.report(&format!("{verb} :a --settle 0"), 0);
        let env = bench.inspect(1, "a", "{{range .Config.Env}}{{println .}}{{end}}");
        assert!(env.lines().any(|line| line == "NONE="), "{verb}: {env}");
        assert!(env.lines().any(|line| line.starts_with("HOME_THERE=/")), "{verb}: {env}");
    }
}

#[test]
fn restart_starts_what_is_stopped_or_missing() {
    let mut bench = Bench::new();
    bench.server("stopped", "edge-1", "", "");
    bench.server("missing", "edge-1", "", "");
    bench.report("start :stopped --settle 0", 0);
    bench.report("stop :stopped", 0);
    let id = bench.id(1, "stopped");
    let report = bench.report("restart --all --settle 200ms", 0);
    assert_eq!(gist(report.of(&bench.name("stopped"), "edge-1")), "changed started running");
    assert_eq!(gist(report.of(&bench.name("missing"), "edge-1")), "changed created running");
    assert_eq!(bench.id(1, "stopped"), id);
}

#[test]
fn a_container_that_removes_itself_is_made_again() {
    let mut bench = Bench::new();
    bench.server("a", "edge-1", "--rm", "");
    bench.report("start :a --settle 0", 0);
    let id = bench.id(1, "a");
    assert_eq!(gist(bench.report("restart :a --settle 200ms", 0).row()), "changed replaced running");
    assert_ne!(bench.id(1, "a"), id);
    assert_eq!(gist(bench.report("stop :a", 0).row()), "changed stopped stopped");
    wait_until("it has removed itself", || bench.state(1, "a") == "none");
    assert_eq!(gist(bench.report("start :a --settle 200ms", 0).row()), "changed created running");
}

#[test]
fn restart_takes_paused_and_restarting_containers() {
    let mut bench = Bench::new();
    bench.server("paused", "edge-1", "", "");
    bench.server("looping", "edge-1", "--restart always", "--exit 1");
    let _ = bench.mcp("start --all --settle 0");
    let id = bench.id(1, "paused");
    bench.rig.docker_text(1, &["pause", &id]);
    wait_until("docker waits before the next restart", || bench.state(1, "looping") == "restarting");
    let report = bench.report("restart --all", 1);
    assert_eq!(gist(report.of(&bench.name("paused"), "edge-1")), "changed restarted running");
    assert_eq!(report.of(&bench.name("looping"), "edge-1")["outcome"], "failed");
    assert_eq!((bench.id(1, "paused"), bench.state(1, "paused")), (id, "running".to_owned()));
    // Its string mended, it comes up.
    bench.server("looping", "edge-1", "--restart always", "");
    assert_eq!(gist(bench.report("restart :looping --settle 200ms", 0).row()), "changed replaced running");
}

#[test]
fn restart_of_ten_servers_a_host_takes_one_session_and_two_execs_a_host() {
    let rig = Rig::own(3);
    let mut bench = Bench::on(&rig);
    for index in 0..10 {
        bench.server(&format!("s{index}"), "edge-*", "", "");
    }
    bench.report("start --all --settle 0", 0);
    let counts = || [1, 2, 3].map(|number| rig.ssh_counts(number));
    let before = counts();
    let report = bench.report("restart --all", 0);
    assert_eq!(report.rows().len(), 30);
    for row in report.rows() {
        assert_eq!(gist(row), "changed restarted running");
    }
    for (before, after) in before.iter().zip(counts()) {
        assert_eq!(after.sessions - before.sessions, 1);
        assert!(after.execs - before.execs <= 2, "{before:?} {after:?}");
    }
}
