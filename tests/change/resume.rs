//! Interrupted and killed runs, and going on with them.

use std::{process::Child, time::Duration};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Answer, Bench, wait_until};

fn signal(child: &Child, signal: Signal) {
    // It may have ended by itself already.
    let _ = kill_process(Pid::from_child(child), signal);
}

fn wait_for_the_stop(bench: &Bench<'_>, number: usize) {
    let name = bench.name("slow");
    wait_until("docker asks the container to end", || {
        String::from_utf8_lossy(&bench.rig.docker(number, &["logs", &name]).stderr).contains("SIGTERM ignored")
    });
}

/// A server on every host that takes two seconds to stop; it runs.
fn slow() -> Bench<'static> {
    let mut bench = Bench::new();
    bench.server("slow", "edge-*", "--stop-timeout 2", "--ignore-term");
    bench.report("start --all --settle 0", 0);
    bench
}

#[test]
fn a_killed_run_is_shown_as_such_and_resumed_where_it_was_killed() {
    let bench = slow();
    let before = [1, 2, 3].map(|host| bench.started_at(host, "slow"));
    let mut child = bench.spawn("restart --all --settle 200ms --serial 1");
    wait_for_the_stop(&bench, 2);
    let running = bench.history("-n 1");
    assert_eq!(running[0]["state"], "running");
    bench.mcp("resume").says(1, &["still at work"]);
    child.kill().unwrap();
    child.wait().unwrap();
    let done = bench.started_at(1, "slow");
    assert_ne!(done, before[0]);
    let killed = bench.history("-n 1");
    assert_eq!((&killed[0]["state"], &killed[0]["exit"]), (&"killed".into(), &serde_json::Value::Null));
    let page = bench.history(killed[0]["run"].as_str().unwrap());
    let outcomes: Vec<_> = page["instances"].as_array().unwrap().iter().map(|row| row["outcome"].clone()).collect();
    assert_eq!(outcomes, ["changed", "unknown", "not_attempted"]);

    bench.mcp("resume").says(0, &["resume restart of ", ": 2 of 3 left", "restart: 2 ok", "2 batches"]);
    assert_eq!(bench.started_at(1, "slow"), done, "what was done is not done again");
    for host in [1, 2, 3] {
        assert_eq!(bench.state(host, "slow"), "running");
        assert_ne!(bench.started_at(host, "slow"), before[host - 1]);
    }
    bench.mcp("resume").says(0, &["nothing is left"]);
}

#[test]
fn resume_takes_the_hosts_from_where_the_run_had_them_and_never_from_elsewhere() {
    let bench = slow();
    let rig = bench.rig;
    // The same names, and nobody listens there.
    let text = bench.scratch.read("hosts.yaml").replace(&format!("port: {}", rig.port), "port: 1");
    let stage = bench.scratch.write("stage.yaml", &text);
    let stage = stage.display();
    let before = [1, 2, 3].map(|host| bench.started_at(host, "slow"));
    bench.mcp(&format!("-i {stage} restart --all --serial 1 --retries 0")).says(4, &["resume with: mcp resume "]);
    bench.mcp("resume --retries 0").says(4, &["its hosts come from", "stage.yaml"]);
    bench.mcp("restart --retry-failed --retries 0").says(2, &["took its hosts from", "stage.yaml"]);
    assert_eq!([1, 2, 3].map(|host| bench.started_at(host, "slow")), before, "another machine was restarted");
    bench.mcp("stop :slow --on edge-1").says(0, &["1 ok"]);
    bench.mcp(&format!("-i {stage} resume")).says(2, &["took its hosts from hosts.yaml"]);
}

#[test]
fn an_interrupted_run_leaves_what_resume_does() {
    let bench = slow();
    let child = bench.spawn("restart --all --settle 200ms --forks 1");
    wait_for_the_stop(&bench, 1);
    signal(&child, Signal::HUP);
    let answer = Answer::of(child.wait_with_output().unwrap());
    answer.says(130, &["restart: 1 ok · 2 not attempted", "resume with: mcp resume"]);
    let done = bench.started_at(1, "slow");
    let again = bench.mcp("resume --serial 1");
    again.says(0, &["2 of 3 left", "restart: 2 ok"]);
    assert_eq!(bench.started_at(1, "slow"), done);
}

