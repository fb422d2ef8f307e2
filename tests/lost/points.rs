//! Cuts at chosen points.

use serde_json::Value;

use crate::{
    bench::{bench, straight, through, with_environment},
    proxy::{Cut, Direction, Proxy, Way},
    rig::Rig,
    support::{Answer, Bench, Report, error, gist, wait_until},
};

/// A server that takes three seconds to stop, and runs.
fn slow() -> Bench<'static> {
    let mut bench = bench();
    bench.server("slow", "edge-1", "--stop-timeout 3", "--ignore-term");
    bench.report("start :slow --settle 500ms", 0);
    bench
}

/// Runs `words`, cuts when `moment` has come, and gives the report.
fn cut_at(bench: &Bench<'_>, words: &str, way: Way, code: i32, moment: impl FnMut() -> bool) -> Report {
    let proxy = through(bench, None);
    cut_through(&proxy, bench, words, way, code, moment)
}

fn cut_through(
    proxy: &Proxy,
    bench: &Bench<'_>,
    words: &str,
    way: Way,
    code: i32,
    moment: impl FnMut() -> bool,
) -> Report {
    let child = bench.spawn(&format!("{words} -o json"));
    wait_until("the moment of the cut", moment);
    proxy.cut(way);
    let answer = Answer::of(child.wait_with_output().unwrap());
    assert_eq!(answer.code, Some(code), "{answer:?}");
    straight(bench);
    Report(serde_json::from_str::<Value>(&answer.out).unwrap_or_else(|e| panic!("{e}: {answer:?}")))
}

fn is_stopping(bench: &Bench<'_>) -> bool {
    let name = bench.name("slow");
    String::from_utf8_lossy(&bench.rig.docker(1, &["logs", &name]).stderr).contains("SIGTERM ignored")
}

fn note(row: &Value) -> &str {
    row["note"].as_str().unwrap_or_default()
}

#[test]
fn a_restart_that_was_cut_off_while_docker_stops_is_waited_for_and_confirmed() {
    for way in [Way::Fin, Way::Reset] {
        let bench = slow();
        let before = bench.started_at(1, "slow");
        let report = cut_at(&bench, "restart :slow --settle 200ms", way, 0, || is_stopping(&bench));
        assert_eq!(gist(report.row()), "changed restarted running", "{report:?}");
        assert!(note(report.row()).contains("confirmed afterwards"), "{report:?}");
        assert_ne!(bench.started_at(1, "slow"), before);
        assert_eq!(bench.state(1, "slow"), "running");
    }
}

#[test]
#[ignore = "takes a minute: a silent connection is borne for 45 s"]
fn a_connection_that_falls_silent_is_given_up_long_before_the_deadline() {
    let bench = slow();
    let before = bench.started_at(1, "slow");
    // The deadline would be 300 s.
    let report = cut_at(&bench, "restart :slow --settle 0", Way::Silence, 0, || is_stopping(&bench));
    assert_eq!(gist(report.row()), "changed restarted running", "{report:?}");
    assert!(report.0["seconds"].as_f64().unwrap() < 200.0, "{report:?}");
    assert_ne!(bench.started_at(1, "slow"), before);
}

#[test]
fn a_script_that_travelled_on_standard_input_is_found_as_well() {
    let bench = slow();
    let before = bench.started_at(1, "slow");
    let proxy = through(&bench, None);
    with_environment(&bench, "{ TOKEN: s3cret }");
    let words = "restart :slow --settle 0";
    let report = cut_through(&proxy, &bench, words, Way::Reset, 0, || is_stopping(&bench));
    assert_eq!(gist(report.row()), "changed restarted running", "{report:?}");
    assert_ne!(bench.started_at(1, "slow"), before);
}

#[test]
fn a_script_that_was_killed_between_stop_and_start_is_followed_by_the_return_of_the_old_container() {
    let mut bench = slow();
    // Another command: stop, remove, run.
    bench.server("slow", "edge-1", "--stop-timeout 3 --label other=1", "--ignore-term");
    let id = bench.id(1, "slow");
    let child = bench.spawn("restart :slow --settle 0 --timeout 8s -o json");
    wait_until("docker stops it", || is_stopping(&bench));
    kill_the_script(&bench, "stop", &id);
    let answer = Answer::of(child.wait_with_output().unwrap());
    answer.says(1, &["the previous container was put back and runs", "1 rolled back"]);
    let report = Report(serde_json::from_str(&answer.out).unwrap());
    assert_eq!(gist(report.row()), "rolled_back - running", "{report:?}");
    assert_eq!((bench.state(1, "slow"), bench.id(1, "slow")), ("running".to_owned(), id));
    assert_eq!(gist(bench.report("restart :slow --settle 0", 0).row()), "changed replaced running");
}

