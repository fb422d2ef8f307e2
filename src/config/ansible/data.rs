//! What all sources of an inventory say together: hosts, groups, who is in what, and every variable at its place.
//!
//! Boundary: Ansible's own rules for adding and merging (`inventory/data.py`, `group.py`, `vars/manager.py`); which variables
//! count is `settings`'s.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    rc::Rc,
};

use super::{
    SECRETS,
    value::{Place, Value},
};
use crate::config::{
    error::{ConfigError, ConfigErrors},
    graph,
};

/// Most memberships in one inventory, nested ones included.
const MOST_MEMBERSHIPS: usize = 5_000_000;

/// A variable and where it was written.
#[derive(Debug, Clone)]
pub(crate) struct Variable {
    pub(crate) value: Value,
    pub(crate) place: Place,
}

/// Variables by name.
pub(crate) type Variables = BTreeMap<String, Variable>;

/// A file of `group_vars` or `host_vars`.
#[derive(Debug)]
pub(crate) enum VarsFile {
    Readable(Variables),
    /// Encrypted as a whole, so that nobody can tell what it sets.
    Encrypted(Place),
}

#[derive(Debug)]
pub(crate) struct HostEntry {
    pub(crate) name: String,
    /// Where it was first named.
    pub(crate) place: Place,
    pub(super) vars: Variables,
    /// The files of `host_vars`, in the order of the sources.
    files: Vec<Rc<VarsFile>>,
}

#[derive(Debug)]
pub(crate) struct GroupEntry {
    pub(crate) name: String,
    hosts: Vec<usize>,
    is_member: HashSet<usize>,
    children: Vec<(usize, Place)>,
    priority: i64,
    vars: Variables,
    /// The files of `group_vars` by source.
    files: Vec<(usize, Rc<VarsFile>)>,
}

/// Hosts and groups as Ansible holds them.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) hosts: Vec<HostEntry>,
    pub(crate) groups: Vec<GroupEntry>,
    host_index: HashMap<String, usize>,
    group_index: HashMap<String, usize>,
}

/// Everything that is resolved about the groups once all sources are read.
pub(crate) struct Resolved {
    /// Hosts in the order of Ansible's `all`.
    pub(crate) order: Vec<usize>,
    /// Members of every group, those of its children included.
    pub(crate) members: Vec<BTreeSet<usize>>,
    /// Per host, its groups without `all`, those whose variables win last.
    pub(crate) memberships: Vec<Vec<usize>>,
}

/// What holds for one host in the end.
pub(crate) struct Effective<'a> {
    pub(crate) vars: BTreeMap<&'a str, &'a Variable>,
    /// A file that could not be read because it is encrypted.
    pub(crate) encrypted: Option<&'a Place>,
}

impl Data {
    /// The group of every host.
    pub(crate) const ALL: usize = 0;
    /// The group of those that are in no other.
    pub(crate) const UNGROUPED: usize = 1;

    pub(crate) fn new() -> Self {
        let mut data =
            Self { hosts: Vec::new(), groups: Vec::new(), host_index: HashMap::new(), group_index: HashMap::new() };
        data.group("all");
        data.group("ungrouped");
        data
    }

    /// The host of that name, added when it is new; the port counts only then, as in Ansible.
    pub(super) fn host(&mut self, name: &str, port: Option<u16>, place: &Place) -> usize {
        if let Some(at) = self.host_index.get(name) {
            return *at;
        }
        let at = self.hosts.len();
        self.host_index.insert(name.to_owned(), at);
        let entry =
            HostEntry { name: name.to_owned(), place: place.clone(), vars: Variables::new(), files: Vec::new() };
        self.hosts.push(entry);
        if let Some(port) = port {
            set(&mut self.hosts[at].vars, "ansible_port", Value::Int(port.into()), place);
        }
        at
    }

    pub(super) fn find_group(&self, name: &str) -> Option<usize> {
        self.group_index.get(name).copied()
    }

    /// The group of that name, added when it is new.
    pub(super) fn group(&mut self, name: &str) -> usize {
        if let Some(at) = self.group_index.get(name) {
            return *at;
        }
        let at = self.groups.len();
        self.group_index.insert(name.to_owned(), at);
        self.groups.push(GroupEntry {
            name: name.to_owned(),
            hosts: Vec::new(),
            is_member: HashSet::new(),
            children: Vec::new(),
            priority: 1,
            vars: Variables::new(),
            files: Vec::new(),
        });
        at
    }

