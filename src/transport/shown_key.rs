//! A key that a host has shown, for people to look at before it is trusted.
//!
//! Boundary: values; `ssh` makes them and writes those down that are trusted.

use super::TransportErrorKind;

/// What a host has shown in a key exchange, and what is known of it.
#[derive(Debug)]
pub struct ShownKey {
    /// `ssh-ed25519` and the like.
    pub key_type: String,
    /// Its fingerprint, as OpenSSH prints it: `SHA256:…`.
    pub fingerprint: String,
    /// The public key as it travels in the protocol (RFC 4253, section 6.6), without a certificate.
    pub key: Vec<u8>,
    /// What is known of it.
    pub standing: Standing,
}

/// What `known_hosts` says of a shown key.
#[derive(Debug)]
pub enum Standing {
    /// It is the host's.
    Known,
    /// A known authority vouches for it.
    Certified,
    /// Nothing is known of the host.
    New,
    /// It must not be used as it is: changed, revoked, or with a certificate that is no good.
    Refused(Box<TransportErrorKind>),
}

impl Standing {
    /// Refused because of `kind`.
    #[must_use]
    pub fn refused(kind: TransportErrorKind) -> Self {
        Self::Refused(Box::new(kind))
    }
}
