//! `hosts.yaml`: the hosts, with every default and group value applied, and the groups.
//!
//! Boundary: text in, hosts out; the file is read by `store`. Reference of the keys: `docs/files.md`.
//! Next: `inventory/load.rs` reads, `inventory/vars.rs` layers values, `inventory/groups.rs` resolves membership,
//! `inventory/connect.rs` works out how each host is reached.

mod connect;
#[cfg(test)]
mod connect_tests;
mod groups;
mod load;
#[cfg(test)]
mod tests;
mod vars;

use std::{collections::HashMap, path::PathBuf};

use super::{
    error::{ConfigErrors, closest},
    pattern::{Body, HostPattern, Operator, PatternError, glob, is_glob},
    ssh_config::Reader,
};
use crate::domain::{Connection, Docker, GroupName, Host, HostName};

/// Deadline of connecting where nothing else is said, in seconds.
const CONNECT_TIMEOUT: u64 = 10;

/// What relative values are resolved against.
#[derive(Debug, Clone)]
pub struct Context {
    /// The workspace: relative paths stand below it.
    pub dir: PathBuf,
    /// What `~` stands for.
    pub home: Option<PathBuf>,
    /// The user here, also on hosts that name none.
    pub user: String,
    /// Reads OpenSSH's configuration; the default one reads nothing.
    pub ssh: Reader,
}

/// A group and the hosts in it, those of its children included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: GroupName,
    /// Positions in the inventory, ascending.
    members: Vec<usize>,
}

/// The hosts of a workspace.
#[derive(Debug, Clone)]
pub struct Inventory {
    hosts: Vec<Host>,
    groups: Vec<Group>,
    index: HashMap<HostName, usize>,
    implicit: bool,
}

impl Inventory {
    /// Reads `hosts.yaml`.
    ///
    /// # Errors
    /// Everything that is wrong in it, `label` being the file's name in the errors.
    pub fn parse(text: &str, label: &str, context: &Context) -> Result<Self, ConfigErrors> {
        load::load(text, label, context)
    }

    /// What there is without a `hosts.yaml`: this machine, as `localhost`, by a local shell.
    #[must_use]
    pub fn implicit_localhost() -> Self {
        let hosts = HostName::new("localhost").map(|name| Host {
            name,
            connection: Connection::Local,
            docker: Docker::default(),
            env: Default::default(),
            groups: Vec::new(),
            connect_timeout: std::time::Duration::from_secs(CONNECT_TIMEOUT),
            timeout: None,
        });
        Self { implicit: true, ..Self::new(hosts.into_iter().collect(), Vec::new()) }
    }

    fn new(hosts: Vec<Host>, groups: Vec<Group>) -> Self {
        let index = hosts.iter().enumerate().map(|(at, host)| (host.name.clone(), at)).collect();
        Self { hosts, groups, index, implicit: false }
    }

    /// The hosts, in the order of the file.
    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// A host by name.
    #[must_use]
    pub fn get(&self, name: &HostName) -> Option<&Host> {
        self.index.get(name).and_then(|at| self.hosts.get(*at))
    }

    /// The groups, in the order of the file.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The hosts of `group`, in inventory order.
    pub fn members<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = &'a Host> {
        group.members.iter().filter_map(|at| self.hosts.get(*at))
    }

    /// Whether there was no `hosts.yaml`.
    #[must_use]
    pub fn is_implicit(&self) -> bool {
        self.implicit
    }

    /// The host a server runs on when it names none: `localhost` without an inventory, or the only host there is.
    #[must_use]
    pub fn default_host(&self) -> Option<&Host> {
        match self.hosts.as_slice() {
            [host] => Some(host),
            _ => None,
        }
    }

    /// The hosts that `pattern` selects, in inventory order.
    ///
    /// # Errors
    /// A term without any host or group, exclusions too: a misspelt `!web-03` must not run on `web-03`. An empty result.
    pub fn select(&self, pattern: &HostPattern) -> Result<Vec<&Host>, PatternError> {
        let terms = pattern.terms();
        // As in Ansible: with nothing to start from, exclusions and intersections start from all.
        let positive = terms.iter().any(|(operator, _)| *operator == Operator::Union);
        let mut selected = vec![!positive; self.hosts.len()];
        for operator in [Operator::Union, Operator::Intersection, Operator::Exclusion] {
            for (_, body) in terms.iter().filter(|(this, _)| *this == operator) {
                let matched = self.matched(body)?;
                for (selected, matched) in selected.iter_mut().zip(matched) {
                    match operator {
                        Operator::Union => *selected |= matched,
                        Operator::Intersection => *selected &= matched,
                        Operator::Exclusion => *selected &= !matched,
                    }
                }
            }
        }
        let hosts: Vec<&Host> =
            self.hosts.iter().zip(selected).filter_map(|(host, selected)| selected.then_some(host)).collect();
        if hosts.is_empty() {
            return Err(PatternError::Nothing { text: pattern.as_str().to_owned() });
        }
        Ok(hosts)
    }

    fn matched(&self, body: &Body) -> Result<Vec<bool>, PatternError> {
        let mut matched = vec![false; self.hosts.len()];
        match body {
            Body::All => matched.fill(true),
            Body::Names(names) => {
                for name in names {
                    self.names(name, &mut matched)?;
                }
            }
            Body::Groups(names) => {
                for name in names {
                    self.group(name, &mut matched)?;
                }
            }
        }
        Ok(matched)
    }

    fn names(&self, name: &str, matched: &mut [bool]) -> Result<(), PatternError> {
        let mut found = false;
        if is_glob(name) {
            for (host, matched) in self.hosts.iter().zip(matched.iter_mut()) {
                if glob(name, host.name.as_str()) {
                    (*matched, found) = (true, true);
                }
            }
        } else if let Some(at) = HostName::new(name).ok().and_then(|name| self.index.get(&name)) {
            found = true;
            if let Some(matched) = matched.get_mut(*at) {
                *matched = true;
            }
        } else if self.groups.iter().any(|group| group.name.as_str() == name) {
            return self.group(name, matched);
        }
        if found { Ok(()) } else { Err(self.no_match(name, false)) }
    }

    fn group(&self, name: &str, matched: &mut [bool]) -> Result<(), PatternError> {
        let mut found = false;
        for group in self.groups.iter().filter(|group| glob(name, group.name.as_str())) {
            found = true;
            for at in &group.members {
                if let Some(matched) = matched.get_mut(*at) {
                    *matched = true;
                }
            }
        }
        if found { Ok(()) } else { Err(self.no_match(name, true)) }
    }

    fn no_match(&self, term: &str, group: bool) -> PatternError {
        let groups = self.groups.iter().map(|group| group.name.as_str());
        let hosts = self.hosts.iter().map(|host| host.name.as_str()).filter(|_| !group);
        PatternError::NoMatch { term: term.to_owned(), group, suggestion: closest(term, groups.chain(hosts)) }
    }
}
