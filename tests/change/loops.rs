//! Containers in crash loops: what `list`, `start` and `restart` make of them, with this machine's clock right and wrong by an hour.

use std::{
    collections::BTreeMap,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{Answer, Bench, Report, error, wait_until};

/// Where Debian and Fedora put libfaketime.
const FAKETIME: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
];

/// By how much this machine's clock is wrong; without libfaketime it is right in all runs.
const SKEWS: [&str; 3] = ["-1h", "+0", "+1h"];

/// `command` with this machine's clock wrong by `skew`. The hosts' clocks stay as they are.
fn skewed(mut command: Command, skew: &str) -> Command {
    if let Some(library) = FAKETIME.into_iter().find(|path| Path::new(path).exists()) {
        command.env("LD_PRELOAD", library).env("FAKETIME", skew).env("DONT_FAKE_MONOTONIC", "1");
    }
    command
}

impl Bench<'_> {
    fn at(&self, skew: &str, words: &str) -> (Option<i32>, Value) {
        let answer = Answer::of(skewed(self.command(&format!("{words} -o json")), skew).output().unwrap());
        let json = serde_json::from_str(&answer.out).unwrap_or_else(|e| panic!("{words}: {e}: {answer:?}"));
        (answer.code, json)
    }

    fn restarts(&self, short: &str) -> u64 {
        self.inspect(1, short, "{{.RestartCount}}").parse().unwrap()
    }
}

#[test]
fn a_crash_loop_is_an_error_however_wrong_this_machine_s_clock_is() {
    let mut bench = Bench::new();
    bench.server("fast", "edge-1", "--restart always", "--exit 3 --after 0.5");
    bench.server("slow", "edge-1", "--restart on-failure", "--exit 3 --after 2");
    bench.mcp("start --all --settle 0");
    wait_until("both were restarted", || bench.restarts("fast") > 0 && bench.restarts("slow") > 0);
    for skew in SKEWS {
        let (_, rows) = bench.at(skew, "list");
        for row in rows.as_array().unwrap() {
            assert_eq!(row["status"], "error", "{skew}: {row}");
            assert!(row["uptime"].as_u64().is_none_or(|up| up < 30), "{skew}: {row}");
        }
        // `fast` ends within the settle time; `slow` has just been restarted and is up.
        let (code, report) = bench.at(skew, "start --all --settle 1s");
        let report = Report(report);
        assert_eq!(code, Some(1), "{skew}: {report:?}");
        assert_eq!(report.of(&bench.name("fast"), "edge-1")["outcome"], "failed", "{skew}: {report:?}");
        let slow = report.of(&bench.name("slow"), "edge-1");
        assert_ne!(slow["outcome"], "unchanged", "{skew}: {slow}");
        wait_until("it has crashed again", || bench.restarts("slow") > 0);
    }
    let report = bench.report("restart --all --settle 3s", 1);
    assert!(report.rows().iter().all(|row| row["outcome"] == "failed"), "{report:?}");
}

#[test]
fn start_restarts_a_container_that_runs_between_two_crashes_and_says_so() {
    let mut bench = Bench::new();
    let command = bench.server("dies", "edge-1", "--restart always", "--exit 3 --after 4");
    bench.by_hand(1, &command);
    wait_until("docker has restarted it and it runs", || {
        bench.restarts("dies") > 0 && bench.state(1, "dies") == "running"
    });
    let report = bench.report("start :dies --settle 100ms", 0);
    let row = report.row();
    assert_eq!((&row["outcome"], &row["action"]), (&"changed".into(), &"restarted".into()), "{row}");
    assert!(row["note"].as_str().is_some_and(|note| note.contains("loop")), "{row}");
    assert_eq!(bench.restarts("dies"), 0);
}

