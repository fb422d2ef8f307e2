//! Everything that is wrong in the workspace's files, at once.
//!
//! Boundary: findings; each file's own rules are `config`'s, those of the strings are `registered`'s.

use super::{
    hosts::Finding,
    registered::{check as check_strings, conflicts},
};
use std::cell::RefCell;

use crate::{
    config::{self, store::Workspace},
    domain::{Connection, Host, Server, plural},
};

/// Most hosts named in one finding.
const MOST_NAMED: usize = 5;

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
        }
        Err(error) => findings.push(wrong(error.to_string())),
    }
    findings
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
            fix: Some("change that line, or name another file by `ssh_config` in hosts.yaml".to_owned()),
        }
    };
    reasons.into_iter().map(finding).collect()
}
