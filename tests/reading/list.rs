//! `mcp list`: rows, formats, usage, memory of earlier answers, and hosts without one.

use std::collections::BTreeSet;

use crate::{
    register,
    rig::Rig,
    said::{run, wait_until},
    started,
};

const KEYS: [&str; 31] = [
    "name",
    "host",
    "status",
    "container_id",
    "uptime",
    "cpu_usage",
    "gpu_usage",
    "memory_usage",
    "memory_limit",
    "last_check",
    "image",
    "exit_code",
    "restart_count",
    "health",
    "message",
    "outdated",
    "outdated_reasons",
    "started_at",
    "state",
    "address",
    "port",
    "ports",
    "url",
    "description",
    "tags",
    "priority",
    "enabled",
    "command",
    "stop",
    "logs",
    "stats",
];

#[test]
fn a_workspace_without_servers_lists_as_an_empty_array() {
    let scratch = Rig::get().scratch();
    assert_eq!(run(scratch.mcp(&["list", "-o", "json"])).code(0).out, "[]\n");
    assert_eq!(run(scratch.mcp(&["list", "--cached", "--json"])).code(0).out, "[]\n");
    assert_eq!(run(scratch.mcp(&["list", "-o", "name"])).code(0).out, "");
    run(scratch.mcp(&["list"])).code(0).err("mcp add");
}

#[test]
fn json_is_a_sorted_array_of_records_with_every_key() {
    let scratch = Rig::get().scratch();
    register(&scratch, "bb", "@demo", "", "");
    let up = started(&scratch, "aa", "edge-2,edge-1", "", "");
    let said = run(scratch.mcp(&["ls", "-o", "json"])).code(0);
    let rows = said.json();
    let rows = rows.as_array().unwrap();
    let places: Vec<(&str, &str)> =
        rows.iter().map(|r| (r["name"].as_str().unwrap(), r["host"].as_str().unwrap())).collect();
    let bb = scratch.name("bb");
    assert_eq!(places, [(&*up, "edge-1"), (&*up, "edge-2"), (&*bb, "edge-1"), (&*bb, "edge-2"), (&*bb, "edge-3")]);
    for row in rows {
        let keys: BTreeSet<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, BTreeSet::from(KEYS), "{row}");
        row["last_check"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    }
    assert_eq!((&rows[0]["status"], &rows[4]["status"]), (&"running".into(), &"stopped".into()), "{said}");
    assert!(rows[0]["uptime"].is_u64() && rows[4]["uptime"].is_null(), "{said}");
    assert_eq!(rows[0]["container_id"].as_str().unwrap().len(), 64);
    assert!(rows[0]["cpu_usage"].is_null(), "usage is not asked for\n{said}");
    let yaml = run(scratch.mcp(&["list", "-o", "yaml"])).code(0);
    assert!(yaml.out.starts_with("- name: ") && yaml.out.contains("container_id: null"), "{yaml}");
    let names = run(scratch.mcp(&["list", &up, "-o", "name"])).code(0);
    assert_eq!(names.out, format!("{up}@edge-1\n{up}@edge-2\n"));
}

#[test]
fn the_table_has_its_columns_and_is_not_cut_off_a_terminal() {
    let scratch = Rig::get().scratch();
    let port = scratch.port();
    let long = "a-name-that-is-much-longer-than-any-terminal-would-like-to-give-room-for-in-a-table-of-eleven-columns";
    let server = started(&scratch, long, "edge-1", &format!("-p 127.0.0.1:{port}:8080"), "");
    for width in ["20", "80"] {
        let mut command = scratch.mcp(&["list"]);
        command.env("COLUMNS", width);
        let said = run(command).code(0);
        let lines: Vec<&str> = said.out.lines().collect();
        assert_eq!(lines.len(), 2, "{said}");
        let header: Vec<&str> = lines[0].split_whitespace().collect();
        let expected = ["NAME", "HOST", "STATUS", "UPTIME", "PORT", "CPU", "MEM", "GPU", "IMAGE", "HEALTH"];
        assert_eq!(header[..10], expected, "{said}");
        let row: Vec<&str> = lines[1].split_whitespace().collect();
        assert_eq!(row[..3], [&*server, "edge-1", "running"], "{said}");
        assert_eq!(row[4..10], [&*port.to_string(), "-", "-", "-", "mcp-demo:1", "-"], "{said}");
        assert!(!said.out.contains('\u{1b}'), "colour is for terminals\n{said:?}");
    }
    let id = scratch_id(&scratch.name(long));
    run(scratch.mcp(&["list", "-o", "wide"])).code(0).out("CONTAINER").out("RESTARTS").out(&id[..12]);
}

fn scratch_id(container: &str) -> String {
    Rig::get().docker_text(1, &["inspect", "-f", "{{.Id}}", container])
}

