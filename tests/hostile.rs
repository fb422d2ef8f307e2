//! A host whose docker lies: what it answers is shown safely, is valid JSON, and makes `mcp` do nothing.
//!
//! Boundary: through the binary, with a script for docker on this machine; a terminal is one of script(1).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "support/around.rs"]
mod around;
#[path = "support/said.rs"]
mod said;

use std::{
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Stdio},
};

use said::{Said, run};

/// What an attacker would like a terminal to act on: a title, a cleared screen, CSI in one byte, text turned round, text unseen.
const EVIL: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}gpj.exe\u{2066}\u{200b}\u{200f}\u{e0041}";

/// What of it must never come out.
const ACTED_ON: [&str; 9] =
    ["\u{1b}]", "\u{7}", "\u{1b}[2J", "\u{9b}", "\u{202e}", "\u{2066}", "\u{200b}", "\u{200f}", "\u{e0041}"];

/// The bytes of the log: also some that are no UTF-8, a line end of two bytes, and no line feed at the end.
const LOG: &[u8] = b"a\x1b[2Jb\r\n\xff\xfe\xc2\x9b31m\xe2\x80\xae\n\0tail \xe2\x80\x8b";

/// A workspace with this machine as its host, and a docker that says `EVIL` wherever it can.
struct Victim {
    directory: tempfile::TempDir,
}

impl Victim {
    fn new(state: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let victim = Self { directory };
        let object = |name: &str| {
            serde_json::json!({
                "id": "ab12", "name": name, "image": format!("acme/{EVIL}日本"), "image_id": format!("--{EVIL}"), "created": EVIL,
                "state": state, "exit_code": 3, "oom_killed": false, "error": format!("it says {EVIL}\nerror: lies"), "pid": 0,
                "started_at": "2026-01-01T00:00:00Z", "finished_at": "2026-01-01T00:00:01Z", "health": EVIL, "restart_count": 0,
                "restart_policy": EVIL, "restart_maximum": 0, "auto_remove": false, "port_bindings": {}, "published": {EVIL: null},
                "env_names": [EVIL], "mounts": [{"kind": EVIL, "name": EVIL, "source": EVIL, "target": EVIL, "writable": true}],
                "tmpfs": [EVIL], "command": [EVIL], "entrypoint": EVIL, "network": EVIL,
            })
        };
        // The object's keys are sorted by serde_json; docker's template begins with the id.
        let lines = ["/victim", "/--help", "/a;reboot", "/$(touch owned)", "/x\ny"].map(|name| {
            let text = object(name).to_string().replacen("\"id\":\"ab12\",", "", 1);
            format!("{{\"id\":\"ab12\",{}\n", &text[1..])
        });
        victim.write("inspect", lines.concat().as_bytes());
        victim.write("log", LOG);
        // As docker prints it with times, which are always asked for.
        let line = |line: &[u8]| [b"2026-01-01T00:00:00.000000001Z ", line].concat();
        victim.write("stamped", &LOG.split_inclusive(|byte| *byte == b'\n').flat_map(line).collect::<Vec<u8>>());
        victim.write("evil", format!("docker: Error response from daemon: {EVIL}\n{EVIL}\n").as_bytes());
        let docker = victim.write(
            "docker",
            b"#!/bin/sh\ncd \"$(dirname \"$0\")\" || exit\nprintf '%s\\n' \"$*\" >>said\ncase $* in\n\
              'container inspect --format {\"id\"'*) cat inspect;;\n\
              logs*) cat stamped;;\n\
              version*) cat evil; exit 1;;\n\
              *) cat evil; cat evil >&2; exit 125;;\nesac\n",
        );
        std::fs::set_permissions(&docker, std::fs::Permissions::from_mode(0o755)).unwrap();
        let hosts = format!("version: 1\nhosts:\n  here: {{connection: local, docker: '{}'}}\n", docker.display());
        victim.write("hosts.yaml", hosts.as_bytes());
        victim.write(
            "servers.yaml",
            b"version: 1\nservers:\n  victim: {command: docker run -d --name victim acme/x, host: here}\n",
        );
        victim
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp"));
        command.env_clear().env("PATH", std::env::var("PATH").unwrap()).env("HOME", self.directory.path());
        command.current_dir(self.directory.path()).env("NO_COLOR", "1").stdin(Stdio::null());
        command.arg("-C").arg(self.directory.path()).args(arguments);
        command
    }

