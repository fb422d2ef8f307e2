#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]

use std::{collections::BTreeSet, fs, io::Write, os::unix::fs::symlink, path::Path};

use jiff::Timestamp;

use super::*;
use crate::config::{
    journal::{Begin, Done, End, Entry, Process, RunId, RunOptions, Target, Targets, Who},
    store::Environment,
};

fn workspace(dir: &Path) -> Workspace {
    let environment = Environment {
        cwd: dir.to_owned(),
        mcp_dir: None,
        xdg_config_home: None,
        home: None,
        user: "ana".into(),
        mcp_inventory: None,
    };
    Workspace::locate(Some(dir), &environment).unwrap()
}

fn run(name: &str) -> RunId {
    RunId::try_from(name.to_owned()).unwrap()
}

fn begin() -> Entry {
    Entry::Begin(Box::new(Begin {
        verb: "start".into(),
        command: vec![],
        who: Who::default(),
        process: Process::default(),
        version: "0.1.0".into(),
        parent: None,
        options: RunOptions::default(),
        targets: Targets::Instances(vec!["a@h".parse().unwrap()]),
        batches: vec![],
        directory: None,
        sources: vec![],
        addresses: vec![],
        again: None,
    }))
}

fn done(name: &str) -> Entry {
    let target = Target::Instance(name.parse().unwrap());
    let outcome = "changed".into();
    Entry::Result(Done { target, outcome, exit_code: None, action: None, seconds: 0.1, cause: None })
}

fn end() -> Entry {
    Entry::End(End { exit: 0, counts: [("changed".to_owned(), 1)].into(), interrupted: false, halted: None })
}

fn numbers(dir: &Path) -> Vec<u64> {
    let text = fs::read_to_string(dir.join(JOURNAL)).unwrap();
    text.lines().filter_map(|line| Some(Line::parse(line.as_bytes())?.seq)).collect()
}

mod chained;

#[test]
fn lines_are_numbered_and_read_back_and_the_file_is_its_owner_s() {
    let temp = tempfile::tempdir().unwrap();
    let workspace = workspace(temp.path());
    assert_eq!(workspace.read_journal().unwrap(), Runs::default(), "a missing journal tells of no runs");
    workspace.journal_of(run("r")).append(vec![begin()]).unwrap();
    fs::set_permissions(temp.path().join(JOURNAL), Permissions::from_mode(0o644)).unwrap();
    workspace.journal_of(run("r")).append(vec![done("a@h"), end()]).unwrap();
    assert_eq!(numbers(temp.path()), [0, 1, 2]);
    let runs = workspace.read_journal().unwrap();
    assert!(runs.runs[0].end.is_some() && runs.left(&runs.runs[0]).is_empty());
    assert_eq!(fs::metadata(temp.path().join(JOURNAL)).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_torn_line_is_passed_over_and_ended_by_the_next_append() {
    let temp = tempfile::tempdir().unwrap();
    let workspace = workspace(temp.path());
    workspace.journal_of(run("r")).append(vec![begin()]).unwrap();
    let path = temp.path().join(JOURNAL);
    let whole = fs::read_to_string(&path).unwrap();
    let torn = Line { v: 1, seq: 1, at: Timestamp::now(), run: run("r"), entry: done("a@h") }.to_text().unwrap();
    for cut in 1..torn.len() {
        fs::write(&path, format!("{whole}{}", &torn[..cut])).unwrap();
        let runs = workspace.read_journal().unwrap();
        assert_eq!((runs.runs.len(), runs.runs[0].results.len(), runs.skipped), (1, 0, 0), "a line may be under way");
        workspace.journal_of(run("r")).append(vec![done("a@h")]).unwrap();
        let runs = workspace.read_journal().unwrap();
        assert_eq!((runs.runs[0].results.len(), runs.skipped), (1, 1), "{}", &torn[..cut]);
        assert_eq!(numbers(temp.path()), [0, 1]);
    }
}

#[test]
fn what_is_no_regular_file_is_not_written_to() {
    let temp = tempfile::tempdir().unwrap();
    let workspace = workspace(temp.path());
    let (path, elsewhere) = (temp.path().join(JOURNAL), temp.path().join("elsewhere"));
    fs::write(&elsewhere, "mine\n").unwrap();
    let refused = |why: &str| {
        let error = workspace.journal_of(run("r")).append(vec![begin()]).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(why), "{source}");
    };
    symlink(&elsewhere, &path).unwrap();
    refused("a symbolic link");
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "mine\n");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refused("directory");
    fs::remove_dir(&path).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    refused("not a regular file");
}

