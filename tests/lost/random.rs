//! Cuts at random: every row is held against the engine's own word.

#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "the figures are for whoever runs it")]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    bench::{straight, through},
    dice::Random,
    proxy::{Cut, Direction, Way},
    rig::Rig,
    support::{Answer, Bench, Report, wait_until},
};

const NAMES: [&str; 3] = ["one", "two", "slow"];

/// What a whole restart takes.
struct Whole {
    to_host: usize,
    to_client: usize,
    elapsed: Duration,
}

fn whole(bench: &Bench<'_>, words: &str) -> Whole {
    let begin = Instant::now();
    let proxy = through(bench, None);
    bench.report(words, 0);
    let (to_host, to_client) = proxy.passed();
    Whole { to_host, to_client, elapsed: begin.elapsed() }
}

fn starts(bench: &Bench<'_>) -> Vec<String> {
    NAMES.iter().map(|name| bench.inspect(1, name, "{{.State.StartedAt}} {{.State.Status}}")).collect()
}

/// Runs `restart` with its connection cut somewhere and gives how it was cut and the answer.
fn round(bench: &Bench<'_>, random: &mut Random, whole: &Whole) -> (String, Answer) {
    let way = [Way::Fin, Way::Reset, Way::Reset, Way::Silence][random.below(4)];
    let kind = ["to-host", "to-host", "to-client", "time", "sshd"][random.below(5)];
    let limit = if kind == "to-host" { whole.to_host } else { whole.to_client };
    // Most of a connection's bytes pass before anything is done; three cuts of four come later.
    let after = if random.below(4) == 0 { random.below(limit) } else { limit / 2 + random.below(limit / 2) };
    let moment = whole.elapsed.mul_f64(random.below(1000) as f64 / 1000.0);
    let direction = if kind == "to-host" { Direction::ToHost } else { Direction::ToClient };
    let proxy = through(bench, kind.starts_with("to-").then_some(Cut { direction, after, way }));
    // Silence is only known by a deadline.
    let deadline = if way == Way::Silence { "--timeout 4s" } else { "" };
    let child = bench.spawn(&format!("restart --all --settle 0 -o json {deadline}"));
    let how = match kind {
        "time" => {
            std::thread::sleep(moment);
            proxy.cut(way);
            format!("{way:?} after {} ms", moment.as_millis())
        }
        "sshd" => {
            std::thread::sleep(moment);
            bench.by_hand(1, "pkill -KILL -f '^sshd: root' || true");
            format!("sshd killed after {} ms", moment.as_millis())
        }
        _ => format!("{way:?} {kind} {after}"),
    };
    (how, Answer::of(child.wait_with_output().unwrap()))
}

/// Cuts `rounds` restarts at random and gives how many rows said what. Panics with all of it when one was wrong.
fn rows_of(rounds: usize) -> BTreeMap<String, usize> {
    let mut random = Random::of_environment();
    // Connections are killed and processes counted, so nobody else may have any there.
    let rig = Rig::own(1);
    let mut bench = Bench::on(&rig);
    bench.server("one", "edge-1", "", "");
    bench.server("two", "edge-1", "", "");
    bench.server("slow", "edge-1", "--stop-timeout 1", "--ignore-term");
    bench.report("start --all --settle 0", 0);
    let whole = whole(&bench, "restart --all --settle 0");
    let mut counts = BTreeMap::new();
    let mut wrong = vec![];
    let begin = Instant::now();
    for number in 0..rounds {
        let before = starts(&bench);
        let (how, answer) = round(&bench, &mut random, &whole);
        straight(&bench);
        // What the host does after the answer belongs to the truth.
        wait_until("no script is at work", || bench.by_hand(1, "pgrep -fc 'mcp_m=mc[p]' || true") == "0");
        let after = starts(&bench);
        let report: Value = serde_json::from_str(&answer.out).unwrap_or_else(|e| panic!("{e}: {how}: {answer:?}"));
        let report = Report(report);
        for (index, name) in NAMES.iter().enumerate() {
            let row = report.of(&bench.name(name), "edge-1");
            let said = row["outcome"].as_str().unwrap();
            let restarted = before[index] != after[index];
            let is_right = match said {
                "changed" => restarted && after[index].ends_with(" running"),
                "not_done" | "unreachable" => !restarted,
                "unknown" => true,
                _ => false,
            };
            let what = match (said, row["note"].as_str()) {
                ("changed", Some(_)) => "confirmed",
                _ => said,
            };
            *counts.entry(what.to_owned()).or_insert(0) += 1;
            if !is_right {
                wrong.push(format!("round {number}, {how}: {name} {} -> {}: {row}", before[index], after[index]));
            }
            if said == "unknown" {
                println!("round {number}, {how}: {row}");
            }
        }
        // A container must not be left stopped for the next round by this one's doing alone.
        assert!(after.iter().all(|state| state.ends_with(" running")), "{how}: {after:?}");
    }
    let each = begin.elapsed().as_secs_f64() / rounds as f64;
    println!("{rounds} rounds, {} rows wrong, {counts:?}, {each:.1} s a round", wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    counts
}

#[test]
fn rows_are_right_wherever_a_restart_is_cut() {
    rows_of(12);
}

/// Further rounds: `MCP_ROUNDS=200 cargo test --test lost -- --ignored --nocapture`.
#[test]
#[ignore = "takes minutes"]
fn rows_are_right_wherever_hundreds_of_restarts_are_cut() {
    let rounds = std::env::var("MCP_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(200);
    let counts = rows_of(rounds);
    assert!(counts.contains_key("confirmed") && counts.contains_key("not_done"), "{counts:?}");
}
