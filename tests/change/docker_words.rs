//! A host's own words for docker, and its environment.

use crate::support::{Bench, gist};

/// The inventory with more keys for every host.
fn with_defaults(bench: &Bench<'_>, keys: &str) {
    let hosts = bench.scratch.hosts_yaml().replace("defaults:\n", &format!("defaults:\n{keys}"));
    bench.scratch.write("hosts.yaml", &hosts);
}

/// A server's whole life with these words for docker.
fn lives(words: &str) {
    let mut bench = Bench::new();
    with_defaults(&bench, &format!("  docker: {words}\n"));
    bench.server("a", "edge-1", "-l version=1", "");
    bench.server("gone", "edge-1", "--rm", "");
    bench.server("bad", "edge-1", "", "--exit 3");
    let dry = bench.mcp("start :a --offline");
    assert!(dry.out.contains(&format!("{words} run -d --name {}", bench.name("a"))), "{dry:?}");

    let report = bench.report("start --all", 1);
    assert_eq!(gist(report.of(&bench.name("a"), "edge-1")), "changed created running");
    assert_eq!(gist(report.of(&bench.name("gone"), "edge-1")), "changed created running");
    let log = report.of(&bench.name("bad"), "edge-1")["error"]["log"].to_string();
    assert!(log.contains("ending with code 3"), "{log}");
    assert_eq!(gist(bench.report("restart :a --settle 0", 0).row()), "changed restarted running");
    assert_eq!(gist(bench.report("restart :gone --settle 0", 0).row()), "changed replaced running");
    bench.server("a", "edge-1", "-l version=2", "");
    assert_eq!(gist(bench.report("restart :a --settle 0", 0).row()), "changed replaced running");
    assert_eq!(bench.inspect(1, "a", "{{.Config.Labels.version}}"), "2");
    bench.entry(
        "a",
        "edge-1",
        &bench.scratch.docker_run("a", "-l version=2", ""),
        &[&format!("stop: docker stop -t 5 {}", bench.name("a"))],
    );
    assert_eq!(gist(bench.report("restart :a --settle 0", 0).row()), "changed restarted running");
    assert_eq!(gist(bench.report("stop :a", 0).row()), "changed stopped stopped");
    assert_eq!(gist(bench.report("start :a --settle 0", 0).row()), "changed started running");
}

#[test]
fn docker_may_be_an_assignment_and_docker() {
    lives("DOCKER_HOST=unix:///var/run/docker.sock docker");
}

#[test]
fn docker_may_be_another_program_that_runs_docker() {
    lives("env docker");
}

#[test]
fn a_host_s_environment_reaches_docker_and_is_not_shown() {
    let mut bench = Bench::new();
    with_defaults(&bench, "  env:\n    MCP_TEST_COLOUR: it's $deep \"blue\"\n");
    bench.server("a", "edge-1", "-e MCP_TEST_COLOUR", "");
    let dry = bench.mcp("start :a --offline");
    assert!(!format!("{dry:?}").contains("deep"), "{dry:?}");
    let answer = bench.mcp("start :a --settle 0 --verbose -o json");
    answer.says(0, &[]);
    assert!(!format!("{answer:?}").contains("deep"), "{answer:?}");
    let env = bench.inspect(1, "a", "{{range .Config.Env}}{{println .}}{{end}}");
    assert!(env.lines().any(|line| line == "MCP_TEST_COLOUR=it's $deep \"blue\""), "{env}");
    assert!(!bench.scratch.read("state.yaml").contains("deep"));
}

#[test]
fn words_that_are_no_docker_fail_with_what_to_do() {
    let mut bench = Bench::new();
    with_defaults(&bench, "  docker: /no/such/docker\n");
    bench.server("a", "edge-1", "", "");
    bench.mcp("start :a").says(1, &["the docker command does not run on this host", "hosts.NAME.docker"]);
}

#[test]
fn an_account_that_may_not_use_docker_fails_with_what_to_do() {
    let mut bench = Bench::new();
    let hosts = bench.scratch.hosts_yaml().replace("user: root", "user: guest");
    bench.scratch.write("hosts.yaml", &hosts);
    bench.server("a", "edge-1", "", "");
    bench.mcp("start :a").says(1, &["permission denied", "`docker` group"]);
}
