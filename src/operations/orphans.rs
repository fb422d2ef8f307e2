//! Containers that `mcp` made and that are registered no more: renamed, removed with `--keep`, or their host dropped from the server.
//!
//! Boundary: what the state remembers, held against the hosts by container id in one exec each. Removes nothing on a host; what is gone
//! is forgotten. Next: `config::state` for how they are remembered.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    Context, Trouble,
    observe::{self, LOOK_ALLOWED, Observation, exit_of},
    registered::say,
};
use crate::{
    config::{inventory::Inventory, registry::Registry, state::State},
    docker::{command, run_string::RunString, shell::quote, status::report},
    domain::{Host, HostName, Instance, ServerName, ServerStatus, Status},
    error::{CommandError, Exit},
    transport::script::Script,
};

/// Why a container is an orphan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OrphanReason {
    /// The server has another container name now.
    Renamed,
    /// The server is not placed on that host any more.
    Moved,
    /// The server is not registered any more.
    Removed,
}

impl OrphanReason {
    /// The word used in tables and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Renamed => "renamed",
            Self::Moved => "moved",
            Self::Removed => "removed",
        }
    }
}

/// A container that the state remembers and that is registered no more.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    instance: Instance,
    container_id: String,
    container: Option<String>,
    reason: OrphanReason,
}

/// One orphan.
#[derive(Debug, Clone, Serialize)]
pub struct OrphanRow {
    /// What it is doing; `name` is the server that it was made for.
    #[serde(flatten)]
    pub status: ServerStatus,
    /// The container's name; null when it is not known.
    pub container: Option<String>,
    /// Why it is an orphan.
    pub reason: OrphanReason,
    /// The command that removes it.
    pub remove: String,
}

/// The orphans.
#[derive(Debug, Clone, Default)]
pub struct OrphanReport {
    /// By host in inventory order, then by server.
    pub rows: Vec<OrphanRow>,
    /// Hosts without an answer.
    pub troubles: Vec<(String, Trouble)>,
}

impl OrphanReport {
    /// The exit code: orphans are no failure, a host without an answer is.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.troubles.iter().fold(Exit::Ok, |exit, (_, trouble)| exit.or(exit_of(trouble)))
    }
}

/// The orphans on `hosts`, all of the inventory's or fewer. With `all_hosts` those on hosts that the inventory does not have any more are
/// added as unknown.
///
/// # Errors
/// Only when nothing could be begun.
pub fn orphans(
    context: &Context<'_>,
    hosts: &[&Host],
    all_hosts: bool,
) -> Result<(OrphanReport, Vec<String>), CommandError> {
    let mut by_host: BTreeMap<HostName, Vec<Candidate>> = BTreeMap::new();
    for candidate in candidates(context.state, context.registry, context.inventory) {
        by_host.entry(candidate.instance.host.clone()).or_default().push(candidate);
    }
    let work: Vec<(&Host, Vec<Candidate>)> =
        hosts.iter().filter_map(|host| Some((*host, by_host.remove(&host.name)?))).collect();
    let outcomes = context
        .fleet
        .run(&work, |session, candidates| {
            let mut script = Script::new();
            script.export(&session.host().env);
            let ids = || candidates.iter().map(|c| c.container_id.as_str());
            let look = script.run(&observe::question(ids(), session.host()));
            let sections = session.exec("orphans", &script, LOOK_ALLOWED)?;
            Ok(observe::read_of(sections.get(look), ids(), Timestamp::now()))
        })
        .map_err(|e| CommandError::failed("cannot start the workers").because(&e).hint("use fewer --forks"))?;
    let mut found = OrphanReport::default();
    let mut gone = vec![];
    for ((host, candidates), outcome) in work.iter().zip(outcomes) {
        match outcome.result.map_err(|error| Trouble::host(&error, host)).and_then(|inner| inner) {
            Ok(seen) => {
                for candidate in candidates {
                    match row(candidate, host, &seen) {
                        Some(row) => found.rows.push(row),
                        None => gone.push((candidate.instance.clone(), candidate.container_id.clone())),
                    }
                }
            }
            Err(trouble) => {
                found.rows.extend(candidates.iter().map(|c| unseen(c, host_remove(host, c), &trouble.cause)));
                found.troubles.push((host.name.to_string(), trouble));
            }
        }
    }
    let elsewhere =
        by_host.into_values().flatten().filter(|c| all_hosts && context.inventory.get(&c.instance.host).is_none());
    found.rows.extend(elsewhere.map(|c| {
        let remove = format!("docker rm -f {}", quote(&c.container_id));
        unseen(&c, remove, "its host is not in the inventory any more")
    }));
    Ok((found, forget(context, &gone)))
}

