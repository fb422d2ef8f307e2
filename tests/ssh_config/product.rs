//! What a user sees: `hosts list`, `check` and a command, with a home directory of their own.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
};

struct Home(tempfile::TempDir);

impl Home {
    fn with(ssh_config: &str, hosts: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        home.write(".ssh/config", ssh_config);
        home.write("ws/hosts.yaml", &format!("version: 1\n{hosts}"));
        home
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn mcp(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_mcp"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.0.path())
            .env("USER", "ana")
            .arg("-C")
            .arg(self.0.path().join("ws"))
            .args(arguments)
            .output()
            .unwrap()
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn hosts_list_shows_where_ssh_would_go_and_why_it_would_not() {
    let home = Home::with(
        "Host a\nHostName a.example.org\nUser deploy\nPort 2222\nHost b\nProxyCommand nc %h %p\n",
        "hosts: [a, b]\n",
    );
    let list = home.mcp(&["hosts", "list"]);
    assert_eq!(list.status.code(), Some(0));
    let said = text(&list);
    assert!(said.contains("deploy@a.example.org:2222"), "{said}");
    assert!(said.contains("b: ProxyCommand (") && said.contains("/.ssh/config:6) is in effect"), "{said}");
    let json: serde_json::Value = serde_json::from_slice(&home.mcp(&["hosts", "list", "-o", "json"]).stdout).unwrap();
    assert_eq!(json[0]["refused"], serde_json::Value::Null);
    assert_eq!(json[1]["target"], "refused");
    assert!(json[1]["refused"].as_str().unwrap().starts_with("ProxyCommand ("), "{json}");
}

#[test]
fn check_names_every_host_that_is_out_of_reach_once_for_each_reason() {
    let home = Home::with("Host b-*\nProxyCommand nc %h %p\nHost c\nBindAddress ::1\n", "hosts: [a, 'b-[1:7]', c]\n");
    let check = home.mcp(&["check"]);
    let said = text(&check);
    assert_eq!(check.status.code(), Some(2), "{said}");
    assert!(said.contains("b-1, b-2, b-3, b-4, b-5 and 2 more: ProxyCommand ("), "{said}");
    assert!(said.contains("c: BindAddress ("), "{said}");
    assert_eq!(said.matches("ProxyCommand").count(), 1, "{said}");
}

#[test]
fn a_refused_host_fails_alone_and_without_a_connection() {
    // Nothing listens on port 1, so the other host fails in another way.
    let home = Home::with(
        "Host b\nMatch originalhost b exec true\nUser x\nHost a\nHostName 127.0.0.1\nPort 1\n",
        "hosts: [a, b]\n",
    );
    let check = home.mcp(&["hosts", "check", "-o", "json"]);
    assert_eq!(check.status.code(), Some(4), "{}", text(&check));
    let json: serde_json::Value = serde_json::from_slice(&check.stdout).unwrap();
    assert_eq!(
        (json[0]["broken"].as_str(), json[1]["broken"].as_str()),
        (Some("TCP"), Some("configuration")),
        "{json}"
    );
    let cause = json[1]["error"]["cause"].as_str().unwrap();
    assert!(cause.contains("Match exec (") && cause.contains("/.ssh/config:2)"), "{cause}");
}

#[test]
fn a_broken_configuration_is_one_error_with_its_place() {
    let home = Home::with("Host a\n  Prot 22\n", "hosts: ['a[1:9]']\n");
    for arguments in [&["hosts", "list"][..], &["check"]] {
        let output = home.mcp(arguments);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert_eq!(said.matches("there is no keyword").count(), 1, "{said}");
        assert!(said.contains("/.ssh/config:2: there is no keyword \"prot\"") && said.contains("\"Port\""), "{said}");
    }
    home.write("ws/hosts.yaml", "version: 1\nssh_config: none\nhosts: ['a[1:9]']\n");
    assert_eq!(home.mcp(&["hosts", "list"]).status.code(), Some(0));
}

#[test]
fn a_configuration_that_others_may_write_is_refused_as_ssh_does() {
    let home = Home::with("User deploy\n", "hosts: [a]\n");
    let path = home.0.path().join(".ssh/config");
    for (mode, code) in [(0o600, 0), (0o644, 0), (0o666, 2), (0o602, 2)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let output = home.mcp(&["hosts", "list"]);
        assert_eq!(output.status.code(), Some(code), "{mode:o}: {}", text(&output));
    }
    assert!(text(&home.mcp(&["check"])).contains("can be written by others"));
}

#[test]
fn a_file_that_is_named_may_have_any_mode_and_stands_alone() {
    let home = Home::with("User from-home\n", "ssh_config: ../named\nhosts: [a]\n");
    home.write("named", "Port 2200\n");
    fs::set_permissions(home.0.path().join("named"), fs::Permissions::from_mode(0o666)).unwrap();
    let said = text(&home.mcp(&["hosts", "list"]));
    assert!(said.contains("ana@a:2200"), "{said}");
}

#[test]
fn a_host_that_is_this_machine_needs_no_configuration() {
    let home = Home::with("Nonsense yes\n", "hosts: {here: {connection: local}}\n");
    assert_eq!(home.mcp(&["hosts", "list"]).status.code(), Some(0));
}
