//! The matrix: every command under every fault that concerns it.
//!
//! `cargo test --test faults` runs a selection; `MCP_FAULTS=all cargo test --test faults matrix -- --nocapture` runs all of it, and
//! `MCP_FAULTS='restart × !Drip'` those whose name has all of these words, and none of those behind a `!`. The report is `target/faults.json`.

use std::{collections::VecDeque, sync::Mutex, time::Instant};

use serde_json::{Value, json};

use crate::{
    fault::{Deed, Fault, Kind, Place},
    hosts::{Grounds, has},
    judge::{judge, rows},
    pair::course,
    table::faults,
    verb::Verb,
};

/// Pairs at once on the rig that they share. Most of a pair is waiting.
const LANES: usize = 6;
/// Rigs for pairs that take a machine.
const OWN_RIGS: usize = 2;

/// Faults whose pairs are known to break a promise, and why. A pair of them that keeps all of them fails the test, so that this list stays true.
const LEFT: [(&str, &str); 1] = [(
    "docker acts with endless output",
    "the script holds what a command that acts says in a variable of the host's shell, without a bound",
)];

fn is_left(fault: &Fault) -> bool {
    LEFT.iter().any(|(name, _)| *name == fault.name)
}

struct Pair<'a> {
    verb: Verb,
    fault: &'a Fault,
}

impl Pair<'_> {
    fn name(&self) -> String {
        format!("{} × {}", self.verb.name(), self.fault.name)
    }
}

fn pairs(faults: &[Fault]) -> Vec<Pair<'_>> {
    let of = |fault| Verb::ALL.into_iter().map(move |verb| Pair { verb, fault });
    faults.iter().flat_map(of).filter(|pair| concerns(pair.fault, pair.verb)).collect()
}

fn concerns(fault: &Fault, verb: Verb) -> bool {
    (fault.concerns)(verb)
}

/// What the pair needs of this machine and is not there.
fn missing(fault: &Fault) -> Option<&'static str> {
    let needs = match fault.kind {
        Kind::Host(lines) => lines.strip_prefix("user: ").unwrap_or_default(),
        Kind::Moment(_, Deed::ClockForward | Deed::ClockBack | Deed::HostClockForward | Deed::HostClockBack) => "clock",
        _ => "",
    };
    (!has(needs)).then_some("apt-get install fish tcsh libfaketime")
}

/// A pair that has run.
struct Done {
    name: String,
    wrong: Vec<String>,
    seconds: f64,
    report: Value,
}

fn one(grounds: &Grounds, pair: &Pair<'_>) -> Done {
    let begin = Instant::now();
    let name = pair.name();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let course = course(grounds, pair.verb, pair.fault);
        let wrong = judge(pair.verb, pair.fault, &course);
        let second = rows(pair.verb, &course.ran).unwrap_or_default().into_iter().find(|row| row.host == "edge-2");
        let second = second.map(|row| row.show());
        (
            wrong,
            json!({"exit": course.ran.code, "seconds": course.ran.elapsed.as_secs_f64(), "edge-2": second, "stderr": course.ran.err}),
        )
    }));
    let (wrong, mut report) = result.unwrap_or_else(|panic| {
        let text =
            panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        (vec![format!("the harness: {}", text.unwrap_or_default())], json!({}))
    });
    report["pair"] = name.clone().into();
    report["wrong"] = wrong.clone().into();
    Done { name, wrong, seconds: begin.elapsed().as_secs_f64(), report }
}

/// Runs `pairs` and gives them with what is wrong with each.
fn run_all(pairs: Vec<Pair<'_>>) -> Vec<Done> {
    let (own, shared): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|pair| pair.fault.takes_the_machine());
    let done = Mutex::new(vec![]);
    let (own, shared) = (Mutex::new(VecDeque::from(own)), Mutex::new(VecDeque::from(shared)));
    let work = |grounds: &Grounds, queue: &Mutex<VecDeque<Pair<'_>>>| {
        loop {
            let Some(pair) = queue.lock().unwrap().pop_front() else { return };
            let result = one(grounds, &pair);
            let mark = if result.wrong.is_empty() { "ok" } else { "WRONG" };
            println!("{mark:5} {:5.1} s  {}", result.seconds, result.name);
            for line in &result.wrong {
                println!("        {line}");
            }
            done.lock().unwrap().push(result);
        }
    };
    std::thread::scope(|scope| {
        if !own.lock().unwrap().is_empty() {
            for _ in 0..OWN_RIGS {
                scope.spawn(|| work(&Grounds::new(), &own));
            }
        }
        if shared.lock().unwrap().is_empty() {
            return;
        }
        let grounds = Grounds::new();
        std::thread::scope(|scope| {
            for _ in 0..LANES {
                scope.spawn(|| work(&grounds, &shared));
            }
        });
    });
    done.into_inner().unwrap()
}

