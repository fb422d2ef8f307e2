//! `mcp add`: completion, the port, every refusal, and the bytes of the file.

use crate::{
    rig::{Rig, Scratch},
    said::{Said, run},
};

fn add(scratch: &Scratch<'_>, name: &str, more: &[&str], command: &str) -> Said {
    run(scratch.mcp(&[&["add", name, "--host", "edge-1", "--command", command], more].concat()))
}

#[test]
fn a_missing_d_and_name_are_added_once_and_shown() {
    let scratch = Rig::get().scratch();
    add(&scratch, "finance", &[], "docker run -p 8080:8080 acme/finance:1")
        .code(0)
        .err("added")
        .err("-d")
        .err("--name finance");
    let file = scratch.read("servers.yaml");
    assert!(file.contains("docker run -d --name finance -p 8080:8080 acme/finance:1"), "{file}");
    // A complete string is registered as it is.
    let whole = "docker  run --name other -d   'acme/other:1'  --flag \"a b\"";
    add(&scratch, "other", &[], whole).code(0).nowhere("added");
    let page = run(scratch.mcp(&["start", "other", "--offline", "--json"])).code(0);
    assert!(page.json().to_string().contains(&whole.replace('"', "\\\"")), "{page}");
}

#[test]
fn the_port_is_the_first_published_one_unless_it_is_said() {
    let scratch = Rig::get().scratch();
    let first = add(&scratch, "first", &["--json"], "docker run -p 127.0.0.1:7001:80 -p 7002:81 acme/a").code(0);
    assert_eq!(first.json()["port"], 7001, "{first}");
    let said = add(&scratch, "said", &["--port", "9000", "--json"], "docker run -p 7003:80 acme/a").code(0);
    assert_eq!(said.json()["port"], 9000, "{said}");
    let none = add(&scratch, "none", &["--json"], "docker run acme/a").code(0);
    assert!(none.json()["port"].is_null(), "{none}");
}

#[test]
fn every_field_of_add_is_in_the_file_and_is_read_back() {
    let scratch = Rig::get().scratch();
    let more = [
        "--tag",
        "core",
        "--tag",
        "no",
        "--description",
        "Quotes: 22:22, #1",
        "--priority",
        "-3",
        "--stop",
        "docker stop -t 3 finance",
        "--logs",
        "docker logs finance",
        "--stats",
        "docker stats --no-stream finance",
    ];
    add(&scratch, "finance", &more, "docker run acme/finance").code(0);
    run(scratch.mcp(&["check"])).code(0);
    let page = run(scratch.mcp(&["get", "finance", "--json"])).code(0).json();
    let page = &page[0];
    assert_eq!(page["tags"], serde_json::json!(["core", "no"]));
    assert_eq!(page["description"], "Quotes: 22:22, #1");
    assert_eq!(page["priority"], -3);
    assert_eq!(page["stop"], "docker stop -t 3 finance");
}

#[test]
fn what_cannot_be_managed_is_refused_with_what_to_write_instead() {
    let scratch = Rig::get().scratch();
    let before = "version: 1\nservers: {}  # none yet\n";
    scratch.write("servers.yaml", before);
    let cases = [
        ("docker start finance", "not a `docker run`", "docker run -d --name NAME IMAGE"),
        ("podman run acme/a", "not a `docker run`", "hosts.yaml"),
        ("sudo docker run acme/a", "not a `docker run`", "hosts.yaml"),
        ("docker run -it acme/a", "without `-d`", "`-d`"),
        ("docker run -a stdout acme/a", "--attach", "mcp log -f"),
        ("docker run --rm --restart always acme/a", "exclude each other", "leave one of the two out"),
        ("docker run -d acme/a; rm -rf /", "`;`", "single quotes"),
        ("docker run -d acme/a && true", "&", "single quotes"),
        ("docker run -d acme/a | tee x", "`|`", "single quotes"),
        ("docker run -d acme/a > x", "`>`", "single quotes"),
        ("docker run -d `id` acme/a", "`", "single quotes"),
        ("docker run -d acme/a $(id)", "$(", "single quotes"),
        ("docker run -d acme/a\nid", "one plain command", "hint:"),
        ("docker run --name 'a b' acme/a", "not a container name", "letters, digits"),
        ("docker run --name -x acme/a", "container name", "hint:"),
        ("docker run -d -p 80:80", "no image", "write the image after the flags"),
        ("docker run --nmae x acme/a", "--nmae", "--name"),
        ("docker run -p banana acme/a", "banana", "-p 127.0.0.1:8080:80"),
        ("docker run 'acme/a", "one plain command", "hint:"),
    ];
    for (command, what, instead) in cases {
        let said = add(&scratch, "finance", &[], command).code(2).err(what).err(instead);
        assert!(said.err.contains("cannot register finance"), "{command}\n{said}");
        assert_eq!(scratch.read("servers.yaml"), before, "{command}");
    }
}

