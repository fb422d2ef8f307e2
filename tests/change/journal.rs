//! What is written down of runs, and `mcp history`.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::Bench;

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn lines(bench: &Bench<'_>) -> Vec<Value> {
    let text = bench.scratch.read("journal.jsonl");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

#[test]
fn a_run_is_written_down_from_its_beginning_to_its_end() {
    let mut bench = Bench::new();
    bench.server("good", "edge-1", "", "");
    bench.server("bad", "edge-2", "", "--exit 3");
    let mut command = bench.command("start --all --settle 500ms -o json");
    command
        .env("USER", "not-looked-at")
        .env("MCP_ACTOR", "ana")
        .env("SUDO_USER", "bo")
        .env("SSH_CLIENT", "192.0.2.7 40000 22");
    let answer = crate::support::Answer::of(command.output().unwrap());
    let report: Value = serde_json::from_str(&answer.out).unwrap();
    let lines = lines(&bench);
    assert!(lines.iter().enumerate().all(|(n, line)| line["seq"] == n && line["run"] == report["run"]), "{lines:?}");
    let kinds: Vec<_> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!((kinds[0], kinds[kinds.len() - 1]), ("begin", "end"));
    assert_eq!(kinds.iter().filter(|kind| **kind == "attempt").count(), 2);
    let begin = &lines[0];
    assert_eq!((&begin["who"]["actor"], &begin["who"]["user"]), (&"ana".into(), &"root".into()));
    assert_eq!((&begin["who"]["sudo_user"], &begin["who"]["from"]), (&"bo".into(), &"192.0.2.7".into()));
    assert_eq!(begin["who"]["uid"], rustix::process::getuid().as_raw());
    assert_eq!(begin["directory"], bench.scratch.path().to_str().unwrap());
    assert_eq!(begin["options"], serde_json::json!({"settle_ms": 500}));
    let mode = std::fs::metadata(bench.scratch.path().join("journal.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let run = report["run"].as_str().unwrap();
    let page = bench.history(run);
    let bad = page["instances"].as_array().unwrap().iter().find(|row| row["host"] == "edge-2").unwrap().clone();
    assert_eq!((&bad["outcome"], &bad["name"]), (&"failed".into(), &Value::from(bench.name("bad"))));
    assert!(bad["cause"].as_str().unwrap().contains("exited with code 3"), "{bad}");
    assert_eq!((&page["left"], &page["exit"], &page["state"]), (&1.into(), &1.into(), &"finished".into()));
}

#[test]
fn the_json_of_history_has_the_same_keys_whatever_happened() {
    let mut bench = Bench::new();
    assert_eq!(bench.mcp("history -o json").out, "[]\n");
    bench.server("web", "edge-1", "", "");
    bench.report("start --all --settle 0", 0);
    let runs = bench.history("");
    let of_a_run = [
        "actor",
        "command",
        "counts",
        "directory",
        "exit",
        "from",
        "halted",
        "interrupted",
        "machine",
        "parent",
        "planned",
        "run",
        "seconds",
        "started",
        "state",
        "sudo_user",
        "uid",
        "user",
        "verb",
        "version",
    ];
    assert_eq!(keys(&runs[0]), of_a_run);
    let id = runs[0]["run"].as_str().unwrap();
    let page = bench.history(&id[id.len() - 4..]);
    let mut of_a_page = [&of_a_run[..], &["batches", "hosts", "instances", "left", "options"]].concat();
    of_a_page.sort_unstable();
    assert_eq!(keys(&page), of_a_page);
    assert_eq!(keys(&page["instances"][0]), ["action", "cause", "host", "name", "outcome", "seconds"]);
    assert_eq!(bench.mcp("history -o name").out, format!("{id}\n"));
    assert_eq!(bench.mcp(&format!("history {id} -o name")).out, format!("{}@edge-1\n", bench.name("web")));
    bench.report("stop --all", 0);
    bench.report("stop --all", 0);
    let verbs = |words: &str| -> Vec<String> {
        bench.history(words).as_array().unwrap().iter().map(|run| run["verb"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(verbs(""), ["start", "stop", "stop"], "the newest is last");
    assert_eq!(verbs("-n 2"), ["stop", "stop"]);
}

#[test]
fn verify_gives_the_last_hash_and_names_the_line_that_was_altered() {
    let mut bench = Bench::new();
    bench.mcp("history verify").says(0, &[]);
    bench.server("web", "edge-*", "", "");
    bench.report("start --all --settle 0", 0);
    let answer = bench.mcp("history verify -o json");
    let report: Value = serde_json::from_str(&answer.out).unwrap_or_else(|e| panic!("{e}: {answer:?}"));
    let of_a_report = [
        "begins",
        "continues",
        "files",
        "findings",
        "head",
        "intact",
        "lines",
        "more_findings",
        "noted",
        "torn",
        "unhashed",
    ];
    assert_eq!(keys(&report), of_a_report);
    assert_eq!(keys(&report["head"]), ["at", "file", "hash", "line", "seq"]);
    assert_eq!(keys(&report["noted"][0]), ["after", "by", "hash", "seq"]);
    assert_eq!((&report["intact"], &report["lines"]), (&true.into(), &lines(&bench).len().into()));
    let head = report["head"]["hash"].as_str().unwrap();
    assert_eq!(bench.mcp("history verify -o name").out, format!("{head}\n"));
    bench.report("stop --all", 0);
    bench
        .mcp(&format!("history verify --head {}", &head[..16]))
        .says(0, &["the line that --head notes is there, with"]);
    assert!(bench.mcp("history verify").out.starts_with("ok: "));

    let (honest, path) = (bench.scratch.read("journal.jsonl"), bench.scratch.path().join("journal.jsonl"));
    std::fs::write(&path, honest.replacen(r#""outcome":"changed""#, r#""outcome":"failed""#, 1)).unwrap();
    let number = honest.lines().position(|line| line.contains(r#""outcome":"changed""#)).unwrap() + 1;
    let answer = bench.mcp("history verify");
    answer.says(1, &["the journal was altered: 1 finding"]);
    let row = answer.out.lines().find(|line| line.contains("altered")).unwrap_or_else(|| panic!("{answer:?}"));
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(words[..4], ["altered", "journal.jsonl", &number.to_string(), &(number - 1).to_string()], "{answer:?}");
    let report: Value = serde_json::from_str(&bench.mcp("history verify -o json").out).unwrap();
    assert_eq!(keys(&report["findings"][0]), ["file", "kind", "line", "seq", "what"]);
    assert_eq!(report["findings"][0]["line"], number);

    let short = honest.lines().count() - 1;
    std::fs::write(&path, honest.lines().take(short).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let answer = bench.mcp("history verify");
    assert!(
        answer.code == Some(1) && answer.out.contains("truncated") && answer.out.contains("journal.head"),
        "{answer:?}"
    );
    assert_eq!(bench.mcp("history verify --head short").code, Some(2));
}

#[test]
fn history_is_told_without_any_host_or_file_but_the_journal() {
    let mut bench = Bench::new();
    bench.server("web", "edge-1", "", "");
    bench.report("start --all --settle 0", 0);
    bench.scratch.write("hosts.yaml", "hosts: [");
    std::fs::remove_file(bench.scratch.path().join("servers.yaml")).unwrap();
    let answer = bench.mcp("history");
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(answer.out.contains("start --all --settle 0") && answer.out.contains("1 ok"), "{answer:?}");
}

#[test]
fn secrets_of_a_command_line_are_not_written_down() {
    let bench = Bench::new();
    let name = bench.name("web");
    let run = bench.scratch.docker_run("web", "-e API_KEY=s3cr3t-1 -e DB_PASSWORD='s3cr3t 2' -e MODE=plain", "");
    let words = ["add", &name, "--host", "edge-1", "--command", &run, "--start"];
    assert!(bench.scratch.mcp(&words).output().unwrap().status.success());
    let text = bench.scratch.read("journal.jsonl");
    assert!(!text.contains("s3cr3t"), "{text}");
    assert!(text.contains("API_KEY=***") && text.contains("MODE=plain"), "{text}");
    assert_eq!(bench.history("")[0]["verb"], "start");
}

#[test]
fn a_journal_that_cannot_be_written_is_a_warning_and_stops_nothing() {
    let mut bench = Bench::new();
    bench.server("web", "edge-1", "", "");
    bench.report("start --all --settle 0", 0);
    let path = bench.scratch.path().join("journal.jsonl");
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let answer = bench.mcp("stop --all");
    answer.says(0, &["warning: the journal was not written", "a symbolic link", "stop: 1 ok"]);
    assert_eq!(bench.state(1, "web"), "exited");
    assert_eq!(answer.err.matches("the journal").count(), 1, "once is enough: {answer:?}");
}

#[test]
fn two_runs_at_once_share_the_journal_without_loss() {
    let mut bench = Bench::new();
    for short in ["a", "b", "c", "d"] {
        bench.server(short, "edge-*", "", "");
    }
    let children = [bench.spawn("start :a :b --settle 0 --serial 1"), bench.spawn("start :c :d --settle 0 --serial 1")];
    for child in children {
        let answer = crate::support::Answer::of(child.wait_with_output().unwrap());
        assert_eq!(answer.code, Some(0), "{answer:?}");
    }
    let lines = lines(&bench);
    assert!(lines.iter().enumerate().all(|(n, line)| line["seq"] == n), "{lines:?}");
    let runs = bench.history("");
    assert_eq!(runs.as_array().unwrap().len(), 2);
    for run in runs.as_array().unwrap() {
        assert_eq!((&run["planned"], &run["counts"]["changed"]), (&6.into(), &6.into()), "{run}");
        assert_eq!(run["state"], "finished");
    }
}
