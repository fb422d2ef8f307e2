//! The hashes of the journal as files: several writers, older files, what killed processes leave, and what somebody took away.

use super::*;
use crate::config::journal::verify::FindingKind;

fn verified(dir: &Path) -> Verification {
    workspace(dir).verify_journal(None).unwrap()
}

/// A run of four lines.
fn a_run(dir: &Path, name: &str) {
    let workspace = workspace(dir);
    let journal = workspace.journal_of(run(name));
    journal.append(vec![begin()]).unwrap();
    journal.append(vec![done("a@h"), done("b@h")]).unwrap();
    journal.append(vec![end()]).unwrap();
}

fn grow(dir: &Path) {
    let workspace = workspace(dir);
    let cause = Some("x".repeat(4000));
    let Entry::Result(done) = done("a@h") else { panic!("it is a result") };
    let entries: Vec<Entry> = (0..100).map(|_| Entry::Result(Done { cause: cause.clone(), ..done.clone() })).collect();
    let journal = workspace.journal_of(run("large"));
    while fs::metadata(dir.join(JOURNAL)).unwrap().len() < LARGE {
        journal.append(entries.clone()).unwrap();
    }
}

fn kinds(report: &Verification) -> Vec<FindingKind> {
    report.findings.iter().map(|finding| finding.kind).collect()
}

#[test]
fn what_runs_write_side_by_side_is_one_chain() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    std::thread::scope(|scope| {
        for number in 0..6 {
            scope.spawn(move || (0..10).for_each(|_| a_run(dir, &format!("r{number}"))));
        }
    });
    let report = verified(temp.path());
    assert!(report.intact, "{report:?}");
    assert_eq!((report.lines, report.torn, report.continues), (240, 0, false));
    assert_eq!(report.noted[0].after, Some(0), "the end of the last run is noted");
    let note = fs::metadata(temp.path().join(head::HEAD)).unwrap();
    assert_eq!((note.permissions().mode() & 0o777, note.len()), (0o600, 512));
}

#[test]
fn the_chain_goes_through_all_files_and_a_dropped_one_is_no_tampering() {
    let temp = tempfile::tempdir().unwrap();
    for number in 0..=KEPT + 2 {
        a_run(temp.path(), &format!("r{number}"));
        let report = verified(temp.path());
        assert!(report.intact, "{number}: {:?}", report.findings);
        assert_eq!(report.files.len(), number.min(KEPT) + 1);
        assert_eq!(report.continues, number > KEPT, "{number}");
        grow(temp.path());
    }
    fs::remove_file(temp.path().join("journal.2.jsonl")).unwrap();
    let report = verified(temp.path());
    assert_eq!(kinds(&report), [FindingKind::Missing]);
    assert_eq!((report.findings[0].file.as_str(), report.findings[0].line), ("journal.1.jsonl", 1));
    for number in [3, 4] {
        fs::remove_file(temp.path().join(name_of(number))).unwrap();
    }
    assert_eq!(kinds(&verified(temp.path())), [FindingKind::Missing], "an older file that was not dropped is missed");
    fs::remove_file(temp.path().join(head::HEAD)).unwrap();
    let report = verified(temp.path());
    assert!(report.intact && report.continues && report.noted.is_empty(), "without a note it just begins there");
    a_run(temp.path(), "again");
    assert!(verified(temp.path()).intact, "a new note takes what it finds as the beginning");
}

#[test]
fn a_process_that_is_killed_as_it_drops_a_file_leaves_an_intact_journal() {
    let temp = tempfile::tempdir().unwrap();
    for number in 0..=KEPT {
        a_run(temp.path(), &format!("r{number}"));
        grow(temp.path());
    }
    workspace(temp.path()).note_dropping().unwrap();
    assert!(verified(temp.path()).intact, "noted, and still there");
    for number in (2..KEPT).rev() {
        fs::rename(temp.path().join(name_of(number)), temp.path().join(name_of(number + 1))).unwrap();
    }
    let report = verified(temp.path());
    assert!(report.intact && report.continues, "some moved on: {:?}", report.findings);
    a_run(temp.path(), "next");
    let report = verified(temp.path());
    assert!(report.intact, "{:?}", report.findings);
}

