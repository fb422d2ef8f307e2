//! Sessions that one run leaves for the next, through the binary: a run in two processes is like a run in one.

use std::{
    cell::RefCell,
    fs,
    io::Read,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{
    around::around,
    keeping::Keeping,
    sshd::{is_running, kill, pids_of, unique, wait_until},
};

#[test]
fn a_second_run_logs_in_nowhere_and_says_the_same() {
    let fleet = Keeping::start();
    for _ in 0..3 {
        fleet
            .mcp(&["exec", "h-000[1:4]", "-b", "--", "echo out; echo err >&2; exit 3"])
            .code(1)
            .out("h-[0001-0004] (4)")
            .out("out");
    }
    assert_eq!(fleet.logins(), 4);
    let rows = fleet.mcp(&["sessions", "list", "-o", "json"]).code(0).json();
    assert_eq!(rows.as_array().unwrap().len(), 4);
    assert_eq!(
        (&rows[0]["host"], &rows[0]["state"], &rows[0]["jump"]),
        (&"h-0001".into(), &"idle".into(), &serde_json::json!([]))
    );
    fleet.mcp(&["sessions", "list"]).code(0).out("ENDS IN").out("@127.1.0.4:");
    fleet
        .mcp(&["sessions", "close", "h-0001", "nobody"])
        .code(0)
        .err("1 session closed")
        .err("no session is kept with nobody");
    fleet.mcp(&["sessions", "close", "--all"]).code(0).err("3 sessions closed");
    wait_until("the keeper has ended", || !fleet.is_kept());
    fleet.mcp(&["sessions", "list"]).code(0).err("no session is kept");
}

#[test]
fn sessions_are_closed_by_pattern_and_only_shown_in_a_dry_run() {
    let fleet = Keeping::start();
    fleet.mcp(&["exec", "h-000[1:3]", "--", "true"]).code(0);
    let names = |arguments: &[&str]| fleet.mcp(arguments).code(0).out.lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(names(&["sessions", "close", "--dry-run", "x*", "*-0001", "-o", "name"]), ["h-0001"]);
    assert_eq!(names(&["sessions", "list", "-o", "name"]).len(), 3, "nothing was closed");
    fleet
        .mcp(&["sessions", "close", "h-000?", "x*"])
        .code(0)
        .err("3 sessions closed")
        .err("no session is kept with x*");
    fleet.mcp(&["sessions", "close"]).code(2).err("--all");
}

#[test]
fn a_keeper_that_cannot_be_asked_is_named_and_nothing_is_claimed_closed() {
    let fleet = Keeping::start();
    fleet.mcp(&["exec", "h-0001", "--", "true"]).code(0);
    let keeper = fleet.mcp(&["sessions", "list", "-o", "json"]).json()[0]["keeper"].to_string();
    kill("-STOP", &keeper);
    for arguments in [&["sessions", "close", "--all"][..], &["sessions", "close", "h-0001"], &["sessions", "list"]] {
        fleet.mcp(arguments).code(1).err(&format!("process {keeper}")).err("cannot be asked");
    }
    kill("-CONT", &keeper);
    fleet.mcp(&["sessions", "close", "--all"]).code(0);
}

#[test]
fn the_last_run_says_how_long_a_session_is_kept() {
    let fleet = Keeping::start();
    for (persist, least, most) in [("600", 500, 600), ("30", 20, 30), ("300", 200, 300)] {
        crate::said::run(fleet.command(persist, &["exec", "h-0001", "--", "true"])).code(0);
        let left = || fleet.mcp(&["sessions", "list", "-o", "json"]).json()[0]["ends_in_seconds"].as_u64();
        wait_until("the session is free", || left().is_some());
        assert!((least..=most).contains(&left().unwrap()), "{persist}: {:?}", left());
    }
    assert_eq!(fleet.logins(), 1);
}

#[test]
fn a_keeper_that_hangs_in_the_middle_of_a_command_is_not_taken_for_the_host() {
    let fleet = Keeping::start();
    fleet.mcp(&["exec", "h-0001", "--", "true"]).code(0);
    let keeper = fleet.mcp(&["sessions", "list", "-o", "json"]).json()[0]["keeper"].to_string();
    let mark = unique();
    let mut command = fleet.command("60", &["exec", "h-0001", "--timeout", "4", "--", &format!("sleep {mark}")]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the command runs", || is_running(&mark));
    kill("-STOP", &keeper);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(4) && said.contains("it is stopped or hangs"), "{said}");
    assert!(!said.contains("was killed"), "{said}");
    kill("-CONT", &keeper);
    wait_until("the command is gone", || !is_running(&mark));
}

#[test]
fn a_directory_that_others_could_enter_is_said_to_be_the_reason() {
    use std::os::unix::fs::PermissionsExt;
    let fleet = Keeping::start();
    fs::create_dir(fleet.runtime.join("mcp")).unwrap();
    fs::set_permissions(fleet.runtime.join("mcp"), fs::Permissions::from_mode(0o755)).unwrap();
    fleet.mcp(&["exec", "h-0001", "--", "true"]).code(0);
    fleet.mcp(&["sessions", "list"]).code(1).err("is not used: not this user's alone");
}

#[test]
fn the_variable_means_nothing_when_empty_and_is_named_when_wrong() {
    let fleet = Keeping::start();
    let run = |persist: &str| crate::said::run(fleet.command(persist, &["exec", "h-0001", "--", "true"]));
    run("").code(0);
    assert!(fleet.is_kept());
    run("soon").code(2).err("MCP_PERSIST");
}

#[test]
fn a_signal_that_comes_twice_at_once_was_meant_once() {
    let fleet = Keeping::start();
    let (go, story) = (fleet.fleet.sshd.path("go"), fleet.fleet.sshd.path("story"));
    let command = format!("while ! test -e {}; do sleep 0.1; done; echo finished", go.display());
    // It tells its child and the whole group, so that the run hears it three times.
    let told = fleet.command("60", &["exec", "h-0001", "--", &command]);
    let mut timeout = around(Command::new("timeout"), &told);
    timeout.arg("1").arg(told.get_program()).args(told.get_args());
    timeout.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(fs::File::create(&story).unwrap());
    let child = timeout.spawn().unwrap();
    wait_until("it was heard", || fs::read_to_string(&story).unwrap().contains("interrupted"));
    fs::write(&go, "").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("finished"), "{}", fs::read_to_string(&story).unwrap());
    assert_eq!(output.status.code(), Some(124));
}

