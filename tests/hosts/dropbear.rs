//! Hosts whose SSH server is Dropbear: each connection is a process of root's, and leads the process group of all its commands.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use crate::{
    place::Place,
    rig::Rig,
    said::{run, wait_until},
};

/// The port of `edge-1`'s Dropbear, and its keys: ed25519, ECDSA and RSA, each as `TYPE KEY`.
fn dropbear() -> &'static (u16, Vec<String>) {
    static ADDED: OnceLock<(u16, Vec<String>)> = OnceLock::new();
    ADDED.get_or_init(|| {
        let text = Rig::get().add("dropbear", 1);
        let mut lines = text.lines().map(str::to_owned);
        (lines.next().unwrap().parse().unwrap(), lines.collect())
    })
}

/// A workspace whose `edge-1` is its Dropbear, known by `key`.
fn place(user: &str, key: &str) -> Place {
    let (port, place) = (dropbear().0, Place::new(user, ""));
    let known = place.scratch.write("known_hosts", &format!("[{}]:{port} {key}\n", place.rig.host(1).address));
    place.host(user, port, known.to_str().unwrap(), "");
    place
}

/// A command that no other test runs, and whether it runs.
fn sleeper(place: &Place) -> (String, impl Fn() -> bool) {
    let seconds = format!("1000.{}", std::process::id());
    let (rig, sought) = (place.rig, format!("grep -qs '[s]leep.{seconds}' /proc/[0-9]*/cmdline && echo runs || :"));
    (format!("sleep {seconds}"), move || rig.on(1, &["sh", "-c", &sought]) == "runs")
}

#[test]
fn commands_input_and_copies_reach_an_account_that_is_not_the_server_s() {
    let place = place("guest", &dropbear().1[0]);
    let (_, row) = place.exec(&[], "id -un; exit 3");
    assert_eq!((&row["stdout"], &row["exit_code"]), (&"guest\n".into(), &3.into()), "{row:#}");
    // More than a pipe holds, and long enough for whatever looks once a second to look.
    let input = place.scratch.write("input", &"0123456789\n".repeat(100_000));
    let input = input.to_str().unwrap();
    let (_, row) = place.exec(&["--stdin", input], "sleep 1.5; wc -c");
    assert_eq!(row["stdout"].as_str().map(str::trim), Some("1100000"), "{row:#}");
    let there = format!("/tmp/{}", place.scratch.name("copy"));
    place.mcp(&["copy", "edge-1", input, &there]).code(0).out("copied");
    place.mcp(&["copy", "edge-1", input, &there]).code(0).out("unchanged");
    assert_eq!(fs::metadata(&there).unwrap().len(), 1_100_000);
    fs::remove_file(there).unwrap();
}

#[test]
fn a_command_that_is_over_its_time_or_whose_operator_leaves_is_killed() {
    let place = place("guest", &dropbear().1[0]);
    let input = place.scratch.write("input", &"x".repeat(1_000_000));
    let input = input.to_str().unwrap();
    let (sleep, runs) = sleeper(&place);
    for options in [&["--timeout", "1s"][..], &["--timeout", "1s", "--stdin", input]] {
        let (said, row) = place.exec(options, &sleep);
        assert_eq!(row["outcome"], "timed_out", "{said}");
        wait_until("the command was killed", || !runs());
    }
    for options in [&[][..], &["--stdin", input]] {
        let mut command = place.command(&[&["exec", "edge-1"], options, &["--", &sleep]].concat());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("the command runs", &runs);
        child.kill().unwrap();
        child.wait().unwrap();
        wait_until("the command was killed", || !runs());
    }
}

