//! What `mcp` shows of registered secrets, and whose its files are; through the binary, and without a host.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "support/said.rs"]
mod said;

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
    process::Command,
};

use said::{Said, run};

const SECRET: &str = "hunter2-c0rrect";

fn mcp(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp"));
    command.args(arguments).current_dir(directory).env("HOME", directory).env("MCP_PERSIST", "0").env("NO_COLOR", "1");
    command.env_remove("MCP_DIR").env_remove("MCP_INVENTORY").env_remove("SUDO_UID");
    command
}

fn workspace() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let hosts = format!(
        "version: 1\nssh_config: none\nhosts:\n  here: {{connection: local, docker: 'env DOCKER_TOKEN={SECRET} docker', env: {{A_KEY: {SECRET}}}}}\n"
    );
    fs::write(directory.path().join("hosts.yaml"), hosts).unwrap();
    let servers = format!(
        "version: 1\nservers:\n  plain:\n    command: docker run -d --name plain -e API_KEY acme/x\n  aa:\n    command: docker run -d --name aa -e 'API_KEY={SECRET}' -e URL=postgres://u:{SECRET}@db/x acme/x --token {SECRET}\n"
    );
    fs::write(directory.path().join("servers.yaml"), servers).unwrap();
    directory
}

#[test]
fn secrets_are_shown_to_who_asks_for_them_and_to_nobody_else() {
    let directory = workspace();
    for words in [
        &["check"][..],
        &["start", "aa", "--offline"],
        &["restart", "aa", "--offline"],
        &["list", "--dry-run", "--stats"],
        &["get", "aa", "--dry-run"],
        &["log", "aa", "--dry-run"],
        &["hosts", "list"],
        &["edit", "aa", "--tag", "x", "--dry-run"],
        &["add", "bb", "--command", "docker run -e B_TOKEN=hunter2-c0rrect acme/x", "--host", "here", "--dry-run"],
        &["exec", "here", "--dry-run", "--", "tool", "--token", SECRET],
    ] {
        for format in ["table", "wide", "json", "yaml"] {
            let words = [
                words.iter().take_while(|word| **word != "--").copied().collect(),
                vec!["-o", format],
                words.iter().skip_while(|word| **word != "--").copied().collect::<Vec<_>>(),
            ]
            .concat();
            let said = run(mcp(directory.path(), &words));
            assert!(!said.out.contains(SECRET) && !said.err.contains(SECRET), "{words:?}: {said}");
            let shown = run(mcp(directory.path(), &[&["--show-secrets"][..], &words].concat()));
            assert_eq!(shown.code, said.code, "{words:?}: {shown}");
            // `check` names them and repeats none; a log's string and a list hold none but the host's words.
            if words[0] == "start" {
                assert!(said.out.contains("API_KEY=***") && said.out.contains("--token ***"), "{said}");
                assert!(shown.out.contains(SECRET), "{words:?}: {shown}");
            }
        }
    }
}

#[test]
fn check_names_every_string_with_a_secret_and_is_well_all_the_same() {
    let directory = workspace();
    let said = run(mcp(directory.path(), &["check"])).code(0);
    let said = said
        .out("warn servers.yaml: servers.aa.command: in clear: API_KEY, the password in a URL, --token")
        .out("warn hosts.here.docker: in clear: DOCKER_TOKEN")
        .out("--env-file FILE");
    assert!(!said.out.contains("servers.plain"), "{said}");
}

#[test]
fn an_error_that_quotes_a_string_quotes_no_secret() {
    let directory = workspace();
    let add =
        |command: &str| -> Said { run(mcp(directory.path(), &["add", "cc", "--host", "here", "--command", command])) };
    for command in [
        "docker run -e C_KEY=hunter2-c0rrect",
        "docker run -e C_KEY=hunter2-c0rrect -p hunter2-c0rrect acme/x",
        "docker run -e C_KEY=hunter2-c0rrect; acme/x",
        "docker run --name hunter2-c0rrect/ -e C_KEY=hunter2-c0rrect acme/x",
        "C_KEY=hunter2-c0rrect docker run acme/x",
        "docker run -e C_KEY=hunter2-c0rrect --unknown=hunter2-c0rrect acme/x",
    ] {
        let said = add(command).code(2);
        assert!(!said.err.contains(SECRET), "{command}: {said}");
    }
    fs::write(
        directory.path().join("servers.yaml"),
        format!(
            "version: 1\nservers:\n  aa:\n    command: [docker, run, -e, K_KEY={SECRET}]\n    port: TOKEN={SECRET}\n"
        ),
    )
    .unwrap();
    for words in [&["check"][..], &["check", "-o", "json"], &["list"]] {
        let said = run(mcp(directory.path(), words)).code(2);
        assert!(!said.out.contains(SECRET) && !said.err.contains(SECRET), "{said}");
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).permissions().mode() & 0o7777
}

