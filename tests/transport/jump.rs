//! Through jump hosts: sessions, names, what is said when one of them is the trouble, and that a host that hangs behind one
//! holds up nobody else.

use std::{
    io::Read,
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};

use mcp::{
    domain::{JumpHost, SshEndpoint},
    transport::{Cancel, Connector, End, Limits, Phase, Stream, TransportError, TransportErrorKind},
};

use crate::sshd::{AMPLE, Sshd, connect, connector, exec, host, kill, known_line, refusal, script};

/// `endpoint` behind these, the outermost first.
pub(crate) fn behind(endpoint: SshEndpoint, jumps: &[&Sshd]) -> SshEndpoint {
    let jump = |(at, sshd): (usize, &&Sshd)| {
        let name = format!("jump-{}", at + 1);
        Arc::new(JumpHost { name, endpoint: sshd.endpoint(), connect_timeout: AMPLE })
    };
    SshEndpoint { jump: jumps.iter().enumerate().map(jump).collect(), ..endpoint }
}

/// The cause of an error behind a jump host, with the name of that one.
fn cause(error: &TransportError) -> (&str, &TransportError) {
    match &*error.kind {
        TransportErrorKind::Jump { jump, cause } => (jump, cause),
        other => panic!("{other:?}"),
    }
}

/// A port that takes connections and never says a word; the connections are kept until the end.
fn silent() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn processes(sshd: &Sshd, what: &str) -> usize {
    sshd.log().lines().filter(|line| line.contains(what)).count()
}

#[test]
fn a_host_behind_one_and_two_jump_hosts_answers_like_any_other() {
    let (outer, inner, target) = (Sshd::start(), Sshd::start(), Sshd::start());
    for jumps in [vec![&outer], vec![&outer, &inner]] {
        let connector = connector();
        let mut remote = connect(&connector, behind(target.endpoint(), &jumps)).unwrap();
        let output = exec(&mut *remote, "echo out; echo err >&2; exit 3");
        assert_eq!((&*output.stdout, &*output.stderr, output.end), (&b"out\n"[..], &b"err\n"[..], End::Exit(3)));
        assert_eq!(connector.counts().sessions(), jumps.len() + 1);
    }
}

#[test]
fn many_megabytes_pass_both_ways_through_two_jump_hosts_unchanged() {
    let (outer, inner, target) = (Sshd::start(), Sshd::start(), Sshd::start());
    let connector = connector();
    let endpoint = behind(target.endpoint(), &[&outer, &inner]);
    // Several at once: each must get its own bytes, and all share the two sessions.
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (connector, endpoint) = (&connector, endpoint.clone());
            scope.spawn(move || {
                let mut remote = connect(connector, endpoint).unwrap();
                let text = format!("yes {worker} | head -c 7000000; yes e{worker} | head -c 3000000 >&2");
                let output = exec(&mut *remote, &text);
                let expected: Vec<u8> = format!("{worker}\n").bytes().cycle().take(7_000_000).collect();
                assert!(output.stdout == expected, "stdout of {worker}: {} bytes", output.stdout.len());
                assert_eq!(output.stderr.len(), 3_000_000);
                // A long script travels on stdin, so this is the other way.
                let long = format!("cat <<'X' | wc -c\n{}\nX", "x".repeat(3_000_000));
                assert_eq!(exec(&mut *remote, &long).stdout, b"3000001\n");
            });
        }
    });
    assert_eq!(connector.counts().sessions(), 6);
}

