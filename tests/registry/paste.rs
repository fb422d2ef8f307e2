//! Strings and addresses as people paste them, through the binary. No host is asked.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use crate::said::{Said, run};

struct Workspace(tempfile::TempDir);

impl Workspace {
    fn with(hosts: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("hosts.yaml"), format!("version: 1\nssh_config: none\n{hosts}")).unwrap();
        Self(directory)
    }

    fn mcp(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp"));
        command.arg("--dir").arg(self.0.path()).args(arguments).stdin(Stdio::null());
        command
    }

    fn add(&self, name: &str, more: &[&str], command: &str) -> Said {
        run(self.mcp(&[&["add", name, "--command", command], more].concat()))
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.0.path().join(file)).unwrap_or_default()
    }
}

const ENTRY: &str = r#"{"mcpServers": {"github": {"command": "docker",
    "args": ["run", "-i", "--rm", "-e", "GITHUB_TOKEN", "-e", "MODE", "ghcr.io/github/github-mcp-server"],
    "env": {"GITHUB_TOKEN": "ghp_0123456789abcdefghijklmnopqrstuvwxyzAB", "MODE": "fast"}}}}"#;

#[test]
fn pasted_lines_are_registered_as_one_and_what_they_open_is_a_warning() {
    let workspace = Workspace::with("hosts: [a]\n");
    let said = workspace.add("web", &["--json"], "docker run \\\r\n  -p 8080:80 \\\r\n  acme/web:1\r\n").code(0);
    assert_eq!(said.json()["command"], "docker run -d --name web -p 8080:80 acme/web:1");
    let warnings = said.json()["warnings"].to_string();
    assert!(warnings.contains("every address") && warnings.contains("127.0.0.1:8080:80"), "{warnings}");
    run(workspace.mcp(&["check"])).code(0).nowhere("FAIL");
    let closed = workspace.add("closed", &["--json"], "docker run -p 127.0.0.1:0:80 acme/web:1").code(0);
    assert_eq!(closed.json()["warnings"], serde_json::json!([]));
    // Docker discards the ports of both.
    workspace.add("one", &[], "docker run --network host -p 9000:80 acme/web:1").code(0);
    workspace.add("two", &[], "docker run --network host -p 9000:80 acme/web:1").code(0);
}

#[test]
fn what_is_refused_names_the_character_its_place_and_the_word_read_as_the_image() {
    let workspace = Workspace::with("hosts: [a]\n");
    for (command, words) in [
        ("docker run \\ -d \\ acme/web", vec!["backslash", "character 12"]),
        ("docker run \u{2013}d acme/web", vec!["U+2013", "character 12"]),
        ("docker run -d\u{a0}acme/web", vec!["U+00A0", "character 14"]),
        ("docker run -e \u{201c}A=b\u{201d} acme/web", vec!["U+201C", "character 15"]),
        ("docker run -v %cd%:/data acme/web", vec!["%cd%", "character 15"]),
        ("docker run -v C:\\x:/data acme/web", vec!["path", "character 15"]),
        ("docker run -d MCP/Xyz", vec!["`MCP/Xyz` was read as the image", "mcp/xyz"]),
        ("docker run -d x/y:1:2", vec!["`x/y:1:2` was read as the image"]),
        ("docker run -it acme/web", vec!["terminal"]),
    ] {
        let said = workspace.add("web", &[], command).code(2);
        words.iter().fold(said, |said, word| said.err(word));
    }
    assert_eq!(workspace.read("servers.yaml"), "");
    std::fs::write(
        workspace.0.path().join("servers.yaml"),
        "version: 1\nservers:\n  web: {command: docker run -d --name web MCP/Xyz, host: a}\n",
    )
    .unwrap();
    let check = run(workspace.mcp(&["check"])).code(2);
    assert!(format!("{check}").contains("MCP/Xyz"), "{check}");
}

