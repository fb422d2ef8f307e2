//! Decides whether a host's key is the one known, or certified by an authority that is, and has new ones written down when
//! that is wanted.
//!
//! Boundary: the decision; what a line means is `known_hosts`'s, a certificate `certificate`'s, the files `known_files`'s.
//! Next: `ssh` calls this between key exchange and authentication.

use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use ssh2::{MethodType, Session};

use super::{
    algorithms,
    certificate::{Certificate, is_certificate},
    known_files::{KnownFiles, Loaded},
    known_hosts::{self, Entry, Lookup, Marker, Verdict, fingerprint, key_type_of},
    target,
    wire::ssh,
};
use crate::{
    domain::{HostKeyPolicy, SshEndpoint},
    transport::{Limits, Phase, ShownKey, Standing, TransportError, TransportErrorKind},
};

/// The key algorithms asked for, best first, with the key type each belongs to: OpenSSH's order (ssh_config(5),
/// `HostKeyAlgorithms`).
const ALGORITHMS: [(&str, &str); 7] = [
    ("ssh-ed25519", "ssh-ed25519"),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"),
    ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"),
    ("ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "ssh-rsa"),
    ("rsa-sha2-256", "ssh-rsa"),
    ("ssh-rsa", "ssh-rsa"),
];

/// The same with certificates: asked for only where an authority is known, or no plain key would ever be learnt.
const CERTIFICATES: &str = "ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com,\
    ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com,\
    rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com";

/// What is known of hosts' keys.
pub(super) struct HostKeys {
    files: KnownFiles,
}

/// A key that a host has shown, and what is known of it.
struct Judged {
    /// The plain key, also when it came with a certificate.
    key: Vec<u8>,
    standing: Standing,
}

impl HostKeys {
    pub(super) fn new(home: Option<PathBuf>) -> Self {
        Self { files: KnownFiles::new(home) }
    }

    /// Asks the host for a key of a kind that is known of it, so that a host with several keys does not look changed.
    pub(super) fn prefer_known(&self, session: &Session, endpoint: &SshEndpoint) -> Result<(), TransportError> {
        let order = self.order(endpoint)?;
        session.method_pref(MethodType::HostKey, &order.join(",")).map_err(|error| ssh(Phase::KeyExchange, &error))
    }

    /// The algorithms asked for, those of keys that are known of the host first.
    pub(super) fn order(&self, endpoint: &SshEndpoint) -> Result<Vec<String>, TransportError> {
        let (files, lookup) = (self.files.load(endpoint)?, Lookup::of(endpoint));
        let known = known_hosts::expected(about(&files, &lookup), &lookup);
        let is_known = |key_type: &str| known.types.iter().any(|known| known == key_type);
        let (first, then): (Vec<_>, Vec<_>) = ALGORITHMS.into_iter().partition(|(_, key_type)| is_known(key_type));
        // SHA-1 signatures only from hosts known by an RSA key.
        let then = then.into_iter().filter(|(algorithm, _)| *algorithm != "ssh-rsa");
        let certificates = known.certified.then_some(CERTIFICATES.split(',')).into_iter().flatten();
        let plain = first.into_iter().chain(then).map(|(algorithm, _)| algorithm);
        let order: Vec<&str> = certificates.chain(plain).collect();
        Ok(algorithms::host_keys(&endpoint.algorithms, order)?.into_iter().map(str::to_owned).collect())
    }

    /// Accepts or refuses the key the host has shown.
    pub(super) fn check(
        &self,
        session: &Session,
        endpoint: &SshEndpoint,
        limits: &Limits<'_>,
    ) -> Result<(), TransportError> {
        let judged = self.judge(session, endpoint)?;
        match (judged.standing, endpoint.host_key) {
            (Standing::Known | Standing::Certified, _) => Ok(()),
            (Standing::New, HostKeyPolicy::AcceptNew) => {
                self.files.remember(&[(endpoint, &judged.key)], false, limits).map(|_| ())
            }
            (Standing::New, HostKeyPolicy::Strict) => {
                let kind = TransportErrorKind::HostKeyUnknown {
                    target: target(endpoint),
                    key_type: type_of(&judged.key),
                    fingerprint: fingerprint(&judged.key),
                };
                Err(TransportError::new(Phase::HostKey, kind))
            }
            (Standing::Refused(kind), _) => Err(TransportError { phase: Phase::HostKey, kind }),
        }
    }

    /// Whether a session that shows `blob` would be accepted without writing anything down.
    pub(super) fn accepts(&self, blob: &[u8], endpoint: &SshEndpoint) -> bool {
        let judged = self.judge_blob(blob, endpoint);
        judged.is_ok_and(|judged| matches!(judged.standing, Standing::Known | Standing::Certified))
    }

    /// The key the host has shown, with what is known of it, for people to look at.
    pub(super) fn shown(&self, session: &Session, endpoint: &SshEndpoint) -> Result<ShownKey, TransportError> {
        let Judged { key, standing } = self.judge(session, endpoint)?;
        Ok(ShownKey { key_type: type_of(&key), fingerprint: fingerprint(&key), key, standing })
    }

    /// Writes keys of hosts with the same files down, as [`KnownFiles::remember`] does.
    pub(super) fn remember(
        &self,
        keys: &[(&SshEndpoint, &ShownKey)],
        replace: bool,
        limits: &Limits<'_>,
    ) -> Result<PathBuf, TransportError> {
        let keys: Vec<(&SshEndpoint, &[u8])> = keys.iter().map(|(endpoint, shown)| (*endpoint, &*shown.key)).collect();
        self.files.remember(&keys, replace, limits)
    }

    fn judge(&self, session: &Session, endpoint: &SshEndpoint) -> Result<Judged, TransportError> {
        let Some((blob, _)) = session.host_key() else {
            let kind = TransportErrorKind::Unsupported(format!("{} has shown no host key", target(endpoint)));
            return Err(TransportError::new(Phase::HostKey, kind));
        };
        self.judge_blob(blob, endpoint)
    }

    fn judge_blob(&self, blob: &[u8], endpoint: &SshEndpoint) -> Result<Judged, TransportError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let judged = judge(&self.files.load(endpoint)?, endpoint, blob, now);
        algorithms::check_size(&endpoint.algorithms, &judged.key)?;
        Ok(judged)
    }
}

