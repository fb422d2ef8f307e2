//! Flags and terminals: `--verbose`, `--quiet`, colour, progress, `--timeout`, passphrases and passwords.

use std::{
    io::{Read, Write},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    around::on_terminal,
    register,
    rig::{Rig, Scratch},
    said::{Said, run, wait_until},
    started,
};

#[test]
fn verbose_says_each_exec_with_its_time_and_quiet_says_nothing() {
    let scratch = Rig::get().scratch();
    started(&scratch, "it", "@demo", "", "");
    let said = run(scratch.mcp(&["list", "--verbose"])).code(0);
    for host in ["edge-1", "edge-2", "edge-3"] {
        let line = said.err.lines().find(|line| line.starts_with(&format!("{host}: "))).unwrap_or_default();
        assert!(line.contains("list in ") && line.ends_with(" ms"), "{said}");
    }
    // Off a terminal there is no progress: nothing but the answer.
    assert_eq!(run(scratch.mcp(&["list"])).code(0).err, "");
    assert_eq!(run(scratch.mcp(&["start", "--all", "--quiet"])).code(0).err, "");
    let quiet =
        run(scratch.mcp(&["add", "new", "--quiet", "--host", "edge-1", "--command", "docker run acme/a"])).code(0);
    assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("", ""));
    run(scratch.mcp(&["list", "--quiet", "--verbose"])).code(2);
}

#[test]
fn a_host_that_is_frozen_ends_at_the_timeout_with_its_phase() {
    let rig = Rig::own(2);
    let scratch = rig.scratch();
    started(&scratch, "it", "@demo", "", "");
    rig.sshd("freeze", 1);
    let begin = Instant::now();
    let said = run(scratch.mcp(&["list", "--timeout", "1s", "--json"])).code(4).err("edge-1").err("key exchange");
    assert!(begin.elapsed() < Duration::from_secs(5), "it took {:?}", begin.elapsed());
    assert_eq!(said.json()[1]["status"], "running", "{said}");
    let check = run(scratch.mcp(&["hosts", "check", "edge-1", "--timeout", "500ms", "--json"])).code(4);
    assert_eq!(check.json()[0]["broken"], "key exchange", "{check}");
    rig.sshd("thaw", 1);
    rig.engine("freeze", 2);
    let said = run(scratch.mcp(&["list", "--timeout", "2s"]));
    // Before anything may fail: a frozen engine would hang the clean-up.
    rig.engine("thaw", 2);
    said.err("edge-2").err("in docker").code(4);
}

/// What questions end with.
const PROMPTS: [&str; 3] = ["[y/N] ", "encrypted: ", "assword: "];

/// Runs `mcp` on a terminal of 100 columns; `typed` is the answer to its question.
fn on_a_terminal(scratch: &Scratch<'_>, arguments: &[&str], variables: &[(&str, &str)], typed: &str) -> Said {
    let mcp = scratch.mcp(arguments);
    let mut script = Command::new("script");
    script.env_clear();
    let mut command = on_terminal(script, "stty cols 100 rows 30;", &mcp);
    command.env("TERM", "xterm").envs(variables.iter().copied()).env("SHELL", "/bin/sh");
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut seen = vec![];
    let mut byte = [0];
    let mut typed = Some(typed).filter(|typed| !typed.is_empty());
    while out.read(&mut byte).unwrap() == 1 {
        seen.push(byte[0]);
        // What is typed before a secret question has turned echo off would be shown by the terminal, not by mcp.
        if PROMPTS.iter().any(|prompt| seen.ends_with(prompt.as_bytes()))
            && let Some(typed) = typed.take()
        {
            if !seen.ends_with(b"[y/N] ") {
                wait_until("the terminal does not echo", || !echoes(&child));
            }
            input.write_all(typed.as_bytes()).unwrap();
        }
    }
    let status = child.wait().unwrap();
    drop(input);
    Said { code: status.code().unwrap_or(-1), out: String::from_utf8_lossy(&seen).into_owned(), err: String::new() }
}

/// Whether the terminal that `script` gave its child shows what is typed.
fn echoes(script: &Child) -> bool {
    let said = |command: &mut Command| String::from_utf8_lossy(&command.output().unwrap().stdout).trim().to_owned();
    let terminal = said(Command::new("ps").args(["-o", "tty=", "--ppid", &script.id().to_string()]));
    !said(Command::new("stty").args(["-a", "-F", &format!("/dev/{terminal}")])).contains(" -echo ")
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let scratch = Rig::get().scratch();
    run(scratch.mcp(&["add", "it", "--host", "edge-1", "--command", "docker run acme/a"])).code(0);
    let list = ["list", "--cached"];
    assert!(on_a_terminal(&scratch, &list, &[], "").code(0).out.contains("\u{1b}["));
    assert!(!on_a_terminal(&scratch, &list, &[("NO_COLOR", "1")], "").code(0).out.contains("\u{1b}["));
    assert!(!on_a_terminal(&scratch, &["list", "--cached", "--no-color"], &[], "").code(0).out.contains("\u{1b}["));
}

