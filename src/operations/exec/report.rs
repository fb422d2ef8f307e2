//! What became of a command on each host, and the sum of it.
//!
//! Boundary: values that serialise, and the fold to an exit code.

use std::{collections::BTreeMap, time::Duration};

use serde::{Serialize, Serializer};

use crate::{
    domain::{Connection, Host, HostName},
    error::Exit,
    fleet::HostError,
    operations::{Trouble, TroubleKind, trouble::needs_a_shell},
    transport::{End, Phase, Room, TransportErrorKind},
};

/// `LIBSSH2_ERROR_CHANNEL_FAILURE` and `LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED`: the host has begun nothing.
const REFUSED: [i32; 2] = [-21, -22];

/// What became of a host's command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecOutcome {
    /// It ended with exit code 0.
    Ok,
    /// It ended with another code, or a signal ended it.
    Failed,
    /// It had not ended at its deadline and was killed.
    TimedOut,
    /// The host gave no answer; nothing ran.
    Unreachable,
    /// The connection was lost while it ran: nobody knows how far it got.
    Unknown,
    /// The run was interrupted while it ran; it was killed.
    Interrupted,
    /// The run was interrupted, or ended because of what failed, before it came to this host.
    NotAttempted,
}

impl ExecOutcome {
    /// The words shown for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::TimedOut => "timed out",
            Self::Unreachable => "unreachable",
            Self::Unknown => "unknown",
            Self::Interrupted => "interrupted",
            Self::NotAttempted => "not attempted",
        }
    }

    /// Its part, with its trouble, in the exit code of the whole.
    #[must_use]
    pub fn exit(self, error: Option<&Trouble>) -> Exit {
        let kind = error.map(|trouble| trouble.kind);
        match self {
            Self::Interrupted => Exit::Interrupted,
            // A run that is halted is so because of a failure.
            Self::NotAttempted if kind == Some(TroubleKind::Halted) => Exit::Failed,
            Self::NotAttempted => Exit::Interrupted,
            _ if kind == Some(TroubleKind::Interrupted) => Exit::Interrupted,
            Self::Ok => Exit::Ok,
            Self::Failed | Self::TimedOut => Exit::Failed,
            Self::Unreachable | Self::Unknown => Exit::Unreachable,
        }
    }

    /// What a host's trouble means for what was to be done there.
    pub(crate) fn of_error(error: &HostError) -> Self {
        match error {
            HostError::NotAttempted | HostError::Halted(_) => Self::NotAttempted,
            HostError::Answer(_) | HostError::Late => Self::Failed,
            HostError::Transport(error) => match &*error.kind {
                TransportErrorKind::Cancelled if error.phase < Phase::Exec => Self::NotAttempted,
                TransportErrorKind::Cancelled => Self::Interrupted,
                TransportErrorKind::Timeout { .. } if error.phase >= Phase::Exec => Self::TimedOut,
                TransportErrorKind::Lost(_) | TransportErrorKind::Jump { .. } if error.phase >= Phase::Exec => {
                    Self::Unknown
                }
                // Anything but a refusal of the channel or of the command comes once the command was sent.
                TransportErrorKind::Ssh { code, .. } if error.phase >= Phase::Exec && !REFUSED.contains(code) => {
                    Self::Unknown
                }
                TransportErrorKind::Input(_) | TransportErrorKind::Local(_) => Self::Failed,
                _ => Self::Unreachable,
            },
        }
    }
}

/// How a command went on one host.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExecReport {
    /// The host.
    pub host: HostName,
    /// What became of it.
    pub outcome: ExecOutcome,
    /// Its exit code; null when it has none.
    pub exit_code: Option<i32>,
    /// The signal that ended it (`KILL`); null without.
    pub signal: Option<String>,
    /// Its standard output, as far as it was kept.
    #[serde(serialize_with = "lossy")]
    pub stdout: Vec<u8>,
    /// Its standard error, as far as it was kept.
    #[serde(serialize_with = "lossy")]
    pub stderr: Vec<u8>,
    /// Whether output was dropped: past the limit of a stream, or because all hosts together said more than is held.
    pub truncated: bool,
    /// What its output takes of the room of all hosts.
    #[serde(skip)]
    pub room: Room,
    /// How long the host took, connecting included, in seconds.
    pub seconds: f64,
    /// Why there is no exit code.
    pub error: Option<Trouble>,
}

/// Bytes as text; what is not UTF-8 becomes U+FFFD.
fn lossy<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(bytes))
}

impl ExecReport {
    fn new(host: &Host, outcome: ExecOutcome, elapsed: Duration) -> Self {
        Self {
            host: host.name.clone(),
            outcome,
            exit_code: None,
            signal: None,
            stdout: vec![],
            stderr: vec![],
            truncated: false,
            room: Room::default(),
            seconds: elapsed.as_secs_f64(),
            error: None,
        }
    }

