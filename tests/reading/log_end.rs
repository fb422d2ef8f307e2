//! `mcp log -f` ends in several ways, and none of them leaves a `docker logs` on a host.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    rig::{Rig, Scratch},
    said::wait_until,
    started,
};

/// `docker logs` processes of `container` on host `number`.
fn readers(number: usize, container: &str) -> Vec<String> {
    let processes = Rig::get().on(number, &["ps", "-eo", "pid,args"]);
    let ours = |line: &&str| line.contains("logs") && line.contains(container);
    processes.lines().filter(ours).map(str::to_owned).collect()
}

fn gone(number: usize, container: &str) {
    wait_until("no docker logs is left", || readers(number, container).is_empty());
}

fn follow(scratch: &Scratch<'_>, arguments: &[&str]) -> (Child, BufReader<ChildStdout>) {
    let mut child = scratch
        .mcp(&[&["log", "-f"], arguments].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

fn until(out: &mut BufReader<ChildStdout>, text: &str) {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert_ne!(out.read_line(&mut line).unwrap(), 0, "it ended before {text:?}");
    }
}

fn signal(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn following_shows_lines_as_they_come_and_an_interrupt_leaves_nothing_on_any_host() {
    let scratch = Rig::get().scratch();
    let ticking = started(&scratch, "ticking", "edge-1,edge-2", "", "--tick 100");
    let silent = started(&scratch, "silent", "edge-1", "", "");
    let (mut child, mut out) = follow(&scratch, &["--all", "-n", "1"]);
    until(&mut out, "@edge-2 | tick");
    until(&mut out, "@edge-1 | tick");
    wait_until("the silent one is followed too", || !readers(1, &silent).is_empty());
    let begin = Instant::now();
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(begin.elapsed() < Duration::from_secs(5), "it took {:?}", begin.elapsed());
    for (number, container) in [(1, &ticking), (2, &ticking), (1, &silent)] {
        gone(number, container);
    }
}

#[test]
fn a_killed_client_leaves_nothing_on_the_host_even_when_nothing_is_logged() {
    let scratch = Rig::get().scratch();
    let ticking = started(&scratch, "ticking", "edge-1", "", "--tick 100");
    let silent = started(&scratch, "silent", "edge-2", "", "--log-lines 1");
    let (mut child, mut out) = follow(&scratch, &["--all"]);
    until(&mut out, "tick");
    wait_until("both are followed", || !readers(1, &ticking).is_empty() && !readers(2, &silent).is_empty());
    signal(&child, "-KILL");
    child.wait().unwrap();
    gone(1, &ticking);
    gone(2, &silent);
}

#[test]
fn a_reader_that_has_enough_ends_it_without_an_error() {
    let scratch = Rig::get().scratch();
    let server = started(&scratch, "it", "edge-1", "", "--tick 50");
    let (mut child, mut out) = follow(&scratch, &[&server]);
    until(&mut out, "tick");
    drop(out);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    gone(1, &server);
    // The same without -f, with more than a pipe holds.
    let many = started(&scratch, "many", "edge-1", "", "--log-lines 100000");
    let mut child = scratch.mcp(&["log", &many]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    until(&mut out, "line 1");
    drop(out);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
    gone(1, &many);
}

#[test]
fn following_ends_when_the_container_does() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let server = started(&scratch, "it", "edge-1", "", "--tick 50");
    let (mut child, mut out) = follow(&scratch, &[&server]);
    until(&mut out, "tick");
    rig.docker_text(1, &["kill", &server]);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    gone(1, &server);
}
