//! One line in a host's syslog for each change, written in the exec that makes the change.
//!
//! It is written in the background and given five seconds, so that a host without a syslog, or one whose syslog hangs, is as fast as
//! ever; that it could not be written changes nothing. The container's command goes first: the line says how it ended.
//!
//! Boundary: pure shell text around the strings of `change` and `forget`. Next: `docs/files.md` tells what a line says.

use super::registered::Registered;
use crate::{
    config::journal::{RunId, Who},
    docker::shell::quote,
    domain::{Audit, Host},
};

/// Most characters of a value.
const LONGEST: usize = 64;

/// Seconds that `logger` gets: it waits for as long as a hanging syslog does not take the line.
const ALLOWED: u32 = 5;

/// Of which run, and whose, a change is.
#[derive(Debug, Clone, Default)]
pub(super) struct Stamp {
    run: Option<RunId>,
    who: Who,
}

impl Stamp {
    /// For a run that `who` began; it has no id when it is in no journal.
    pub(super) fn new(run: Option<RunId>, who: Who) -> Self {
        Self { run, who }
    }

    /// `code`, which does `verb` to `registered`, with its line behind it. It ends as `code` does.
    pub(super) fn around(&self, host: &Host, verb: &str, registered: &Registered<'_>, code: String) -> String {
        match host.audit {
            Audit::None => code,
            Audit::Syslog => format!("( {code}\n); mcp_s=$?; {}; ( exit \"$mcp_s\" )", self.say(verb, registered)),
        }
    }

    /// Writes the line, without waiting for it. `$mcp_s` is the exit code of the change.
    fn say(&self, verb: &str, registered: &Registered<'_>) -> String {
        let tell = format!("logger -t mcp -p auth.notice -- {} \"$mcp_w\"", quote(&self.text(verb, registered)));
        // Whoever is left in the background holds nothing of the script: not its output, which is waited for, nor a lock.
        let nothing = "</dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-";
        format!(
            "if command -v logger >/dev/null 2>&1; then\n\
             mcp_w=outcome=ok; [ \"$mcp_s\" = 0 ] || mcp_w=\"outcome=failed exit=$mcp_s\"\n\
             if command -v timeout >/dev/null 2>&1; then timeout -s KILL {ALLOWED} {tell} {nothing} &\n\
             else ( {tell} & mcp_l=$!; ( sleep {ALLOWED}; kill -9 $mcp_l ) & mcp_k=$!; wait $mcp_l; kill $mcp_k ) {nothing} &\n\
             fi; fi"
        )
    }

    fn text(&self, verb: &str, registered: &Registered<'_>) -> String {
        let Who { uid, machine, sudo_user, from, .. } = &self.who;
        let mut text = format!(
            "run={} by={}@{}",
            self.run.as_ref().map_or("-", RunId::as_str),
            word(self.who.acting()),
            word(machine)
        );
        let mut add = |key: &str, value: &str| text.push_str(&format!(" {key}={}", word(value)));
        uid.iter().for_each(|uid| add("uid", &uid.to_string()));
        sudo_user.iter().for_each(|user| add("sudo_user", user));
        from.iter().for_each(|from| add("from", from));
        add("verb", verb);
        add("instance", &registered.target.instance().to_string());
        add("container", &registered.container);
        text
    }
}

