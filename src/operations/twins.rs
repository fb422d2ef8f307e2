//! Several inventory names for one machine: a run acts once on each of its containers.
//!
//! Boundary: pure; told from the resolved destination, so that no host is asked. Next: `run` adds the rows of the others.

use std::collections::HashMap;

use super::{InstanceReport, Outcome, select::Target};
use crate::domain::{Connection, Docker, Host, Instance, SshEndpoint};

/// Variables by which docker's client finds another engine.
const ENGINE: [&str; 2] = ["DOCKER_HOST", "DOCKER_CONTEXT"];

/// An instance whose container is that of another instance.
#[derive(Debug, Clone)]
pub struct Twin<'a> {
    /// The instance that is not acted on.
    pub target: Target<'a>,
    /// The one that is, for the same container.
    pub first: Instance,
}

impl Twin<'_> {
    /// The row of this instance, from the row of the one that was acted on.
    #[must_use]
    pub fn row(&self, first: &InstanceReport) -> InstanceReport {
        let mut status = first.status.clone();
        if let Some(status) = &mut status {
            status.host = self.target.host.name.clone();
        }
        InstanceReport {
            host: self.target.host.name.clone(),
            outcome: if first.outcome.is_ok() { Outcome::Unchanged } else { first.outcome },
            action: None,
            note: Some(self.note()),
            status,
            ..first.clone()
        }
    }

    /// Which container it is.
    #[must_use]
    pub fn note(&self) -> String {
        format!("the same container as {}", self.first)
    }
}

/// `targets` without those whose container is that of an earlier one, and these.
#[must_use]
pub fn split<'a>(targets: &[Target<'a>]) -> (Vec<Target<'a>>, Vec<Twin<'a>>) {
    let mut known: HashMap<(Machine<'_>, &str), Instance> = HashMap::new();
    let (mut kept, mut twins) = (vec![], vec![]);
    for target in targets {
        let Some(machine) = Machine::of(target.host) else {
            kept.push(*target);
            continue;
        };
        match known.get(&(machine.clone(), target.server.name.as_str())) {
            Some(first) => twins.push(Twin { target: *target, first: first.clone() }),
            None => {
                known.insert((machine, target.server.name.as_str()), target.instance());
                kept.push(*target);
            }
        }
    }
    (kept, twins)
}

/// Names of hosts that are one machine with one engine, two or more each, in inventory order.
#[must_use]
pub fn names(hosts: &[Host]) -> Vec<Vec<&Host>> {
    let mut order: Vec<Machine<'_>> = vec![];
    let mut found: HashMap<Machine<'_>, Vec<&Host>> = HashMap::new();
    for (machine, host) in hosts.iter().filter_map(|host| Some((Machine::of(host)?, host))) {
        let names = found.entry(machine.clone()).or_default();
        if names.is_empty() {
            order.push(machine);
        }
        names.push(host);
    }
    let several = order.into_iter().filter_map(|machine| found.remove(&machine));
    several.filter(|hosts| hosts.len() > 1).collect()
}

/// Where a host's engine is, as far as its configuration tells.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Machine<'a> {
    /// Address, port and user of each hop, the host itself last; none for this machine.
    hops: Vec<(&'a str, u16, &'a str)>,
    docker: &'a str,
    engine: [Option<&'a str>; 2],
}

impl<'a> Machine<'a> {
    fn of(host: &'a Host) -> Option<Self> {
        let hop = |endpoint: &'a SshEndpoint| (endpoint.address.as_str(), endpoint.port, endpoint.user.as_str());
        let hops = match &host.connection {
            Connection::Local => vec![],
            Connection::Ssh(endpoint) => {
                endpoint.jump.iter().map(|jump| hop(&jump.endpoint)).chain([hop(endpoint)]).collect()
            }
            Connection::Refused(_) => return None,
        };
        let Docker::Words(docker) = &host.docker else { return None };
        let engine = ENGINE.map(|name| host.env.get(name).map(String::as_str));
        Some(Self { hops, docker, engine })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::domain::{HostName, Server, ServerName};

    fn host(name: &str, connection: Connection) -> Host {
        Host::new(HostName::new(name).unwrap(), connection)
    }

    fn ssh(address: &str, user: &str) -> Connection {
        Connection::Ssh(SshEndpoint::new(address, user))
    }

    #[test]
    fn one_destination_with_one_engine_is_one_machine() {
        let engine = |mut host: Host, value: &str| {
            host.env.insert("DOCKER_HOST".to_owned(), value.to_owned());
            host
        };
        let hosts = [
            host("web", ssh("192.0.2.1", "root")),
            host("other", ssh("192.0.2.2", "root")),
            host("alias", ssh("192.0.2.1", "root")),
            host("guest", ssh("192.0.2.1", "guest")),
            engine(host("rootless", ssh("192.0.2.1", "root")), "unix:///run/user/1/docker.sock"),
            host("here", Connection::Local),
            host("bad", Connection::Refused("no".to_owned())),
            host("bad-too", Connection::Refused("no".to_owned())),
            host("localhost", Connection::Local),
        ];
        let found: Vec<Vec<&str>> =
            names(&hosts).into_iter().map(|hosts| hosts.iter().map(|h| h.name.as_str()).collect()).collect();
        assert_eq!(found, [["web", "alias"], ["here", "localhost"]]);
        let server = Server::new(ServerName::new("a").unwrap(), "docker run -d --name a x", vec![]);
        let targets: Vec<Target<'_>> = hosts.iter().map(|host| Target { server: &server, host }).collect();
        let (kept, twins) = split(&targets);
        assert_eq!(kept.len(), 7);
        let twins: Vec<String> = twins.iter().map(|t| format!("{}={}", t.target.instance(), t.first)).collect();
        assert_eq!(twins, ["a@alias=a@web", "a@localhost=a@here"]);
    }
}