#[test]
fn a_table_fits_its_terminal() {
    let scratch = Rig::get().scratch();
    let long = format!("it-{}", "x".repeat(60));
    let command = format!("docker run acme/{}", "y".repeat(60));
    run(scratch.mcp(&["add", &long, "--host", "edge-1", "--command", &command])).code(0);
    let said = on_a_terminal(&scratch, &["list", "--cached", "--no-color"], &[], "").code(0);
    let widest = said.out.lines().map(|line| line.trim_end().chars().count()).max().unwrap();
    assert!(widest <= 100, "{widest} columns\n{said}");
}

#[test]
fn remove_asks_on_a_terminal_and_no_is_no() {
    let scratch = Rig::get().scratch();
    run(scratch.mcp(&["add", "it", "--host", "edge-1", "--command", "docker run acme/a"])).code(0);
    on_a_terminal(&scratch, &["remove", "it", "--keep"], &[], "n\n").code(1).out("[y/N]").out("nothing was done");
    assert!(scratch.read("servers.yaml").contains("acme/a"));
    on_a_terminal(&scratch, &["remove", "it", "--keep"], &[], "y\n").code(0);
    assert!(!scratch.read("servers.yaml").contains("acme/a"));
}

#[test]
fn an_encrypted_key_asks_once_for_all_hosts_and_says_so_off_a_terminal() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let key = scratch.path().join("encrypted");
    std::fs::copy(&rig.key, &key).unwrap();
    let mut encrypt = Command::new("ssh-keygen");
    encrypt.args(["-q", "-p", "-P", "", "-N", "opensesame", "-f"]).arg(&key).stdout(Stdio::null());
    assert!(encrypt.status().unwrap().success());
    let inventory = scratch.hosts_yaml().replace(rig.key.to_str().unwrap(), key.to_str().unwrap());
    scratch.write("hosts.yaml", &inventory);
    run(scratch.mcp(&["hosts", "check", "edge-1"])).code(4).err("passphrase").err("encrypted");
    let said = on_a_terminal(&scratch, &["hosts", "check"], &[], "opensesame\n").code(0).nowhere("opensesame");
    assert_eq!(said.out.matches("assphrase").count(), 1, "asked once for three hosts\n{said}");
}

#[test]
fn a_password_is_asked_for_once_and_lets_in() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let inventory: String =
        scratch.hosts_yaml().lines().filter(|l| !l.contains("identity_file")).map(|l| format!("{l}\n")).collect();
    scratch.write("hosts.yaml", &inventory);
    run(scratch.mcp(&["hosts", "check", "edge-1"])).code(4).err("--ask-pass");
    let typed = format!("{}\n", rig.password);
    let said = on_a_terminal(&scratch, &["hosts", "check", "--ask-pass"], &[], &typed).code(0).nowhere(&rig.password);
    assert_eq!(said.out.to_lowercase().matches("password").count(), 1, "asked once for three hosts\n{said}");
}

#[test]
fn a_full_disk_under_stdout_is_a_failure_with_the_words_of_the_system_for_every_command() {
    let scratch = Rig::get().scratch();
    let server = started(&scratch, "it", "edge-1", "", "--log-lines 3");
    let commands: [&[&str]; 14] = [
        &["list"],
        &["list", "--json"],
        &["get", &server],
        &["log", &server],
        &["log", &server, "--follow"],
        &["history"],
        &["history", "--json"],
        &["hosts", "list"],
        &["exec", "edge-1", "--", "echo x"],
        &["exec", "@demo", "--", "echo x; sleep 1000"],
        &["exec", "@demo", "--gather", "--", "echo x"],
        &["completions", "bash"],
        &["man"],
        &["list", "--help"],
    ];
    for arguments in commands {
        let mut mcp = scratch.mcp(arguments);
        mcp.stdout(std::fs::File::options().write(true).open("/dev/full").unwrap()).stderr(Stdio::piped());
        let output = mcp.spawn().unwrap().wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {err}");
        assert!(err.contains("No space left on device"), "{arguments:?}: {err}");
    }
}

#[test]
fn colours_of_a_log_reach_a_terminal_and_nothing_else_of_its_language_does() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let server = register(&scratch, "it", "edge-1", "", "");
    // The server repeats an argument that it does not know, as it was given.
    rig.docker_text(1, &["run", "-d", "--name", &server, &rig.image, "\u{1b}[31mred\u{1b}[0m\u{1b}[2Jclear\u{7}"]);
    rig.docker_text(1, &["wait", &server]);
    let log = ["log", &server, "--grep", "red"];
    let shown = on_a_terminal(&scratch, &log, &[], "").code(0).out;
    assert!(shown.contains("\u{1b}[31mred\u{1b}[0m\\u{1b}[2Jclear\\u{7}"), "{shown:?}");
    assert!(!on_a_terminal(&scratch, &log, &[("NO_COLOR", "1")], "").code(0).out.contains('\u{1b}'));
    assert!(!run(scratch.mcp(&log)).code(0).out.contains('\u{1b}'));
}
