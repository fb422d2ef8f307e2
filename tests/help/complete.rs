//! Shell completion, in real shells: bash at a terminal, fish and zsh where they are installed.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

const HOSTS: &str =
    "version: 1\nhosts:\n  edge-1: {groups: [prod]}\n  edge-2: {groups: [prod]}\n  web-1: {}\ngroups:\n  prod: {}\n";
const SERVERS: &str = "version: 1\nservers:\n  finance: {command: docker run -d --name finance x, host: '@prod', tags: [core]}\n  \
                       fetch: {command: docker run -d --name fetch x, host: web-1, tags: [nightly]}\n  \
                       search: {command: docker run -d --name search x, host: web-1}\n";

fn workspace() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("hosts.yaml"), HOSTS).unwrap();
    std::fs::write(directory.path().join("servers.yaml"), SERVERS).unwrap();
    directory
}

/// `program` with the built `mcp` on its path, in `directory`.
fn shell(program: &str, directory: &Path) -> Command {
    let bin = Path::new(env!("CARGO_BIN_EXE_mcp")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(program);
    command.env_clear().env("PATH", path).env("HOME", directory).env("TERM", "dumb").current_dir(directory);
    command
}

/// What mcp offers for the last of `words`.
fn offered(directory: &Path, words: &[&str]) -> Vec<String> {
    let mut command = shell(env!("CARGO_BIN_EXE_mcp"), directory);
    let index = words.len().to_string();
    command.env("MCP_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", index).env("_CLAP_IFS", "\n");
    let output = command.args(["--", "mcp"]).args(words).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn values_of_the_workspace_are_offered_and_no_error_is_printed() {
    let directory = workspace();
    let here = directory.path();
    let run = r#"{"v":1,"seq":0,"at":"2026-05-14T10:15:02Z","run":"260514-101502-k3qx","kind":"begin","verb":"start","command":["start"],"who":{"user":"ana","machine":"laptop"},"process":{"pid":4711},"version":"0.1.0","instances":["finance@edge-1"]}"#;
    std::fs::write(here.join("journal.jsonl"), format!("{run}\n")).unwrap();
    for (words, wanted) in [
        (&["start", "f"][..], &["finance", "fetch"][..]),
        (&["start", "finance@"], &["finance@edge-1", "finance@edge-2"]),
        (&["start", "finance@edge-2"], &["finance@edge-2"]),
        (&["get", "se"], &["search"]),
        (&["edit", "se"], &["search"]),
        (&["remove", "fin"], &["finance"]),
        (&["list", "--on", "e"], &["edge-1", "edge-2"]),
        (&["list", "--on", "web-1,!ed"], &["web-1,!edge-1", "web-1,!edge-2"]),
        (&["exec", "@"], &["@prod"]),
        (&["exec", "w"], &["web-1"]),
        (&["hosts", "check", "a"], &["all"]),
        (&["hosts", "remove", "w"], &["web-1"]),
        (&["start", "--tag", ""], &["core", "nightly"]),
        (&["resume", "26"], &["260514-101502-k3qx"]),
        (&["history", "26"], &["260514-101502-k3qx"]),
        (&["add", "fin"], &[]),
        (&["restar"], &["restart"]),
        (&["start", "--recrea"], &[]),
        (&["restart", "--recrea"], &["--recreate"]),
    ] {
        assert_eq!(offered(here, words), wanted, "{words:?}");
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let dir = here.to_str().unwrap();
    assert_eq!(offered(elsewhere.path(), &["-C", dir, "start", "se"]), ["search"]);
    assert_eq!(offered(elsewhere.path(), &["start", "se"]), Vec::<String>::new());
    // A file that is being mended still has its names; one that is no YAML has none.
    std::fs::write(here.join("servers.yaml"), "version: 1\nservers:\n  finance: {comand: x}\n").unwrap();
    assert_eq!(offered(here, &["start", "f"]), ["finance"]);
    std::fs::write(here.join("servers.yaml"), "servers: [").unwrap();
    assert_eq!(offered(here, &["start", "f"]), Vec::<String>::new());
}

/// What stands on bash's command line after `typed` and a tab.
fn in_bash(directory: &Path, typed: &str) -> String {
    let mut command = shell("script", directory);
    command.args(["-qec", "bash --norc --noprofile -i", "/dev/null"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // Ctrl-A and Ctrl-E: the line is not run but printed, between brackets.
    write!(input, "source <(mcp completions bash)\n{typed}\t\x01printf 'line=[%s]\\n' '\x05'\nexit\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().rev().find_map(|line| line.trim_end().strip_prefix("line=[")?.strip_suffix(']'));
    line.unwrap_or_else(|| panic!("{typed}:\n{text}")).to_owned()
}

#[test]
fn bash_completes_servers_instances_hosts_and_options_at_a_terminal() {
    let directory = workspace();
    for (typed, line) in [
        ("mcp start fin", "mcp start finance "),
        ("mcp start search@", "mcp start search@web-1 "),
        ("mcp start fetch search@w", "mcp start fetch search@web-1 "),
        ("mcp restar", "mcp restart "),
        ("mcp list --on w", "mcp list --on web-1 "),
        ("mcp exec @p", "mcp exec @prod "),
        ("mcp start finance@edge", "mcp start finance@edge-"),
    ] {
        assert_eq!(in_bash(directory.path(), typed), line);
    }
}

#[test]
fn fish_and_zsh_complete_servers_and_instances() {
    let directory = workspace();
    let has = |program: &str| Command::new(program).arg("-c").arg(":").output().is_ok_and(|o| o.status.success());
    if has("fish") {
        let script = "mcp completions fish | source; complete -C 'mcp start fin'; complete -C 'mcp start search@'";
        let output = shell("fish", directory.path()).args(["-c", script]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let values: Vec<&str> = text.lines().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(values, ["finance", "search@web-1"], "{}", String::from_utf8_lossy(&output.stderr));
    }
    if has("zsh") {
        // zpty is a terminal inside zsh, so that its line editor runs.
        let script = "zmodload zsh/zpty; zpty z zsh -f -i; zpty -w z 'PS1=; autoload -U compinit; compinit -u -D; \
                      source <(mcp completions zsh); bindkey -e'; \
                      zpty -w -n z $'mcp start fin\\t\\x01echo \\'line=[\\x05]\\'\\nexit\\n'; \
                      while zpty -r z line; do print -r -- $line; done";
        let output = shell("zsh", directory.path()).args(["-fc", script]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.lines().any(|line| line.trim_end() == "line=[mcp start finance]"), "{text}");
    }
}
