//! `kill -9` at random moments: whatever was being written can be read afterwards, and the command can be given again.
//!
//! `cargo test --test faults kill` kills a few dozen; `MCP_KILLS=1000 MCP_RESTARTS=100 cargo test --test faults kill -- --nocapture` as
//! many as that.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    dice::Random,
    pair::wait_until,
    processes,
    rig::{Rig, Scratch},
};

/// How often, by the environment variable `name`.
fn times(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Runs `command` and kills it after `moment`; says whether it was still there.
fn killed(mut command: Command, moment: Duration) -> bool {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn().unwrap();
    let begin = Instant::now();
    while begin.elapsed() < moment {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(moment.saturating_sub(begin.elapsed()).min(Duration::from_millis(1)));
    }
    let was_there = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    was_there
}

/// How long `command` takes when nobody kills it.
fn whole(mut command: Command) -> Duration {
    let begin = Instant::now();
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    begin.elapsed()
}

/// Two hundred servers on three hosts, so that files are long and take their time to write.
fn crowd<'a>(rig: &'a Rig) -> Scratch<'a> {
    let scratch = rig.scratch();
    let mut text = "version: 1\nservers:\n".to_owned();
    for number in 0..200 {
        let name = scratch.name(&format!("s{number}"));
        let run = scratch.docker_run(&format!("s{number}"), "", "");
        let _ =
            writeln!(text, "  # number {number}\n  {name}:\n    command: {run}\n    host: 'edge-*'\n    priority: 1");
    }
    scratch.write("servers.yaml", &text);
    scratch.write("known_hosts", "");
    let hosts = scratch.read("hosts.yaml");
    let known = format!("known_hosts: {}\n", rig.known_hosts.display());
    // `hosts trust` has hosts of its own, whose keys it writes into the workspace.
    let fresh: String = (1..=3)
        .map(|n| format!("  new-{n}: {{address: {}, known_hosts: known_hosts}}\n", rig.host(n).address))
        .collect();
    assert!(hosts.contains(&known));
    scratch.write("hosts.yaml", &hosts.replace("groups:\n  demo", &format!("{fresh}groups:\n  demo")));
    scratch
}

