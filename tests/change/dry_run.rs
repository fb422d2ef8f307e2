//! `--offline`: the exact strings, and no host is asked.

use serde_json::Value;

use crate::{rig::Rig, support::Bench};

#[test]
fn offline_prints_the_exact_strings_and_asks_no_host() {
    let rig = Rig::own(2);
    let mut bench = Bench::on(&rig);
    let command = bench.server("a", "edge-*", "-e 'COLOUR=deep  blue'", "--log-lines 3");
    let name = bench.name("a");
    let stop = format!("docker kill --signal=INT {name}");
    bench.entry("b", "edge-1", &bench.scratch.docker_run("b", "", ""), &[&format!("stop: {stop}")]);
    let steps = |bench: &Bench<'_>, words: &str| -> Vec<(String, String, String)> {
        let answer = bench.mcp(&format!("{words} --offline -o json"));
        assert_eq!(answer.code, Some(0), "{answer:?}");
        let steps: Vec<Value> = serde_json::from_str(&answer.out).unwrap_or_else(|e| panic!("{e}: {answer:?}"));
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        steps.iter().map(|s| (text(&s["host"]), text(&s["when"]), text(&s["command"]))).collect()
    };
    let has = |steps: &[(String, String, String)], host: &str, when: &str, command: &str| {
        assert!(
            steps.iter().any(|(h, w, c)| (h.as_str(), w.as_str(), c.as_str()) == (host, when, command)),
            "{steps:#?}"
        );
    };

    let start = steps(&bench, "start :a");
    for host in ["edge-1", "edge-2"] {
        has(&start, host, "no container", &command);
        has(&start, host, "stopped, same command", &format!("docker start {name}"));
        has(
            &start,
            host,
            "stopped, other command",
            &format!("docker rename {name} {name}.mcp-previous && {command} && docker rm -f {name}.mcp-previous"),
        );
    }
    has(&steps(&bench, "stop :a"), "edge-2", "running", &format!("docker stop {name}"));
    has(&steps(&bench, "stop :b"), "edge-1", "running", &stop);
    has(&steps(&bench, "restart :a"), "edge-1", "running, same command", &format!("docker restart {name}"));
    let recreate = steps(&bench, "restart :a --recreate");
    assert!(!recreate.iter().any(|(_, _, command)| command.starts_with("docker restart")), "{recreate:#?}");

    bench.server("brief", "edge-1", "--rm", "");
    let brief: Vec<(String, String)> = steps(&bench, "restart :brief").into_iter().map(|(_, w, c)| (w, c)).collect();
    let whens: Vec<&str> = brief.iter().map(|(when, _)| when.as_str()).collect();
    assert_eq!(whens, ["running", "stopped", "no container", "-"], "one made with --rm is never kept: {brief:#?}");

    let answer = bench.mcp("restart --all --offline");
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(answer.out.contains(&command) && answer.out.contains(&stop), "{answer:?}");

    assert_eq!([1, 2].map(|number| rig.ssh_counts(number).sessions), [0, 0], "no host was asked");
    assert!(!bench.scratch.path().join("state.yaml").exists(), "nothing was written");
    assert_eq!([1, 2].map(|number| bench.state(number, "a")), ["none", "none"]);
}

#[test]
fn a_dry_run_of_a_wrong_selection_is_as_wrong() {
    let mut bench = Bench::new();
    bench.server("a", "edge-1", "", "");
    bench.mcp("start --dry-run").says(2, &["nothing is selected"]);
    bench.mcp("stop nobody --dry-run").says(2, &["no server is called"]);
}
