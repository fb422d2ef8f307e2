//! Reads `known_hosts` lines and says what they know of a host (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").
//!
//! Boundary: pure, text in, verdict out. Lines that cannot be read are skipped, as OpenSSH does. An `@cert-authority` line
//! says nothing about plain keys; what it says about certificates is decided by `host_key` with `certificate`.
//! Next: `known_files` reads and writes the files, `known_lines` makes and removes lines.

use hmac::{Hmac, Mac};
use openssl::{base64, sha};
use sha1::Sha1;

use super::certificate::Fields;
use crate::domain::{SshEndpoint, glob};

/// One usable line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Line number, from 1.
    pub(super) line: usize,
    /// `ssh-ed25519` and the like.
    pub(super) key_type: String,
    /// The public key as it travels in the protocol (RFC 4253, section 6.6).
    pub(super) blob: Vec<u8>,
    pub(super) marker: Marker,
    names: Names,
}

/// What a line says of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    /// The host has this key.
    Plain,
    /// `@revoked`: nobody may have it, and no certificate may be signed with it.
    Revoked,
    /// `@cert-authority`: it signs certificates of hosts.
    Authority,
}

/// What a host is looked up by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Lookup {
    /// The name of plain keys: alone on port 22 and for an alias, `[name]:port` otherwise.
    pub(super) name: String,
    /// The name without a port: that of certificates, of their authorities and of revocations.
    pub(super) bare: String,
}

impl Lookup {
    /// How `endpoint` is looked up: by its alias if it has one (ssh_config(5), `HostKeyAlias`).
    pub(super) fn of(endpoint: &SshEndpoint) -> Self {
        match &endpoint.host_key_alias {
            Some(alias) => Self { name: alias.to_ascii_lowercase(), bare: alias.to_ascii_lowercase() },
            None => {
                Self { name: host_name(&endpoint.address, endpoint.port), bare: endpoint.address.to_ascii_lowercase() }
            }
        }
    }
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
    let marker = match names {
        "@revoked" => Marker::Revoked,
        "@cert-authority" => Marker::Authority,
        _ if names.starts_with(['#', '@']) => return None,
        _ => Marker::Plain,
    };
    if marker != Marker::Plain {
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
    Some(Entry { line, key_type, blob, marker, names })
}

impl Entry {
    /// Whether the line is about the host. Authorities and revocations hold for every port of it; a plain key without a port
    /// is that of port 22.
    pub(super) fn is_for(&self, lookup: &Lookup) -> bool {
        self.names_have(&lookup.name) || (self.marker != Marker::Plain && self.names_have(&lookup.bare))
    }

    /// The names, in lower case, where they are written out; `None` where they are hashed or patterns.
    pub(super) fn plain_names(&self) -> Option<&[String]> {
        let is_plain = |name: &String| !name.contains(['*', '?', '!']);
        match &self.names {
            Names::Patterns(names) if names.iter().all(is_plain) => Some(names),
            Names::Patterns(_) | Names::Hashed { .. } => None,
        }
    }

    fn names_have(&self, name: &str) -> bool {
        match &self.names {
            Names::Hashed { salt, hash } => hmac_sha1(salt, name) == **hash,
            Names::Patterns(patterns) => {
                let excluded = |pattern: &String| pattern.strip_prefix('!').is_some_and(|not| glob(not, name));
                !patterns.iter().any(excluded) && patterns.iter().any(|pattern| glob(pattern, name))
            }
        }
    }
}

/// What the entries about the host say of the plain key `blob`.
pub(super) fn judge<'a>(entries: impl Iterator<Item = &'a Entry>, lookup: &Lookup, blob: &[u8]) -> Verdict<'a> {
    let mut verdict = Verdict::Unknown;
    let shown_type = key_type_of(blob);
    for entry in entries.filter(|entry| entry.is_for(lookup)) {
        match (entry.marker, entry.blob == blob) {
            (Marker::Revoked, true) => return Verdict::Revoked(entry),
            (Marker::Revoked, false) | (Marker::Authority, _) => {}
            (Marker::Plain, true) => verdict = Verdict::Known,
            (Marker::Plain, false) => {
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

/// What the lines about a host say before it shows a key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Expected {
    /// The types of its known plain keys, in the order of the lines.
    pub(super) types: Vec<String>,
    /// Whether an authority signs certificates for it.
    pub(super) certified: bool,
}

/// What to ask the host for.
pub(super) fn expected<'a>(entries: impl Iterator<Item = &'a Entry>, lookup: &Lookup) -> Expected {
    let mut expected = Expected::default();
    for entry in entries.filter(|entry| entry.is_for(lookup)) {
        match entry.marker {
            Marker::Plain if !expected.types.contains(&entry.key_type) => expected.types.push(entry.key_type.clone()),
            Marker::Authority => expected.certified = true,
            Marker::Plain | Marker::Revoked => {}
        }
    }
    expected
}

/// What the files call a host: the name alone on port 22, `[name]:port` otherwise.
pub(super) fn host_name(address: &str, port: u16) -> String {
    let address = address.to_ascii_lowercase();
    if port == 22 { address } else { format!("[{address}]:{port}") }
}

/// The type a public key's first field names.
pub(super) fn key_type_of(blob: &[u8]) -> Option<&str> {
    str::from_utf8(Fields(blob).string()?).ok()
}

/// A key's fingerprint as OpenSSH prints it.
pub(super) fn fingerprint(blob: &[u8]) -> String {
    let digest = sha::sha256(blob);
    format!("SHA256:{}", base64::encode_block(&digest).trim_end_matches('='))
}

/// HMAC-SHA1 (RFC 2104). Not OpenSSL's: with thousands of hashed names, what its interface costs per call is most of the time.
pub(super) fn hmac_sha1(key: &[u8], text: &str) -> [u8; 20] {
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(key) else { return [0; 20] };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests;
