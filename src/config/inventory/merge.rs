//! Inventories that do not come from one `hosts.yaml`: made of resolved hosts, or of several inventories.
//!
//! Boundary: hosts as they are, and where they come from; nothing is read or resolved here.

use std::{collections::BTreeSet, sync::Arc};

use super::{Group, Inventory};
use crate::domain::{GroupName, Host, HostName};

impl Inventory {
    /// An inventory of hosts that are resolved already, groups given by positions.
    pub(in crate::config) fn assemble(hosts: Vec<Host>, groups: Vec<(GroupName, BTreeSet<usize>)>) -> Self {
        let group =
            |(name, members): (GroupName, BTreeSet<usize>)| Group { name, members: members.into_iter().collect() };
        Self::new(hosts, groups.into_iter().map(group).collect())
    }

    /// All hosts of several inventories. Of two hosts with one name the later is taken; groups with one name are one group.
    pub(in crate::config) fn union(inventories: Vec<Self>) -> Self {
        let mut whole = Self::new(Vec::new(), Vec::new());
        for inventory in inventories {
            let mut positions = Vec::with_capacity(inventory.hosts.len());
            for host in inventory.hosts {
                let at = *whole.index.entry(host.name.clone()).or_insert(whole.hosts.len());
                positions.push(at);
                match whole.hosts.get_mut(at) {
                    Some(known) => {
                        let mut groups = std::mem::take(&mut known.groups);
                        groups.extend(host.groups.iter().cloned());
                        groups.sort();
                        groups.dedup();
                        *known = Host { groups, ..host };
                    }
                    None => whole.hosts.push(host),
                }
            }
            for group in inventory.groups {
                let members = group.members.iter().filter_map(|at| positions.get(*at).copied());
                match whole.groups.iter_mut().find(|known| known.name == group.name) {
                    Some(known) => {
                        known.members.extend(members);
                        known.members.sort_unstable();
                        known.members.dedup();
                    }
                    None => whole.groups.push(Group { name: group.name.clone(), members: members.collect() }),
                }
            }
            whole.sources.extend(inventory.sources);
            whole.base = whole.base.or(inventory.base);
        }
        whole
    }

    /// The same inventory, named for this run: servers may be placed on hosts that it does not have.
    pub(in crate::config) fn into_named(self) -> Self {
        Self { named: true, ..self }
    }

    /// The same inventory, with every host that has no source yet coming from `source`.
    pub(in crate::config) fn coming_from(mut self, source: &str) -> Self {
        let source: Arc<str> = source.into();
        for host in &self.hosts {
            self.sources.entry(host.name.clone()).or_insert_with(|| Arc::clone(&source));
        }
        self
    }

    /// Says where `host` comes from.
    pub(in crate::config) fn set_source(&mut self, host: &HostName, source: &str) {
        self.sources.insert(host.clone(), source.into());
    }
}
