//! Replacing a container: whatever goes wrong, the old one runs afterwards.

use crate::{
    rig::Rig,
    support::{Bench, error, gist},
};

type Cause = (&'static str, &'static str, &'static str, &'static str);

/// Why a new container does not come up: options before the image, the image in place of the usual one, arguments behind it.
const CAUSES: [Cause; 13] = [
    ("typo", "", "mcp-demo:typo", ""),
    ("registry", "", "127.0.0.1:1/mcp-demo:1", ""),
    ("network", "--network nope", "", ""),
    ("gpu", "--gpus all", "", ""),
    ("memory", "--memory 1k", "", ""),
    ("cpus", "--cpus 400", "", ""),
    ("mount", "--mount type=bind,source=/not/there,target=/x", "", ""),
    ("program", "--entrypoint /not/there", "", ""),
    ("exit", "", "", "--exit 3"),
    // As a program of Python that imports what is not there.
    ("late", "", "", "--exit 3 --after 2"),
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
fn broken(bench: &Bench<'_>, cause: Cause, port: u16) -> String {
    let (name, options, image, arguments) = cause;
    let options = options.replace("PORT", &port.to_string());
    let run = bench.scratch.docker_run(name, &options, arguments);
    if image.is_empty() { run } else { run.replace("mcp-demo:1", image) }
}

/// Where containers are replaced.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Ssh,
    /// This machine, `connection: local`.
    Local,
    Podman,
}

impl Place {
    const fn host(self) -> &'static str {
        match self {
            Self::Ssh | Self::Podman => "edge-1",
            Self::Local => "here",
        }
    }

    fn bench(self) -> Bench<'static> {
        let bench = Bench::new();
        match self {
            Self::Ssh => {}
            Self::Local => {
                let socket = bench.rig.host(1).docker_socket.display().to_string();
                let hosts = format!(
                    "version: 1\nhosts:\n  here:\n    connection: local\n    env: {{ DOCKER_HOST: 'unix://{socket}' }}\n"
                );
                bench.scratch.write("hosts.yaml", &hosts);
            }
            Self::Podman => {
                bench.rig.add("podman", 1);
                let hosts = bench.scratch.hosts_yaml().replacen("  edge-1:\n", "  edge-1:\n    docker: podman\n", 1);
                bench.scratch.write("hosts.yaml", &hosts);
            }
        }
        bench
    }

    /// Removes what a test has left with podman, of which the workspace knows nothing.
    fn clear(self, bench: &Bench<'_>) {
        if self == Self::Podman {
            let all = self.engine(bench, &["ps", "-aq", "--filter", &format!("name={}", bench.name(""))]);
            self.engine(bench, &[&["rm", "-f"], &all.lines().collect::<Vec<_>>()[..]].concat());
        }
    }

    /// What docker, or podman, says to these words.
    fn engine(self, bench: &Bench<'_>, words: &[&str]) -> String {
        match self {
            Self::Ssh | Self::Local => bench.rig.docker_text(1, words),
            Self::Podman => bench.rig.on(1, &[&["podman"], words].concat()),
        }
    }

    /// The causes as they are written here. podman takes `--gpus` and ignores it, so a GPU is a device there; and it takes a limit above
    /// the cores there are, which is no cause then.
    fn causes(self) -> Vec<Cause> {
        let written = |(name, options, image, arguments): Cause| match (self, name) {
            (Self::Podman, "cpus") => None,
            (Self::Podman, "gpu") => Some((name, "--device nvidia.com/gpu=all", image, arguments)),
            _ => Some((name, options, image, arguments)),
        };
        CAUSES.into_iter().filter_map(written).collect()
    }
}

