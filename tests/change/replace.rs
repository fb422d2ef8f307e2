//! Replacing a container: whatever goes wrong, the old one runs afterwards.

use crate::{
    rig::Rig,
    support::{Bench, error, gist},
};

/// Why a new container does not come up: options before the image, the image in place of the usual one, arguments behind it.
const CAUSES: [(&str, &str, &str, &str); 13] = [
    ("typo", "", "mcp-demo:typo", ""),
    ("registry", "", "127.0.0.1:1/mcp-demo:1", ""),
    ("network", "--network nope", "", ""),
    ("gpu", "--gpus all", "", ""),
    ("memory", "--memory 1k", "", ""),
    ("cpus", "--cpus 400", "", ""),
    ("mount", "--mount type=bind,source=/not/there,target=/x", "", ""),
    ("program", "--entrypoint /not/there", "", ""),
    ("exit", "", "", "--exit 3"),
    ("late", "", "", "--exit 3 --after 1"),
    ("loop", "--restart always", "", "--exit 4"),
    ("oom", "-m 24m --memory-swap 24m", "", "--eat-memory 200"),
    // Its port is held by another container.
    ("port", "-p 127.0.0.1:PORT:8080", "", ""),
];

/// How the containers are made to be replaced.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Restart,
    Recreate,
    StartReplace,
    Rolling,
}

/// A string for `cause`.
fn broken(bench: &Bench<'_>, cause: (&str, &str, &str, &str), port: u16) -> String {
    let (name, options, image, arguments) = cause;
    let options = options.replace("PORT", &port.to_string());
    let run = bench.scratch.docker_run(name, &options, arguments);
    if image.is_empty() { run } else { run.replace("mcp-demo:1", image) }
}

/// Replaces a running container for each cause, all in one command, and sees that the old ones run.
fn old_ones_run(bench: &mut Bench<'_>, host: &str, way: Way) {
    let port = bench.scratch.port();
    let other = bench.scratch.docker_run("other", &format!("-p 127.0.0.1:{port}:8080"), "");
    let docker = |bench: &Bench<'_>, words: &str| {
        bench.rig.docker_text(1, &words.split_whitespace().skip(1).collect::<Vec<_>>())
    };
    docker(bench, &other);
    for (name, ..) in CAUSES {
        let run = bench.scratch.docker_run(name, "--restart unless-stopped", "");
        if way == Way::StartReplace {
            // Made by somebody else.
            docker(bench, &run.replace("mcp-demo:1", "mcp-demo:2"));
        }
        bench.entry(name, host, &run, &[]);
    }
    if way != Way::StartReplace {
        bench.report("start --all --settle 0", 0);
    }
    let ids = CAUSES.map(|(name, ..)| bench.id(1, name));
    for cause in CAUSES {
        let run = broken(bench, cause, port);
        bench.entry(cause.0, host, &run, &[]);
    }
    let words = match way {
        Way::Restart => "restart --all",
        Way::Recreate => "restart --all --recreate",
        Way::StartReplace => "start --all --replace",
        Way::Rolling => "restart --all --serial 1 --health-timeout 5s",
    };
    let report = bench.report(words, 1);
    for (index, (name, ..)) in CAUSES.iter().enumerate() {
        let row = report.of(&bench.name(name), host);
        let pulls = matches!(*name, "typo" | "registry");
        // Nothing is stopped for an image that is not there.
        let expected = if pulls { "failed - running" } else { "rolled_back - running" };
        assert_eq!(gist(row), expected, "{name}: {row}");
        assert!(!error(row, "cause").is_empty());
        let found = bench.inspect(1, name, "{{.Id}} {{.State.Running}} {{.HostConfig.RestartPolicy.Name}}");
        assert_eq!(found, format!("{} true unless-stopped", ids[index]), "{name}: {row}");
        assert_eq!(bench.state(1, &format!("{name}.mcp-previous")), "none", "{name}");
    }
    let prefix = bench.name("");
    let all = bench.rig.docker_text(1, &["ps", "-aq", "--filter", &format!("name=^/?{prefix}")]);
    assert_eq!(all.lines().count(), CAUSES.len() + 1, "nothing is left over");
    // Corrected, they are replaced.
    let good = bench.scratch.docker_run("late", "-l good=1", "");
    bench.entry("late", host, &good, &[]);
    let verb = if way == Way::StartReplace { "start :late --replace" } else { "restart :late" };
    assert_eq!(gist(bench.report(&format!("{verb} --settle 200ms"), 0).row()), "changed replaced running");
    assert_ne!(bench.id(1, "late"), ids[9]);
}

#[test]
fn restart_keeps_the_old_container_whatever_is_wrong_with_the_new_one() {
    old_ones_run(&mut Bench::new(), "edge-1", Way::Restart);
}

#[test]
fn recreate_keeps_the_old_container_whatever_is_wrong_with_the_new_one() {
    old_ones_run(&mut Bench::new(), "edge-1", Way::Recreate);
}

#[test]
fn start_replace_keeps_the_old_container_whatever_is_wrong_with_the_new_one() {
    old_ones_run(&mut Bench::new(), "edge-1", Way::StartReplace);
}