/// What the state remembers and the registry does not name, by instance.
fn candidates(state: &State, registry: &Registry, inventory: &Inventory) -> Vec<Candidate> {
    let placed: BTreeSet<Instance> = registry.instances(inventory).into_iter().collect();
    let names: BTreeMap<&ServerName, Option<String>> = registry
        .servers()
        .iter()
        .map(|server| {
            let run = RunString::parse(&server.command).ok();
            (&server.name, run.and_then(|run| run.container_name().map(str::to_owned)))
        })
        .collect();
    let registered = |instance: &Instance| names.get(&instance.server).and_then(Option::as_deref);
    // The containers of registered instances, which may once have been another's.
    let owned: BTreeSet<(&HostName, &str)> = state
        .instances
        .iter()
        .filter(|(instance, record)| {
            placed.contains(*instance)
                && record.container.as_deref().is_none_or(|name| Some(name) == registered(instance))
        })
        .filter_map(|(instance, record)| Some((&instance.host, record.container_id.as_deref()?)))
        .collect();
    let taken: BTreeSet<(&HostName, &str)> =
        placed.iter().filter_map(|instance| Some((&instance.host, registered(instance)?))).collect();
    let mut found = vec![];
    for (instance, record) in &state.instances {
        let reason = match (placed.contains(instance), names.contains_key(&instance.server)) {
            (true, _) => OrphanReason::Renamed,
            (false, true) => OrphanReason::Moved,
            (false, false) => OrphanReason::Removed,
        };
        let own = record.container_id.as_deref().filter(|_| {
            reason != OrphanReason::Renamed
                || record.container.as_deref().is_some_and(|name| registered(instance) != Some(name))
        });
        let earlier = record.left.iter().map(|left| (left.container_id.as_str(), Some(&left.container)));
        for (id, container) in own.map(|id| (id, record.container.as_ref())).into_iter().chain(earlier) {
            let is_owned = owned.contains(&(&instance.host, id))
                || container.is_some_and(|name| taken.contains(&(&instance.host, name.as_str())));
            if !is_owned {
                let (container_id, container) = (id.to_owned(), container.cloned());
                found.push(Candidate { instance: instance.clone(), container_id, container, reason });
            }
        }
    }
    found
}

/// The row of `candidate` on a host that answered; `None` when its container is gone.
fn row(candidate: &Candidate, host: &Host, seen: &Observation) -> Option<OrphanRow> {
    let container = seen.with_id(&candidate.container_id)?;
    let Candidate { instance, reason, .. } = candidate;
    let status = report(&instance.server, &instance.host, Some(container), false, seen.at());
    let remove = remove(host, &container.name);
    Some(OrphanRow { status, container: Some(container.name.clone()), reason: *reason, remove })
}

fn unseen(candidate: &Candidate, remove: String, why: &str) -> OrphanRow {
    let Candidate { instance, container_id, container, reason } = candidate;
    let mut status =
        ServerStatus::bare(instance.server.clone(), instance.host.clone(), Status::Unknown, Timestamp::UNIX_EPOCH);
    status.container_id = Some(container_id.clone());
    status.message = Some(why.to_owned());
    OrphanRow { status, container: container.clone(), reason: *reason, remove }
}

fn host_remove(host: &Host, candidate: &Candidate) -> String {
    remove(host, &candidate.container_id)
}

/// The command that removes `container` from `host`.
fn remove(host: &Host, container: &str) -> String {
    format!("mcp exec {} -- {}", host.name, quote(&say(&command::force_remove(container), host)))
}

/// Forgets containers that are gone.
fn forget(context: &Context<'_>, gone: &[(Instance, String)]) -> Vec<String> {
    if gone.is_empty() {
        return vec![];
    }
    let placed: BTreeSet<Instance> = context.registry.instances(context.inventory).into_iter().collect();
    let written = context.workspace.update_state_if_free(|state| {
        for (instance, id) in gone {
            let Some(record) = state.instances.get_mut(instance) else { continue };
            record.left.retain(|left| left.container_id != *id);
            if record.container_id.as_ref() == Some(id) {
                record.container_id = None;
                record.command_hash = None;
            }
            if record.container_id.is_none() && record.left.is_empty() && !placed.contains(instance) {
                state.instances.remove(instance);
            }
        }
    });
    observe::warning(written)
}

#[cfg(test)]
mod tests;
