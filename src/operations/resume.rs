//! What an earlier run left to do.
//!
//! Boundary: the journal's runs and the registry in, targets out; does nothing. Next: `run` does it.

use std::collections::BTreeSet;

mod hosts;

pub use hosts::{LeftHosts, left_hosts, why_not};

use super::{Verb, forget, host_run::HostVerb, pull, select::Target};
use crate::{
    config::{
        inventory::Inventory,
        journal::{self, Run, Runs},
        registry::Registry,
        source::Sources,
        store::{
            Workspace,
            origin::{Life, life},
        },
    },
    domain::Instance,
    error::CommandError,
};

/// What is left of a run.
#[derive(Debug)]
pub struct Left<'a> {
    /// How many instances it was about, with the runs before it that it went on with.
    pub planned: usize,
    /// What is to be done, in inventory order.
    pub targets: Vec<Target<'a>>,
    /// What cannot be done any more, and what is odd.
    pub warnings: Vec<String>,
}

/// Reads the journal of `workspace`.
///
/// # Errors
/// What the system says.
pub fn read(workspace: &Workspace) -> Result<Runs, CommandError> {
    workspace.read_journal().map_err(|e| CommandError::failed("the journal cannot be read").because(&e))
}

/// The verb of a run that this program can do again.
#[must_use]
pub fn verb(run: &Run) -> Option<Verb> {
    [Verb::Start, Verb::Stop, Verb::Restart, Verb::Rollback].into_iter().find(|verb| verb.as_str() == run.begin.verb)
}

/// The verb of a run on hosts that this program can do again.
#[must_use]
pub fn host_verb(run: &Run) -> Option<HostVerb> {
    HostVerb::of(&run.begin.verb)
}

/// Whether it is meant by a `resume` that names no run. A command that did what it should on every host is not: somebody looked at
/// something between a change and the rest of it.
fn is_meant(run: &Run) -> bool {
    if host_verb(run).is_some() || run.begin.verb == pull::VERB {
        let is_well = run.end.as_ref().is_some_and(|(_, end)| end.exit == 0);
        return run.begin.parent.is_some() || !is_well;
    }
    verb(run).is_some() || run.begin.verb == forget::VERB
}

/// The run that `name` (an id, or either end of one) means, or the last one; it must not be at work.
///
/// # Errors
/// There is none, it is not clear which, or it is at work.
pub fn pick<'r>(runs: &'r Runs, name: Option<&str>) -> Result<&'r Run, CommandError> {
    let run = match name {
        Some(name) => find(runs, name)?,
        None => runs.runs.iter().rev().find(|run| is_meant(run)).ok_or_else(|| {
            CommandError::usage("there is no run to resume").hint("`mcp history` shows the runs of this workspace")
        })?,
    };
    rests(run)
}

/// The last run of `verb`; it must not be at work.
///
/// # Errors
/// There is none, or it is at work.
pub fn last_of<'r>(runs: &'r Runs, verb: &str) -> Result<&'r Run, CommandError> {
    let last = runs.runs.iter().rev().find(|run| run.begin.verb == verb);
    last.map_or_else(
        || {
            Err(CommandError::usage(format!("there is no {verb} in the journal that something could be left of"))
                .hint(format!("name what to {verb}; `mcp history` shows the runs of this workspace")))
        },
        rests,
    )
}

/// What `run` took its hosts from, when that is not what this command takes them from.
///
/// # Errors
/// This command names others: the same names may be other machines there.
pub fn sources_of(run: &Run, workspace: &Workspace) -> Result<Option<Vec<String>>, CommandError> {
    let (then, now) = (&run.begin.sources, workspace.sources().map(Sources::names).unwrap_or_default());
    if *then == now {
        return Ok(None);
    }
    if now.is_empty() {
        return Ok(Some(then.clone()));
    }
    let then = if then.is_empty() { "hosts.yaml".to_owned() } else { then.join(", ") };
    Err(CommandError::usage(format!(
        "run {} took its hosts from {then}, and this command names {}",
        run.id,
        now.join(", ")
    ))
    .hint("the same name may be another machine there; leave -i and MCP_INVENTORY out"))
}

