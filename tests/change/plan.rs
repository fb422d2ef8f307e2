//! `--dry-run`: what would be done to each instance, asked of the hosts and not done.

use serde_json::Value;

use crate::support::{Bench, Report};

fn actions(plan: &Report) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    plan.rows().iter().map(|row| (text(&row["action"]), text(&row["reason"]))).collect()
}

fn plan(bench: &Bench<'_>, words: &str, code: i32) -> (String, String) {
    let plan = bench.report(&format!("{words} --dry-run"), code);
    plan.row();
    actions(&plan).remove(0)
}

#[test]
fn a_plan_tells_for_each_state_what_would_be_done_and_why_and_does_nothing() {
    let mut bench = Bench::new();
    let command = bench.server("a", "edge-1", "", "--log-lines 3");
    let words = |action: &str, reason: &str| (action.to_owned(), reason.to_owned());
    assert_eq!(plan(&bench, "start :a", 0), words("create", "no container"));
    assert_eq!(plan(&bench, "stop :a", 0), words("nothing", "no container"));
    assert_eq!(plan(&bench, "remove :a", 0), words("remove", "no container; the server is unregistered"));
    let whole = bench.report("start :a --dry-run", 0);
    assert_eq!(whole.row()["command"], *command);
    assert!(!bench.scratch.path().join("state.yaml").exists(), "no state is written");
    assert!(!bench.scratch.path().join("journal.jsonl").exists(), "no run is written");
    assert_eq!(bench.state(1, "a"), "none");

    bench.report("start :a --settle 0", 0);
    let (id, started) = (bench.id(1, "a"), bench.started_at(1, "a"));
    let kept = ["state.yaml", "journal.jsonl"].map(|file| bench.scratch.read(file));
    assert_eq!(plan(&bench, "start :a", 0), words("nothing", "running"));
    assert_eq!(plan(&bench, "restart :a", 0), words("restart", "running"));
    assert_eq!(plan(&bench, "restart :a --recreate", 0), words("replace", "running; --recreate"));
    assert_eq!(plan(&bench, "stop :a", 0), words("stop", "running"));
    assert_eq!(plan(&bench, "remove :a", 1), words("refuse", "it runs"));
    assert_eq!(plan(&bench, "remove :a --stop", 0).0, "remove");
    let answer = bench.mcp("restart :a --dry-run -v");
    assert_eq!(answer.execs("edge-1"), 1, "a plan is one exec: {answer:?}");
    bench.server("a", "edge-1", "", "--log-lines 4");
    assert_eq!(plan(&bench, "restart :a", 0), words("replace", "running; the registered string has changed"));
    // An image that is missing has to be pulled first.
    bench.entry("a", "edge-1", &command.replace("mcp-demo:1", "127.0.0.1:1/none:1"), &[]);
    assert_eq!(bench.report("restart :a --dry-run", 0).row()["pulls"], true);
    assert_eq!(bench.report("start :a --dry-run", 0).row()["pulls"], false, "nothing is made");
    assert_eq!(["state.yaml", "journal.jsonl"].map(|file| bench.scratch.read(file)), kept);
    assert_eq!((bench.id(1, "a"), bench.started_at(1, "a")), (id, started));
}

#[test]
fn a_plan_shows_refusals_unreachable_hosts_and_the_strings_with_v() {
    let mut bench = Bench::new();
    bench.server("a", "edge-1", "", "--log-lines 3");
    bench.by_hand(1, &bench.scratch.docker_run("a", "", "--log-lines 4"));
    let refused = bench.report("restart :a --dry-run", 1);
    assert_eq!(refused.row()["action"], "refuse");
    assert!(refused.row()["error"]["hint"].as_str().unwrap().contains("--replace"), "{refused:?}");
    assert_eq!(bench.report("stop :a --dry-run", 1).row()["action"], "refuse");
    let name = bench.name("a");
    let answer = bench.mcp("stop :a --foreign --dry-run -v");
    answer.says(0, &["plan of stop: 1 stop; nothing was changed"]);
    assert!(answer.out.contains(&format!("{name}@edge-1: docker stop {name}")), "{answer:?}");
    assert!(!bench.mcp("stop :a --foreign --dry-run").out.contains("docker stop"));

    let hosts = bench.scratch.hosts_yaml().replace(&bench.rig.host(2).address, "127.0.0.1");
    bench.scratch.write("hosts.yaml", &hosts.replace("  edge-2:\n", "  edge-2:\n    port: 1\n"));
    bench.server("b", "edge-2", "", "");
    let unknown = bench.report("start :b --dry-run --retries 0", 4);
    assert_eq!(unknown.row()["action"], "unknown");
}
