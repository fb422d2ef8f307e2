//! Taking hosts out of `hosts.yaml`, unless servers need them.
//!
//! Boundary: the text edits are `config::edit`'s, the write under the lock is `register`'s; no host is asked.

use std::collections::BTreeSet;

use super::{register::edit_inventory, registered::check};
use crate::{
    config::{
        edit,
        inventory::Inventory,
        registry::Registry,
        state::State,
        store::{SERVERS, Workspace},
    },
    domain::{HostName, Instance, Status, glob},
    error::{CommandError, Exit},
};

/// Removes the entries that `patterns` name or match, all or none; the entries. With `anyway`, also hosts where a server runs
/// that stays placed on other hosts.
///
/// # Errors
/// No such entry, a server is placed on a host by name or runs there, or the file cannot be changed.
pub fn remove_hosts(workspace: &Workspace, patterns: &[String], anyway: bool) -> Result<Vec<String>, CommandError> {
    let (registry, state) = workspace.load(&check).map(|loaded| (loaded.registry, loaded.state)).unwrap_or_default();
    let mut removed = vec![];
    edit_inventory(workspace, |text| {
        removed = entries(text, patterns)?;
        let new = removed.iter().try_fold(text.to_owned(), |text, entry| {
            edit::remove_host(&text, entry).map_err(|e| CommandError::usage("hosts.yaml was not changed").because(&e))
        })?;
        let parse = |text: &str| Inventory::parse(text, "hosts.yaml", workspace.context()).ok();
        let (Some(before), Some(after)) = (parse(text), parse(&new)) else { return Ok(new) };
        let lost: BTreeSet<HostName> =
            before.hosts().iter().map(|host| host.name.clone()).filter(|name| after.get(name).is_none()).collect();
        let there: Vec<Instance> =
            registry.instances(&before).into_iter().filter(|instance| lost.contains(&instance.host)).collect();
        let servers = std::fs::read_to_string(workspace.dir().join(SERVERS)).unwrap_or_default();
        let breaks = !servers.is_empty() && Registry::parse(&servers, SERVERS, &after, &check).is_err();
        let runs = there.iter().any(|instance| runs(&state, instance));
        if there.is_empty() || !breaks && (!runs || anyway) {
            return Ok(new);
        }
        Err(needed(&removed, &there, &state, breaks))
    })?;
    Ok(removed)
}

/// The entries of `hosts` in `text` that `patterns` name; a name without entry stays as it is, for the edit to refuse.
fn entries(text: &str, patterns: &[String]) -> Result<Vec<String>, CommandError> {
    let all = edit::host_entries(text).map_err(|e| CommandError::usage("hosts.yaml was not changed").because(&e))?;
    let mut chosen: Vec<String> = vec![];
    for pattern in patterns {
        let is_glob = pattern.contains(['*', '?']) && !all.contains(pattern);
        let matching: Vec<&String> =
            if is_glob { all.iter().filter(|entry| glob(pattern, entry)).collect() } else { vec![pattern] };
        if matching.is_empty() {
            return Err(CommandError::usage(format!("no entry of hosts.yaml matches {pattern:?}"))
                .hint("see the hosts with `mcp hosts list`"));
        }
        for entry in matching {
            if !chosen.contains(entry) {
                chosen.push(entry.clone());
            }
        }
    }
    Ok(chosen)
}

fn runs(state: &State, instance: &Instance) -> bool {
    state.instances.get(instance).is_some_and(|record| record.status.status == Status::Running)
}

/// Why hosts stay: what is placed or runs there.
fn needed(entries: &[String], there: &[Instance], state: &State, breaks: bool) -> CommandError {
    let mut error = CommandError::failed(format!("{} stays in hosts.yaml", entries.join(", ")));
    if breaks {
        error.exit = Exit::Usage;
    }
    for instance in there {
        let (server, host) = (&instance.server, &instance.host);
        let verb = if runs(state, instance) { "runs" } else { "is placed" };
        error.causes.push(format!("{server} {verb} on {host} (servers.{server}.host)"));
    }
    let names: BTreeSet<&str> = there.iter().map(|instance| instance.server.as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    error.hint(if breaks {
        format!("`mcp remove {} --stop`, or place it elsewhere with `mcp edit NAME --host …`", names.join(" "))
    } else {
        let instances = there.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        format!("`mcp stop {instances}` first, or leave it running with --yes")
    })
}