#[test]
fn what_left_the_registry_is_named_and_left_out() {
    let mut bench = Bench::new();
    for short in ["gone", "off", "stays"] {
        bench.server(short, "edge-1", "", "--exit 3");
    }
    bench.report("start --all --settle 500ms", 1);
    let text = bench.scratch.read("servers.yaml");
    let (gone, off) = (bench.name("gone"), bench.name("off"));
    let begin = text.find(&format!("  {gone}:")).unwrap();
    let end = text.find(&format!("  {off}:")).unwrap();
    let off_entry = format!("  {off}:\n");
    let text =
        format!("{}{}", &text[..begin], &text[end..]).replace(&off_entry, &format!("{off_entry}    enabled: false\n"));
    bench.scratch.write("servers.yaml", &text.replace("--exit 3", ""));
    let answer = bench.mcp("resume");
    answer.says(0, &["1 of 3 left", &format!("no longer registered, so left out: {gone}@edge-1")]);
    answer.says(0, &[&format!("disabled in servers.yaml, so left out: {off}@edge-1")]);
    assert_eq!(bench.state(1, "stays"), "running");
}

#[test]
fn without_a_run_there_is_nothing_to_resume() {
    let bench = Bench::new();
    bench.mcp("resume").says(2, &["there is no run to resume"]);
    bench.mcp("resume zzzz").says(2, &["there is no run zzzz"]);
}

#[test]
fn a_removal_that_could_not_be_done_is_resumed_as_a_whole() {
    let rig = crate::rig::Rig::own(2);
    let mut bench = Bench::on(&rig);
    bench.server("web", "edge-*", "", "");
    bench.report("start --all --settle 0", 0);
    rig.sshd("stop", 2);
    assert_eq!(bench.mcp("remove :web --stop --yes").code, Some(4));
    assert_eq!(bench.history("-n 1")[0]["verb"], "remove");
    rig.sshd("start", 2);
    bench.mcp("resume").says(0, &["resume remove of ", "is unregistered"]);
    assert_eq!((bench.state(1, "web"), bench.state(2, "web")), ("none".into(), "none".into()));
    bench.mcp("resume").says(0, &["nothing is left"]);
}

/// Interrupts a restart at a moment of its own, `signals` times or with a kill, and resumes until nothing is left.
fn interrupted_and_resumed(bench: &Bench<'_>, moment: Duration, signals: &[Signal]) {
    let before = [1, 2, 3].map(|host| bench.started_at(host, "slow"));
    let runs = || bench.history("-n 1000").as_array().unwrap().len();
    let earlier = runs();
    let child = bench.spawn("restart --all --settle 100ms --serial 1");
    std::thread::sleep(moment);
    for one in signals {
        signal(&child, *one);
        // Two signals that meet are one.
        std::thread::sleep(Duration::from_millis(100));
    }
    let answer = Answer::of(child.wait_with_output().unwrap());
    if runs() > earlier {
        let resumed = bench.mcp("resume");
        assert_eq!(resumed.code, Some(0), "after {moment:?} {signals:?}: {answer:?} {resumed:?}");
    } else {
        // Ended before it had begun: nothing was done.
        bench.report("restart --all --settle 100ms", 0);
    }
    for host in [1, 2, 3] {
        wait_until("it runs", || bench.state(host, "slow") == "running");
        wait_until("it was restarted", || bench.started_at(host, "slow") != before[host - 1]);
        let filter = format!("name={}", bench.name("slow"));
        assert_eq!(bench.rig.docker_text(host, &["ps", "-aq", "--filter", &filter]).lines().count(), 1);
    }
    bench.mcp("resume").says(0, &["nothing is left"]);
    // However it ended, it is no tampering.
    bench.mcp("history verify").says(0, &["the line that journal.head notes is there"]);
}

fn storm(rounds: u64) {
    let mut bench = Bench::new();
    bench.server("slow", "edge-*", "--stop-timeout 1", "--ignore-term");
    bench.report("start --all --settle 0", 0);
    let whole = Duration::from_millis(6000);
    let mut random = u64::from(std::process::id());
    for round in 0..rounds {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let moment = whole * u32::try_from((random >> 33) % 1000).unwrap() / 1000;
        let signals: &[Signal] = match round % 3 {
            0 => &[Signal::INT],
            1 => &[Signal::INT, Signal::INT],
            _ => &[Signal::KILL],
        };
        interrupted_and_resumed(&bench, moment, signals);
    }
}

#[test]
fn runs_ended_at_random_moments_are_resumed_and_nothing_is_doubled() {
    storm(3);
}

#[test]
#[ignore = "takes a quarter of an hour: cargo test --test change hundred_runs -- --ignored"]
fn hundred_runs_ended_at_random_moments_are_resumed_and_nothing_is_doubled() {
    storm(100);
}
