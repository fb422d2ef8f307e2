//! The help of every command, as a user sees it, and the pages that repeat it: a change of one is a change of the other.
//!
//! Boundary: text only. Snapshots are beside this file; `cargo insta review` shows what changed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "help/complete.rs"]
mod complete;
#[path = "help/hints.rs"]
mod hints;

use std::{collections::BTreeSet, path::Path, process::Command};

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

const COMMANDS: [&str; 22] = [
    "start",
    "stop",
    "restart",
    "pull",
    "rollback",
    "resume",
    "history",
    "list",
    "get",
    "log",
    "exec",
    "copy",
    "add",
    "remove",
    "edit",
    "hosts",
    "check",
    "init",
    "doctor",
    "completions",
    "man",
    "options",
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
    insta::assert_snapshot!("history-verify", help(&["history", "verify"]));
    for verb in ["list", "check", "trust", "add", "remove"] {
        let text = help(&["hosts", verb]);
        assert!(text.contains("Examples:"), "{text}");
        insta::assert_snapshot!(format!("hosts-{verb}"), text);
    }
}

#[test]
fn the_short_help_of_a_command_has_its_own_options_and_one_line_for_the_global_ones() {
    for words in [&["edit"][..], &["hosts", "list"], &["lock", "list"], &["hosts"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_mcp")).args(words).arg("-h").env_clear().output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{words:?}");
        assert!(text.contains("Global options: see `mcp help options`"), "{text}");
        for option in ["--lock-timeout", "--forks", "--persist"] {
            assert!(!text.contains(option) && help(words).contains(option), "{words:?} {option}");
        }
    }
    let global = flags(&mcp::cli::command(), true);
    let shown = Command::new(env!("CARGO_BIN_EXE_mcp")).args(["help", "options"]).env_clear().output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(global.len() > 10 && global.iter().all(|option| shown.contains(option)), "{shown}");
    let same = Command::new(env!("CARGO_BIN_EXE_mcp")).arg("options").env_clear().output().unwrap();
    assert_eq!(String::from_utf8(same.stdout).unwrap(), shown);
}

fn page(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The part of docs/commands.md about `name`; a heading may be about several commands (`## completions, man`).
fn section<'a>(text: &'a str, name: &str) -> &'a str {
    let is_about = |line: &&str| line.strip_prefix("## ").is_some_and(|heading| heading.split(", ").any(|n| n == name));
    let begin = text.lines().find(is_about).unwrap_or_else(|| panic!("no section about {name}"));
    let rest = &text[begin.as_ptr() as usize - text.as_ptr() as usize + begin.len()..];
    &rest[..rest.find("\n## ").unwrap_or(rest.len())]
}

/// The long flags of `command`: those that every command takes, or its own.
fn flags(command: &clap::Command, global: bool) -> BTreeSet<String> {
    let wanted = command.get_arguments().filter(|a| a.is_global_set() == global);
    wanted.filter_map(|a| a.get_long()).filter(|l| *l != "help" && *l != "version").map(|l| format!("--{l}")).collect()
}

fn documented(text: &str) -> BTreeSet<String> {
    let is_flag = |c: char| c.is_ascii_lowercase() || c == '-';
    // In code only: prose may speak of docker's flags.
    let code = text.split('`').skip(1).step_by(2);
    code.filter(|c| c.starts_with("--") && !c.contains('='))
        .map(|c| c.chars().take_while(|c| is_flag(*c)).collect())
        .collect()
}

#[test]
fn the_reference_has_every_flag_of_every_command() {
    let text = page("docs/commands.md");
    let root = mcp::cli::command();
    let global = flags(&root, true);
    assert!(global.contains("--dry-run"), "{global:?}");
    let shared = documented(section(&text, "Everywhere"));
    assert!(global.is_subset(&shared), "missing in Everywhere: {:?}", global.difference(&shared));
    for command in root.get_subcommands().filter(|c| c.get_name() != "help") {
        let part = section(&text, command.get_name());
        let mut own = flags(command, false);
        command.get_subcommands().for_each(|verb| own.extend(flags(verb, false)));
        let there = documented(part);
        let missing: Vec<_> = own.difference(&there).collect();
        assert!(missing.is_empty(), "{} lacks {missing:?}", command.get_name());
    }
}

#[test]
fn every_example_on_the_pages_is_a_command_line_that_is_taken() {
    let mut count = 0;
    for path in ["README.md", "docs/commands.md"] {
        for line in page(path).lines() {
            let line = line.strip_prefix("$ ").unwrap_or(line);
            // `&&` and comments are the shell's; each command before them stands for itself.
            let line = line.split(" && ").next().unwrap_or(line);
            if !line.starts_with("mcp ") {
                continue;
            }
            let line = line.split("  #").next().unwrap_or(line);
            // What the answer goes to is another program.
            let line = line.split(" | jq ").next().unwrap_or(line);
            let words = shlex::split(line).unwrap_or_else(|| panic!("{path}: {line}"));
            let taken = mcp::cli::command().try_get_matches_from(words);
            assert!(taken.is_ok(), "{path}: {line}\n{}", taken.unwrap_err());
            count += 1;
        }
    }
    assert!(count > 40, "only {count} examples were found");
}