    fn said(&self, arguments: &[&str]) -> Said {
        run(self.command(arguments))
    }

    /// All that a terminal of 100 columns is given.
    fn on_terminal(&self, arguments: &[&str]) -> String {
        let mut command = around::on_terminal(Command::new("script"), "stty cols 100;", &self.command(arguments));
        command.env("TERM", "xterm").env("SHELL", "/bin/sh").stdin(Stdio::null());
        String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
    }

    /// Nothing that a name could have started was done.
    fn is_unharmed(&self) {
        assert!(!self.directory.path().join("owned").exists(), "a name was run");
        let said = std::fs::read_to_string(self.directory.path().join("said")).unwrap();
        assert!(!said.contains("--help") && !said.contains("reboot"), "a name was said to docker:\n{said}");
    }
}

#[track_caller]
fn is_safe(text: &str, what: &str) {
    for evil in ACTED_ON {
        assert!(!text.contains(evil), "{what} lets {evil:?} through:\n{text:?}");
    }
}

/// Each verb that shows what a docker or a command on a host says, `EVIL` among it.
const VERBS: [&[&str]; 9] = [
    &["list"],
    &["list", "--stats", "-o", "wide"],
    &["get", "victim", "-n", "5"],
    &["log", "victim"],
    &["start", "victim", "--settle", "0s"],
    &["restart", "victim", "--settle", "0s"],
    &["stop", "victim"],
    &["hosts", "check"],
    &["exec", "here", "--", "cat evil log; cat evil >&2; exit 3"],
];

#[test]
fn what_a_lying_docker_says_is_shown_safely_off_a_terminal_and_on_it() {
    let victim = Victim::new("exited");
    for verb in VERBS {
        let said = victim.said(verb);
        assert!((0..=4).contains(&said.code), "{verb:?}: {said}");
        // What exec brings from one host is for a program byte for byte what the host said.
        if verb[0] != "exec" {
            is_safe(&format!("{}{}", said.out, said.err), &format!("{verb:?}"));
        }
        let shown = victim.on_terminal(verb);
        assert!(!shown.is_empty(), "{verb:?} says nothing on a terminal");
        is_safe(&shown, &format!("{verb:?} on a terminal"));
    }
    let said = victim.said(&["exec", "here", "-b", "--", "cat evil log; cat evil >&2; exit 3"]).code(1);
    is_safe(&format!("{}{}", said.out, said.err), "exec -b");
    let shown = victim.on_terminal(&["list"]);
    assert!(shown.contains("\\u{1b}]0;"), "what is harmful is to be seen: {shown}");
    victim.said(&["get", "victim"]).code(0).out("\\u{202e}gpj.exe");
    victim.is_unharmed();
}

#[test]
fn json_and_yaml_are_valid_say_the_same_and_are_safe_on_a_terminal() {
    let victim = Victim::new("exited");
    let image = format!("acme/{EVIL}日本");
    for format in ["json", "yaml"] {
        for verb in VERBS.iter().filter(|verb| verb[0] != "log" && !verb.contains(&"wide")) {
            let (first, rest) = verb.split_first().unwrap();
            let arguments: Vec<&str> = [&[*first, "-o", format][..], rest].concat();
            let arguments: Vec<&str> = if *first == "hosts" { vec!["hosts", "check", "-o", format] } else { arguments };
            let said = victim.said(&arguments);
            is_safe(&format!("{}{}", said.out, said.err), &format!("{arguments:?}"));
            is_safe(&victim.on_terminal(&arguments), &format!("{arguments:?} on a terminal"));
            // What is unsafe in YAML is written as JSON, which YAML is; escapes of 32 bits are YAML's own.
            if format == "json" {
                let value = said.json();
                if *first == "list" {
                    assert_eq!(value[0]["image"], image.as_str(), "{said}");
                }
            }
        }
    }
    victim.is_unharmed();
}

