//! Everything that is wrong in the workspace's files, at once.
//!
//! Boundary: findings; each file's own rules are `config`'s, those of the strings are `registered`'s.

use super::{
    hosts::Finding,
    registered::{check as check_strings, conflicts},
    risks::risks,
    twins,
};
use std::{cell::RefCell, collections::BTreeSet};

use crate::{
    config::{self, store::Workspace},
    docker::run_string::RunString,
    domain::{Connection, Docker, Host, Server, plural, secrets},
};

/// Most hosts named in one finding.
const MOST_NAMED: usize = 5;

/// What to do about a secret in a string. The docker client takes its arguments as they are, so that no `mcp` can hide them there.
pub(super) const IN_CLEAR: &str = "leave the value to the host: `-e NAME`, set by `env` in hosts.yaml or by the account there, or \
                        `--env-file FILE` with a file there; else everybody on the host can read it in `ps` while docker starts it";

/// Checks all three files of `workspace`.
#[must_use]
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let wrong = |what: String| Finding { ok: false, what, fix: None };
    // Servers are compared with each other even while others, or the state, are broken: everything is said at once.
    let servers = RefCell::new(vec![]);
    let gather = |server: &Server| {
        servers.borrow_mut().push(server.clone());
        check_strings(server)
    };
    let mut findings: Vec<Finding> =
        config::check(workspace, &gather).into_iter().map(|error| wrong(error.to_string())).collect();
    let inventory = workspace.inventory().ok();
    if let Some(inventory) = inventory {
        findings.extend(
            conflicts(&servers.borrow(), &inventory)
                .into_iter()
                .map(|(server, why)| wrong(format!("servers.yaml: servers.{server}.command: {why}"))),
        );
    }
    if !findings.is_empty() {
        return findings;
    }
    match workspace.load(&check_strings) {
        Ok(loaded) => {
            let (hosts, servers) = (loaded.inventory.hosts().len(), loaded.registry.servers().len());
            let instances = loaded.registry.instances(&loaded.inventory).len();
            let what = format!(
                "{}: {}, {}, {}",
                workspace.dir().display(),
                plural(hosts, "host"),
                plural(servers, "server"),
                plural(instances, "instance")
            );
            findings.push(Finding { ok: true, what, fix: None });
            findings.extend(refused(loaded.inventory.hosts()));
            findings.extend(same_machine(loaded.inventory.hosts()));
            findings.extend(growing(loaded.registry.servers()));
            findings.extend(at_risk(loaded.registry.servers()));
            findings.extend(in_clear(loaded.registry.servers(), loaded.inventory.hosts()));
            findings.extend(loaded.warnings.iter().map(|what| Finding {
                ok: true,
                what: what.clone(),
                fix: Some("see docs/files.md".to_owned()),
            }));
        }
        Err(error) => findings.push(wrong(error.to_string())),
    }
    findings
}

/// Strings whose containers have logs without bound: one warning for all of them.
fn growing(servers: &[Server]) -> Option<Finding> {
    let grows =
        |server: &&Server| RunString::parse(&server.command).is_ok_and(|run| run.log_grows() && !run.is_on_demand());
    let names: Vec<&str> = servers.iter().filter(grows).map(|server| server.name.as_str()).collect();
    let more = names.len().saturating_sub(MOST_NAMED);
    let who = names.iter().take(MOST_NAMED).copied().collect::<Vec<_>>().join(", ");
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!names.is_empty()).then(|| Finding {
        ok: true,
        what: format!(
            "servers.yaml: the log of {who}{rest} grows without bound, unless the host's daemon.json limits it"
        ),
        fix: Some("add `--log-opt max-size=10m --log-opt max-file=3` to the string".to_owned()),
    })
}

/// Strings that open more of their host than they may have to: a warning for each risk.
fn at_risk(servers: &[Server]) -> Vec<Finding> {
    let of = |server: &Server| {
        let found = RunString::parse(&server.command).map(|run| risks(&run)).unwrap_or_default();
        let path = format!("servers.yaml: servers.{}.command", server.name);
        found.into_iter().map(move |risk| Finding {
            ok: true,
            what: format!("{path}: {}", risk.what),
            fix: Some(risk.fix),
        })
    };
    servers.iter().flat_map(of).collect()
}

/// Strings that hold a secret in clear: a warning each.
fn in_clear(servers: &[Server], hosts: &[Host]) -> Vec<Finding> {
    let of_server = servers.iter().flat_map(|server| {
        let Server { name, command, stop, logs, stats, pull, .. } = server;
        let others = [("stop", stop), ("logs", logs), ("stats", stats), ("pull", pull)];
        [("command", Some(command))]
            .into_iter()
            .chain(others.map(|(key, text)| (key, text.as_ref())))
            .filter_map(move |(key, text)| Some((format!("servers.yaml: servers.{name}.{key}"), text?.as_str())))
    });
    // Of a thousand hosts with the same words the first one stands for all.
    let mut known = BTreeSet::new();
    let words = hosts.iter().filter_map(|host| match &host.docker {
        Docker::Words(words) => known.insert(words).then(|| (format!("hosts.{}.docker", host.name), words.as_str())),
        Docker::Absent => None,
    });
    let finding = |(path, text): (String, &str)| {
        let mut names: Vec<String> = secrets::find(text).into_iter().map(|found| found.what).collect();
        names.dedup();
        (!names.is_empty()).then(|| Finding {
            ok: true,
            what: format!("{path}: in clear: {}", names.join(", ")),
            fix: Some(IN_CLEAR.to_owned()),
        })
    };
    of_server.chain(words.collect::<Vec<_>>()).filter_map(finding).collect()
}

/// Several names of one machine: a warning each.
fn same_machine(hosts: &[Host]) -> Vec<Finding> {
    let finding = |hosts: Vec<&Host>| {
        let names: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).take(MOST_NAMED).collect();
        let more = hosts.len().saturating_sub(MOST_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let place = match hosts.first().map(|host| &host.connection) {
            Some(Connection::Ssh(endpoint)) => {
                format!("{}@{} port {}", endpoint.user, endpoint.address, endpoint.port)
            }
            _ => "this machine".to_owned(),
        };
        Finding {
            ok: true,
            what: format!("{}{more}: one machine with several names ({place})", names.join(", ")),
            fix: Some("keep one of the names; a server that is placed on several has one container there".to_owned()),
        }
    };
    twins::names(hosts).into_iter().map(finding).collect()
}

/// Hosts that OpenSSH's configuration keeps out of reach, those with one reason together.
fn refused(hosts: &[Host]) -> Vec<Finding> {
    let mut reasons: Vec<(&str, Vec<&str>)> = vec![];
    for host in hosts {
        let Connection::Refused(reason) = &host.connection else { continue };
        match reasons.iter_mut().find(|(other, _)| other == reason) {
            Some((_, names)) => names.push(host.name.as_str()),
            None => reasons.push((reason, vec![host.name.as_str()])),
        }
    }
    let finding = |(reason, names): (&str, Vec<&str>)| {
        let more = names.len().saturating_sub(MOST_NAMED);
        let mut who = names.iter().take(MOST_NAMED).copied().collect::<Vec<_>>().join(", ");
        if more > 0 {
            who.push_str(&format!(" and {more} more"));
        }
        Finding {
            ok: false,
            what: format!("{who}: {reason}"),
            fix: Some(if reason.contains("hosts.yaml:") {
                "change that line; the other hosts are not affected".to_owned()
            } else {
                "change that line, or name another file by `ssh_config` in hosts.yaml".to_owned()
            }),
        }
    };
    reasons.into_iter().map(finding).collect()
}
