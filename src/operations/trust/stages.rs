//! In which order hosts are asked for their keys: those behind a jump host after the jump host is trusted.
//!
//! Boundary: pure; hosts in, stages out.

use std::borrow::Cow;

use crate::domain::{Connection, Docker, Host, HostName, SshEndpoint};

/// A host whose key is asked for.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// The host; a jump host that is not selected itself is made up of what leads to it.
    pub host: Cow<'a, Host>,
    /// It is here because others are reached through it.
    pub is_jump_host: bool,
}

impl Subject<'_> {
    /// The names of the hosts it is reached through, the outermost first.
    #[must_use]
    pub fn way(&self) -> Vec<&str> {
        match &self.host.connection {
            Connection::Ssh(endpoint) => endpoint.jump.iter().map(|jump| jump.name.as_str()).collect(),
            Connection::Local | Connection::Refused(_) => vec![],
        }
    }
}

/// `hosts` and the jump hosts on the way to them, by the number of jumps: nothing behind a jump host can be asked before that one
/// is trusted. Hosts on this machine have no key and are left out.
#[must_use]
pub fn stages<'a>(hosts: &[&'a Host]) -> Vec<Vec<Subject<'a>>> {
    let mut stages: Vec<Vec<Subject<'a>>> = vec![];
    let put = |stages: &mut Vec<Vec<Subject<'a>>>, depth: usize, subject: Subject<'a>| {
        while stages.len() <= depth {
            stages.push(vec![]);
        }
        stages[depth].push(subject);
    };
    for host in hosts.iter().filter(|host| host.connection != Connection::Local) {
        let depth = endpoint(host).map_or(0, |endpoint| endpoint.jump.len());
        put(&mut stages, depth, Subject { host: Cow::Borrowed(host), is_jump_host: false });
    }
    for host in hosts {
        let Some(own) = endpoint(host) else { continue };
        for (depth, jump) in own.jump.iter().enumerate() {
            let reached = SshEndpoint { jump: own.jump[..depth].to_vec(), ..jump.endpoint.clone() };
            let is_there =
                |subject: &Subject<'_>| endpoint(&subject.host).is_some_and(|other| is_same(other, &reached));
            if stages.get(depth).is_some_and(|stage| stage.iter().any(is_there)) {
                continue;
            }
            let Some(name) = name_of(&jump.name) else { continue };
            let jump_host = Host {
                docker: Docker::Absent,
                connect_timeout: jump.connect_timeout,
                ..Host::new(name, Connection::Ssh(reached))
            };
            put(&mut stages, depth, Subject { host: Cow::Owned(jump_host), is_jump_host: true });
        }
    }
    stages.retain(|stage| !stage.is_empty());
    stages
}

/// Whether two endpoints show the same key and have it in the same files.
fn is_same(one: &SshEndpoint, other: &SshEndpoint) -> bool {
    let identity = |e: &SshEndpoint| (e.address.clone(), e.port, e.host_key_alias.clone(), e.known_hosts.clone());
    let way = |e: &SshEndpoint| e.jump.iter().map(|jump| identity(&jump.endpoint)).collect::<Vec<_>>();
    identity(one) == identity(other) && way(one) == way(other)
}

fn endpoint(host: &Host) -> Option<&SshEndpoint> {
    match &host.connection {
        Connection::Ssh(endpoint) => Some(endpoint),
        Connection::Local | Connection::Refused(_) => None,
    }
}

/// A jump host of ssh_config may be called what no host of an inventory can be.
fn name_of(text: &str) -> Option<HostName> {
    let plain: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    HostName::new(text).or_else(|_| HostName::new(format!("jump-{plain}"))).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::domain::JumpHost;

    fn jump(name: &str) -> Arc<JumpHost> {
        let endpoint = SshEndpoint::new(name, "ops");
        Arc::new(JumpHost { name: name.to_owned(), endpoint, connect_timeout: Duration::from_secs(1) })
    }

    fn host(name: &str, way: &[&str]) -> Host {
        let endpoint =
            SshEndpoint { jump: way.iter().map(|name| jump(name)).collect(), ..SshEndpoint::new(name, "me") };
        Host::new(HostName::new(name).unwrap(), Connection::Ssh(endpoint))
    }

    fn names(hosts: &[&Host]) -> Vec<Vec<String>> {
        let name = |s: &Subject<'_>| format!("{}{}", s.host.name, if s.is_jump_host { "*" } else { "" });
        stages(hosts).iter().map(|stage| stage.iter().map(name).collect()).collect()
    }

    #[test]
    fn jump_hosts_come_first_and_once() {
        let (a, b, c) = (host("a", &["outer", "inner"]), host("b", &["outer"]), host("c", &[]));
        assert_eq!(names(&[&a, &b, &c]), [vec!["c", "outer*"], vec!["b", "inner*"], vec!["a"]]);
        let outer = host("outer", &[]);
        assert_eq!(names(&[&b, &outer]), [["outer"], ["b"]], "a selected host is no second jump host");
        assert!(names(&[]).is_empty());
    }

    #[test]
    fn this_machine_has_no_key() {
        let local = Host { connection: Connection::Local, ..host("here", &[]) };
        assert!(names(&[&local]).is_empty());
    }

    #[test]
    fn every_jump_host_gets_a_name() {
        for text in ["ops@[::1]:22", "", "-", "é"] {
            assert!(name_of(text).unwrap().as_str().starts_with("jump"), "{text}");
        }
        assert_eq!(name_of("bastion").unwrap().as_str(), "bastion");
    }
}
