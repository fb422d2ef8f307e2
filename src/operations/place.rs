//! Where a server is placed by address (`--host root@192.0.2.11:2222`): the host of the inventory that has it, or a new one.
//!
//! Boundary: decides; nothing is written or looked up, so a DNS name and its address are two. Next: `register` writes.

use std::net::IpAddr;

use crate::{
    config::{edit::Value, inventory::Inventory, target::Target},
    domain::{Connection, Host, HostName},
    error::CommandError,
};

/// A host to be added to `hosts.yaml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHost {
    /// Its name there: the address, with the port behind it where another host is called so.
    pub name: HostName,
    /// Its keys.
    pub fields: Vec<(&'static str, Value)>,
    /// As it was typed, without brackets and scheme.
    pub typed: String,
}

/// The patterns of `--host` with addresses replaced by names, and the hosts that are new.
///
/// # Errors
/// An address that several hosts have, one of a host that is reached as another user, and one that no host can be called by.
pub fn place(patterns: &[String], inventory: &Inventory) -> Result<(Vec<String>, Vec<NewHost>), CommandError> {
    let mut new: Vec<NewHost> = Vec::new();
    let mut placed = Vec::with_capacity(patterns.len());
    for pattern in patterns {
        let terms: Vec<String> = pattern
            .split(',')
            .map(|term| match target_of(term.trim()) {
                Some(target) => host_of(&target?, inventory, &mut new),
                None => Ok(term.to_owned()),
            })
            .collect::<Result<_, _>>()?;
        placed.push(terms.join(","));
    }
    Ok((placed, new))
}

/// The target that a term of a pattern is; `None` for names, groups, globs and ranges, which stay as they are.
fn target_of(term: &str) -> Option<Result<Target, CommandError>> {
    if !Target::is_meant(term) || term.starts_with(['!', '&', '@', '~']) {
        return None;
    }
    let parsed = Target::parse(term);
    let refused = |reason: String| CommandError::usage(format!("--host: {reason}")).hint("write USER@ADDRESS:PORT");
    // A range of addresses stays a pattern, and is refused as one.
    if parsed.is_err() && !term.starts_with("ssh://") { None } else { Some(parsed.map_err(refused)) }
}

fn host_of(target: &Target, inventory: &Inventory, new: &mut Vec<NewHost>) -> Result<String, CommandError> {
    let typed = target.to_string();
    let same_port = |host: &Host| match &host.connection {
        Connection::Ssh(endpoint) => target.port.is_none_or(|port| port == endpoint.port),
        Connection::Local | Connection::Refused(_) => target.port.is_none(),
    };
    let has_address = |host: &&Host| match &host.connection {
        Connection::Ssh(endpoint) => same_address(&endpoint.address, &target.address),
        Connection::Local | Connection::Refused(_) => host.name.as_str() == target.address,
    };
    let known: Vec<&Host> = inventory.hosts().iter().filter(has_address).filter(|host| same_port(host)).collect();
    match known.as_slice() {
        [] => {}
        [host] => {
            return match (&host.connection, &target.user) {
                (Connection::Ssh(endpoint), Some(user)) if *user != endpoint.user => Err(CommandError::usage(format!(
                    "{typed} is the host {}, which is reached as {}",
                    host.name, endpoint.user
                ))
                .hint(format!(
                    "write --host {}, or add a host of its own with `mcp hosts add NAME --address {} --user {user}`",
                    host.name, target.address
                ))),
                _ => Ok(host.name.to_string()),
            };
        }
        several => {
            let names: Vec<&str> = several.iter().map(|host| host.name.as_str()).collect();
            return Err(CommandError::usage(format!("{typed} is the address of several hosts: {}", names.join(", ")))
                .hint(format!("write --host {}", names[0])));
        }
    }
    if let Some(known) = new.iter().find(|host| host.typed == typed) {
        return Ok(known.name.to_string());
    }
    let taken = |name: &HostName| inventory.get(name).is_some() || new.iter().any(|host| host.name == *name);
    let unusable = || {
        CommandError::usage(format!("no host can be called {:?}", target.address))
            .hint(format!("add it under a name: `mcp hosts add NAME --address {}`", target.address))
    };
    let mut name = HostName::new(&target.address).map_err(|_| unusable())?;
    let mut fields = Vec::new();
    if taken(&name) {
        let port = target.port.unwrap_or(22);
        name = HostName::new(format!("{}-{port}", target.address.replace(':', "-"))).map_err(|_| unusable())?;
        if taken(&name) {
            return Err(unusable());
        }
        fields.push(("address", Value::Text(target.address.clone())));
    }
    fields.extend(target.user.clone().map(|user| ("user", Value::Text(user))));
    fields.extend(target.port.map(|port| ("port", Value::Number(port.into()))));
    new.push(NewHost { name: name.clone(), fields, typed });
    Ok(name.to_string())
}

