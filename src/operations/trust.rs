//! Host keys as people come to trust them: every host shows its key, somebody looks, and what was agreed to is written down.
//!
//! Boundary: scans and writes; whether to write is asked by `commands`. Only key exchanges: no host learns who asks before it is
//! trusted. Next: `transport` says what is known of a key, `render` shows the review.

mod report;
mod stages;

use std::{path::PathBuf, time::Duration};

pub use report::{KnownKey, TrustOutcome, TrustRow, exit};
pub use stages::{Subject, stages};

use super::{Context, Trouble, TroubleKind};
use crate::{
    domain::{Connection, SshEndpoint},
    error::CommandError,
    fleet::HostError,
    transport::{Limits, Phase, ShownKey, Standing, TransportError, TransportErrorKind, ssh::Expectations},
};

/// How long another program may hold a `known_hosts` file.
const LOCK_ALLOWED: Duration = Duration::from_secs(10);

/// Keys that are written together: those of hosts with the same files, and whether they replace others.
type Batch = (Vec<PathBuf>, bool);

/// What was asked for.
#[derive(Debug, Default)]
pub struct TrustOptions {
    /// Puts new keys into the place of changed ones.
    pub replace_changed: bool,
    /// Trusts only keys that somebody vouches for.
    pub expected: Option<Expectations>,
}

/// One host's row and what it takes to trust its key.
pub struct Finding<'a> {
    /// Whose key it is.
    pub subject: Subject<'a>,
    /// What is known so far.
    pub row: TrustRow,
    /// The key to be written, if it may be.
    shown: Option<ShownKey>,
}

impl<'a> Finding<'a> {
    /// Whether there is a key to be agreed to.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.shown.is_some()
    }

    /// A host that is not asked, because the way to it is not trusted.
    #[must_use]
    pub fn not_attempted(subject: Subject<'a>, why: &str) -> Self {
        let mut row = TrustRow::of(&subject, TrustOutcome::NotAttempted);
        row.error = Some(Trouble::failed(why, Some("when that is mended, run the same command again".to_owned())));
        Self { subject, row, shown: None }
    }
}

/// Has all `subjects` show their keys, side by side.
///
/// # Errors
/// Only when nothing could be begun.
pub fn scan<'a>(
    context: &Context<'_>,
    subjects: Vec<Subject<'a>>,
    options: &TrustOptions,
) -> Result<Vec<Finding<'a>>, CommandError> {
    let work: Vec<_> = subjects.iter().map(|subject| (&*subject.host, ())).collect();
    let outcomes = context
        .fleet
        .run(&work, |session, ()| session.scan())
        .map_err(|e| CommandError::failed("cannot start the workers").because(&e).hint("use fewer --forks"))?;
    Ok(subjects.into_iter().zip(outcomes).map(|(subject, outcome)| judge(subject, outcome.result, options)).collect())
}