#[test]
fn a_hundred_hosts_behind_one_jump_host_with_stock_max_startups_share_its_session() {
    // The target is one sshd under many addresses, so that its own MaxStartups counts all of them.
    let stock = "MaxStartups 10:30:100";
    let jump = Sshd::with(&["ed25519"], stock);
    let target = Sshd::with(&["ed25519"], &format!("ListenAddress 0.0.0.0\n{stock}"));
    let connector = connector();
    let lost: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (1..=100)
            .map(|number| {
                let (connector, jump, target) = (&connector, &jump, &target);
                scope.spawn(move || {
                    let address = format!("127.0.78.{number}");
                    let known = target.path(&format!("known-{number}"));
                    std::fs::write(&known, known_line(target.directory.path(), "ed25519", &address, target.port))
                        .unwrap();
                    let endpoint = SshEndpoint { address, known_hosts: vec![known], ..target.endpoint() };
                    let cancel = Cancel::new();
                    let limits = Limits { retries: 2, ..Limits::new(AMPLE, &cancel, &|_| {}) };
                    let mut remote =
                        connector.connect(&host(behind(endpoint, &[jump])), &limits).map_err(|e| e.to_string())?;
                    let output = exec(&mut *remote, "echo $SSH_CONNECTION");
                    assert!(String::from_utf8_lossy(&output.stdout).contains(&format!(" 127.0.78.{number} ")));
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().filter_map(|worker| worker.join().unwrap().err()).collect()
    });
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(processes(&jump, "Accepted publickey"), 1, "{}", jump.log());
    assert_eq!(connector.counts().sessions(), 101);
}

#[test]
fn the_key_of_a_host_behind_a_jump_host_is_checked_against_its_own_name() {
    let (jump, target, other) = (Sshd::start(), Sshd::start(), Sshd::start());
    // The jump host is known and trusted, and the address leads to another host than the one that is known.
    let known = target.path("swapped");
    std::fs::write(&known, known_line(target.directory.path(), "ed25519", &other.address, other.port)).unwrap();
    let swapped = SshEndpoint { known_hosts: vec![known], ..other.endpoint() };
    let error = refusal(&connector(), behind(swapped, &[&jump]));
    assert_eq!(error.phase, Phase::HostKey);
    assert!(
        matches!(&*error.kind, TransportErrorKind::HostKeyChanged { target, .. } if target.contains(&other.address)),
        "{error}"
    );
    assert!(!other.log().contains("userauth-request") && !other.log().contains("Accepted"), "{}", other.log());

    let unknown = SshEndpoint { known_hosts: vec![jump.path("known_hosts")], ..target.endpoint() };
    let error = refusal(&connector(), behind(unknown, &[&jump]));
    assert!(matches!(&*error.kind, TransportErrorKind::HostKeyUnknown { .. }), "{error}");
}

#[test]
fn the_jump_host_is_named_when_it_is_the_trouble() {
    let (outer, inner, target) = (Sshd::start(), Sshd::start(), Sshd::start());
    let refused = |port: u16| SshEndpoint { port, ..outer.endpoint() };
    let closed = TcpListener::bind((&*outer.address, 0)).unwrap().local_addr().unwrap().port();
    let jump = |endpoint: SshEndpoint| {
        let dead = JumpHost { name: "bastion".to_owned(), endpoint, connect_timeout: Duration::from_secs(3) };
        let alive = JumpHost { name: "inner".to_owned(), endpoint: inner.endpoint(), connect_timeout: AMPLE };
        SshEndpoint { jump: vec![Arc::new(dead), Arc::new(alive)], ..target.endpoint() }
    };
    let error = refusal(&connector(), jump(refused(closed)));
    assert_eq!(error.phase, Phase::Tcp);
    let (name, cause_of) = cause(&error);
    assert!(name == "bastion" && matches!(&*cause_of.kind, TransportErrorKind::Connect { .. }), "{error}");

    let (_listener, port) = silent();
    let mute = SshEndpoint { address: "127.0.0.1".to_owned(), ..refused(port) };
    let error = refusal(&connector(), jump(mute));
    assert_eq!((error.phase, cause(&error).0), (Phase::KeyExchange, "bastion"), "{error}");

    let nobody = SshEndpoint { identity_files: vec![outer.path("host_ed25519")], ..outer.endpoint() };
    let error = refusal(&connector(), jump(nobody));
    assert_eq!((error.phase, cause(&error).0), (Phase::Authentication, "bastion"), "{error}");
}

#[test]
fn a_jump_host_that_cannot_reach_the_host_or_may_not_is_told_apart_from_one_that_is_down() {
    let (jump, target) = (Sshd::start(), Sshd::start());
    let closed = TcpListener::bind((&*target.address, 0)).unwrap().local_addr().unwrap().port();
    let reason = |jump: &Sshd, port: u16| {
        let error = refusal(&connector(), behind(SshEndpoint { port, ..target.endpoint() }, &[jump]));
        match *error.kind {
            TransportErrorKind::Forward { jump, target, reason } => (jump, target, reason),
            other => panic!("{other:?}"),
        }
    };
    let (name, address, why) = reason(&jump, closed);
    assert_eq!((&*name, address, &*why), ("jump-1", format!("{}:{closed}", target.address), "connect failed"));
    let strict = Sshd::with(&["ed25519"], "AllowTcpForwarding no");
    assert_eq!(reason(&strict, target.port).2, "administratively prohibited");
}

#[test]
fn a_host_that_never_answers_the_jump_host_holds_up_no_other() {
    let (jump, target) = (Sshd::start(), Sshd::start());
    let connector = connector();
    // A full backlog: the jump host's connect neither succeeds nor fails.
    let full = Backlog::fill();
    let hung = behind(SshEndpoint { address: "127.0.0.1".to_owned(), port: full.port, ..target.endpoint() }, &[&jump]);
    let allowed = Duration::from_secs(8);
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let hung: Vec<_> = (0..3)
            .map(|_| {
                let (connector, hung) = (&connector, hung.clone());
                scope.spawn(move || {
                    let cancel = Cancel::new();
                    let limits = Limits::new(allowed, &cancel, &|_| {});
                    let error = connector.connect(&host(hung), &limits).err().expect("nobody is there");
                    assert!(matches!(*error.kind, TransportErrorKind::Timeout { phase: Phase::Tcp, .. }), "{error}");
                })
            })
            .collect();
        let others: Vec<_> = (0..20)
            .map(|_| {
                let (connector, endpoint) = (&connector, behind(target.endpoint(), &[&jump]));
                scope.spawn(move || exec(&mut *connect(connector, endpoint).unwrap(), "echo here").stdout)
            })
            .collect();
        for other in others {
            assert_eq!(other.join().unwrap(), b"here\n");
        }
        assert!(!hung.iter().any(|worker| worker.is_finished()), "the others had to wait: {:?}", begin.elapsed());
    });
}

