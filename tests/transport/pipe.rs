//! Scripts with a standard input of their own, over SSH and here.

use std::time::Duration;

use mcp::transport::{
    Cancel, Connector, End, FileInput, Input, Limits, Phase, Remote, ShellScript, Stream, TransportErrorKind,
    local::LocalConnector,
};

use crate::sshd::{AMPLE, Sshd, host, is_running, kill, pids_of, script, unique, wait_until};

fn local() -> Box<dyn Remote> {
    let endpoint = mcp::domain::SshEndpoint::new("", "");
    LocalConnector.connect(&host(endpoint), &Limits::new(AMPLE, &Cancel::new(), &|_| {})).unwrap()
}

/// All ways to a host, by name.
fn remotes(sshd: &Sshd) -> [(&'static str, Box<dyn Remote>); 3] {
    [("ssh", sshd.connect()), ("kept ssh", sshd.kept()), ("local", local())]
}

struct Got {
    end: End,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

fn pipe(remote: &mut dyn Remote, script: &ShellScript, input: Option<&dyn Input>) -> Got {
    let cancel = Cancel::new();
    let limits = Limits::new(AMPLE, &cancel, &|_| {});
    let (mut stdout, mut stderr) = (vec![], vec![]);
    let end = remote.pipe(script, input, &limits, &mut |stream, bytes| {
        if stream == Stream::Stdout { &mut stdout } else { &mut stderr }.extend_from_slice(bytes);
        true
    });
    Got { end: end.unwrap(), stdout, stderr }
}

/// Bytes that show when one is lost or doubled.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|n| u8::try_from((n * 31 + n / 4096) % 256).unwrap()).collect()
}

#[test]
fn a_command_reads_its_input_to_the_last_byte_and_then_its_end() {
    let sshd = Sshd::start();
    for (name, mut remote) in remotes(&sshd) {
        for size in [0, 1, 32_700, 5_000_000] {
            for sensitive in [false, true] {
                let bytes = pattern(size);
                let input = FileInput::spool(&*bytes).unwrap();
                let text = "cat; echo done >&2; exit 3".to_owned();
                let got = pipe(&mut *remote, &ShellScript { text, sensitive }, Some(&input));
                assert_eq!(got.end, End::Exit(3), "{name} {size}");
                assert!(got.stdout == bytes, "{name} {size} {sensitive}: {} bytes", got.stdout.len());
                assert_eq!(got.stderr, b"done\n", "{name} {size}");
            }
        }
    }
}

#[test]
fn without_an_input_there_is_nothing_to_read() {
    let sshd = Sshd::start();
    for (name, mut remote) in remotes(&sshd) {
        let got = pipe(&mut *remote, &script("wc -c; kill -TERM $$"), None);
        assert_eq!((got.end, got.stdout.trim_ascii()), (End::Signal("TERM".to_owned()), &b"0"[..]), "{name}");
    }
}

#[test]
fn a_flood_both_ways_at_once_does_not_stall() {
    let sshd = Sshd::start();
    let bytes = pattern(30_000_000);
    let input = FileInput::spool(&*bytes).unwrap();
    for (name, mut remote) in remotes(&sshd) {
        let got = pipe(&mut *remote, &script("tee /dev/stderr; head -c 20000000 /dev/zero"), Some(&input));
        assert_eq!(got.end, End::Exit(0), "{name}");
        assert!(got.stdout.len() == 50_000_000 && got.stdout.starts_with(&bytes), "{name}: {}", got.stdout.len());
        assert!(got.stderr == bytes, "{name}");
    }
}

#[test]
fn a_command_that_reads_none_of_its_input_ends_all_the_same() {
    let sshd = Sshd::start();
    let input = FileInput::spool(&*pattern(20_000_000)).unwrap();
    for (name, mut remote) in remotes(&sshd) {
        let got = pipe(&mut *remote, &script("echo early; exit 4"), Some(&input));
        assert_eq!((got.end, &*got.stdout), (End::Exit(4), &b"early\n"[..]), "{name}");
        // And the session is good for more.
        let got = pipe(&mut *remote, &script("head -c 3; exec <&-; echo more"), Some(&input));
        assert_eq!((got.end, got.stdout.len()), (End::Exit(0), 8), "{name}");
    }
}

#[test]
fn the_deadline_takes_everything_the_command_started() {
    let sshd = Sshd::start();
    let input = FileInput::spool(&*pattern(20_000_000)).unwrap();
    for (name, mut remote) in remotes(&sshd) {
        for input in [None, Some(&input as &dyn Input)] {
            let mark = unique();
            let text = format!("sh -c 'trap \"\" TERM HUP; sleep {mark}; :' & sleep {mark} & sleep {mark}");
            let cancel = Cancel::new();
            let limits = Limits::new(Duration::from_secs(2), &cancel, &|_| {});
            let error = remote.pipe(&script(&text), input, &limits, &mut |_, _| true).unwrap_err();
            assert!(matches!(*error.kind, TransportErrorKind::Timeout { phase: Phase::Exec, .. }), "{name} {error:?}");
            wait_until("the command is gone", || !is_running(&mark));
            match name {
                "ssh" => remote = sshd.connect(),
                "kept ssh" => remote = sshd.kept(),
                _ => {}
            }
        }
    }
}

#[test]
fn a_trap_of_the_command_runs_before_it_is_killed() {
    let sshd = Sshd::start();
    for (name, mut remote) in remotes(&sshd) {
        let directory = tempfile::tempdir().unwrap();
        let tidied = directory.path().join("tidied");
        let mark = unique();
        // The shell's word that its child was terminated goes to a connection that is gone.
        let text = format!("trap : PIPE; trap 'touch {}; exit 1' TERM; sleep {mark}; :", tidied.display());
        let cancel = std::sync::Arc::new(Cancel::new());
        let canceller = {
            let (cancel, mark) = (std::sync::Arc::clone(&cancel), mark.clone());
            std::thread::spawn(move || {
                wait_until("the command runs", || is_running(&mark));
                cancel.abandon();
            })
        };
        let limits = Limits::new(AMPLE, &cancel, &|_| {});
        let error = remote.pipe(&script(&text), None, &limits, &mut |_, _| true).unwrap_err();
        assert!(matches!(*error.kind, TransportErrorKind::Cancelled), "{name} {error:?}");
        canceller.join().unwrap();
        wait_until(&format!("{name}: the trap has run"), || tidied.exists());
        wait_until("the command is gone", || !is_running(&mark));
    }
}

#[test]
fn what_a_command_left_in_the_background_stays_and_holds_nobody_up() {
    let sshd = Sshd::start();
    for (name, mut remote) in remotes(&sshd) {
        // With its output elsewhere it is nobody's business; with our output open it is listened to for a while.
        for redirection in [">/dev/null 2>&1", ""] {
            let mark = unique();
            let got = pipe(&mut *remote, &script(&format!("sleep {mark} {redirection} & echo begun")), None);
            assert_eq!((got.end, &*got.stdout), (End::Exit(0), &b"begun\n"[..]), "{name} {redirection}");
            // Whatever ends the connection must not end it.
            match name {
                "ssh" => remote = sshd.connect(),
                "kept ssh" => remote = sshd.kept(),
                _ => {}
            }
            let pids = pids_of(&mark);
            assert_eq!(pids.len(), 1, "{name} {redirection}");
            kill("-KILL", &pids[0].to_string());
        }
    }
}
