//! Executables that print an inventory: run once, bounded in time and size, and never outliving the run.

use std::process::Stdio;

use crate::{
    Place, lines,
    said::run,
    sshd::{pids_of, unique, wait_until},
};

#[test]
fn an_executable_runs_once_per_run_with_closed_input() {
    let place = Place::new();
    let script = "#!/bin/sh\necho ran >>ran\ncat\necho '{\"web\": [\"w1\"], \"_meta\": {\"hostvars\": {\"w1\": {\"ansible_host\": \"192.0.2.1\"}}}}'\n";
    place.executable("inv", script);
    place.write("servers.yaml", "version: 1\nservers: {one: {command: docker run -d --name one x, host: w1}}\n");
    run(place.mcp(&["-i", "inv", "check"])).code(0).out("1 host, 1 server, 1 instance");
    assert_eq!(lines(&place.path("here/ran")), 1);
    // A relative name and one with a space are words of their own, whatever is in them.
    place.executable("a $(touch pwned) b", "#!/bin/sh\necho '{\"web\": [\"w2\"], \"_meta\": {\"hostvars\": {}}}'\n");
    run(place.mcp(&["-i", "a $(touch pwned) b", "hosts", "list", "-o", "name"])).code(0).out("w2");
    assert!(!place.path("here/pwned").exists());
}

#[test]
fn without_meta_each_host_is_asked_for() {
    let place = Place::new();
    let script = "#!/bin/sh\necho \"$*\" >>ran\ncase $1 in --list) echo '{\"web\": [\"w1\", \"w2\"]}';; *) echo \"{\\\"ansible_user\\\": \\\"of-$2\\\"}\";; esac\n";
    place.executable("inv", script);
    run(place.mcp(&["-i", "inv", "hosts", "list"])).code(0).out("of-w1@w1:22").out("of-w2@w2:22");
    assert_eq!(lines(&place.path("here/ran")), 3);
}

#[test]
fn a_failing_executable_is_an_error_that_shows_what_it_said() {
    let place = Place::new();
    place.executable("fails", "#!/bin/sh\necho 'no credentials for the cloud' >&2\nexit 3\n");
    run(place.mcp(&["-i", "fails", "hosts", "list"]))
        .code(2)
        .err("fails: --list: it failed (exit code 3)")
        .err("no credentials for the cloud");
    place.executable("silent", "#!/bin/sh\nkill -9 $$\n");
    run(place.mcp(&["-i", "silent", "hosts", "list"])).code(2).err("signal 9");
    place.executable("mute", "#!/bin/sh\nexit 1\n");
    run(place.mcp(&["-i", "mute", "hosts", "list"])).code(2).err("exit code 1").err("run it by hand");
    place.executable("nothing", "#!/nonexistent/python\n");
    run(place.mcp(&["-i", "nothing", "hosts", "list"])).code(2).err("cannot be executed");
    place.executable("text", "#!/bin/sh\necho hello\n");
    run(place.mcp(&["-i", "text", "hosts", "list"])).code(2).err("the answer is not JSON");
    place.executable("partly", "#!/bin/sh\ncase $1 in --list) echo '{\"g\": [\"a\", \"b\"]}';; *) exit 1;; esac\n");
    run(place.mcp(&["-i", "partly", "hosts", "list"])).code(2).err("--host");
    place.executable("endless", "#!/bin/sh\nhead -c 70000000 /dev/zero\n");
    run(place.mcp(&["-i", "endless", "hosts", "list"])).code(2).err("more than 67108864 bytes");
}

#[test]
fn a_hanging_executable_ends_at_its_deadline_with_all_it_started() {
    let place = Place::new();
    let word = unique();
    let script = format!("#!/bin/sh\nsh -c 'sleep 1000; : ' {word} &\nsh -c 'sleep 1000; :' {word}\n");
    place.executable("hangs", &script);
    run(place.mcp(&["-i", "hangs", "hosts", "list", "--timeout", "500ms"]))
        .code(2)
        .err("not done after 0.5 s")
        .err("--timeout");
    wait_until("the processes are gone", || pids_of(&word).is_empty());
    let script = format!("#!/bin/sh\nexec >&- 2>&-\nsh -c 'sleep 1000; :' {word}\n");
    place.executable("closes", &script);
    run(place.mcp(&["-i", "closes", "hosts", "list", "--timeout", "500ms"])).code(2).err("not done after 0.5 s");
    wait_until("the processes are gone", || pids_of(&word).is_empty());
}

#[test]
fn an_executable_does_not_outlive_a_killed_mcp() {
    let place = Place::new();
    let word = unique();
    place.executable("hangs", &format!("#!/bin/sh\nsh -c 'sleep 1000; :' {word}\n"));
    let mut command = place.mcp(&["-i", "hangs", "hosts", "list"]);
    let mut mcp = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the script runs", || !pids_of(&word).is_empty());
    mcp.kill().unwrap();
    mcp.wait().unwrap();
    wait_until("the processes are gone", || pids_of(&word).is_empty());
}

#[test]
fn a_file_that_only_has_the_mode_of_an_executable_is_read() {
    let place = Place::new();
    place.executable("hosts.ini", "[web]\nw1\n");
    run(place.mcp(&["-i", "hosts.ini", "hosts", "list", "-o", "name"])).code(0).out("w1");
}
