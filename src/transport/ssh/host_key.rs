//! Decides whether a host's key is the one known, and writes new ones down when that is wanted.
//!
//! Boundary: the files and their cache; what a line means is `known_hosts`'s. Each file is read once per run.
//! Next: `ssh` calls this between key exchange and authentication.

use std::{
    collections::HashMap,
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ssh2::{MethodType, Session};

use super::{
    algorithms,
    known_hosts::{self, Entry, Verdict, fingerprint, host_name, key_type_of},
    target,
    wire::{ssh, timeout},
};
use crate::{
    domain::{HostKeyPolicy, SshEndpoint},
    transport::{Limits, Phase, TransportError, TransportErrorKind},
};

/// The key algorithms asked for, best first, with the key type each belongs to: OpenSSH's order (ssh_config(5),
/// `HostKeyAlgorithms`) without certificates.
const ALGORITHMS: [(&str, &str); 7] = [
    ("ssh-ed25519", "ssh-ed25519"),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"),
    ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"),
    ("ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "ssh-rsa"),
    ("rsa-sha2-256", "ssh-rsa"),
    ("ssh-rsa", "ssh-rsa"),
];

/// Longest file read; a larger one is refused rather than read in part.
const FILE_LIMIT: u64 = 64 * 1024 * 1024;

type Entries = Arc<Vec<Entry>>;

/// The `known_hosts` files of a run.
pub(super) struct HostKeys {
    home: Option<PathBuf>,
    files: Mutex<HashMap<PathBuf, Entries>>,
}

impl HostKeys {
    pub(super) fn new(home: Option<PathBuf>) -> Self {
        Self { home, files: Mutex::default() }
    }

    /// Asks the host for a key of a type that is known of it, so that a host with several keys does not look changed.
    pub(super) fn prefer_known(&self, session: &Session, endpoint: &SshEndpoint) -> Result<(), TransportError> {
        let files = self.load(endpoint)?;
        let name = host_name(&endpoint.address, endpoint.port);
        let known = known_hosts::known_types(files.iter().flat_map(|(_, entries)| entries.iter()), &name);
        let is_known = |key_type: &str| known.iter().any(|known| known == key_type);
        let (first, then): (Vec<_>, Vec<_>) = ALGORITHMS.into_iter().partition(|(_, key_type)| is_known(key_type));
        // SHA-1 signatures only from hosts known by an RSA key.
        let then = then.into_iter().filter(|(algorithm, _)| *algorithm != "ssh-rsa");
        let order: Vec<&str> = first.into_iter().chain(then).map(|(algorithm, _)| algorithm).collect();
        let order = algorithms::host_keys(&endpoint.algorithms, order)?;
        session.method_pref(MethodType::HostKey, &order.join(",")).map_err(|error| ssh(Phase::KeyExchange, &error))
    }

    /// Accepts or refuses the key the host has shown.
    pub(super) fn check(
        &self,
        session: &Session,
        endpoint: &SshEndpoint,
        limits: &Limits<'_>,
    ) -> Result<(), TransportError> {
        let Some((blob, _)) = session.host_key() else {
            let kind = TransportErrorKind::Unsupported(format!("{} has shown no host key", target(endpoint)));
            return Err(TransportError::new(Phase::HostKey, kind));
        };
        algorithms::check_size(&endpoint.algorithms, blob)?;
        let files = self.load(endpoint)?;
        if judge(&files, endpoint, blob)? {
            return Ok(());
        }
        match endpoint.host_key {
            HostKeyPolicy::Strict => Err(unknown(endpoint, blob)),
            HostKeyPolicy::AcceptNew => self.learn(endpoint, blob, limits),
        }
    }

    fn paths(&self, endpoint: &SshEndpoint) -> Vec<PathBuf> {
        if !endpoint.known_hosts.is_empty() {
            return endpoint.known_hosts.iter().map(|path| super::expand(path, self.home.as_deref())).collect();
        }
        let of_user =
            self.home.iter().flat_map(|home| [".ssh/known_hosts", ".ssh/known_hosts2"].map(|file| home.join(file)));
        of_user.chain([PathBuf::from("/etc/ssh/ssh_known_hosts"), PathBuf::from("/etc/ssh/ssh_known_hosts2")]).collect()
    }

    fn load(&self, endpoint: &SshEndpoint) -> Result<Vec<(PathBuf, Entries)>, TransportError> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let mut loaded = Vec::new();
        for path in self.paths(endpoint) {
            let entries = match files.get(&path) {
                Some(entries) => Arc::clone(entries),
                None => {
                    let text = match File::open(&path) {
                        Ok(mut file) => read(&mut file).map_err(|error| file_error(&path, error))?,
                        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
                        Err(error) => return Err(file_error(&path, error)),
                    };
                    let entries = Arc::new(known_hosts::parse(&text));
                    files.insert(path.clone(), Arc::clone(&entries));
                    entries
                }
            };
            loaded.push((path, entries));
        }
        Ok(loaded)
    }

    /// Adds the key to the first file. Another worker or another program may have been faster, so the file is read again
    /// under its lock.
    fn learn(&self, endpoint: &SshEndpoint, blob: &[u8], limits: &Limits<'_>) -> Result<(), TransportError> {
        let Some(path) = self.paths(endpoint).into_iter().next() else { return Err(unknown(endpoint, blob)) };
        let (Some(key_type), true) = (key_type_of(blob), is_writable_name(&endpoint.address)) else {
            let kind = TransportErrorKind::Unsupported(format!(
                "the host key of {} cannot be written to {}",
                target(endpoint),
                path.display()
            ));
            return Err(TransportError::new(Phase::HostKey, kind));
        };
        let mut file = open_locked(&path, limits)?;
        let fail = |error| file_error(&path, error);
        let mut text = read(&mut file).map_err(fail)?;
        let current = vec![(path.clone(), Arc::new(known_hosts::parse(&text)))];
        if !judge(&current, endpoint, blob)? {
            let name = host_name(&endpoint.address, endpoint.port);
            let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            let line = format!("{newline}{name} {key_type} {}\n", openssl::base64::encode_block(blob));
            // One write, so that a reader without the lock never sees half a line.
            file.write_all(line.as_bytes()).map_err(fail)?;
            text.push_str(&line);
        }
        let entries = Arc::new(known_hosts::parse(&text));
        self.files.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone(), entries);
        Ok(())
    }
}