/// Whether both are one address: by value where both are IP addresses, else by letters without their case.
fn same_address(a: &str, b: &str) -> bool {
    match (a.parse::<IpAddr>(), b.parse::<IpAddr>()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a.eq_ignore_ascii_case(b),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::config::inventory::Context;

    fn inventory() -> Inventory {
        let context = Context { dir: "/ws".into(), home: None, user: "ana".into(), ssh: Default::default() };
        let text = "version: 1\nhosts:\n  web: {address: 192.0.2.11}\n  six: {address: '2001:db8::1', user: root}\n  \
                    a: {address: 192.0.2.20}\n  b: {address: 192.0.2.20, port: 2222}\n  c: {address: 192.0.2.30}\n  \
                    d: {address: 192.0.2.30}\n  dns: {address: db.example.org}\n  here: {connection: local}\n";
        Inventory::parse(text, "hosts.yaml", &context).unwrap()
    }

    fn placed(pattern: &str) -> Result<(String, String), CommandError> {
        let (patterns, new) = place(&[pattern.to_owned()], &inventory())?;
        let shown = new
            .iter()
            .map(|host| format!("{} {:?}", host.name, host.fields.iter().map(|(key, _)| *key).collect::<Vec<_>>()));
        Ok((patterns[0].clone(), shown.collect::<Vec<_>>().join(";")))
    }

    #[test]
    fn an_address_that_a_host_has_means_that_host_and_another_one_is_new() {
        for (typed, pattern, new) in [
            ("192.0.2.11", "web", ""),
            ("192.0.2.11:22", "web", ""),
            ("ana@192.0.2.11", "web", ""),
            ("[2001:DB8:0::1]", "six", ""),
            ("ana@DB.example.org", "dns", ""),
            ("192.0.2.20:2222", "b", ""),
            ("192.0.2.11,192.0.2.20:22,@all", "web,a,@all", ""),
            ("192.0.2.9", "192.0.2.9", "192.0.2.9 []"),
            ("root@192.0.2.9:2222", "192.0.2.9", "192.0.2.9 [\"user\", \"port\"]"),
            ("ssh://root@new.example.org/", "new.example.org", "new.example.org [\"user\"]"),
            ("192.0.2.11:2200", "192.0.2.11", "192.0.2.11 [\"port\"]"),
            ("192.0.2.9,192.0.2.9:22", "192.0.2.9,192.0.2.9-22", "192.0.2.9 [];192.0.2.9-22 [\"address\", \"port\"]"),
            ("192.0.2.9,192.0.2.9", "192.0.2.9,192.0.2.9", "192.0.2.9 []"),
            ("web,!dns,@prod,w[1:3]", "web,!dns,@prod,w[1:3]", ""),
            ("here", "here", ""),
        ] {
            assert_eq!(placed(typed).unwrap(), (pattern.to_owned(), new.to_owned()), "{typed}");
        }
    }

    #[test]
    fn an_address_that_means_no_one_host_is_refused() {
        for (typed, words) in [
            ("192.0.2.30", "several hosts: c, d"),
            ("root@192.0.2.11", "reached as ana"),
            ("fe80::1%eth0", "no host can be called"),
            ("ssh://root:geheim@h", "without password"),
        ] {
            let error = placed(typed).unwrap_err();
            assert!(error.to_string().contains(words), "{typed}: {error}");
            assert!(error.hint.is_some(), "{typed}");
        }
    }
}