#[test]
fn a_worker_that_is_killed_is_told_of() {
    let fleet = Keeping::start();
    let mark = unique();
    let mut command = fleet.command("60", &["exec", "h-0001", "--", &format!("sleep {mark}")]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the command runs", || is_running(&mark));
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    kill("-KILL", fs::read_to_string(children).unwrap().trim());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(137));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("killed by signal 9 (SIGKILL)"), "{said}");
}

#[test]
fn no_session_is_left_or_used_where_that_is_turned_off() {
    let fleet = Keeping::start();
    fleet.mcp(&["exec", "h-0001", "--no-persist", "--", "true"]).code(0);
    assert!(!fleet.is_kept());
    fleet.mcp(&["exec", "h-0001", "--", "true"]).code(0);
    assert!(fleet.is_kept());
    fleet.mcp(&["exec", "h-0001", "--no-persist", "--", "true"]).code(0);
    assert_eq!(fleet.logins(), 3);
    let hosts = fs::read_to_string(fleet.fleet.sshd.path("workspace/hosts.yaml")).unwrap();
    fs::write(fleet.fleet.sshd.path("workspace/hosts.yaml"), hosts.replace("defaults: {", "defaults: {persist: 0, "))
        .unwrap();
    let mut command = fleet.command("", &["exec", "h-0001", "--", "true"]);
    command.env_remove("MCP_PERSIST");
    crate::said::run(command).code(0);
    assert_eq!(fleet.logins(), 4);
}