#[test]
fn start_fails_for_a_container_that_docker_calls_unhealthy_and_restart_restarts_it() {
    let mut bench = Bench::new();
    let health = "--health-cmd /none --health-interval 200ms --health-retries 1";
    bench.server("ill", "edge-1", health, "");
    bench.mcp("start :ill --settle 0");
    wait_until("docker calls it unhealthy", || bench.listed("ill")["health"] == "unhealthy");
    let started = bench.started_at(1, "ill");
    for settle in ["0", "1s"] {
        let report = bench.report(&format!("start :ill --settle {settle}"), 1);
        assert_eq!(report.row()["outcome"], "failed", "{report:?}");
        assert!(error(report.row(), "hint").contains("mcp restart"), "{report:?}");
    }
    assert_eq!(bench.started_at(1, "ill"), started, "it was left as it was");
    let report = bench.report("restart :ill --settle 2s", 1);
    assert_eq!(report.row()["outcome"], "failed", "unhealthy again within the settle time: {report:?}");
    assert_ne!(bench.started_at(1, "ill"), started);
    assert_eq!(bench.report("stop :ill", 0).row()["outcome"], "changed", "its health is no matter of a stop");
}

/// Crash loops of 0.5 to 20 s period, three policies, each clock: writes to target/loops.txt how many answers there were and how many were wrong.
#[test]
#[ignore = "takes four minutes; run it by name"]
fn crash_loops_of_every_period_give_no_wrong_answer() {
    let mut bench = Bench::new();
    let periods = ["0.5", "1", "2", "3", "5", "8", "10", "12", "15", "20"];
    let policies = ["always", "on-failure", "unless-stopped", "on-failure:500"];
    let mut shorts = vec![];
    for (n, period) in periods.iter().enumerate() {
        let short = format!("p{}", period.replace('.', "-"));
        let policy = policies[n % policies.len()];
        bench.server(&short, "edge-1", &format!("--restart {policy}"), &format!("--exit 3 --after {period}"));
        shorts.push((short, period.parse::<f64>().unwrap()));
    }
    bench.mcp("start --all --settle 0");
    let mut counts: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    let mut wrong = vec![];
    let mut count = |what: &'static str, is_wrong: bool, text: String| {
        let entry = counts.entry(what).or_default();
        entry.0 += 1;
        if is_wrong {
            entry.1 += 1;
            wrong.push(format!("{what}: {text}"));
        }
    };
    wait_until("the slowest was restarted", || shorts.iter().all(|(short, _)| bench.restarts(short) > 0));
    let until = Instant::now() + Duration::from_secs(75);
    while Instant::now() < until {
        for skew in SKEWS {
            let (_, rows) = bench.at(skew, "list");
            for row in rows.as_array().unwrap() {
                let is_wrong = row["status"] != "error" || row["uptime"].as_u64().is_some_and(|up| up > 21);
                count("list", is_wrong, format!("{skew}: {row}"));
            }
        }
    }
    for (verb, settle) in [("start", 0.0), ("start", 1.0), ("start", 3.0), ("restart", 0.0), ("restart", 3.0)] {
        for skew in SKEWS {
            wait_until("all are in their loops", || shorts.iter().all(|(short, _)| bench.restarts(short) > 0));
            let (code, report) = bench.at(skew, &format!("{verb} --all --settle {settle}s"));
            let report = Report(report);
            let failed = report.rows().iter().any(|row| row["outcome"] == "failed");
            count("exit code", code != Some(i32::from(failed)), format!("{verb}, {skew}: {code:?} {report:?}"));
            for (short, period) in &shorts {
                let row = report.of(&bench.name(short), "edge-1");
                let (outcome, status) = (&row["outcome"], &row["status"]["status"]);
                let is_failed = outcome == "failed" && status == "error";
                let is_restarted = outcome == "changed" && status == "running";
                // A loop that is shorter than the settle time is seen by it; of a longer one it depends on when the host looks.
                let is_right = is_failed || is_restarted && period + 0.6 >= settle;
                count(verb, !is_right, format!("{skew}, period {period}, settle {settle}: {row}"));
            }
        }
    }
    let figures = concat!(env!("CARGO_MANIFEST_DIR"), "/target/loops.txt");
    std::fs::write(figures, format!("answers and wrong ones: {counts:?}\n")).unwrap();
    assert!(wrong.is_empty(), "{} wrong answers: {}", wrong.len(), wrong.join("\n"));
}
