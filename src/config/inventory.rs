//! `hosts.yaml`: the hosts, with every default and group value applied, and the groups.
//!
//! Boundary: text in, hosts out; the file is read by `store`. Reference of the keys: `docs/files.md`.
//! Next: `inventory/load.rs` reads, `inventory/vars.rs` layers values, `inventory/groups.rs` resolves membership,
//! `inventory/connect.rs` works out how each host is reached, `inventory/one_shot.rs` adds hosts that are only named on the
//! command line, `inventory/merge.rs` makes one of several.

mod connect;
#[cfg(test)]
mod connect_tests;
mod groups;
mod load;
mod merge;
mod one_shot;
#[cfg(test)]
mod tests;
mod vars;

pub(super) use one_shot::aimed;

use std::{collections::HashMap, path::PathBuf, rc::Rc, sync::Arc};

use super::{
    error::{ConfigErrors, closest},
    pattern::{Body, Expression, HostPattern, Operator, PatternError, glob, is_glob},
    ssh_config::Reader,
    walk::{Fields, Walk},
    yaml::Node,
};
use crate::domain::{Connection, GroupName, Host, HostName};

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
    /// Named for this run, so that servers may be placed on hosts it does not have.
    named: bool,
    /// Where each host comes from, as far as it is not `hosts.yaml`.
    sources: HashMap<HostName, Arc<str>>,
    /// The text of `hosts.yaml`, whose defaults hold for one-shot hosts too.
    base: Option<Arc<Base>>,
}

/// The text of an inventory of our own.
#[derive(Debug)]
struct Base {
    text: String,
    label: String,
}

impl Inventory {
    /// Reads `hosts.yaml`.
    ///
    /// # Errors
    /// Everything that is wrong in it, `label` being the file's name in the errors.
    pub fn parse(text: &str, label: &str, context: &Context) -> Result<Self, ConfigErrors> {
        let base = Base { text: text.to_owned(), label: label.to_owned() };
        Ok(Self { base: Some(Arc::new(base)), ..load::load(text, label, context)? })
    }

    /// Makes hosts of a tree in the form of `hosts.yaml`.
    ///
    /// # Errors
    /// Everything that is wrong in it.
    pub(super) fn of_tree(root: Rc<Node>, label: &str, context: &Context) -> Result<Self, ConfigErrors> {
        load::load_tree(root, label, context)
    }

    /// What is wrong with the keys of one host, by the rules of `hosts.yaml`.
    pub(super) fn trouble(fields: &Fields, context: &Context) -> Option<String> {
        let mut walk = Walk::new("");
        let vars = vars::Vars::read(&mut walk, fields, context);
        if let Some((_, reason)) = vars.public_key {
            return Some(reason);
        }
        let error = walk.finish(()).err()?.0.into_iter().next()?;
        Some(error.path.map_or_else(|| error.message.clone(), |path| format!("{path}: {}", error.message)))
    }

