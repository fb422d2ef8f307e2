//! `mcp log`: which lines, of whom, in which form.

use crate::{register, rig::Rig, said::run, started};

#[test]
fn the_tail_the_times_and_the_filter_choose_lines() {
    let scratch = Rig::get().scratch();
    let server = started(&scratch, "it", "edge-1", "", "--log-lines 120");
    let lines = |arguments: &[&str]| {
        let said = run(scratch.mcp(&[&["log", &server], arguments].concat())).code(0);
        said.out.lines().filter(|line| line.contains("line ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let all: Vec<String> = (1..=120).map(|number| format!("line {number}")).collect();
    assert_eq!(lines(&[]), all);
    assert_eq!(lines(&["--grep", "line 1[01]$"]), ["line 10", "line 11"]);
    assert_eq!(run(scratch.mcp(&["log", &server, "-n", "5"])).code(0).out.lines().count(), 5);
    assert_eq!(run(scratch.mcp(&["logs", &server, "-n", "0"])).code(0).out, "");
    let stamped = lines(&["-t", "--grep", "line 1$"]);
    let time = stamped[0].split(' ').next().unwrap().to_owned();
    time.parse::<jiff::Timestamp>().unwrap();
    assert!(lines(&["--since", "2999-01-01T00:00:00Z"]).is_empty());
    assert!(lines(&["--until", "2001-01-01T00:00:00Z"]).is_empty());
    assert_eq!(lines(&["--since", &time]), all);
    assert_eq!(lines(&["--since", "1h", "--until", "2999-01-01T00:00:00Z"]), all);
    run(scratch.mcp(&["log", &server, "--grep", "("])).code(2).err("--grep");
    run(scratch.mcp(&["log", &server, "--since", "yesterday-ish"])).code(1).err("cause:");
}

#[test]
fn several_instances_are_told_apart_by_their_names() {
    let scratch = Rig::get().scratch();
    let longer = started(&scratch, "longer", "edge-1,edge-2", "", "--log-lines 3");
    let one = started(&scratch, "one", "edge-3", "", "--log-lines 2");
    let said = run(scratch.mcp(&["log", "--all", "--grep", "^line"])).code(0);
    for place in [format!("{longer}@edge-1"), format!("{longer}@edge-2"), format!("{one}@edge-3   ")] {
        let own: Vec<&str> = said.out.lines().filter_map(|line| line.strip_prefix(&format!("{place} | "))).collect();
        let expected: &[&str] =
            if place.contains("longer") { &["line 1", "line 2", "line 3"] } else { &["line 1", "line 2"] };
        assert_eq!(own, expected, "{place}\n{said}");
    }
    assert_eq!(said.out.lines().count(), 8, "{said}");
    // One instance has no prefix.
    let alone = run(scratch.mcp(&["log", &one, "--grep", "^line"])).code(0);
    assert_eq!(alone.out, "line 1\nline 2\n");
}

#[test]
fn two_megabytes_of_lines_come_complete_and_in_order() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let server = register(&scratch, "it", "edge-1", "", "--log-lines 200000 --exit 0 --after 0");
    run(scratch.mcp(&["start", &server, "--settle", "0s"]));
    rig.docker_text(1, &["wait", &server]);
    let said = run(scratch.mcp(&["log", &server, "--grep", "^line "])).code(0);
    assert!(said.out.len() > 2_000_000, "{} bytes", said.out.len());
    for (index, line) in said.out.lines().enumerate() {
        assert_eq!(line, format!("line {}", index + 1));
    }
    assert_eq!(said.out.lines().count(), 200_000);
}

#[test]
fn a_container_that_is_not_there_is_an_error_with_its_cause_and_the_others_are_read() {
    let scratch = Rig::get().scratch();
    let there = started(&scratch, "there", "edge-1", "", "--log-lines 1");
    let missing = register(&scratch, "missing", "edge-2", "", "");
    run(scratch.mcp(&["log", &missing]))
        .code(1)
        .err(&format!("cannot read the log of {missing}@edge-2"))
        .err("No such container")
        .err("hint:");
    run(scratch.mcp(&["log", "--all"])).code(1).out(&format!("{there}@edge-1")).out("line 1").err("No such container");
}

#[test]
fn control_characters_reach_the_terminal_only_when_asked_for() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let server = register(&scratch, "it", "edge-1", "", "");
    // The server repeats an argument that it does not know, as it was given.
    rig.docker_text(1, &["run", "-d", "--name", &server, &rig.image, "\u{1b}[31mred\u{7}"]);
    rig.docker_text(1, &["wait", &server]);
    let raw = run(scratch.mcp(&["log", &server, "--raw"])).code(0);
    assert!(raw.out.contains("\u{1b}[31mred\u{7}"), "{raw:?}");
    let shown = run(scratch.mcp(&["log", &server])).code(0);
    assert!(!shown.out.contains(['\u{1b}', '\u{7}']) && shown.out.contains("[31mred"), "{shown:?}");
    let page = run(scratch.mcp(&["get", &server, "-n", "30"])).code(0);
    assert!(!page.out.contains(['\u{1b}', '\u{7}']) && page.out.contains("[31mred"), "{page:?}");
}

#[test]
fn a_registered_logs_string_is_what_is_read() {
    let scratch = Rig::get().scratch();
    let server = started(&scratch, "it", "edge-1", "", "--log-lines 30");
    run(scratch.mcp(&["edit", &server, "--logs", &format!("docker logs --timestamps -n 3 {server}")])).code(0);
    let said = run(scratch.mcp(&["log", &server])).code(0);
    assert_eq!(said.out.lines().count(), 3, "{said}");
    assert!(said.out.lines().all(|line| line.starts_with("20") && line.contains('T')), "{said}");
    run(scratch.mcp(&["log", &server, "--dry-run"])).code(0).out("docker logs --timestamps -n 3");
}
