//! Replacements that are cut or killed at random: the next command leaves one container that runs, and a repetition converges.

#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "the figures are for whoever runs it")]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    bench::{straight, through},
    dice::Random,
    proxy::Way,
    rig::Rig,
    support::{Answer, Bench, gist, wait_until},
};

const KINDS: [&str; 5] = ["cut", "mcp", "script", "both", "sshd"];

/// Every container of this bench on its host: name, state, version.
fn containers(bench: &Bench<'_>) -> Vec<String> {
    let filter = format!("name=^/?{}", bench.name(""));
    let format = "{{.Names}} {{.State}} {{.Label \"version\"}}";
    let mut all: Vec<String> = bench
        .rig
        .docker_text(1, &["ps", "-a", "--filter", &filter, "--format", format])
        .lines()
        .map(str::to_owned)
        .collect();
    all.sort();
    all
}

fn register(bench: &mut Bench<'_>, version: usize, is_good: bool) {
    let options = format!("-l version={version} --restart always");
    bench.server("a", "edge-1", &options, if is_good { "" } else { "--exit 3" });
}

/// Disturbs `rounds` replacements, every third of them by a string that does not work, and gives how many ended how.
fn disturbed(rounds: usize) -> BTreeMap<String, usize> {
    let mut random = Random::of_environment();
    // Connections and scripts are killed, so nobody else may have any there.
    let rig = Rig::own(1);
    let mut bench = Bench::on(&rig);
    register(&mut bench, 0, true);
    bench.report("start :a --settle 0", 0);
    let begin = Instant::now();
    register(&mut bench, 1, true);
    bench.report("restart :a --settle 1s", 0);
    let (whole, mut running) = (begin.elapsed(), 1);
    let mut counts = BTreeMap::new();
    for round in 2..rounds + 2 {
        let (kind, is_good) = (KINDS[random.below(KINDS.len())], random.below(3) != 0);
        register(&mut bench, round, is_good);
        let proxy = through(&bench, None);
        let mut child = bench.spawn("restart :a --settle 1s --timeout 20s -o json");
        let moment = whole.mul_f64(random.below(1200) as f64 / 1000.0);
        std::thread::sleep(moment);
        let script = || drop(bench.by_hand(1, "pkill -KILL -f 'mcp_m=mc[p]' || true"));
        match kind {
            "cut" => proxy.cut(Way::Reset),
            "mcp" => child.kill().unwrap(),
            "script" => script(),
            "both" => {
                child.kill().unwrap();
                script();
            }
            _ => drop(bench.by_hand(1, "pkill -KILL -f '^sshd: root' || true")),
        }
        let answer = Answer::of(child.wait_with_output().unwrap());
        straight(&bench);
        let what = format!("round {round}, {kind} after {} ms, good: {is_good}, {answer:?}", moment.as_millis());
        // A script that lost its connection goes on; the next command waits for its lease.
        let said: Option<Value> = serde_json::from_str(&answer.out).ok();
        let outcome = said.as_ref().and_then(|v| v["instances"][0]["outcome"].as_str()).unwrap_or("died").to_owned();
        let before = containers(&bench);
        let next = bench.mcp("start :a --settle 1s -o json");
        let after = containers(&bench);
        assert!(after.len() == 1, "{what}: {before:?} -> {after:?}: {next:?}");
        let name = bench.name("a");
        let is = |version: usize| after[0] == format!("{name} running {version}");
        assert!(is(running) || (is_good && is(round)), "{what}: {before:?} -> {after:?}: {next:?}");
        let policy = bench.inspect(1, "a", "{{.HostConfig.RestartPolicy.Name}}");
        assert_eq!(policy, "always", "{what}");
        *counts.entry(format!("{kind}: {outcome}")).or_insert(0) += 1;
        // Repeated, it converges.
        let code = i32::from(!is_good);
        let again = bench.report("restart :a --settle 1s", code);
        let after = containers(&bench);
        if is_good {
            running = round;
            assert!(gist(again.row()).ends_with(" running"), "{what}: {again:?}");
        } else {
            assert_eq!(gist(again.row()), "rolled_back - running", "{what}: {again:?}");
        }
        assert_eq!(after, [format!("{name} running {running}")], "{what}: {again:?}");
    }
    wait_until("no script is at work", || bench.by_hand(1, "pgrep -fc 'mcp_m=mc[p]' || true") == "0");
    let each = begin.elapsed().as_secs_f64() / rounds as f64;
    println!("{rounds} replacements disturbed, all with one container afterwards: {counts:?}, {each:.1} s each");
    counts
}

#[test]
fn a_replacement_that_is_cut_or_killed_leaves_one_container_after_the_next_command() {
    disturbed(5);
}

/// Further rounds: `MCP_ROUNDS=200 cargo test --test lost -- --ignored --nocapture replacing`.
#[test]
#[ignore = "takes minutes"]
fn hundreds_of_replacements_that_are_cut_or_killed_leave_one_container_each() {
    let rounds = std::env::var("MCP_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(200);
    assert!(!disturbed(rounds).is_empty());
}

/// Seconds without an answer while a server is replaced, seen by a client in a loop: a good string, and one that does not come up.
#[test]
#[ignore = "prints figures"]
fn seconds_without_an_answer() {
    let rig = Rig::own(1);
    let mut bench = Bench::on(&rig);
    let port = bench.scratch.port();
    let publish = format!("-p 127.0.0.1:{port}:8080");
    bench.server("a", "edge-1", &publish, "");
    bench.report("start :a", 0);
    for (what, options, arguments) in [
        ("a good string", "-l version=2", ""),
        ("a network that is not there", "--network nope", ""),
        ("a crash at once", "", "--exit 3"),
        ("a crash after 1 s", "", "--exit 3 --after 1"),
    ] {
        bench.server("a", "edge-1", &format!("{publish} {options}"), arguments);
        let child = bench.spawn("restart :a");
        // The loop runs beside the server, on its host: one line for each try.
        let client = format!(
            "i=0; while [ $i -lt 120 ]; do if (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null; then echo up; else echo down; fi; sleep 0.1; i=$((i+1)); done"
        );
        let begin = Instant::now();
        let tries = bench.rig.on(1, &["bash", "-c", &client]);
        let each = begin.elapsed() / 120;
        let down = u32::try_from(tries.lines().filter(|line| *line == "down").count()).unwrap();
        let answer = Answer::of(child.wait_with_output().unwrap());
        println!(
            "{what}: {:.1} s without an answer, {}",
            (each * down).as_secs_f64(),
            answer.err.lines().last().unwrap_or("")
        );
        assert!(each < Duration::from_secs(1));
        bench.mcp("start :a");
    }
}
