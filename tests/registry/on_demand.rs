//! Servers for single connections (`docker run -i --rm`): nothing is started, the image is checked.

use crate::{rig::Rig, said::run};

#[test]
fn a_server_on_demand_is_unchanged_where_its_image_is_and_fails_where_it_is_missing() {
    let scratch = Rig::get().scratch();
    let (name, lacking) = (scratch.name("stdio"), scratch.name("lacking"));
    let add = |name: &str, command: &str| {
        run(scratch.mcp(&["add", name, "--host", "edge-1", "--json", "--command", command])).code(0)
    };
    let said = add(&name, "docker run -i --rm mcp-demo:1");
    assert_eq!(said.json()["command"], "docker run -i --rm mcp-demo:1");
    assert_eq!(said.json()["added"], serde_json::json!([]));
    add(&lacking, "docker run -i --rm acme/nowhere:9");
    for verb in ["start", "restart", "stop"] {
        let row = run(scratch.mcp(&[verb, &name, "--json"])).code(0).json();
        assert_eq!(row["instances"][0]["outcome"], "unchanged", "{verb}: {row}");
        assert_eq!(row["instances"][0]["status"]["state"], "on_demand", "{verb}: {row}");
        let note = row["instances"][0]["note"].as_str().unwrap();
        assert!(note.contains("connection"), "{verb}: {note}");
    }
    let failed = run(scratch.mcp(&["start", &lacking, "--json"])).code(1).json();
    assert_eq!(failed["instances"][0]["outcome"], "failed", "{failed}");
    assert!(failed["instances"][0]["error"]["cause"].as_str().unwrap().contains("acme/nowhere:9"), "{failed}");
    let rows = run(scratch.mcp(&["list", "--json"])).code(0).json();
    assert!(rows.as_array().unwrap().iter().all(|row| row["state"] == "on_demand"), "{rows}");
    run(scratch.mcp(&["get", &name, "--json"])).code(0);
    run(scratch.mcp(&["log", &name])).code(1).err("each connection");
    assert_eq!(scratch.container_state(1, "stdio"), None);
    run(scratch.mcp(&["remove", &name, "--yes"])).code(0);
    run(scratch.mcp(&["check"])).code(0);
}

#[test]
fn servers_on_demand_and_others_are_seen_side_by_side_on_one_host() {
    let scratch = Rig::get().scratch();
    let (stdio, web) = (scratch.name("stdio"), scratch.name("web"));
    let add = |name: &str, command: &str| {
        run(scratch.mcp(&["add", name, "--host", "edge-1", "--command", command])).code(0);
    };
    add(&stdio, "docker run -i --rm mcp-demo:1");
    add(&web, &scratch.docker_run("web", "", ""));
    let states = || {
        let rows = run(scratch.mcp(&["list", "--json"])).code(0).json();
        let row = |row: &serde_json::Value| row["state"].as_str().unwrap().to_owned();
        rows.as_array().unwrap().iter().map(row).collect::<Vec<_>>()
    };
    assert_eq!(states(), ["on_demand", "absent"]);
    run(scratch.mcp(&["start", "--all", "--dry-run"])).code(0);
    let report = run(scratch.mcp(&["start", "--all", "--settle", "200ms", "--json"])).code(0).json();
    let outcomes: Vec<_> = report["instances"].as_array().unwrap().iter().map(|row| &row["outcome"]).collect();
    assert_eq!(outcomes, ["unchanged", "changed"]);
    assert_eq!(states(), ["on_demand", "running"]);
    // What has a log is shown; the other is named.
    run(scratch.mcp(&["log", "--all"])).code(0).err(&format!("{stdio}@edge-1 on demand"));
    for words in [&["get", &web][..], &["log", &web], &["restart", "--all", "--settle", "200ms"], &["history"]] {
        run(scratch.mcp(words)).code(0);
    }
    run(scratch.mcp(&["remove", &stdio, &web, "--stop", "--yes"])).code(0);
    assert_eq!(scratch.container_state(1, "web"), None);
}

#[test]
fn a_container_that_runs_is_not_forgotten_when_its_server_becomes_one_on_demand() {
    let scratch = Rig::get().scratch();
    let name = scratch.name("turns");
    let add = ["add", &name, "--host", "edge-1", "--start", "--command"];
    run(scratch.mcp(&[&add[..], &[&scratch.docker_run("turns", "", "")]].concat())).code(0);
    run(scratch.mcp(&["edit", &name, "--yes", "--command", "docker run -i --rm mcp-demo:1"])).code(0);
    let orphans = || {
        let rows = run(scratch.mcp(&["list", "--orphans", "--json"])).code(0).json();
        rows.as_array().unwrap().iter().map(|row| row["container"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(orphans(), [&*name]);
    // Also once it was looked at as it is now.
    run(scratch.mcp(&["list"])).code(0);
    assert_eq!(orphans(), [&*name]);
    run(scratch.mcp(&["remove", &name, "--yes"])).code(0);
    assert_eq!(orphans(), [&*name], "the container that runs is still known");
    assert_eq!(scratch.container_state(1, "turns").as_deref(), Some("running"));
}
