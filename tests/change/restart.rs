//! What `restart` does, and how often it asks a host.

use super::{entry, id, register, register_one};
use crate::{rig::Rig, said::run};

#[test]
fn restart_keeps_the_container_when_nothing_changed_and_recreate_does_not() {
    let scratch = Rig::get().scratch();
    register_one(&scratch, "finance", "", "");
    run(scratch.mcp(&["restart", "--all"])).code(0).out("created");
    let before = id(&scratch, "finance");
    let started = || Rig::get().docker_text(1, &["inspect", "-f", "{{.State.StartedAt}}", &scratch.name("finance")]);
    let first = started();
    run(scratch.mcp(&["restart", "--all"])).code(0).out("restarted");
    assert_eq!(id(&scratch, "finance"), before);
    assert_ne!(started(), first);
    run(scratch.mcp(&["restart", "--all", "--recreate"])).code(0).out("replaced");
    assert_ne!(id(&scratch, "finance"), before);
}

#[test]
fn a_container_that_removes_itself_is_made_again() {
    let scratch = Rig::get().scratch();
    register_one(&scratch, "brief", "--rm", "");
    run(scratch.mcp(&["start", "--all"])).code(0);
    let before = id(&scratch, "brief");
    run(scratch.mcp(&["restart", "--all"])).code(0).out("replaced");
    assert_ne!(id(&scratch, "brief"), before);
    run(scratch.mcp(&["stop", "--all"])).code(0);
    run(scratch.mcp(&["start", "--all"])).code(0);
}

#[test]
fn a_paused_container_runs_again_after_start_and_after_restart() {
    let scratch = Rig::get().scratch();
    register_one(&scratch, "finance", "", "");
    run(scratch.mcp(&["start", "--all"])).code(0);
    for verb in ["start", "restart"] {
        Rig::get().docker_text(1, &["pause", &scratch.name("finance")]);
        run(scratch.mcp(&[verb, "--all"])).code(0);
        assert_eq!(scratch.container_state(1, "finance").as_deref(), Some("running"), "{verb}");
    }
}

#[test]
fn lower_priorities_start_first() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let entries: Vec<String> = [("late", 10), ("early", -5), ("middle", 0)]
        .iter()
        .map(|(n, p)| entry(&scratch, n, "edge-1", &scratch.docker_run(n, "", ""), &format!("    priority: {p}\n")))
        .collect();
    register(&scratch, &entries);
    for verb in ["start", "restart"] {
        run(scratch.mcp(&[verb, "--all"])).code(0);
        let at = |n: &str| -> jiff::Timestamp {
            rig.docker_text(1, &["inspect", "-f", "{{.State.StartedAt}}", &scratch.name(n)]).parse().unwrap()
        };
        assert!(at("early") < at("middle") && at("middle") < at("late"), "{verb}");
    }
}

#[test]
fn ten_servers_on_each_of_three_hosts_take_one_session_and_two_execs_per_host() {
    let rig = Rig::own(3);
    let scratch = rig.scratch();
    let entries: Vec<String> = (0..10)
        .map(|n| {
            let name = format!("s{n}");
            entry(&scratch, &name, "@demo", &scratch.docker_run(&name, "", ""), "")
        })
        .collect();
    register(&scratch, &entries);
    run(scratch.mcp(&["start", "--all"])).code(0).err("30 ok");
    let before: Vec<_> = (1..=3).map(|n| rig.ssh_counts(n)).collect();
    run(scratch.mcp(&["restart", "--all"])).code(0).err("30 ok");
    for (number, before) in (1..=3).zip(before) {
        let after = rig.ssh_counts(number);
        assert_eq!(after.sessions - before.sessions, 1, "edge-{number}");
        assert!(after.execs - before.execs <= 2, "edge-{number}");
    }
}

#[test]
fn two_at_once_lose_no_record() {
    let scratch = Rig::get().scratch();
    let entries: Vec<String> = ["edge-1", "edge-2", "edge-3"]
        .iter()
        .map(|host| {
            entry(&scratch, &format!("on-{host}"), host, &scratch.docker_run(&format!("on-{host}"), "", ""), "")
        })
        .collect();
    register(&scratch, &entries);
    let children: Vec<_> = ["edge-1", "edge-2", "edge-3"]
        .iter()
        .map(|host| {
            scratch
                .mcp(&["start", "--all", "--on", host])
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let state = scratch.read("state.yaml");
    for host in ["edge-1", "edge-2", "edge-3"] {
        assert!(state.contains(&format!("{}@{host}:", scratch.name(&format!("on-{host}")))), "{state}");
    }
}

#[test]
fn a_kill_at_any_moment_leaves_files_that_load() {
    let scratch = Rig::get().scratch();
    register_one(&scratch, "finance", "", "");
    run(scratch.mcp(&["start", "--all"])).code(0);
    for moment in 0..20_u64 {
        let mut child = scratch
            .mcp(&["list"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // The moments are spread over the run; whichever it is, the files must load.
        std::thread::sleep(std::time::Duration::from_millis(moment * 8));
        let _ = child.kill();
        let _ = child.wait();
        run(scratch.mcp(&["check"])).code(0);
    }
}
