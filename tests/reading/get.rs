//! `mcp get`: the page of an instance, and drift.

use serde_json::Value;

use crate::{
    rig::{Rig, Scratch},
    said::run,
    started,
};

#[test]
fn the_page_has_configuration_usage_and_the_last_log_lines() {
    let scratch = Rig::get().scratch();
    let port = scratch.port();
    let server =
        started(&scratch, "it", "edge-1", &format!("-p 127.0.0.1:{port}:8080 --memory 128m"), "--log-lines 50");
    run(scratch.mcp(&["edit", &server, "--tag", "core", "--description", "It adds"])).code(0);
    let said = run(scratch.mcp(&["get", &server])).code(0);
    for part in ["It adds", "core", "running", "128.0MiB", "mcp-demo:1", "docker logs", "docker stop", "line 50"] {
        assert!(said.out.contains(part), "{part:?} is missing\n{said}");
    }
    let page = &run(scratch.mcp(&["get", &server, "--json"])).code(0).json()[0];
    assert_eq!((&page["name"], &page["host"], &page["port"]), (&(*server).into(), &"edge-1".into(), &port.into()));
    assert!(page["status"]["memory_usage"].as_u64().is_some_and(|used| used > 0), "{page:#}");
    assert_eq!(page["drift"], serde_json::json!([]), "{page:#}");
    assert!(page["log"].as_array().unwrap().iter().any(|line| line == "line 50"), "{page:#}");
}

/// The fields that drift, when the string of a container that runs with `before` says `after`.
fn drift(scratch: &Scratch<'_>, before: &str, after: &str) -> (Vec<String>, Value) {
    let server = started(scratch, "it", "edge-1", before, "");
    let none = run(scratch.mcp(&["get", &server, "--json"])).code(0).json();
    assert_eq!(none[0]["drift"], serde_json::json!([]), "nothing changed yet");
    run(scratch.mcp(&["edit", &server, "--command", &after.replace("NAME", &server)])).code(0);
    let page = run(scratch.mcp(&["get", &server, "--json"])).code(0).json();
    let rows = page[0]["drift"].as_array().unwrap();
    (rows.iter().map(|row| row["field"].as_str().unwrap().to_owned()).collect(), page)
}

#[test]
fn everything_that_is_compared_drifts_by_its_name() {
    let scratch = Rig::get().scratch();
    let (one, two) = (scratch.port(), scratch.port());
    let before = format!("-p 127.0.0.1:{one}:8080 -e KEPT=1 -e GONE=2 -v /tmp:/data --restart unless-stopped");
    let after =
        format!("docker run -d --name NAME -p 127.0.0.1:{two}:8080 -e KEPT=1 -e CAME=3 -v /tmp:/other mcp-demo:2");
    let (fields, page) = drift(&scratch, &before, &after);
    assert_eq!(fields, ["image", "ports", "environment", "mounts", "restart policy"], "{page:#}");
    let text = page[0]["drift"].to_string();
    for part in ["mcp-demo:1", "mcp-demo:2", &one.to_string(), &two.to_string(), "GONE", "CAME", "/data", "/other"] {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
    assert!(!text.contains("KEPT"), "{text}");
    run(scratch.mcp(&["get", &scratch.name("it")])).code(0).out("drift").out("restart policy");
}

#[test]
fn another_order_of_the_same_flags_is_no_drift() {
    let scratch = Rig::get().scratch();
    let port = scratch.port();
    let before = format!("-p 127.0.0.1:{port}:8080 -e A=1 --env B=2 -v /tmp:/data");
    let after = format!(
        "docker run --volume=/tmp:/data -e B=9 -eA=8 --publish 127.0.0.1:{port}:8080/tcp --name=NAME -d mcp-demo:1"
    );
    let (fields, page) = drift(&scratch, &before, &after);
    assert!(fields.is_empty(), "{page:#}");
}

#[test]
fn values_of_the_environment_that_runs_are_never_told() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let server = started(&scratch, "it", "edge-1", "-e TOKEN=hunter2", "");
    run(scratch.mcp(&["edit", &server, "--command", &format!("docker run -d --name {server} -e OTHER=x mcp-demo:1")]))
        .code(0);
    // A host's own environment is for its commands only.
    let inventory =
        scratch.hosts_yaml().replace("    groups: [demo]\n", "    groups: [demo]\n    env: {SECRET: hunter3}\n");
    scratch.write("hosts.yaml", &inventory);
    for arguments in [&["get", &server][..], &["get", &server, "--json"], &["list", "--json"], &["list", "-o", "wide"]]
    {
        run(scratch.mcp(arguments)).code(0).nowhere("hunter2").nowhere("hunter3");
    }
    run(scratch.mcp(&["get", &server])).code(0).out("TOKEN");
    for verbose in [&["list", "--verbose"][..], &["hosts", "list", "--json"], &["hosts", "check", "--verbose"]] {
        run(scratch.mcp(verbose)).code(0).nowhere("hunter3");
    }
    run(scratch.mcp(&["start", "--all", "--offline"])).code(0).nowhere("hunter3");
    let state = scratch.read("state.yaml");
    assert!(!state.contains("hunter"), "{state}");
}

#[test]
fn a_server_that_is_not_registered_is_an_error_with_a_suggestion() {
    let scratch = Rig::get().scratch();
    run(scratch.mcp(&["add", "finance", "--host", "edge-1", "--command", "docker run acme/a"])).code(0);
    run(scratch.mcp(&["get", "finanse"])).code(2).err("finanse").err("finance");
    run(scratch.mcp(&["get", "finance@edge-2"])).code(2).err("edge-2");
}
