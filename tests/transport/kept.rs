//! Sessions that a keeper holds: when they are used, and when not.

use std::{
    fs,
    os::unix::fs::symlink,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use mcp::{
    domain::SshEndpoint,
    transport::{
        Cancel, Connector, End, Limits, Remote, Stream, TransportErrorKind,
        ssh::{
            SshConnector, SshOptions,
            kept::{self, Directory, Keep, Keeper, SessionState},
        },
    },
};

use crate::{
    jump::behind,
    sshd::{AMPLE, Sshd, connect, exec, host, kill, refusal, script, wait_until},
};

/// A place for keepers, and runs that use it.
struct Place {
    keep: Keep,
}

impl Place {
    fn new(sshd: &Sshd) -> Self {
        Self::lasting(sshd, AMPLE)
    }

    fn lasting(sshd: &Sshd, persist: Duration) -> Self {
        let runtime = sshd.path("runtime");
        fs::create_dir_all(&runtime).unwrap();
        let keep = Keep { directory: Directory::of_user(Some(&runtime)), persist: Some(persist), pool: Arc::default() };
        Self { keep }
    }

    fn run(&self) -> SshConnector {
        SshConnector::new(SshOptions { keep: Some(self.keep.clone()), ..SshOptions::default() })
    }

    /// Ends a run: its sessions are kept from here on, on a thread.
    fn end(&self) -> std::thread::JoinHandle<()> {
        let keeper = Keeper::new(&self.keep.directory, &self.keep.pool).unwrap().unwrap();
        std::thread::spawn(move || keeper.run())
    }

    fn files(&self) -> Vec<PathBuf> {
        fs::read_dir(self.keep.directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// What a further run does: how many sessions it reused and how many it opened.
    fn again(&self, endpoint: SshEndpoint) -> (usize, usize) {
        let run = self.run();
        let mut remote = connect(&run, endpoint).unwrap();
        assert_eq!(exec(&mut *remote, "echo here").stdout, b"here\n");
        (run.counts().reused(), run.counts().sessions())
    }
}

/// A host with which a session is kept.
fn keeping() -> (Sshd, Place, std::thread::JoinHandle<()>) {
    let sshd = Sshd::start();
    let place = Place::new(&sshd);
    place.again(sshd.endpoint());
    let keeper = place.end();
    (sshd, place, keeper)
}

fn remote_pid(remote: &mut dyn Remote) -> String {
    String::from_utf8(exec(remote, "echo $PPID").stdout).unwrap().trim().to_owned()
}

#[test]
fn many_runs_one_after_the_other_share_one_login() {
    let sshd = Sshd::start();
    let place = Place::new(&sshd);
    assert_eq!(place.again(sshd.endpoint()), (0, 1));
    let _keeper = place.end();
    for _ in 0..5 {
        assert_eq!(place.again(sshd.endpoint()), (1, 0));
    }
    assert_eq!(sshd.log().matches("Accepted publickey").count(), 1);
}

#[test]
fn a_session_serves_one_run_at_a_time_and_the_other_connects() {
    let (sshd, place, _keeper) = keeping();
    let first = place.run();
    let mut held = connect(&first, sshd.endpoint()).unwrap();
    assert_eq!(place.again(sshd.endpoint()), (0, 1));
    assert_eq!(exec(&mut *held, "echo still").stdout, b"still\n");
    let (rows, troubles) = kept::list(&place.keep.directory);
    assert_eq!((rows.len(), rows[0].state, troubles.len()), (1, SessionState::Busy, 0));
    drop(held);
    wait_until("it is free again", || kept::list(&place.keep.directory).0[0].state == SessionState::Idle);
}

#[test]
fn only_a_run_that_would_have_made_the_same_session_gets_it() {
    let (sshd, place, _keeper) = keeping();
    let other_key = sshd.authorize("other", "ed25519", "");
    let others = [
        SshEndpoint { identity_files: vec![other_key], ..sshd.endpoint() },
        SshEndpoint { identities_only: true, ..sshd.endpoint() },
    ];
    for other in others {
        assert_eq!(place.again(other), (0, 1));
    }
    assert_eq!(place.again(sshd.endpoint()), (1, 0));
}

#[test]
fn a_key_that_was_revoked_meanwhile_is_refused() {
    let (sshd, place, _keeper) = keeping();
    let known = fs::read_to_string(sshd.path("known_hosts")).unwrap();
    fs::write(sshd.path("known_hosts"), format!("{known}@revoked {known}")).unwrap();
    let error = refusal(&place.run(), sshd.endpoint());
    assert!(matches!(*error.kind, TransportErrorKind::HostKeyRevoked { .. }), "{error:?}");
    fs::write(sshd.path("known_hosts"), "").unwrap();
    let error = refusal(&place.run(), sshd.endpoint());
    assert!(matches!(*error.kind, TransportErrorKind::HostKeyUnknown { .. }), "{error:?}");
}

#[test]
fn a_jump_host_whose_key_was_revoked_meanwhile_is_refused_as_well() {
    let (jumps, target) = ([Sshd::start(), Sshd::start()], Sshd::start());
    let place = Place::new(&target);
    let endpoint = behind(target.endpoint(), &[&jumps[0], &jumps[1]]);
    place.again(endpoint.clone());
    let _keeper = place.end();
    assert_eq!(place.again(endpoint.clone()), (1, 0));
    for jump in &jumps {
        let known = fs::read_to_string(jump.path("known_hosts")).unwrap();
        fs::write(jump.path("known_hosts"), format!("{known}@revoked {known}")).unwrap();
        let error = refusal(&place.run(), endpoint.clone());
        let TransportErrorKind::Jump { cause, .. } = &*error.kind else { panic!("{error:?}") };
        assert!(matches!(*cause.kind, TransportErrorKind::HostKeyRevoked { .. }), "{error:?}");
        fs::write(jump.path("known_hosts"), known).unwrap();
    }
    assert_eq!(place.again(endpoint), (1, 0));
}

#[test]
fn of_runs_at_the_same_time_one_leaves_its_session() {
    let sshd = Sshd::start();
    let (place, other) = (Place::new(&sshd), Place::new(&sshd));
    place.again(sshd.endpoint());
    other.again(sshd.endpoint());
    let keeper = place.end();
    // Both keepers are this process, so the second would listen where the first does.
    let theirs = place.keep.directory.path().join("k-1");
    fs::rename(place.keep.directory.path().join(format!("k-{}", std::process::id())), &theirs).unwrap();
    let link = place.files().into_iter().find(|path| path.is_symlink()).unwrap();
    fs::remove_file(&link).unwrap();
    symlink("k-1", &link).unwrap();
    assert!(Keeper::new(&other.keep.directory, &other.keep.pool).unwrap().is_none());
    wait_until("the second session is closed", || sshd.log().contains("Disconnected from user"));
    assert_eq!(place.again(sshd.endpoint()), (1, 0));
    assert_eq!(kept::close(&place.keep.directory, &[]).0.len(), 1);
    keeper.join().unwrap();
}

#[test]
fn a_dead_session_costs_a_login_and_nothing_else() {
    let sshd = Sshd::start();
    let place = Place::new(&sshd);
    for signal in ["-KILL", "-STOP"] {
        let pid = remote_pid(&mut *connect(&place.run(), sshd.endpoint()).unwrap());
        let keeper = place.end();
        kill(signal, &pid);
        let begin = Instant::now();
        assert_eq!(place.again(sshd.endpoint()), (0, 1), "{signal}");
        assert!(begin.elapsed() < AMPLE / 2, "{signal}: it may use a part of the deadline");
        place.keep.pool.clear();
        if signal == "-STOP" {
            kill("-KILL", &pid);
        }
        // Both keepers are this process, and so would have the same socket.
        keeper.join().unwrap();
    }
}

#[test]
fn a_keeper_that_does_not_answer_or_is_gone_is_passed_by() {
    let sshd = Sshd::start();
    let place = Place::new(&sshd);
    place.again(sshd.endpoint());
    let keeper = Keeper::new(&place.keep.directory, &place.keep.pool).unwrap().unwrap();
    // It listens and nobody runs it.
    assert_eq!(place.again(sshd.endpoint()), (0, 1));
    drop(keeper);
    assert_eq!(place.again(sshd.endpoint()), (0, 1));
    let _keeper = place.end();
    assert_eq!(place.again(sshd.endpoint()), (1, 0), "a new keeper takes the place of what was left");
}

#[test]
fn a_run_that_dies_in_the_middle_of_a_command_takes_the_session_with_it() {
    let (sshd, place, keeper) = keeping();
    let run = place.run();
    let mut remote = connect(&run, sshd.endpoint()).unwrap();
    let cancel = Cancel::new();
    let limits = Limits::new(AMPLE, &cancel, &|_| {});
    let error = remote.pipe(&script("echo begun; exec sleep 1000"), None, &limits, &mut |_, _| {
        cancel.abandon();
        true
    });
    assert!(error.is_err(), "{error:?}");
    drop(remote);
    keeper.join().unwrap();
    assert!(place.files().is_empty());
}

#[test]
fn a_session_ends_by_itself_when_nobody_uses_it_and_leaves_no_file() {
    let sshd = Sshd::start();
    let place = Place::lasting(&sshd, Duration::from_secs(1));
    place.again(sshd.endpoint());
    place.end().join().unwrap();
    assert!(place.files().is_empty(), "{:?}", place.files());
    wait_until("sshd's process is gone", || sshd.log().contains("Disconnected from user"));
}

#[test]
fn closing_sessions_ends_those_and_their_keeper() {
    let (_sshd, place, keeper) = keeping();
    assert_eq!(kept::close(&place.keep.directory, &["other".to_owned()]).0, []);
    let (closed, troubles) = kept::close(&place.keep.directory, &["target".to_owned()]);
    assert_eq!((closed.len(), &*closed[0].host, troubles.len()), (1, "target", 0));
    keeper.join().unwrap();
    assert!(place.files().is_empty());
}

#[test]
fn a_session_that_is_told_to_close_while_it_is_used_ends_with_its_run() {
    let (sshd, place, keeper) = keeping();
    let run = place.run();
    let mut remote = connect(&run, sshd.endpoint()).unwrap();
    let (closed, troubles) = kept::close(&place.keep.directory, &[]);
    assert_eq!((closed.len(), closed[0].state, troubles), (1, SessionState::Busy, vec![]));
    for _ in 0..3 {
        assert_eq!(exec(&mut *remote, "sleep 1; echo on").stdout, b"on\n");
    }
    assert!(!keeper.is_finished());
    drop(remote);
    keeper.join().unwrap();
}

#[test]
fn nothing_is_kept_for_no_time() {
    let sshd = Sshd::start();
    let place = Place::lasting(&sshd, Duration::ZERO);
    assert_eq!(place.again(sshd.endpoint()), (0, 1));
    assert!(place.keep.pool.is_empty());
}

#[test]
fn a_flood_on_both_streams_flows_without_anybody_looking_around() {
    const BYTES: usize = 20_000_000;
    let sshd = Sshd::start();
    let place = Place::new(&sshd);
    place.again(sshd.endpoint());
    // Whoever waited for what has come already would wait for the next look.
    let keeper = Keeper::new(&place.keep.directory, &place.keep.pool).unwrap().unwrap().look_every(AMPLE * 100);
    let keeper = std::thread::spawn(move || keeper.run());
    let run = place.run();
    for pause in [0, 1] {
        let mut remote = connect(&run, sshd.endpoint()).unwrap();
        let (cancel, mut calls, mut got) = (Cancel::new(), 0, [0, 0]);
        let limits = Limits::new(AMPLE, &cancel, &|_| {});
        let text = format!("head -c {BYTES} /dev/zero | tee /dev/stderr");
        let end = remote.pipe(&script(&text), None, &limits, &mut |stream, bytes| {
            got[usize::from(stream == Stream::Stderr)] += bytes.len();
            calls += 1;
            if calls % 50 == 0 {
                std::thread::sleep(Duration::from_millis(pause));
            }
            true
        });
        assert_eq!((end.unwrap(), got), (End::Exit(0), [BYTES; 2]));
    }
    assert_eq!(run.counts().reused(), 2);
    assert_eq!(kept::close(&place.keep.directory, &[]).0.len(), 1);
    keeper.join().unwrap();
}

#[test]
fn an_unused_connection_is_kept_as_well() {
    let sshd = Sshd::start();
    let place = Place::new(&sshd);
    drop(connect(&place.run(), sshd.endpoint()).unwrap());
    let _keeper = place.end();
    drop(connect(&place.run(), sshd.endpoint()).unwrap());
    wait_until("it is free again", || kept::list(&place.keep.directory).0[0].state == SessionState::Idle);
    assert_eq!(place.again(sshd.endpoint()), (1, 0));
}

#[test]
fn what_is_left_open_on_a_session_is_never_somebody_else_s() {
    let sshd = Sshd::start();
    let place = Place::new(&sshd);
    let run = place.run();
    let mut remote = connect(&run, sshd.endpoint()).unwrap();
    let cancel = Cancel::new();
    let limits = Limits::new(AMPLE, &cancel, &|_| {});
    // Somebody in the background holds the output open.
    let end = remote.pipe(&script("sleep 20 & echo done"), None, &limits, &mut |_, _| true);
    assert_eq!(end.unwrap(), End::Exit(0));
    drop(remote);
    assert!(place.keep.pool.is_empty());
    let limits = Limits::new(Duration::from_secs(1), &cancel, &|_| {});
    let mut remote = run.connect(&host(sshd.endpoint()), &Limits::new(AMPLE, &cancel, &|_| {})).unwrap();
    assert!(remote.exec(&script("sleep 20"), &limits).is_err());
    drop(remote);
    assert!(place.keep.pool.is_empty());
}

#[test]
fn a_directory_that_is_a_link_or_open_to_others_is_not_used() {
    let sshd = Sshd::start();
    let place = Place::new(&sshd);
    place.again(sshd.endpoint());
    let elsewhere = sshd.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, place.keep.directory.path()).unwrap();
    assert!(Keeper::new(&place.keep.directory, &place.keep.pool).is_err());
    assert_eq!(fs::read_dir(elsewhere).unwrap().count(), 0);
    assert_eq!(place.again(sshd.endpoint()), (0, 1));
}
