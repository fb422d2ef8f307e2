//! One host, one engine or one container in trouble, and interrupts: the others are done, and the answer says which is which.

use std::process::{Command, Stdio};

use super::{entry, register};
use crate::{
    rig::{Rig, Scratch},
    said::{Said, run, wait_until},
};

fn on_all_hosts(scratch: &Scratch<'_>) {
    register(scratch, &[entry(scratch, "s", "@demo", &scratch.docker_run("s", "", ""), "")]);
}

fn outcome(said: &Said, host: &str) -> (String, String, String) {
    let report = said.json();
    let row = report["instances"].as_array().unwrap().iter().find(|r| r["host"] == host).unwrap().clone();
    let text = |v: &serde_json::Value| v.as_str().unwrap_or_default().to_owned();
    (text(&row["outcome"]), text(&row["error"]["cause"]), text(&row["status"]["message"]))
}

#[test]
fn a_host_that_is_down_is_unreachable_and_the_others_are_done() {
    let rig = Rig::own(3);
    let scratch = rig.scratch();
    on_all_hosts(&scratch);
    run(scratch.mcp(&["start", "--all"])).code(0);
    rig.sshd("stop", 2);
    let said = run(scratch.mcp(&["restart", "--all", "--json"])).code(4);
    assert_eq!(outcome(&said, "edge-1").0, "changed");
    assert_eq!(outcome(&said, "edge-3").0, "changed");
    let (outcome, _, message) = outcome(&said, "edge-2");
    assert_eq!(outcome, "unreachable");
    assert!(message.contains("last known running"), "{message}");
    let listed = run(scratch.mcp(&["list", "--json"])).code(4).json();
    let statuses: Vec<&str> = listed.as_array().unwrap().iter().map(|r| r["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["running", "unknown", "running"]);
}

#[test]
fn a_host_that_hangs_ends_at_its_deadline_with_its_phase() {
    let rig = Rig::own(3);
    let scratch = rig.scratch();
    on_all_hosts(&scratch);
    rig.sshd("freeze", 3);
    let said = run(scratch.mcp(&["start", "--all", "--json", "--timeout", "3s"])).code(4);
    assert_eq!(outcome(&said, "edge-1").0, "changed");
    let (outcome, cause, _) = outcome(&said, "edge-3");
    assert_eq!(outcome, "unreachable");
    assert!(cause.contains("no answer within 3.0 s") && cause.contains("key exchange"), "{cause}");
    rig.sshd("thaw", 3);
}

#[test]
fn an_engine_that_is_down_is_a_failure_and_the_others_are_done() {
    let rig = Rig::own(3);
    let scratch = rig.scratch();
    on_all_hosts(&scratch);
    rig.engine("stop", 2);
    let said = run(scratch.mcp(&["start", "--all", "--json"])).code(1);
    assert_eq!(outcome(&said, "edge-1").0, "changed");
    assert_eq!(outcome(&said, "edge-3").0, "changed");
    let (outcome, cause, _) = outcome(&said, "edge-2");
    assert_eq!(outcome, "failed");
    assert!(cause.contains("Cannot connect to the Docker daemon"), "{cause}");
}

#[test]
fn a_host_down_an_engine_down_and_a_dying_container_give_their_own_rows_and_exit_code_four() {
    let rig = Rig::own(3);
    let scratch = rig.scratch();
    let dies = scratch.docker_run("dies", "", "--exit 7");
    register(
        &scratch,
        &[
            entry(&scratch, "s", "@demo", &scratch.docker_run("s", "", ""), ""),
            entry(&scratch, "dies", "edge-1", &dies, ""),
        ],
    );
    rig.sshd("stop", 2);
    rig.engine("stop", 3);
    run(scratch.mcp(&["start", "--all"]))
        .code(4)
        .out("created")
        .err("exited with code 7")
        .err("1 ok")
        .err("2 failed")
        .err("1 unreachable");
}

fn interrupt(child: &std::process::Child) {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn an_interrupt_ends_a_slow_change_and_says_what_was_not_done() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let slow = scratch.docker_run("slow", "", "--ignore-term");
    let stop = format!("    stop: docker stop -t 60 {}\n", scratch.name("slow"));
    register(
        &scratch,
        &[
            entry(&scratch, "slow", "edge-1", &slow, &stop),
            entry(&scratch, "later", "edge-2", &scratch.docker_run("later", "", ""), ""),
        ],
    );
    run(scratch.mcp(&["start", "--all"])).code(0);
    let before = rig.ssh_counts(1).execs;
    let child = scratch
        .mcp(&["restart", "--all", "--forks", "1", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The second exec is the one that stops: from then on edge-1 is at work.
    wait_until("the stop is under way", || rig.ssh_counts(1).execs >= before + 2);
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let said = Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    let said = said.code(130).err("interrupted");
    assert_eq!(outcome(&said, "edge-1").0, "unknown");
    assert_eq!(outcome(&said, "edge-2").0, "not_attempted");
    // What the host still does on its own must not outlive the test.
    rig.docker(1, &["rm", "-f", &scratch.name("slow")]);
}