#[test]
fn a_jump_host_that_dies_in_the_middle_is_the_cause_and_the_next_connection_gets_a_new_session() {
    let (jump, target) = (Sshd::start(), Sshd::start());
    let connector = connector();
    let endpoint = behind(target.endpoint(), &[&jump]);
    let mut remote = connect(&connector, endpoint.clone()).unwrap();
    let mut ended = false;
    let error = remote
        .stream(&script("echo $PPID; sleep 60"), &Limits::new(AMPLE, &Cancel::new(), &|_| {}), &mut |stream, bytes| {
            if stream == Stream::Stdout && !bytes.is_empty() && !std::mem::replace(&mut ended, true) {
                // What sshd forked for the session is its only child.
                let children = format!("/proc/{0}/task/{0}/children", jump.pid());
                let children = std::fs::read_to_string(children).unwrap();
                assert_eq!(children.split_whitespace().count(), 1, "{children}");
                kill("-9", children.trim());
            }
            true
        })
        .unwrap_err();
    assert_eq!(cause(&error).0, "jump-1", "{error}");
    assert_eq!(exec(&mut *connect(&connector, endpoint).unwrap(), "echo back").stdout, b"back\n");
    assert_eq!(processes(&jump, "Accepted publickey"), 2);
}

#[test]
fn a_session_of_a_jump_host_that_is_lost_under_key_exchanges_is_made_anew_for_them() {
    let (jump, target) = (Sshd::start(), Sshd::start());
    // The way is opened for hosts that say no more than their banner, so that their key exchange is under way when it ends.
    let connector = connector();
    let (listener, port) = silent();
    let half = SshEndpoint { address: "127.0.0.1".to_owned(), port, ..target.endpoint() };
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let cancel = Cancel::new();
            let limits = Limits { retries: 1, ..Limits::new(AMPLE, &cancel, &|_| {}) };
            connector.connect(&host(behind(half, &[&jump])), &limits).err().unwrap()
        });
        let (mut first, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut first, b"SSH-2.0-half\r\n").unwrap();
        first.read_exact(&mut [0; 4]).unwrap();
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", jump.pid())).unwrap();
        kill("-9", children.trim());
        // It comes again, through a new session.
        let (second, _) = listener.accept().unwrap();
        drop((first, second, listener));
        let error = waiting.join().unwrap();
        assert!(!matches!(*error.kind, TransportErrorKind::Ssh { .. }), "{error}");
    });
    assert_eq!(processes(&jump, "Accepted publickey"), 2);
}

#[test]
fn an_abandoned_run_does_not_wait_for_a_jump_host() {
    let target = Sshd::start();
    let (listener, port) = silent();
    let mute = SshEndpoint { address: "127.0.0.1".to_owned(), port, ..target.endpoint() };
    let jump = JumpHost { name: "bastion".to_owned(), endpoint: mute, connect_timeout: AMPLE };
    let endpoint = SshEndpoint { jump: vec![Arc::new(jump)], ..target.endpoint() };
    let (connector, cancel) = (connector(), Arc::new(Cancel::new()));
    let later = Arc::clone(&cancel);
    let waker = std::thread::spawn(move || {
        // The client's banner says that it waits for the jump host.
        let (mut peer, _) = listener.accept().unwrap();
        peer.read_exact(&mut [0; 4]).unwrap();
        later.abandon();
        peer
    });
    let error = connector.connect(&host(endpoint), &Limits::new(AMPLE, &cancel, &|_| {})).err().unwrap();
    assert!(matches!(*error.kind, TransportErrorKind::Cancelled), "{error:?}");
    drop(waker.join());
}

/// A listening socket whose queue is full, so that connecting to it hangs.
struct Backlog {
    port: u16,
    _listener: TcpListener,
    _waiting: Vec<std::net::TcpStream>,
}

impl Backlog {
    fn fill() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // Listening again makes the queue small.
        rustix::net::listen(&listener, 0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            waiting.push(stream);
            assert!(waiting.len() < 5000, "the queue never fills");
        }
        Self { port: address.port(), _listener: listener, _waiting: waiting }
    }
}
