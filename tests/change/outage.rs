//! Hosts and engines that are down: the others are done.

use crate::{
    rig::Rig,
    support::{Bench, error, gist},
};

/// Three hosts, a server on each; hosts get three seconds to let us in.
fn three<'a>(rig: &'a Rig) -> Bench<'a> {
    let mut bench = Bench::on(rig);
    let hosts = bench.scratch.hosts_yaml().replace("defaults:\n", "defaults:\n  connect_timeout: 3s\n");
    bench.scratch.write("hosts.yaml", &hosts);
    bench.server("web", "edge-*", "", "");
    bench
}

#[test]
fn with_a_host_and_an_engine_down_and_a_container_dying_the_rest_is_done() {
    let rig = Rig::own(3);
    let mut bench = three(&rig);
    bench.server("dying", "edge-3", "", "--exit 7");
    bench.report("start :web --settle 0", 0);
    let started = bench.started_at(3, "web");
    rig.sshd("stop", 1);
    rig.engine("stop", 2);
    let report = bench.report("restart --all", 4);

    let (web, dying) = (bench.name("web"), bench.name("dying"));
    let unreachable = report.of(&web, "edge-1");
    assert_eq!(gist(unreachable), "unreachable - unknown");
    assert_eq!(error(unreachable, "kind"), "unreachable");
    assert_eq!(error(unreachable, "phase"), "TCP");
    let message = unreachable["status"]["message"].as_str().unwrap();
    assert!(message.contains("cannot connect") && message.contains("last known running "), "{message}");
    assert!(message.ends_with(" s ago"), "{message}");

    let no_engine = report.of(&web, "edge-2");
    assert_eq!(gist(no_engine), "failed - unknown");
    assert!(error(no_engine, "cause").contains("Cannot connect to the Docker daemon"), "{no_engine}");
    assert!(error(no_engine, "hint").contains("start the engine"), "{no_engine}");
    assert!(no_engine["status"]["message"].as_str().is_some_and(|m| m.contains("last known running")), "{no_engine}");

    assert_eq!(gist(report.of(&dying, "edge-3")), "failed - error");
    assert_eq!(report.of(&dying, "edge-3")["status"]["exit_code"], 7);
    assert_eq!(gist(report.of(&web, "edge-3")), "changed restarted running");
    assert!(bench.started_at(3, "web") > started);

    // The same in words, and the last known status survives the failure.
    let answer = bench.mcp("restart --all --settle 0");
    answer.says(4, &["unreachable", " failed", "cannot restart", "  hint:  "]);
    rig.sshd("start", 1);
    assert_eq!(bench.report("start :web --on edge-1", 0).row()["outcome"], "unchanged");
}

#[test]
fn a_host_that_connects_and_then_says_nothing_costs_only_its_own_deadline() {
    let rig = Rig::own(3);
    let bench = three(&rig);
    rig.sshd("freeze", 2);
    let begin = std::time::Instant::now();
    let report = bench.report("start :web --settle 200ms", 4);
    assert!(begin.elapsed() < std::time::Duration::from_secs(20), "{:?}", begin.elapsed());
    rig.sshd("thaw", 2);
    let web = bench.name("web");
    assert_eq!(gist(report.of(&web, "edge-1")), "changed created running");
    assert_eq!(gist(report.of(&web, "edge-3")), "changed created running");
    let frozen = report.of(&web, "edge-2");
    assert_eq!(gist(frozen), "unreachable - unknown");
    assert!(error(frozen, "cause").contains("no answer within 3.0 s"), "{frozen}");
    let message = frozen["status"]["message"].as_str().unwrap();
    assert!(!message.contains("last known"), "nothing was known: {message}");
}

#[test]
fn an_engine_that_hangs_is_given_up_after_the_host_s_timeout() {
    let rig = Rig::own(2);
    let bench = three(&rig);
    let hosts = bench.scratch.read("hosts.yaml").replace("defaults:\n", "defaults:\n  timeout: 3s\n");
    bench.scratch.write("hosts.yaml", &hosts);
    rig.engine("freeze", 1);
    let report = bench.report("start :web --settle 0", 4);
    rig.engine("thaw", 1);
    let web = bench.name("web");
    assert_eq!(gist(report.of(&web, "edge-1")), "unreachable - unknown");
    assert!(error(report.of(&web, "edge-1"), "cause").contains("no answer within 3.0 s"), "{report:?}");
    assert_eq!(gist(report.of(&web, "edge-2")), "changed created running");
}

#[test]
fn one_engine_down_alone_is_a_failure_not_an_unreachable_host() {
    let rig = Rig::own(1);
    let bench = three(&rig);
    rig.engine("stop", 1);
    assert_eq!(gist(bench.report("start :web", 1).row()), "failed - unknown");
    rig.engine("start", 1);
    assert_eq!(gist(bench.report("start :web --settle 200ms", 0).row()), "changed created running");
}
