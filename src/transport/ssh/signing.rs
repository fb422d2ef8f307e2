//! Private keys that sign logins in this process: libssh2 is given signatures, and never a key.
//!
//! Boundary: pure but for OpenSSL, which wipes the memory of private keys when it frees it. Numbers of a private key are never held
//! elsewhere but in memory that is wiped as well. Next: `callback` hands signatures to libssh2, `keys` reads keys from files.

pub(super) mod callback;

use openssl::{
    bn::{BigNum, BigNumContext},
    ec::{EcGroup, EcKey, EcPoint, PointConversionForm},
    ecdsa::EcdsaSig,
    error::ErrorStack,
    hash::MessageDigest,
    nid::Nid,
    pkey::{Id, PKey, Private},
    rsa::Rsa,
    sign::Signer,
};

use super::agent_relay::{algorithm, string};

/// A private key, ready to sign.
pub(super) struct SigningKey {
    key: PKey<Private>,
    /// Its public half as it travels in the protocol (RFC 4253, section 6.6; RFC 5656, section 3.1; RFC 8709, section 4).
    pub(super) public: Vec<u8>,
}

/// The numbers of an RSA key, big-endian (RFC 8017, section 3.2). The exponents for each prime are worked out: not all formats have
/// them, and without them signing takes four times as long.
pub(super) struct RsaNumbers<'a> {
    pub(super) n: &'a [u8],
    pub(super) e: &'a [u8],
    pub(super) d: &'a [u8],
    pub(super) p: &'a [u8],
    pub(super) q: &'a [u8],
    /// q⁻¹ mod p.
    pub(super) inverse: &'a [u8],
}

/// A curve that keys may lie on.
pub(super) struct Curve {
    /// Its name in SSH (RFC 5656, section 10.1).
    name: &'static [u8],
    /// Its object identifier, in DER (RFC 5480, section 2.1.1.1).
    object: &'static [u8],
    nid: Nid,
}

const CURVES: [Curve; 3] = [
    Curve { name: b"nistp256", object: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7], nid: Nid::X9_62_PRIME256V1 },
    Curve { name: b"nistp384", object: &[0x2b, 0x81, 4, 0, 34], nid: Nid::SECP384R1 },
    Curve { name: b"nistp521", object: &[0x2b, 0x81, 4, 0, 35], nid: Nid::SECP521R1 },
];

impl Curve {
    /// The one of that name, with or without what comes before it in the names of key types.
    pub(super) fn of_name(name: &[u8]) -> Option<&'static Self> {
        let name = name.strip_prefix(b"ecdsa-sha2-").unwrap_or(name);
        CURVES.iter().find(|curve| curve.name == name)
    }

    /// The one with that object identifier.
    pub(super) fn of_object(object: &[u8]) -> Option<&'static Self> {
        CURVES.iter().find(|curve| curve.object == object)
    }
}

impl SigningKey {
    /// An Ed25519 key by its seed of 32 bytes (RFC 8032, section 5.1.5).
    pub(super) fn ed25519(seed: &[u8]) -> Result<Self, ErrorStack> {
        Self::new(PKey::private_key_from_raw_bytes(seed, Id::ED25519)?)
    }

    /// An ECDSA key by its scalar, big-endian.
    pub(super) fn ecdsa(curve: &Curve, scalar: &[u8]) -> Result<Self, ErrorStack> {
        let group = EcGroup::from_curve_name(curve.nid)?;
        let scalar = secret(scalar)?;
        let mut point = EcPoint::new(&group)?;
        point.mul_generator2(&group, &scalar, &mut *BigNumContext::new_secure()?)?;
        let key = EcKey::from_private_components(&group, &scalar, &point)?;
        key.check_key()?;
        Self::new(PKey::from_ec_key(key)?)
    }

