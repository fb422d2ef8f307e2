//! What every use case works with: the loaded workspace and the fleet.
//!
//! Boundary: borrowed values; made by `commands::App`.

use std::time::Duration;

use super::{
    act::understand,
    registered::Registered,
    select::{Target, by_host},
};
use crate::{
    config::{inventory::Inventory, registry::Registry, state::State, store::Workspace},
    domain::Host,
    error::CommandError,
    fleet::{Fleet, HostError, Session},
};

/// What one host was asked about, and its answer.
pub(super) type Answer<'a, T> = (&'a Host, Vec<Registered<'a>>, Result<T, HostError>);

/// The loaded workspace and the means to reach its hosts.
pub struct Context<'a> {
    /// Where the three files are.
    pub workspace: &'a Workspace,
    /// The hosts.
    pub inventory: &'a Inventory,
    /// The servers.
    pub registry: &'a Registry,
    /// What was known when the command began.
    pub state: &'a State,
    /// Reaches the hosts.
    pub fleet: Fleet<'a>,
    /// Who acts: `user@machine`, for the record.
    pub actor: String,
    /// How long a container is waited for on which another run acts; `None` acts without asking.
    pub patience: Option<Duration>,
}

impl Context<'_> {
    /// Runs `task` once for each host of `targets`, with that host's targets understood, by name.
    ///
    /// # Errors
    /// Only when nothing could be begun: a string that cannot be used, or no workers. A host's own trouble is its answer.
    pub(super) fn on_each_host<'t, T: Send>(
        &self,
        targets: &[Target<'t>],
        task: impl Fn(&mut Session<'_>, &Vec<Registered<'t>>) -> Result<T, HostError> + Sync,
    ) -> Result<Vec<Answer<'t, T>>, CommandError> {
        let work = understood(targets)?;
        let outcomes = self
            .fleet
            .run(&work, task)
            .map_err(|e| CommandError::failed("cannot start the workers").because(&e).hint("use fewer --forks"))?;
        Ok(work.into_iter().zip(outcomes).map(|((host, registered), o)| (host, registered, o.result)).collect())
    }
}

/// The work of each host: its targets understood, by name; hosts in the order they came.
///
/// # Errors
/// A string that cannot be used.
pub(super) fn understood<'t>(targets: &[Target<'t>]) -> Result<Vec<(&'t Host, Vec<Registered<'t>>)>, CommandError> {
    let mut registered = understand(targets)?.into_iter();
    let mut work = vec![];
    for (host, targets) in by_host(targets) {
        let mut here: Vec<Registered<'t>> = registered.by_ref().take(targets.len()).collect();
        here.sort_by(|a, b| a.target.server.name.cmp(&b.target.server.name));
        work.push((host, here));
    }
    Ok(work)
}
