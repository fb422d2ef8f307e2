//! What can go wrong between here and a host's shell, and in which phase.
//!
//! Boundary: kinds and facts; hints for people are written by `error` above, by kind and never by text.

use std::{fmt, sync::Arc, time::Duration};

/// How far a connection got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Before anything is sent: what is configured cannot be done.
    Configuration,
    /// Waiting for the jump host on the way.
    Jump,
    /// Looking up the address.
    Dns,
    /// Opening the TCP connection.
    Tcp,
    /// SSH banner and key exchange.
    KeyExchange,
    /// Checking the host's key.
    HostKey,
    /// Logging in.
    Authentication,
    /// Opening a channel and starting a command.
    Exec,
    /// Waiting for docker on the host: the command has begun and said so.
    Docker,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Configuration => "configuration",
            Self::Dns => "DNS",
            Self::Tcp => "TCP",
            Self::KeyExchange => "key exchange",
            Self::Jump => "jump host",
            Self::HostKey => "host key",
            Self::Authentication => "authentication",
            Self::Exec => "exec",
            Self::Docker => "docker",
        })
    }
}

/// A connection's trouble. The host's name is added by whoever holds it.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct TransportError {
    /// Where it happened.
    pub phase: Phase,
    /// What happened; boxed, because results carry it far and it is seldom there.
    pub kind: Box<TransportErrorKind>,
}

impl TransportError {
    /// An error of `kind` in `phase`.
    #[must_use]
    pub fn new(phase: Phase, kind: TransportErrorKind) -> Self {
        Self { phase, kind: Box::new(kind) }
    }
}

/// What happened.
#[derive(Debug, thiserror::Error)]
pub enum TransportErrorKind {
    /// The deadline passed.
    #[error("no answer within {:.1} s (in {phase})", allowed.as_secs_f64())]
    Timeout { phase: Phase, allowed: Duration },
    /// The run was interrupted.
    #[error("interrupted")]
    Cancelled,
    /// The name has no address.
    #[error("cannot find the address of {address:?}: {reason}")]
    Resolve { address: String, reason: String },
    /// No TCP connection.
    #[error("cannot connect to {target}: {source}")]
    Connect { target: String, source: std::io::Error },
    /// `known_hosts` does not hold this host.
    #[error("the host key of {target} is not known ({key_type} {fingerprint})")]
    HostKeyUnknown { target: String, key_type: String, fingerprint: String },
    /// The host shows another key than the one known.
    #[error(
        "the host key of {target} CHANGED: it shows {key_type} {fingerprint}, {file}:{line} has {known_type} {known_fingerprint}"
    )]
    HostKeyChanged {
        target: String,
        key_type: String,
        fingerprint: String,
        file: String,
        line: usize,
        known_type: String,
        known_fingerprint: String,
    },
    /// The key is marked `@revoked`.
    #[error("the host key of {target} is revoked ({key_type} {fingerprint}, {file}:{line})")]
    HostKeyRevoked { target: String, key_type: String, fingerprint: String, file: String, line: usize },
    /// The key that signed the host's certificate is marked `@revoked`.
    #[error("the authority that signed the host certificate of {target} is revoked ({fingerprint}, {file}:{line})")]
    HostAuthorityRevoked { target: String, fingerprint: String, file: String, line: usize },
    /// An authority is known for this host, and the certificate it shows is no good; the key itself is not known.
    #[error("the host certificate of {target} is not accepted: {reason} (its key is {key_type} {fingerprint})")]
    HostCertificate { target: String, key_type: String, fingerprint: String, reason: String },
    /// `known_hosts` could not be read or written.
    #[error("{file}: {source}")]
    KnownHosts { file: String, source: std::io::Error },
    /// The host took none of the identities. `tried` names each with its reason.
    #[error("{user}@{target} accepted none of: {}", tried.join(", "))]
    Authentication { user: String, target: String, tried: Vec<String> },
    /// The host and this client have no algorithm of one kind in common.
    #[error(
        "no matching {what} with {target}: it offers {}; offered here: {}", theirs.join(","), ours.join(",")
    )]
    NoCommonAlgorithm {
        target: String,
        what: &'static str,
        /// The keyword of ssh_config(5) and sshd_config(5) that sets it.
        keyword: &'static str,
        theirs: Vec<String>,
        ours: Vec<String>,
    },
    /// The host's entry cannot be used as it is (e.g. a key kind that is not supported).
    #[error("{0}")]
    Unsupported(String),
    /// The jump host is the trouble; every host behind it has the same.
    #[error("the jump host {jump} cannot be used: {cause}")]
    Jump { jump: String, cause: Arc<TransportError> },
    /// The jump host is fine and cannot open a connection to the host.
    #[error("the jump host {jump} cannot connect to {target}: {reason}")]
    Forward { jump: String, target: String, reason: String },
    /// The connection broke.
    #[error("the connection was lost ({0})")]
    Lost(String),
    /// libssh2 said something else.
    #[error("SSH: {message} (libssh2 {code})")]
    Ssh { code: i32, message: String },
    /// What a command was to read could not be read here.
    #[error("the input cannot be read: {0}")]
    Input(#[source] std::io::Error),
    /// The local shell could not be run.
    #[error("cannot run sh on this machine: {0}")]
    Local(#[source] std::io::Error),
}