#[test]
fn json_has_what_is_registered_where_it_is_reached_and_no_secret() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let (fixed, chosen) = (scratch.port(), scratch.name("chosen"));
    let server = scratch.name("it");
    let command =
        format!("docker run -d --name {server} -e API_KEY=sk-Zq81mmPw93 -p 127.0.0.1:{fixed}:8080 {}", rig.image);
    let words = ["add", &server, "--host", "edge-1", "--tag", "prod", "--priority", "7", "--command", &command];
    run(scratch.mcp(&words)).code(0);
    run(scratch.mcp(&["edit", &server, "--description", "answers", "--disable"])).code(0);
    started(&scratch, "chosen", "edge-1", "-p 8080", "");
    let said = run(scratch.mcp(&["list", "--json"])).code(0).nowhere("sk-Zq81mmPw93");
    let rows = said.json();
    let row = |name: &str| rows.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone();
    let it = row(&server);
    assert_eq!(it["address"], *rig.host(1).address, "{it:#}");
    assert_eq!((&it["port"], &it["url"]), (&fixed.into(), &format!("http://127.0.0.1:{fixed}").into()), "{it:#}");
    assert_eq!((&it["tags"][0], &it["priority"], &it["enabled"]), (&"prod".into(), &7.into(), &false.into()), "{it:#}");
    assert_eq!(it["description"], "answers", "{it:#}");
    assert!(it["command"].as_str().unwrap().contains("-e API_KEY=*** "), "{it:#}");
    assert_eq!(it["stop"], format!("docker stop {server}"), "{it:#}");
    assert_eq!(it["logs"], format!("docker logs {server}"), "{it:#}");
    // The port that docker chose is known while it runs.
    let chosen = row(&chosen);
    let port = chosen["port"].as_u64().unwrap();
    assert_eq!(chosen["url"], format!("http://{}:{port}", rig.host(1).address), "{chosen:#}");
    assert!(chosen["ports"][0].as_str().unwrap().contains(&format!("{port}:8080")), "{chosen:#}");
    run(scratch.mcp(&["list"])).code(0).out("stopped (disabled)");
}

#[test]
fn fail_on_ends_with_1_for_a_server_in_error_and_a_host_without_an_answer_with_4() {
    let scratch = Rig::get().scratch();
    let well = started(&scratch, "well", "edge-1", "", "");
    let broken = register(&scratch, "broken", "edge-1", "", "--exit 3");
    run(scratch.mcp(&["list", "--fail-on", "error,unknown"])).code(0);
    run(scratch.mcp(&["start", &broken, "--settle", "0s"]));
    wait_until("it has ended", || scratch.container_state(1, "broken").as_deref() == Some("exited"));
    run(scratch.mcp(&["list"])).code(0);
    run(scratch.mcp(&["list", "--fail-on", "unknown"])).code(0);
    let said = run(scratch.mcp(&["list", "--fail-on", "error", "--quiet"])).code(1).out(&broken);
    assert!(!said.out.contains(&well), "{said}");
    let said = run(scratch.mcp(&["list", &well, "--fail-on", "error", "--quiet"])).code(0);
    assert_eq!((said.out.as_str(), said.err.as_str()), ("", ""));
    let inventory = scratch.hosts_yaml().replace(&Rig::get().host(2).address, "127.0.0.1:1");
    let inventory = inventory.replace("127.0.0.1:1\n", "127.0.0.1\n    port: 1\n");
    scratch.write("hosts.yaml", &inventory);
    register(&scratch, "gone", "edge-2", "", "");
    run(scratch.mcp(&["list", "--fail-on", "error,unknown", "--retries", "0"])).code(4);
}

#[test]
fn containers_that_are_not_registered_are_left_out() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let server = register(&scratch, "known", "edge-1", "", "");
    let stranger = scratch.name("stranger");
    rig.docker_text(1, &["run", "-d", "--name", &stranger, &rig.image]);
    assert_eq!(run(scratch.mcp(&["list", "-o", "name"])).code(0).out, format!("{server}@edge-1\n"));
    run(scratch.mcp(&["list", "--stats"])).code(0).nowhere(&stranger);
}

#[test]
fn stats_adds_plausible_usage_for_what_runs() {
    let scratch = Rig::get().scratch();
    let fat = started(&scratch, "fat", "edge-1", "--memory 256m", "--eat-memory 64");
    register(&scratch, "off", "edge-1", "", "");
    // The memory is written to after the container is up.
    let mebibyte = 1_u64 << 20;
    let mut last = None;
    wait_until("the memory is in use", || {
        let said = run(scratch.mcp(&["list", "--stats", "--json"])).code(0);
        let enough = said.json()[0]["memory_usage"].as_u64().is_some_and(|used| used >= 64 * mebibyte);
        last = Some(said);
        enough
    });
    let said = last.unwrap();
    let rows = said.json();
    assert_eq!(rows[0]["name"], *fat);
    assert!(rows[0]["memory_usage"].as_u64().unwrap() < 256 * mebibyte, "{said}");
    assert_eq!(rows[0]["memory_limit"], 256 * mebibyte, "{said}");
    assert!((0.0..=6400.0).contains(&rows[0]["cpu_usage"].as_f64().unwrap()), "{said}");
    assert!(rows[0]["gpu_usage"].is_null(), "{said}");
    assert!(rows[1]["memory_usage"].is_null() && rows[1]["cpu_usage"].is_null(), "{said}");
    run(scratch.mcp(&["list", "--stats"])).code(0).out("%").out("/ 256.0MiB");
}

