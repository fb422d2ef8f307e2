//! Walks what is inside the older formats of private keys, which is DER (ITU-T X.690).
//!
//! Boundary: pure; slices of one buffer that the caller wipes. Next: `pem` has the buffer.

use crate::transport::ssh::signing::{Curve, RsaNumbers, SigningKey};

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
/// `[0]` of SEC1: the curve.
const PARAMETERS: u8 = 0xa0;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// What is left of a value whose parts are taken from the front.
pub(super) struct Der<'a>(pub(super) &'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next part, if its tag is `tag`; otherwise nothing is taken.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first & 0x80 != 0 {
            let (bytes, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
            // No key is longer than two bytes can say.
            length = match *bytes {
                [low] => usize::from(low),
                [high, low] => usize::from(high) << 8 | usize::from(low),
                _ => return None,
            };
            rest = after;
        }
        let (content, rest) = rest.split_at_checked(length)?;
        (found == tag).then(|| {
            self.0 = rest;
            content
        })
    }

    /// The parts of the next part, a sequence.
    pub(super) fn sequence(&mut self) -> Option<Self> {
        self.take(SEQUENCE).map(Self)
    }

    /// The next part, a number that fits.
    pub(super) fn number(&mut self) -> Option<u64> {
        let bytes = self.take(INTEGER)?;
        (bytes.len() <= 8 && bytes.first()? & 0x80 == 0)
            .then(|| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

/// The key in `bytes`, by the label it has in PEM; `None` when it is of another kind, or makes no sense.
pub(super) fn private_key(label: &str, bytes: &[u8]) -> Option<SigningKey> {
    match label {
        "RSA PRIVATE KEY" => rsa(bytes),
        "EC PRIVATE KEY" => ec(bytes, None),
        "PRIVATE KEY" => pkcs8(bytes),
        _ => None,
    }
}

/// `RSAPrivateKey` (RFC 8017, appendix A.1.2).
fn rsa(bytes: &[u8]) -> Option<SigningKey> {
    let mut parts = Der(bytes).sequence()?;
    // Version 1 has more than two primes.
    if parts.number()? != 0 {
        return None;
    }
    let mut number = || parts.take(INTEGER);
    let (n, e, d, p, q) = (number()?, number()?, number()?, number()?, number()?);
    let (_of_p, _of_q, inverse) = (number()?, number()?, number()?);
    SigningKey::rsa(&RsaNumbers { n, e, d, p, q, inverse }).ok()
}

/// `ECPrivateKey` (RFC 5915, section 3); inside PKCS#8 the curve is named outside.
fn ec(bytes: &[u8], curve: Option<&Curve>) -> Option<SigningKey> {
    let mut parts = Der(bytes).sequence()?;
    if parts.number()? != 1 {
        return None;
    }
    let scalar = parts.take(OCTET_STRING)?;
    let named = || Curve::of_object(Der(parts.take(PARAMETERS)?).take(OBJECT)?);
    let curve = curve.or_else(named)?;
    SigningKey::ecdsa(curve, scalar).ok()
}

/// `PrivateKeyInfo` (RFC 5208, section 5; RFC 5958; RFC 8410, section 7).
fn pkcs8(bytes: &[u8]) -> Option<SigningKey> {
    let mut parts = Der(bytes).sequence()?;
    if parts.number()? > 1 {
        return None;
    }
    let mut algorithm = parts.sequence()?;
    let kind = algorithm.take(OBJECT)?;
    let key = parts.take(OCTET_STRING)?;
    match kind {
        RSA => rsa(key),
        EC => ec(key, Some(Curve::of_object(algorithm.take(OBJECT)?)?)),
        ED25519 => SigningKey::ed25519(Der(key).take(OCTET_STRING)?).ok(),
        _ => None,
    }
}
