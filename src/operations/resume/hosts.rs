//! What an earlier run on hosts left, and whether the journal has what is needed to do it there.
//!
//! Boundary: as `resume`; files of this machine are looked at, not read.

use std::collections::BTreeSet;

use super::{may_live, since};
use crate::{
    config::{
        inventory::Inventory,
        journal::{Again, Run, Runs, Target},
    },
    domain::{Host, HostName, fold::fold},
    error::CommandError,
};

/// What is left of a run on hosts.
#[derive(Debug)]
pub struct LeftHosts<'a> {
    /// How many hosts it was about, with the runs before it that it went on with.
    pub planned: usize,
    /// Those that are left, in inventory order.
    pub hosts: Vec<&'a Host>,
    /// What cannot be done any more, and what is odd.
    pub warnings: Vec<String>,
}

/// The hosts that `run` left, as far as `inventory` has them.
///
/// # Errors
/// It has none of them: it is another inventory.
pub fn left_hosts<'a>(runs: &Runs, run: &Run, inventory: &'a Inventory) -> Result<LeftHosts<'a>, CommandError> {
    let wanted = runs.left(run);
    let host = |target: &Target| if let Target::Host(host) = target { Some(host.clone()) } else { None };
    let names: BTreeSet<HostName> = wanted.iter().filter_map(host).collect();
    let hosts: Vec<&Host> = inventory.hosts().iter().filter(|host| names.contains(&host.name)).collect();
    let mut warnings: Vec<String> = may_live(run).into_iter().collect();
    let gone: Vec<&str> = names.iter().filter(|name| inventory.get(name).is_none()).map(HostName::as_str).collect();
    if !gone.is_empty() {
        let gone = fold(gone);
        if hosts.is_empty() {
            return Err(CommandError::usage(format!("what {} left is no longer in the inventory: {gone}", run.id))
                .hint("was it another inventory, with -i/--inventory or $MCP_INVENTORY? give it again"));
        }
        warnings.push(format!("no longer in the inventory, so left out: {gone}"));
    }
    warnings.extend(since(runs, run, &wanted));
    Ok(LeftHosts { planned: runs.root(run).begin.targets.len(), hosts, warnings })
}

/// Why the journal does not have what is needed to do `run` again, if so.
#[must_use]
pub fn why_not(run: &Run) -> Option<String> {
    match &run.begin.again {
        None => Some("the journal lacks what it did".to_owned()),
        Some(Again::Lacks(what)) => Some(format!("the journal lacks {what}")),
        Some(again) => {
            let changed = again.files().into_iter().find(|file| !file.is_unchanged())?;
            Some(format!("{} has changed since, or is gone", changed.path))
        }
    }
}
