//! Connects to hosts over SSH, through libssh2 (the `ssh2` crate).
//!
//! Boundary: one session per connect; what it runs is the caller's. libssh2 stays inside this module.
//! The road: `kept` (a session of an earlier run) or else `gate` → `dial` (DNS, TCP) or `jump` → `wire` (key exchange) →
//! `host_key` → `auth` with `keys` and `signing`; then `exec` with `command`, over a `link`.

mod agent_relay;
mod algorithms;
mod auth;
mod certificate;
mod command;
mod dial;
mod direct;
mod exec;
mod expect;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod gate;
mod host_key;
mod jump;
pub mod kept;
pub(crate) mod keys;
mod known_files;
mod known_hosts;
mod known_index;
mod known_lines;
mod link;
mod peer_offer;
mod signing;
mod socket;
mod wire;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use zeroize::Zeroizing;

pub use self::expect::Expectations;
use self::{
    auth::{Credentials, Login},
    direct::DirectLink,
    exec::SshRemote,
    gate::{Gate, Permit},
    host_key::HostKeys,
    jump::Jumps,
    kept::{Keep, Key, Place, attach},
    keys::KeyRing,
    peer_offer::{Mismatch, Offer},
    socket::Socket,
    wire::Wire,
};
use super::{Connector, Limits, Phase, Remote, ShownKey, TransportError, TransportErrorKind, retry::Tries};
use crate::domain::{Connection, Host, SshEndpoint};

/// Least time a host has for its first byte before the connection is tried anew.
const FIRST_BYTE: Duration = Duration::from_secs(2);

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
    /// Where sessions of earlier runs are found and this run's are left; `None` does neither.
    pub keep: Option<Keep>,
}

impl SshOptions {
    /// `HOME` and `SSH_AUTH_SOCK` of this process, and nobody to ask.
    #[must_use]
    pub fn from_environment() -> Self {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self { home: path("HOME"), agent: path("SSH_AUTH_SOCK"), ..Self::default() }
    }
}

/// What a connector has done so far.
#[derive(Debug, Default)]
pub struct Counts {
    sessions: AtomicUsize,
    reused: AtomicUsize,
    execs: AtomicUsize,
    decryptions: AtomicUsize,
}

impl Counts {
    /// Sessions that were logged in.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Kept sessions of earlier runs that were used.
    #[must_use]
    pub fn reused(&self) -> usize {
        self.reused.load(Ordering::Relaxed)
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
    core: Arc<Core>,
    home: Option<PathBuf>,
    keep: Option<Keep>,
}

/// What all sessions of a run share, those of jump hosts included.
struct Core {
    credentials: Credentials,
    host_keys: HostKeys,
    counts: Arc<Counts>,
    gate: Gate,
    jumps: Jumps,
}

impl SshConnector {
    /// A connector that has read nothing yet.
    #[must_use]
    pub fn new(options: SshOptions) -> Self {
        let counts = Arc::new(Counts::default());
        let core = Core {
            credentials: Credentials {
                agent: options.agent,
                ring: KeyRing::new(options.home.clone(), options.passphrase, Arc::clone(&counts)),
                ask_pass: options.password,
                password: OnceLock::new(),
            },
            host_keys: HostKeys::new(options.home.clone()),
            counts,
            gate: Gate::default(),
            jumps: Jumps::default(),
        };
        Self { core: Arc::new(core), home: options.home, keep: options.keep }
    }

    /// What was done so far, for `--verbose` and for tests.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.core.counts
    }
}

impl SshConnector {
    /// Where a session with `host` is found and goes; `None` when none is kept.
    fn place(&self, host: &Host, endpoint: &SshEndpoint) -> Option<Place> {
        let keep = self.keep.as_ref()?;
        let persist = keep.persist(host);
        let key = || Key::new(endpoint, self.home.as_deref(), self.core.credentials.agent.as_deref());
        let jump = endpoint.jump.iter().map(|jump| jump.name.clone()).collect();
        let target = format!("{}@{}", endpoint.user, target(endpoint));
        (!persist.is_zero()).then(|| Place::new(keep, key(), host.name.as_str(), target, jump, persist))
    }
}

