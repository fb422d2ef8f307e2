//! A host as it is reached: every default and group value already applied.
//!
//! Boundary: resolved values only; reading them from YAML is `config`'s, using them is `transport`'s.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

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
    /// How long its session is kept for the next run after its last use; zero for not at all, `None` takes the default.
    pub persist: Option<Duration>,
    /// What it writes down of changes.
    pub audit: Audit,
    /// Whether `all` and patterns without a positive term have it. One that is not in all is named, by itself or by a group or glob.
    pub in_all: bool,
}

/// What a host writes down of changes itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Audit {
    /// A line in its syslog, where it has `logger`.
    #[default]
    Syslog,
    /// Nothing.
    None,
}

impl Host {
    /// Deadline of connecting unless something else is said.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

    /// A host called `name` that is reached by `connection`, with the defaults for everything else.
    #[must_use]
    pub fn new(name: HostName, connection: Connection) -> Self {
        Self {
            name,
            connection,
            docker: Docker::default(),
            env: BTreeMap::new(),
            groups: Vec::new(),
            connect_timeout: Self::CONNECT_TIMEOUT,
            timeout: None,
            persist: None,
            audit: Audit::default(),
            in_all: true,
        }
    }
}

/// How commands get to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// A shell on this machine.
    Local,
    /// An SSH session.
    Ssh(SshEndpoint),
    /// None: the configuration asks for something that is not supported, and says what.
    Refused(String),
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
    /// Identity files to try, in order; empty means OpenSSH's defaults (ssh_config(5), `IdentityFile`).
    pub identity_files: Vec<PathBuf>,
    /// Certificates for those identities, besides each one's own `FILE-cert.pub` (ssh_config(5), `CertificateFile`).
    pub certificate_files: Vec<PathBuf>,
    /// Offers only the identities that are configured, whatever else the agent holds (ssh_config(5), `IdentitiesOnly`).
    pub identities_only: bool,
    /// Which agent is asked.
    pub agent: AgentChoice,
    /// What to do with a host key that `known_hosts` does not hold.
    pub host_key: HostKeyPolicy,
    /// The name looked up in `known_hosts` in place of the address, without a port (ssh_config(5), `HostKeyAlias`).
    pub host_key_alias: Option<String>,
    /// `known_hosts` files to read, the first one also to append to; empty means `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`.
    pub known_hosts: Vec<PathBuf>,
    /// Writes names to `known_hosts` as hashes (ssh_config(5), `HashKnownHosts`).
    pub hash_known_hosts: bool,
    /// Algorithms that are offered in place of the library's own choice.
    pub algorithms: Arc<Algorithms>,
    /// Which addresses of a name are dialled.
    pub address_family: AddressFamily,
    /// Jump hosts from the outermost in, every one resolved; shared by all hosts behind them.
    pub jump: Vec<Arc<JumpHost>>,
}

impl SshEndpoint {
    /// `user` at `address`, port 22, and OpenSSH's defaults for everything else.
    #[must_use]
    pub fn new(address: impl Into<String>, user: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            port: 22,
            user: user.into(),
            identity_files: Vec::new(),
            certificate_files: Vec::new(),
            identities_only: false,
            agent: AgentChoice::default(),
            host_key: HostKeyPolicy::default(),
            host_key_alias: None,
            known_hosts: Vec::new(),
            hash_known_hosts: false,
            algorithms: Arc::default(),
            address_family: AddressFamily::default(),
            jump: Vec::new(),
        }
    }
}

/// Limits on the algorithms of a session. A list is one of ssh_config(5): names with commas that replace what is offered, or
/// with `+` add to it, with `-` take from it, with `^` go first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Algorithms {
    /// `Ciphers`.
    pub ciphers: Option<String>,
    /// `MACs`.
    pub macs: Option<String>,
    /// `KexAlgorithms`.
    pub key_exchange: Option<String>,
    /// `HostKeyAlgorithms`.
    pub host_keys: Option<String>,
    /// `RequiredRSASize`: fewest bits of a host's RSA key.
    pub required_rsa_bits: Option<u32>,
}

/// Which kind of address is dialled (ssh_config(5), `AddressFamily`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AddressFamily {
    /// Either.
    #[default]
    Any,
    /// IPv4 alone.
    Inet,
    /// IPv6 alone.
    Inet6,
}

/// One host on the way to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JumpHost {
    /// What the inventory or ssh_config calls it.
    pub name: String,
    /// How it is reached from the one before it; its own `jump` is empty.
    pub endpoint: SshEndpoint,
    /// Deadline of connecting to it.
    pub connect_timeout: Duration,
}

/// Which agent is asked for identities (ssh_config(5), `IdentityAgent`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AgentChoice {
    /// The one of `SSH_AUTH_SOCK`.
    #[default]
    Environment,
    /// None.
    Off,
    /// The one behind this socket.
    Socket(PathBuf),
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

impl Docker {
    /// Whether the words name podman's program.
    #[must_use]
    pub fn is_podman(&self) -> bool {
        let Self::Words(words) = self else { return false };
        words.split_whitespace().any(|word| word.rsplit('/').next() == Some("podman"))
    }
}

impl Default for Docker {
    fn default() -> Self {
        Self::Words("docker".to_owned())
    }
}
