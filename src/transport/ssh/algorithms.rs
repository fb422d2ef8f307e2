//! Which algorithms are offered where ssh_config limits them, and which cipher goes first where it does not.
//!
//! Boundary: before the key exchange the offer, after it the size of the host's key; everything else of a host's key is
//! `host_key`'s.

use std::sync::OnceLock;

use ssh2::{MethodType, Session};

use super::{certificate::Fields, peer_offer::Offer, wire::ssh};
use crate::{
    domain::{Algorithms, glob},
    transport::{Phase, TransportError, TransportErrorKind},
};

/// Not algorithms but announcements that the library adds to every list of its own accord (RFC 8308; strict key exchange is
/// section 1.10 of OpenSSH's PROTOCOL).
const ANNOUNCEMENTS: [&str; 2] = ["ext-info-c", "kex-strict-c-v00@openssh.com"];

/// Which ciphers go first on a processor with instructions for AES: libssh2's own ChaCha20-Poly1305, its first choice, takes twice the
/// time there. Neither is thought to be weaker; OpenSSH offers all three.
const FAST_CIPHERS: &str = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com";

/// Sets what the session offers, but for the host's keys.
pub(super) fn offer(session: &Session, algorithms: &Algorithms) -> Result<(), TransportError> {
    if algorithms.ciphers.is_none() && has_aes() {
        static LIST: OnceLock<String> = OnceLock::new();
        let methods = [MethodType::CryptCs, MethodType::CryptSc];
        let failed = |error| ssh(Phase::KeyExchange, &error);
        if LIST.get().is_none() {
            let own = session.supported_algs(methods[0]).map_err(failed)?;
            let _ = LIST.set(assemble(FAST_CIPHERS, &own).join(","));
        }
        let list = LIST.get().map_or("", String::as_str);
        methods.iter().try_for_each(|method| session.method_pref(*method, list)).map_err(failed)?;
    }
    for (keyword, list, methods) in [
        ("Ciphers", &algorithms.ciphers, [MethodType::CryptCs, MethodType::CryptSc].as_slice()),
        ("MACs", &algorithms.macs, &[MethodType::MacCs, MethodType::MacSc]),
        ("KexAlgorithms", &algorithms.key_exchange, &[MethodType::Kex]),
    ] {
        let Some(list) = list else { continue };
        for method in methods {
            let own = session.supported_algs(*method).map_err(|error| ssh(Phase::KeyExchange, &error))?;
            let mut offered = assemble(list, &own);
            offered.retain(|name| !ANNOUNCEMENTS.contains(name));
            if offered.is_empty() {
                return Err(nothing_left(keyword, list));
            }
            session.method_pref(*method, &offered.join(",")).map_err(|error| ssh(Phase::KeyExchange, &error))?;
        }
    }
    Ok(())
}

/// What [`offer`] has the session offer, but for the host's keys, to be shown.
pub(super) fn offered(session: &Session, algorithms: &Algorithms) -> Option<Offer> {
    let list = |method: MethodType, list: &Option<String>| {
        let own = session.supported_algs(method).ok()?;
        let left = list.as_ref().map_or_else(|| own.clone(), |list| assemble(list, &own));
        Some(left.into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    Some(Offer {
        key_exchange: list(MethodType::Kex, &algorithms.key_exchange)?,
        host_keys: Vec::new(),
        ciphers: list(MethodType::CryptCs, &algorithms.ciphers)?,
        macs: list(MethodType::MacCs, &algorithms.macs)?,
    })
}

/// Whether the processor has instructions for AES and for the product that GCM needs.
fn has_aes() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    {
        std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq")
    }
    #[cfg(target_arch = "aarch64")]
    {
        std::arch::is_aarch64_feature_detected!("aes") && std::arch::is_aarch64_feature_detected!("pmull")
    }
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    false
}

/// Those of `order` that `HostKeyAlgorithms` leaves, in the same order: a host's known keys go first.
pub(super) fn host_keys<'a>(algorithms: &Algorithms, order: Vec<&'a str>) -> Result<Vec<&'a str>, TransportError> {
    let Some(list) = &algorithms.host_keys else { return Ok(order) };
    let allowed = assemble(list, &order);
    let left: Vec<&str> = order.iter().copied().filter(|name| allowed.contains(name)).collect();
    if left.is_empty() { Err(nothing_left("HostKeyAlgorithms", list)) } else { Ok(left) }
}

