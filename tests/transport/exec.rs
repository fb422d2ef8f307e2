use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use mcp::transport::{
    Cancel, Connector, End, Limits, OUTPUT_LIMIT, Phase, ShellScript, Stream, TransportErrorKind, ssh::SshConnector,
};

use crate::sshd::{
    AMPLE, Sshd, connect, connect_within, connector, exec, exec_within, host, is_running, kill, pids_of, script,
    unique, wait_until,
};

#[test]
fn exit_codes_and_both_streams_come_back_as_they_were() {
    let sshd = Sshd::start();
    for mut remote in sshd.sessions() {
        for (text, code) in [("true", 0), ("false", 1), ("exit 255", 255), ("no-such-command-here 2>/dev/null", 127)] {
            assert_eq!(exec(&mut *remote, text).end, End::Exit(code), "{text}");
        }
        let output = exec(&mut *remote, "echo out; echo err >&2; cat");
        assert_eq!((&*output.stdout, &*output.stderr), (&b"out\n"[..], &b"err\n"[..]));
        assert_eq!((output.truncated, output.end), (false, End::Exit(0)));
    }
}

#[test]
fn a_script_killed_by_a_signal_is_no_success() {
    let sshd = Sshd::start();
    for mut remote in sshd.sessions() {
        assert_eq!(exec(&mut *remote, "kill -9 $$").end, End::Signal("KILL".to_owned()));
        assert_eq!(exec(&mut *remote, "sh -c 'kill -9 $$'").end, End::Exit(137));
    }
}

#[test]
fn a_closed_channel_without_a_word_is_no_success() {
    let sshd = Sshd::with(&["ed25519"], "ForceCommand true");
    for mut remote in sshd.sessions() {
        assert_eq!(exec(&mut *remote, "echo hello").end, End::Unsaid);
    }
    let sshd = Sshd::with(&["ed25519"], "ForceCommand exit 3");
    for mut remote in sshd.sessions() {
        assert_eq!(exec(&mut *remote, "echo hello").end, End::NotBegun(3));
    }
}

#[test]
fn one_session_serves_many_scripts() {
    let sshd = Sshd::start();
    let connector = connector();
    let mut remote = connect(&connector, sshd.endpoint()).unwrap();
    for round in 0..30 {
        assert_eq!(exec(&mut *remote, &format!("echo {round}")).stdout, format!("{round}\n").into_bytes());
    }
    assert_eq!((connector.counts().sessions(), connector.counts().execs()), (1, 30));
}

#[test]
fn sensitive_and_long_scripts_arrive_whole_and_stay_out_of_the_process_list() {
    let sshd = Sshd::start();
    for mut remote in sshd.sessions() {
        let text = "tr '\\0' ' ' </proc/$$/cmdline; echo; v='s3cret value'; echo \"${#v}\"; cat; exit 4";
        let cancel = Cancel::new();
        let limits = Limits::new(AMPLE, &cancel, &|_| {});
        let output = remote.exec(&ShellScript { text: text.to_owned(), sensitive: true }, &limits).unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(!stdout.contains("s3cret") && stdout.ends_with("\n12\n"), "{stdout}");
        assert_eq!(output.end, End::Exit(4));
        let long = format!("wc -c <<'EOF'\n{}\nEOF", "x".repeat(3_000_000));
        assert_eq!(exec(&mut *remote, &long).stdout, b"3000001\n");
    }
}

#[test]
fn a_flood_on_both_streams_is_drained_and_bounded() {
    let sshd = Sshd::start();
    for mut remote in sshd.sessions() {
        let flood = "head -c 52428800 /dev/zero >&2 & head -c 52428800 /dev/zero; wait; exit 7";
        let output = exec(&mut *remote, flood);
        assert_eq!((output.stdout.len(), output.stderr.len()), (OUTPUT_LIMIT, OUTPUT_LIMIT));
        assert!(output.truncated);
        assert_eq!(output.end, End::Exit(7));
        let one_after_the_other = "head -c 52428800 /dev/zero >&2; head -c 52428800 /dev/zero";
        assert_eq!(exec(&mut *remote, one_after_the_other).end, End::Exit(0));
    }
}

