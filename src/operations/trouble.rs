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
    /// The cause without what is one host's own; see [`Trouble::general_cause`].
    #[serde(skip)]
    pub general: Option<Box<General>>,
}

/// A cause in words that hold for every host with that cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct General {
    /// The cause it is the general form of: where that was changed since, this is out of date.
    specific: String,
    /// In general.
    cause: String,
}

impl Trouble {
    /// The host answered and it did not work.
    #[must_use]
    pub fn failed(cause: impl Into<String>, hint: Option<String>) -> Self {
        Self { kind: TroubleKind::Failed, phase: None, cause: cause.into(), hint, log: vec![], general: None }
    }

    /// The same with a cause in words that hold for every host that has it.
    #[must_use]
    pub fn in_general(self, cause: impl Into<String>) -> Self {
        let general = General { specific: self.cause.clone(), cause: cause.into() };
        Self { general: Some(Box::new(general)), ..self }
    }

    /// The cause without address, key and what else is only this host's, so that hosts with the same cause can be told together.
    #[must_use]
    pub fn general_cause(&self) -> &str {
        match &self.general {
            Some(general) if general.specific == self.cause => &general.cause,
            _ => &self.cause,
        }
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

    /// A command that the account's login shell, which ended with `code`, did not begin.
    #[must_use]
    pub fn not_begun(host: &Host, code: i32) -> Self {
        let cause = format!("the command did not begin: the account's login shell ended with exit code {code}");
        Self::failed(cause, Some(needs_a_shell(host)))
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
                general: None,
            },
            HostError::Late => Self {
                kind: TroubleKind::Unreachable,
                phase: Some(Phase::Exec.to_string()),
                cause: error.to_string(),
                hint: Some("is the host overloaded? run the same command again".to_owned()),
                log: vec![],
                general: None,
            },
            HostError::Halted(_) => Self {
                kind: TroubleKind::Halted,
                phase: None,
                cause: error.to_string(),
                hint: Some("mend what failed, then `mcp resume` goes on with the rest".to_owned()),
                log: vec![],
                general: None,
            },
            HostError::Answer(_) => Self::failed(error.to_string(), Some(needs_a_shell(host))),
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
                general: general(&transport.kind)
                    .map(|cause| Box::new(General { specific: transport.kind.to_string(), cause })),
            },
        }
    }
}

/// What a kind of error means without the host's own words; `None` where its text holds for every host, and where each host has to
/// be looked at (a changed key).
fn general(kind: &TransportErrorKind) -> Option<String> {
    Some(match kind {
        TransportErrorKind::Resolve { reason, .. } => format!("cannot find the address: {reason}"),
        TransportErrorKind::Connect { source, .. } => format!("cannot connect: {source}"),
        TransportErrorKind::HostKeyUnknown { .. } => "the host key is not known".to_owned(),
        TransportErrorKind::Authentication { user, tried, .. } => {
            format!("the login as {user} failed, none of these was accepted: {}", tried.join(", "))
        }
        TransportErrorKind::Forward { jump, reason, .. } => {
            format!("the jump host {jump} cannot connect to them: {reason}")
        }
        _ => return None,
    })
}

/// What an account needs for commands.
pub(super) fn needs_a_shell(host: &Host) -> String {
    format!("the account on {} needs a POSIX shell as `sh` and no forced command", host.name)
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
        TransportErrorKind::NoCommonAlgorithm { keyword, .. } => format!(
            "allow one of those offered here by {keyword} in sshd_config on {name}, or update its SSH server; a {keyword} in your \
             ssh_config limits what is offered here"
        ),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;
    use crate::{
        domain::{Connection, HostName, SshEndpoint},
        transport::TransportError,
    };

    #[test]
    fn causes_of_one_kind_are_the_same_in_general_and_a_revoked_key_is_each_hosts_own() {
        let trouble = |number: usize, phase, kind| {
            let endpoint = SshEndpoint::new(format!("10.0.0.{number}"), "ops");
            let host = Host::new(HostName::new(format!("h{number}")).unwrap(), Connection::Ssh(endpoint));
            Trouble::host(&HostError::Transport(TransportError::new(phase, kind)), &host)
        };
        let target = |number: usize| format!("10.0.0.{number}:22");
        let refused = |number| {
            let source = std::io::ErrorKind::ConnectionRefused.into();
            trouble(number, Phase::Tcp, TransportErrorKind::Connect { target: target(number), source })
        };
        let unknown = |number| {
            let (key_type, fingerprint) = ("ssh-ed25519".to_owned(), format!("SHA256:{number}"));
            let kind = TransportErrorKind::HostKeyUnknown { target: target(number), key_type, fingerprint };
            trouble(number, Phase::HostKey, kind)
        };
        let login = |number| {
            let (user, tried) = ("ops".to_owned(), vec!["no agent".to_owned()]);
            let kind = TransportErrorKind::Authentication { user, target: target(number), tried };
            trouble(number, Phase::Authentication, kind)
        };
        let revoked = |number| {
            let (key_type, fingerprint, file) = (String::new(), String::new(), String::new());
            let target = target(number);
            let kind = TransportErrorKind::HostKeyRevoked { target, key_type, fingerprint, file, line: 1 };
            trouble(number, Phase::HostKey, kind)
        };
        for (one, two) in [(refused(1), refused(2)), (unknown(1), unknown(2)), (login(1), login(2))] {
            assert_eq!(one.general_cause(), two.general_cause());
            assert_ne!(one.cause, two.cause);
            assert!(!one.general_cause().contains("10.0.0.1"), "{}", one.general_cause());
        }
        assert_ne!(revoked(1).general_cause(), revoked(2).general_cause());
    }
}
