//! `mcp list --watch`: one session, one exec per interval, and hosts that hang.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use crate::{rig::Rig, said::run, started};

#[test]
fn watching_keeps_one_session_per_host_and_a_frozen_host_holds_up_no_snapshot() {
    let rig = Rig::own(2);
    let scratch = rig.scratch();
    let server = started(&scratch, "aa", "@demo", "", "");
    let before = [1, 2].map(|number| rig.ssh_counts(number));
    let mut command = scratch.mcp(&["list", "--watch", "300ms", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Vec<(String, String)> {
        let asked = Instant::now();
        let line = lines.next().unwrap().unwrap();
        assert!(asked.elapsed() < Duration::from_secs(12), "no snapshot for {:?}", asked.elapsed());
        let rows: serde_json::Value = serde_json::from_str(&line).unwrap();
        let text = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap().to_owned();
        rows.as_array().unwrap().iter().map(|row| (text(row, "host"), text(row, "status"))).collect()
    };
    let rows =
        |one: &str, two: &str| vec![("edge-1".to_owned(), one.to_owned()), ("edge-2".to_owned(), two.to_owned())];
    let mut until = |what: &str, wanted: Vec<(String, String)>| {
        let deadline = Instant::now() + Duration::from_secs(60);
        while next() != wanted {
            assert!(Instant::now() < deadline, "never came true: {what}");
        }
    };
    // Once more for each interval, on whatever machine: as many snapshots as four rounds take.
    let execs = |number: usize| rig.ssh_counts(number).execs - before[number - 1].execs;
    let deadline = Instant::now() + Duration::from_secs(60);
    while execs(1) < 4 || execs(2) < 4 {
        assert!(Instant::now() < deadline, "asked {} and {} times", execs(1), execs(2));
        until("both run", rows("running", "running"));
    }
    for (number, before) in [1, 2].into_iter().zip(&before) {
        assert_eq!(rig.ssh_counts(number).sessions - before.sessions, 1, "edge-{number}");
    }
    rig.sshd("freeze", 2);
    until("the frozen host is unknown", rows("running", "unknown"));
    rig.sshd("thaw", 2);
    until("it is back", rows("running", "running"));
    // Another mcp stops one: that is no failure.
    run(scratch.mcp(&["stop", &format!("{server}@edge-1")])).code(0);
    until("it is stopped", rows("stopped", "running"));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn watching_ends_when_nobody_reads_it() {
    let scratch = Rig::get().scratch();
    crate::register(&scratch, "it", "edge-1", "", "");
    let mut command = scratch.mcp(&["list", "--watch", "200ms", "-o", "name"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert_eq!(first, format!("{}@edge-1\n", scratch.name("it")));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    run(scratch.mcp(&["list", "--watch", "it"])).code(2).err("before --watch");
    run(scratch.mcp(&["list", "--watch", "1ms"])).code(2).err("100ms");
}
