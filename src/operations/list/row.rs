//! One row of `mcp list`: the status, and beside it what is registered.
//!
//! Boundary: pure. Next: `sort` for the order of rows.

use serde::Serialize;

use crate::{
    docker::port::PublishedPort,
    domain::{Connection, Host, ServerStatus},
    operations::{observe, registered::Registered},
};

/// One instance in `mcp list`. Every key is always there in JSON; what is not known or not registered is `null`.
#[derive(Debug, Clone, Serialize)]
pub struct ListRow {
    /// The status.
    #[serde(flatten)]
    pub status: ServerStatus,
    /// The host's address or DNS name; `localhost` for this machine, null for a host that cannot be reached at all.
    pub address: Option<String>,
    /// The port clients use: the registered one, else the first published one.
    pub port: Option<u16>,
    /// The published ports as `-p` takes them, with the numbers that docker chose while it runs.
    pub ports: Vec<String>,
    /// Where the port is reached from outside the container; an address of `127.0.0.1` is the host's own.
    pub url: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// Start order; lower starts first.
    pub priority: i32,
    /// Whether `--all`, tags and patterns select it.
    pub enabled: bool,
    /// The registered `docker run` string.
    pub command: String,
    /// The stop string as the host runs it, registered or derived.
    pub stop: String,
    /// The logs string as the host runs it, registered or derived.
    pub logs: String,
    /// The stats string as the host runs it, registered or derived.
    pub stats: String,
    /// Of a host without an answer: what was last known of the instance. The cause is the host's.
    #[serde(skip)]
    pub known: Option<String>,
    /// Whether the host or its engine gave no answer.
    #[serde(skip)]
    pub unanswered: bool,
}

impl ListRow {
    /// The row of `r`; `published` are the ports that its running container publishes.
    pub(super) fn new(r: &Registered<'_>, status: ServerStatus, published: &[PublishedPort]) -> Self {
        let (server, host) = (r.target.server, r.target.host);
        let ports = if published.is_empty() { r.run.ports() } else { published };
        let address = address(host);
        let port = observe::port(r).or_else(|| published.iter().find_map(|port| Some(port.host?.0)));
        Self {
            status,
            url: port.and_then(|port| url(port, ports, address.as_deref())),
            address,
            port,
            ports: ports.iter().map(ToString::to_string).collect(),
            description: server.description.clone(),
            tags: server.tags.clone(),
            priority: server.priority,
            enabled: server.enabled,
            command: server.command.clone(),
            stop: r.stop_command(),
            logs: r.logs_command(),
            stats: r.stats_command(),
            known: None,
            unanswered: false,
        }
    }

    /// The row of a host that gave no answer because of `cause`.
    pub(super) fn unanswered(r: &Registered<'_>, status: ServerStatus, cause: &str) -> Self {
        Self::unanswered_again(&Self::new(r, status.clone(), &[]), status, cause)
    }

    /// `row` of a host that answered before and does not any more, because of `cause`.
    pub(super) fn unanswered_again(row: &Self, status: ServerStatus, cause: &str) -> Self {
        let message = status.message.as_deref().unwrap_or_default();
        let known = message.strip_prefix(cause).map_or(message, |rest| rest.trim_start_matches("; "));
        let known = Some(known.to_owned()).filter(|known| !known.is_empty());
        Self { status, known, unanswered: true, ..row.clone() }
    }

    /// What the table says of it: the message, without a cause that stands below the table.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        if self.unanswered { self.known.as_deref() } else { self.status.message.as_deref() }
    }
}

fn address(host: &Host) -> Option<String> {
    match &host.connection {
        Connection::Local => Some("localhost".to_owned()),
        Connection::Ssh(endpoint) => Some(endpoint.address.clone()),
        Connection::Refused(_) => None,
    }
}

/// The URL of `port`: at the address it is published on, else at the host's.
fn url(port: u16, ports: &[PublishedPort], address: Option<&str>) -> Option<String> {
    let holds = |published: &&PublishedPort| published.host.is_some_and(|(first, last)| (first..=last).contains(&port));
    let is_any = |ip: &str| matches!(ip, "0.0.0.0" | "::" | "");
    let ip = ports.iter().find(holds).and_then(|published| published.host_ip.as_deref()).filter(|ip| !is_any(ip));
    let at = ip.or(address)?;
    Some(if at.contains(':') { format!("http://[{at}]:{port}") } else { format!("http://{at}:{port}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(texts: &[&str]) -> Vec<PublishedPort> {
        texts.iter().filter_map(|text| PublishedPort::parse(text).ok()).collect()
    }

    #[test]
    fn the_url_is_at_the_published_address_else_at_the_hosts() {
        for (port, published, address, expected) in [
            (8101, &["127.0.0.1:8101:8080"][..], Some("192.0.2.11"), Some("http://127.0.0.1:8101")),
            (8101, &["8101:8080"], Some("192.0.2.11"), Some("http://192.0.2.11:8101")),
            (8101, &["0.0.0.0:8101:8080"], Some("web.example"), Some("http://web.example:8101")),
            (8102, &["127.0.0.1:8101:8080", "8102:80"], Some("h"), Some("http://h:8102")),
            (8101, &["[::1]:8101:8080"], Some("h"), Some("http://[::1]:8101")),
            (8101, &[], Some("fe80::1"), Some("http://[fe80::1]:8101")),
            (8101, &["8101:8080"], None, None),
        ] {
            assert_eq!(url(port, &ports(published), address).as_deref(), expected, "{port} {published:?}");
        }
    }
}
