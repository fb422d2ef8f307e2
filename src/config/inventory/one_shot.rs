//! Hosts that only the command line names: `--on root@10.0.0.5:2222`.
//!
//! Boundary: targets to hosts. They are loaded as an inventory of one host would be, so that what holds for every host holds
//! for them.

use std::{collections::HashMap, sync::Arc};

use super::{Context, Inventory, load};
use crate::{
    config::{
        error::{ConfigError, ConfigErrors},
        pattern::HostPattern,
        range,
        target::Target,
        yaml::{self, Node},
    },
    domain::{Connection, Host, HostName},
};

/// Where one-shot hosts come from, for people.
const SOURCE: &str = "--on";

impl Inventory {
    /// The inventory and, after its hosts, those that `pattern` names by address (`user@address:port`) and it does not have.
    ///
    /// An item whose address is the name of a host (`root@edge-1`) is that host as another user, or at another port. Any other
    /// one gets what `defaults` of `hosts.yaml` say, and no variables of another source. It is called as it is written.
    ///
    /// # Errors
    /// `defaults` that cannot hold for it, or too many.
    pub fn with_one_shots(self, pattern: &HostPattern, context: &Context) -> Result<Self, ConfigErrors> {
        self.with_targets(pattern.targets(), context)
    }

    /// As [`Inventory::with_one_shots`], by the names such hosts had in an earlier run. What is no address is passed over.
    ///
    /// # Errors
    /// Those of [`Inventory::with_one_shots`].
    pub fn with_addresses(self, names: &[HostName], context: &Context) -> Result<Self, ConfigErrors> {
        let is_meant = |name: &&HostName| Target::is_meant(name.as_str());
        let targets: Vec<Target> =
            names.iter().filter(is_meant).filter_map(|name| Target::parse(name.as_str()).ok()).collect();
        self.with_targets(targets.iter(), context)
    }

    /// Whether only a command line names `host`.
    #[must_use]
    pub fn is_one_shot(&self, host: &HostName) -> bool {
        self.sources.get(host).is_some_and(|source| **source == *SOURCE)
    }

    fn with_targets<'t>(
        mut self,
        targets: impl Iterator<Item = &'t Target>,
        context: &Context,
    ) -> Result<Self, ConfigErrors> {
        let mut built: HashMap<Target, Host> = HashMap::new();
        let source: Arc<str> = SOURCE.into();
        for target in targets {
            let Ok(name) = HostName::one_shot(target.to_string()) else { continue };
            if self.index.contains_key(&name) {
                continue;
            }
            if self.hosts.len() >= range::MOST {
                let message = format!("there are more than {} hosts with those named by address", range::MOST);
                return Err(ConfigError::file(SOURCE, message).into());
            }
            let host = match HostName::new(&target.address).ok().and_then(|name| self.get(&name)) {
                Some(known) => known.clone(),
                None => {
                    // Without the port: a thousand ports of one address are loaded once.
                    let key = Target { port: target.port.is_some().then_some(0), ..target.clone() };
                    match built.get(&key) {
                        Some(host) => host.clone(),
                        None => {
                            let host = self.one_shot(target, context)?;
                            built.entry(key).or_insert(host).clone()
                        }
                    }
                }
            };
            self.index.insert(name.clone(), self.hosts.len());
            self.sources.insert(name.clone(), Arc::clone(&source));
            self.hosts.push(aimed(Host { name, ..host }, target));
        }
        Ok(self)
    }

    /// One host, loaded as if it stood in `hosts.yaml` with nothing but its user and port.
    ///
    /// # Errors
    /// What is wrong with the defaults.
    pub(in crate::config) fn one_shot(&self, target: &Target, context: &Context) -> Result<Host, ConfigErrors> {
        let mut fields: Vec<(String, _)> = Vec::new();
        // An address that no host can be called by, as one with an interface, is only connected to.
        let name = HostName::new(&target.address).map_or("one-shot", |_| target.address.as_str());
        if name != target.address {
            fields.push(("address".to_owned(), Node::text(&target.address)));
        }
        fields.extend(target.user.as_deref().map(|user| ("user".to_owned(), Node::text(user))));
        fields.extend(target.port.map(|port| ("port".to_owned(), Node::scalar(&port.to_string()))));
        let mut hosts = vec![(name.to_owned(), Node::mapping(fields))];
        let mut document = vec![("version".to_owned(), Node::scalar("1"))];
        let mut label = SOURCE;
        if let Some(base) = &self.base {
            label = &base.label;
            let root = yaml::parse(&base.text, label)?;
            let jumps = root.entry("defaults").is_some_and(|defaults| defaults.value.entry("jump").is_some());
            let yaml::Value::Mapping { entries } = &root.value else { return Err(ConfigErrors(Vec::new())) };
            for entry in entries.iter().filter(|entry| entry.key != "version") {
                match entry.key.as_str() {
                    // Only the hosts to jump through are of use.
                    "hosts" | "groups" if !jumps => {}
                    "hosts" => match &entry.value.value {
                        yaml::Value::Mapping { entries } => {
                            hosts.extend(entries.iter().map(|host| (host.key.clone(), host.value.clone())));
                        }
                        yaml::Value::Sequence(names) => {
                            hosts.extend(names.iter().filter_map(|name| match &name.value {
                                yaml::Value::Scalar(name) => Some((name.text.clone(), Node::scalar(""))),
                                _ => None,
                            }))
                        }
                        yaml::Value::Scalar(_) => {}
                    },
                    key => document.push((key.to_owned(), entry.value.clone())),
                }
            }
        }
        document.push(("hosts".to_owned(), Node::mapping(hosts)));
        let loaded = load::load_tree(Node::mapping(document), label, context)?;
        loaded.hosts.into_iter().next().ok_or_else(|| ConfigErrors(Vec::new()))
    }
}