#[test]
fn what_a_killed_process_leaves_is_no_tampering_wherever_it_was_killed() {
    let temp = tempfile::tempdir().unwrap();
    a_run(temp.path(), "r1");
    let path = temp.path().join(JOURNAL);
    let (before, note) = (fs::read(&path).unwrap(), fs::read(temp.path().join(head::HEAD)).unwrap());
    a_run(temp.path(), "r2");
    let all = fs::read(&path).unwrap();
    for cut in before.len()..all.len() {
        // The note of the run that was killed was not written.
        fs::write(&path, &all[..cut]).unwrap();
        fs::write(temp.path().join(head::HEAD), &note).unwrap();
        assert!(verified(temp.path()).intact, "cut at {cut}");
        a_run(temp.path(), "r3");
        let report = verified(temp.path());
        assert!(report.intact && report.torn <= 1, "cut at {cut}: {:?}", report.findings);
        assert_eq!(report.noted[0].after, Some(0));
    }
}

#[test]
fn an_end_that_was_cut_off_shows_by_the_note_and_is_missed_for_good() {
    let temp = tempfile::tempdir().unwrap();
    a_run(temp.path(), "r1");
    let path = temp.path().join(JOURNAL);
    let short = fs::read(&path).unwrap();
    a_run(temp.path(), "r2");
    let all = fs::read(&path).unwrap();
    fs::write(&path, &short).unwrap();
    let report = verified(temp.path());
    assert_eq!(kinds(&report), [FindingKind::Truncated]);
    assert!(report.findings[0].what.contains("number 7"), "{:?}", report.findings);
    a_run(temp.path(), "r3");
    let report = verified(temp.path());
    assert_eq!(kinds(&report), [FindingKind::Missing], "the next run does not cover it up");
    assert_eq!((report.findings[0].what.as_str(), report.findings[0].line), ("4 lines before it, number 4 to 7", 5));
    fs::remove_file(&path).unwrap();
    assert_eq!(kinds(&verified(temp.path())), [FindingKind::Truncated], "nor does taking all of it away");
    a_run(temp.path(), "r4");
    assert_eq!(kinds(&verified(temp.path())), [FindingKind::Missing]);
    fs::remove_file(temp.path().join(head::HEAD)).unwrap();
    fs::write(&path, &all).unwrap();
    a_run(temp.path(), "r5");
    assert!(verified(temp.path()).intact);
    let noted = verified(temp.path()).head.unwrap();
    fs::write(&path, &short).unwrap();
    fs::remove_file(temp.path().join(head::HEAD)).unwrap();
    a_run(temp.path(), "r6");
    assert!(verified(temp.path()).intact, "who writes to the note as well is not noticed by it");
    let report = workspace(temp.path()).verify_journal(Some(&noted.hash.to_string()[..16])).unwrap();
    assert_eq!(kinds(&report), [FindingKind::Truncated], "but by what was noted elsewhere");
}

#[test]
fn a_journal_from_before_there_were_hashes_goes_on_with_them() {
    let temp = tempfile::tempdir().unwrap();
    let old = include_str!("../../../../../fixtures/workspaces/v1/journal.jsonl");
    fs::write(temp.path().join(JOURNAL), old).unwrap();
    let report = verified(temp.path());
    assert_eq!((report.intact, report.lines, report.unhashed), (true, 0, old.lines().count()));
    a_run(temp.path(), "new");
    let report = verified(temp.path());
    assert_eq!((report.intact, report.lines, report.unhashed), (true, 4, old.lines().count()));
    assert_eq!(report.begins.unwrap().line, old.lines().count() + 1);
    let runs = workspace(temp.path()).read_journal().unwrap();
    assert_eq!((runs.skipped, runs.runs.len()), (0, 3));
}

#[test]
fn a_note_that_is_no_file_of_ours_is_neither_followed_nor_written() {
    let temp = tempfile::tempdir().unwrap();
    let elsewhere = temp.path().join("elsewhere");
    fs::write(&elsewhere, "mine\n").unwrap();
    symlink(&elsewhere, temp.path().join(head::HEAD)).unwrap();
    a_run(temp.path(), "r");
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "mine\n");
    let error = workspace(temp.path()).verify_journal(None).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(error.to_string().contains("journal.head") && source.contains("a symbolic link"), "{error}: {source}");
}
