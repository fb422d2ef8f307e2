use jiff::Timestamp;

use super::*;
use crate::{
    docker::inspect,
    domain::{Connection, Docker, Host, HostName, Server, ServerName, ServerStatus, Status},
    operations::select::Target,
};

const RUN: &str = "docker run -d --name plain example/app:1.0 sleep 1000";
const RUN_RM: &str = "docker run -d --rm --name plain example/app:1.0 sleep 1000";
const PLAIN: Options =
    Options { settle: Duration::ZERO, replace: false, recreate: false, foreign: false, health: None };
const REPLACE: Options = Options { replace: true, ..PLAIN };
const FOREIGN: Options = Options { foreign: true, ..PLAIN };
const RECREATE: Options = Options { recreate: true, ..PLAIN };

/// The captured container `plain`, which [`RUN`] describes, in another state.
fn container(state: ContainerState) -> Container {
    let mut container = inspect::parse(include_str!("../../../fixtures/docker/20.10/inspect/plain.out"))
        .unwrap_or_else(|e| panic!("{e}"))
        .pop()
        .unwrap_or_else(|| panic!("no container in the fixture"));
    container.state = state;
    container
}

fn server(command: &str) -> Server {
    Server::new(ServerName::new("web").unwrap_or_else(|e| panic!("{e}")), command, vec![])
}

fn host(docker: &str) -> Host {
    let name = HostName::new("edge-1").unwrap_or_else(|e| panic!("{e}"));
    Host { docker: Docker::Words(docker.to_owned()), ..Host::new(name, Connection::Local) }
}