#[test]
fn a_script_that_was_killed_while_the_new_container_settles_is_finished() {
    for keep in [&[][..], &["keep_previous: 1h"]] {
        let mut bench = slow();
        let id = bench.id(1, "slow");
        let new = bench.scratch.docker_run("slow", "--stop-timeout 3 --label other=1", "");
        bench.entry("slow", "edge-1", &new, keep);
        let child = bench.spawn("restart :slow --settle 5s --timeout 60s -o json");
        wait_until("the new one runs", || bench.state(1, "slow") == "running" && bench.id(1, "slow") != id);
        kill_the_script(&bench, "stop", &id);
        let answer = Answer::of(child.wait_with_output().unwrap());
        assert_eq!(answer.code, Some(0), "{answer:?}");
        let report = Report(serde_json::from_str(&answer.out).unwrap());
        assert_eq!(gist(report.row()), "changed replaced running", "{report:?}");
        let previous = if keep.is_empty() { "none" } else { "exited" };
        assert_eq!(bench.state(1, "slow.mcp-previous"), previous, "{report:?}");
        assert_ne!(bench.id(1, "slow"), id);
    }
}

/// Kills the script that works on `slow`, and its `docker VERB CONTAINER`.
fn kill_the_script(bench: &Bench<'_>, verb: &str, container: &str) {
    let name = bench.name("slow");
    let find = format!("pgrep -fa 'mcp_m=mc[p].*{name}' | grep -o 'mcp_m=mcp-[0-9a-f]*' | head -n 1");
    let word = bench.by_hand(1, &find);
    // A pattern that does not match the words of the process that looks for it.
    let (start, last) = word.split_at(word.len() - 1);
    bench.by_hand(1, &format!("pkill -KILL -f '{start}[{last}]'; pkill -KILL -f '^docker {verb} {container}$'; true"));
}

#[test]
fn an_engine_that_goes_on_without_its_script_is_seen_to_be_at_work() {
    let mut bench = bench();
    bench.server("slow", "edge-1", "--stop-timeout 12", "--ignore-term");
    bench.report("start :slow --settle 500ms", 0);
    let before = bench.started_at(1, "slow");
    let child = bench.spawn("restart :slow --settle 0 --timeout 4s -o json");
    wait_until("docker stops it", || is_stopping(&bench));
    kill_the_script(&bench, "restart", &bench.id(1, "slow"));
    let answer = Answer::of(child.wait_with_output().unwrap());
    // The host answered, so it is not unreachable.
    answer.says(1, &["1 unknown", "still at work"]);
    wait_until("the engine finishes the restart", || {
        bench.state(1, "slow") == "running" && bench.started_at(1, "slow") != before
    });
}

#[test]
fn an_engine_that_ends_under_a_restart_is_waited_for() {
    let rig = Rig::own(1);
    let mut bench = Bench::on(&rig);
    bench.server("slow", "edge-1", "--stop-timeout 9", "--ignore-term");
    bench.report("start :slow --settle 500ms", 0);
    let proxy = through(&bench, None);
    let child = bench.spawn("restart :slow --settle 0 -o json");
    wait_until("docker stops it", || is_stopping(&bench));
    proxy.cut(Way::Reset);
    rig.engine("stop", 1);
    rig.engine("start", 1);
    let answer = Answer::of(child.wait_with_output().unwrap());
    let report = Report(serde_json::from_str(&answer.out).unwrap());
    assert_eq!(bench.state(1, "slow"), "exited");
    assert_eq!(report.row()["outcome"], "failed", "{answer:?}");
    // How far the engine came before it ended is its own affair: the cause says it.
    assert!(!error(report.row(), "cause").contains("could not be asked"), "{answer:?}");
    straight(&bench);
    assert_eq!(gist(bench.report("start :slow --settle 0", 0).row()), "changed started running");
}

#[test]
fn a_removal_that_was_cut_off_is_confirmed() {
    let bench = slow();
    let proxy = through(&bench, None);
    let child = bench.spawn("remove :slow --stop --yes");
    wait_until("docker stops it", || is_stopping(&bench));
    proxy.cut(Way::Reset);
    Answer::of(child.wait_with_output().unwrap()).says(0, &["removed the container of", "is unregistered"]);
    assert_eq!(bench.state(1, "slow"), "none");
}

#[test]
fn a_stop_that_was_cut_off_is_confirmed_and_its_end_is_no_crash() {
    let bench = slow();
    let report = cut_at(&bench, "stop :slow", Way::Reset, 0, || is_stopping(&bench));
    assert_eq!(gist(report.row()), "changed stopped stopped", "{report:?}");
    assert_eq!(bench.state(1, "slow"), "exited");
    let listed = bench.listed("slow");
    assert_eq!((&listed["status"], &listed["exit_code"]), (&"stopped".into(), &137.into()));
}