#[test]
fn a_session_killed_in_the_middle_is_lost_and_not_successful() {
    let sshd = Sshd::start();
    for mut remote in sshd.sessions() {
        // The parent of the exec'd shell is sshd's process for this session.
        let error = exec_within(&mut *remote, "echo partial; kill -9 $PPID; sleep 30", AMPLE).unwrap_err();
        assert!(matches!(*error.kind, TransportErrorKind::Lost(_)), "{error:?}");
        assert_eq!(error.phase, Phase::Exec);
        let start = Instant::now();
        assert!(exec_within(&mut *remote, "true", AMPLE).is_err());
        drop(remote);
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn a_stopped_sshd_runs_into_the_deadline_and_closing_does_not_wait_for_it() {
    let sshd = Sshd::start();
    for mut remote in sshd.sessions() {
        let pid = String::from_utf8(exec(&mut *remote, "echo $PPID").stdout).unwrap().trim().to_owned();
        let error = exec_within(&mut *remote, "kill -STOP $PPID; sleep 20", Duration::from_secs(2)).unwrap_err();
        let start = Instant::now();
        drop(remote);
        assert!(start.elapsed() < Duration::from_secs(1));
        kill("-CONT", &pid);
        assert!(matches!(*error.kind, TransportErrorKind::Timeout { phase: Phase::Exec, .. }), "{error:?}");
    }
}

#[test]
fn a_script_that_trickles_output_ends_at_its_deadline() {
    let sshd = Sshd::start();
    for mut remote in sshd.sessions() {
        let start = Instant::now();
        let error = exec_within(&mut *remote, "while echo x; do sleep 0.05; done", Duration::from_secs(1)).unwrap_err();
        assert!(matches!(*error.kind, TransportErrorKind::Timeout { phase: Phase::Exec, .. }), "{error:?}");
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}

/// A server that accepts and then sends `byte` now and then, if any.
fn mute_server(drip: Option<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.77.250:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        match drip {
            None => drop(stream.read_to_end(&mut Vec::new())),
            Some(byte) => {
                while stream.write_all(&[byte]).is_ok() {
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        }
    });
    port
}

#[test]
fn a_port_that_never_speaks_or_only_drips_ends_in_key_exchange_at_the_deadline() {
    let sshd = Sshd::start();
    for drip in [None, Some(b'S'), Some(b'\n')] {
        let endpoint =
            mcp::domain::SshEndpoint { address: "127.0.77.250".to_owned(), port: mute_server(drip), ..sshd.endpoint() };
        let start = Instant::now();
        let error = connect_within(&connector(), endpoint, Duration::from_secs(1)).err().unwrap();
        assert!(matches!(*error.kind, TransportErrorKind::Timeout { phase: Phase::KeyExchange, .. }), "{error:?}");
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn a_closed_port_and_an_unknown_name_are_told_apart() {
    let sshd = Sshd::start();
    let port = TcpListener::bind("127.0.77.250:0").unwrap().local_addr().unwrap().port();
    let closed = mcp::domain::SshEndpoint { address: "127.0.77.250".to_owned(), port, ..sshd.endpoint() };
    let error = connect(&connector(), closed).err().unwrap();
    assert!(matches!(*error.kind, TransportErrorKind::Connect { .. }), "{error:?}");
    let nameless = mcp::domain::SshEndpoint { address: "no-such-host.invalid".to_owned(), ..sshd.endpoint() };
    let error = connect(&connector(), nameless).err().unwrap();
    assert!(matches!(*error.kind, TransportErrorKind::Resolve { .. }), "{error:?}");
}

#[test]
fn phases_are_told_in_order() {
    let sshd = Sshd::start();
    let seen = Mutex::new(Vec::new());
    let (cancel, phase) = (Cancel::new(), |phase| seen.lock().unwrap().push(phase));
    let limits = Limits::new(AMPLE, &cancel, &phase);
    let mut remote = connector().connect(&host(sshd.endpoint()), &limits).unwrap();
    remote.exec(&script("true"), &limits).unwrap();
    let expected = [Phase::Dns, Phase::Tcp, Phase::KeyExchange, Phase::HostKey, Phase::Authentication, Phase::Exec];
    assert_eq!(*seen.lock().unwrap(), expected);
}

/// Cancels a stream that has begun and says how long its end took.
fn cancelled(connector: &SshConnector, sshd: &Sshd, run: &str) -> Duration {
    let cancel = Arc::new(Cancel::new());
    let (started, wait) = mpsc::channel();
    let canceller = {
        let cancel = Arc::clone(&cancel);
        std::thread::spawn(move || {
            wait.recv().unwrap();
            let at = Instant::now();
            cancel.abandon();
            at
        })
    };
    let mut remote = connect(connector, sshd.endpoint()).unwrap();
    let mut output = 0;
    let limits = Limits::new(AMPLE, &cancel, &|_| {});
    let end = remote.stream(&script(run), &limits, &mut |_, bytes| {
        output += bytes.len();
        let _ = started.send(());
        true
    });
    assert_eq!(end.unwrap(), End::Stopped);
    canceller.join().unwrap().elapsed()
}

#[test]
fn a_cancel_from_another_thread_ends_an_exec() {
    let sshd = Sshd::start();
    for mut remote in sshd.sessions() {
        let cancel = Cancel::new();
        let mark = unique();
        std::thread::scope(|scope| {
            let (cancel, mark) = (&cancel, &*mark);
            let canceller = scope.spawn(move || {
                wait_until("the command runs", || is_running(mark));
                cancel.abandon();
                Instant::now()
            });
            let limits = Limits::new(AMPLE, cancel, &|_| {});
            let error = remote.exec(&script(&format!("trap '' HUP; exec sleep {mark}")), &limits).unwrap_err();
            let ended = Instant::now();
            assert!(matches!(*error.kind, TransportErrorKind::Cancelled), "{error:?}");
            assert!(ended.duration_since(canceller.join().unwrap()) < Duration::from_secs(1));
        });
        // An exec's command outlives its connection.
        for pid in pids_of(&mark) {
            kill("-KILL", &pid.to_string());
        }
    }
}

#[test]
fn a_cancel_during_key_exchange_ends_the_connect() {
    let sshd = Sshd::start();
    let endpoint =
        mcp::domain::SshEndpoint { address: "127.0.77.250".to_owned(), port: mute_server(None), ..sshd.endpoint() };
    let cancel = Arc::new(Cancel::new());
    let (sender, receiver) = mpsc::channel();
    let canceller = Arc::clone(&cancel);
    std::thread::spawn(move || {
        receiver.recv().unwrap();
        canceller.abandon();
    });
    let start = Instant::now();
    let sender = Mutex::new(sender);
    let phase = |phase| {
        if phase == Phase::KeyExchange {
            sender.lock().unwrap().send(()).unwrap();
        }
    };
    let error = connector().connect(&host(endpoint), &Limits::new(AMPLE, &cancel, &phase)).err().unwrap();
    assert!(matches!(*error.kind, TransportErrorKind::Cancelled), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

/// A command like `docker logs -f`, with a child of its own and one that ignores TERM.
fn follower(mark: &str) -> String {
    format!("echo first; echo second >&2; sh -c 'trap \"\" TERM; sleep {mark}; :' & sleep {mark} & wait")
}

#[test]
fn a_stream_hands_over_output_as_it_comes_and_says_how_it_ended() {
    let sshd = Sshd::start();
    for mut remote in sshd.sessions() {
        let cancel = Cancel::new();
        let limits = Limits::new(AMPLE, &cancel, &|_| {});
        for (sensitive, size) in [(false, 0), (true, 0), (false, 100_000)] {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let text = format!("# {}\necho one; cat; echo two >&2; exit 9", "x".repeat(size));
            let end = remote.stream(&ShellScript { text, sensitive }, &limits, &mut |stream, bytes| {
                if stream == Stream::Stdout { &mut out } else { &mut err }.extend_from_slice(bytes);
                true
            });
            assert_eq!((end.unwrap(), &*out, &*err), (End::Exit(9), &b"one\n"[..], &b"two\n"[..]));
        }
    }
}

#[test]
fn a_stream_outlives_the_deadline_of_its_start() {
    let sshd = Sshd::start();
    for mut remote in sshd.sessions() {
        let cancel = Cancel::new();
        let limits = Limits::new(Duration::from_secs(1), &cancel, &|_| {});
        let end = remote.stream(&script("sleep 2; echo late"), &limits, &mut |_, _| true);
        assert_eq!(end.unwrap(), End::Exit(0));
    }
}

#[test]
fn a_stream_that_is_stopped_leaves_no_process_and_a_usable_session() {
    let sshd = Sshd::start();
    for mut remote in sshd.sessions() {
        let mark = unique();
        let cancel = Cancel::new();
        let limits = Limits::new(AMPLE, &cancel, &|_| {});
        let end = remote.stream(&script(&follower(&mark)), &limits, &mut |_, _| {
            wait_until("the followers run", || is_running(&mark));
            false
        });
        assert_eq!(end.unwrap(), End::Stopped);
        wait_until("the followers are gone", || !is_running(&mark));
        assert_eq!(exec(&mut *remote, "echo still").stdout, b"still\n");
    }
}

#[test]
fn a_stream_that_is_cancelled_ends_soon_and_leaves_no_process() {
    let sshd = Sshd::start();
    let mark = unique();
    assert!(cancelled(&connector(), &sshd, &follower(&mark)) < Duration::from_secs(5));
    wait_until("the followers are gone", || !is_running(&mark));
}

/// The client of the next test, which runs it as a process of its own.
#[test]
#[ignore = "it is a program for another test and never ends"]
fn client_that_streams_for_ever() {
    let variable = |name| std::env::var(name).unwrap();
    let endpoint = mcp::domain::SshEndpoint {
        port: variable("SSHD_PORT").parse().unwrap(),
        identity_files: vec![variable("SSHD_KEY").into()],
        known_hosts: vec![variable("SSHD_KNOWN").into()],
        ..mcp::domain::SshEndpoint::new(variable("SSHD_ADDRESS"), crate::sshd::user())
    };
    let mut remote = connect(&connector(), endpoint).unwrap();
    let cancel = Cancel::new();
    let limits = Limits::new(AMPLE, &cancel, &|_| {});
    remote.stream(&script(&follower(&variable("SSHD_MARK"))), &limits, &mut |_, _| true).unwrap();
}

#[test]
fn a_client_that_is_killed_leaves_no_process_on_the_host() {
    let sshd = Sshd::start();
    let mark = unique();
    let mut client = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "exec::client_that_streams_for_ever"])
        .env("SSHD_ADDRESS", &sshd.address)
        .env("SSHD_PORT", sshd.port.to_string())
        .env("SSHD_KEY", sshd.path("id_ed25519"))
        .env("SSHD_KNOWN", sshd.path("known_hosts"))
        .env("SSHD_MARK", &mark)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the followers run", || pids_of(&mark).len() >= 2);
    client.kill().unwrap();
    client.wait().unwrap();
    wait_until("the followers are gone", || !is_running(&mark));
}

#[test]
fn a_stream_of_a_killed_session_is_lost_and_leaves_no_process() {
    let sshd = Sshd::start();
    let mut remote = sshd.connect();
    let mark = unique();
    let cancel = Cancel::new();
    let limits = Limits::new(AMPLE, &cancel, &|_| {});
    let text = format!("sleep {mark} & kill -9 $PPID; wait");
    let error = remote.stream(&script(&text), &limits, &mut |_, _| true).unwrap_err();
    assert!(matches!(*error.kind, TransportErrorKind::Lost(_)), "{error:?}");
    wait_until("the follower is gone", || !is_running(&mark));
}

#[test]
fn a_host_that_takes_no_commands_says_so_and_the_session_stays() {
    let sshd = Sshd::with(&["ed25519"], "MaxSessions 0");
    let error = exec_within(&mut *sshd.connect(), "true", AMPLE).unwrap_err();
    assert!(matches!(*error.kind, TransportErrorKind::Ssh { .. }), "{error:?}");
}
