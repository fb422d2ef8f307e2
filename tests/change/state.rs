//! `state.yaml` under several `mcp` at once, and under `kill -9`.

use std::process::Child;

use serde_json::Value;

use crate::support::{Answer, Bench};

/// What `mcp list --cached` shows, each as `name status`, sorted.
fn cached(bench: &Bench<'_>) -> Vec<String> {
    let answer = bench.mcp("list --cached -o json");
    answer.says(0, &[]);
    let rows: Vec<Value> = serde_json::from_str(&answer.out).unwrap();
    rows.iter().map(|r| format!("{} {}", r["name"].as_str().unwrap(), r["status"].as_str().unwrap())).collect()
}

#[test]
fn several_mcp_at_once_lose_nothing() {
    let mut bench = Bench::new();
    let names: Vec<String> = (0..8).map(|index| format!("s{index}")).collect();
    for (index, short) in names.iter().enumerate() {
        bench.server(short, &format!("edge-{}", index % 3 + 1), "", "");
    }
    let all = |verb: &str, status: &str| {
        let children: Vec<Child> = names.iter().map(|short| bench.spawn(&format!("{verb} :{short}"))).collect();
        for child in children {
            Answer::of(child.wait_with_output().unwrap()).says(0, &[]);
        }
        let expected: Vec<String> = names.iter().map(|short| format!("{} {status}", bench.name(short))).collect();
        assert_eq!(cached(&bench), expected, "after {verb}");
    };
    all("start", "running");
    all("stop", "stopped");
}

#[test]
fn a_killed_mcp_leaves_files_that_load() {
    let mut bench = Bench::new();
    for index in 0..3 {
        bench.server(&format!("s{index}"), &format!("edge-{}", index + 1), "", "");
    }
    bench.report("start --all --settle 0", 0);
    let servers = bench.scratch.read("servers.yaml");
    let begin = std::time::Instant::now();
    bench.report("start --all", 0);
    let whole = begin.elapsed();
    let (mut killed, mut round) = (0, 0_u32);
    // More rounds where most were over before: how long a run takes is not the same twice.
    while round < 20 || (killed <= 5 && round < 100) {
        let mut child = bench.spawn("start --all");
        // Spread over a whole run and a little more, where it writes.
        std::thread::sleep(whole.mul_f64(1.1) * (round % 20) / 20);
        child.kill().unwrap();
        let answer = Answer::of(child.wait_with_output().unwrap());
        killed += u32::from(answer.code.is_none());
        assert_eq!(cached(&bench).len(), 3, "round {round}");
        bench.mcp("check").says(0, &[]);
        round += 1;
    }
    assert!(killed > 5, "only {killed} of {round} were killed in time");
    assert_eq!(bench.scratch.read("servers.yaml"), servers);
    assert_eq!(bench.report("start --all", 0).rows().len(), 3, "no lock is left");
}