/// The pairs of a run without `MCP_FAULTS`: some of each kind, spread over the commands.
fn selection(pairs: Vec<Pair<'_>>) -> Vec<Pair<'_>> {
    let is_slow = |fault: &Fault| {
        let name = &fault.name;
        ["Silence", "Drip", "hangs", "Stop", "Freeze", "slow", "endless", "Unanswered"]
            .iter()
            .any(|word| name.contains(word))
    };
    let mut all = vec![];
    let faults: Vec<&str> = pairs.iter().map(|pair| pair.fault.name.as_str()).collect();
    let mut seen: Vec<&str> = vec![];
    for name in faults {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    for pair in pairs {
        let number = seen.iter().position(|name| *name == pair.fault.name).unwrap();
        let verbs: Vec<Verb> = Verb::ALL.into_iter().filter(|verb| concerns(pair.fault, *verb)).collect();
        // One command for each quick fault, another for each; of the slow ones every fourth.
        let is_in = verbs[number % verbs.len()] == pair.verb && (!is_slow(pair.fault) || number % 4 == 0);
        if is_in && !is_left(pair.fault) && !matches!(pair.fault.kind, Kind::Place(Place::ClosedPipe)) {
            all.push(pair);
        }
    }
    all
}

#[test]
fn every_command_keeps_its_promises_under_every_fault() {
    let faults = faults();
    let all = pairs(&faults);
    let size = all.len();
    let chosen = match std::env::var("MCP_FAULTS").as_deref() {
        Ok("all") => all,
        Ok(words) => {
            let has = |pair: &Pair<'_>, word: &str| match word.strip_prefix('!') {
                Some(word) => !pair.name().contains(word),
                None => pair.name().contains(word),
            };
            let is_in = |pair: &Pair<'_>| words.split_whitespace().all(|word| has(pair, word));
            all.into_iter().filter(is_in).collect()
        }
        Err(_) => selection(all),
    };
    let (chosen, left): (Vec<_>, Vec<_>) = chosen.into_iter().partition(|pair| missing(pair.fault).is_none());
    for pair in &left {
        println!("not run: {} needs {}", pair.name(), missing(pair.fault).unwrap_or_default());
    }
    assert!(!chosen.is_empty(), "no pair has that name");
    let begin = Instant::now();
    let mut done = run_all(chosen);
    done.sort_by(|a, b| a.name.cmp(&b.name));
    let is_left = |pair: &Done| LEFT.iter().any(|(fault, _)| pair.name.ends_with(fault));
    for (fault, why) in LEFT {
        println!("left: {fault}: {why}");
    }
    let wrong: Vec<&Done> = done.iter().filter(|pair| pair.wrong.is_empty() == is_left(pair)).collect();
    let slowest = done.iter().filter_map(|pair| pair.report["seconds"].as_f64()).fold(0.0, f64::max);
    println!(
        "{size} pairs in the matrix; {} run in {:.0} s, {} not run, {} wrong; the longest run of mcp took {slowest:.1} s",
        done.len(),
        begin.elapsed().as_secs_f64(),
        left.len(),
        wrong.len(),
    );
    let report = json!({"size": size, "pairs": done.iter().map(|pair| &pair.report).collect::<Vec<_>>()});
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("faults.json");
    std::fs::write(&path, serde_json::to_string_pretty(&report).unwrap()).unwrap();
    println!("the report is {}", path.display());
    let names: Vec<String> =
        wrong.iter().map(|pair| format!("{}\n    {}", pair.name, pair.wrong.join("\n    "))).collect();
    assert!(names.is_empty(), "{} pairs broke a promise:\n{}", names.len(), names.join("\n"));
}