#[test]
fn raw_is_byte_for_byte_what_the_host_said() {
    let victim = Victim::new("exited");
    let bytes = |arguments: &[&str]| victim.command(arguments).output().unwrap().stdout;
    assert_eq!(bytes(&["log", "victim", "--raw"]), LOG);
    assert_eq!(bytes(&["exec", "here", "--no-prefix", "--raw", "--", "cat log"]), LOG);
    let shown = victim.said(&["log", "victim"]).code(0).out;
    assert_eq!(shown, "a\\u{1b}[2Jb\n\u{fffd}\u{fffd}\\u{9b}31m\\u{202e}\n\\u{0}tail \\u{200b}\n");
}

#[test]
fn a_container_whose_id_is_an_option_is_no_container() {
    let victim = Victim::new("running");
    let lines = std::fs::read_to_string(victim.directory.path().join("inspect")).unwrap();
    victim.write("inspect", lines.replace("ab12", "--help").as_bytes());
    let said = victim.said(&["list"]);
    assert_ne!(said.code, 0, "{said}");
    said.err("a container's id is letters and digits");
    victim.is_unharmed();
}

#[test]
fn what_was_remembered_of_a_lying_host_is_shown_as_safely() {
    let victim = Victim::new("exited");
    let state = serde_json::json!({"status": {
        "name": "victim", "host": "here", "status": "running", "last_check": "2026-01-01T00:00:00Z", "image": EVIL, "message": EVIL,
        "container_id": format!("é日本語{EVIL}"),
    }, "container_id": EVIL, "command_hash": EVIL, "stopped_by": null});
    victim.write("state.yaml", format!("version: 1\ninstances:\n  \"victim@here\": {state}\n").as_bytes());
    for verb in [&["list", "--cached", "-o", "wide"][..], &["list", "-o", "wide"], &["get", "victim"], &["history"]] {
        let said = victim.said(verb);
        assert!((0..=4).contains(&said.code), "{verb:?}: {said}");
        is_safe(&format!("{}{}", said.out, said.err), &format!("{verb:?}"));
    }
}

/// Runs `mcp` where no more than 2 GiB of addresses can be had.
fn within_bounds(victim: &Victim, arguments: &[&str]) -> Said {
    let told = victim.command(arguments);
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -v 2097152 && exec \"$@\"", "sh"]).arg(told.get_program()).args(told.get_args());
    run(around::around(shell, &told))
}

#[test]
fn files_that_are_too_long_too_deep_or_bombs_are_refused_by_name() {
    let victim = Victim::new("exited");
    let sound = std::fs::read(victim.directory.path().join("hosts.yaml")).unwrap();
    let bomb: String =
        (1..40).map(|n| format!("  a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(","))).collect();
    let inputs = [
        ("a line of 100 MB", format!("version: 1\nhosts: {{{}", "a".repeat(100_000_000))),
        ("nesting", format!("version: 1\nhosts: {}", "[".repeat(100_000))),
        ("nested blocks", format!("version: 1\nhosts:\n  a: {}x\n", "- ".repeat(100_000))),
        ("an alias bomb", format!("version: 1\ngroups:\n  a0: &a0 [x]\n{bomb}")),
        ("a range in a long name", format!("version: 1\nhosts:\n  ? '{}[1:99999]'\n  : {{}}\n", "a".repeat(60_000))),
    ];
    for (what, text) in &inputs {
        victim.write("hosts.yaml", text.as_bytes());
        let said = within_bounds(&victim, &["hosts", "list"]);
        assert_eq!(said.code, 2, "{what}: {}", said.err);
        assert!(said.err.contains("hosts.yaml") && said.err.len() < 100_000, "{what}: {}", said.err.len());
    }
    victim.write("hosts.yaml", &sound);
    // The cache and the journal are passed over; what was in them is on the hosts.
    let long = vec![b'{'; 100_000_000];
    victim.write("state.yaml", &long);
    victim.write("journal.jsonl", &long);
    for verb in [&["list", "--cached"][..], &["history"]] {
        let said = within_bounds(&victim, verb);
        assert!((0..=4).contains(&said.code), "{verb:?}: {said}");
        assert!(said.out.len() + said.err.len() < 10_000, "{verb:?}: {}", said.err.len());
    }
}
