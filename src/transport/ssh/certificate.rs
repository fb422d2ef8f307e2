//! Reads OpenSSH certificates and says whether one vouches for a host (OpenSSH's PROTOCOL.certkeys).
//!
//! Boundary: pure, bytes in, verdict out. The signature is checked over the very bytes that came, never over a copy that was
//! read and written again. Next: `host_key` asks about hosts' certificates, `keys` about users'.

use signature::Verifier;
use ssh_key::Signature;

use super::known_hosts::{fingerprint, key_type_of};
use crate::domain::glob;

/// What the names of certificate types end with.
pub(super) const SUFFIX: &str = "-cert-v01@openssh.com";

/// Most principals looked at, as many as OpenSSH takes (`SSHKEY_CERT_MAX_PRINCIPALS`).
const MOST_PRINCIPALS: usize = 256;

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It names a user's key.
    User,
    /// It names a host's key.
    Host,
}

/// A certificate as it was read; nothing of it is believed before [`Certificate::check_host`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    /// The certified key as it travels without a certificate.
    pub(super) key: Vec<u8>,
    /// The key that signed it.
    pub(super) authority: Vec<u8>,
    purpose: Option<Purpose>,
    principals: Vec<String>,
    /// First second in which it is valid, since 1970.
    after: u64,
    /// First second in which it is valid no more; all ones is never.
    before: u64,
    has_critical_options: bool,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

/// Whether `blob` says that it is a certificate.
pub(super) fn is_certificate(blob: &[u8]) -> bool {
    key_type_of(blob).is_some_and(|name| name.ends_with(SUFFIX))
}

impl Certificate {
    /// Reads a certificate of a key type that is supported; `None` for everything else.
    pub(super) fn parse(blob: &[u8]) -> Option<Self> {
        let mut fields = Fields(blob);
        let plain = str::from_utf8(fields.string()?).ok()?.strip_suffix(SUFFIX)?.to_owned();
        let _nonce = fields.string()?;
        let before_key = fields.0;
        // The fields of the key itself, as in a plain key of the type (RFC 4253, 6.6; RFC 5656, 3.1; RFC 8709, 4).
        let count = match plain.as_str() {
            "ssh-ed25519" => 1,
            "ssh-rsa" | "ecdsa-sha2-nistp256" | "ecdsa-sha2-nistp384" | "ecdsa-sha2-nistp521" => 2,
            _ => return None,
        };
        for _ in 0..count {
            fields.string()?;
        }
        let mut key = with_length(plain.as_bytes())?;
        key.extend_from_slice(&before_key[..before_key.len() - fields.0.len()]);
        let _serial = fields.u64()?;
        let purpose = match fields.u32()? {
            1 => Some(Purpose::User),
            2 => Some(Purpose::Host),
            _ => None,
        };
        let _key_id = fields.string()?;
        let mut names = Fields(fields.string()?);
        let mut principals = Vec::new();
        while !names.0.is_empty() {
            if principals.len() == MOST_PRINCIPALS {
                return None;
            }
            principals.push(str::from_utf8(names.string()?).ok()?.to_owned());
        }
        let (after, before) = (fields.u64()?, fields.u64()?);
        let has_critical_options = !fields.string()?.is_empty();
        let _extensions = fields.string()?;
        let _reserved = fields.string()?;
        let authority = fields.string()?.to_vec();
        let signed = blob[..blob.len() - fields.0.len()].to_vec();
        let signature = fields.string()?.to_vec();
        let whole = fields.0.is_empty();
        whole.then_some(Self {
            key,
            authority,
            purpose,
            principals,
            after,
            before,
            has_critical_options,
            signed,
            signature,
        })
    }

    /// Whether it vouches for the host `name` at `now` (seconds since 1970). Whose authority signed it is the caller's to judge.
    ///
    /// # Errors
    /// Why not, for people.
    pub(super) fn check_host(&self, name: &str, now: u64) -> Result<(), String> {
        if self.purpose != Some(Purpose::Host) {
            return Err("it is not a certificate of a host".to_owned());
        }
        if !self.is_signed() {
            return Err("its signature is not that of its authority".to_owned());
        }
        if now < self.after {
            return Err(format!("it is not valid before {}", date(self.after)));
        }
        if self.is_over(now) {
            return Err(format!("it expired on {}", date(self.before)));
        }
        if self.has_critical_options {
            return Err("it has critical options, and a host's has none that are known".to_owned());
        }
        if self.principals.is_empty() {
            // OpenSSH 10.3 ended the older reading, by which such a certificate was good for every host.
            return Err("it names no host".to_owned());
        }
        if !self.principals.iter().any(|principal| glob(&principal.to_ascii_lowercase(), name)) {
            return Err(format!("it is for {}, not for {name}", self.principals.join(", ")));
        }
        Ok(())
    }

    /// When it ended, if it has at `now`, for people.
    pub(super) fn expired(&self, now: u64) -> Option<String> {
        self.is_over(now).then(|| date(self.before))
    }

    /// Whether it is a user's.
    pub(super) fn is_for_user(&self) -> bool {
        self.purpose == Some(Purpose::User)
    }

    /// The fingerprint of the key that signed it.
    pub(super) fn authority_fingerprint(&self) -> String {
        fingerprint(&self.authority)
    }

    fn is_over(&self, now: u64) -> bool {
        self.before <= now
    }

    fn is_signed(&self) -> bool {
        // An authority is a key, not one more certificate.
        let Ok(authority) = ssh_key::PublicKey::from_bytes(&self.authority) else { return false };
        let Ok(signature) = Signature::try_from(self.signature.as_slice()) else { return false };
        authority.key_data().verify(&self.signed, &signature).is_ok()
    }
}

/// Seconds since 1970 as a date for people.
fn date(seconds: u64) -> String {
    let text = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    text.map_or_else(|| "a day that is in no calendar".to_owned(), |at| at.to_string())
}

/// `bytes` as a string of the protocol (RFC 4251, section 5).
fn with_length(bytes: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(bytes.len()).ok()?;
    Some([&length.to_be_bytes(), bytes].concat())
}

/// What is left of a message whose fields are taken from the front (RFC 4251, section 5).
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// The next string.
    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        let (string, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(string)
    }

    /// The next 32 bits.
    pub(super) fn u32(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*number))
    }

    fn u64(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*number))
    }
}

#[cfg(test)]
mod tests;