/// Refuses an RSA key of a host with too few bits.
pub(super) fn check_size(algorithms: &Algorithms, key: &[u8]) -> Result<(), TransportError> {
    match (algorithms.required_rsa_bits, rsa_bits(key)) {
        (Some(required), Some(bits)) if bits < required => {
            let text = format!("the host's RSA key has {bits} bits, and RequiredRSASize asks for {required}");
            Err(TransportError::new(Phase::HostKey, TransportErrorKind::Unsupported(text)))
        }
        _ => Ok(()),
    }
}

fn nothing_left(keyword: &str, list: &str) -> TransportError {
    let text = format!("{keyword} {list} of ssh_config leaves nothing that is known here");
    TransportError::new(Phase::KeyExchange, TransportErrorKind::Unsupported(text))
}

/// What a list of ssh_config(5) leaves of `own`, the algorithms there are, in the order of preference.
fn assemble<'a>(list: &str, own: &[&'a str]) -> Vec<&'a str> {
    let (operator, names) = match list.strip_prefix(['+', '-', '^']) {
        Some(names) => (list.chars().next(), names),
        None => (None, list),
    };
    let named: Vec<&str> =
        names.split(',').flat_map(|name| own.iter().copied().filter(move |own| glob(name, own))).collect();
    let others = own.iter().copied().filter(|name| !named.contains(name));
    match operator {
        Some('-') => others.collect(),
        // There is nothing to add to: everything there is is offered.
        Some('+') => own.to_vec(),
        Some(_) => named.iter().copied().chain(others).collect(),
        None => named,
    }
}

/// Bits of the modulus of an `ssh-rsa` key (RFC 4253, section 6.6: the name, the exponent, the modulus); `None` for others.
fn rsa_bits(key: &[u8]) -> Option<u32> {
    let mut fields = Fields(key);
    if fields.string()? != b"ssh-rsa" {
        return None;
    }
    fields.string()?;
    let modulus = fields.string()?;
    let modulus = modulus.get(modulus.iter().position(|byte| *byte != 0)?..)?;
    u32::try_from(modulus.len()).ok()?.checked_mul(8)?.checked_sub(modulus.first()?.leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_replaces_adds_takes_away_or_goes_first() {
        let own = ["a-ctr", "a-gcm", "b-cbc", "c-cbc"];
        for (list, left) in [
            ("b-cbc,a-ctr", vec!["b-cbc", "a-ctr"]),
            ("unknown,a-gcm", vec!["a-gcm"]),
            ("unknown", vec![]),
            ("+b-cbc,unknown", own.to_vec()),
            ("-*-cbc", vec!["a-ctr", "a-gcm"]),
            ("-a-gcm,c*", vec!["a-ctr", "b-cbc"]),
            ("^c-cbc", vec!["c-cbc", "a-ctr", "a-gcm", "b-cbc"]),
        ] {
            assert_eq!(assemble(list, &own), left, "{list}");
        }
    }

    #[test]
    fn the_bits_of_an_rsa_key_are_those_of_its_modulus() {
        let key = |name: &[u8], modulus: &[u8]| {
            let mut key = Vec::new();
            for field in [name, &[1, 0, 1], modulus] {
                key.extend(u32::try_from(field.len()).unwrap_or_default().to_be_bytes());
                key.extend(field);
            }
            key
        };
        assert_eq!(rsa_bits(&key(b"ssh-rsa", &[0, 0x80, 0])), Some(16));
        assert_eq!(rsa_bits(&key(b"ssh-rsa", &[0x01, 0])), Some(9));
        assert_eq!(rsa_bits(&key(b"ssh-ed25519", &[0x80])), None);
        assert_eq!(rsa_bits(b"\0\0\0\x07ssh"), None);
        assert_eq!(rsa_bits(&key(b"ssh-rsa", &[0])), None);
    }
}
