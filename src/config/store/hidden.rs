//! The secrets that a workspace registers, so that what is shown and written down can be without them.
//!
//! Boundary: gathers; what a secret looks like is `domain::secrets`'s.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError},
};

use super::Workspace;
use crate::{
    config::{inventory::Inventory, registry::Registry},
    domain::{Docker, secrets::Secrets},
};

impl Workspace {
    /// What was registered as a secret when the workspace was last loaded; nothing before.
    #[must_use]
    pub fn secrets(&self) -> Arc<Secrets> {
        Arc::clone(&self.secrets.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Remembers what is secret of what was loaded.
    pub(super) fn learn(&self, inventory: &Inventory, registry: &Registry) {
        *self.secrets.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(gather(inventory, registry));
    }
}

fn gather(inventory: &Inventory, registry: &Registry) -> Secrets {
    // Thousands of hosts say the same few things.
    let mut texts = BTreeSet::new();
    let mut variables = BTreeSet::new();
    for host in inventory.hosts() {
        if let Docker::Words(words) = &host.docker {
            texts.insert(words.as_str());
        }
        variables.extend(host.env.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    }
    for server in registry.servers() {
        texts.insert(server.command.as_str());
        texts.extend([&server.stop, &server.logs, &server.stats].into_iter().flatten().map(String::as_str));
    }
    Secrets::of(texts, variables)
}
