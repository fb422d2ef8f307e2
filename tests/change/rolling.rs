//! Batches, limits and health.

use serde_json::Value;

use crate::{
    rig::Rig,
    support::{Bench, Report, error, gist},
};

fn outcomes(report: &Report) -> Vec<&str> {
    report.rows().iter().map(|row| row["outcome"].as_str().unwrap()).collect()
}

fn hosts(batches: &Value) -> Vec<Vec<&str>> {
    batches
        .as_array()
        .unwrap()
        .iter()
        .map(|batch| batch.as_array().unwrap().iter().map(|host| host.as_str().unwrap()).collect())
        .collect()
}

#[test]
fn a_rolling_restart_ends_at_its_limit_and_resume_finishes_it_after_the_repair() {
    let rig = Rig::own_on(12, 4);
    let mut bench = Bench::on(&rig);
    // The health check asks port 8080; the host's own environment says where the server listens there.
    let port = |host: &str, port: u16| {
        let entry = format!("  {host}:\n");
        bench.scratch.hosts_yaml().replace(&entry, &format!("{entry}    env: {{LISTEN: \"{port}\"}}\n"))
    };
    let (broken, mended) = (port("edge-3", 8081), port("edge-3", 8080));
    let with_default = |text: &str| text.replace("defaults:\n", "defaults:\n  env: {LISTEN: \"8080\"}\n");
    for (short, place) in [("alpha", "edge-[1:4]"), ("beta", "edge-[5:8]"), ("gamma", "edge-[9:12]")] {
        let command = bench.with_health(short, "", "--port $LISTEN");
        bench.entry(short, place, &command, &[]);
    }
    bench.scratch.write("hosts.yaml", &with_default(&mended));
    assert_eq!(bench.report("start --all --settle 0", 0).rows().len(), 12);
    let untouched = bench.started_at(5, "beta");

    bench.scratch.write("hosts.yaml", &with_default(&broken));
    let report = bench.report("restart --all --recreate --settle 0 --serial 1,25% --max-fail 1", 1);
    let alpha = bench.name("alpha");
    assert_eq!(outcomes(&report)[..4], ["changed", "changed", "rolled_back", "changed"]);
    assert!(outcomes(&report)[4..].iter().all(|outcome| *outcome == "not_attempted"), "{report:?}");
    assert!(error(report.of(&alpha, "edge-3"), "cause").starts_with("docker's health check fails; it ended with code"));
    let beta = report.of(&bench.name("beta"), "edge-5");
    assert_eq!(beta["error"]["kind"], "halted");
    // As it was seen right after its start, when its health check had or had not passed yet.
    assert_eq!(beta["status"]["status"], "running", "last known: {beta}");
    assert!(beta["status"]["state"] == "running" || beta["status"]["state"] == "starting", "last known: {beta}");
    assert!(beta["status"]["message"].as_str().unwrap().contains("last known"), "{beta}");
    assert_eq!(report.0["halted"], "1 of 12 hosts failed, and the limit is --max-fail 1");
    assert_eq!((&report.0["batches"], &report.0["batches_begun"]), (&5.into(), &2.into()));
    assert_eq!(bench.started_at(5, "beta"), untouched);
    let page = bench.history(report.0["run"].as_str().unwrap());
    assert_eq!(hosts(&page["batches"])[..2], [vec!["edge-1"], vec!["edge-2", "edge-3", "edge-4"]]);

    bench.scratch.write("hosts.yaml", &with_default(&mended));
    let done = bench.started_at(1, "alpha");
    let answer = bench.mcp("resume");
    answer.says(0, &["resume restart of ", ": 9 of 12 left", "restart: 9 ok"]);
    assert_eq!(bench.started_at(1, "alpha"), done, "what was done is not done again");
    assert!(bench.started_at(5, "beta") > untouched);
    for (host, short) in (1..=12).map(|host| (host, ["alpha", "beta", "gamma"][(host - 1) / 4])) {
        assert_eq!(bench.inspect(host, short, "{{.State.Health.Status}}"), "healthy", "{short} on {host}");
    }
    bench.mcp("resume").says(0, &["nothing is left"]);
    let runs = bench.history("");
    assert_eq!(runs[2]["parent"], runs[1]["run"]);
}

