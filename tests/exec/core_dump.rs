//! A run that holds a key leaves no core, whatever kills it.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{around::around, fleet::Fleet};

/// Whether a run that has logged in dumps its core when `signal` ends it, and which files it leaves.
fn dumps(fleet: &Fleet, signal: &str, allowed: bool) -> (bool, usize) {
    let directory = fleet.sshd.path(&format!("core-{signal}-{allowed}"));
    fs::create_dir(&directory).unwrap();
    let mut told = fleet.command(&["exec", "h-0001", "--", "sleep 60"]);
    told.current_dir(&directory).env("MCP_ALLOW_CORE_DUMP", if allowed { "1" } else { "" });
    let mut command = around(Command::new("prlimit"), &told);
    // A shell that puts these tests into the background has them ignore SIGQUIT.
    command.args(["--core=unlimited:unlimited", "env", "--default-signal=QUIT"]);
    command.arg(told.get_program()).args(told.get_args());
    let logins = || fleet.sshd.log().matches("Accepted publickey").count();
    let before = logins();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while logins() == before {
        assert!(Instant::now() < deadline, "it never logged in");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap().success());
    let status = child.wait().unwrap();
    assert!(status.signal().is_some(), "{status}");
    (status.core_dumped(), fs::read_dir(&directory).unwrap().count())
}

#[test]
fn a_run_that_holds_a_key_leaves_no_core() {
    let fleet = Fleet::start();
    for signal in ["ABRT", "QUIT"] {
        assert_eq!(dumps(&fleet, signal, false), (false, 0), "{signal}");
    }
    // What this machine does with a core of any other program.
    assert!(dumps(&fleet, "ABRT", true).0, "this machine writes no cores, so that nothing was shown");
}