#[test]
fn a_keeper_holds_nothing_that_its_run_was_given() {
    let fleet = Keeping::start();
    // The shell waits for the end of the pipe behind descriptor 7, and `output` for that of both streams.
    let line = "exec 7>&1; { \"$@\" | cat; } 7>&7; echo ended";
    let told = fleet.command("60", &["exec", "h-0001", "--", "echo here"]);
    let mut command = around(Command::new("sh"), &told);
    command.args(["-c", line, "sh"]).arg(told.get_program()).args(told.get_args());
    let said = crate::said::run(command).code(0).out("here").out("ended");
    assert!(fleet.is_kept(), "{said}");
    let keeper = fleet.mcp(&["sessions", "list", "-o", "json"]).json()[0]["keeper"].as_u64().unwrap();
    assert_eq!(fs::read_link(format!("/proc/{keeper}/cwd")).unwrap(), PathBuf::from("/"));
    for descriptor in 0..3 {
        assert_eq!(fs::read_link(format!("/proc/{keeper}/fd/{descriptor}")).unwrap(), PathBuf::from("/dev/null"));
    }
    assert!(!PathBuf::from(format!("/proc/{keeper}/fd/7")).exists() || is_own(keeper, 7));
}

/// Whether a descriptor is one of the keeper's sockets.
fn is_own(pid: u64, descriptor: u32) -> bool {
    let target = fs::read_link(format!("/proc/{pid}/fd/{descriptor}")).unwrap();
    target.to_string_lossy().starts_with("socket:") || target.to_string_lossy().starts_with("anon_inode:")
}

#[test]
fn whoever_kills_the_run_kills_all_of_it() {
    let fleet = Keeping::start();
    for warm in [false, true] {
        let mark = unique();
        let command = format!("sleep {mark}");
        let mut child = fleet
            .command("60", &["exec", "h-0001", "--", &command])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("the command runs", || is_running(&mark));
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        wait_until("the command is gone", || !is_running(&mark));
        // This process's words are those of the run.
        wait_until("the worker is gone", || pids_of(&command).is_empty());
        if !warm {
            fleet.mcp(&["exec", "h-0001", "--", "true"]).code(0);
        }
    }
}

#[test]
fn signals_to_the_run_end_it_whichever_process_hears_them() {
    let fleet = Keeping::start();
    for (signal, warm) in [("-INT", false), ("-TERM", true)] {
        let mark = unique();
        let command = format!("sleep {mark}");
        let story = fleet.fleet.sshd.path("story");
        let mut run = fleet.command("60", &["exec", "h-0001", "--", &command]);
        run.stdout(Stdio::null()).stderr(fs::File::create(&story).unwrap());
        let child = RefCell::new(run.spawn().unwrap());
        let pid = child.borrow().id().to_string();
        wait_until("the command runs", || is_running(&mark));
        // The first lets what runs finish, and says so; the second does not.
        kill(signal, &pid);
        wait_until("the first was heard", || fs::read_to_string(&story).unwrap().contains("interrupt"));
        assert!(is_running(&mark), "{signal}");
        // One that comes at once would count as the same.
        wait_until("the second was heard", || {
            kill(signal, &pid);
            child.borrow_mut().try_wait().unwrap().is_some()
        });
        assert_eq!(child.borrow_mut().wait().unwrap().code(), Some(130), "{signal}");
        wait_until("the command is gone", || !is_running(&mark));
        if !warm {
            fleet.mcp(&["exec", "h-0001", "--", "true"]).code(0);
        }
    }
}

#[test]
fn input_and_much_output_go_through_a_kept_session_unchanged() {
    let fleet = Keeping::start();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n * 31 + n / 4096).to_le_bytes()[0]).collect();
    let file = fleet.fleet.file("input", &bytes);
    for round in 0..2 {
        let mut command =
            fleet.command("60", &["exec", "h-0001", "--no-prefix", "--raw", "--stdin", &file, "--", "tee /dev/stderr"]);
        let output = command.output().unwrap();
        assert!(output.status.success() && output.stdout == bytes, "{round}");
        assert!(output.stderr.starts_with(&bytes), "{round}");
    }
    assert_eq!(fleet.logins(), 1);
}

#[test]
fn what_an_inventory_reads_from_a_pipe_is_read_once() {
    let fleet = Keeping::start();
    let mcp = env!("CARGO_BIN_EXE_mcp");
    let hosts = fleet.fleet.sshd.path("workspace/hosts.yaml");
    let line = format!(
        "{mcp} -i <(sed 's#\\.\\./#{}/#g' {}) exec h-0001 -- echo here",
        fleet.fleet.sshd.path("").display(),
        hosts.display()
    );
    let mut command = around(Command::new("bash"), &fleet.command("60", &[]));
    command.args(["-c", &line]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    child.wait().unwrap();
    assert!(out.contains("here"), "{out}{err}");
}
