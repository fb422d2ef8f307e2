#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use openssl::bn::BigNumRef;
use signature::Verifier;
use ssh_key::Signature;

use super::*;

/// What is signed to log in with the algorithm `name`.
fn data(name: &str) -> Vec<u8> {
    let strings = ["ops", "ssh-connection", "publickey"].map(|word| string(word.as_bytes())).concat();
    [&string(b"session")[..], &[50], &strings, &[1], &string(name.as_bytes()), &string(b"key")].concat()
}

/// Whether another implementation takes the signature, in the blob that libssh2 makes of it.
fn verifies(key: &SigningKey, name: &str) -> bool {
    let data = data(name);
    let format = name.strip_suffix("-cert-v01@openssh.com").unwrap_or(name);
    let blob = [string(format.as_bytes()), string(&key.sign(&data).unwrap())].concat();
    let public = ssh_key::PublicKey::from_bytes(&key.public).unwrap();
    let signature = Signature::try_from(blob.as_slice()).unwrap();
    assert!(public.key_data().verify(b"something else", &signature).is_err());
    public.key_data().verify(&data, &signature).is_ok()
}

fn made_rsa() -> (Rsa<Private>, SigningKey) {
    let made = Rsa::generate(2048).unwrap();
    let number = |of: &BigNumRef| of.to_vec();
    let (n, e, d) = (number(made.n()), number(made.e()), number(made.d()));
    let (p, q) = (number(made.p().unwrap()), number(made.q().unwrap()));
    let inverse = number(made.iqmp().unwrap());
    let key = SigningKey::rsa(&RsaNumbers { n: &n, e: &e, d: &d, p: &p, q: &q, inverse: &inverse }).unwrap();
    (made, key)
}

#[test]
fn signatures_of_every_kind_are_what_others_expect() {
    let ed25519 = SigningKey::ed25519(&[7; 32]).unwrap();
    assert!(verifies(&ed25519, "ssh-ed25519"));
    assert!(verifies(&ed25519, "ssh-ed25519-cert-v01@openssh.com"));
    for (name, length) in [("nistp256", 32), ("nistp384", 48), ("nistp521", 65)] {
        let key = SigningKey::ecdsa(Curve::of_name(name.as_bytes()).unwrap(), &vec![9; length]).unwrap();
        // Half of all numbers begin with a high bit, which takes a zero before it.
        for _ in 0..16 {
            assert!(verifies(&key, &format!("ecdsa-sha2-{name}")), "{name}");
        }
    }
    let (_, rsa) = made_rsa();
    assert!(verifies(&rsa, "rsa-sha2-256") && verifies(&rsa, "rsa-sha2-512"));
    assert_eq!(rsa.sign(&data("rsa-sha2-512-cert-v01@openssh.com")).unwrap().len(), 256);
    assert_eq!(rsa.sign(&data("ssh-rsa")).unwrap().len(), 256);
}

#[test]
fn the_exponents_of_an_rsa_key_are_those_of_its_primes() {
    let (made, key) = made_rsa();
    let rsa = key.key.rsa().unwrap();
    assert!(rsa.check_key().unwrap());
    assert_eq!((rsa.dmp1().unwrap(), rsa.dmq1().unwrap()), (made.dmp1().unwrap(), made.dmq1().unwrap()));
}

#[test]
fn nothing_but_a_login_is_signed() {
    let (_, rsa) = made_rsa();
    let ed25519 = SigningKey::ed25519(&[7; 32]).unwrap();
    for data in [&b""[..], b"anything", &data("ssh-ed25519")[..12]] {
        assert!(ed25519.sign(data).is_none() && rsa.sign(data).is_none());
    }
    assert!(rsa.sign(&data("rsa-sha2-1024")).is_none());
    assert!(SigningKey::ed25519(&[7; 31]).is_err());
    assert!(SigningKey::ecdsa(&CURVES[0], &[0; 32]).is_err(), "nought is no key");
}