impl Drop for SshConnector {
    fn drop(&mut self) {
        let credentials = &self.core.credentials;
        // Who is let in by a password is asked for it each time.
        if let (Some(keep), Some(Some(_))) = (&self.keep, credentials.password.get()) {
            keep.pool.clear();
        }
        // What a keeper holds needs no key any more.
        credentials.ring.forget();
        // The jump hosts' threads hold the core, so they have to be told; tunnels that are kept need them.
        if !self.keep.as_ref().is_some_and(|keep| keep.pool.has_tunnels()) {
            self.core.jumps.close();
        }
    }
}

impl Connector for SshConnector {
    fn connect(&self, host: &Host, limits: &Limits<'_>) -> Result<Box<dyn Remote>, TransportError> {
        let endpoint = endpoint_of(host)?;
        let counts = Arc::clone(&self.core.counts);
        let place = self.place(host, endpoint);
        if let (Some(keep), Some(place)) = (&self.keep, &place) {
            (limits.phase)(Phase::Exec);
            let accepts = |keys: &[&[u8]]| self.core.accepts(keys, endpoint);
            if let Some(link) = attach(&keep.directory, place.wish(), limits, accepts) {
                counts.reused.fetch_add(1, Ordering::Relaxed);
                return Ok(Box::new(SshRemote::new(link, counts)));
            }
        }
        let wire = self.core.connect(endpoint, limits)?;
        // Due only when a loop asks for it: see `direct`.
        wire.session.set_keepalive(true, u32::try_from(wire::KEEPALIVE.as_secs()).unwrap_or(u32::MAX));
        Ok(Box::new(SshRemote::new(DirectLink::new(wire, place), counts)))
    }

    fn scan(&self, host: &Host, limits: &Limits<'_>) -> Result<ShownKey, TransportError> {
        self.core.scan(endpoint_of(host)?, limits)
    }

    fn remember(
        &self,
        keys: &[(&SshEndpoint, &ShownKey)],
        replace: bool,
        limits: &Limits<'_>,
    ) -> Result<PathBuf, TransportError> {
        self.core.host_keys.remember(keys, replace, limits)
    }
}

fn endpoint_of(host: &Host) -> Result<&SshEndpoint, TransportError> {
    match &host.connection {
        Connection::Ssh(endpoint) => Ok(endpoint),
        Connection::Local | Connection::Refused(_) => {
            let kind = TransportErrorKind::Unsupported(format!("{} is not reached over SSH", host.name));
            Err(TransportError::new(Phase::Configuration, kind))
        }
    }
}

impl Core {
    /// Whether the keys that hosts on the way to `endpoint` have shown once, from the outermost jump host in, would be
    /// accepted now.
    fn accepts(&self, keys: &[&[u8]], endpoint: &SshEndpoint) -> bool {
        let way = endpoint.jump.iter().map(|jump| &jump.endpoint).chain([endpoint]);
        keys.len() == endpoint.jump.len() + 1 && way.zip(keys).all(|(hop, key)| self.host_keys.accepts(key, hop))
    }

    /// A session that is logged in.
    fn connect(self: &Arc<Self>, endpoint: &SshEndpoint, limits: &Limits<'_>) -> Result<Wire, TransportError> {
        self.retried(endpoint, limits, |wire, limits| {
            self.host_keys.check(&wire.session, endpoint, limits)?;
            (limits.phase)(Phase::Authentication);
            Login::new(&wire, endpoint, &self.credentials, *limits).run()?;
            self.counts.sessions.fetch_add(1, Ordering::Relaxed);
            Ok(wire)
        })
    }

    /// The key that the endpoint shows; nothing about the user is sent to it.
    fn scan(self: &Arc<Self>, endpoint: &SshEndpoint, limits: &Limits<'_>) -> Result<ShownKey, TransportError> {
        self.retried(endpoint, limits, |wire, _| self.host_keys.shown(&wire.session, endpoint))
    }

    /// What `finish` makes of a host that has shown its key, tried again as [`retry`](crate::transport::retry) has it.
    fn retried<T>(
        self: &Arc<Self>,
        endpoint: &SshEndpoint,
        limits: &Limits<'_>,
        finish: impl Fn(Wire, &Limits<'_>) -> Result<T, TransportError>,
    ) -> Result<T, TransportError> {
        let mut tries = Tries::new(limits.retries);
        // Waiting for a turn is not the host's time.
        let mut deadline = limits.deadline;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // An answer that got lost is worth another try only if there is time for one; the last has all that is left.
            let share = (left / (tries.left() + 1)).max(FIRST_BYTE);
            let first_byte = (tries.left() > 0).then(|| Instant::now() + share);
            let mut waited = Duration::ZERO;
            let limits_now = Limits { deadline, first_byte, ..*limits };
            let error = match self.exchange(endpoint, &limits_now, &mut waited, &finish) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            deadline += waited;
            let Some(wait) = tries.next(&error, deadline) else { return Err(error) };
            if !limits.cancel.sleep(wait) {
                return Err(TransportError::new(error.phase, TransportErrorKind::Cancelled));
            }
        }
    }