#[test]
fn never_are_all_instances_of_a_server_in_one_batch() {
    let mut bench = Bench::new();
    bench.server("web", "edge-*", "", "");
    bench.server("pair", "edge-1,edge-2", "", "");
    bench.report("start --all --settle 0", 0);
    let run = bench.report("restart --all --settle 0 --serial 100%", 0);
    let page = bench.history(run.0["run"].as_str().unwrap());
    assert_eq!(hosts(&page["batches"]), [vec!["edge-1", "edge-3"], vec!["edge-2"]]);
    // What is not selected goes on serving, so two of three may go together.
    let run = bench.report("restart :web --on edge-1,edge-2 --settle 0 --serial 2", 0);
    assert_eq!(run.0["batches"], 1);
}

#[test]
fn a_dry_run_says_which_hosts_would_go_together() {
    let mut bench = Bench::new();
    bench.server("web", "edge-*", "", "");
    let answer = bench.mcp("start --all --serial 1,100% --dry-run");
    answer.says(0, &["batch 1 of 2: edge-1\n", "batch 2 of 2: edge-2, edge-3\n"]);
    assert!(!bench.scratch.path().join("journal.jsonl").exists(), "a dry run is no run");
}

#[test]
fn a_rollout_makes_rolling_the_default_and_the_command_line_wins() {
    let mut bench = Bench::new();
    bench.server("web", "edge-*", "", "");
    bench.server("alone", "edge-3", "", "");
    let batches = |bench: &Bench<'_>, words: &str| -> usize {
        let plan = bench.report(&format!("{words} --dry-run"), 0);
        plan.0["batches"].as_array().unwrap().len()
    };
    bench.report("start --all --settle 0", 0);
    let name = bench.name("web");
    let at_once = format!("all 3 instances of {name} go down at the same time");
    bench.mcp("restart --all --dry-run").says(0, &[&at_once, "--serial 1"]);
    bench.mcp("restart :web --settle 0").says(0, &[&at_once]);
    bench.mcp("start :web --replace --dry-run").says(0, &[&at_once]);
    for words in
        ["restart :web --on edge-1,edge-2", "restart :web --serial 100%", "start --all", "stop --all", "restart :alone"]
    {
        let answer = bench.mcp(&format!("{words} --dry-run"));
        assert!(!answer.err.contains("go down"), "{words}: {answer:?}");
    }
    let servers = bench.scratch.read("servers.yaml");
    bench.scratch.write(
        "servers.yaml",
        &servers.replace("version: 1\n", "version: 1\ndefaults: {rollout: {serial: 1, max_fail: 1}}\n"),
    );
    assert_eq!(batches(&bench, "restart --all"), 3);
    assert_eq!(batches(&bench, "start --all"), 3);
    assert_eq!(batches(&bench, "restart --all --serial 2"), 2);
    assert_eq!(batches(&bench, "restart --all --no-rollout"), 1);
    assert_eq!(batches(&bench, "stop --all"), 1);
    let answer = bench.mcp("restart --all --settle 0");
    answer.says(0, &["in 3 batches"]);
    assert!(!answer.err.contains("go down"), "{answer:?}");
    // Only the server with a rollout goes in batches; the others go with the first.
    bench.scratch.write(
        "servers.yaml",
        &servers.replace(&format!("  {name}:\n"), &format!("  {name}:\n    rollout: {{serial: 2}}\n")),
    );
    let run = bench.report("restart --all --settle 0", 0);
    let page = bench.history(run.0["run"].as_str().unwrap());
    assert_eq!(hosts(&page["batches"]), [vec!["edge-1", "edge-2"], vec!["edge-3"]]);
    bench.mcp("restart :alone --wait 1s").says(2, &["there is one batch"]);
}

#[test]
fn fail_fast_attempts_no_further_host() {
    let mut bench = Bench::new();
    bench.server("dies", "edge-*", "", "--exit 3");
    let report = bench.report("start :dies --settle 500ms --forks 1 --fail-fast", 1);
    assert_eq!(outcomes(&report), ["failed", "not_attempted", "not_attempted"]);
    assert!(report.0["halted"].as_str().unwrap().contains("edge-1 failed, and --fail-fast"), "{report:?}");
    assert_eq!(bench.state(2, "dies"), "none");
}

