//! `mcp log -f` ends in several ways, and none of them leaves a `docker logs` on a host.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    register,
    rig::{Rig, Scratch},
    said::{run, wait_until},
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
fn following_ends_with_the_container_where_that_is_asked_for() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let server = started(&scratch, "it", "edge-1", "", "--tick 50");
    let (mut child, mut out) = follow(&scratch, &[&server, "--no-reattach"]);
    until(&mut out, "tick");
    rig.docker_text(1, &["kill", &server]);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    gone(1, &server);
    run(scratch.mcp(&["log", &server, "--no-reattach"])).code(2);
}

/// What is followed, line by line with docker's times, until an interrupt.
struct Followed {
    child: Child,
    out: BufReader<ChildStdout>,
    lines: Vec<String>,
}

impl Followed {
    fn new(scratch: &Scratch<'_>, server: &str) -> Self {
        let (child, out) = follow(scratch, &[server, "-t"]);
        Self { child, out, lines: vec![] }
    }

    /// Reads up to a line later than all so far that has `text`.
    fn until(&mut self, text: &str) {
        loop {
            let mut line = String::new();
            assert_ne!(self.out.read_line(&mut line).unwrap(), 0, "it ended before {text:?}\n{:?}", self.lines.last());
            self.lines.push(line.trim_end().to_owned());
            if line.contains(text) {
                return;
            }
        }
    }

    /// Interrupts it, and holds what it printed against `before` and what docker has: every line once, from the first one on.
    fn same_as(mut self, before: &str, server: &str) {
        signal(&self.child, "-INT");
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.out, &mut rest).unwrap();
        self.lines.extend(rest.lines().map(str::to_owned));
        assert_eq!(self.child.wait().unwrap().code(), Some(130));
        // By docker's times, which both streams have.
        self.lines.sort();
        let now = docker_s(server);
        let mut real: Vec<&str> = before.lines().chain(now.lines()).collect();
        real.sort_unstable();
        assert!(self.lines.len() <= real.len(), "{} lines of {}", self.lines.len(), real.len());
        for (at, line) in self.lines.iter().enumerate() {
            assert_eq!(line, real[at], "line {at} of {}", self.lines.len());
        }
    }
}

fn docker_s(container: &str) -> String {
    let output = Rig::get().docker(1, &["logs", "-t", container]);
    let text = [output.stdout, output.stderr].concat();
    let mut lines: Vec<String> = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
    lines.sort();
    lines.join("\n")
}

#[test]
fn following_goes_on_over_restarts_and_a_replacement_with_each_line_once() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let server = started(&scratch, "it", "edge-1", "", "--tick 20");
    let mut followed = Followed::new(&scratch, &server);
    followed.until("tick");
    for _ in 0..2 {
        rig.docker_text(1, &["restart", "-t", "0", &server]);
        followed.until("listens");
        followed.until("tick");
    }
    rig.docker_text(1, &["stop", "-t", "0", &server]);
    let first = docker_s(&server);
    // What the first one wrote is read to its end before the second one writes, so it can go.
    followed.until(first.lines().last().unwrap());
    rig.docker_text(1, &["rm", &server]);
    run(scratch.mcp(&["start", &server, "--settle", "0s"])).code(0);
    followed.until("listens");
    followed.until("tick");
    followed.same_as(&first, &server);
    gone(1, &server);
}

#[test]
fn a_restart_is_marked_on_stderr_and_only_there() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let server = started(&scratch, "it", "edge-1", "", "--tick 20");
    let mut command = scratch.mcp(&["log", "-f", &server, "-n", "1"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    until(&mut out, "tick");
    rig.docker_text(1, &["restart", "-t", "0", &server]);
    until(&mut out, "listens");
    signal(&child, "-INT");
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    let output = child.wait_with_output().unwrap();
    let marks = String::from_utf8(output.stderr).unwrap();
    assert!(marks.contains(&format!("-- {server}@edge-1: reading again")), "{marks}");
    assert!(!rest.contains("--"), "{rest}");
}

#[test]
fn a_container_that_is_made_later_is_followed_from_its_first_line_on() {
    let scratch = Rig::get().scratch();
    let server = register(&scratch, "it", "edge-1", "", "--tick 20");
    let mut followed = Followed::new(&scratch, &server);
    run(scratch.mcp(&["start", &server, "--settle", "0s"])).code(0);
    followed.until("tick");
    followed.same_as("", &server);
    gone(1, &server);
}

/// The processes of host 1: number, parent, words.
fn processes() -> Vec<(u32, u32, String)> {
    let text = Rig::get().on(1, &["ps", "-eo", "pid=,ppid=,args="]);
    let one = |line: &str| {
        let mut words = line.split_whitespace();
        let number = |word: Option<&str>| word?.parse().ok();
        Some((number(words.next())?, number(words.next())?, words.collect::<Vec<_>>().join(" ")))
    };
    text.lines().filter_map(one).collect()
}

#[test]
fn following_survives_the_loss_of_its_connection_and_of_its_docker_with_each_line_once() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let server = started(&scratch, "it", "edge-1", "", "--tick 5");
    let mut followed = Followed::new(&scratch, &server);
    followed.until("tick");
    for what in ["sshd", "docker"] {
        let all = processes();
        let reader = |args: &str| args.starts_with("docker logs") && args.contains("--follow");
        let id = rig.docker_text(1, &["inspect", "-f", "{{.Id}}", &server]);
        let mut victim = all.iter().find(|(_, _, args)| reader(args) && args.contains(id.trim())).unwrap();
        while what == "sshd" && !victim.2.starts_with("sshd") {
            victim = all.iter().find(|(number, _, _)| *number == victim.1).unwrap();
        }
        rig.on(1, &["kill", "-KILL", &victim.0.to_string()]);
        wait_until("it is read by another one", || {
            let now = processes();
            now.iter().any(|p| reader(&p.2) && p.2.contains(id.trim()) && !all.iter().any(|old| old.0 == p.0))
        });
        followed.until("tick");
    }
    // What was on its way is among the lines by now.
    let last = docker_s(&server);
    followed.until(last.lines().last().unwrap());
    followed.same_as("", &server);
    gone(1, &server);
}