/// Replaces a running container for each cause, all in one command, and sees that the old ones run.
fn old_ones_run(place: Place, way: Way) {
    let (mut bench, host) = (place.bench(), place.host());
    let bench = &mut bench;
    let port = bench.scratch.port();
    let by_hand =
        |bench: &Bench<'_>, string: &str| place.engine(bench, &string.split_whitespace().skip(1).collect::<Vec<_>>());
    by_hand(bench, &bench.scratch.docker_run("other", &format!("-p 127.0.0.1:{port}:8080"), ""));
    let causes = place.causes();
    for (name, ..) in &causes {
        let run = bench.scratch.docker_run(name, "--restart unless-stopped", "");
        if way == Way::StartReplace {
            // Made by somebody else.
            by_hand(bench, &run.replace("mcp-demo:1", "mcp-demo:2"));
        }
        bench.entry(name, host, &run, &[]);
    }
    if way != Way::StartReplace {
        bench.report("start --all --settle 0", 0);
    }
    let inspect = |bench: &Bench<'_>, name: &str, format: &str| {
        place.engine(bench, &["container", "inspect", "-f", format, &bench.name(name)])
    };
    let ids: Vec<String> = causes.iter().map(|(name, ..)| inspect(bench, name, "{{.Id}}")).collect();
    for cause in &causes {
        let run = broken(bench, *cause, port);
        bench.entry(cause.0, host, &run, &[]);
    }
    let words = match way {
        Way::Restart => "restart --all",
        Way::Recreate => "restart --all --recreate",
        Way::StartReplace => "start --all --replace",
        Way::Rolling => "restart --all --serial 1 --health-timeout 5s",
    };
    let report = bench.report(words, 1);
    for ((name, ..), id) in causes.iter().zip(&ids) {
        let row = report.of(&bench.name(name), host);
        let pulls = matches!(*name, "typo" | "registry");
        // Nothing is stopped for an image that is not there.
        let expected = if pulls { "failed - running" } else { "rolled_back - running" };
        assert_eq!(gist(row), expected, "{name}: {row}");
        assert!(!error(row, "cause").is_empty());
        let found = inspect(bench, name, "{{.Id}} {{.State.Running}} {{.HostConfig.RestartPolicy.Name}}");
        assert_eq!(found, format!("{id} true unless-stopped"), "{name}: {row}");
    }
    let all =
        place.engine(bench, &["ps", "-a", "--filter", &format!("name={}", bench.name("")), "--format", "{{.Names}}"]);
    assert_eq!(all.lines().count(), causes.len() + 1, "nothing is left over: {all}");
    // Corrected, they are replaced.
    let good = bench.scratch.docker_run("late", "-l good=1", "");
    bench.entry("late", host, &good, &[]);
    let verb = if way == Way::StartReplace { "start :late --replace" } else { "restart :late" };
    let report = bench.report(&format!("{verb} --settle 200ms"), 0);
    assert_eq!(gist(report.row()), "changed replaced running");
    assert_eq!(report.row()["note"], serde_json::Value::Null, "all went well");
    assert!(!ids.contains(&inspect(bench, "late", "{{.Id}}")));
    place.clear(bench);
}

#[test]
fn restart_keeps_the_old_container_whatever_is_wrong_with_the_new_one() {
    old_ones_run(Place::Ssh, Way::Restart);
}

#[test]
fn recreate_keeps_the_old_container_whatever_is_wrong_with_the_new_one() {
    old_ones_run(Place::Ssh, Way::Recreate);
}

#[test]
fn start_replace_keeps_the_old_container_whatever_is_wrong_with_the_new_one() {
    old_ones_run(Place::Ssh, Way::StartReplace);
}

#[test]
fn a_rolling_restart_keeps_the_old_container_whatever_is_wrong_with_the_new_one() {
    old_ones_run(Place::Ssh, Way::Rolling);
}

#[test]
fn this_machine_keeps_the_old_container_whatever_is_wrong_with_the_new_one() {
    old_ones_run(Place::Local, Way::Restart);
}

#[test]
fn podman_keeps_the_old_container_whatever_is_wrong_with_the_new_one() {
    old_ones_run(Place::Podman, Way::Restart);
}

