//! The private keys of a run: each file is read once and decrypted once, whatever the number of hosts.
//!
//! Boundary: files and passphrases; nothing is sent from here. What is read is wiped when it has become a key, and keys when the run ends.
//! Next: `openssh` and `pem` read the formats, `auth` offers the keys to hosts.

mod decryption;
mod der;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod openssh;
mod pem;

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError, atomic::Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use openssl::base64;
use rustix::fs::{Mode, OFlags, open};
use zeroize::Zeroizing;

use self::openssh::OpensshFile;
use super::{Counts, PassphrasePrompt, certificate::Certificate, signing::SigningKey, with_suffix};
use crate::transport::core_dump;

/// OpenSSH's default identities (ssh_config(5), `IdentityFile`) as far as they are supported, best first.
const DEFAULTS: [&str; 3] = [".ssh/id_ed25519", ".ssh/id_ecdsa", ".ssh/id_rsa"];

/// No private key is nearly as long.
const FILE_LIMIT: u64 = 64 * 1024;

/// How often a passphrase is asked for, as in OpenSSH (ssh_config(5), `NumberOfPasswordPrompts`).
const TRIES: u32 = 3;

const WRONG: &str = "wrong passphrase";

/// A user's certificate, from a file.
pub(super) struct UserCertificate {
    /// The file.
    pub(super) path: PathBuf,
    /// As it travels in the protocol.
    pub(super) blob: Vec<u8>,
    /// The plain key that it is for.
    pub(super) key: Vec<u8>,
    /// When it ended, if it has.
    pub(super) expired: Option<String>,
}

impl UserCertificate {
    /// What it is called in lists of what was tried. The host is asked even if it is over by the clock here, which may be wrong.
    pub(super) fn name(&self) -> String {
        match &self.expired {
            Some(when) => format!("certificate {}, which expired on {when}", self.path.display()),
            None => format!("certificate {}", self.path.display()),
        }
    }
}

/// All identity files of a run.
pub(super) struct KeyRing {
    home: Option<PathBuf>,
    prompt: Option<PassphrasePrompt>,
    /// Two prompts at once would mix on the terminal.
    prompting: Mutex<()>,
    counts: Arc<Counts>,
    files: Mutex<HashMap<PathBuf, Arc<KeyFile>>>,
    certificates: Mutex<HashMap<PathBuf, Result<Arc<UserCertificate>, String>>>,
}

#[derive(Default)]
struct KeyFile {
    public: OnceLock<Option<Vec<u8>>>,
    opened: OnceLock<Result<Arc<SigningKey>, String>>,
}

impl KeyRing {
    pub(super) fn new(home: Option<PathBuf>, prompt: Option<PassphrasePrompt>, counts: Arc<Counts>) -> Self {
        Self {
            home,
            prompt,
            prompting: Mutex::default(),
            counts,
            files: Mutex::default(),
            certificates: Mutex::default(),
        }
    }

    /// Wipes all that was read.
    pub(super) fn forget(&self) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The identity files to try: those configured, or else the default ones that exist.
    pub(super) fn paths(&self, configured: &[PathBuf]) -> Vec<PathBuf> {
        if !configured.is_empty() {
            return configured.iter().map(|path| super::expand(path, self.home.as_deref())).collect();
        }
        self.home.iter().flat_map(|home| DEFAULTS.map(|name| home.join(name))).filter(|path| path.exists()).collect()
    }

    /// The identity files that count, whether they exist or not: of some only `FILE.pub` is here, and the agent holds the key.
    pub(super) fn named(&self, configured: &[PathBuf]) -> Vec<PathBuf> {
        if configured.is_empty() {
            return self.home.iter().flat_map(|home| DEFAULTS.map(|name| home.join(name))).collect();
        }
        self.paths(configured)
    }

    /// `path` with a leading `~` replaced by the home directory.
    pub(super) fn expand(&self, path: &Path) -> PathBuf {
        super::expand(path, self.home.as_deref())
    }

    /// The certificate beside an identity file: `FILE-cert.pub` (ssh(1), FILES).
    pub(super) fn certificate_beside(&self, path: &Path) -> Option<Arc<UserCertificate>> {
        self.certificate(&with_suffix(path, "-cert.pub")).ok()
    }

    /// The certificate in `path`, read once.
    ///
    /// # Errors
    /// Why the file is skipped, in a few words for the list of what was tried.
    pub(super) fn certificate(&self, path: &Path) -> Result<Arc<UserCertificate>, String> {
        let mut certificates = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        certificates.entry(path.to_owned()).or_insert_with(|| load_certificate(path).map(Arc::new)).clone()
    }

