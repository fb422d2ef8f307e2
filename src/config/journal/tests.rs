#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]

use proptest::prelude::*;

use super::*;
use crate::domain::Instance;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_778_754_000 + second).unwrap()
}

fn instance(text: &str) -> Instance {
    text.parse().unwrap()
}

fn target(text: &str) -> Target {
    Target::Instance(instance(text))
}

fn host(text: &str) -> HostName {
    HostName::one_shot(text).unwrap()
}

fn id(text: &str) -> RunId {
    RunId::try_from(text.to_owned()).unwrap()
}

fn begin(instances: &[&str], parent: Option<&str>) -> Entry {
    Entry::Begin(Box::new(Begin {
        verb: "restart".into(),
        command: vec!["restart".into(), "--all".into()],
        who: Who {
            actor: None,
            user: "ana".into(),
            uid: Some(1000),
            machine: "laptop".into(),
            sudo_user: None,
            from: Some("192.0.2.7".into()),
        },
        process: Process { pid: 4711, started: Some(99) },
        version: "0.1.0".into(),
        parent: parent.map(id),
        options: RunOptions { settle_ms: 1000, serial: Some("1,25%".into()), ..RunOptions::default() },
        targets: Targets::Instances(instances.iter().map(|i| instance(i)).collect()),
        batches: vec![],
        directory: None,
        sources: vec![],
        addresses: vec![],
        again: None,
    }))
}

fn result(name: &str, outcome: &str) -> Entry {
    let cause = (outcome == "failed").then(|| "it did not".to_owned());
    Entry::Result(Done {
        target: target(name),
        outcome: outcome.into(),
        exit_code: None,
        action: None,
        seconds: 1.5,
        cause,
    })
}

fn line(seq: u64, run: &str, entry: Entry) -> String {
    Line { v: entry.version(), seq, at: at(i64::try_from(seq).unwrap()), run: id(run), entry }.to_text().unwrap()
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
    assert_eq!(run.outcome(&target("finance@edge-2")), "failed");
    assert_eq!(run.outcome(&target("finance@edge-3")), "unknown");
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
        r#"{"v":3,"seq":2,"at":"2026-05-14T10:15:03Z","run":"a","kind":"result","instance":"x@h","outcome":"changed"}"#.into(),
        r#"{"v":1,"seq":3,"at":"2026-05-14T10:15:03Z","run":"a","kind":"hook","what":[]}"#.into(),
        r#"{"v":1,"seq":4,"at":"2026-05-14T10:15:03Z","run":"a","kind":"result","instance":"y@h","outcome":"changed","new":1}"#.into(),
        line(5, "gone", result("x@h", "changed")),
    ]);
    assert_eq!((runs.skipped, runs.runs.len()), (2, 1));
    assert_eq!(left(&runs, "a"), ["x@h"]);
}

fn begin_on_hosts(hosts: &[&str], again: Option<Again>) -> Entry {
    let Entry::Begin(begin) = begin(&[], None) else { panic!("it begins") };
    let hosts: Vec<HostName> = hosts.iter().map(|name| host(name)).collect();
    let batches = hosts.iter().map(|name| vec![name.clone()]).collect();
    let targets = Targets::Hosts(hosts.clone());
    Entry::Begin(Box::new(Begin { verb: "exec".into(), targets, batches, addresses: hosts, again, ..*begin }))
}

fn result_on_host(name: &str, outcome: &str, exit_code: Option<i32>) -> Entry {
    let (outcome, cause) = (outcome.to_owned(), None);
    Entry::Result(Done { target: Target::Host(host(name)), outcome, exit_code, action: None, seconds: 0.1, cause })
}

#[test]
fn hosts_of_every_name_survive_the_journal_with_what_is_needed_to_do_it_again() {
    let names = ["web-01", "root@10.0.0.5:2222", "[::1]:22", "::", "fe80::1%eth0", "ops@web1"];
    let hosts: Vec<HostName> = names.iter().map(|n| HostName::new(*n).unwrap_or_else(|_| host(n))).collect();
    let known = KnownFile { path: "/x/y".into(), size: 3, modified: 1_778_754_000_123_456_789 };
    let exec = ExecAgain { command: vec!["a".into()], stdin: Some(known), gather: true, ..ExecAgain::default() };
    let Entry::Begin(begin) = begin_on_hosts(&[], Some(Again::Exec(exec.clone()))) else { panic!("it begins") };
    let (targets, batches) = (Targets::Hosts(hosts.clone()), vec![hosts.clone()]);
    let begin = Begin { targets, batches, addresses: hosts.clone(), ..*begin };
    let mut lines = vec![line(0, "r", Entry::Begin(Box::new(begin)))];
    lines.push(line(1, "r", Entry::Attempt { targets: Targets::Hosts(vec![hosts[1].clone(), hosts[2].clone()]) }));
    lines.push(line(2, "r", result_on_host(names[0], "ok", Some(0))));
    lines.push(line(3, "r", result_on_host(names[1], "failed", Some(3))));
    assert!(lines.iter().all(|line| line.starts_with(r#"{"v":2,"#)), "{lines:?}");
    assert!(lines[3].contains(r#""host":"root@10.0.0.5:2222","outcome":"failed","exit_code":3"#), "{}", lines[3]);
    let runs = read(&lines);
    assert_eq!(runs.skipped, 0);
    let run = &runs.runs[0];
    assert_eq!((&run.begin.batches, &run.begin.addresses), (&vec![hosts.clone()], &hosts));
    assert_eq!(run.begin.again, Some(Again::Exec(exec)));
    assert_eq!(left(&runs, "r"), names[1..]);
    let outcomes: Vec<_> = run.begin.targets.list().iter().map(|t| run.outcome(t).to_owned()).collect();
    assert_eq!(outcomes, ["ok", "failed", "unknown", "not_attempted", "not_attempted", "not_attempted"]);
}

#[test]
fn a_line_has_the_lowest_version_that_can_say_it() {
    let end = Entry::End(End { exit: 0, counts: BTreeMap::new(), interrupted: false, halted: None });
    let attempt = Entry::Attempt { targets: Targets::Instances(vec![instance("x@h")]) };
    let entries = [begin(&["x@h"], None), attempt, result("x@h", "changed"), end];
    assert_eq!(entries.map(|entry| entry.version()), [1; 4]);
}

#[test]
fn a_file_to_hosts_reads_back() {
    let copy = CopyAgain {
        file: KnownFile { path: "/x/y".into(), size: 3, modified: -1 },
        destination: "/etc/".into(),
        mode: 0o644,
        owner: Some("root".into()),
        parents: true,
        backup: false,
    };
    let runs = read(&[line(0, "r", begin_on_hosts(&["h"], Some(Again::Copy(copy.clone()))))]);
    assert_eq!(runs.runs[0].begin.again, Some(Again::Copy(copy)));
}

#[test]
fn everything_but_success_is_left() {
    let planned = ["a@h", "b@h", "c@h", "d@h", "e@h", "f@h"];
    let runs = read(&[
        line(0, "r", begin(&planned, None)),
        line(1, "r", Entry::Attempt { targets: Targets::Instances(vec![instance("a@h"), instance("e@h")]) }),
        line(2, "r", result("a@h", "changed")),
        line(3, "r", result("b@h", "unchanged")),
        line(4, "r", result("c@h", "failed")),
        line(5, "r", result("d@h", "unreachable")),
    ]);
    assert_eq!(left(&runs, "r"), ["c@h", "d@h", "e@h", "f@h"]);
    let run = &runs.runs[0];
    let words: Vec<_> = planned.iter().map(|i| run.outcome(&target(i))).collect();
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
