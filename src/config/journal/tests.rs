#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_778_754_000 + second).unwrap()
}

fn instance(text: &str) -> Instance {
    text.parse().unwrap()
}

fn id(text: &str) -> RunId {
    RunId::try_from(text.to_owned()).unwrap()
}

fn begin(instances: &[&str], parent: Option<&str>) -> Entry {
    Entry::Begin(Box::new(Begin {
        verb: "restart".into(),
        command: vec!["restart".into(), "--all".into()],
        who: Who { user: "ana".into(), machine: "laptop".into(), sudo_user: None, from: Some("192.0.2.7".into()) },
        process: Process { pid: 4711, started: Some(99) },
        version: "0.1.0".into(),
        parent: parent.map(id),
        options: RunOptions { settle_ms: 1000, serial: Some("1,25%".into()), ..RunOptions::default() },
        instances: instances.iter().map(|i| instance(i)).collect(),
        batches: vec![],
    }))
}

fn result(name: &str, outcome: &str) -> Entry {
    let cause = (outcome == "failed").then(|| "it did not".to_owned());
    Entry::Result(Done { instance: instance(name), outcome: outcome.into(), action: None, seconds: 1.5, cause })
}

fn line(seq: u64, run: &str, entry: Entry) -> String {
    Line { v: VERSION, seq, at: at(i64::try_from(seq).unwrap()), run: id(run), entry }.to_text().unwrap()
}

fn read(lines: &[String]) -> Runs {
    let mut runs = Runs::default();
    lines.iter().for_each(|line| runs.take(line.as_bytes()));
    runs
}

fn left(runs: &Runs, run: &str) -> Vec<String> {
    runs.left(runs.get(&id(run)).unwrap()).iter().map(ToString::to_string).collect()
}

#[test]
fn the_released_version_1_still_reads() {
    let mut runs = Runs::default();
    include_str!("../../../fixtures/workspaces/v1/journal.jsonl").lines().for_each(|l| runs.take(l.as_bytes()));
    assert_eq!((runs.skipped, runs.runs.len()), (0, 2));
    let run = &runs.runs[0];
    assert_eq!((run.begin.verb.as_str(), run.begin.who.from.as_deref()), ("restart", Some("192.0.2.7")));
    assert_eq!(run.outcome(&instance("finance@edge-2")), "failed");
    assert_eq!(run.outcome(&instance("finance@edge-3")), "unknown");
    assert_eq!(run.end, None);
    assert_eq!(left(&runs, "260514-101502-k3qx"), ["finance@edge-3"]);
}

