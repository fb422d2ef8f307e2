//! What every use case works with: the loaded workspace and the fleet.
//!
//! Boundary: borrowed values; made by `cli`.

use crate::{
    config::{inventory::Inventory, registry::Registry, state::State, store::Workspace},
    fleet::Fleet,
};

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
}
