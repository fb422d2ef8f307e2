//! The private keys of a run: each file is read once and decrypted once, whatever the number of hosts.
//!
//! Boundary: files, formats and passphrases; nothing is sent from here. What is kept is wiped when the run ends.
//! Next: `auth` offers the keys to hosts.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError, atomic::Ordering},
};

use openssl::{base64, pkey::PKey};
use ssh_key::{LineEnding, PrivateKey};
use zeroize::Zeroizing;

use super::{Counts, PassphrasePrompt};

/// OpenSSH's default identities (ssh_config(5), `IdentityFile`) as far as they are supported, best first.
const DEFAULTS: [&str; 3] = [".ssh/id_ed25519", ".ssh/id_ecdsa", ".ssh/id_rsa"];

/// No private key is nearly as long.
const FILE_LIMIT: u64 = 64 * 1024;

/// How often a passphrase is asked for, as in OpenSSH (ssh_config(5), `NumberOfPasswordPrompts`).
const TRIES: u32 = 3;

/// A private key, ready to be used.
pub(super) struct Identity {
    /// `type base64`, when it is known without the private key.
    pub(super) public: Option<String>,
    /// A user certificate for the key (`FILE-cert.pub`), as one line.
    pub(super) certificate: Option<String>,
    /// The private key without a passphrase.
    pub(super) private: Zeroizing<String>,
}

/// All identity files of a run.
pub(super) struct KeyRing {
    home: Option<PathBuf>,
    prompt: Option<PassphrasePrompt>,
    /// Two prompts at once would mix on the terminal.
    prompting: Mutex<()>,
    counts: Arc<Counts>,
    files: Mutex<HashMap<PathBuf, Arc<KeyFile>>>,
}

#[derive(Default)]
struct KeyFile {
    public: OnceLock<Option<Vec<u8>>>,
    opened: OnceLock<Result<Arc<Identity>, String>>,
}

impl KeyRing {
    pub(super) fn new(home: Option<PathBuf>, prompt: Option<PassphrasePrompt>, counts: Arc<Counts>) -> Self {
        Self { home, prompt, prompting: Mutex::default(), counts, files: Mutex::default() }
    }

    /// The identity files to try: those configured, or else the default ones that exist.
    pub(super) fn paths(&self, configured: &[PathBuf]) -> Vec<PathBuf> {
        if !configured.is_empty() {
            return configured.iter().map(|path| super::expand(path, self.home.as_deref())).collect();
        }
        self.home.iter().flat_map(|home| DEFAULTS.map(|name| home.join(name))).filter(|path| path.exists()).collect()
    }

    /// The public half of `path`, found without a passphrase: to ask the agent for it, or not to offer a key twice.
    pub(super) fn public(&self, path: &Path) -> Option<Vec<u8>> {
        self.file(path)
            .public
            .get_or_init(|| {
                let beside = read(&with_suffix(path, ".pub")).ok().and_then(|line| public_blob(&line));
                beside.or_else(|| PrivateKey::from_openssh(&*read(path).ok()?).ok()?.public_key().to_bytes().ok())
            })
            .clone()
    }

    /// The key in `path`, decrypted if need be.
    ///
    /// # Errors
    /// Why the file is skipped, in a few words for the list of what was tried.
    pub(super) fn open(&self, path: &Path) -> Result<Arc<Identity>, String> {
        // Workers that need the same key wait here while the first one asks for its passphrase.
        self.file(path).opened.get_or_init(|| self.load(path).map(Arc::new)).clone()
    }

    fn file(&self, path: &Path) -> Arc<KeyFile> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(files.entry(path.to_owned()).or_default())
    }

    fn load(&self, path: &Path) -> Result<Identity, String> {
        check_permissions(path)?;
        let text = read(path).map_err(|error| error.to_string())?;
        let private = if text.contains("BEGIN OPENSSH PRIVATE KEY") {
            let key = PrivateKey::from_openssh(&*text).map_err(|error| format!("not a usable private key: {error}"))?;
            if key.is_encrypted() {
                self.ask(path, |passphrase| key.decrypt(passphrase).ok()?.to_openssh(LineEnding::LF).ok())?
            } else {
                text
            }
        } else if text.contains("ENCRYPTED") {
            // OpenSSL asks on the terminal by itself unless it is given a passphrase.
            self.ask(path, |passphrase| {
                let key = PKey::private_key_from_pem_passphrase(text.as_bytes(), passphrase.as_bytes()).ok()?;
                let pem = Zeroizing::new(key.private_key_to_pem_pkcs8().ok()?);
                str::from_utf8(&pem).ok().map(|pem| Zeroizing::new(pem.to_owned()))
            })?
        } else if text.contains("PRIVATE KEY-----") {
            text
        } else {
            return Err("not a private key".to_owned());
        };
        let public = self.public(path).and_then(|blob| public_line(&blob));
        let certificate =
            read(&with_suffix(path, "-cert.pub")).ok().filter(|line| line.contains("-cert-v01@openssh.com"));
        Ok(Identity { public, certificate: certificate.map(|line| line.trim().to_owned()), private })
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
        Err("wrong passphrase".to_owned())
    }
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
    File::open(path)?.take(FILE_LIMIT).read_to_string(&mut text)?;
    Ok(text)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn public_blob(line: &str) -> Option<Vec<u8>> {
    base64::decode_block(line.split_whitespace().nth(1)?).ok()
}

fn public_line(blob: &[u8]) -> Option<String> {
    Some(format!("{} {}", super::known_hosts::key_type_of(blob)?, base64::encode_block(blob)))
}