fn with_registered<T>(server: &Server, host: &Host, body: impl FnOnce(&Registered<'_>) -> T) -> T {
    body(&Registered::new(Target { server, host }).unwrap_or_else(|e| panic!("{e}")))
}

/// What is remembered of a container made from `command`.
fn record(container: &Container, command: &str) -> Record {
    let (name, host) = (ServerName::new("web"), HostName::new("edge-1"));
    let (name, host) = (name.unwrap_or_else(|e| panic!("{e}")), host.unwrap_or_else(|e| panic!("{e}")));
    Record {
        status: ServerStatus::bare(name, host, Status::Running, Timestamp::UNIX_EPOCH),
        container_id: Some(container.id.clone()),
        command_hash: Some(crate::operations::registered::command_hash(command)),
        stopped_by: None,
        container: None,
        left: vec![],
    }
}

/// What `verb` decides for a container in `state` that was made from `made_from`, [`RUN`] or `run` being registered.
fn decided(verb: Verb, options: Options, run: &str, state: ContainerState, made_from: &str) -> Decision {
    let container = container(state);
    let record = record(&container, made_from);
    with_registered(&server(run), &host("docker"), |r| decide(verb, options, r, Some(&record), Some(&container), None))
}

/// A container between two crashes runs, and is restarted all the same.
#[test]
fn start_restarts_what_runs_between_two_crashes_by_the_host_s_clock() {
    let mut container = container(ContainerState::Running);
    container.restart_count = 4;
    let started = container.started_at.unwrap_or_else(|| panic!("no start"));
    let other = "docker run -d --name plain example/app:0.9";
    for (up, made_from, expected) in [
        (Some(0), RUN, Decision::Restart),
        (Some(29), RUN, Decision::Restart),
        (Some(5), other, Decision::StopAndReplace),
        (Some(86400), RUN, Decision::Leave(None)),
        (None, RUN, Decision::Leave(None)),
    ] {
        let record = record(&container, made_from);
        let now = up.map(|up| started + jiff::SignedDuration::from_secs(up));
        let found = with_registered(&server(RUN), &host("docker"), |r| {
            decide(Verb::Start, PLAIN, r, Some(&record), Some(&container), now)
        });
        assert_eq!(found, expected, "{up:?} {made_from}");
    }
}

const OTHER: &str = "docker run -d --name plain example/app:0.9";

#[test]
fn every_state_and_history_has_its_decision() {
    use ContainerState::{Created, Dead, Exited, Paused, Removing, Restarting, Running};
    use Decision::{Create, Leave, Replace, Restart, Start, Stop, StopAndReplace, Unpause};
    for (verb, state, made_from, expected) in [
        (Verb::Start, Running, RUN, Leave(None)),
        (Verb::Start, Paused, RUN, Unpause),
        (Verb::Start, Paused, OTHER, StopAndReplace),
        (Verb::Start, Restarting, RUN, Restart),
        (Verb::Start, Restarting, OTHER, StopAndReplace),
        (Verb::Start, Exited, RUN, Start),
        (Verb::Start, Created, RUN, Start),
        (Verb::Start, Exited, OTHER, Replace),
        (Verb::Start, Dead, RUN, Replace),
        (Verb::Restart, Running, RUN, Restart),
        (Verb::Restart, Paused, RUN, Restart),
        (Verb::Restart, Restarting, RUN, Restart),
        (Verb::Restart, Running, OTHER, StopAndReplace),
        (Verb::Restart, Paused, OTHER, StopAndReplace),
        (Verb::Restart, Exited, RUN, Start),
        (Verb::Restart, Exited, OTHER, Replace),
        (Verb::Restart, Dead, RUN, Replace),
        (Verb::Stop, Running, RUN, Stop),
        (Verb::Stop, Paused, OTHER, Stop),
        (Verb::Stop, Restarting, RUN, Stop),
        (Verb::Stop, Exited, RUN, Leave(None)),
        (Verb::Stop, Created, RUN, Leave(None)),
        (Verb::Stop, Removing, RUN, Leave(None)),
        (Verb::Stop, Dead, RUN, Leave(None)),
    ] {
        let found = decided(verb, PLAIN, RUN, state, made_from);
        assert_eq!(found, expected, "{verb:?} of {state:?}, made from {made_from}");
    }
    with_registered(&server(RUN), &host("docker"), |r| {
        assert_eq!(decide(Verb::Start, PLAIN, r, None, None, None), Create);
        assert_eq!(decide(Verb::Restart, PLAIN, r, None, None, None), Create);
        assert_eq!(decide(Verb::Stop, PLAIN, r, None, None, None), Leave(Some("no container".to_owned())));
    });
}

#[test]
fn a_running_container_of_an_earlier_string_is_left_at_start_with_the_way_to_apply_the_new_one() {
    let found = decided(Verb::Start, PLAIN, RUN, ContainerState::Running, OTHER);
    let Decision::Leave(Some(note)) = &found else { panic!("{found:?}") };
    assert!(note.contains("`mcp restart web@edge-1`"), "{note}");
}

#[test]
fn recreate_never_keeps_a_container() {
    use ContainerState::{Exited, Paused, Running};
    for (state, expected) in
        [(Running, Decision::StopAndReplace), (Paused, Decision::StopAndReplace), (Exited, Decision::Replace)]
    {
        assert_eq!(decided(Verb::Restart, RECREATE, RUN, state, RUN), expected, "{state:?}");
    }
}

#[test]
fn a_container_that_removes_itself_is_never_started_again() {
    use ContainerState::{Created, Exited, Running};
    for (verb, state, expected) in [
        (Verb::Start, Running, Decision::Leave(None)),
        (Verb::Restart, Running, Decision::StopAndReplace),
        (Verb::Start, Created, Decision::Replace),
        (Verb::Start, Exited, Decision::Replace),
    ] {
        assert_eq!(decided(verb, PLAIN, RUN_RM, state, RUN_RM), expected, "{verb:?} of {state:?}");
    }
}

#[test]
fn without_a_record_of_it_what_a_container_looks_like_decides_whose_it_is() {
    let container = container(ContainerState::Running);
    let host = host("docker");
    let mut of_another = record(&container, OTHER);
    of_another.container_id = Some("0".repeat(64));
    let mut without_hash = record(&container, OTHER);
    without_hash.command_hash = None;
    for record in [None, Some(&of_another), Some(&without_hash)] {
        with_registered(&server(RUN), &host, |r| assert_eq!(ownership(r, record, &container), Ownership::Same));
        with_registered(&server("docker run -d --name plain example/app:2"), &host, |r| {
            let found = ownership(r, record, &container);
            assert!(matches!(&found, Ownership::Foreign(drifts) if drifts.len() == 1), "{found:?}");
        });
    }
    with_registered(&server(RUN), &host, |r| {
        assert_eq!(ownership(r, Some(&record(&container, OTHER)), &container), Ownership::Changed);
        assert_eq!(ownership(r, Some(&record(&container, RUN)), &container), Ownership::Same);
    });
}

#[test]
fn a_foreign_container_is_refused_unless_it_may_be_replaced_or_stopped() {
    use ContainerState::{Exited, Running};
    let registered = server("docker run -d --name plain example/app:2 -v");
    let host = host("docker");
    for (verb, state, options, expected) in [
        (Verb::Start, Running, REPLACE, Some(Decision::StopAndReplace)),
        (Verb::Start, Exited, REPLACE, Some(Decision::Replace)),
        (Verb::Restart, Running, REPLACE, Some(Decision::StopAndReplace)),
        (Verb::Restart, Running, RECREATE, None),
        (Verb::Start, Running, PLAIN, None),
        (Verb::Start, Exited, PLAIN, None),
        (Verb::Restart, Exited, PLAIN, None),
        (Verb::Stop, Running, PLAIN, None),
        (Verb::Stop, Running, FOREIGN, Some(Decision::Stop)),
        (Verb::Stop, Exited, PLAIN, Some(Decision::Leave(None))),
    ] {
        let container = container(state);
        let found = with_registered(&registered, &host, |r| decide(verb, options, r, None, Some(&container), None));
        match (&found, expected) {
            (Decision::Refuse(trouble), None) => {
                assert!(
                    trouble.cause.contains("image: it has example/app:1.0, registered is example/app:2"),
                    "{trouble:?}"
                );
                let hint = trouble.hint.as_deref().unwrap_or_default();
                let way_out = if verb == Verb::Stop { "--foreign" } else { "--replace" };
                assert!(hint.contains("mcp remove web --keep") && hint.contains(way_out), "{hint}");
            }
            (_, expected) => assert_eq!(Some(found), expected, "{verb:?} of {state:?} with {options:?}"),
        }
    }
}

#[test]
fn each_decision_is_one_piece_of_shell() {
    let server = server(RUN);
    let host = host("docker");
    with_registered(&server, &host, |r| {
        for (decision, code) in [
            (Decision::Create, RUN.to_owned()),
            (Decision::Start, "docker start plain".to_owned()),
            (Decision::Unpause, "docker unpause plain".to_owned()),
            (Decision::Replace, format!("docker rm -f plain >/dev/null && {RUN}")),
            (Decision::Stop, "docker stop plain".to_owned()),
            (Decision::Restart, "docker restart plain".to_owned()),
        ] {
            assert_eq!(decision.code(r, None), Some(code), "{decision:?}");
        }
        assert_eq!(Decision::Leave(None).code(r, None), None);
        assert_eq!(Decision::Refuse(Trouble::failed("x", None)).code(r, None), None);
        let code = Decision::StopAndReplace.code(r, None).unwrap_or_default();
        assert!(
            code.starts_with("docker stop plain && { docker rm -f plain ") && code.ends_with(&format!("{RUN}; }}"))
        );
    });
}

#[test]
fn what_was_looked_at_is_acted_on_and_nothing_that_has_taken_its_name_since() {
    let (server, host) = (server(RUN), host("docker"));
    let with_stop = Server { stop: Some("docker stop -t 30 plain".to_owned()), ..server.clone() };
    with_registered(&server, &host, |r| {
        for (decision, code) in [
            (Decision::Start, "docker start 4f5e"),
            (Decision::Unpause, "docker unpause 4f5e"),
            (Decision::Stop, "docker stop 4f5e"),
            (Decision::Restart, "docker restart 4f5e"),
            (Decision::Create, RUN),
        ] {
            assert_eq!(decision.code(r, Some("4f5e")).as_deref(), Some(code), "{decision:?}");
        }
    });
    let look = "mcp_i=$(docker container inspect --format '{{.Id}}' plain); if [ \"$mcp_i\" = 4f5e ]; then ";
    for (server, decision) in [
        (&server, Decision::Replace),
        (&server, Decision::StopAndReplace),
        (&with_stop, Decision::Stop),
        (&with_stop, Decision::Restart),
        (&with_stop, Decision::StopAndReplace),
    ] {
        with_registered(server, &host, |r| {
            let (known, unknown) = (decision.code(r, Some("4f5e")), decision.code(r, None));
            let inside = known.as_deref().and_then(|code| code.strip_prefix(look));
            assert!(inside.is_some_and(|code| code.starts_with(&unknown.unwrap_or_default())), "{known:?}");
        });
    }
}

#[test]
fn a_registered_stop_string_stands_wherever_a_container_is_stopped() {
    let server = Server { stop: Some("docker stop -t 30 plain".to_owned()), ..server(RUN) };
    let host = host("docker");
    with_registered(&server, &host, |r| {
        assert_eq!(Decision::Stop.code(r, None).as_deref(), Some("docker stop -t 30 plain"));
        for decision in [Decision::Restart, Decision::StopAndReplace] {
            let code = decision.code(r, None).unwrap_or_default();
            assert!(code.starts_with("docker stop -t 30 plain && "), "{code}");
            assert!(code.contains(RUN), "it may have removed the container: {code}");
        }
    });
}

#[test]
fn a_host_s_words_for_docker_stand_in_every_place() {
    let server = Server { stop: Some("docker stop -t 30 plain".to_owned()), ..server(RUN) };
    let host = host("sudo -n docker");
    with_registered(&server, &host, |r| {
        for decision in [
            Decision::Create,
            Decision::Start,
            Decision::Unpause,
            Decision::Replace,
            Decision::Stop,
            Decision::Restart,
            Decision::StopAndReplace,
        ] {
            let code = decision.code(r, None).unwrap_or_default();
            let (all, sudo) = (code.matches("docker ").count(), code.matches("sudo -n docker ").count());
            assert!(sudo > 0 && all == sudo, "{decision:?}: {code}");
        }
    });
}

#[test]
fn what_is_reported_follows_from_the_decision() {
    for (decision, action, applies) in [
        (Decision::Leave(None), None, false),
        (Decision::Refuse(Trouble::failed("x", None)), None, false),
        (Decision::Create, Some(Action::Created), true),
        (Decision::Start, Some(Action::Started), true),
        (Decision::Unpause, Some(Action::Started), true),
        (Decision::Replace, Some(Action::Replaced), true),
        (Decision::StopAndReplace, Some(Action::Replaced), true),
        (Decision::Restart, Some(Action::Restarted), true),
        (Decision::Stop, Some(Action::Stopped), false),
    ] {
        assert_eq!((decision.action(), decision.applies_registered()), (action, applies), "{decision:?}");
    }
}