/// Refuses a run whose hosts came from elsewhere than this command's.
///
/// # Errors
/// They did.
pub fn same_sources(run: &Run, workspace: &Workspace) -> Result<(), CommandError> {
    match sources_of(run, workspace)? {
        None => Ok(()),
        Some(then) => {
            Err(CommandError::usage(format!("run {} took its hosts from {}", run.id, then.join(", "))).hint(format!(
                "the same name may be another machine here: add `-i {}`, or go on with `mcp resume {}`",
                then.join(" -i "),
                run.id
            )))
        }
    }
}

/// The run that `name` means.
///
/// # Errors
/// There is none, or it is not clear which.
pub fn find<'r>(runs: &'r Runs, name: &str) -> Result<&'r Run, CommandError> {
    match runs.find(name)[..] {
        [run] => Ok(run),
        [] => Err(CommandError::usage(format!("there is no run {name}")).hint("see `mcp history -n 100`")),
        [first, second, ..] => {
            Err(CommandError::usage(format!("{name} may be {} or {}, or more", first.id, second.id))
                .hint("give more of its id"))
        }
    }
}

fn rests(run: &Run) -> Result<&Run, CommandError> {
    if run.end.is_none() && life(&run.begin.who, run.begin.process) == Life::Lives {
        let pid = run.begin.process.pid;
        return Err(CommandError::failed(format!("{} of {} is still at work (pid {pid})", run.begin.verb, run.id))
            .hint("wait for its end, or interrupt it"));
    }
    Ok(run)
}

/// What `run` left, as far as it is still registered.
#[must_use]
pub fn left<'a>(runs: &Runs, run: &Run, inventory: &'a Inventory, registry: &'a Registry) -> Left<'a> {
    let mut warnings: Vec<String> = may_live(run).into_iter().collect();
    let instance = |target| if let journal::Target::Instance(instance) = target { Some(instance) } else { None };
    let left: BTreeSet<Instance> = runs.left(run).into_iter().filter_map(instance).collect();
    let placed: BTreeSet<Instance> = registry.instances(inventory).into_iter().collect();
    let (mut gone, mut disabled, mut targets) = (vec![], vec![], vec![]);
    gone.extend(left.iter().filter(|instance| !placed.contains(instance)).map(ToString::to_string));
    for host in inventory.hosts() {
        for instance in left.iter().filter(|i| i.host == host.name && placed.contains(i)) {
            let Some(server) = registry.get(&instance.server) else { continue };
            // Somebody does not want it to run any more; to stop it can hurt nobody.
            if !server.enabled && run.begin.verb != Verb::Stop.as_str() {
                disabled.push(instance.to_string());
            } else {
                targets.push(Target { server, host });
            }
        }
    }
    if !gone.is_empty() {
        warnings.push(format!("no longer registered, so left out: {}", gone.join(", ")));
    }
    if !disabled.is_empty() {
        warnings.push(format!("disabled in servers.yaml, so left out: {}", disabled.join(", ")));
    }
    let root = runs.root(run);
    let wanted: Vec<journal::Target> = targets.iter().map(|t| journal::Target::Instance(t.instance())).collect();
    warnings.extend(since(runs, run, &wanted));
    Left { planned: root.begin.targets.len(), targets, warnings }
}

/// That `run` may still be at work where nobody can see it.
fn may_live(run: &Run) -> Option<String> {
    let is_unknown = run.end.is_none() && life(&run.begin.who, run.begin.process) == Life::Unknown;
    is_unknown
        .then(|| format!("{} has no end in the journal; it may still be at work on {}", run.id, run.begin.who.machine))
}

/// The last run that came to any of `wanted` after `run` and those that went on with it.
fn since(runs: &Runs, run: &Run, wanted: &[journal::Target]) -> Option<String> {
    let root = runs.root(run);
    let chain = |other: &&Run| runs.root(other).id == root.id;
    let last = runs.runs.iter().filter(chain).map(|r| r.started).max().unwrap_or(run.started);
    let touched = |other: &Run| wanted.iter().filter(|target| other.results.contains_key(target)).count();
    let later = runs.runs.iter().filter(|r| r.started > last).rev().find(|r| touched(r) > 0)?;
    let (verb, id) = (&later.begin.verb, &later.id);
    Some(format!("{verb} of {id} came to {} of these since; see `mcp history {id}`", touched(later)))
}