/// `value` as one word of a few dozen characters that can neither end the line nor pass for another key.
fn word(value: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-@:%+/".contains(c) { c } else { '?' };
    let word: String = value.chars().take(LONGEST).map(plain).collect();
    if word.is_empty() { "-".to_owned() } else { word }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use std::{
        os::unix::fs::PermissionsExt,
        path::Path,
        process::{Command, Output, Stdio},
        time::{Duration, Instant},
    };

    use rustix::fs::{Mode, OFlags};

    use super::*;
    use crate::{
        domain::{Connection, HostName, Server, ServerName},
        operations::select::Target,
    };

    const SHELLS: [&[&str]; 3] = [&["dash"], &["bash"], &["busybox", "sh"]];

    /// `code` with its line, as `stamp` has it.
    fn around(stamp: &Stamp, audit: Audit, code: &str) -> String {
        let name = HostName::new("edge-1").unwrap();
        let host = Host { audit, ..Host::new(name, Connection::Local) };
        let server = Server::new(ServerName::new("web").unwrap(), "docker run -d --name web example/app:1.0", vec![]);
        let registered = Registered::new(Target { server: &server, host: &host }).unwrap();
        stamp.around(&host, "restart", &registered, code.to_owned())
    }

    fn stamp(user: &str) -> Stamp {
        let who = Who { user: user.into(), uid: Some(1000), machine: "laptop".into(), ..Who::default() };
        Stamp::new(Some(RunId::try_from("260514-101502-k3qx".to_owned()).unwrap()), who)
    }

    /// `programs` in `directory`, and `code` for a shell that finds these and neither `logger` nor `timeout` besides. Functions lead to
    /// them, not PATH: a busybox whose shell prefers its own applets does not look there. `exec` closes what a function keeps open.
    fn with(directory: &Path, programs: &[(&str, &str)], code: &str) -> String {
        let mut functions = String::new();
        for (name, text) in programs {
            let file = directory.join(name);
            std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
            functions.push_str(&format!("{name}() {{ exec \"$HERE/{name}\" \"$@\"; }}\n"));
        }
        format!("{functions}command() {{ [ -x \"$HERE/$2\" ]; }}\n{code}")
    }

    fn run(shell: &[&str], directory: &Path, code: &str) -> Output {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).args(["-c", code]).env("HERE", directory);
        command.stdin(Stdio::null()).output().unwrap()
    }

    fn when_there(path: &Path) -> String {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match std::fs::read_to_string(path) {
                Ok(text) => return text,
                Err(_) => assert!(Instant::now() < deadline, "{} never came", path.display()),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets the logger behind `gate` go on. It must come to wait there: a logger that was never started is a failure, not a wait without end.
    fn open_gate(gate: &Path) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let without_wait = OFlags::WRONLY | OFlags::NONBLOCK;
        while rustix::fs::open(gate, without_wait, Mode::empty()).is_err() {
            assert!(Instant::now() < deadline, "no logger waits at {}", gate.display());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    const RECORDER: &str = "printf '%s\\n' \"$@\" >$HERE/told.new; mv $HERE/told.new $HERE/told";
    const TIMEOUT: &str = "shift 4; exec \"$HERE/logger\" \"$@\"";

    #[test]
    fn the_line_says_who_did_what_and_how_it_ended_and_the_code_ends_as_it_did() {
        for shell in SHELLS {
            for (code, ended, outcome) in
                [("echo out; true", 0, "outcome=ok"), ("echo out; (exit 125)", 125, "outcome=failed exit=125")]
            {
                for programs in [&[("logger", RECORDER), ("timeout", TIMEOUT)][..], &[("logger", RECORDER)]] {
                    let directory = tempfile::tempdir().unwrap();
                    let code = with(directory.path(), programs, &around(&stamp("ana"), Audit::Syslog, code));
                    let output = run(shell, directory.path(), &code);
                    assert_eq!(
                        (output.status.code(), output.stdout.as_slice()),
                        (Some(ended), &b"out\n"[..]),
                        "{output:?}"
                    );
                    assert!(output.stderr.is_empty(), "{output:?}");
                    let told = when_there(&directory.path().join("told"));
                    let line =
                        "run=260514-101502-k3qx by=ana@laptop uid=1000 verb=restart instance=web@edge-1 container=web";
                    assert_eq!(told, format!("-t\nmcp\n-p\nauth.notice\n--\n{line}\n{outcome}\n"), "{shell:?}");
                }
            }
        }
    }

    #[test]
    fn a_host_without_a_logger_and_one_that_wants_no_line_do_the_same_without_it() {
        for shell in SHELLS {
            let directory = tempfile::tempdir().unwrap();
            let code = with(directory.path(), &[], &around(&stamp("ana"), Audit::Syslog, "(exit 3)"));
            let output = run(shell, directory.path(), &code);
            assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(3), &b""[..]), "{output:?}");
        }
        assert_eq!(around(&stamp("ana"), Audit::None, "docker stop web"), "docker stop web");
    }

    #[test]
    fn a_logger_that_hangs_or_fails_holds_up_nothing() {
        // It hangs until this test lets it go, which it does only after the script has ended.
        let hangs = "cat $HERE/gate; echo over >$HERE/over.new; mv $HERE/over.new $HERE/over";
        for shell in SHELLS {
            for programs in [&[("logger", hangs), ("timeout", TIMEOUT)][..], &[("logger", hangs)]] {
                let directory = tempfile::tempdir().unwrap();
                let gate = directory.path().join("gate");
                rustix::fs::mknodat(rustix::fs::CWD, &gate, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
                let code = with(directory.path(), programs, &around(&stamp("ana"), Audit::Syslog, "echo out"));
                let output = run(shell, directory.path(), &code);
                assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"out\n"[..]), "{output:?}");
                open_gate(&gate);
                when_there(&directory.path().join("over"));
            }
            let directory = tempfile::tempdir().unwrap();
            let programs = [("logger", "echo no >&2; exit 1"), ("timeout", TIMEOUT)];
            let code = with(directory.path(), &programs, &around(&stamp("ana"), Audit::Syslog, "true"));
            let output = run(shell, directory.path(), &code);
            assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{output:?}");
        }
    }

    #[test]
    fn nothing_of_who_runs_it_can_end_the_line_or_pass_for_another_key() {
        let directory = tempfile::tempdir().unwrap();
        let programs = [("logger", RECORDER), ("timeout", TIMEOUT)];
        for user in [
            "a'; touch $HERE/owned; '",
            "a\nrun=forged",
            "$(touch $HERE/owned)",
            "x verb=stop",
            "\u{202e}é\u{1b}[2J",
            "",
        ] {
            let _ = std::fs::remove_file(directory.path().join("told"));
            let code = with(directory.path(), &programs, &around(&stamp(user), Audit::Syslog, "true"));
            run(&["dash"], directory.path(), &code);
            let told = when_there(&directory.path().join("told"));
            assert_eq!(told.lines().count(), 7, "{told}");
            let line = told.lines().nth(5).unwrap();
            let keys: Vec<&str> = line.split(' ').filter_map(|word| Some(word.split_once('=')?.0)).collect();
            assert_eq!(keys, ["run", "by", "uid", "verb", "instance", "container"], "{line}");
            assert!(line.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "{line}");
        }
        assert!(!directory.path().join("owned").exists());
    }
}
