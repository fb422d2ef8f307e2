//! Ctrl-C.

use std::{
    process::Child,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Answer, Bench, Report, gist, wait_until};

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn ended(child: Child) -> Answer {
    Answer::of(child.wait_with_output().unwrap())
}

/// Two servers: `slow` on edge-1 takes `seconds` to stop, `quick` on edge-2 none. Both run.
fn slow_and_quick(seconds: u32) -> Bench<'static> {
    let mut bench = Bench::new();
    bench.server("slow", "edge-1", &format!("--stop-timeout {seconds}"), "--ignore-term");
    bench.server("quick", "edge-2", "", "");
    bench.report("start --all --settle 500ms", 0);
    bench
}

fn wait_for_the_stop(bench: &Bench<'_>) {
    let name = bench.name("slow");
    wait_until("docker asks the slow container to end", || {
        String::from_utf8_lossy(&bench.rig.docker(1, &["logs", &name]).stderr).contains("SIGTERM ignored")
    });
}

#[test]
fn an_interrupted_restart_is_finished_on_the_hosts_at_work_however_long_their_stop_takes() {
    let bench = slow_and_quick(7);
    let before = (bench.started_at(1, "slow"), bench.started_at(2, "quick"));
    let child = bench.spawn("restart --all --settle 200ms -o json");
    wait_for_the_stop(&bench);
    wait_until("the quick one is restarted", || bench.started_at(2, "quick") != before.1);
    signal(&child, Signal::INT);
    let answer = ended(child);
    answer.says(130, &["interrupted: no further host is taken up", "restart: 2 ok", "(interrupted)"]);
    assert!(!answer.err.contains("mcp resume"), "nothing is left: {answer:?}");
    let report = Report(serde_json::from_str::<Value>(&answer.out).unwrap());
    assert_eq!(report.0["interrupted"], true);
    assert_eq!(gist(report.of(&bench.name("quick"), "edge-2")), "changed restarted running");
    assert_eq!(gist(report.of(&bench.name("slow"), "edge-1")), "changed restarted running");
    assert!(bench.state(1, "slow") == "running" && bench.started_at(1, "slow") != before.0);
}

#[test]
fn what_is_at_work_finishes_and_the_rest_is_not_attempted() {
    let bench = slow_and_quick(2);
    let quick = bench.started_at(2, "quick");
    let child = bench.spawn("restart --all --settle 200ms --forks 1 -o json");
    wait_for_the_stop(&bench);
    signal(&child, Signal::TERM);
    let answer = ended(child);
    answer.says(130, &["restart: 1 ok · 1 not attempted", "(interrupted)", "resume with: mcp resume"]);
    let report = Report(serde_json::from_str::<Value>(&answer.out).unwrap());
    assert_eq!(gist(report.of(&bench.name("slow"), "edge-1")), "changed restarted running");
    let waiting = report.of(&bench.name("quick"), "edge-2");
    assert_eq!(waiting["outcome"], "not_attempted");
    assert_eq!(bench.started_at(2, "quick"), quick);
}

#[test]
fn a_second_interrupt_ends_at_once() {
    let bench = slow_and_quick(9);
    let before = bench.started_at(1, "slow");
    let child = bench.spawn("restart :slow");
    wait_for_the_stop(&bench);
    signal(&child, Signal::INT);
    // Two signals that meet are one: the first has to be taken before the second is sent.
    std::thread::sleep(Duration::from_millis(300));
    let begin = Instant::now();
    signal(&child, Signal::INT);
    let answer = ended(child);
    assert!(begin.elapsed() < Duration::from_secs(3), "the stop takes nine: {:?}", begin.elapsed());
    answer.says(130, &["1 unknown", "(interrupted)", "resume with: mcp resume"]);
    // The host goes on by itself, so that nothing is left stopped between a stop and a start.
    wait_until("the host finishes the restart", || {
        bench.state(1, "slow") == "running" && bench.started_at(1, "slow") != before
    });
}

#[test]
fn a_stop_that_outlives_its_interrupt_is_no_crash() {
    let bench = slow_and_quick(3);
    let child = bench.spawn("stop :slow");
    wait_for_the_stop(&bench);
    signal(&child, Signal::INT);
    // Two signals that meet are one: the first has to be taken before the second is sent.
    std::thread::sleep(Duration::from_millis(300));
    signal(&child, Signal::INT);
    ended(child).says(130, &["1 unknown", "(interrupted)"]);
    wait_until("the host finishes the stop", || bench.state(1, "slow") == "exited");
    let listed = bench.listed("slow");
    assert_eq!((&listed["status"], &listed["exit_code"]), (&"stopped".into(), &137.into()));
}