    /// One try. `waited` is the time until it was its turn.
    fn exchange<T>(
        self: &Arc<Self>,
        endpoint: &SshEndpoint,
        limits: &Limits<'_>,
        waited: &mut Duration,
        finish: impl Fn(Wire, &Limits<'_>) -> Result<T, TransportError>,
    ) -> Result<T, TransportError> {
        let (socket, _permit) = self.socket(endpoint, limits, waited)?;
        let by_turn = |at: Instant| at + *waited;
        let limits =
            &Limits { deadline: by_turn(limits.deadline), first_byte: limits.first_byte.map(by_turn), ..*limits };
        let wire = Wire::new(socket)?;
        let _guard = wire.wake_on(limits.cancel);
        (limits.phase)(Phase::KeyExchange);
        self.host_keys.prefer_known(&wire.session, endpoint)?;
        algorithms::offer(&wire.session, &endpoint.algorithms)?;
        if let Err(error) = wire.handshake(limits) {
            let ours = self.our_offer(&wire, endpoint);
            drop(wire);
            return Err(self.explained(endpoint, limits, error, ours));
        }
        (limits.phase)(Phase::HostKey);
        finish(wire, limits)
    }

    /// What a session offers to `endpoint`.
    fn our_offer(&self, wire: &Wire, endpoint: &SshEndpoint) -> Option<Offer> {
        let host_keys = self.host_keys.order(endpoint).ok()?;
        Some(Offer { host_keys, ..algorithms::offered(&wire.session, &endpoint.algorithms)? })
    }

    /// `error` of a key exchange; the algorithms of both sides in its place, where none are in common.
    fn explained(
        self: &Arc<Self>,
        endpoint: &SshEndpoint,
        limits: &Limits<'_>,
        error: TransportError,
        ours: Option<Offer>,
    ) -> TransportError {
        let Some(ours) = ours.filter(|_| Wire::may_lack_algorithms(&error)) else { return error };
        let limits = &Limits { deadline: limits.deadline.min(Instant::now() + peer_offer::PATIENCE), ..*limits };
        let mut waited = Duration::ZERO;
        // Without a turn: this host has one already.
        let socket = if endpoint.jump.is_empty() {
            dial::dial(endpoint, limits).map(Socket::Tcp)
        } else {
            self.jumps.open(self, endpoint, limits, &mut waited)
        };
        let theirs = socket.ok().and_then(|socket| peer_offer::read(&socket, limits));
        match theirs.and_then(|theirs| ours.mismatch(&theirs)) {
            None => error,
            Some(Mismatch { what, keyword, theirs, ours }) => {
                let kind =
                    TransportErrorKind::NoCommonAlgorithm { target: target(endpoint), what, keyword, theirs, ours };
                TransportError::new(Phase::KeyExchange, kind)
            }
        }
    }

    /// A connection to the endpoint, straight or through its jump hosts, with the permission to start a session on it.
    fn socket(
        self: &Arc<Self>,
        endpoint: &SshEndpoint,
        limits: &Limits<'_>,
        waited: &mut Duration,
    ) -> Result<(Socket, Permit<'_>), TransportError> {
        if endpoint.jump.is_empty() {
            let begin = Instant::now();
            // Two names may stand for one endpoint.
            let permit = self.gate.enter(&target(endpoint), limits)?;
            *waited = begin.elapsed();
            let by_turn = |at: Instant| at + *waited;
            let limits =
                &Limits { deadline: by_turn(limits.deadline), first_byte: limits.first_byte.map(by_turn), ..*limits };
            return Ok((Socket::Tcp(dial::dial(endpoint, limits)?), permit));
        }
        let socket = self.jumps.open(self, endpoint, limits, waited)?;
        // The hosts behind one jump host may all be one machine, or behind one that counts.
        let begin = Instant::now();
        let permit = self.gate.enter(&jump::key(&endpoint.jump), limits)?;
        *waited += begin.elapsed();
        Ok((socket, permit))
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

/// The file beside `path` whose name has `suffix` behind it.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