/// True when the key is known, false when the host is not; an error when it must be refused.
fn judge(files: &[(PathBuf, Entries)], endpoint: &SshEndpoint, blob: &[u8]) -> Result<bool, TransportError> {
    let name = host_name(&endpoint.address, endpoint.port);
    let file_of = |found: &Entry| {
        let holds = |(_, entries): &&(PathBuf, Entries)| entries.iter().any(|entry| std::ptr::eq(entry, found));
        files.iter().find(holds).map(|(path, _)| path.display().to_string()).unwrap_or_default()
    };
    let target = target(endpoint);
    let key_type = key_type_of(blob).unwrap_or("unknown").to_owned();
    let kind = match known_hosts::judge(files.iter().flat_map(|(_, entries)| entries.iter()), &name, blob) {
        Verdict::Known => return Ok(true),
        Verdict::Unknown => return Ok(false),
        Verdict::Changed(known) => TransportErrorKind::HostKeyChanged {
            target,
            key_type,
            fingerprint: fingerprint(blob),
            file: file_of(known),
            line: known.line,
            known_type: known.key_type.clone(),
            known_fingerprint: fingerprint(&known.blob),
        },
        Verdict::Revoked(revoked) => TransportErrorKind::HostKeyRevoked {
            target,
            key_type,
            fingerprint: fingerprint(blob),
            file: file_of(revoked),
            line: revoked.line,
        },
    };
    Err(TransportError::new(Phase::HostKey, kind))
}

fn unknown(endpoint: &SshEndpoint, blob: &[u8]) -> TransportError {
    let kind = TransportErrorKind::HostKeyUnknown {
        target: target(endpoint),
        key_type: key_type_of(blob).unwrap_or("unknown").to_owned(),
        fingerprint: fingerprint(blob),
    };
    TransportError::new(Phase::HostKey, kind)
}

/// Whether `address` means itself in a `known_hosts` line, and nothing else.
fn is_writable_name(address: &str) -> bool {
    let plain = |character: char| character.is_ascii_alphanumeric() || ".-_:%".contains(character);
    !address.is_empty() && address.chars().all(plain)
}

/// Opens `path` for appending, making it and its directory if need be, and locks it.
fn open_locked(path: &Path, limits: &Limits<'_>) -> Result<File, TransportError> {
    let fail = |error| file_error(path, error);
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty() && !directory.exists())
    {
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(fail)?;
    }
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).map_err(fail)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(fail(error)),
            // The lock has no wait with a deadline; whoever holds it writes one line.
            Err(TryLockError::WouldBlock) if !limits.left().is_zero() && !limits.cancel.is_abandoned() => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => return Err(timeout(Phase::HostKey, limits)),
        }
    }
}

/// All of the file's text. Bytes that are not UTF-8 spoil their own line only.
fn read(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(FILE_LIMIT + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_LIMIT {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn file_error(path: &Path, source: io::Error) -> TransportError {
    let kind = TransportErrorKind::KnownHosts { file: path.display().to_string(), source };
    TransportError::new(Phase::HostKey, kind)
}
