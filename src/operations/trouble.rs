//! A failure as data: what kind, why, and what to do next. The one place where kinds become words for people.
//!
//! Boundary: decides by kind, never by text of an error. Next: `docker::failure` classifies docker's own texts.

use serde::Serialize;

use crate::{
    docker::failure::{EngineFailure, EngineFailureKind, classify},
    domain::Host,
    fleet::HostError,
    transport::{Phase, TransportErrorKind},
};

/// Whose fault it was, as far as an exit code is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TroubleKind {
    /// The host gave no answer.
    Unreachable,
    /// The host answered and it did not work.
    Failed,
    /// The run was interrupted.
    Interrupted,
    /// The run ended because of what failed elsewhere.
    Halted,
}

/// Why something did not work, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// Whose fault.
    pub kind: TroubleKind,
    /// How far the connection got, where that is the trouble.
    pub phase: Option<String>,
    /// Why.
    pub cause: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The container's last log lines, where they may tell.
    pub log: Vec<String>,
}

impl Trouble {
    /// The host answered and it did not work.
    #[must_use]
    pub fn failed(cause: impl Into<String>, hint: Option<String>) -> Self {
        Self { kind: TroubleKind::Failed, phase: None, cause: cause.into(), hint, log: vec![] }
    }

    /// A docker command that ended with `exit` and said `stderr`; `None` when it succeeded. No exit code means that nobody
    /// knows how it ended.
    #[must_use]
    pub fn docker(exit: Option<i32>, stderr: &str) -> Option<Self> {
        match exit {
            Some(code) => classify(code, stderr).map(|failure| Self::engine(&failure)),
            None => Some(Self::failed(
                "docker was cut short before it said how it ended",
                Some("look with `mcp list`".to_owned()),
            )),
        }
    }

    /// A host's engine did not do it.
    #[must_use]
    pub fn engine(failure: &EngineFailure) -> Self {
        let detail = match failure.kind {
            EngineFailureKind::NoCli => format!("the docker command does not run on this host: {}", failure.detail),
            _ => format!("docker: {}", failure.detail),
        };
        Self::failed(detail, Some(failure.hint().to_owned()).filter(|hint| !hint.is_empty()))
    }

    /// A host gave no answer.
    #[must_use]
    pub fn host(error: &HostError, host: &Host) -> Self {
        match error {
            HostError::NotAttempted => Self {
                kind: TroubleKind::Interrupted,
                phase: None,
                cause: error.to_string(),
                hint: Some("`mcp resume` does what is left of a run that changes things".to_owned()),
                log: vec![],
            },
            HostError::Late => Self {
                kind: TroubleKind::Unreachable,
                phase: Some(Phase::Exec.to_string()),
                cause: error.to_string(),
                hint: Some("is the host overloaded? run the same command again".to_owned()),
                log: vec![],
            },
            HostError::Halted(_) => Self {
                kind: TroubleKind::Halted,
                phase: None,
                cause: error.to_string(),
                hint: Some("mend what failed, then `mcp resume` goes on with the rest".to_owned()),
                log: vec![],
            },
            HostError::Answer(_) => Self::failed(
                error.to_string(),
                Some(format!("the account on {} needs a POSIX shell as `sh` and no forced command", host.name)),
            ),
            HostError::Transport(transport) => Self {
                kind: if matches!(*transport.kind, TransportErrorKind::Cancelled) {
                    TroubleKind::Interrupted
                } else {
                    TroubleKind::Unreachable
                },
                phase: Some(transport.phase.to_string()),
                cause: transport.kind.to_string(),
                hint: hint(&transport.kind, transport.phase, host),
                log: vec![],
            },
        }
    }
}

fn hint(kind: &TransportErrorKind, phase: Phase, host: &Host) -> Option<String> {
    let name = &host.name;
    Some(match kind {
        TransportErrorKind::Timeout { .. } => match phase {
            Phase::Dns | Phase::Tcp => format!("is {name} up and its SSH port open? see `mcp hosts check {name}`"),
            Phase::Exec | Phase::Docker => {
                "the command may still run there; look with `mcp list`, allow more with --timeout".to_owned()
            }
            _ => format!("something answers at {name} but does not finish; see `mcp hosts check {name}`"),
        },
        TransportErrorKind::Cancelled if phase >= Phase::Exec => {
            "what was under way goes on there: look with `mcp list`; `mcp resume` does what is left of a run that changes things".to_owned()
        }
        TransportErrorKind::Cancelled => "`mcp resume` does what is left of a run that changes things".to_owned(),
        TransportErrorKind::Resolve { .. } => format!("set hosts.{name}.address in hosts.yaml to a name that resolves"),
        TransportErrorKind::Connect { .. } => format!("is sshd running there? check hosts.{name}.address and .port"),
        TransportErrorKind::HostKeyUnknown { .. } => format!(
            "compare the fingerprint and trust it with `mcp hosts trust {name}`, or set `host_key: accept-new` for it"
        ),
        TransportErrorKind::HostKeyChanged { .. } => format!(
            "the host was reinstalled, or somebody is in between: ask its owner before you \
             `mcp hosts trust {name} --replace-changed`"
        ),
        TransportErrorKind::HostKeyRevoked { .. } => {
            "do not trust this host before its owner replaced the key".to_owned()
        }
        TransportErrorKind::HostAuthorityRevoked { .. } => {
            "do not trust this host before its owner had its key certified by another authority".to_owned()
        }
        TransportErrorKind::HostCertificate { .. } => {
            format!("have the host certified anew (ssh-keygen -s CA -h -n NAME), or correct hosts.{name}.address")
        }
        // The jump hosts of a host come along, whether the inventory has them or not.
        TransportErrorKind::Jump { jump, cause }
            if matches!(*cause.kind, TransportErrorKind::HostKeyUnknown { .. }) =>
        {
            format!("{jump} is not trusted yet: compare the fingerprint and trust it with `mcp hosts trust {name}`")
        }
        TransportErrorKind::Jump { jump, .. } => {
            format!("repair {jump} first: every host behind it has this one trouble")
        }
        TransportErrorKind::Forward { jump, reason, .. } if reason.contains("prohibited") => {
            format!("sshd on {jump} forbids it: AllowTcpForwarding and PermitOpen in its sshd_config")
        }
        TransportErrorKind::Forward { jump, .. } => {
            format!("is {name} up, and does {jump} reach its address and port? check hosts.{name}.address and .port")
        }
        TransportErrorKind::KnownHosts { .. } => "make the file readable and writable for you".to_owned(),
        TransportErrorKind::Authentication { .. } => {
            format!("add a key with `ssh-add`, set hosts.{name}.identity_file or .user, or use --ask-pass")
        }
        TransportErrorKind::Lost(_) if matches!(phase, Phase::Exec | Phase::Docker) => {
            "what was under way may be done or not: look with `mcp list`".to_owned()
        }
        TransportErrorKind::Lost(_) | TransportErrorKind::Ssh { .. } => format!("see `mcp hosts check {name}`"),
        TransportErrorKind::Unsupported(_) | TransportErrorKind::Input(_) | TransportErrorKind::Local(_) => {
            return None;
        }
    })
}