fn judge(files: &[Loaded], endpoint: &SshEndpoint, blob: &[u8], now: u64) -> Judged {
    if !is_certificate(blob) {
        return Judged { key: blob.to_vec(), standing: judge_plain(files, endpoint, blob) };
    }
    let refused = |key: &[u8], reason: String| {
        let (target, key_type, fingerprint) = (target(endpoint), type_of(key), fingerprint(key));
        Standing::refused(TransportErrorKind::HostCertificate { target, key_type, fingerprint, reason })
    };
    let Some(certificate) = Certificate::parse(blob) else {
        return Judged { key: blob.to_vec(), standing: refused(blob, "it cannot be read".to_owned()) };
    };
    let standing = match judge_certificate(files, endpoint, &certificate, now) {
        // A certificate that is no good does not make a known key unknown (as in OpenSSH).
        Ok(Err(reason)) => match judge_plain(files, endpoint, &certificate.key) {
            Standing::New => refused(&certificate.key, reason),
            of_key => of_key,
        },
        Ok(Ok(())) => Standing::Certified,
        Err(revoked) => Standing::Refused(revoked),
    };
    Judged { key: certificate.key, standing }
}

/// Whether a known authority vouches for the host, and why not; an error when the key or the authority is revoked.
fn judge_certificate(
    files: &[Loaded],
    endpoint: &SshEndpoint,
    certificate: &Certificate,
    now: u64,
) -> Result<Result<(), String>, Box<TransportErrorKind>> {
    let lookup = Lookup::of(endpoint);
    let line =
        |marker: Marker, blob: &[u8]| about(files, &lookup).find(|entry| entry.marker == marker && entry.blob == blob);
    let authority = certificate.authority_fingerprint();
    if let Some(entry) = line(Marker::Revoked, &certificate.key) {
        return Err(Box::new(revoked(files, endpoint, entry)));
    }
    if let Some(entry) = line(Marker::Revoked, &certificate.authority) {
        return Err(Box::new(TransportErrorKind::HostAuthorityRevoked {
            target: target(endpoint),
            fingerprint: authority,
            file: file_of(files, entry).display().to_string(),
            line: entry.line,
        }));
    }
    if line(Marker::Authority, &certificate.authority).is_none() {
        return Ok(Err(format!("it is signed by {authority}, and no @cert-authority line for the host has that key")));
    }
    Ok(certificate.check_host(&lookup.bare, now))
}

fn judge_plain(files: &[Loaded], endpoint: &SshEndpoint, blob: &[u8]) -> Standing {
    let lookup = Lookup::of(endpoint);
    match known_hosts::judge(about(files, &lookup), &lookup, blob) {
        Verdict::Known => Standing::Known,
        Verdict::Unknown => Standing::New,
        Verdict::Changed(known) => Standing::refused(TransportErrorKind::HostKeyChanged {
            target: target(endpoint),
            key_type: type_of(blob),
            fingerprint: fingerprint(blob),
            file: file_of(files, known).display().to_string(),
            line: known.line,
            known_type: known.key_type.clone(),
            known_fingerprint: fingerprint(&known.blob),
        }),
        Verdict::Revoked(entry) => Standing::refused(revoked(files, endpoint, entry)),
    }
}

fn revoked(files: &[Loaded], endpoint: &SshEndpoint, entry: &Entry) -> TransportErrorKind {
    TransportErrorKind::HostKeyRevoked {
        target: target(endpoint),
        key_type: entry.key_type.clone(),
        fingerprint: fingerprint(&entry.blob),
        file: file_of(files, entry).display().to_string(),
        line: entry.line,
    }
}

/// The lines about the host, in the order of the files.
fn about<'a>(files: &'a [Loaded], lookup: &Lookup) -> impl Iterator<Item = &'a Entry> {
    files.iter().flat_map(move |(_, lines)| lines.about(lookup))
}

fn file_of<'a>(files: &'a [Loaded], found: &Entry) -> &'a Path {
    files.iter().find(|(_, lines)| lines.holds(found)).map_or(Path::new(""), |(path, _)| path)
}

fn type_of(blob: &[u8]) -> String {
    key_type_of(blob).unwrap_or("unknown").to_owned()
}
