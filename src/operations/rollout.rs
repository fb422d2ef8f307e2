//! How the `rollout` of servers shapes a run: its batches, limit and pause, and the warning of a run without batches.
//!
//! Boundary: pure. Next: `fleet::rolling` plans batches, `run` carries them out.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    Verb,
    change::Options,
    context::understood,
    registered::Registered,
    run::{names, spread},
    select::Target,
    twins,
};
use crate::{
    config::{inventory::Inventory, registry::Registry},
    domain::{Amount, Host, HostName, Rollout, Server, ServerName},
    error::CommandError,
    fleet::Rolling,
};

/// Most servers named in the warning.
const MOST_NAMED: usize = 5;

/// A run as it will go over its hosts.
#[derive(Debug)]
pub struct Outline {
    /// The hosts of each batch.
    pub batches: Vec<Vec<HostName>>,
    /// Limits and pauses, those of the servers included.
    pub rolling: Rolling,
    /// Whether there are several batches because of `rollout`.
    pub by_rollout: bool,
    /// That all instances of a server go down at the same time.
    pub warning: Option<String>,
}

/// Whether the batches of a run of `verb` are those of the servers' `rollout`.
#[must_use]
pub fn applies(rolling: &Rolling, verb: Verb) -> bool {
    rolling.serial.is_none() && !rolling.at_once && verb != Verb::Stop
}

