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
    assert_eq!(lines(&["--since", "yesterday", "-n", "all"]), all);
    assert_eq!(lines(&["--since", "1h30m", "--until", "2999-01-01"]), all);
}

#[test]
fn a_time_without_a_zone_is_the_operator_s_and_what_is_no_time_is_refused_before_any_host_is_asked() {
    let scratch = Rig::get().scratch();
    let server = started(&scratch, "it", "edge-1,edge-2", "", "--log-lines 1");
    let in_zone = |zone: &str, since: &str| {
        let mut mcp = scratch.mcp(&["log", &server, "--dry-run", "--json", "--since", since]);
        mcp.env("TZ", zone);
        let steps = run(mcp).code(0).json();
        let commands: Vec<String> = steps.as_array().unwrap().iter().map(|step| step["command"].to_string()).collect();
        assert!(commands.len() == 2 && commands[0] == commands[1], "{commands:?}");
        commands[0].clone()
    };
    for zone in ["XYZ-9", "Asia/Tokyo"] {
        assert!(in_zone(zone, "2026-11-28 09:06").contains("--since 2026-11-28T00:06:00Z "), "{zone}");
    }
    assert!(in_zone("XYZ-9", "2026-11-28T09:06:00Z").contains("--since 2026-11-28T09:06:00Z "));
    assert!(in_zone("XYZ-9", "2d").contains("--since 172800s "));
    assert!(in_zone("Mars/Base", "5 minutes ago").contains("--since 300s "));
    // The zone counts on the way to the hosts as well, whatever theirs is.
    let now = jiff::Timestamp::now();
    let local = |ahead: i64| (now + jiff::SignedDuration::from_hours(9 + ahead)).strftime("%Y-%m-%d %H:%M").to_string();
    for (ahead, count) in [(-1, 2), (1, 0)] {
        let mut mcp = scratch.mcp(&["log", &server, "--grep", "^line", "--since", &local(ahead)]);
        mcp.env("TZ", "XYZ-9").env("MCP_PERSIST", "0");
        assert_eq!(run(mcp).code(0).out.lines().count(), count, "{ahead}");
    }
    for (zone, flag, text) in [
        ("UTC", "--since", "yesterday-ish"),
        ("UTC", "--until", "10x"),
        ("UTC", "--since", "30"),
        ("UTC", "--since", ""),
        ("UTC", "--since", "11/28/2026"),
        ("Mars/Base", "--since", "today"),
    ] {
        let mut mcp = scratch.mcp(&["log", &server, flag, text]);
        mcp.env("TZ", zone);
        run(mcp).code(2).err(flag).err("5 minutes ago").nowhere("edge-1");
    }
    run(scratch.mcp(&["log", &server, "-n", "many"])).code(2);
}

#[test]
fn a_line_that_docker_keeps_in_parts_is_one_line_to_the_reader_and_to_a_pattern() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let server = register(&scratch, "it", "edge-1", "", "");
    // Docker keeps parts of 16 KiB; the longest argument that Linux takes has 128 KiB.
    let long = format!("begin{}end", "x".repeat(100_000));
    rig.docker_text(1, &["run", "-d", "--name", &server, &rig.image, &long]);
    rig.docker_text(1, &["wait", &server]);
    for flags in [&[][..], &["-t"], &["--json"], &["--grep", "begin.*end"], &["--raw", "--grep", "xend"]] {
        let said = run(scratch.mcp(&[&["log", &server], flags].concat())).code(0);
        let with: Vec<&str> = said.out.lines().filter(|line| line.contains("xxx")).collect();
        assert!(with.len() == 1 && with[0].contains(&long), "{flags:?}: {} lines", with.len());
    }
}

#[test]
fn json_is_one_object_for_each_line_with_its_time_instance_and_stream() {
    let scratch = Rig::get().scratch();
    let server = started(&scratch, "it", "edge-1,edge-2", "", "--log-lines 3");
    let said = run(scratch.mcp(&["log", &server, "-o", "json", "--grep", "^line [12]$"])).code(0);
    let mut rows: Vec<serde_json::Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    rows.sort_by_key(|row| (row["host"].to_string(), row["line"].to_string()));
    assert_eq!(rows.len(), 4, "{said}");
    for (row, (host, line)) in
        rows.iter().zip([("edge-1", "line 1"), ("edge-1", "line 2"), ("edge-2", "line 1"), ("edge-2", "line 2")])
    {
        row["time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        assert!(row["stream"] == "stdout" || row["stream"] == "stderr", "{row}");
        let rest = serde_json::json!({"name": server, "host": host, "line": line, "truncated": false});
        for (key, value) in rest.as_object().unwrap() {
            assert_eq!(&row[key], value, "{row}");
        }
    }
    for format in ["yaml", "name", "wide"] {
        run(scratch.mcp(&["log", &server, "-o", format])).code(2).err("json");
    }
}

#[test]
fn what_docker_has_to_say_of_a_log_that_it_cannot_read_is_a_cause_and_no_line() {
    let scratch = Rig::get().scratch();
    let server = started(&scratch, "it", "edge-1", "--log-driver none", "--log-lines 3");
    for flags in [&[][..], &["-f"], &["--json"], &["-f", "--json"], &["-n", "1", "--grep", "driver"]] {
        let said = run(scratch.mcp(&[&["log", &server], flags].concat())).code(1).err("cause:").err("driver");
        assert_eq!(said.out, "", "{flags:?}");
    }
    let page = run(scratch.mcp(&["get", &server, "--json"])).code(0).json();
    assert_eq!(page[0]["log"], serde_json::json!([]), "{page}");
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
