//! Two operators, each with a workspace, on the same containers; and others who use docker itself.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::{Answer, Bench, Report, error, gist, wait_until};

/// The workspace of another operator with the same hosts and servers.
struct Desk {
    directory: tempfile::TempDir,
}

impl Desk {
    fn beside(bench: &Bench<'_>) -> Self {
        let directory = tempfile::Builder::new().prefix("mcp-test.").tempdir().unwrap();
        for file in ["hosts.yaml", "servers.yaml"] {
            std::fs::write(directory.path().join(file), bench.scratch.read(file)).unwrap();
        }
        Self { directory }
    }

    fn command(&self, bench: &Bench<'_>, words: &str) -> Command {
        let mut command = bench.rig.mcp();
        command.env("MCP_ACTOR", "bob").current_dir(self.directory.path()).arg("--dir").arg(self.directory.path());
        command.args(
            words.split_whitespace().map(|word| word.strip_prefix(':').map_or(word.to_owned(), |s| bench.name(s))),
        );
        command
    }

    fn mcp(&self, bench: &Bench<'_>, words: &str) -> Answer {
        Answer::of(self.command(bench, words).output().unwrap())
    }

    fn report(&self, bench: &Bench<'_>, words: &str, code: i32) -> Report {
        let answer = self.mcp(bench, &format!("{words} -o json"));
        assert_eq!(answer.code, Some(code), "{words}: {answer:?}");
        Report(serde_json::from_str(&answer.out).unwrap_or_else(|e| panic!("{words}: {e}: {answer:?}")))
    }
}

/// The leases on host `number` on containers of this test.
fn leases(bench: &Bench<'_>, number: usize) -> Vec<String> {
    let all = bench.by_hand(number, "ls /tmp/.mcp-leases");
    all.lines().filter(|name| name.contains('@') && name.starts_with(&bench.name(""))).map(str::to_owned).collect()
}

/// A restart that takes ten seconds, because the server does not end when it is told to, under way.
fn slow_restart(bench: &Bench<'_>, words: &str) -> Child {
    let mut command = bench.command(words);
    let child =
        command.env("MCP_ACTOR", "alice").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    wait_until("it has its lease", || !leases(bench, 1).is_empty());
    child.unwrap()
}

#[test]
fn an_operator_is_told_who_else_is_at_work_and_the_rest_is_done() {
    let mut bench = Bench::new();
    bench.server("slow", "edge-1", "", "--ignore-term");
    bench.report("start --all --settle 0", 0);
    let child = slow_restart(&bench, "restart --all --settle 0");
    bench.server("other", "edge-1", "", "");
    let desk = Desk::beside(&bench);
    let before = bench.id(1, "slow");
    let report = desk.report(&bench, "restart --all --settle 0 --lock-timeout 0", 1);
    let held = report.of(&bench.name("slow"), "edge-1");
    assert_eq!((held["outcome"].as_str(), held["action"].as_str()), (Some("not_done"), None));
    let cause = error(held, "cause");
    assert!(
        cause.starts_with("alice@") && cause.contains("holds it (restart, since ") && cause.contains("more"),
        "{cause}"
    );
    let runs = bench.history("");
    let is_named = |run: &Value| run["verb"] == "restart" && cause.contains(run["run"].as_str().unwrap());
    assert!(runs.as_array().unwrap().iter().any(is_named), "{cause} {runs}");
    assert!(error(held, "hint").contains("--lock-timeout"), "{held}");
    assert_eq!(gist(report.of(&bench.name("other"), "edge-1")), "changed created running");

    let locks: Value = serde_json::from_str(&desk.mcp(&bench, "lock list edge-1 -o json").out).unwrap();
    let lease = locks["leases"].as_array().unwrap().iter().find(|l| l["container"] == bench.name("slow")).unwrap();
    assert_eq!((lease["name"].as_str(), lease["purpose"].as_str()), (Some(&*bench.name("slow")), Some("restart")));
    assert!(lease["ends_in_seconds"].as_u64().unwrap() > 60, "{lease}");
    desk.mcp(&bench, "lock list").says(0, &[]);

    let output = Answer::of(child.wait_with_output().unwrap());
    output.says(0, &[]);
    assert_eq!((bench.state(1, "slow"), bench.id(1, "slow")), ("running".to_owned(), before));
    assert_eq!(leases(&bench, 1), [] as [String; 0]);
}

