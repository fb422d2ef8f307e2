//! Connects to hosts over SSH, through libssh2 (the `ssh2` crate).
//!
//! Boundary: one session per connect and no pooling; what it runs is the caller's. libssh2 stays inside this module.
//! The road: `dial` (DNS, TCP) → `wire` (key exchange) → `host_key` → `auth` with `keys` → `exec` with `command`.

mod agent_relay;
mod auth;
mod certificate;
mod command;
mod dial;
mod exec;
mod expect;
mod host_key;
mod keys;
mod known_files;
mod known_hosts;
mod known_lines;
mod wire;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use zeroize::Zeroizing;

pub use self::expect::Expectations;
use self::{
    auth::{Credentials, Login},
    exec::SshRemote,
    host_key::HostKeys,
    keys::KeyRing,
    wire::Wire,
};
use super::{Connector, Limits, Phase, Remote, ShownKey, TransportError, TransportErrorKind};
use crate::domain::{Connection, Host, SshEndpoint};

/// Asks a person for the passphrase of the key in the given file; `None` when there is no answer.
pub type PassphrasePrompt = Arc<dyn Fn(&Path) -> Option<Zeroizing<String>> + Send + Sync>;

/// Asks a person for the password of this run; `None` when there is no answer.
pub type PasswordPrompt = Arc<dyn Fn() -> Option<Zeroizing<String>> + Send + Sync>;

/// What a run brings along to log in with.
#[derive(Clone, Default)]
pub struct SshOptions {
    /// Where `.ssh` is looked for.
    pub home: Option<PathBuf>,
    /// The agent's socket.
    pub agent: Option<PathBuf>,
    /// Called once per encrypted key and run, up to three times if the answers are wrong; `None` off a terminal.
    pub passphrase: Option<PassphrasePrompt>,
    /// Called once per run, when no key was accepted; `None` without `--ask-pass`.
    pub password: Option<PasswordPrompt>,
}

impl SshOptions {
    /// `HOME` and `SSH_AUTH_SOCK` of this process, and nobody to ask.
    #[must_use]
    pub fn from_environment() -> Self {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self { home: path("HOME"), agent: path("SSH_AUTH_SOCK"), passphrase: None, password: None }
    }
}

/// What a connector has done so far.
#[derive(Debug, Default)]
pub struct Counts {
    sessions: AtomicUsize,
    execs: AtomicUsize,
    decryptions: AtomicUsize,
}

impl Counts {
    /// Sessions that were logged in.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Scripts that were run or streamed.
    #[must_use]
    pub fn execs(&self) -> usize {
        self.execs.load(Ordering::Relaxed)
    }

    /// Passphrases that were tried on keys: each costs a key derivation.
    #[must_use]
    pub fn decryptions(&self) -> usize {
        self.decryptions.load(Ordering::Relaxed)
    }
}

/// Opens SSH sessions. Keys and known hosts are read once and shared by all workers of a run.
pub struct SshConnector {
    credentials: Credentials,
    host_keys: HostKeys,
    counts: Arc<Counts>,
}

impl SshConnector {
    /// A connector that has read nothing yet.
    #[must_use]
    pub fn new(options: SshOptions) -> Self {
        let counts = Arc::new(Counts::default());
        Self {
            credentials: Credentials {
                agent: options.agent,
                ring: KeyRing::new(options.home.clone(), options.passphrase, Arc::clone(&counts)),
                ask_pass: options.password,
                password: OnceLock::new(),
            },
            host_keys: HostKeys::new(options.home),
            counts,
        }
    }

    /// What was done so far, for `--verbose` and for tests.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl SshConnector {
    /// Opens a connection and exchanges keys; nothing about the user is sent. The host has shown its key, and nobody has looked
    /// at it yet.
    fn exchange_keys(&self, host: &Host, endpoint: &SshEndpoint, limits: &Limits<'_>) -> Result<Wire, TransportError> {
        if let Some(jump) = endpoint.jump.first() {
            return unsupported(format!(
                "jump hosts are not supported yet ({} is reached through {})",
                host.name, jump.name
            ));
        }
        let wire = Wire::new(dial::dial(endpoint, limits)?)?;
        let _guard = wire.wake_on(limits.cancel);
        (limits.phase)(Phase::KeyExchange);
        self.host_keys.prefer_known(&wire.session, endpoint)?;
        let mut session = wire.session.clone();
        wire.drive(Phase::KeyExchange, limits, |_| session.handshake())?;
        drop(session);
        Ok(wire)
    }
}

impl Connector for SshConnector {
    fn connect(&self, host: &Host, limits: &Limits<'_>) -> Result<Box<dyn Remote>, TransportError> {
        let endpoint = endpoint_of(host)?;
        let wire = self.exchange_keys(host, endpoint, limits)?;
        let _guard = wire.wake_on(limits.cancel);
        (limits.phase)(Phase::HostKey);
        self.host_keys.check(&wire.session, endpoint, limits)?;
        (limits.phase)(Phase::Authentication);
        Login::new(&wire, endpoint, &self.credentials, *limits).run()?;
        // Due only when a loop asks for it: see `exec`.
        wire.session.set_keepalive(true, u32::try_from(wire::KEEPALIVE.as_secs()).unwrap_or(u32::MAX));
        self.counts.sessions.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(SshRemote::new(wire, Arc::clone(&self.counts))))
    }

    fn scan(&self, host: &Host, limits: &Limits<'_>) -> Result<ShownKey, TransportError> {
        let endpoint = endpoint_of(host)?;
        let wire = self.exchange_keys(host, endpoint, limits)?;
        (limits.phase)(Phase::HostKey);
        self.host_keys.shown(&wire.session, endpoint)
    }

    fn remember(
        &self,
        keys: &[(&SshEndpoint, &ShownKey)],
        replace: bool,
        limits: &Limits<'_>,
    ) -> Result<PathBuf, TransportError> {
        self.host_keys.remember(keys, replace, limits)
    }
}

fn unsupported<T>(text: String) -> Result<T, TransportError> {
    Err(TransportError::new(Phase::Dns, TransportErrorKind::Unsupported(text)))
}

fn endpoint_of(host: &Host) -> Result<&SshEndpoint, TransportError> {
    match &host.connection {
        Connection::Ssh(endpoint) => Ok(endpoint),
        Connection::Local | Connection::Refused(_) => unsupported(format!("{} is not reached over SSH", host.name)),
    }
}

/// An endpoint's name in error texts: `host`, `host:2222`, `[::1]:2222`.
fn target(endpoint: &SshEndpoint) -> String {
    let address = &endpoint.address;
    match (endpoint.port, address.contains(':')) {
        (22, _) => address.clone(),
        (port, true) => format!("[{address}]:{port}"),
        (port, false) => format!("{address}:{port}"),
    }
}

/// `path` with a leading `~` replaced by the home directory.
fn expand(path: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}
