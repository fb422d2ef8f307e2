//! What `mcp hosts trust` answers with: a row per host.
//!
//! Boundary: values that serialise; keys of the JSON are documented in docs/commands.md.

use serde::Serialize;

use super::Subject;
use crate::{
    domain::Connection,
    error::Exit,
    operations::{Trouble, TroubleKind},
};

/// What became of a host's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TrustOutcome {
    /// It was known before.
    Known,
    /// A known authority vouches for it.
    Certified,
    /// It was new, and is known now.
    Trusted,
    /// It took the place of another one.
    Replaced,
    /// It is new, and was not written down.
    New,
    /// Another key is known of the host.
    Changed,
    /// It is revoked, or the authority that certified it.
    Revoked,
    /// It came with a certificate that is no good.
    Refused,
    /// Nobody vouches for it.
    Unexpected,
    /// The host has shown no key.
    Unreachable,
    /// The host was not asked.
    NotAttempted,
}

impl TrustOutcome {
    /// The word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Certified => "certified",
            Self::Trusted => "trusted",
            Self::Replaced => "replaced",
            Self::New => "new",
            Self::Changed => "CHANGED",
            Self::Revoked => "REVOKED",
            Self::Refused => "refused",
            Self::Unexpected => "unexpected",
            Self::Unreachable => "unreachable",
            Self::NotAttempted => "not attempted",
        }
    }

    /// Whether the host can be connected to from now on.
    #[must_use]
    pub fn is_trusted(self) -> bool {
        matches!(self, Self::Known | Self::Certified | Self::Trusted | Self::Replaced)
    }
}

/// A key that is known of a host that shows another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KnownKey {
    /// `ssh-ed25519` and the like.
    pub key_type: String,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// The file that has it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrustRow {
    /// Its name.
    pub host: String,
    /// `address:port`.
    pub target: String,
    /// It is here because others are reached through it.
    pub jump_host: bool,
    /// What became of its key.
    pub outcome: TrustOutcome,
    /// The type of the key it shows.
    pub key_type: Option<String>,
    /// The fingerprint of the key it shows.
    pub fingerprint: Option<String>,
    /// The key that was known, where it shows another one.
    pub known: Option<KnownKey>,
    /// The file the key was written to.
    pub file: Option<String>,
    /// Why it is not trusted.
    pub error: Option<Trouble>,
}

impl TrustRow {
    pub(super) fn of(subject: &Subject<'_>, outcome: TrustOutcome) -> Self {
        let target = match &subject.host.connection {
            Connection::Ssh(endpoint) if endpoint.address.contains(':') => {
                format!("[{}]:{}", endpoint.address, endpoint.port)
            }
            Connection::Ssh(endpoint) => format!("{}:{}", endpoint.address, endpoint.port),
            Connection::Local | Connection::Refused(_) => String::new(),
        };
        Self {
            host: subject.host.name.to_string(),
            target,
            jump_host: subject.is_jump_host,
            outcome,
            key_type: None,
            fingerprint: None,
            known: None,
            file: None,
            error: None,
        }
    }
}

/// The exit code of `rows`. New keys that nobody was asked about (`--dry-run`) are no failure.
#[must_use]
pub fn exit(rows: &[TrustRow], dry_run: bool) -> Exit {
    rows.iter().fold(Exit::Ok, |exit, row| {
        exit.or(match (&row.error, row.outcome) {
            (Some(trouble), _) if trouble.kind == TroubleKind::Interrupted => Exit::Interrupted,
            (_, TrustOutcome::Unreachable) => Exit::Unreachable,
            (Some(_), _) => Exit::Failed,
            (None, TrustOutcome::New | TrustOutcome::Changed) if !dry_run => Exit::Failed,
            (None, _) => Exit::Ok,
        })
    })
}
