use super::*;
use crate::{
    docker::inspect,
    domain::{Connection, Host, HostName, Server, ServerName},
    operations::select::Target,
};
use ContainerState::{Created, Exited, Restarting, Running};
use Decision::{Complete, Create, Finish, Leave, PutBack, Restart, RollBack, Start, Stop};

const RUN: &str = "docker run -d --name plain --restart always example/app:1.0 sleep 1000";

/// When the tests look, in seconds.
const NOW: i64 = 1_700_001_000;

/// A container made `age` seconds ago that was up for `up` seconds after it.
fn container(id: &str, state: ContainerState, age: i64, up: i64) -> Container {
    let mut container = inspect::parse(include_str!("../../../../fixtures/docker/20.10/inspect/plain.out"))
        .unwrap_or_else(|e| panic!("{e}"))
        .pop()
        .unwrap_or_else(|| panic!("no container in the fixture"));
    let at = |second: i64| Timestamp::from_second(second).ok();
    id.clone_into(&mut container.id);
    container.state = state;
    container.created_at = at(NOW - age);
    container.started_at = at(NOW - age).filter(|_| state != Created);
    container.finished_at = at(NOW - age + up).filter(|_| state == Exited);
    "always".clone_into(&mut container.restart_policy);
    container.restart_count = u64::from(state == Restarting);
    container
}

fn with_registered<T>(keep: u64, body: impl FnOnce(&Registered<'_>) -> T) -> T {
    let name = ServerName::new("web").unwrap_or_else(|e| panic!("{e}"));
    let mut server = Server::new(name, RUN, vec![]);
    server.own.keep_previous = Some(Duration::from_secs(keep));
    let host = Host::new(HostName::new("edge-1").unwrap_or_else(|e| panic!("{e}")), Connection::Local);
    body(&Registered::new(Target { server: &server, host: &host }).unwrap_or_else(|e| panic!("{e}")))
}

fn decided(verb: Verb, keep: u64, pair: Pair<'_>) -> Decision {
    let now = Timestamp::from_second(NOW).ok();
    with_registered(keep, |r| decide(verb, Options::default(), r, None, pair, now))
}

#[test]
fn what_an_interrupted_replacement_left_is_finished_or_undone() {
    let previous = container("old", Exited, 5000, 4000);
    let (up, young) = (container("new", Running, 900, 0), container("new", Running, 5, 0));
    let (made, crashed) = (container("new", Created, 900, 0), container("new", Exited, 900, 1));
    let loops = container("new", Restarting, 900, 0);
    for (current, start, restart, stop) in [
        (None, Complete, Complete, PutBack { start: false }),
        (Some(&made), Complete, Complete, PutBack { start: false }),
        (Some(&crashed), Complete, Complete, PutBack { start: false }),
        (Some(&loops), Complete, Complete, PutBack { start: false }),
        // It stands for so long that the previous one is only left over.
        (Some(&up), Leave(None), Restart, Stop),
        (Some(&young), Finish(None), Restart, Stop),
    ] {
        let pair = Pair { current, previous: Some(&previous), ..Pair::default() };
        for (verb, expected) in [(Verb::Start, start), (Verb::Restart, restart), (Verb::Stop, stop)] {
            assert_eq!(decided(verb, 0, pair), expected, "{verb:?} of {:?}", current.map(|c| c.state));
        }
    }
}

#[test]
fn without_a_previous_container_it_is_decided_as_ever() {
    let up = container("new", Running, 900, 0);
    assert_eq!(decided(Verb::Start, 0, Pair::default()), Create);
    assert_eq!(decided(Verb::Restart, 0, Pair { current: Some(&up), previous: None, ..Pair::default() }), Restart);
    let refused = decided(Verb::Rollback, 0, Pair { current: Some(&up), previous: None, ..Pair::default() });
    assert!(matches!(&refused, Decision::Refuse(trouble) if trouble.cause.contains("no previous")), "{refused:?}");
}

#[test]
fn a_container_that_was_kept_is_not_taken_for_one_of_an_interrupted_replacement() {
    let previous = container("old", Exited, 5000, 4000);
    let previous = Some(&previous);
    let (up, stopped) = (container("new", Running, 900, 0), container("new", Exited, 900, 60));
    let (made, crashed) = (container("new", Created, 900, 0), container("new", Exited, 900, 1));
    for (current, start) in [(&up, Leave(None)), (&stopped, Start), (&made, Complete), (&crashed, Complete)] {
        let pair = Pair { current: Some(current), previous, ..Pair::default() };
        assert_eq!(decided(Verb::Start, 3600, pair), start, "{:?}", current.state);
    }
    for (current, expected) in [
        (Some(&up), RollBack),
        (Some(&stopped), RollBack),
        (Some(&crashed), PutBack { start: true }),
        (None, PutBack { start: true }),
    ] {
        assert_eq!(decided(Verb::Rollback, 3600, Pair { current, previous, ..Pair::default() }), expected);
    }
}

#[test]
fn one_that_was_kept_goes_when_its_time_is_over() {
    let (previous, up) = (container("old", Exited, 5000, 4000), container("new", Running, 900, 0));
    let pair = Pair { current: Some(&up), previous: Some(&previous), ..Pair::default() };
    let now = Timestamp::from_second(NOW).unwrap_or_else(|e| panic!("{e}"));
    assert!(pair.expired(Duration::from_secs(1001), now).is_none());
    assert!(pair.expired(Duration::from_secs(999), now).is_some());
}

#[test]
fn what_cannot_be_kept_is_not_set_aside() {
    with_registered(0, |r| {
        let mut old = container("old", Running, 900, 0);
        let replaced = |old: &Container| {
            replacement(&Decision::StopAndReplace, r, Pair { current: Some(old), previous: None, ..Pair::default() })
        };
        assert!(replaced(&old).is_some_and(|r| r.runs && r.starts));
        old.auto_remove = true;
        assert_eq!(replaced(&old), None);
    });
}

#[test]
fn a_policy_that_was_taken_from_a_container_is_guessed_from_the_registered_string() {
    with_registered(0, |r| {
        let mut old = container("old", Exited, 900, 60);
        for (policy, expected) in [("no", Some("always")), ("on-failure:3", Some("on-failure:3"))] {
            policy.clone_into(&mut old.restart_policy);
            let pair = Pair { current: None, previous: Some(&old), ..Pair::default() };
            let found = replacement(&Complete, r, pair).and_then(|replacement| replacement.policy);
            assert_eq!(found.as_deref(), expected);
        }
        // In its own place it has its own.
        "no".clone_into(&mut old.restart_policy);
        let pair = Pair { current: Some(&old), previous: None, ..Pair::default() };
        assert_eq!(replacement(&Decision::Replace, r, pair).and_then(|replacement| replacement.policy), None);
    });
}