    /// A command that ended.
    #[must_use]
    pub fn of_end(host: &Host, end: &End, elapsed: Duration) -> Self {
        let report = Self::new(host, ExecOutcome::Failed, elapsed);
        match end {
            End::Exit(0) => Self { outcome: ExecOutcome::Ok, exit_code: Some(0), ..report },
            End::Exit(code) => Self { exit_code: Some(*code), ..report },
            End::NotBegun(code) => Self { error: Some(Trouble::not_begun(host, *code)), ..report },
            End::Signal(signal) => Self { signal: Some(signal.clone()), ..report },
            End::Unsaid => Self {
                error: Some(Trouble::failed("the host did not say how the command ended", Some(needs_a_shell(host)))),
                ..report
            },
            End::Stopped => Self { outcome: ExecOutcome::Interrupted, ..report },
        }
    }

    /// A command that did not end, or did not begin.
    #[must_use]
    pub fn of_error(host: &Host, error: &HostError, elapsed: Duration) -> Self {
        let outcome = ExecOutcome::of_error(error);
        let mut trouble = Trouble::host(error, host);
        if outcome == ExecOutcome::TimedOut {
            // The host did answer.
            trouble.kind = TroubleKind::Failed;
            trouble.hint = Some("it was killed; allow more with --timeout".to_owned());
        } else if outcome == ExecOutcome::Interrupted {
            trouble.hint = Some("it was killed".to_owned());
        } else if outcome == ExecOutcome::Unknown {
            trouble.hint =
                Some("it may still begin or go on until the host sees that; look there how far it got".to_owned());
        }
        Self { error: Some(trouble), ..Self::new(host, outcome, elapsed) }
    }

    /// How it ended, in the words of a header: `exit 3`, `signal KILL`, `unreachable`; nothing when it is well.
    #[must_use]
    pub fn ending(&self) -> Option<String> {
        match (self.outcome, self.exit_code, &self.signal) {
            (ExecOutcome::Ok, ..) => None,
            (_, Some(code), _) => Some(format!("exit {code}")),
            (_, _, Some(signal)) => Some(format!("signal {signal}")),
            (outcome, ..) => Some(outcome.as_str().to_owned()),
        }
    }
}

/// Hosts with the same trouble.
#[derive(Debug)]
pub struct Troubled {
    /// What became of them.
    pub outcome: ExecOutcome,
    /// The hosts.
    pub hosts: Vec<HostName>,
    /// The trouble of the first of them.
    pub trouble: Trouble,
}

/// The sum of many reports.
#[derive(Debug, Default)]
pub struct ExecSummary {
    /// How many hosts ended in which outcome.
    pub counts: BTreeMap<ExecOutcome, usize>,
    /// Hosts whose command failed, by its ending.
    pub endings: BTreeMap<String, Vec<HostName>>,
    /// Hosts without an exit code, by cause.
    pub troubles: Vec<Troubled>,
    /// Hosts of whose output some was dropped.
    pub cut: Vec<HostName>,
    classes: Vec<(ExecOutcome, String)>,
    exit: Option<Exit>,
}

impl ExecSummary {
    /// Takes one host in.
    pub fn add(&mut self, host: &Host, report: &ExecReport) {
        self.tally(host, report.outcome, report.error.as_ref());
        if report.truncated {
            self.cut.push(report.host.clone());
        }
        if let (None, Some(ending)) = (&report.error, report.ending()) {
            self.endings.entry(ending).or_default().push(report.host.clone());
        }
    }

    /// Takes an outcome with its trouble in.
    pub fn tally(&mut self, host: &Host, outcome: ExecOutcome, error: Option<&Trouble>) {
        *self.counts.entry(outcome).or_default() += 1;
        self.exit = Some(self.exit().or(outcome.exit(error)));
        let Some(trouble) = error else { return };
        let class = (outcome, class_of(host, trouble));
        match self.classes.iter().position(|known| *known == class) {
            Some(at) => self.troubles[at].hosts.push(host.name.clone()),
            None => {
                self.classes.push(class);
                let hosts = vec![host.name.clone()];
                self.troubles.push(Troubled { outcome, hosts, trouble: trouble.clone() });
            }
        }
    }

    /// The exit code of the whole.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.exit.unwrap_or(Exit::Ok)
    }
}

/// A cause without what is only this host's, so that hosts with the same cause are told together.
fn class_of(host: &Host, trouble: &Trouble) -> String {
    let cause = trouble.general_cause().replace(host.name.as_str(), "\u{1}");
    match &host.connection {
        Connection::Ssh(endpoint) if !endpoint.address.is_empty() => cause.replace(&endpoint.address, "\u{1}"),
        _ => cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::TransportError;

    #[test]
    fn a_command_that_was_sent_may_have_run_whatever_the_connection_broke_with() {
        let of = |phase, code| {
            let kind = TransportErrorKind::Ssh { code, message: "libssh2's words".to_owned() };
            ExecOutcome::of_error(&HostError::Transport(TransportError::new(phase, kind)))
        };
        // LIBSSH2_ERROR_DECRYPT: a byte was changed on the way.
        assert_eq!(of(Phase::Exec, -12), ExecOutcome::Unknown);
        assert_eq!(of(Phase::Authentication, -12), ExecOutcome::Unreachable);
        // The host refused the channel, or the command.
        assert_eq!(of(Phase::Exec, -21), ExecOutcome::Unreachable);
        assert_eq!(of(Phase::Exec, -22), ExecOutcome::Unreachable);
    }
}