#[test]
fn kill_nine_while_files_are_written_leaves_files_that_load() {
    let rig = Rig::own(3);
    let scratch = crowd(&rig);
    let rounds = times("MCP_KILLS", 40);
    let mut random = Random::of_environment();
    let one = scratch.name("s17");
    let kinds = ["edit", "list", "hosts trust", "hosts add", "add", "exec"];
    let run = scratch.docker_run("extra", "", "");
    let command = |kind: &str, number: usize| {
        let (priority, extra, host) = ((number % 9).to_string(), scratch.name("extra"), format!("other-{number}"));
        match kind {
            "edit" => scratch.mcp(&["edit", &one, "--priority", &priority]),
            "list" => scratch.mcp(&["list", "--on", "edge-*"]),
            "hosts trust" => scratch.mcp(&["hosts", "trust", "new-*", "--yes"]),
            "hosts add" => scratch.mcp(&["hosts", "add", &host, "--address", "192.0.2.9"]),
            "add" => scratch.mcp(&["add", &extra, "--host", "edge-1", "--command", &run]),
            _ => scratch.mcp(&["exec", "edge-*", "--", "true"]),
        }
    };
    // What a kind is to change is as it was before each.
    let before = |kind: &str| {
        match kind {
            "hosts trust" => drop(scratch.write("known_hosts", "")),
            "list" => drop(fs::remove_file(scratch.path().join("state.yaml"))),
            "add" => drop(scratch.mcp(&["remove", &scratch.name("extra"), "--keep", "--yes"]).output().unwrap()),
            _ => {}
        };
    };
    let mut lengths = BTreeMap::new();
    for kind in kinds {
        before(kind);
        lengths.insert(kind, whole(command(kind, 8)));
    }
    let (mut there, mut half, mut wrong) = (BTreeMap::<&str, usize>::new(), 0, vec![]);
    for number in 0..rounds {
        let kind = kinds[random.below(kinds.len())];
        before(kind);
        // Writing comes last; a moment after the end hits nothing.
        let share = 40 + random.below(60);
        let moment = lengths[kind] * u32::try_from(share).unwrap() / 100;
        let was_there = killed(command(kind, number + 10), moment);
        *there.entry(kind).or_default() += usize::from(was_there);
        // How long it takes changes with what else the machine does.
        if let Some(length) = lengths.get_mut(kind) {
            *length = if was_there { *length * 21 / 20 } else { moment };
        }
        let names = fs::read_dir(scratch.path()).unwrap().flatten().map(|entry| entry.file_name());
        half += names.filter(|name| name.to_string_lossy().ends_with(".mcp-tmp")).count();
        for words in [&["check"][..], &["list", "--cached"], &["history"], &["hosts", "list"]] {
            let output = scratch.mcp(words).output().unwrap();
            let err = String::from_utf8_lossy(&output.stderr);
            let doubtful = ["going on without it", "cannot be read", "not valid"].iter().any(|part| err.contains(part));
            if !output.status.success() || doubtful {
                wrong.push(format!("round {number}, {kind} killed at {moment:?}: {words:?}: {output:?}"));
            }
        }
        // Half a list of servers would be valid as well.
        let servers = scratch.read("servers.yaml").matches("    host: ").count();
        if servers != 200 && servers != 201 {
            wrong.push(format!("round {number}, {kind}: {servers} servers"));
        }
        let known = scratch.read("known_hosts");
        if known.lines().any(|line| line.split(' ').count() < 3) || !(known.is_empty() || known.ends_with('\n')) {
            wrong.push(format!("round {number}, {kind}: known_hosts is {known:?}"));
        }
        if scratch.path().join("state.yaml.broken").exists() {
            wrong.push(format!("round {number}, {kind}: the state was broken"));
        }
    }
    println!("{rounds} kills, at work: {there:?}, {half} files half written aside, {} unloadable", wrong.len());
    assert!(there.values().sum::<usize>() * 3 > rounds, "too few were killed at work: {there:?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn kill_nine_during_a_restart_of_all_converges_by_repeating_it() {
    let rig = Rig::own(3);
    let scratch = rig.scratch();
    let mut text = "version: 1\nservers:\n".to_owned();
    for (short, options, arguments) in [("web", "", ""), ("slow", "--stop-timeout 1", "--ignore-term")] {
        let run = scratch.docker_run(short, options, arguments);
        let _ = writeln!(text, "  {}:\n    command: {run}\n    host: 'edge-*'", scratch.name(short));
    }
    scratch.write("servers.yaml", &text);
    let rounds = times("MCP_RESTARTS", 8);
    let mut random = Random::of_environment();
    let kinds: [&[&str]; 2] =
        [&["restart", "--all", "--settle", "0"], &["restart", "--all", "--settle", "0", "--recreate"]];
    whole(scratch.mcp(&["start", "--all", "--settle", "0"]));
    let lengths = kinds.map(|kind| whole(scratch.mcp(kind)));
    let held = || -> Vec<String> {
        (1..=3).map(|host| rig.docker_text(host, &["ps", "-a", "--format", "{{.Names}} {{.State}} {{.ID}}"])).collect()
    };
    let (mut there, mut resumed, mut wrong) = (0, 0, vec![]);
    for number in 0..rounds {
        let which = random.below(kinds.len());
        let moment = lengths[which] * u32::try_from(random.below(100)).unwrap() / 100;
        let before = held();
        let was_there = killed(scratch.mcp(kinds[which]), moment);
        there += usize::from(was_there);
        let again: &[&str] = if number % 2 == 0 && was_there { &["resume"] } else { kinds[which] };
        resumed += usize::from(again == ["resume"]);
        // At once: what the killed run has begun goes on there, and is waited for by its lease.
        let output = scratch.mcp(again).output().unwrap();
        wait_until("no script is at work", || processes::naming(&scratch.name("")).is_empty());
        let after = held();
        let is_right = after.iter().all(|host| {
            let mut lines: Vec<&str> = host.lines().map(|line| line.rsplit_once(' ').unwrap().0).collect();
            lines.sort_unstable();
            lines == [format!("{} running", scratch.name("slow")), format!("{} running", scratch.name("web"))]
        });
        if !output.status.success() || !is_right {
            wrong.push(format!(
                "round {number}, killed at {moment:?} of {:?}, then {again:?}: {before:?} -> {after:?}: {output:?}",
                kinds[which]
            ));
            // The next round begins whole.
            whole(scratch.mcp(&["start", "--all", "--settle", "0"]));
        }
    }
    println!("{rounds} restarts, {there} killed at work, {resumed} resumed, {} did not converge at once", wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}