#[test]
fn a_batch_that_failed_as_a_whole_ends_the_run_and_a_limit_that_was_not_reached_does_not_make_it_well() {
    let mut bench = Bench::new();
    bench.server("dies", "edge-*", "", "--exit 3");
    let report = bench.report("start :dies --settle 500ms --serial 1", 1);
    assert_eq!(outcomes(&report), ["failed", "not_attempted", "not_attempted"]);
    let report = bench.report("start :dies --settle 500ms --serial 1 --max-fail 100%", 1);
    assert_eq!(outcomes(&report), ["failed"; 3]);
    assert_eq!(report.0["halted"], Value::Null);
}

#[test]
fn a_host_that_cannot_be_reached_counts_and_is_what_is_retried() {
    let rig = Rig::own(3);
    let mut bench = Bench::on(&rig);
    bench.server("web", "edge-*", "", "");
    rig.sshd("stop", 2);
    let report = bench.report("start :web --settle 0 --serial 1 --max-fail 1", 4);
    assert_eq!(outcomes(&report), ["changed", "unreachable", "not_attempted"]);
    let answer = bench.mcp("start :web --settle 0 --serial 1 --max-fail 1");
    answer.says(4, &["2 of 3 batches begun", "start ended early: 1 of 3 hosts failed", "resume with: mcp resume"]);
    rig.sshd("start", 2);
    let report = bench.report("start --retry-failed --on edge-3 --settle 0", 0);
    assert_eq!(report.rows().iter().map(|row| &row["host"]).collect::<Vec<_>>(), ["edge-3"]);
    let report = bench.report("start --retry-failed --settle 0", 0);
    assert_eq!(report.rows().iter().map(|row| &row["host"]).collect::<Vec<_>>(), ["edge-2"]);
    bench.mcp("start --retry-failed").says(0, &["nothing is left of the last start"]);
    bench.mcp("stop --retry-failed").says(2, &["there is no stop in the journal"]);
}

#[test]
fn health_is_waited_for_when_it_is_asked_for() {
    let mut bench = Bench::new();
    let good = bench.with_health("good", "", "");
    bench.entry("good", "edge-1", &good, &[]);
    let bad = bench.with_health("bad", "", "--port 8081");
    bench.entry("bad", "edge-1", &bad, &[]);
    let late = bench.with_health("late", "--health-interval 1h", "");
    bench.entry("late", "edge-2", &late, &[]);
    bench.report("start --all --settle 0", 0);
    let report = bench.report("restart --all --settle 0 --wait-healthy --health-timeout 8s", 1);
    let row = |short: &str, host: &str| report.of(&bench.name(short), host).clone();
    assert_eq!(gist(&row("good", "edge-1")), "changed restarted running");
    assert_eq!(row("good", "edge-1")["status"]["health"], "healthy");
    assert_eq!(gist(&row("bad", "edge-1")), "failed - running");
    assert!(error(&row("bad", "edge-1"), "cause").contains("and said: mcp-server: no answer"), "{report:?}");
    assert_eq!(error(&row("late", "edge-2"), "cause"), "docker's health check has not passed within 8 s");
    // What runs already is looked at too, and is not taken for well because it was not touched.
    let report = bench.report("start :bad --serial 1", 1);
    assert_eq!(gist(report.row()), "failed - running");
    assert!(error(report.row(), "hint").contains("mcp restart"), "{report:?}");
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_done() {
    let mut bench = Bench::new();
    bench.server("web", "edge-1", "", "");
    for words in ["--serial 0", "--serial 101%", "--serial 1,", "--max-fail 0", "--max-fail 0%", "--wait 3s"] {
        let answer = bench.mcp(&format!("start :web {words}"));
        assert_eq!(answer.code, Some(2), "{words}: {answer:?}");
    }
    assert_eq!(bench.state(1, "web"), "none");
    assert_eq!(bench.history("").as_array().unwrap().len(), 0);
}
