#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]

use proptest::prelude::*;

use super::*;
use crate::config::journal::chain::{Link, seal};

/// A journal of `count` lines.
fn journal(count: u64) -> Vec<String> {
    let mut link = Link { before: ChainHash::NONE, said: false };
    let line = |seq| {
        let text = format!(
            r#"{{"v":1,"seq":{seq},"at":"2026-05-14T10:15:02Z","run":"r","kind":"result","instance":"a@h{seq}","outcome":"changed"}}"#
        );
        let (line, hash) = seal(&text, link);
        link = Link { before: hash, said: false };
        line
    };
    (0..count).map(line).collect()
}

fn noted(lines: &[String]) -> Noted {
    let hash = Sealed::read(lines.last().unwrap().as_bytes()).unwrap().hash.to_string();
    Noted { by: "--head".into(), hash, seq: None, after: None }
}

fn verified(lines: &[String], noted: Vec<Noted>) -> Verification {
    let mut verifier = Verifier::new(Some(vec![]), noted);
    verifier.file("journal.jsonl");
    lines.iter().enumerate().for_each(|(at, line)| verifier.take(at + 1, line.as_bytes()));
    verifier.finish()
}

/// The findings as text: `altered 3`.
fn gist(report: &Verification) -> Vec<String> {
    assert_eq!(report.intact, report.findings.is_empty());
    report.findings.iter().map(|finding| format!("{} {}", finding.kind.as_str(), finding.line)).collect()
}

#[test]
fn an_intact_journal_says_how_many_lines_and_what_the_last_hash_is() {
    let lines = journal(5);
    let note = Noted { hash: noted(&lines[..3]).hash[..16].to_owned(), ..noted(&lines) };
    let report = verified(&lines, vec![note]);
    assert_eq!((report.intact, report.lines, report.noted[0].after), (true, 5, Some(2)));
    assert_eq!(report.head.unwrap().hash.to_string(), noted(&lines).hash);
}

#[test]
fn a_changed_line_is_named_and_so_is_one_whose_hash_was_made_anew() {
    let mut lines = journal(5);
    let honest = lines[1].clone();
    lines[1] = honest.replace("a@h1", "b@h1");
    assert_eq!(gist(&verified(&lines, vec![])), ["altered 2"]);
    let before = Sealed::read(lines[0].as_bytes()).unwrap().hash;
    let body = format!("{}}}", lines[1].split(r#","hash""#).next().unwrap());
    lines[1] = seal(&body, Link { before, said: false }).0;
    assert_eq!(gist(&verified(&lines, vec![])), ["altered 3"], "the next line does not follow it");
}

#[test]
fn lines_that_are_gone_moved_put_in_or_robbed_of_their_hash_are_named() {
    let lines = journal(8);
    let without = [&lines[..2], &lines[4..]].concat();
    let report = verified(&without, vec![]);
    assert_eq!(gist(&report), ["missing 3"]);
    assert_eq!(report.findings[0].what, "2 lines before it, number 2 to 3");
    assert_eq!(gist(&verified(&lines[1..], vec![])), ["missing 1"], "the first line counts too");
    let mut moved = lines.clone();
    moved.swap(3, 4);
    assert_eq!(gist(&verified(&moved, vec![])), ["reordered 4", "reordered 5", "reordered 6"]);
    let twice = [&lines[..3], &lines[1..]].concat();
    assert!(gist(&verified(&twice, vec![])).contains(&"reordered 4".to_owned()));
    let mut bare = lines.clone();
    bare[4] = format!("{}}}", bare[4].split(r#","hash""#).next().unwrap());
    assert_eq!(gist(&verified(&bare, vec![])), ["altered 5", "missing 6"]);
}

#[test]
fn a_cut_end_shows_only_by_a_hash_that_was_noted() {
    let lines = journal(5);
    assert!(verified(&lines[..3], vec![]).intact);
    let report = verified(&lines[..3], vec![noted(&lines)]);
    assert_eq!((gist(&report), report.noted[0].after), (vec!["truncated 0".to_owned()], None));
    assert!(report.findings[0].what.contains("the last line is number 2"), "{:?}", report.findings);
    assert_eq!(gist(&verified(&[], vec![noted(&lines)])), ["truncated 0"]);
}

#[test]
fn torn_lines_and_lines_from_before_there_were_hashes_are_no_tampering() {
    let old = r#"{"v":1,"seq":0,"at":"2026-05-14T10:15:02Z","run":"r","kind":"end","exit":0}"#.to_owned();
    let lines = journal(3);
    let torn = lines[2][..40].to_owned();
    let all = [vec![old.clone(), String::new(), lines[0].clone(), torn], lines[1..].to_vec()].concat();
    let report = verified(&all, vec![]);
    assert_eq!((report.intact, report.lines, report.unhashed, report.torn), (true, 3, 1, 1));
    let late = [lines, vec![old]].concat();
    assert_eq!(gist(&verified(&late, vec![])), ["altered 4"], "after the first hash every line has one");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn no_change_of_a_journal_goes_unseen(at in 0_usize..2000, bit in 0_u8..7, cut in any::<bool>()) {
        let lines = journal(6);
        let mut bytes = lines.join("\n").into_bytes();
        let at = at % bytes.len();
        if cut { bytes.remove(at); } else { bytes[at] ^= 1 << bit; }
        let mut verifier = Verifier::new(Some(vec![]), vec![noted(&lines)]);
        verifier.file("journal.jsonl");
        bytes.split(|byte| *byte == b'\n').enumerate().for_each(|(n, line)| verifier.take(n + 1, line));
        let report = verifier.finish();
        prop_assert!(!report.intact, "{} {:?}", at, report);
    }

    #[test]
    fn a_verifier_takes_whatever_stands_there(lines in proptest::collection::vec(any::<Vec<u8>>(), 0..20)) {
        let mut verifier = Verifier::new(None, vec![]);
        lines.iter().enumerate().for_each(|(at, line)| verifier.take(at + 1, line));
        let _ = verifier.finish();
    }
}
