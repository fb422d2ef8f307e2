//! The shape of the answer, which scripts stand on.

use serde_json::Value;

use crate::support::Bench;

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn the_json_of_a_change_has_the_same_keys_whatever_happened() {
    let mut bench = Bench::new();
    bench.server("good", "edge-1", "", "");
    bench.server("bad", "edge-1", "", "--exit 3");
    let report = bench.report("start --all --settle 500ms", 1);
    assert_eq!(
        keys(&report.0),
        ["batches", "batches_begun", "halted", "instances", "interrupted", "run", "seconds", "verb"]
    );
    assert_eq!((&report.0["verb"], &report.0["interrupted"]), (&"start".into(), &false.into()));
    assert!(report.0["seconds"].as_f64().is_some_and(|seconds| seconds > 0.5), "{report:?}");
    for row in report.rows() {
        assert_eq!(keys(row), ["action", "error", "host", "name", "note", "outcome", "status"]);
        assert_eq!(
            keys(&row["status"]),
            [
                "container_id",
                "cpu_usage",
                "exit_code",
                "gpu_usage",
                "health",
                "host",
                "image",
                "last_check",
                "memory_limit",
                "memory_usage",
                "message",
                "name",
                "outdated",
                "outdated_reasons",
                "restart_count",
                "started_at",
                "state",
                "status",
                "uptime"
            ]
        );
    }
    let (good, bad) = (report.of(&bench.name("good"), "edge-1"), report.of(&bench.name("bad"), "edge-1"));
    assert_eq!(keys(&bad["error"]), ["cause", "hint", "kind", "log", "phase"]);
    assert_eq!((&good["error"], &good["status"]["exit_code"]), (&Value::Null, &Value::Null));
    assert!(good["status"]["uptime"].is_u64(), "{good}");
    assert!(good["status"]["last_check"].as_str().is_some_and(|t| t.parse::<jiff::Timestamp>().is_ok()), "{good}");
}

#[test]
fn the_other_formats_hold_the_same_rows() {
    let mut bench = Bench::new();
    bench.server("b", "edge-1", "", "");
    bench.server("a", "edge-1,edge-2", "", "");
    let (a, b) = (bench.name("a"), bench.name("b"));
    let names = bench.mcp("start --all --settle 0 -o name");
    assert_eq!(names.out, format!("{a}@edge-1\n{b}@edge-1\n{a}@edge-2\n"));
    let yaml = bench.mcp("start --all -o yaml");
    assert!(yaml.out.contains("verb: start") && yaml.out.contains(&format!("name: {b}")), "{yaml:?}");
    let table = bench.mcp("start --all");
    let lines: Vec<Vec<&str>> = table.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "HOST", "RESULT", "STATUS", "NOTE"]);
    assert_eq!(lines[1][..5], [a.as_str(), "edge-1", "ok,", "unchanged", "running"]);
    assert_eq!(lines.len(), 4, "{table:?}");
    let quiet = bench.mcp("start --all --quiet");
    assert_eq!((quiet.code, quiet.out.as_str(), quiet.err.as_str()), (Some(0), "", ""));
    let verbose = bench.mcp("stop :b --verbose");
    verbose.says(0, &["edge-1: stop look in ", "edge-1: stop in ", " ms\n"]);
}

#[test]
fn a_timeout_of_zero_is_no_limit_for_every_command_that_waits_on_a_host() {
    let mut bench = Bench::new();
    bench.server("a", "edge-1", "", "--log-lines 2");
    let file = bench.scratch.write("file", "text");
    let copy = format!("copy edge-1 {} /tmp/{} --yes", file.display(), bench.name("file"));
    let all = [
        "start :a --settle 0",
        "restart :a --settle 0",
        "list :a",
        "get :a",
        "log :a",
        "restart :a --dry-run",
        "hosts check edge-1",
        "lock list",
        "exec edge-1 -- true",
        &copy,
    ];
    let run = |bench: &Bench<'_>, words: &str| {
        let answer = bench.mcp(words);
        assert_eq!(answer.code, Some(0), "{words}: {answer:?}");
    };
    for words in all {
        let with = if words.contains(" -- ") {
            words.replace(" -- ", " --timeout 0 -- ")
        } else {
            format!("{words} --timeout 0")
        };
        run(&bench, &with);
    }
    let hosts = bench.scratch.hosts_yaml().replace("defaults:\n", "defaults:\n  timeout: 0\n");
    bench.scratch.write("hosts.yaml", &hosts);
    ["restart :a --settle 0", "list :a", "exec edge-1 -- true"].iter().for_each(|words| run(&bench, words));
    bench.rig.on(1, &["rm", "-f", &format!("/tmp/{}", bench.name("file"))]);
}