#[test]
fn a_secret_of_a_json_entry_stays_out_of_the_string_and_is_asked_of_the_hosts() {
    let workspace = Workspace::with("hosts: [a]\n");
    workspace.add("github", &[], ENTRY).code(2).err("GITHUB_TOKEN").err("hosts.yaml").nowhere("ghp_");
    assert_eq!(workspace.read("servers.yaml"), "");
    let workspace = Workspace::with("defaults: {env: {GITHUB_TOKEN: x}}\nhosts: [a]\n");
    let mut child = workspace
        .mcp(&["add", "github", "--json", "--command", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(format!("\u{feff}{ENTRY}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["command"], "docker run -i --rm -e GITHUB_TOKEN -e 'MODE=fast' ghcr.io/github/github-mcp-server");
    assert!(!workspace.read("servers.yaml").contains("ghp_"));
    run(workspace.mcp(&["check"])).code(0);
    for (text, words) in [("{\"command\": \"npx\"}", "npx"), ("{\"url\": \"http://h\"}", "url"), ("{", "JSON")] {
        workspace.add("other", &[], text).code(2).err(words);
    }
}

#[test]
fn an_address_means_the_host_that_has_it_or_is_added_and_shown() {
    let workspace = Workspace::with("hosts:\n  web: {address: 192.0.2.11}\n");
    let command = "docker run acme/web";
    let known = workspace.add("one", &["--host", "192.0.2.11", "--json"], command).code(0);
    assert_eq!(known.json()["host"], serde_json::json!(["web"]));
    workspace.add("two", &["--host", "root@192.0.2.12:2222", "--dry-run"], command).code(0).err("would add");
    assert!(!workspace.read("hosts.yaml").contains("192.0.2.12"));
    workspace.add("two", &["--host", "root@192.0.2.12:2222"], "docker run -it acme/web").code(2);
    assert!(!workspace.read("hosts.yaml").contains("192.0.2.12"));
    workspace.add("two", &["--host", "root@192.0.2.12:2222"], command).code(0).err("added root@192.0.2.12:2222");
    let hosts = run(workspace.mcp(&["hosts", "list", "--json"])).code(0).json().to_string();
    assert!(hosts.contains("root@192.0.2.12:2222"), "{hosts}");
    workspace.add("three", &["--host", "someone@192.0.2.11"], command).code(2).err("web");
    run(workspace.mcp(&["edit", "two", "--host", "192.0.2.13"])).code(2).err("hosts add");
}

#[test]
fn one_host_that_cannot_be_used_is_refused_alone() {
    let workspace = Workspace::with("hosts:\n  a: {address: '192.0.2.1:2222'}\n  b: {address: '[::1]'}\n");
    let rows = run(workspace.mcp(&["hosts", "list", "--json"])).code(0).json();
    assert!(rows[0]["refused"].as_str().unwrap().contains("`port: 2222`"), "{rows}");
    assert!(rows[1]["refused"].is_null(), "{rows}");
    let check = run(workspace.mcp(&["check"])).code(2);
    assert!(format!("{check}").contains("`port: 2222`"), "{check}");
    workspace.add("web", &["--host", "b"], "docker run acme/web").code(0);
    for arguments in [
        &["hosts", "add", "web1:22"][..],
        &["hosts", "add", "c", "--address", "192.0.2.2:2222"],
        &["hosts", "add", "c", "--address", "root@192.0.2.2"],
    ] {
        run(workspace.mcp(arguments)).code(2).err("--address");
    }
    run(workspace.mcp(&["hosts", "add", "c", "--identity-file", "/k/id.pub"])).code(2).err("public key");
    run(workspace.mcp(&["hosts", "add", "c", "--jump", "nowhere"])).code(2).err("nowhere");
    let list = Workspace::with("hosts: [a, b] # two\n");
    run(list.mcp(&["hosts", "add", "c"])).code(0);
    assert!(list.read("hosts.yaml").contains("hosts: [a, b, c] # two"));
    run(list.mcp(&["hosts", "remove", "a", "--yes"])).code(0);
    assert!(list.read("hosts.yaml").contains("hosts: [b, c] # two"));
}

#[test]
fn check_names_what_a_string_opens_and_a_log_that_grows_without_bound() {
    let workspace = Workspace::with("hosts: {edge-1: {address: 192.0.2.1}}\n");
    let checked = |options: &str| {
        let command = format!("docker run -d --name open {options} acme/x:1");
        let text = format!("version: 1\nservers:\n  open: {{host: edge-1, command: '{command}'}}\n");
        std::fs::write(workspace.0.path().join("servers.yaml"), text).unwrap();
        let said = run(workspace.mcp(&["check"])).code(0);
        format!("{}{}", said.out, said.err)
    };
    let bounded = "--log-opt max-size=10m";
    for (options, named) in [
        ("-p 8080:80", "8080"),
        ("--privileged", "--privileged"),
        ("-v /:/host", "/host"),
        ("-v /var/run/docker.sock:/var/run/docker.sock", "docker.sock"),
    ] {
        let said = checked(&format!("{options} {bounded}"));
        assert!(said.contains(named), "{options}: {said}");
    }
    for (options, warns) in [("", true), (bounded, false), ("--log-driver none", false), ("--log-driver local", false)]
    {
        let said = checked(options);
        assert_eq!(said.contains("max-size"), warns, "{options}: {said}");
    }
}
