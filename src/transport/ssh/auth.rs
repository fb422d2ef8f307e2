//! Logs in: the agent's identities, then identity files, then a password, until one is accepted. A key's certificate goes before
//! the key.
//!
//! Boundary: the order and what to say when nothing worked; keys come from `keys`. The host is never asked which methods
//! it takes: that costs a round trip and changes nothing. Next: `auth/agent.rs` asks the agent.

mod agent;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use ssh2::{ErrorCode, KeyboardInteractivePrompt, Prompt};
use zeroize::Zeroizing;

use super::{
    PasswordPrompt,
    keys::{KeyRing, UserCertificate},
    signing::callback::log_in,
    target,
    wire::{Wire, gone, offload},
};
use crate::{
    domain::SshEndpoint,
    transport::{Limits, Phase, TransportError, TransportErrorKind},
};

const PHASE: Phase = Phase::Authentication;

/// `LIBSSH2_ERROR_AUTHENTICATION_FAILED`.
const REFUSED: i32 = -18;

/// How long a host that answers strangely is watched for hanging up.
const HANG_UP_PATIENCE: Duration = Duration::from_millis(200);

/// What a run knows to log in with.
pub(super) struct Credentials {
    pub(super) agent: Option<PathBuf>,
    pub(super) ring: KeyRing,
    pub(super) ask_pass: Option<PasswordPrompt>,
    pub(super) password: OnceLock<Option<Zeroizing<String>>>,
}

/// One login on one host.
pub(super) struct Login<'a> {
    pub(super) wire: &'a Wire,
    pub(super) endpoint: &'a SshEndpoint,
    pub(super) credentials: &'a Credentials,
    pub(super) limits: Limits<'a>,
    tried: Vec<String>,
    refused: usize,
}

/// The host has taken this one, or goes on asking.
#[derive(PartialEq, Eq)]
enum Answer {
    Accepted,
    Refused,
}

impl<'a> Login<'a> {
    pub(super) fn new(
        wire: &'a Wire,
        endpoint: &'a SshEndpoint,
        credentials: &'a Credentials,
        limits: Limits<'a>,
    ) -> Self {
        Self { wire, endpoint, credentials, limits, tried: Vec::new(), refused: 0 }
    }

    /// Tries everything in order.
    pub(super) fn run(mut self) -> Result<(), TransportError> {
        let paths = self.credentials.ring.paths(&self.endpoint.identity_files);
        let certificates = self.certificates();
        let mut offered = Vec::new();
        let mut held = self.held(&certificates)?;
        let (named, others) = (std::mem::take(&mut held.named), std::mem::take(&mut held.others));
        if self.offer(&mut held, named, &mut offered)? == Answer::Accepted {
            return Ok(());
        }
        // A host hangs up after a few refusals, so files that were named go before what the agent happens to hold. Default files
        // go after it: nobody asked for them, and one may need a passphrase.
        let named_files = !self.endpoint.identity_files.is_empty();
        if named_files && self.files(&paths, &certificates, &offered)? == Answer::Accepted {
            return Ok(());
        }
        if self.offer(&mut held, others, &mut offered)? == Answer::Accepted {
            return Ok(());
        }
        if !named_files && self.files(&paths, &certificates, &offered)? == Answer::Accepted {
            return Ok(());
        }
        if self.password()? == Answer::Accepted {
            return Ok(());
        }
        if self.tried.is_empty() {
            self.tried.push("no identity found".to_owned());
        }
        Err(self.failed())
    }

    /// The certificates that are configured and those beside the identity files, each once.
    fn certificates(&mut self) -> Vec<Arc<UserCertificate>> {
        let ring = &self.credentials.ring;
        let mut found: Vec<Arc<UserCertificate>> = Vec::new();
        for path in &self.endpoint.certificate_files {
            let path = ring.expand(path);
            match ring.certificate(&path) {
                Ok(certificate) => found.push(certificate),
                Err(reason) => self.tried.push(format!("certificate {} ({reason})", path.display())),
            }
        }
        for path in ring.named(&self.endpoint.identity_files) {
            found.extend(ring.certificate_beside(&path).filter(|own| found.iter().all(|other| other.blob != own.blob)));
        }
        found
    }

    /// Offers the keys of files, without those that the agent has offered.
    fn files(
        &mut self,
        paths: &[PathBuf],
        certificates: &[Arc<UserCertificate>],
        offered: &[Vec<u8>],
    ) -> Result<Answer, TransportError> {
        for path in paths {
            if self.credentials.ring.public(path).is_some_and(|public| offered.contains(&public)) {
                continue;
            }
            if self.file(path, certificates)? == Answer::Accepted {
                return Ok(Answer::Accepted);
            }
        }
        Ok(Answer::Refused)
    }