#[test]
fn control_characters_inside_quotes_and_variables_are_left_to_the_shell() {
    let scratch = Rig::get().scratch();
    for (name, command) in [
        ("quoted", "docker run -d --name quoted acme/a 'a;b|c>d`e`$(f)'"),
        ("variable", "docker run -d --name variable -e HOME=$HOME -v ~/data:/data acme/a"),
    ] {
        add(&scratch, name, &[], command).code(0);
        let steps = run(scratch.mcp(&["start", name, "--offline", "--json"])).code(0).json();
        let steps = steps.as_array().unwrap();
        assert!(steps.iter().any(|s| s["command"].as_str().unwrap().contains(&command[10..])), "{steps:?}");
    }
}

#[test]
fn a_bad_server_name_is_refused() {
    let scratch = Rig::get().scratch();
    for name in ["", "a b", "finance@edge-1", "*", "../x"] {
        add(&scratch, name, &[], "docker run --name good acme/a").code(2).err("name");
    }
    assert!(!scratch.path().join("servers.yaml").exists());
}

#[test]
fn a_port_that_the_host_publishes_already_is_refused_there_only() {
    let scratch = Rig::get().scratch();
    add(&scratch, "one", &[], "docker run -p 7100-7102:80-82 acme/a").code(0);
    let before = scratch.read("servers.yaml");
    add(&scratch, "two", &[], "docker run -p 7101:80 acme/a").code(2).err("7101").err("edge-1").err("one").err("-p");
    assert_eq!(scratch.read("servers.yaml"), before);
    add(&scratch, "udp", &[], "docker run -p 7101:80/udp acme/a").code(0);
    run(scratch.mcp(&["add", "two", "--host", "edge-2", "--command", "docker run -p 7101:80 acme/a"])).code(0);
    // A pattern that reaches the host is refused as well.
    run(scratch.mcp(&["add", "all", "--host", "@demo", "--command", "docker run -p 7101:80 acme/a"]))
        .code(2)
        .err("7101");
}

#[test]
fn a_container_name_that_is_used_on_the_host_is_refused_there_only() {
    let scratch = Rig::get().scratch();
    add(&scratch, "one", &[], "docker run --name shared acme/a").code(0);
    add(&scratch, "two", &[], "docker run --name shared acme/b").code(2).err("shared").err("one").err("--name");
    run(scratch.mcp(&["add", "two", "--host", "edge-2", "--command", "docker run --name shared acme/b"])).code(0);
}

#[test]
fn a_server_is_registered_once() {
    let scratch = Rig::get().scratch();
    add(&scratch, "one", &[], "docker run acme/a").code(0);
    add(&scratch, "one", &[], "docker run acme/b").code(2).err("registered already").err("mcp edit one");
}

#[test]
fn an_unknown_host_is_an_error_with_a_suggestion_and_no_file() {
    let scratch = Rig::get().scratch();
    run(scratch.mcp(&["add", "one", "--host", "egde-1", "--command", "docker run acme/a"])).code(2).err("edge-1");
    run(scratch.mcp(&["add", "one", "--host", "@dmeo", "--command", "docker run acme/a"])).code(2).err("demo");
    run(scratch.mcp(&["add", "one", "--command", "docker run acme/a"])).code(2).err("--host");
    assert!(!scratch.path().join("servers.yaml").exists());
}

#[test]
fn a_dry_run_of_add_writes_nothing() {
    let scratch = Rig::get().scratch();
    add(&scratch, "one", &["--dry-run"], "docker run acme/a")
        .code(0)
        .err("would register one: docker run -d --name one");
    assert!(!scratch.path().join("servers.yaml").exists());
}

#[test]
fn start_runs_it_at_once_on_every_host_of_a_pattern() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let command = scratch.docker_run("finance", &format!("-p 127.0.0.1:{}:8080", scratch.port()), "");
    let name = scratch.name("finance");
    run(scratch.mcp(&["add", &name, "--host", "@demo,!edge-2", "--start", "--command", &command])).code(0).err("2 ok");
    assert_eq!(scratch.container_state(1, "finance").as_deref(), Some("running"));
    assert_eq!(scratch.container_state(2, "finance"), None);
    assert_eq!(scratch.container_state(3, "finance").as_deref(), Some("running"));
    run(scratch.mcp(&["remove", &name, "--stop"])).code(0);
    assert_eq!(scratch.container_state(1, "finance"), None);
    assert_eq!(scratch.container_state(3, "finance"), None);
}

#[test]
fn without_any_inventory_localhost_is_there() {
    let rig = Rig::get();
    let empty = tempfile::tempdir().unwrap();
    let mcp = |arguments: &[&str]| {
        let mut command = rig.mcp();
        command.arg("--dir").arg(empty.path()).args(arguments);
        run(command)
    };
    mcp(&["add", "finance", "--command", "docker run -p 8080:8080 acme/finance"]).code(0).err("on localhost");
    let steps = mcp(&["start", "finance", "--offline", "--json"]).code(0);
    assert!(steps.json().to_string().contains("\"host\":\"localhost\""), "{steps}");
    mcp(&["hosts", "list"]).code(0).out("localhost").out("local");
}