#[test]
fn an_operator_waits_for_the_other_and_then_looks_anew() {
    let mut bench = Bench::new();
    bench.server("slow", "edge-1", "", "--ignore-term");
    bench.report("start --all --settle 0", 0);
    let desk = Desk::beside(&bench);
    let child = slow_restart(&bench, "restart --all --settle 0 --recreate");
    let old = bench.id(1, "slow");
    // What was seen at first is gone by the time that the lease is free.
    let report = desk.report(&bench, "stop --all --lock-timeout 60s", 0);
    assert_eq!(gist(report.row()), "changed stopped stopped");
    Answer::of(child.wait_with_output().unwrap()).says(0, &[]);
    assert_ne!(bench.id(1, "slow"), old);
    assert_eq!(bench.state(1, "slow"), "exited");
    assert_eq!(leases(&bench, 1), [] as [String; 0]);
}

#[test]
fn a_lease_can_be_taken_away_and_a_run_may_do_without() {
    let mut bench = Bench::new();
    bench.server("slow", "edge-1", "", "--ignore-term");
    bench.report("start --all --settle 0", 0);
    let desk = Desk::beside(&bench);
    let child = slow_restart(&bench, "restart --all --settle 0");
    desk.mcp(&bench, "stop :slow --lock-timeout 0").says(1, &["alice@"]);
    desk.mcp(&bench, "lock release :slow --yes").says(0, &["1 lease taken away"]);
    assert_eq!(leases(&bench, 1), [] as [String; 0]);
    // What the other has begun goes on, so the end is anybody's.
    let answer = desk.mcp(&bench, "restart :slow --settle 0 --no-lock");
    assert!(!answer.err.contains("holds it"), "{answer:?}");
    child.wait_with_output().unwrap();
    desk.mcp(&bench, "lock release :slow --yes").says(0, &["0 leases taken away"]);
}

#[test]
fn a_script_that_is_killed_on_the_host_holds_its_lease_until_its_docker_has_ended() {
    let mut bench = Bench::new();
    bench.server("slow", "edge-1", "", "--ignore-term");
    bench.report("start --all --settle 0", 0);
    let child = slow_restart(&bench, "restart --all --settle 0");
    let lease = leases(&bench, 1).remove(0);
    let line = bench.by_hand(1, &format!("cat /tmp/.mcp-leases/{lease}"));
    let process = line.split(' ').nth(3).unwrap();
    bench.by_hand(1, &format!("kill -9 {process}"));
    let desk = Desk::beside(&bench);
    desk.mcp(&bench, "stop --all --lock-timeout 0").says(1, &["alice@"]);
    desk.mcp(&bench, "stop --all --lock-timeout 60s").says(0, &[]);
    child.wait_with_output().unwrap();
    assert_eq!(bench.state(1, "slow"), "exited");
    assert_eq!(leases(&bench, 1), [] as [String; 0]);
}

#[test]
fn a_removal_waits_for_whoever_is_at_work() {
    let mut bench = Bench::new();
    bench.server("slow", "edge-1", "", "--ignore-term");
    bench.report("start --all --settle 0", 0);
    let desk = Desk::beside(&bench);
    let child = slow_restart(&bench, "restart --all --settle 0");
    desk.mcp(&bench, "remove :slow --stop --lock-timeout 0").says(1, &["alice@", "stays registered"]);
    desk.mcp(&bench, "remove :slow --stop --lock-timeout 60s").says(0, &["is unregistered"]);
    Answer::of(child.wait_with_output().unwrap()).says(0, &[]);
    assert_eq!(bench.state(1, "slow"), "none");
}

/// A docker that does `meanwhile` by hand before the call number `which` of `verb`.
fn meddling(bench: &Bench<'_>, verb: &str, which: usize, meanwhile: &str) {
    let calls = bench.scratch.path().join("calls").display().to_string();
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = {verb} ]; then echo >>{calls}; [ $(wc -l <{calls}) != {which} ] || {{ {meanwhile}; }} >/dev/null 2>&1; fi\n\
         exec docker \"$@\"\n"
    );
    let path = bench.scratch.write("docker", &script);
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let hosts =
        bench.scratch.hosts_yaml().replace("defaults:\n", &format!("defaults:\n  docker: {}\n", path.display()));
    bench.scratch.write("hosts.yaml", &hosts);
}