    fn file(&mut self, path: &Path, certificates: &[Arc<UserCertificate>]) -> Result<Answer, TransportError> {
        let what = path.display().to_string();
        let before = Instant::now();
        let opened = self.credentials.ring.open(path);
        // The time a person takes to type is not the host's.
        self.limits.deadline += before.elapsed();
        let key = match opened {
            Ok(key) => key,
            Err(reason) => {
                self.tried.push(format!("{what} ({reason})"));
                return Ok(Answer::Refused);
            }
        };
        let user = &self.endpoint.user;
        let sign = |data: &[u8]| key.sign(data);
        for certificate in certificates.iter().filter(|certificate| certificate.key == key.public) {
            let offer = |session: &ssh2::Session| log_in(session, user, &certificate.blob, &sign);
            if self.attempt(&certificate.name(), offer)? == Answer::Accepted {
                return Ok(Answer::Accepted);
            }
        }
        self.attempt(&what, |session| log_in(session, user, &key.public, &sign))
    }

    fn password(&mut self) -> Result<Answer, TransportError> {
        let Some(ask) = self.credentials.ask_pass.as_ref() else { return Ok(Answer::Refused) };
        let before = Instant::now();
        let password = self.credentials.password.get_or_init(|| ask());
        self.limits.deadline += before.elapsed();
        let Some(password) = password else {
            self.tried.push("password (none was given)".to_owned());
            return Ok(Answer::Refused);
        };
        let user = &self.endpoint.user;
        if self.attempt("password", |session| session.userauth_password(user, password))? == Answer::Accepted {
            return Ok(Answer::Accepted);
        }
        // Many servers take a password only through PAM, which speaks keyboard-interactive (RFC 4256).
        let mut replies = PasswordReplies(password);
        self.attempt("password by keyboard-interactive", |session| {
            session.userauth_keyboard_interactive(user, &mut replies)
        })
    }

    fn attempt(
        &mut self,
        what: &str,
        mut step: impl FnMut(&ssh2::Session) -> Result<(), ssh2::Error>,
    ) -> Result<Answer, TransportError> {
        loop {
            let result = step(&self.wire.session);
            if let Some(answer) = self.answer(what, result)? {
                return Ok(answer);
            }
            self.wire.wait(PHASE, &self.limits, Some(self.limits.deadline))?;
        }
    }

    /// What a step's result means; `None` when it is to be repeated.
    fn answer(&mut self, what: &str, result: Result<(), ssh2::Error>) -> Result<Option<Answer>, TransportError> {
        let Err(error) = result else { return Ok(Some(Answer::Accepted)) };
        if self.limits.cancel.is_abandoned() {
            return Err(TransportError::new(PHASE, TransportErrorKind::Cancelled));
        }
        if Wire::would_block(&error) {
            return Ok(None);
        }
        if error.code() == ErrorCode::Session(REFUSED) {
            self.tried.push(format!("{what} (refused)"));
        } else if Wire::is_gone(&error) || self.wire.is_hung_up(HANG_UP_PATIENCE) {
            return Err(self.hung_up(what, &error));
        } else {
            self.tried.push(format!("{what} ({})", error.message()));
        }
        self.refused += 1;
        Ok(Some(Answer::Refused))
    }

    fn hung_up(&mut self, what: &str, error: &ssh2::Error) -> TransportError {
        if self.refused == 0 {
            // Whatever libssh2 was about to do, nobody was there to take it.
            return self.wire.lost(PHASE, gone(error));
        }
        // sshd_config(5), MaxAuthTries.
        self.tried
            .push(format!("{what} (too many authentication failures: the host hung up after {})", self.refused + 1));
        self.failed()
    }

    fn failed(&mut self) -> TransportError {
        let kind = TransportErrorKind::Authentication {
            user: self.endpoint.user.clone(),
            target: target(self.endpoint),
            tried: std::mem::take(&mut self.tried),
        };
        TransportError::new(PHASE, kind)
    }

    /// Runs a step that waits for the agent on another thread.
    fn aside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, TransportError> {
        // That thread holds the session's lock for as long as the agent is silent.
        offload(PHASE, &self.limits, work).inspect_err(|_| self.wire.leave())
    }
}

/// Answers every prompt that hides its input with the password.
struct PasswordReplies<'a>(&'a str);

impl KeyboardInteractivePrompt for PasswordReplies<'_> {
    fn prompt<'p>(&mut self, _user: &str, _instructions: &str, prompts: &[Prompt<'p>]) -> Vec<String> {
        prompts.iter().map(|prompt| if prompt.echo { String::new() } else { self.0.to_owned() }).collect()
    }
}