/// Whether a run of `verb` over `targets` has sizes of batches, from the command line or from servers.
#[must_use]
pub fn has_batches(rolling: &Rolling, verb: Verb, targets: &[Target<'_>]) -> bool {
    let of_servers = || servers(targets).any(|server| server.rollout().serial.is_some());
    rolling.serial.is_some() || (applies(rolling, verb) && of_servers())
}

/// The batches in which `rolling` takes the hosts of `work` for `verb`, by their places in it.
pub(super) fn batches(
    inventory: &Inventory,
    registry: &Registry,
    work: &[(&Host, Vec<Registered<'_>>)],
    rolling: &Rolling,
    verb: Verb,
) -> Vec<Vec<usize>> {
    rolling.batches(work.len(), &spread(inventory, registry, work, applies(rolling, verb)))
}

/// Plans a run of `verb` over `targets`.
///
/// # Errors
/// A registered string that cannot be used.
pub fn outline(
    inventory: &Inventory,
    registry: &Registry,
    targets: &[Target<'_>],
    (verb, options): (Verb, Options),
    rolling: Rolling,
) -> Result<Outline, CommandError> {
    let (targets, _) = twins::split(targets);
    let targets = targets.as_slice();
    let work = understood(targets)?;
    let by_rollout = applies(&rolling, verb);
    let batches = batches(inventory, registry, &work, &rolling, verb);
    let batches: Vec<Vec<HostName>> = batches.iter().map(|batch| names(&work, batch)).collect();
    let rolling = match verb {
        Verb::Start | Verb::Restart if !rolling.at_once => {
            completed(rolling, servers(targets).map(Server::rollout), work.len())
        }
        _ => rolling,
    };
    // A start leaves what runs alone, unless it is to replace it.
    let takes_down = verb == Verb::Restart || (verb == Verb::Start && options.replace);
    let warning = takes_down.then(|| warning(verb, &whole(inventory, registry, targets, &batches))).flatten();
    Ok(Outline { by_rollout: by_rollout && batches.len() > 1, batches, rolling, warning })
}

/// The servers of `targets`, each once.
fn servers<'t>(targets: &[Target<'t>]) -> impl Iterator<Item = &'t Server> {
    let mut known = BTreeSet::new();
    targets.iter().map(|target| target.server).filter(move |server| known.insert(&server.name))
}

/// `rolling` with the strictest limit and the longest pause of `rollouts` where it has none; the run has `hosts`.
fn completed(rolling: Rolling, rollouts: impl Iterator<Item = Rollout>, hosts: usize) -> Rolling {
    let (mut limit, mut pause): (Option<Amount>, Duration) = (None, Duration::ZERO);
    let failures = |amount: Amount| match amount {
        Amount::Hosts(count) => count,
        Amount::Percent(percent) => (hosts * usize::from(percent)).div_ceil(100).max(1),
    };
    for rollout in rollouts {
        limit = [limit, rollout.max_fail].into_iter().flatten().min_by_key(|amount| failures(*amount));
        pause = pause.max(rollout.wait.unwrap_or_default());
    }
    Rolling {
        max_fail: rolling.max_fail.or(limit),
        wait: if rolling.wait.is_zero() { pause } else { rolling.wait },
        ..rolling
    }
}

/// Servers with several instances of which one batch has all, with their number.
fn whole(
    inventory: &Inventory,
    registry: &Registry,
    targets: &[Target<'_>],
    batches: &[Vec<HostName>],
) -> Vec<(ServerName, usize)> {
    let mut members: BTreeMap<ServerName, usize> = BTreeMap::new();
    for instance in registry.instances(inventory) {
        *members.entry(instance.server).or_default() += 1;
    }
    let batch_of: BTreeMap<&HostName, usize> =
        batches.iter().enumerate().flat_map(|(n, hosts)| hosts.iter().map(move |host| (host, n))).collect();
    let mut counts: BTreeMap<(&ServerName, usize), usize> = BTreeMap::new();
    for target in targets {
        if let Some(batch) = batch_of.get(&target.host.name) {
            *counts.entry((&target.server.name, *batch)).or_default() += 1;
        }
    }
    let is_whole = |((name, _), count): ((&ServerName, usize), usize)| {
        let all = members.get(name).copied().unwrap_or_default();
        (all > 1 && count == all).then(|| (name.clone(), all))
    };
    counts.into_iter().filter_map(is_whole).collect()
}

fn warning(verb: Verb, whole: &[(ServerName, usize)]) -> Option<String> {
    let what = match whole {
        [] => return None,
        [(name, count)] => format!("all {count} instances of {name}"),
        many => {
            let named: Vec<String> =
                many.iter().take(MOST_NAMED).map(|(name, count)| format!("{name} ({count})")).collect();
            let more = many.len().saturating_sub(MOST_NAMED);
            let more = if more > 0 { format!(" and {more} more servers") } else { String::new() };
            format!("all instances of {}{more}", named.join(", "))
        }
    };
    Some(format!(
        "{what} go down at the same time; `mcp {} --serial 1` takes one host after the other, \
         `rollout: {{serial: 1}}` in servers.yaml makes that the default",
        verb.as_str()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollout(max_fail: Option<&str>, wait: u64) -> Rollout {
        Rollout {
            serial: None,
            max_fail: max_fail.and_then(|text| text.parse().ok()),
            wait: (wait > 0).then(|| Duration::from_secs(wait)),
        }
    }

    #[test]
    fn of_several_servers_the_strictest_limit_and_the_longest_pause_hold() {
        let of = |rolling: Rolling, hosts| {
            let rollouts = [rollout(Some("3"), 5), rollout(Some("10%"), 30), rollout(None, 0)];
            let rolling = completed(rolling, rollouts.into_iter(), hosts);
            (rolling.max_fail.map(|amount| amount.to_string()).unwrap_or_default(), rolling.wait.as_secs())
        };
        assert_eq!(of(Rolling::default(), 20), ("10%".to_owned(), 30));
        assert_eq!(of(Rolling::default(), 100), ("3".to_owned(), 30));
        let given = Rolling { max_fail: "50%".parse().ok(), wait: Duration::from_secs(1), ..Rolling::default() };
        assert_eq!(of(given, 20), ("50%".to_owned(), 1));
    }

    #[test]
    fn the_warning_names_servers_with_their_number_of_instances() {
        let name = |text: &str| ServerName::new(text).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(warning(Verb::Restart, &[]), None);
        let text = warning(Verb::Restart, &[(name("fetch"), 3)]).unwrap_or_default();
        assert!(text.starts_with("all 3 instances of fetch go down"), "{text}");
        let many: Vec<(ServerName, usize)> = (0..7).map(|n| (name(&format!("s{n}")), 2)).collect();
        let text = warning(Verb::Restart, &many).unwrap_or_default();
        assert!(text.contains("s4 (2) and 2 more servers go down"), "{text}");
    }
}
