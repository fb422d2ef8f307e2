//! Containers that were made by `mcp` and are registered no more.

use serde_json::Value;

use crate::support::{Answer, Bench};

fn orphans(bench: &Bench<'_>) -> Vec<Value> {
    let answer = bench.mcp("list --orphans -o json");
    assert_eq!(answer.code, Some(0), "{answer:?}");
    serde_json::from_str(&answer.out).unwrap_or_else(|e| panic!("{e}: {answer:?}"))
}

fn column(rows: &[Value], key: &str) -> Vec<String> {
    rows.iter().map(|row| row[key].as_str().unwrap_or("-").to_owned()).collect()
}

#[test]
fn a_renamed_container_and_one_kept_at_a_removal_are_listed_until_they_are_gone() {
    let mut bench = Bench::new();
    bench.server("app", "edge-1", "", "");
    bench.report("start :app --settle 0", 0);
    assert!(orphans(&bench).is_empty());

    let new = bench.scratch.docker_run("second", "", "");
    bench.entry("app", "edge-1", &new, &[]);
    let row = bench.listed("app");
    assert_eq!(row["state"], "absent", "{row}");
    assert!(row["message"].as_str().unwrap().contains("--orphans"), "{row}");
    let rows = orphans(&bench);
    assert_eq!(
        (column(&rows, "container"), column(&rows, "reason")),
        (vec![bench.name("app")], vec!["renamed".into()])
    );
    assert_eq!((&rows[0]["status"], &rows[0]["name"]), (&"running".into(), &bench.name("app").into()));

    bench.report("start :app --settle 0", 0);
    assert_eq!(column(&orphans(&bench), "container"), [bench.name("app")], "also once the new one runs");
    assert!(!bench.mcp("list").out.contains("renamed"));

    bench.mcp("remove :app --keep --yes").says(0, &[]);
    let rows = orphans(&bench);
    let mut names = column(&rows, "container");
    names.sort();
    assert_eq!(names, [bench.name("app"), bench.name("second")]);
    assert_eq!(column(&rows, "reason"), ["removed", "removed"]);
    for row in &rows {
        let remove = row["remove"].as_str().unwrap();
        let words: Vec<String> = shlex::split(remove).unwrap();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(words[0], "mcp");
        Answer::of(bench.scratch.mcp(&words[1..]).output().unwrap()).says(0, &[]);
    }
    assert!(orphans(&bench).is_empty());
    assert!(!bench.scratch.read("state.yaml").contains(&bench.name("second")), "it is forgotten");
}

#[test]
fn a_container_on_a_host_that_its_server_left_is_listed_and_another_server_may_take_it_over() {
    let mut bench = Bench::new();
    bench.server("app", "edge-1,edge-2", "", "");
    bench.report("start :app --settle 0", 0);
    bench.server("app", "edge-1", "", "");
    let rows = orphans(&bench);
    assert_eq!((column(&rows, "host"), column(&rows, "reason")), (vec!["edge-2".into()], vec!["moved".into()]));
    assert!(bench.mcp("list --orphans --on edge-1 -o json").out.starts_with("[]"));
    let table = bench.mcp("list --orphans");
    assert!(table.out.contains("docker rm -f") && table.out.contains("edge-2"), "{table:?}");
    // Registered again, under another name.
    let command = bench.scratch.docker_run("app", "", "");
    bench.entry("other", "edge-2", &command, &[]);
    assert!(orphans(&bench).is_empty());
    bench.mcp("list --orphans :app").says(2, &[]);
}

#[test]
fn a_removed_server_leaves_what_it_ran_under_an_earlier_name_among_the_orphans() {
    for removal in ["remove :app --yes", "remove :app --stop --yes"] {
        let mut bench = Bench::new();
        bench.server("app", "edge-1", "", "");
        bench.report("start :app --settle 0", 0);
        let new = bench.scratch.docker_run("second", "", "");
        bench.entry("app", "edge-1", &new, &[]);
        assert_eq!(column(&orphans(&bench), "container"), [bench.name("app")]);
        bench.mcp(removal).says(0, &[]);
        assert_eq!(column(&orphans(&bench), "container"), [bench.name("app")], "{removal}");
        assert_eq!(bench.state(1, "app"), "running");
    }
}

#[test]
fn a_name_that_a_server_had_before_is_still_its_own() {
    let mut bench = Bench::new();
    bench.server("app", "edge-1", "", "");
    bench.report("start :app --settle 0", 0);
    let second = bench.scratch.docker_run("second", "", "");
    bench.entry("app", "edge-1", &second, &[]);
    bench.report("start :app --settle 0", 0);
    let back = bench.scratch.docker_run("app", "-e MODE=new", "");
    bench.entry("app", "edge-1", &back, &[]);
    let report = bench.report("restart :app --settle 200ms", 0);
    assert_eq!(crate::support::gist(report.row()), "changed replaced running", "{report:?}");
    assert_eq!(column(&orphans(&bench), "container"), [bench.name("second")]);
}