fn judge<'a>(subject: Subject<'a>, result: Result<ShownKey, HostError>, options: &TrustOptions) -> Finding<'a> {
    let mut shown = match result {
        Ok(shown) => shown,
        Err(error) => {
            let trouble = Trouble::host(&error, &subject.host);
            let outcome = match trouble.kind {
                TroubleKind::Interrupted | TroubleKind::Halted => TrustOutcome::NotAttempted,
                TroubleKind::Unreachable | TroubleKind::Failed => TrustOutcome::Unreachable,
            };
            let mut row = TrustRow::of(&subject, outcome);
            row.error = Some(trouble);
            return Finding { subject, row, shown: None };
        }
    };
    let mut row = TrustRow::of(&subject, TrustOutcome::New);
    row.key_type = Some(shown.key_type.clone());
    row.fingerprint = Some(shown.fingerprint.clone());
    let is_expected = options.expected.as_ref().is_none_or(|expected| expected.vouch(&subject.host, &shown));
    let standing = std::mem::replace(&mut shown.standing, Standing::New);
    let (mut may_be_written, mut is_contradicted) = (false, false);
    match standing {
        Standing::Known => {
            row.outcome = TrustOutcome::Known;
            is_contradicted =
                options.expected.as_ref().is_some_and(|expected| expected.contradicts(&subject.host, &shown));
        }
        Standing::Certified => row.outcome = TrustOutcome::Certified,
        Standing::New => may_be_written = true,
        Standing::Refused(kind) => {
            row.outcome = match &*kind {
                TransportErrorKind::HostKeyChanged { file, line, known_type, known_fingerprint, .. } => {
                    row.known = Some(KnownKey {
                        key_type: known_type.clone(),
                        fingerprint: known_fingerprint.clone(),
                        file: file.clone(),
                        line: *line,
                    });
                    may_be_written = options.replace_changed;
                    TrustOutcome::Changed
                }
                TransportErrorKind::HostKeyRevoked { .. } | TransportErrorKind::HostAuthorityRevoked { .. } => {
                    TrustOutcome::Revoked
                }
                _ => TrustOutcome::Refused,
            };
            if !may_be_written {
                let error = HostError::Transport(TransportError { phase: Phase::HostKey, kind });
                // The host did answer: it is its key that is no good.
                row.error = Some(Trouble { kind: TroubleKind::Failed, ..Trouble::host(&error, &subject.host) });
            }
        }
    }
    if is_contradicted || (may_be_written && !is_expected) {
        may_be_written = false;
        row.outcome = TrustOutcome::Unexpected;
        let known = if is_contradicted {
            "known_hosts has the key that it shows, and another one is expected"
        } else {
            "nobody vouches for the key that it shows"
        };
        row.error = Some(Trouble::failed(
            format!("{known} ({} {})", shown.key_type, shown.fingerprint),
            Some("somebody may be in between: have the owner print it with `ssh-keygen -lf` on the host".to_owned()),
        ));
    }
    Finding { subject, row, shown: may_be_written.then_some(shown) }
}

/// Writes the open keys of `findings` down and says into which files. A key that cannot be written is its host's trouble.
pub fn write(context: &Context<'_>, findings: &mut [Finding<'_>], options: &TrustOptions) -> Vec<PathBuf> {
    // A line that cannot be replaced must not keep new keys from being written.
    let mut groups: Vec<(Batch, Vec<usize>)> = vec![];
    for (index, finding) in findings.iter().enumerate().filter(|(_, finding)| finding.is_open()) {
        let Some(endpoint) = endpoint_of(finding) else { continue };
        let key = (endpoint.known_hosts.clone(), finding.row.outcome == TrustOutcome::Changed);
        match groups.iter_mut().find(|(other, _)| *other == key) {
            Some((_, members)) => members.push(index),
            None => groups.push((key, vec![index])),
        }
    }
    let mut written = vec![];
    for ((_, replaces), members) in groups {
        let keys: Vec<_> = members
            .iter()
            .filter_map(|index| Some((endpoint_of(&findings[*index])?, findings[*index].shown.as_ref()?)))
            .collect();
        let limits = Limits::new(LOCK_ALLOWED, context.fleet.cancel, &|_| {});
        let result = context.fleet.connector.remember(&keys, replaces && options.replace_changed, &limits);
        let error = result.as_ref().err().map(|error| error.kind.to_string());
        for index in members {
            let Finding { row, shown, .. } = &mut findings[index];
            match (&result, &error) {
                (Ok(file), _) => {
                    row.outcome = match row.outcome {
                        TrustOutcome::Changed => TrustOutcome::Replaced,
                        _ => TrustOutcome::Trusted,
                    };
                    row.file = Some(file.display().to_string());
                    *shown = None;
                }
                (Err(_), why) => {
                    let why = why.clone().unwrap_or_default();
                    row.error = Some(Trouble::failed(why, Some("nothing was written for this host".to_owned())));
                }
            }
        }
        if let Ok(file) = result
            && !written.contains(&file)
        {
            written.push(file);
        }
    }
    written
}

fn endpoint_of<'f>(finding: &'f Finding<'_>) -> Option<&'f SshEndpoint> {
    match &finding.subject.host.connection {
        Connection::Ssh(endpoint) => Some(endpoint),
        Connection::Local | Connection::Refused(_) => None,
    }
}