    pub(super) fn join(&mut self, group: usize, host: usize) {
        let group = &mut self.groups[group];
        if group.is_member.insert(host) {
            group.hosts.push(host);
        }
    }

    pub(super) fn child(&mut self, parent: usize, child: usize, place: &Place) {
        let children = &mut self.groups[parent].children;
        if !children.iter().any(|(known, _)| *known == child) {
            children.push((child, place.clone()));
        }
    }

    pub(super) fn set_host(&mut self, host: usize, name: &str, value: Value, place: &Place) {
        set(&mut self.hosts[host].vars, name, value, place);
    }

    /// Errors: a priority that is no number.
    pub(super) fn set_group(
        &mut self,
        group: usize,
        name: &str,
        value: Value,
        place: &Place,
    ) -> Result<(), ConfigErrors> {
        if name != "ansible_group_priority" {
            set(&mut self.groups[group].vars, name, value, place);
            return Ok(());
        }
        let number = value.shown().and_then(|text| text.trim().parse().ok());
        let message = "ansible_group_priority: expected a whole number";
        self.groups[group].priority = number.ok_or_else(|| error(place, message))?;
        Ok(())
    }

    /// The name, own hosts and children of a group, for comparing.
    #[cfg(test)]
    pub(super) fn listed(&self, at: usize) -> (&str, Vec<&str>, Vec<&str>) {
        let group = &self.groups[at];
        let hosts = group.hosts.iter().map(|host| self.hosts[*host].name.as_str()).collect();
        (&group.name, hosts, group.children.iter().map(|(child, _)| self.groups[*child].name.as_str()).collect())
    }

    /// Adds a file of `group_vars` that belongs to the source numbered `source`.
    pub(crate) fn add_group_file(&mut self, group: usize, source: usize, file: &Rc<VarsFile>) {
        self.groups[group].files.push((source, Rc::clone(file)));
    }

    /// Adds a file of `host_vars`; sources in their order.
    pub(crate) fn add_host_file(&mut self, host: usize, file: &Rc<VarsFile>) {
        self.hosts[host].files.push(Rc::clone(file));
    }

    /// Settles who is in what, once all sources are read (`InventoryData.reconcile_inventory`).
    ///
    /// # Errors
    /// Groups that hold each other.
    pub(crate) fn resolve(&mut self) -> Result<Resolved, ConfigErrors> {
        let nowhere = Place { file: "inventory".into(), line: 0 };
        let mut has_parent = vec![false; self.groups.len()];
        for group in &self.groups {
            group.children.iter().for_each(|(child, _)| has_parent[*child] = true);
        }
        // `ungrouped` is the first child of `all`, even when a file names others before it.
        let mut of_all = vec![(Self::UNGROUPED, nowhere.clone())];
        of_all.extend(
            std::mem::take(&mut self.groups[Self::ALL].children).into_iter().filter(|(at, _)| *at != Self::UNGROUPED),
        );
        let orphans = (0..self.groups.len()).filter(|at| *at > Self::UNGROUPED && !has_parent[*at]);
        of_all.extend(orphans.map(|at| (at, nowhere.clone())));
        self.groups[Self::ALL].children = of_all;

        let edges: Vec<Vec<usize>> =
            self.groups.iter().map(|group| group.children.iter().map(|(at, _)| *at).collect()).collect();
        let (up, cycles) = graph::order(&edges);
        if let Some(cycle) = cycles.first() {
            let names: Vec<&str> = cycle.iter().chain(cycle.first()).map(|at| self.groups[*at].name.as_str()).collect();
            let place =
                self.groups[cycle[0]].children.iter().find(|(at, _)| cycle.contains(at)).map(|(_, place)| place);
            return Err(error(
                place.unwrap_or(&nowhere),
                &format!("the groups hold each other: {}", names.join(" → ")),
            ));
        }
        self.settle_ungrouped();

        let mut members: Vec<BTreeSet<usize>> =
            self.groups.iter().map(|group| group.hosts.iter().copied().collect()).collect();
        let mut total = 0;
        for at in &up {
            for child in &edges[*at] {
                let below = members[*child].clone();
                members[*at].extend(below);
            }
            total += members[*at].len();
            if total > MOST_MEMBERSHIPS {
                return Err(error(&nowhere, &format!("the groups hold more than {MOST_MEMBERSHIPS} hosts in all")));
            }
        }
        let mut depth = vec![0_usize; self.groups.len()];
        for at in up.iter().rev() {
            for child in &edges[*at] {
                depth[*child] = depth[*child].max(depth[*at] + 1);
            }
        }
        let mut precedence: Vec<usize> = (0..self.groups.len()).filter(|at| *at != Self::ALL).collect();
        precedence.sort_by(|a, b| {
            let key = |at: usize| (depth[at], self.groups[at].priority, &self.groups[at].name);
            key(*a).cmp(&key(*b))
        });
        let mut memberships = vec![Vec::new(); self.hosts.len()];
        for at in precedence {
            members[at].iter().for_each(|host| memberships[*host].push(at));
        }
        Ok(Resolved { order: self.order(&edges), members, memberships })
    }