    /// An RSA key.
    pub(super) fn rsa(numbers: &RsaNumbers<'_>) -> Result<Self, ErrorStack> {
        let (d, p, q) = (secret(numbers.d)?, secret(numbers.p)?, secret(numbers.q)?);
        let mut context = BigNumContext::new_secure()?;
        let one = BigNum::from_u32(1)?;
        let mut exponent = |prime: &BigNum| {
            let (mut less, mut exponent) = (BigNum::new_secure()?, BigNum::new_secure()?);
            less.checked_sub(prime, &one)?;
            exponent.nnmod(&d, &less, &mut context)?;
            Ok::<_, ErrorStack>(exponent)
        };
        let (of_p, of_q) = (exponent(&p)?, exponent(&q)?);
        let (n, e) = (BigNum::from_slice(numbers.n)?, BigNum::from_slice(numbers.e)?);
        let key = Rsa::from_private_components(n, e, d, p, q, of_p, of_q, secret(numbers.inverse)?)?;
        Self::new(PKey::from_rsa(key)?)
    }

    /// A key of one of the types above.
    pub(super) fn new(key: PKey<Private>) -> Result<Self, ErrorStack> {
        let public = match key.id() {
            Id::ED25519 => [string(b"ssh-ed25519"), string(&key.raw_public_key()?)].concat(),
            Id::RSA => {
                let rsa = key.rsa()?;
                [string(b"ssh-rsa"), mpint(&rsa.e().to_vec()), mpint(&rsa.n().to_vec())].concat()
            }
            Id::EC => {
                let ec = key.ec_key()?;
                let group = ec.group();
                let nid = group.curve_name();
                let name = CURVES.iter().find(|curve| Some(curve.nid) == nid).ok_or_else(ErrorStack::get)?.name;
                let form = PointConversionForm::UNCOMPRESSED;
                let point = ec.public_key().to_bytes(group, form, &mut *BigNumContext::new()?)?;
                [string(&[b"ecdsa-sha2-", name].concat()), string(name), string(&point)].concat()
            }
            _ => return Err(ErrorStack::get()),
        };
        Ok(Self { key, public })
    }

    /// The signature over what is signed to log in (RFC 4252, section 7), as it stands in its blob behind the name of its format;
    /// `None` when it cannot be made.
    pub(super) fn sign(&self, data: &[u8]) -> Option<Vec<u8>> {
        // For an RSA key libssh2 has chosen by what the host understands, and says so in the data alone (RFC 8332, section 3).
        let name = algorithm(data)?;
        match self.key.id() {
            Id::ED25519 => Signer::new_without_digest(&self.key).ok()?.sign_oneshot_to_vec(data).ok(),
            Id::RSA => {
                let digest = match name {
                    _ if name.starts_with(b"rsa-sha2-512") => MessageDigest::sha512(),
                    _ if name.starts_with(b"rsa-sha2-256") => MessageDigest::sha256(),
                    // A host from before 2018, which knows nothing better (RFC 4253, section 6.6).
                    _ if name.starts_with(b"ssh-rsa") => MessageDigest::sha1(),
                    _ => return None,
                };
                Signer::new(digest, &self.key).ok()?.sign_oneshot_to_vec(data).ok()
            }
            _ => {
                // RFC 5656, section 6.2.1: the longer the curve the longer the digest.
                let digest = match self.key.bits() {
                    ..=256 => MessageDigest::sha256(),
                    257..=384 => MessageDigest::sha384(),
                    _ => MessageDigest::sha512(),
                };
                let der = Signer::new(digest, &self.key).ok()?.sign_oneshot_to_vec(data).ok()?;
                let signature = EcdsaSig::from_der(&der).ok()?;
                Some([mpint(&signature.r().to_vec()), mpint(&signature.s().to_vec())].concat())
            }
        }
    }
}

/// A number in memory that is wiped when it is freed; OpenSSL's own copies of it are as well then.
fn secret(bytes: &[u8]) -> Result<BigNum, ErrorStack> {
    let mut number = BigNum::new_secure()?;
    number.copy_from_slice(bytes)?;
    Ok(number)
}

/// A positive number of the protocol from its bytes without leading zeros (RFC 4251, section 5).
fn mpint(bytes: &[u8]) -> Vec<u8> {
    if bytes.first().is_some_and(|first| first & 0x80 != 0) { string(&[&[0], bytes].concat()) } else { string(bytes) }
}

#[cfg(test)]
mod tests;
