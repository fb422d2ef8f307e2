//! Reads `known_hosts` lines and says what they know of a host (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").
//!
//! Boundary: pure, text in, verdict out. Lines that cannot be read are skipped, as OpenSSH does. `@cert-authority` lines
//! are read over: host certificates are not asked for, and such a line says nothing about plain keys.
//! Next: `host_key` reads and writes the files.

use openssl::{base64, hash::MessageDigest, pkey::PKey, sign::Signer};

/// One usable line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Line number, from 1.
    pub(super) line: usize,
    /// `ssh-ed25519` and the like.
    pub(super) key_type: String,
    /// The public key as it travels in the protocol (RFC 4253, section 6.6).
    pub(super) blob: Vec<u8>,
    revoked: bool,
    names: Names,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Names {
    /// Comma-separated patterns, in lower case.
    Patterns(Vec<String>),
    /// HMAC-SHA1 of the name.
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
}

/// What the entries say of a key that a host shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    /// The key is this host's.
    Known,
    /// No entry is for this host.
    Unknown,
    /// The host has other keys.
    Changed(&'a Entry),
    /// The key must not be used.
    Revoked(&'a Entry),
}

/// The usable entries of a file.
pub(super) fn parse(text: &str) -> Vec<Entry> {
    text.lines().enumerate().filter_map(|(index, line)| parse_line(line, index + 1)).collect()
}

fn parse_line(text: &str, line: usize) -> Option<Entry> {
    let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
    let mut names = words.next()?;
    let revoked = names == "@revoked";
    if names.starts_with('#') || (names.starts_with('@') && !revoked) {
        return None;
    }
    if revoked {
        names = words.next()?;
    }
    let key_type = words.next()?.to_owned();
    let blob = base64::decode_block(words.next()?).ok()?;
    if key_type_of(&blob)? != key_type {
        return None;
    }
    let names = match names.strip_prefix("|1|") {
        Some(hashed) => {
            let (salt, hash) = hashed.split_once('|')?;
            Names::Hashed { salt: base64::decode_block(salt).ok()?, hash: base64::decode_block(hash).ok()? }
        }
        None => Names::Patterns(names.split(',').map(str::to_ascii_lowercase).collect()),
    };
    Some(Entry { line, key_type, blob, revoked, names })
}

impl Entry {
    /// Whether the line is for `name`, as [`host_name`] gives it.
    pub(super) fn is_for(&self, name: &str) -> bool {
        match &self.names {
            Names::Hashed { salt, hash } => hmac_sha1(salt, name).is_some_and(|computed| computed == *hash),
            Names::Patterns(patterns) => {
                let excluded = |pattern: &String| pattern.strip_prefix('!').is_some_and(|not| matches(not, name));
                !patterns.iter().any(excluded) && patterns.iter().any(|pattern| matches(pattern, name))
            }
        }
    }
}

/// What the entries that are for `name` say of the key `blob`.
pub(super) fn judge<'a>(entries: impl Iterator<Item = &'a Entry>, name: &str, blob: &[u8]) -> Verdict<'a> {
    let mut verdict = Verdict::Unknown;
    let shown_type = key_type_of(blob);
    for entry in entries.filter(|entry| entry.is_for(name)) {
        match (entry.revoked, entry.blob == blob) {
            (true, true) => return Verdict::Revoked(entry),
            (true, false) => {}
            (false, true) => verdict = Verdict::Known,
            (false, false) => {
                // The known key of the same type is the one people want to compare with.
                let better = match &verdict {
                    Verdict::Unknown => true,
                    Verdict::Changed(other) => {
                        shown_type != Some(&*other.key_type) && shown_type == Some(&*entry.key_type)
                    }
                    _ => false,
                };
                if better {
                    verdict = Verdict::Changed(entry);
                }
            }
        }
    }
    verdict
}

/// The key types known for `name`, in the order of the lines.
pub(super) fn known_types<'a>(entries: impl Iterator<Item = &'a Entry>, name: &str) -> Vec<String> {
    let mut types: Vec<String> = Vec::new();
    for entry in entries.filter(|entry| !entry.revoked && entry.is_for(name)) {
        if !types.contains(&entry.key_type) {
            types.push(entry.key_type.clone());
        }
    }
    types
}

/// What the files call a host: the name alone on port 22, `[name]:port` otherwise.
pub(super) fn host_name(address: &str, port: u16) -> String {
    let address = address.to_ascii_lowercase();
    if port == 22 { address } else { format!("[{address}]:{port}") }
}

/// The type a public key's first field names.
pub(super) fn key_type_of(blob: &[u8]) -> Option<&str> {
    let (length, rest) = blob.split_first_chunk::<4>()?;
    let name = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    str::from_utf8(name).ok()
}

/// A key's fingerprint as OpenSSH prints it.
pub(super) fn fingerprint(blob: &[u8]) -> String {
    let digest = openssl::sha::sha256(blob);
    format!("SHA256:{}", base64::encode_block(&digest).trim_end_matches('='))
}

fn hmac_sha1(key: &[u8], text: &str) -> Option<Vec<u8>> {
    let key = PKey::hmac(key).ok()?;
    Signer::new(MessageDigest::sha1(), &key).ok()?.sign_oneshot_to_vec(text.as_bytes()).ok()
}

/// Whether `pattern` with its `*` and `?` is all of `text` (ssh_config(5), PATTERNS).
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut from) = (0, 0);
    // Where to go on when the last `*` takes one byte more: linear memory and no recursion, whatever the pattern.
    let mut retry: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at + 1, from));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[from] => {
                at += 1;
                from += 1;
            }
            _ => match retry {
                Some((after, taken)) => {
                    retry = Some((after, taken + 1));
                    at = after;
                    from = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests;