#[test]
fn what_somebody_else_does_with_docker_meanwhile_is_told_and_not_overwritten() {
    // With --recreate the container is looked at twice, at last right before anything is done to it.
    for (verb, call, which) in [("restart", "restart", 1), ("stop", "stop", 1), ("restart --recreate", "container", 2)]
    {
        for (meanwhile, what) in [
            ("docker rm -f NAME; docker run -d --name NAME -l by=hand IMAGE", "another container has its name now"),
            ("docker rename NAME NAME-old", "removed or renamed"),
        ] {
            let mut bench = Bench::new();
            let run = bench.server("a", "edge-1", "", "");
            bench.report("start --all --settle 0", 0);
            let (name, image) = (bench.name("a"), run.rsplit(' ').next().unwrap().to_owned());
            let meanwhile = meanwhile.replace("NAME", &name).replace("IMAGE", &image);
            meddling(&bench, call, which, &meanwhile);
            let old = bench.id(1, "a");
            let settle = if verb == "stop" { "" } else { "--settle 0" };
            let answer = bench.mcp(&format!("{verb} --all {settle}"));
            let context = format!("{verb}, {meanwhile}: {answer:?}");
            if verb == "stop" && what.starts_with("removed") {
                // It was stopped, under whatever name.
                assert_eq!(answer.code, Some(0), "{context}");
                assert_eq!(
                    bench.inspect(1, "a-old", "{{.Id}} {{.State.Status}}"),
                    format!("{old} exited"),
                    "{context}"
                );
                continue;
            }
            assert_eq!(answer.code, Some(1), "{context}");
            assert!(
                answer.err.contains("somebody else acted on the container") && answer.err.contains(what),
                "{context}"
            );
            if what.starts_with("another") {
                assert_eq!(
                    bench.inspect(1, "a", "{{.Config.Labels.by}} {{.State.Status}}"),
                    "hand running",
                    "{context}"
                );
            } else {
                assert_eq!(
                    bench.inspect(1, "a-old", "{{.Id}} {{.State.Status}}"),
                    format!("{old} running"),
                    "{context}"
                );
            }
        }
    }
}

#[test]
fn pairs_of_restarts_leave_every_instance_running_once() {
    // How many pairs; the acceptance run takes fifty.
    let pairs: usize = std::env::var("MCP_PAIRS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let mut bench = Bench::new();
    for short in ["a", "b", "c"] {
        bench.server(short, "demo", "", "");
    }
    bench.report("start --all --settle 0", 0);
    let desk = Desk::beside(&bench);
    for pair in 0..pairs {
        let how = if pair % 3 == 2 { "restart --all --settle 0 --recreate" } else { "restart --all --settle 0" };
        let spawn = |mut command: Command| {
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let children = [spawn(bench.command(how)), spawn(desk.command(&bench, how))];
        for child in children {
            Answer::of(child.wait_with_output().unwrap()).says(0, &[]);
        }
        for number in 1..=3 {
            for short in ["a", "b", "c"] {
                assert_eq!(bench.state(number, short), "running", "pair {pair}, host {number}");
            }
            let filter = format!("name={}", bench.name(""));
            let all = bench.rig.docker_text(number, &["ps", "-aq", "--filter", &filter]);
            assert_eq!(all.lines().count(), 3, "pair {pair}, host {number}: {all}");
            assert_eq!(leases(&bench, number), [] as [String; 0], "pair {pair}, host {number}");
        }
    }
}

#[test]
fn list_says_that_a_container_is_gone_or_somebody_else_s_until_it_is_made_anew() {
    let mut bench = Bench::new();
    let run = bench.server("a", "edge-1", "", "--log-lines 3");
    bench.report("start --all --settle 0", 0);
    let (id, name) = (bench.id(1, "a"), bench.name("a"));
    bench.rig.docker_text(1, &["rename", &name, &bench.name("old")]);
    for _ in 0..2 {
        let message = bench.listed("a")["message"].as_str().unwrap().to_owned();
        assert!(message.contains(&format!("({}) was removed or renamed", &id[..12])), "{message}");
    }
    bench.by_hand(1, &run.replace("--log-lines 3", "--log-lines 4"));
    for _ in 0..2 {
        let message = bench.listed("a")["message"].as_str().unwrap().to_owned();
        assert!(message.contains("somebody else's"), "{message}");
    }
    bench.report("restart --all --settle 0 --replace", 0);
    assert_eq!(bench.listed("a")["message"], Value::Null);
}

#[test]
fn who_writes_waits_for_the_workspace_and_who_reads_does_not() {
    let mut bench = Bench::new();
    bench.server("a", "edge-1", "", "");
    bench.report("start --all --settle 0", 0);
    // The lock is flock(2)'s, which flock(1) takes as well.
    let lock = bench.scratch.path().join(".mcp.lock");
    let mut holder = Command::new("flock").arg(&lock).args(["cat"]).stdin(Stdio::piped()).spawn().unwrap();
    wait_until("it is held", || {
        let taken = Command::new("flock").args(["-n"]).arg(&lock).arg("true").status().unwrap();
        !taken.success()
    });
    assert_eq!(bench.listed("a")["status"], "running");
    let add = "add another --host edge-1 --lock-timeout 100ms --command";
    let mut command = bench.command(add);
    let answer = Answer::of(command.arg("docker run acme/a").output().unwrap());
    answer.says(1, &["holds the workspace", "--lock-timeout"]);
    drop(holder.stdin.take());
    holder.wait().unwrap();
    let answer = Answer::of(bench.command(add).arg("docker run acme/a").output().unwrap());
    answer.says(0, &[]);
}