#[test]
#[ignore = "takes minutes, and says little more than the others"]
fn every_place_keeps_the_old_container_in_every_way_of_replacing_it() {
    for place in [Place::Local, Place::Podman] {
        for way in [Way::Recreate, Way::StartReplace, Way::Rolling] {
            old_ones_run(place, way);
        }
    }
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
fn a_rollback_that_ended_between_two_names_is_finished_by_the_next_one() {
    // Where it ended: which of the two has which name.
    for (ended, names) in [
        ("the other one has stopped", &[("a.mcp-previous", "a.mcp-rollback")][..]),
        ("both are aside", &[("a.mcp-previous", "a.mcp-rollback"), ("a", "a.mcp-previous")][..]),
    ] {
        let (mut bench, first) = running("--restart always");
        let second = bench.scratch.docker_run("a", "-l version=2", "");
        bench.entry("a", "edge-1", &second, &["keep_previous: 1h"]);
        bench.report("restart :a --settle 1s", 0);
        bench.rig.docker_text(1, &["stop", "-t", "0", &bench.name("a")]);
        for (from, to) in names {
            bench.rig.docker_text(1, &["rename", &bench.name(from), &bench.name(to)]);
        }
        assert_eq!(gist(bench.report("rollback :a --settle 1s", 0).row()), "changed rolled_back running", "{ended}");
        assert_eq!(bench.inspect(1, "a", "{{.Id}} {{.State.Running}}"), format!("{first} true"), "{ended}");
        assert_eq!(bench.inspect(1, "a.mcp-previous", "{{.Config.Labels.version}}"), "2", "{ended}");
        assert_eq!(bench.state(1, "a.mcp-rollback"), "none", "{ended}");
    }
}

#[test]
fn what_pull_says_is_done_before_anything_is_stopped() {
    let (mut bench, id) = running("");
    // It is there, but nobody has a newer one to give.
    bench.rig.docker_text(1, &["tag", "mcp-demo:1", "127.0.0.1:1/newest:1"]);
    for (policy, image, cause) in
        [("never", "mcp-demo:typo", "`--pull never`"), ("always", "127.0.0.1:1/newest:1", "127.0.0.1:1")]
    {
        let run = bench.scratch.docker_run("a", &format!("--pull {policy}"), "").replace("mcp-demo:1", image);
        bench.entry("a", "edge-1", &run, &[]);
        let report = bench.report("restart :a", 1);
        assert_eq!(gist(report.row()), "failed - running", "{policy}: {report:?}");
        assert!(error(report.row(), "cause").contains(cause), "{policy}: {report:?}");
        assert_eq!(bench.id(1, "a"), id);
    }
    // Two servers with one image, of which one has its own way to it.
    let typo =
        |bench: &Bench<'_>, name: &str| bench.scratch.docker_run(name, "", "").replace("mcp-demo:1", "mcp-demo:both");
    let (a, b) = (typo(&bench, "a"), typo(&bench, "b"));
    bench.entry("a", "edge-1", &a, &[]);
    bench.entry("b", "edge-1", &b, &["pull: docker pull mcp-demo:both || docker tag mcp-demo:1 mcp-demo:both"]);
    let report = bench.report("restart --all --settle 0", 1);
    let gist_of = |name: &str| gist(report.of(&bench.name(name), "edge-1"));
    assert_eq!((gist_of("a"), gist_of("b")), ("failed - running".to_owned(), "changed created running".to_owned()));
    bench.rig.docker_text(1, &["rmi", "127.0.0.1:1/newest:1"]);
    bench.rig.docker_text(1, &["rmi", "-f", "mcp-demo:both"]);
}

#[test]
fn a_name_that_is_taken_costs_neither_container() {
    let (mut bench, id) = running("");
    bench.rig.docker_text(
        1,
        &bench
            .scratch
            .docker_run("taken", "", "")
            .replace("mcp-demo:1", "mcp-demo:2")
            .split_whitespace()
            .skip(1)
            .collect::<Vec<_>>(),
    );
    let taken = bench.id(1, "taken");
    let run = bench.scratch.docker_run("taken", "", "");
    bench.entry("a", "edge-1", &run, &[]);
    for verb in ["start", "restart", "restart --recreate"] {
        let report = bench.report(&format!("{verb} :a --settle 0"), 1);
        assert_eq!(report.row()["outcome"], "failed", "{verb}: {report:?}");
        assert_eq!((bench.id(1, "a"), bench.id(1, "taken")), (id.clone(), taken.clone()), "{verb}");
        assert_eq!(
            (bench.state(1, "a"), bench.state(1, "taken")),
            ("running".to_owned(), "running".to_owned()),
            "{verb}"
        );
    }
}

#[test]
fn a_stop_string_that_removes_the_container_costs_no_server() {
    let (mut bench, id) = running("");
    let stop = format!("stop: docker rm -f {}", bench.name("a"));
    for options in ["--network nope", "--gpus all", "--memory 1k"] {
        let run = bench.scratch.docker_run("a", options, "");
        bench.entry("a", "edge-1", &run, &[&stop]);
        let report = bench.report("restart :a --settle 0", 1);
        assert_eq!(gist(report.row()), "rolled_back - running", "{options}: {report:?}");
        assert_eq!(bench.id(1, "a"), id, "{options}");
    }
    let good = bench.scratch.docker_run("a", "-l version=2", "");
    bench.entry("a", "edge-1", &good, &[&stop]);
    assert_eq!(gist(bench.report("restart :a --settle 1s", 0).row()), "changed replaced running");
}

#[test]
fn what_is_kept_outlives_replacements_and_rollbacks_that_fail() {
    let mut bench = Bench::new();
    let version = |bench: &Bench<'_>, version: usize, options: &str, arguments: &str| {
        bench.scratch.docker_run("a", &format!("-l version={version} {options}"), arguments)
    };
    let containers = |bench: &Bench<'_>| {
        ["a", "a.mcp-previous"].map(|name| bench.inspect(1, name, "{{.Config.Labels.version}} {{.State.Running}}"))
    };
    for number in [1, 2] {
        let run = version(&bench, number, "", "");
        bench.entry("a", "edge-1", &run, &["keep_previous: 1h"]);
        bench.report("restart :a --settle 200ms", 0);
    }
    assert_eq!(containers(&bench), ["2 true", "1 false"]);
    for (options, arguments) in [("--network nope", ""), ("", "--exit 3"), ("", "--exit 3 --after 1")] {
        let run = version(&bench, 3, options, arguments);
        bench.entry("a", "edge-1", &run, &["keep_previous: 1h"]);
        let report = bench.report("restart :a", 1);
        assert_eq!(gist(report.row()), "rolled_back - running", "{report:?}");
        assert_eq!(containers(&bench), ["2 true", "1 false"], "{options} {arguments}");
    }
    // One that is kept and does not stay up: made by hand in the other's place.
    let previous = bench.name("a.mcp-previous");
    bench.rig.docker_text(1, &["rm", "-f", &previous]);
    let bad = version(&bench, 1, "", "--exit 3 --after 1").replace(&bench.name("a"), &previous);
    bench.rig.docker_text(
        1,
        &bad.split_whitespace()
            .skip(1)
            .map(|word| if word == "run" { "create" } else { word })
            .filter(|word| *word != "-d")
            .collect::<Vec<_>>(),
    );
    let report = bench.report("rollback :a", 1);
    assert_eq!(gist(report.row()), "rolled_back - running", "{report:?}");
    assert!(error(report.row(), "cause").contains("exited with code 3"), "{report:?}");
    assert_eq!(containers(&bench), ["2 true", "1 false"]);
}

#[test]
fn what_was_kept_goes_with_the_next_command_once_its_time_is_over() {
    let (mut bench, _) = running("");
    let run = bench.scratch.docker_run("a", "-l version=2", "");
    bench.entry("a", "edge-1", &run, &["keep_previous: 1h"]);
    bench.report("restart :a --settle 1s", 0);
    assert_eq!(bench.report("start :a", 0).row()["outcome"], "unchanged");
    assert_eq!(bench.state(1, "a.mcp-previous"), "exited", "an hour is not over");
    let (id, started) = (bench.id(1, "a"), bench.started_at(1, "a"));
    bench.entry("a", "edge-1", &run, &["keep_previous: 100ms"]);
    assert_eq!(bench.report("start :a", 0).row()["outcome"], "unchanged");
    assert_eq!(bench.state(1, "a.mcp-previous"), "none");
    assert_eq!((bench.id(1, "a"), bench.started_at(1, "a")), (id, started));
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