    /// Moves hosts without a group into `ungrouped`, and those with one out of it.
    fn settle_ungrouped(&mut self) {
        let mut grouped = vec![false; self.hosts.len()];
        for group in self.groups.iter().skip(Self::UNGROUPED + 1) {
            group.hosts.iter().for_each(|host| grouped[*host] = true);
        }
        self.groups[Self::UNGROUPED].hosts.retain(|host| !grouped[*host]);
        for host in (0..self.hosts.len()).filter(|host| !grouped[*host]) {
            self.join(Self::UNGROUPED, host);
        }
    }

    /// The hosts of `all`: its groups level by level, each host where it is first met (`Group.get_hosts`).
    fn order(&self, edges: &[Vec<usize>]) -> Vec<usize> {
        let mut seen_groups = vec![false; self.groups.len()];
        let mut seen_hosts = vec![false; self.hosts.len()];
        let mut order = Vec::with_capacity(self.hosts.len());
        let mut level = vec![Self::ALL];
        while !level.is_empty() {
            let mut next = Vec::new();
            for group in level {
                if std::mem::replace(&mut seen_groups[group], true) {
                    continue;
                }
                for host in &self.groups[group].hosts {
                    if !std::mem::replace(&mut seen_hosts[*host], true) {
                        order.push(*host);
                    }
                }
                next.extend(edges[group].iter().copied());
            }
            level = next;
        }
        order
    }

    /// The variables of `host`, nearer ones laid over farther ones in Ansible's order: `all`, its groups, the files of `all`,
    /// those of its groups, its own, its own files (`VARIABLE_PRECEDENCE`).
    pub(crate) fn effective<'a>(&'a self, host: usize, resolved: &Resolved) -> Effective<'a> {
        let mut effective = Effective { vars: BTreeMap::new(), encrypted: None };
        let groups = &resolved.memberships[host];
        effective.lay(&self.groups[Self::ALL].vars);
        groups.iter().for_each(|at| effective.lay(&self.groups[*at].vars));
        let all = &self.groups[Self::ALL].files;
        all.iter().for_each(|(_, file)| effective.lay_file(file));
        let mut files: Vec<(usize, &VarsFile)> = Vec::new();
        for at in groups {
            files.extend(self.groups[*at].files.iter().map(|(source, file)| (*source, file.as_ref())));
        }
        // Stable: within one source the groups keep their order.
        files.sort_by_key(|(source, _)| *source);
        files.into_iter().for_each(|(_, file)| effective.lay_file(file));
        effective.lay(&self.hosts[host].vars);
        self.hosts[host].files.iter().for_each(|file| effective.lay_file(file));
        effective
    }
}

impl<'a> Effective<'a> {
    fn lay(&mut self, vars: &'a Variables) {
        self.vars.extend(vars.iter().map(|(name, variable)| (name.as_str(), variable)));
    }

    fn lay_file(&mut self, file: &'a VarsFile) {
        match file {
            VarsFile::Readable(vars) => self.lay(vars),
            VarsFile::Encrypted(place) => self.encrypted = Some(place),
        }
    }
}

/// Puts a variable among `vars`; a secret one without its value.
pub(super) fn set(vars: &mut Variables, name: &str, value: Value, place: &Place) {
    let value = if SECRETS.contains(&name) { Value::Secret } else { value };
    vars.insert(name.to_owned(), Variable { value, place: place.clone() });
}

/// An error at `place`.
pub(super) fn error(place: &Place, message: &str) -> ConfigErrors {
    let line = (place.line > 0).then_some(place.line);
    ConfigError { line, ..ConfigError::file(&place.file, message) }.into()
}