#[test]
fn a_start_that_was_cut_off_in_its_settle_time_is_judged_after_it() {
    let mut bench = bench();
    bench.server("web", "edge-1", "", "");
    bench.server("dying", "edge-1", "", "--exit 3 --after 1");
    let both = |bench: &Bench<'_>| ["web", "dying"].iter().all(|name| bench.state(1, name) != "none");
    let report = cut_at(&bench, "start --all --settle 3s", Way::Fin, 1, || both(&bench));
    let web = report.of(&bench.name("web"), "edge-1");
    assert_eq!(gist(web), "changed created running", "{report:?}");
    let dying = report.of(&bench.name("dying"), "edge-1");
    assert_eq!(gist(dying), "failed - error", "{report:?}");
    assert!(error(dying, "cause").contains("exited with code 3"), "{report:?}");
    assert!(!dying["error"]["log"].as_array().unwrap().is_empty(), "{report:?}");
    // The record is that of a start: the next one knows both containers.
    assert_eq!(bench.report("start :web --settle 0", 0).row()["outcome"], "unchanged");
    assert_eq!(gist(bench.report("start :dying --settle 0", 0).row()), "changed started running");
}

/// How many bytes a whole `words` sends to the host, of which the request to act is nearly the last.
fn bytes_of(bench: &Bench<'_>, words: &str) -> usize {
    let proxy = through(bench, None);
    bench.report(words, 0);
    proxy.passed().0
}

/// Cuts `words` inside the request to act, the host not having had all of it.
fn cut_in_the_request(bench: &Bench<'_>, words: &str, way: Way) -> Proxy {
    let after = bytes_of(bench, words) - 600;
    through(bench, Some(Cut { direction: Direction::ToHost, after, way }))
}

#[test]
fn a_restart_that_never_reached_its_host_is_not_done() {
    let mut bench = bench();
    bench.server("web", "edge-1", "", "");
    bench.report("start :web --settle 0", 0);
    for (words, way) in
        [("restart :web --settle 0", Way::Reset), ("restart :web --settle 0 --timeout 4s", Way::Silence)]
    {
        let proxy = cut_in_the_request(&bench, words, way);
        let before = bench.started_at(1, "web");
        let answer = bench.mcp(&format!("{words} -o json"));
        answer.says(4, &["1 not done"]);
        assert!(proxy.was_cut() && proxy.connections() > 1);
        let report = Report(serde_json::from_str(&answer.out).unwrap());
        assert_eq!(gist(report.row()), "not_done - running", "{report:?}");
        assert!(error(report.row(), "cause").contains("the container is as it was"), "{report:?}");
        assert_eq!(bench.started_at(1, "web"), before);
        straight(&bench);
        assert_eq!(bench.report("start :web --settle 0", 0).row()["outcome"], "unchanged");
    }
}

#[test]
fn a_request_that_reaches_its_host_after_the_verdict_does_nothing() {
    // Execs are counted, so nobody else may run any.
    let rig = Rig::own(1);
    let mut bench = Bench::on(&rig);
    bench.server("web", "edge-1", "", "");
    bench.report("start :web --settle 0", 0);
    let words = "restart :web --settle 0 --timeout 4s";
    let proxy = cut_in_the_request(&bench, words, Way::Hold);
    let before = bench.started_at(1, "web");
    assert_eq!(gist(bench.report(words, 4).row()), "not_done - running");
    let execs = bench.rig.ssh_counts(1).execs;
    proxy.deliver();
    wait_until("the host begins the late request", || bench.rig.ssh_counts(1).execs > execs);
    // The late script's own process ends without having said anything to docker.
    wait_until("the late script has ended", || bench.by_hand(1, "pgrep -fc 'mcp_m=mc[p]' || true") == "0");
    assert_eq!(bench.started_at(1, "web"), before);
}

#[test]
fn a_request_that_reaches_its_host_before_the_verdict_is_done() {
    let mut bench = bench();
    bench.server("web", "edge-1", "", "");
    bench.report("start :web --settle 0", 0);
    let words = "restart :web --settle 0";
    let proxy = cut_in_the_request(&bench, words, Way::Hold);
    let before = bench.started_at(1, "web");
    let child = bench.spawn(&format!("{words} -o json"));
    wait_until("mcp asks what became of it", || {
        let asks = format!("pgrep -fc 'mcp_bus[y].*{}' || true", bench.name("web"));
        proxy.connections() > 1 && bench.by_hand(1, &asks) != "0"
    });
    proxy.deliver();
    let answer = Answer::of(child.wait_with_output().unwrap());
    let report = Report(serde_json::from_str(&answer.out).unwrap());
    assert_eq!(gist(report.row()), "changed restarted running", "{answer:?}");
    assert_ne!(bench.started_at(1, "web"), before);
}
