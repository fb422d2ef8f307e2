//! Which instances a change is about. Nothing here needs more than its words, so most of it starts nothing.

use crate::support::{Bench, Report};

/// Four servers: `a` (tag red), `b` (tags red, blue), `c`, and `off`, which is disabled (tag blue).
fn four() -> Bench<'static> {
    let mut bench = Bench::new();
    for (short, host, more) in [
        ("a", "edge-*", &["tags: [red]"][..]),
        ("b", "edge-1", &["tags: [red, blue]"]),
        ("c", "edge-2", &[]),
        ("off", "edge-1", &["tags: [blue]", "enabled: false"]),
    ] {
        let command = bench.scratch.docker_run(short, "", "");
        bench.entry(short, host, &command, more);
    }
    bench
}

/// The selected instances, with the prefix of the test taken off.
fn selected(bench: &Bench<'_>, report: &Report) -> Vec<String> {
    let prefix = bench.name("");
    report
        .rows()
        .iter()
        .map(|row| {
            let name = row["name"].as_str().unwrap().strip_prefix(&prefix).unwrap();
            format!("{name}@{}", row["host"].as_str().unwrap())
        })
        .collect()
}

#[test]
fn names_tags_patterns_and_all_select_what_they_say() {
    let bench = four();
    let star = format!("{}*@edge-1", bench.name(""));
    for (words, expected) in [
        ("--all", "a@edge-1 b@edge-1 a@edge-2 c@edge-2 a@edge-3"),
        (":a", "a@edge-1 a@edge-2 a@edge-3"),
        (":a@edge-2", "a@edge-2"),
        (":c :a@edge-1", "a@edge-1 c@edge-2"),
        (":a :a@edge-1", "a@edge-1 a@edge-2 a@edge-3"),
        (star.as_str(), "a@edge-1 b@edge-1"),
        ("--tag red", "a@edge-1 b@edge-1 a@edge-2 a@edge-3"),
        ("--tag blue", "b@edge-1"),
        ("--tag blue :c", "b@edge-1 c@edge-2"),
        ("--all --on edge-2", "a@edge-2 c@edge-2"),
        ("--all --on edge-*,!edge-1,!edge-2", "a@edge-3"),
        ("--all --on @demo,&edge-3", "a@edge-3"),
        (":a --on edge-1,edge-3", "a@edge-1 a@edge-3"),
        (":off", "off@edge-1"),
    ] {
        // Nothing runs, so a stop changes nothing.
        let report = bench.report(&format!("stop {words}"), 0);
        assert_eq!(selected(&bench, &report).join(" "), expected, "{words}");
    }
}

#[test]
fn a_selection_that_selects_nothing_is_a_mistake_that_says_so() {
    let bench = four();
    let near = format!("{}x", bench.name("a"));
    let did_you_mean = format!("did you mean {}", bench.name(""));
    for (words, parts) in [
        ("", &["nothing is selected", "--all"][..]),
        ("--on edge-1", &["nothing is selected", "--all"]),
        ("--all :a", &["--all and names or tags contradict each other"]),
        ("--all --tag red", &["--all and names or tags contradict each other"]),
        (near.as_str(), &["no server is called", &did_you_mean]),
        ("completely-unlike-any", &["no server is called", "mcp list --cached"]),
        (":c@edge-1", &["is not placed on that host"]),
        (":b --on edge-3", &["no instance fits"]),
        ("--tag green", &["no server has the tag \"green\""]),
        ("--all --on egde-1", &["--on egde-1", "edge-1"]),
        ("--all --on edge-1,!edge-1", &["leaves no host"]),
    ] {
        for verb in ["start", "stop", "restart"] {
            let answer = bench.mcp(&format!("{verb} {words}"));
            answer.says(2, parts);
            assert_eq!(answer.out, "", "{words}");
        }
    }
}

#[test]
fn a_broken_workspace_is_refused_before_any_host_is_asked() {
    let mut bench = Bench::new();
    bench.entry("a", "edge-1", "docker ps", &[]);
    bench.entry("b", "edge-9", "docker run -d --name b image", &[]);
    let answer = bench.mcp("start --all");
    answer.says(2, &["servers.yaml", "edge-9", "docker run"]);
    assert_eq!(answer.out, "");
}
