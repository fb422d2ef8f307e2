//! Containers that do not stay up, and docker that refuses.

use crate::support::{Bench, error, gist};

#[test]
fn a_container_that_exits_at_once_fails_with_its_exit_code_and_last_lines_and_the_others_are_done() {
    let mut bench = Bench::new();
    bench.server("bad", "edge-1", "", "--log-lines 30 --exit 3");
    bench.server("good", "edge-1", "", "");
    bench.server("far", "edge-2", "", "");
    let report = bench.report("start --all", 1);
    let bad = report.of(&bench.name("bad"), "edge-1");
    assert_eq!(gist(bad), "failed - error");
    assert_eq!(bad["status"]["exit_code"], 3);
    assert!(error(bad, "cause").contains("did not stay up") && error(bad, "cause").contains("code 3"), "{bad}");
    assert!(error(bad, "hint").contains(&format!("mcp log {}@edge-1", bench.name("bad"))), "{bad}");
    let lines: Vec<&str> = bad["error"]["log"].as_array().unwrap().iter().filter_map(|line| line.as_str()).collect();
    assert_eq!(lines.len(), 20, "{lines:?}");
    // Docker copies stdout and stderr side by side, so only the order within one of them is sure.
    assert!(lines.contains(&"line 30"), "{lines:?}");
    assert!(!lines.contains(&"line 1"), "{lines:?}");
    assert_eq!(gist(report.of(&bench.name("good"), "edge-1")), "changed created running");
    assert_eq!(gist(report.of(&bench.name("far"), "edge-2")), "changed created running");
}

#[test]
fn a_failure_is_told_in_words_with_cause_log_and_hint() {
    let mut bench = Bench::new();
    bench.server("bad", "edge-1", "", "--log-lines 30 --exit 3");
    bench.server("good", "edge-1", "", "");
    let answer = bench.mcp("start --all");
    let what = format!("error: cannot start {}@edge-1\n  cause: the container did not stay up", bench.name("bad"));
    answer.says(1, &[&what, "  log:   line 30", "  hint:  ", "start: 1 ok · 1 failed in "]);
    assert_eq!(answer.err.matches("  log:   ").count(), 20, "{answer:?}");
    assert!(answer.out.contains("failed") && answer.out.contains("created"), "{answer:?}");
    // The container itself is kept, to be looked at.
    assert_eq!(bench.state(1, "bad"), "exited");
    assert_eq!(bench.listed("bad")["status"], "error");
}

#[test]
fn a_container_killed_for_memory_says_so() {
    let mut bench = Bench::new();
    bench.server("big", "edge-1", "-m 24m --memory-swap 24m", "--eat-memory 200");
    let report = bench.report("start :big", 1);
    assert_eq!(gist(report.row()), "failed - error");
    assert!(error(report.row(), "cause").contains("out of memory"), "{report:?}");
    assert_eq!(report.row()["status"]["exit_code"], 137);
}

#[test]
fn a_container_that_ends_within_the_settle_time_did_not_start() {
    let mut bench = Bench::new();
    bench.server("a", "edge-1", "", "--exit 0 --after 1.5");
    assert_eq!(gist(bench.report("start :a --settle 0", 0).row()), "changed created running");
    bench.rig.docker_text(1, &["wait", &bench.name("a")]);
    let report = bench.report("start :a --settle 3s", 1);
    assert_eq!(gist(report.row()), "failed - stopped", "code 0, so nothing is wrong with its status");
    assert!(error(report.row(), "cause").contains("did not stay up for 3 s"), "{report:?}");
}

#[test]
fn a_container_that_its_policy_restarts_did_not_start() {
    let mut bench = Bench::new();
    bench.server("loop", "edge-1", "--restart always", "--exit 4");
    let report = bench.report("start :loop", 1);
    assert_eq!(gist(report.row()), "failed - error");
    assert!(error(report.row(), "cause").contains("restart"), "{report:?}");
    let log = report.row()["error"]["log"].to_string();
    assert!(log.contains("ending with code 4"), "{log}");
    // Stopped, it is quiet, and no error.
    assert_eq!(gist(bench.report("stop :loop", 0).row()), "changed stopped stopped");
    assert_eq!(bench.listed("loop")["status"], "stopped");
}

#[test]
fn a_container_that_removed_itself_is_missed() {
    let mut bench = Bench::new();
    bench.server("brief", "edge-1", "--rm", "--exit 0");
    let report = bench.report("start :brief", 1);
    assert_eq!(report.row()["outcome"], "failed");
    assert!(error(report.row(), "cause").contains("removed itself"), "{report:?}");
}

#[test]
fn a_missing_image_fails_its_row_with_docker_s_words_and_a_hint() {
    let mut bench = Bench::new();
    let command = format!("docker run -d --name {} no-such-image.invalid/mcp:9", bench.name("a"));
    bench.entry("a", "edge-1", &command, &[]);
    bench.server("good", "edge-1", "", "");
    let report = bench.report("start --all --settle 200ms", 1);
    let row = report.of(&bench.name("a"), "edge-1");
    assert_eq!(gist(row), "failed - stopped");
    assert!(error(row, "cause").starts_with("docker: ") && error(row, "cause").contains("no-such-image"), "{row}");
    assert!(error(row, "hint").contains("image"), "{row}");
    assert_eq!(gist(report.of(&bench.name("good"), "edge-1")), "changed created running");
}

#[test]
fn a_port_that_is_taken_fails_its_row_and_the_next_start_recovers() {
    let mut bench = Bench::new();
    let port = bench.scratch.port();
    let other = bench.scratch.docker_run("other", &format!("-p 127.0.0.1:{port}:8080"), "");
    bench.by_hand(1, &other);
    bench.server("a", "edge-1", &format!("-p 127.0.0.1:{port}:8080"), "");
    for attempt in ["created", "started"] {
        let report = bench.report("start :a --settle 200ms", 1);
        assert_eq!(gist(report.row()), "failed - error", "{attempt}");
        assert!(error(report.row(), "cause").contains("port is already allocated"), "{attempt}: {report:?}");
        assert!(error(report.row(), "hint").contains("publish another port"), "{attempt}: {report:?}");
    }
    bench.rig.docker_text(1, &["rm", "-f", &bench.name("other")]);
    assert_eq!(bench.report("start :a --settle 200ms", 0).row()["outcome"], "changed");
    assert_eq!(bench.state(1, "a"), "running");
}
