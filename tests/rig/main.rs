//! The rig holds what it promises; the other tests stand on it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "mod.rs"]
mod rig;

use std::{
    io::{BufRead, BufReader, Read},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rig::Rig;

fn ssh(rig: &Rig, number: usize, user: &str, script: &str) -> Command {
    let mut command = Command::new("ssh");
    command.args(["-F", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-p", &rig.port.to_string(), "-i"]);
    command.arg(&rig.key).arg("-o").arg(format!("UserKnownHostsFile={}", rig.known_hosts.display()));
    command.arg(format!("{user}@{}", rig.host(number).address)).arg(script).stdin(Stdio::null());
    command
}

fn said(mut command: Command) -> String {
    let output = command.output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned()
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn hosts_share_neither_engine_nor_processes_nor_ports() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let run = scratch.docker_run("same", &format!("-p 127.0.0.1:{}:8080", scratch.port()), "");
    let ids = [1, 2, 3].map(|number| said(ssh(rig, number, "root", &run)));
    assert!(ids.iter().all(|id| id.len() == 64), "the same name and port on each host: {ids:?}");
    for number in [1, 2, 3] {
        assert_eq!(said(ssh(rig, number, "root", "hostname")), format!("edge-{number}"));
        let listed =
            rig.docker_text(number, &["ps", "-q", "--no-trunc", "--filter", &format!("name={}", scratch.name("same"))]);
        assert_eq!(listed, ids[number - 1]);
    }
}

#[test]
fn the_image_is_an_mcp_server_behind_a_published_port() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let port = scratch.port();
    rig.on(1, &["sh", "-c", &scratch.docker_run("server", &format!("-p 127.0.0.1:{port}:8080"), "")]);
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"rig","version":"1"}}}"#;
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // The port is on the host's loopback, so the request must be made there.
    let program = r#"use IO::Socket::INET; $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$ARGV[0]") or exit; print $s $ARGV[1]; print while <$s>"#;
    let mut answer = String::new();
    wait_until("the server answers", || {
        answer = rig.on(1, &["perl", "-e", program, &port.to_string(), &request]);
        answer.starts_with("HTTP/1.1 200")
    });
    assert!(answer.contains(r#""serverInfo":{"name":"rmcp""#), "{answer}");
}

#[test]
fn the_image_misbehaves_when_told_to_and_ends_at_once_when_not() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    for (name, options, arguments) in [
        ("good", "", ""),
        ("exits", "", "--exit 3"),
        ("stubborn", "", "--ignore-term"),
        ("hungry", "-m 16m", "--eat-memory 64"),
    ] {
        rig.on(1, &["sh", "-c", &scratch.docker_run(name, options, arguments)]);
    }
    let inspect = |name: &str, field: &str| rig.docker_text(1, &["inspect", "-f", field, &scratch.name(name)]);
    wait_until("both have ended", || {
        ["exits", "hungry"].iter().all(|name| inspect(name, "{{.State.Status}}") == "exited")
    });
    assert_eq!(inspect("exits", "{{.State.ExitCode}}"), "3");
    assert_eq!(inspect("hungry", "{{.State.OOMKilled}} {{.State.ExitCode}}"), "true 137");
    wait_until("both listen", || {
        ["good", "stubborn"].iter().all(|name| {
            let logs = rig.docker(1, &["logs", &scratch.name(name)]);
            String::from_utf8_lossy(&logs.stderr).contains("listens on port 8080")
        })
    });
    rig.docker_text(1, &["stop", "-t", "1", &scratch.name("good"), &scratch.name("stubborn")]);
    assert_eq!(inspect("good", "{{.State.ExitCode}}"), "0");
    assert_eq!(inspect("stubborn", "{{.State.ExitCode}}"), "137");
}

#[test]
fn guest_may_log_in_but_not_use_docker() {
    let answer = said(ssh(Rig::get(), 1, "guest", "id -un; docker ps"));
    assert!(answer.starts_with("guest") && answer.contains("permission denied"), "{answer}");
}

#[test]
fn sessions_and_execs_are_counted() {
    let rig = Rig::own(1);
    assert!(said(ssh(&rig, 1, "root", "true")).is_empty());
    let counts = rig.ssh_counts(1);
    assert_eq!((counts.sessions, counts.execs), (1, 1));
}

#[test]
fn a_host_and_an_engine_can_be_taken_away_and_given_back() {
    let rig = Rig::own(2);
    rig.sshd("stop", 1);
    assert!(said(ssh(&rig, 1, "root", "true")).contains("Connection refused"));
    rig.sshd("start", 1);
    assert_eq!(said(ssh(&rig, 1, "root", "hostname")), "edge-1");

    rig.sshd("freeze", 2);
    let mut stream = TcpStream::connect((rig.host(2).address.as_str(), rig.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(stream.read(&mut [0]).is_err(), "a frozen sshd says nothing");
    rig.sshd("thaw", 2);
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 1, "thawed, it says its banner");

    rig.engine("stop", 1);
    assert!(said(ssh(&rig, 1, "root", "docker ps")).contains("Cannot connect to the Docker daemon"));
    rig.engine("start", 1);
    assert!(rig.docker(1, &["ps"]).status.success());
}

#[test]
fn nothing_is_left_when_whoever_started_the_rig_is_killed() {
    // The command that runs in the rig outlives rig.sh here; it ends with this test's end of its standard input.
    let mut runner = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rig/rig.sh"))
        .args(["run", "--hosts", "1", "--", "sh", "-c", "env; read -r line"])
        .env_remove("RIG_DIR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(runner.stdout.take().unwrap()).lines();
    let directory = lines.find_map(|line| line.unwrap().strip_prefix("RIG_DIR=").map(str::to_owned)).unwrap();
    let init = std::fs::read_to_string(format!("{directory}/machine-1/init")).unwrap();
    let process = format!("/proc/{}", init.split_whitespace().next().unwrap());
    assert!(Path::new(&process).exists());
    runner.kill().unwrap();
    runner.wait().unwrap();
    wait_until("the machine and its directory are gone", || {
        !Path::new(&process).exists() && !Path::new(&directory).exists()
    });
}