#[test]
fn a_large_journal_is_set_aside_when_a_run_begins_and_still_read() {
    let temp = tempfile::tempdir().unwrap();
    let workspace = workspace(temp.path());
    let path = temp.path().join(JOURNAL);
    let grow = || {
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        let junk = "x".repeat(1023) + "\n";
        (0..LARGE / 1024).for_each(|_| file.write_all(junk.as_bytes()).unwrap());
    };
    for number in 0..KEPT + 3 {
        workspace.journal_of(run(&format!("r{number}"))).append(vec![begin()]).unwrap();
        grow();
        workspace.journal_of(run(&format!("r{number}"))).append(vec![end()]).unwrap();
    }
    let mut names: Vec<String> =
        fs::read_dir(temp.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let kept =
        ["journal.1.jsonl", "journal.2.jsonl", "journal.3.jsonl", "journal.4.jsonl", "journal.head", "journal.jsonl"];
    assert_eq!(names, kept);
    let runs = workspace.read_journal().unwrap();
    let ids: Vec<&str> = runs.runs.iter().map(|run| run.id.as_str()).collect();
    assert_eq!(ids, ["r2", "r3", "r4", "r5", "r6"]);
    assert!(runs.runs.iter().all(|run| run.end.is_some()));
    assert_eq!(numbers(temp.path()), [12, 13], "the numbers go on from file to file");
}

#[test]
fn many_who_append_at_once_lose_nothing_and_mix_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let writers = 8;
    let lines = 50;
    std::thread::scope(|scope| {
        for number in 0..writers {
            let workspace = workspace(temp.path());
            scope.spawn(move || {
                let run = run(&format!("r{number}"));
                workspace.journal_of(run.clone()).append(vec![begin()]).unwrap();
                for line in 0..lines {
                    workspace.journal_of(run.clone()).append(vec![done(&format!("s{line}@h"))]).unwrap();
                }
            });
        }
    });
    let all: BTreeSet<u64> = numbers(temp.path()).into_iter().collect();
    assert_eq!(all, (0..writers * (lines + 1)).collect());
    let runs = workspace(temp.path()).read_journal().unwrap();
    assert_eq!(runs.skipped, 0);
    assert!(runs.runs.iter().all(|run| run.results.len() == usize::try_from(lines).unwrap()));
}

#[test]
fn runs_that_hold_the_journal_open_number_their_lines_through_and_see_it_set_aside() {
    let temp = tempfile::tempdir().unwrap();
    let (ours, theirs) = (workspace(temp.path()), workspace(temp.path()));
    let (first, second) = (ours.journal_of(run("r1")), theirs.journal_of(run("r2")));
    first.append(vec![begin()]).unwrap();
    second.append(vec![begin()]).unwrap();
    first.append(vec![done("a@h"), done("b@h")]).unwrap();
    first.append(vec![done("c@h")]).unwrap();
    second.append(vec![done("a@h")]).unwrap();
    assert_eq!(numbers(temp.path()), [0, 1, 2, 3, 4, 5]);
    // A line of the other run that a killed process left torn.
    OpenOptions::new().append(true).open(temp.path().join(JOURNAL)).unwrap().write_all(b"{\"v\":1").unwrap();
    second.append(vec![done("b@h")]).unwrap();
    fs::rename(temp.path().join(JOURNAL), temp.path().join("journal.1.jsonl")).unwrap();
    first.append(vec![done("d@h")]).unwrap();
    second.append(vec![end()]).unwrap();
    assert_eq!(numbers(temp.path()), [7, 8], "nothing goes into the file that was set aside");
    let runs = ours.read_journal().unwrap();
    assert_eq!(runs.runs.iter().map(|run| run.results.len()).collect::<Vec<_>>(), [4, 2]);
}
