use std::{os::unix::fs::PermissionsExt, path::Path, process::Command};

use super::*;
use crate::{
    docker::{fixture, inspect},
    domain::{Connection, Docker, HostName, Server, ServerName},
    operations::select::Target,
    transport::{End, Output, script::Sections},
};

/// A stand-in for docker's command line: writes down how it was called, and inspects what was captured of real containers.
const DOCKER: &str = "#!/bin/sh\nhere=$(dirname \"$0\")\necho \"$1 $2\" >>\"$here/calls\"\n\
                      case $1 in container) cat \"$here/answer\"; echo \"Error: No such container: gone\" >&2; exit 1;; logs) echo \"last words of $4\";; esac\n";

fn server(name: &str) -> Server {
    Server::new(
        ServerName::new(name).unwrap_or_else(|e| panic!("{e}")),
        format!("docker run -d --name {name} example/app:1.0"),
        vec![],
    )
}

fn host(docker: &Path) -> Host {
    let name = HostName::new("edge-1").unwrap_or_else(|e| panic!("{e}"));
    Host { docker: Docker::Words(docker.display().to_string()), ..Host::new(name, Connection::Local) }
}

/// Restarts `names` where docker answers `answer`; gives the plan, what came back, and the words docker was called with.
fn restart(names: &[&str], answer: &str) -> (Plan, Sections, Vec<String>) {
    let directory = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
    let docker = directory.path().join("docker");
    let made = std::fs::write(&docker, DOCKER)
        .and_then(|()| std::fs::set_permissions(&docker, std::fs::Permissions::from_mode(0o755)))
        .and_then(|()| std::fs::write(directory.path().join("answer"), answer));
    made.unwrap_or_else(|e| panic!("{e}"));
    let (host, servers) = (host(&docker), names.iter().map(|name| server(name)).collect::<Vec<_>>());
    let understood = |server| Registered::new(Target { server, host: &host }).unwrap_or_else(|e| panic!("{e}"));
    let registered: Vec<Registered<'_>> = servers.iter().map(understood).collect();
    let decisions = vec![Decision::Restart; registered.len()];
    let options = Options::default();
    let (before, stamp) = (Observation::default(), Stamp::default());
    let plan = Plan::new(&host, Verb::Restart, options, (&registered, &decisions), &before, None, &stamp);
    let script = plan.script.as_ref().unwrap_or_else(|| panic!("there is nothing to do"));
    let said = Command::new("sh").args(["-c", &script.to_shell().text]).output().unwrap_or_else(|e| panic!("{e}"));
    let output = Output::whole(said.stdout, said.stderr, End::Exit(0));
    let sections = script.read(&output);
    let calls = std::fs::read_to_string(directory.path().join("calls")).unwrap_or_else(|e| panic!("{e}"));
    let mut calls: Vec<String> = calls.lines().map(str::to_owned).collect();
    calls.sort();
    (plan, sections, calls)
}

fn captured(case: &str) -> String {
    fixture::read(&format!("28.2/inspect/{case}.out"))
}

#[test]
fn a_restart_that_goes_well_starts_docker_once_for_each_container_and_once_to_look() {
    let (plan, sections, calls) = restart(&["plain", "binds", "gone"], &(captured("plain") + &captured("binds")));
    assert_eq!(calls, ["container inspect", "restart binds", "restart gone", "restart plain"]);
    let look = plan.look.and_then(|id| sections.get(id)).unwrap_or_else(|| panic!("no look"));
    assert_eq!(look.exit, Some(1));
    assert_eq!(inspect::parse(&look.stdout_text()).map(|seen| seen.len()).unwrap_or_default(), 2);
    assert!(look.stderr_text().contains("No such container: gone"));
    assert!(plan.logs.values().all(|id| sections.get(*id).is_some_and(|s| s.stdout.is_empty())));
}

#[test]
fn the_log_is_read_of_those_that_are_not_up_and_of_no_other() {
    let answer = captured("plain") + &captured("exited_three") + &captured("restart_loop");
    let (plan, sections, calls) = restart(&["plain", "exited_three", "restart_loop"], &answer);
    assert_eq!(calls.iter().filter(|call| call.starts_with("container")).count(), 1, "{calls:?}");
    let words = |name: &str| sections.get(plan.logs[name]).map(|s| s.stdout_text()).unwrap_or_default();
    assert_eq!(words("plain"), "");
    assert_eq!(words("exited_three"), "last words of exited_three\n");
    assert_eq!(words("restart_loop"), "last words of restart_loop\n");
}