#[test]
fn a_line_reads_back_and_leaves_out_what_is_at_its_default() {
    let text = line(3, "a", begin(&["x@h"], Some("b")));
    assert!(!text.contains('\n') && !text.contains("recreate") && !text.contains("batches"), "{text}");
    assert!(text.starts_with(r#"{"v":1,"seq":3,"at":""#), "{text}");
    let parsed = Line::parse(text.as_bytes()).unwrap();
    assert_eq!(parsed.to_text().unwrap(), text);
}

#[test]
fn what_cannot_be_read_is_counted_and_what_is_not_known_is_passed_over() {
    let runs = read(&[
        line(0, "a", begin(&["x@h", "y@h"], None)),
        r#"{"v":1,"seq":1,"at":"2026-05-14T10:15:03Z","run":"a","kind":"resu"#.into(),
        String::new(),
        r#"{"v":2,"seq":2,"at":"2026-05-14T10:15:03Z","run":"a","kind":"result","instance":"x@h","outcome":"changed"}"#.into(),
        r#"{"v":1,"seq":3,"at":"2026-05-14T10:15:03Z","run":"a","kind":"hook","what":[]}"#.into(),
        r#"{"v":1,"seq":4,"at":"2026-05-14T10:15:03Z","run":"a","kind":"result","instance":"y@h","outcome":"changed","new":1}"#.into(),
        line(5, "gone", result("x@h", "changed")),
    ]);
    assert_eq!((runs.skipped, runs.runs.len()), (2, 1));
    assert_eq!(left(&runs, "a"), ["x@h"]);
}

#[test]
fn everything_but_success_is_left() {
    let planned = ["a@h", "b@h", "c@h", "d@h", "e@h", "f@h"];
    let runs = read(&[
        line(0, "r", begin(&planned, None)),
        line(1, "r", Entry::Attempt { instances: vec![instance("a@h"), instance("e@h")] }),
        line(2, "r", result("a@h", "changed")),
        line(3, "r", result("b@h", "unchanged")),
        line(4, "r", result("c@h", "failed")),
        line(5, "r", result("d@h", "unreachable")),
    ]);
    assert_eq!(left(&runs, "r"), ["c@h", "d@h", "e@h", "f@h"]);
    let run = &runs.runs[0];
    let words: Vec<_> = planned.iter().map(|i| run.outcome(&instance(i))).collect();
    assert_eq!(words, ["changed", "unchanged", "failed", "unreachable", "unknown", "not_attempted"]);
}

#[test]
fn a_chain_of_resumed_runs_is_one_piece_of_work() {
    let mut lines = vec![
        line(0, "a", begin(&["w@h", "x@h", "y@h", "z@h"], None)),
        line(1, "a", result("w@h", "changed")),
        // Another run in between has nothing to do with it.
        line(2, "other", begin(&["y@h"], None)),
        line(3, "other", result("y@h", "changed")),
        line(4, "b", begin(&["x@h", "y@h"], Some("a"))),
        line(5, "b", result("x@h", "changed")),
        line(6, "b", result("y@h", "failed")),
    ];
    assert_eq!(left(&read(&lines), "b"), ["y@h", "z@h"]);
    assert_eq!(left(&read(&lines), "a"), ["y@h", "z@h"], "what came later counts for the first of the chain too");
    lines.push(line(7, "c", begin(&["y@h", "z@h"], Some("b"))));
    lines.push(line(8, "c", result("y@h", "unchanged")));
    lines.push(line(9, "c", result("z@h", "changed")));
    for run in ["a", "b", "c"] {
        assert!(left(&read(&lines), run).is_empty());
    }
}

#[test]
fn a_chain_that_bites_its_tail_ends() {
    let runs = read(&[line(0, "a", begin(&["x@h"], Some("b"))), line(0, "b", begin(&["x@h"], Some("a")))]);
    assert_eq!(left(&runs, "a"), ["x@h"]);
}

#[test]
fn a_run_is_found_by_its_id_or_either_end_of_it() {
    let runs =
        read(&[line(0, "260514-101502-k3qx", begin(&[], None)), line(1, "260514-101503-aaaa", begin(&[], None))]);
    let found = |text: &str| runs.find(text).len();
    assert_eq!((found("k3qx"), found("260514-101503"), found("260514"), found("zz")), (1, 1, 2, 0));
}

#[test]
fn ids_sort_by_time_and_differ_within_a_second() {
    let ids: std::collections::BTreeSet<RunId> = (0..200).map(|_| RunId::new(at(0))).collect();
    assert!(ids.len() > 195, "{}", ids.len());
    assert!(ids.iter().all(|id| id.as_str().len() == 18 && *id < RunId::new(at(1))));
    assert!(RunId::try_from("../x".to_owned()).is_err());
}

#[test]
fn a_cause_is_one_short_line_without_secrets() {
    let cause = Done::cause(&format!("docker: bad API_KEY=s3cr3t {}\nsecond", "x".repeat(1000)));
    assert!(cause.len() <= 520 && !cause.contains("s3cr3t") && !cause.contains('\n'), "{cause}");
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "\\{\"v\":1.{0,80}") {
        let mut runs = Runs::default();
        runs.take(&bytes);
        runs.take(text.as_bytes());
        prop_assert!(runs.runs.is_empty());
    }
}
