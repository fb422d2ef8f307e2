//! A host as it is reached: every default and group value already applied.
//!
//! Boundary: resolved values only; reading them from YAML is `config`'s, using them is `transport`'s.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::{GroupName, HostName};

/// A host of the inventory, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// What the inventory calls it.
    pub name: HostName,
    /// How commands get there.
    pub connection: Connection,
    /// Which words stand in for `docker` there.
    pub docker: Docker,
    /// Environment of every command there. Values may be secret: they travel on a channel's stdin, never in a command.
    pub env: BTreeMap<String, String>,
    /// The groups that hold this host, nested ones included, sorted.
    pub groups: Vec<GroupName>,
    /// Deadline from the first packet to a usable session, all of name look-up, TCP, key exchange and authentication.
    pub connect_timeout: Duration,
    /// Deadline of one exec; `None` takes the command's own default.
    pub timeout: Option<Duration>,
}

/// How commands get to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// A shell on this machine.
    Local,
    /// An SSH session.
    Ssh(SshEndpoint),
}

/// Where and as whom an SSH session is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshEndpoint {
    /// DNS name or IP address.
    pub address: String,
    /// TCP port.
    pub port: u16,
    /// Remote user.
    pub user: String,
    /// Identity files to try, in order, after the agent's; empty means OpenSSH's defaults (ssh_config(5), `IdentityFile`).
    pub identity_files: Vec<PathBuf>,
    /// What to do with a host key that `known_hosts` does not hold.
    pub host_key: HostKeyPolicy,
    /// `known_hosts` files to read, the first one also to append to; empty means `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`.
    pub known_hosts: Vec<PathBuf>,
    /// Jump hosts from the outermost in, by inventory name.
    pub jump: Vec<HostName>,
}

/// What to do with a host key that is not known yet. A changed key is always refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostKeyPolicy {
    /// Refuse.
    #[default]
    Strict,
    /// Write it to `known_hosts` and go on, as `StrictHostKeyChecking=accept-new` does (ssh_config(5)).
    AcceptNew,
}

/// Which words stand in for `docker` on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Docker {
    /// Shell words put where the registered string says `docker`: `docker`, `sudo -n docker`, `DOCKER_HOST=… docker`.
    Words(String),
    /// No docker there: the host is only jumped through.
    Absent,
}

impl Default for Docker {
    fn default() -> Self {
        Self::Words("docker".to_owned())
    }
}