    /// Whether it was named for this run (`--inventory`, `$MCP_INVENTORY`), in place of the workspace's `hosts.yaml`.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.named
    }

    /// Where `host` comes from: a file, an executable, a list, or `--on` for a one-shot host.
    #[must_use]
    pub fn source_of(&self, host: &HostName) -> &str {
        self.sources.get(host).map_or(if self.implicit { "none" } else { super::store::HOSTS }, |source| source)
    }

    /// What there is without a `hosts.yaml`: this machine, as `localhost`, by a local shell.
    #[must_use]
    pub fn implicit_localhost() -> Self {
        let hosts = HostName::new("localhost").map(|name| Host::new(name, Connection::Local));
        Self { implicit: true, ..Self::new(hosts.into_iter().collect(), Vec::new()) }
    }

    fn new(hosts: Vec<Host>, groups: Vec<Group>) -> Self {
        let index = hosts.iter().enumerate().map(|(at, host)| (host.name.clone(), at)).collect();
        Self { hosts, groups, index, implicit: false, named: false, sources: HashMap::new(), base: None }
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

    /// The host a server runs on when it names none: `localhost` without an inventory, or the only host there is, or the only one of `all`.
    #[must_use]
    pub fn default_host(&self) -> Option<&Host> {
        match self.hosts.as_slice() {
            [host] => Some(host),
            hosts => {
                let mut common = hosts.iter().filter(|host| host.in_all);
                common.next().filter(|_| common.next().is_none())
            }
        }
    }

    /// The hosts that `pattern` selects, in inventory order.
    ///
    /// # Errors
    /// A term without any host or group, exclusions too: a misspelt `!web-03` must not run on `web-03`. An empty result.
    pub fn select(&self, pattern: &HostPattern) -> Result<Vec<&Host>, PatternError> {
        // Most servers name one host, and a registry has as many patterns as servers.
        if let [(Operator::Union, Body::Names(names))] = pattern.terms()
            && let [name] = names.as_slice()
            && let Some(host) = HostName::one_shot(name).ok().and_then(|name| self.get(&name))
        {
            return Ok(vec![host]);
        }
        self.select_with(pattern, |body| self.matched(body))
    }

    /// The hosts that `pattern` selects, where a term without any host selects none instead of being wrong.
    ///
    /// # Errors
    /// An empty result.
    pub fn select_present(&self, pattern: &HostPattern) -> Result<Vec<&Host>, PatternError> {
        self.select_with(pattern, |body| {
            // Of several names each counts for itself: the range may be there in part.
            let mut all = vec![false; self.hosts.len()];
            for body in body.singles() {
                if let Ok(matched) = self.matched(&body) {
                    all.iter_mut().zip(matched).for_each(|(all, matched)| *all |= matched);
                }
            }
            Ok(all)
        })
    }

    fn select_with(
        &self,
        pattern: &HostPattern,
        matched: impl Fn(&Body) -> Result<Vec<bool>, PatternError>,
    ) -> Result<Vec<&Host>, PatternError> {
        let terms = pattern.terms();
        // As in Ansible: with nothing to start from, exclusions and intersections start from all.
        let positive = terms.iter().any(|(operator, _)| *operator == Operator::Union);
        let mut selected: Vec<bool> = self.hosts.iter().map(|host| !positive && host.in_all).collect();
        for operator in [Operator::Union, Operator::Intersection, Operator::Exclusion] {
            for (_, body) in terms.iter().filter(|(this, _)| *this == operator) {
                let matched = matched(body)?;
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
            Body::All => matched.iter_mut().zip(&self.hosts).for_each(|(matched, host)| *matched = host.in_all),
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
            Body::Targets(targets) => {
                for target in targets {
                    self.names(&target.to_string(), &mut matched)?;
                }
            }
            Body::Regex(expression) => self.regex(expression, &mut matched)?,
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
        } else if let Some(at) = HostName::one_shot(name).ok().and_then(|name| self.index.get(&name)) {
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

    /// Hosts by regular expression, and the hosts of groups by it, both from the start of the name.
    fn regex(&self, expression: &Expression, matched: &mut [bool]) -> Result<(), PatternError> {
        let mut found = false;
        for (host, matched) in self.hosts.iter().zip(matched.iter_mut()) {
            if expression.matches(host.name.as_str()) {
                (*matched, found) = (true, true);
            }
        }
        for group in self.groups.iter().filter(|group| expression.matches(group.name.as_str())) {
            found = true;
            for at in &group.members {
                matched.iter_mut().skip(*at).take(1).for_each(|matched| *matched = true);
            }
        }
        if found { Ok(()) } else { Err(self.no_match(expression.as_str(), false)) }
    }

    fn no_match(&self, term: &str, group: bool) -> PatternError {
        let groups = self.groups.iter().map(|group| group.name.as_str());
        let hosts = self.hosts.iter().map(|host| host.name.as_str()).filter(|_| !group);
        PatternError::NoMatch { term: term.to_owned(), group, suggestion: closest(term, groups.chain(hosts)) }
    }
}
