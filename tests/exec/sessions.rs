//! Sessions that one run leaves for the next, through the binary: a run in two processes is like a run in one.

use std::{
    fs,
    io::Read,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{
    fleet::Fleet,
    said::Said,
    sshd::{is_running, kill, pids_of, unique, wait_until},
};

/// A fleet whose runs keep their sessions in a directory of its own.
struct Keeping {
    fleet: Fleet,
    runtime: PathBuf,
}

impl Keeping {
    fn start() -> Self {
        let fleet = Fleet::start();
        let runtime = fleet.sshd.path("runtime");
        fs::create_dir(&runtime).unwrap();
        Self { fleet, runtime }
    }

    fn command(&self, persist: &str, arguments: &[&str]) -> Command {
        let mut command = self.fleet.command(arguments);
        command.env("MCP_PERSIST", persist).env("XDG_RUNTIME_DIR", &self.runtime).stdin(Stdio::null());
        command
    }

    fn mcp(&self, arguments: &[&str]) -> Said {
        crate::said::run(self.command("60", arguments))
    }

    fn logins(&self) -> usize {
        self.fleet.sshd.log().matches("Accepted publickey").count()
    }

    fn is_kept(&self) -> bool {
        self.mcp(&["sessions", "list", "-o", "name"]).out.lines().next().is_some()
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.mcp(&["sessions", "close", "--all"]);
    }
}

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
    let mut command = Command::new("sh");
    command.args(["-c", line, "sh", env!("CARGO_BIN_EXE_mcp"), "exec", "h-0001", "--", "echo here"]);
    let told = fleet.command("60", &[]);
    command.current_dir(told.get_current_dir().unwrap());
    for (name, value) in told.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
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
        let mut child = run.spawn().unwrap();
        wait_until("the command runs", || is_running(&mark));
        // The first lets what runs finish, and says so; the second does not.
        kill(signal, &child.id().to_string());
        wait_until("the first was heard", || fs::read_to_string(&story).unwrap().contains("interrupt"));
        assert!(is_running(&mark), "{signal}");
        kill(signal, &child.id().to_string());
        assert_eq!(child.wait().unwrap().code(), Some(130), "{signal}");
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
    let mut command = Command::new("bash");
    let mcp = env!("CARGO_BIN_EXE_mcp");
    let hosts = fleet.fleet.sshd.path("workspace/hosts.yaml");
    let line = format!(
        "{mcp} -i <(sed 's#\\.\\./#{}/#g' {}) exec h-0001 -- echo here",
        fleet.fleet.sshd.path("").display(),
        hosts.display()
    );
    command.args(["-c", &line]);
    let told = fleet.command("60", &[]);
    command.current_dir(told.get_current_dir().unwrap());
    command.envs(told.get_envs().filter_map(|(name, value)| Some((name, value?)))).env_remove("SSH_AUTH_SOCK");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    child.wait().unwrap();
    assert!(out.contains("here"), "{out}{err}");
}
