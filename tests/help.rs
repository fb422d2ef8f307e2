//! The help of every command, as a user sees it: a change of it is a change for users.
//!
//! Boundary: text only. Snapshots are beside this file; `cargo insta review` shows what changed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;

fn help(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_mcp"))
        .args(words)
        .arg("--help")
        .env_clear()
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}");
    assert!(output.stderr.is_empty(), "{words:?}");
    String::from_utf8(output.stdout).unwrap()
}

const COMMANDS: [&str; 15] = [
    "start",
    "stop",
    "restart",
    "list",
    "get",
    "log",
    "add",
    "remove",
    "edit",
    "hosts",
    "check",
    "init",
    "doctor",
    "completions",
    "man",
];

#[test]
fn the_first_help_names_every_command_and_the_exit_codes() {
    let text = help(&[]);
    for command in COMMANDS {
        assert!(text.lines().any(|l| l.trim_start().starts_with(command)), "{command} is missing in\n{text}");
    }
    assert!(text.contains("Exit codes: 0 all well, 1 an instance failed, 2 usage or configuration, 4"), "{text}");
    insta::assert_snapshot!("mcp", text);
}

#[test]
fn every_command_has_examples() {
    for command in COMMANDS {
        let text = help(&[command]);
        assert!(command == "hosts" || text.contains("Examples:"), "{text}");
        insta::assert_snapshot!(command, text);
    }
    for verb in ["list", "check", "add", "remove"] {
        let text = help(&["hosts", verb]);
        assert!(text.contains("Examples:"), "{text}");
        insta::assert_snapshot!(format!("hosts-{verb}"), text);
    }
}