#[test]
fn what_is_killed_on_a_connection_takes_nothing_else_on_it_along() {
    for user in ["guest", "root"] {
        let place = place(user, &dropbear().1[0]);
        let command = |words: &[&str]| {
            let mut command = place.command(words);
            command.env("MCP_PERSIST", "30").env("XDG_RUNTIME_DIR", place.scratch.path());
            command
        };
        run(command(&["exec", "edge-1", "--", "true"])).code(0);
        let gate = format!("/tmp/{}", place.scratch.name("gate"));
        let waits = format!("until [ -e {gate} ]; do sleep 0.05; done; echo survived");
        let child =
            command(&["exec", "edge-1", "--", &waits]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        run(command(&["exec", "edge-1", "--timeout", "1s", "--", "sleep 100"])).code(1).err("timed out");
        fs::write(&gate, "").unwrap();
        let output = child.wait_with_output().unwrap();
        fs::remove_file(gate).unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "survived\n", "{user}: {output:?}");
        run(command(&["sessions", "close", "--all"])).code(0);
    }
}

#[test]
fn a_log_is_followed_and_a_start_survives_the_loss_of_its_connection() {
    let place = place("root", &dropbear().1[0]);
    let a = place.add("a", "", "--tick 50", &[]);
    assert_eq!(place.act(&["start", &a, "--settle", "0s"]), "changed created");
    let mut follows = place.command(&["log", &a, "-f"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    assert_eq!(BufReader::new(follows.stdout.take().unwrap()).lines().map_while(Result::ok).take(20).count(), 20);
    follows.kill().unwrap();
    follows.wait().unwrap();
    let sought = format!("grep -qs '[l]ogs.*{a}' /proc/[0-9]*/cmdline && echo runs || :");
    wait_until("nobody reads its log on the host", || place.rig.on(1, &["sh", "-c", &sought]).is_empty());

    // The connection's own process is killed while the settle time passes.
    let slow = place.add("slow", "", "", &[]);
    let begin =
        place.command(&["start", &slow, "--settle", "4s", "-o", "json"]).stdout(Stdio::piped()).spawn().unwrap();
    wait_until("it runs", || place.scratch.container_state(1, "slow").as_deref() == Some("running"));
    let cut = "for c in /proc/[0-9]*; do tr '\\0' ' ' <$c/cmdline | grep -q \"$1\" || continue; \
               read -r pid name state parent rest <$c/stat; read -r p <$(echo /proc/$parent/comm); \
               [ \"$p\" != dropbear ] || kill -9 $parent; done 2>/dev/null; :";
    // Its script travels on standard input; its word is among the arguments of its shell.
    place.rig.on(1, &["sh", "-c", cut, "sh", "sh -c : mcp-"]);
    let output = begin.wait_with_output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let row = &report["instances"][0];
    assert_eq!((&row["outcome"], &row["status"]["status"]), (&"changed".into(), &"running".into()), "{report:#}");
    assert!(row["note"].is_string(), "the connection was not lost: {report:#}");
}

#[test]
fn each_type_of_key_is_known_and_let_in_and_another_host_s_is_not() {
    for key in &dropbear().1 {
        place("guest", key).mcp(&["exec", "edge-1", "--", "true"]).code(0);
    }
    let place = place("guest", &dropbear().1[0]);
    for kind in ["ecdsa", "rsa"] {
        let file = place.scratch.path().join(kind);
        let made = Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-f"]).arg(&file).status().unwrap();
        assert!(made.success());
        let public = fs::read_to_string(file.with_extension("pub")).unwrap();
        place.rig.on(1, &["sh", "-c", "echo \"$1\" >>/run/home/.ssh/authorized_keys", "sh", public.trim()]);
        let hosts = place.scratch.read("hosts.yaml");
        let own = hosts.replace(&place.rig.key.display().to_string(), &file.display().to_string());
        place.scratch.write("hosts.yaml", &own);
        place.mcp(&["exec", "edge-1", "--", "true"]).code(0);
        place.scratch.write("hosts.yaml", &hosts);
    }
    // The same key under another type's name would not parse; another host's key of the same type does.
    let other = fs::read_to_string(&place.rig.known_hosts).unwrap();
    let other = other.lines().next().unwrap().split_once(' ').unwrap().1.to_owned();
    let place = self::place("guest", &other);
    let check =
        place.mcp(&["hosts", "check", "-o", "json", "--timeout", &Duration::from_secs(20).as_secs().to_string()]);
    assert_eq!(check.code(4).json()[0]["broken"], "host key");
}