/// Everything below `directory`, with its mode.
fn modes(directory: &Path) -> Vec<(String, u32)> {
    let mut found = vec![];
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        found.push((path.display().to_string(), mode(&path)));
        if path.is_dir() {
            found.extend(modes(&path));
        }
    }
    found.sort();
    found
}

#[test]
fn what_is_made_is_the_owners_alone_whatever_the_umask() {
    for umask in ["000", "077", "022"] {
        let temp = tempfile::tempdir().unwrap();
        let base = temp.path().join("base");
        let line = format!(
            "umask {umask}; set -e; D=base/deep; $MCP init $D; $MCP -C $D add aa --host localhost --command 'docker run acme/x'; \
             $MCP -C $D edit aa --tag x; $MCP -C $D remove aa --keep -y; $MCP -C $D exec localhost -- true; test -e $D/journal.jsonl"
        );
        let mut command = mcp(temp.path(), &[]);
        let mut shell = Command::new("sh");
        shell.args(["-c", &line]).current_dir(temp.path()).env("MCP", command.get_program());
        for (name, value) in command.get_envs().filter_map(|(name, value)| Some((name, value?))) {
            shell.env(name, value);
        }
        shell.env_remove("MCP_DIR").env_remove("MCP_INVENTORY");
        run(shell).code(0);
        command.arg("--version");
        for (path, mode) in [vec![(base.display().to_string(), mode(&base))], modes(&base)].concat() {
            let expected = if Path::new(&path).is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode, expected, "umask {umask}: {path} has {mode:o}");
        }
    }
}

#[test]
fn a_stricter_mode_stays() {
    let directory = workspace();
    let servers = directory.path().join("servers.yaml");
    for stricter in [0o400, 0o600, 0o640] {
        fs::set_permissions(&servers, fs::Permissions::from_mode(stricter)).unwrap();
        run(mcp(directory.path(), &["edit", "plain", "--tag", &format!("t{stricter:o}")])).code(0);
        assert_eq!(mode(&servers), stricter);
    }
}

#[test]
fn files_that_others_can_write_are_refused_with_what_to_do() {
    let directory = workspace();
    for file in ["hosts.yaml", "servers.yaml"] {
        let path = directory.path().join(file);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o646)).unwrap();
        run(mcp(directory.path(), &["list", "--cached"])).code(2).err("everybody can write it").err("chmod o-w");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
        if rustix::process::geteuid().is_root() {
            chown(&path, Some(4711), None).unwrap();
            run(mcp(directory.path(), &["list", "--cached"])).code(2).err("belongs to user 4711");
            let mut trusting = mcp(directory.path(), &["list", "--cached"]);
            trusting.env("MCP_TRUST_OWNERS", "12, 4711");
            run(trusting).code(0);
            let mut by_sudo = mcp(directory.path(), &["list", "--cached"]);
            by_sudo.env("SUDO_UID", "4711");
            run(by_sudo).code(0);
            chown(&path, Some(0), Some(4711)).unwrap();
            run(mcp(directory.path(), &["list", "--cached"])).code(0).err("the members of group 4711 can write it");
            chown(&path, Some(0), Some(0)).unwrap();
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn an_executable_inventory_of_a_stranger_is_not_run() {
    let directory = workspace();
    let (script, ran) = (directory.path().join("inventory"), directory.path().join("ran"));
    fs::write(&script, format!("#!/bin/sh\ntouch {}\necho '{{\"_meta\": {{\"hostvars\": {{}}}}}}'\n", ran.display()))
        .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o757)).unwrap();
    run(mcp(directory.path(), &["hosts", "list", "-i", "./inventory"])).code(2).err("everybody can write it");
    assert!(!ran.exists());
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    run(mcp(directory.path(), &["hosts", "list", "-i", "./inventory"]));
    assert!(ran.exists());
}

#[test]
fn what_root_makes_in_the_workspace_of_a_user_is_that_user_s() {
    // Only root can make something in somebody's name.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    chown(directory.path(), Some(4711), Some(4711)).unwrap();
    for words in [
        &["hosts", "add", "here", "--address", "127.0.0.1"][..],
        &["add", "web", "--host", "here", "--command", "docker run acme/web:1"],
        &["exec", "here", "--timeout", "2s", "--retries", "0", "--", "true"],
    ] {
        let mut command = mcp(directory.path(), words);
        command.env("SUDO_UID", "4711").env("MCP_DIR", directory.path()).env("HOME", "/nonexistent");
        run(command);
    }
    let mut found = vec![];
    for entry in fs::read_dir(directory.path()).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        assert_eq!(entry.metadata().unwrap().uid(), 4711, "{name}");
        found.push(name);
    }
    for name in ["hosts.yaml", "servers.yaml", "journal.jsonl", "journal.head", ".mcp.lock"] {
        assert!(found.iter().any(|other| other == name), "{name} was not made: {found:?}");
    }
}