    /// The public half of `path`, found without a passphrase: to ask the agent for it, or not to offer a key twice.
    pub(super) fn public(&self, path: &Path) -> Option<Vec<u8>> {
        self.file(path)
            .public
            .get_or_init(|| {
                let beside = read(&with_suffix(path, ".pub")).ok().and_then(|line| public_blob(&line));
                beside.or_else(|| {
                    let text = read(path).ok()?;
                    // Where an agent holds the key, the file itself may be the public half.
                    OpensshFile::parse(&text).map(|file| file.public).ok().or_else(|| public_blob(&text))
                })
            })
            .clone()
    }

    /// The key in `path`, decrypted if need be.
    ///
    /// # Errors
    /// Why the file is skipped, in a few words for the list of what was tried.
    pub(super) fn open(&self, path: &Path) -> Result<Arc<SigningKey>, String> {
        // Workers that need the same key wait here while the first one asks for its passphrase.
        self.file(path).opened.get_or_init(|| self.load(path).map(Arc::new)).clone()
    }

    fn file(&self, path: &Path) -> Arc<KeyFile> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(files.entry(path.to_owned()).or_default())
    }

    fn load(&self, path: &Path) -> Result<SigningKey, String> {
        core_dump::forbid();
        let text = read(path).map_err(|error| error.to_string())?;
        // Before its permissions, which are rightly wider.
        if public_blob(&text).is_some() {
            return Err("this is the public key; name the private one, without `.pub`".to_owned());
        }
        check_permissions(path)?;
        const UNUSABLE: &str = "not a usable private key";
        if text.contains(openssh::LABEL) {
            let file = OpensshFile::parse(&text).map_err(|reason| format!("{UNUSABLE}: {reason}"))?;
            if file.is_encrypted() {
                return self.ask(path, |passphrase| file.open(passphrase));
            }
            file.open("").ok_or_else(|| UNUSABLE.to_owned())
        } else if text.contains("ENCRYPTED") {
            let asked = self.ask(path, |passphrase| pem::encrypted(&text, passphrase));
            // What it is encrypted with is known only to OpenSSL, which does not tell the two apart.
            asked.map_err(|reason| reason.replace(WRONG, "wrong passphrase, or a cipher that is not supported"))
        } else if text.contains("PRIVATE KEY-----") {
            pem::plain(&text).ok_or_else(|| UNUSABLE.to_owned())
        } else {
            Err("not a private key".to_owned())
        }
    }

    fn ask<T>(&self, path: &Path, mut decrypt: impl FnMut(&str) -> Option<T>) -> Result<T, String> {
        let prompt = self.prompt.as_ref().ok_or("it needs a passphrase and there is no terminal to ask on")?;
        let _one_at_a_time = self.prompting.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..TRIES {
            let passphrase = prompt(path).ok_or("it needs a passphrase and none was given")?;
            self.counts.decryptions.fetch_add(1, Ordering::Relaxed);
            if let Some(key) = decrypt(&passphrase) {
                return Ok(key);
            }
        }
        Err(WRONG.to_owned())
    }
}

fn load_certificate(path: &Path) -> Result<UserCertificate, String> {
    let text = read(path).map_err(|error| error.to_string())?;
    let blob = public_blob(&text).ok_or("not a certificate")?;
    let certificate = Certificate::parse(&blob).ok_or("not a certificate of a key type that is supported")?;
    if !certificate.is_for_user() {
        return Err("not a certificate of a user".to_owned());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Ok(UserCertificate { path: path.to_owned(), expired: certificate.expired(now), key: certificate.key, blob })
}

/// A key that others can read is refused, as OpenSSH does: it may no longer be a secret.
fn check_permissions(path: &Path) -> Result<(), String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if metadata.uid() == rustix::process::getuid().as_raw() && metadata.mode() & 0o077 != 0 {
        return Err(format!(
            "permissions {:04o} are too open, others can read it (chmod 600)",
            metadata.mode() & 0o7777
        ));
    }
    Ok(())
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    // Sized once: growing would leave copies of the key in freed memory.
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(FILE_LIMIT).unwrap_or(usize::MAX)));
    // A pipe would be waited for until somebody opens its other end.
    let file = File::from(open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    match file.take(FILE_LIMIT).read_to_string(&mut text) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(io::Error::other("not text; keys are read in OpenSSH's format and as PEM, not as DER"))
        }
        other => other.map(|_| text),
    }
}

fn public_blob(line: &str) -> Option<Vec<u8>> {
    let mut words = line.split_whitespace();
    let key_type = words.next()?;
    let blob = base64::decode_block(words.next()?).ok()?;
    (super::known_hosts::key_type_of(&blob) == Some(key_type)).then_some(blob)
}

#[cfg(test)]
mod tests;