#[test]
fn a_rolling_restart_keeps_the_old_container_whatever_is_wrong_with_the_new_one() {
    old_ones_run(&mut Bench::new(), "edge-1", Way::Rolling);
}

#[test]
fn this_machine_keeps_the_old_container_whatever_is_wrong_with_the_new_one() {
    let mut bench = Bench::new();
    let socket = bench.rig.host(1).docker_socket.display().to_string();
    let hosts =
        format!("version: 1\nhosts:\n  here:\n    connection: local\n    env: {{ DOCKER_HOST: 'unix://{socket}' }}\n");
    bench.scratch.write("hosts.yaml", &hosts);
    old_ones_run(&mut bench, "here", Way::Restart);
}

/// A server that runs, and the id of its container.
fn running(options: &str) -> (Bench<'static>, String) {
    let mut bench = Bench::new();
    bench.server("a", "edge-1", options, "");
    bench.report("start :a --settle 0", 0);
    let id = bench.id(1, "a");
    (bench, id)
}

#[test]
fn a_stopped_container_that_could_not_be_replaced_is_stopped_as_it_was() {
    let (mut bench, id) = running("--restart always");
    bench.report("stop :a", 0);
    bench.server("a", "edge-1", "--network nope", "");
    assert_eq!(gist(bench.report("start :a", 1).row()), "rolled_back - stopped");
    assert_eq!(
        bench.inspect(1, "a", "{{.Id}} {{.State.Running}} {{.HostConfig.RestartPolicy.Name}}"),
        format!("{id} false always")
    );
}

#[test]
fn a_health_check_that_fails_puts_the_old_container_back_and_says_so() {
    let (mut bench, id) = running("");
    let unhealthy = bench.with_health("a", "--health-interval 300ms --health-retries 1", "--port 8081");
    bench.entry("a", "edge-1", &unhealthy, &[]);
    let report = bench.report("restart :a --wait-healthy", 1);
    assert_eq!(gist(report.row()), "rolled_back - running");
    assert!(error(report.row(), "cause").contains("health check"), "{report:?}");
    assert_eq!(bench.id(1, "a"), id);
}

#[test]
fn a_health_check_that_passes_ends_the_settle_time() {
    let mut bench = Bench::new();
    let healthy = bench.with_health("a", "--health-interval 300ms", "");
    bench.entry("a", "edge-1", &healthy, &[]);
    let report = bench.report("start :a --settle 30s", 0);
    assert_eq!(gist(report.row()), "changed created running");
    assert!(report.0["seconds"].as_f64().unwrap() < 25.0, "{report:?}");
}

#[test]
fn a_container_that_removes_itself_is_checked_before_it_is_stopped() {
    for options in ["--rm --network nope", "--rm -p 127.0.0.1:PORT:8080"] {
        let (mut bench, id) = running("--rm");
        let port = bench.scratch.port();
        bench.by_hand(1, &bench.scratch.docker_run("other", &format!("-p 127.0.0.1:{port}:8080"), ""));
        bench.server("a", "edge-1", &options.replace("PORT", &port.to_string()), "");
        let report = bench.report("restart :a --settle 0", 1);
        assert_eq!(gist(report.row()), "failed - running", "{options}");
        assert_eq!(bench.id(1, "a"), id, "{options}");
    }
}

/// Brings the container of `a` into the state in which a run that was killed after `step` leaves it.
fn killed_after(bench: &Bench<'_>, step: &str, new: &str) {
    let (name, previous) = (bench.name("a"), bench.name("a.mcp-previous"));
    bench.by_hand(1, &format!("docker stop -t 1 {name} >/dev/null"));
    if step == "stop" {
        return;
    }
    bench.by_hand(1, &format!("docker rename {name} {previous}"));
    if step == "rename" {
        return;
    }
    bench.by_hand(1, &format!("docker update --restart no {previous} >/dev/null"));
    if step == "run" {
        bench.by_hand(1, &format!("{new} >/dev/null 2>&1 || true"));
    }
}

#[test]
fn what_a_killed_run_left_is_seen_and_finished_or_undone_and_a_repetition_converges() {
    let (good, bad) = ("-l version=2 --restart always", "-l version=2 --restart always --network nope");
    let cases = [
        (good, "start", "changed replaced running"),
        (good, "restart", "changed"),
        (bad, "start", "rolled_back - running"),
        (bad, "restart", "rolled_back - running"),
        (bad, "stop", "changed stopped stopped"),
    ];
    std::thread::scope(|scope| {
        for (options, verb, outcome) in cases {
            for step in ["rename", "update", "run"] {
                scope.spawn(move || after_a_kill(step, options, verb, outcome));
            }
        }
    });
}