#[test]
fn a_registered_stats_string_is_what_is_asked() {
    let scratch = Rig::get().scratch();
    let server = started(&scratch, "own", "edge-1", "--memory 128m", "");
    run(scratch.mcp(&["edit", &server, "--stats", &format!("docker stats --no-stream {server}")])).code(0);
    let said = run(scratch.mcp(&["list", "--stats", "--json"])).code(0);
    assert_eq!(said.json()[0]["memory_limit"], 128_u64 << 20, "{said}");
}

#[test]
fn health_is_what_docker_says() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let server = scratch.name("well");
    let command = format!("docker run -d --name {server} --health-interval 200ms mcp-demo:health");
    run(scratch.mcp(&["add", &server, "--host", "edge-1", "--start", "--command", &command])).code(0);
    wait_until("it is healthy", || run(scratch.mcp(&["list", "--json"])).code(0).json()[0]["health"] == "healthy");
    run(scratch.mcp(&["list"])).code(0).out("healthy");
}

#[test]
fn one_list_is_one_session_and_one_exec_per_host_and_cached_is_none() {
    let rig = Rig::own(2);
    let scratch = rig.scratch();
    for name in ["aa", "bb", "cc"] {
        started(&scratch, name, "@demo", "", "");
    }
    for arguments in [&["list"][..], &["list", "--stats"], &["get", &scratch.name("aa")]] {
        let before = [1, 2].map(|number| rig.ssh_counts(number));
        run(scratch.mcp(arguments)).code(0);
        for (number, before) in [1, 2].into_iter().zip(before) {
            let after = rig.ssh_counts(number);
            let spent = (after.sessions - before.sessions, after.execs - before.execs);
            assert_eq!(spent, (1, 1), "{arguments:?} on edge-{number}");
        }
    }
    let before = [1, 2].map(|number| rig.ssh_counts(number));
    let said = run(scratch.mcp(&["list", "--cached"])).code(0);
    assert!(said.out.contains("AGE") && said.out.matches("running").count() == 6, "{said}");
    assert_eq!(run(scratch.mcp(&["list", "--cached", "--json"])).json().as_array().unwrap().len(), 6);
    assert_eq!([1, 2].map(|number| rig.ssh_counts(number)), before, "no host was asked");
}

#[test]
fn a_server_nobody_looked_at_yet_is_unknown_in_the_cache() {
    let scratch = Rig::get().scratch();
    register(&scratch, "new", "edge-1", "", "");
    run(scratch.mcp(&["list", "--cached"])).code(0).out("unknown").out("never looked at");
}

#[test]
fn an_unreachable_host_gives_unknown_rows_with_cause_and_last_known_status() {
    let rig = Rig::own(2);
    let scratch = rig.scratch();
    started(&scratch, "aa", "@demo", "", "");
    rig.sshd("stop", 2);
    let said = run(scratch.mcp(&["list", "--json"])).code(4).err("edge-2").err("Connection refused").err("hint:");
    let rows = said.json();
    assert_eq!((&rows[0]["status"], &rows[1]["status"]), (&"running".into(), &"unknown".into()), "{said}");
    let message = rows[1]["message"].as_str().unwrap();
    assert!(message.contains("Connection refused") && message.contains("running"), "{message}");
    let said = run(scratch.mcp(&["list"])).code(4).out("unknown").out("ago").err("Connection refused");
    assert!(!said.out.contains("Connection refused"), "a cause is printed once\n{said}");
    // Being unreachable does not overwrite what is known.
    assert_eq!(run(scratch.mcp(&["list", "--cached", "--json"])).code(0).json()[1]["status"], "running");
    run(scratch.mcp(&["get", &scratch.name("aa")])).code(4).out("unknown").err("edge-2");
}

#[test]
fn an_engine_that_is_down_is_a_failure_of_its_host_only() {
    let rig = Rig::own(2);
    let scratch = rig.scratch();
    started(&scratch, "aa", "@demo", "", "");
    rig.engine("stop", 1);
    let said = run(scratch.mcp(&["list", "--json"])).code(1).err("edge-1").err("engine");
    assert_eq!(said.json()[0]["status"], "unknown", "{said}");
    assert_eq!(said.json()[1]["status"], "running", "{said}");
    rig.sshd("stop", 2);
    run(scratch.mcp(&["list"])).code(4);
}