/// `host` with the user and the port of `target`.
pub(in crate::config) fn aimed(mut host: Host, target: &Target) -> Host {
    if let Connection::Ssh(endpoint) = &mut host.connection {
        endpoint.user = target.user.clone().unwrap_or_else(|| endpoint.user.clone());
        endpoint.port = target.port.unwrap_or(endpoint.port);
    }
    host
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn context() -> Context {
        Context { dir: "/ws".into(), home: Some("/home/ana".into()), user: "ana".into(), ssh: Default::default() }
    }

    fn targets(inventory: &Inventory, pattern: &str) -> Vec<String> {
        let pattern = HostPattern::parse(pattern).unwrap();
        let inventory =
            inventory.clone().with_one_shots(&pattern, &context()).unwrap_or_else(|error| panic!("{error}"));
        let show = |host: &&Host| match &host.connection {
            Connection::Ssh(end) => {
                let jumps: Vec<&str> = end.jump.iter().map(|jump| jump.name.as_str()).collect();
                format!("{}={}@{}|{}|{}", host.name, end.user, end.address, end.port, jumps.join(","))
            }
            other => format!("{}={other:?}", host.name),
        };
        inventory.select(&pattern).unwrap_or_else(|error| panic!("{error}")).iter().map(show).collect()
    }

    #[test]
    fn hosts_are_reached_without_any_inventory() {
        let none = Inventory::implicit_localhost();
        assert_eq!(
            targets(&none, "root@10.0.0.5:2222,10.0.0.6,[::1]:22,ssh://ops@web1,fe80::1%eth0"),
            [
                "root@10.0.0.5:2222=root@10.0.0.5|2222|",
                "10.0.0.6=ana@10.0.0.6|22|",
                "[::1]:22=ana@::1|22|",
                "ops@web1=ops@web1|22|",
                "fe80::1%eth0=ana@fe80::1%eth0|22|",
            ]
        );
        let range = targets(&none, "root@10.0.0.[1:3]:2222,!root@10.0.0.2:2222");
        assert_eq!(range, ["root@10.0.0.1:2222=root@10.0.0.1|2222|", "root@10.0.0.3:2222=root@10.0.0.3|2222|"]);
        let ports = targets(&none, "127.0.0.1:[2201:2203]");
        assert_eq!(ports.len(), 3);
        assert_eq!(ports[2], "127.0.0.1:2203=ana@127.0.0.1|2203|");
    }

    #[test]
    fn hosts_of_an_earlier_run_are_the_same_again() {
        let pattern = HostPattern::parse("root@10.0.0.5:2222,[::1]:22,ssh://ops@web1,fe80::1%eth0").unwrap();
        let first = Inventory::implicit_localhost().with_one_shots(&pattern, &context()).unwrap();
        let names: Vec<HostName> = first.hosts().iter().map(|host| host.name.clone()).collect();
        let again = Inventory::implicit_localhost().with_addresses(&names, &context()).unwrap();
        assert_eq!(again.hosts(), first.hosts());
        assert!(again.is_one_shot(&names[1]) && !again.is_one_shot(&names[0]));
    }

    #[test]
    fn defaults_hold_for_them_and_hosts_of_the_inventory_stay_what_they_are() {
        let text = "version: 1\ndefaults: {user: deploy, port: 2200, jump: gate}\nhosts:\n  gate: {jump: []}\n  \
                    edge-1: {address: 192.0.2.1}\n  10.0.0.9: {user: nine}\ngroups: {edge: {hosts: [edge-1]}}\n";
        let inventory = Inventory::parse(text, "hosts.yaml", &context()).unwrap();
        assert_eq!(
            targets(&inventory, "10.0.0.5,root@edge-1,edge-1,10.0.0.9"),
            [
                "edge-1=deploy@192.0.2.1|2200|gate",
                "10.0.0.9=nine@10.0.0.9|2200|gate",
                "10.0.0.5=deploy@10.0.0.5|2200|gate",
                "root@edge-1=root@192.0.2.1|2200|gate",
            ]
        );
        assert_eq!(targets(&inventory, "@edge,root@10.0.0.5,!edge-1"), ["root@10.0.0.5=root@10.0.0.5|2200|gate"]);
        let only_excluded = HostPattern::parse("!root@10.0.0.5").unwrap();
        assert!(inventory.select(&only_excluded).is_err());
    }

    #[test]
    fn regular_expressions_select_hosts_and_groups_from_the_start_of_their_names() {
        let text = "version: 1\nhosts: {web-01: , web-02: , db-1: {groups: store}}\ngroups: {store: }\n";
        let inventory = Inventory::parse(text, "hosts.yaml", &context()).unwrap();
        let names = |pattern: &str| {
            let pattern = HostPattern::parse(pattern).unwrap();
            inventory.select(&pattern).map(|hosts| hosts.iter().map(|host| host.name.to_string()).collect::<Vec<_>>())
        };
        assert_eq!(names(r"~web-0[12]").unwrap(), ["web-01", "web-02"]);
        assert_eq!(names(r"~(st|web-02)").unwrap(), ["web-02", "db-1"]);
        assert!(names("~eb").is_err());
        for text in ["~(", "web:&prod", "web:db"] {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
    }
}