fn after_a_kill(step: &str, options: &str, verb: &str, outcome: &str) {
    let case = format!("{verb} after {step}, {options}");
    let (mut bench, id) = running("--restart always");
    let new = bench.server("a", "edge-1", options, "");
    killed_after(&bench, step, &new);
    let listed = bench.listed("a");
    assert!(listed["message"].as_str().is_some_and(|m| m.contains("a.mcp-previous")), "{case}: {listed}");
    let words = if verb == "stop" { "stop :a".to_owned() } else { format!("{verb} :a --settle 1s") };
    let report = bench.report(&words, i32::from(outcome.starts_with("rolled")));
    assert!(gist(report.row()).starts_with(outcome), "{case}: {report:?}");
    assert_eq!(bench.state(1, "a.mcp-previous"), "none", "{case}");
    if outcome.starts_with("changed replaced") || outcome == "changed" {
        assert_eq!(bench.inspect(1, "a", "{{.Config.Labels.version}}"), "2", "{case}");
    } else {
        assert_eq!(
            bench.inspect(1, "a", "{{.Id}} {{.HostConfig.RestartPolicy.Name}}"),
            format!("{id} always"),
            "{case}"
        );
    }
    // The old one runs, so a start leaves it; a restart tries the new string again.
    let again = bench.report(&words, i32::from(outcome.starts_with("rolled") && verb == "restart"));
    let outcome = if verb == "restart" { outcome } else { "unchanged" };
    assert!(gist(again.row()).starts_with(outcome), "{case}: {again:?}");
    assert_eq!(bench.state(1, "a.mcp-previous"), "none", "{case}: {again:?}");
}

#[test]
fn a_removal_takes_what_a_killed_run_left_with_it() {
    let (bench, _) = running("");
    killed_after(&bench, "update", "");
    let answer = bench.mcp("remove :a --stop --yes");
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert_eq!((bench.state(1, "a"), bench.state(1, "a.mcp-previous")), ("none".to_owned(), "none".to_owned()));
}

#[test]
fn rollback_runs_the_kept_container_again_and_says_when_there_is_none() {
    let (mut bench, first) = running("--restart always");
    assert_eq!(gist(bench.report("rollback :a", 1).row()), "failed - running");
    let second = bench.scratch.docker_run("a", "-l version=2 --restart always", "");
    bench.entry("a", "edge-1", &second, &["keep_previous: 1h"]);
    assert_eq!(gist(bench.report("restart :a --settle 1s", 0).row()), "changed replaced running");
    let previous = "{{.Id}} {{.State.Running}} {{.HostConfig.RestartPolicy.Name}}";
    assert_eq!(bench.inspect(1, "a.mcp-previous", previous), format!("{first} false no"));
    // It is kept on purpose: nothing is interrupted, and what needs nothing is left.
    assert_eq!(bench.listed("a")["message"], serde_json::Value::Null);
    assert_eq!(bench.report("start :a", 0).row()["outcome"], "unchanged");
    bench.report("stop :a", 0);
    assert_eq!(gist(bench.report("start :a --settle 1s", 0).row()), "changed started running");
    assert_eq!(gist(bench.report("rollback :a --settle 1s", 0).row()), "changed rolled_back running");
    assert_eq!(bench.inspect(1, "a", previous), format!("{first} true always"));
    assert_eq!(bench.inspect(1, "a.mcp-previous", "{{.Config.Labels.version}}"), "2", "the other way round");
    // The registered string is another one than that of the container that runs now.
    assert_eq!(gist(bench.report("restart :a --settle 1s", 0).row()), "changed replaced running");
    assert_eq!(bench.inspect(1, "a", "{{.Config.Labels.version}}"), "2");
}

#[test]
fn a_kept_container_is_replaced_by_the_next_one_and_goes_with_the_server() {
    let (mut bench, _) = running("");
    for version in 2..4 {
        let run = bench.scratch.docker_run("a", &format!("-l version={version}"), "");
        bench.entry("a", "edge-1", &run, &["keep_previous: 1h"]);
        assert_eq!(gist(bench.report("restart :a --settle 1s", 0).row()), "changed replaced running");
    }
    assert_eq!(bench.inspect(1, "a.mcp-previous", "{{.Config.Labels.version}}"), "2");
    let answer = bench.mcp("remove :a --stop --yes");
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert_eq!((bench.state(1, "a"), bench.state(1, "a.mcp-previous")), ("none".to_owned(), "none".to_owned()));
}

#[test]
fn a_replacement_takes_two_execs_also_when_it_is_rolled_back() {
    // Execs are counted, so nobody else may run any.
    let rig = Rig::own(1);
    let mut bench = Bench::on(&rig);
    for short in ["good", "bad", "crash"] {
        bench.server(short, "edge-1", "", "");
    }
    bench.report("start --all --settle 0", 0);
    bench.server("good", "edge-1", "-l version=2", "");
    bench.server("bad", "edge-1", "--network nope", "");
    bench.server("crash", "edge-1", "", "--exit 3");
    let before = rig.ssh_counts(1);
    let report = bench.report("restart --all --settle 1s", 1);
    let after = rig.ssh_counts(1);
    assert_eq!((after.sessions - before.sessions, after.execs - before.execs), (1, 2), "{report:?}");
    assert_eq!(gist(report.of(&bench.name("good"), "edge-1")), "changed replaced running");
    for short in ["bad", "crash"] {
        assert_eq!(gist(report.of(&bench.name(short), "edge-1")), "rolled_back - running");
    }
}
