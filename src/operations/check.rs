//! Everything that is wrong in the workspace's files, at once.
//!
//! Boundary: findings; each file's own rules are `config`'s, those of the strings are `registered`'s.

use super::{
    hosts::Finding,
    registered::{check as check_strings, conflicts},
};
use crate::{
    config::{self, store::Workspace},
    domain::plural,
};

/// Checks all three files of `workspace`.
#[must_use]
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let wrong = |what: String| Finding { ok: false, what, fix: None };
    let mut findings: Vec<Finding> =
        config::check(workspace.context(), &check_strings).into_iter().map(|error| wrong(error.to_string())).collect();
    if !findings.is_empty() {
        return findings;
    }
    match workspace.load(&check_strings) {
        Ok(loaded) => {
            findings.extend(
                conflicts(&loaded.registry, &loaded.inventory)
                    .into_iter()
                    .map(|(server, why)| wrong(format!("servers.yaml: servers.{server}.command: {why}"))),
            );
            if findings.is_empty() {
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
            }
        }
        Err(error) => findings.push(wrong(error.to_string())),
    }
    findings
}
