#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use openssl::{
    ec::{EcGroup, EcKey},
    nid::Nid,
    pkey::{PKey, Private},
    rsa::Rsa,
    symm::Cipher,
};
use ssh_key::{Algorithm, EcdsaCurve, LineEnding, PrivateKey, rand_core::OsRng};

use super::*;

const WORDS: &str = "open sesame";

fn text(pem: Vec<u8>) -> String {
    String::from_utf8(pem).unwrap()
}

fn key_of(key: &PKey<Private>) -> Vec<u8> {
    SigningKey::new(key.clone()).unwrap().public
}

fn made() -> Vec<PKey<Private>> {
    let curves = [Nid::X9_62_PRIME256V1, Nid::SECP384R1, Nid::SECP521R1];
    let ecdsa = curves.map(|curve| EcKey::generate(&EcGroup::from_curve_name(curve).unwrap()).unwrap());
    let mut keys = vec![PKey::generate_ed25519().unwrap(), PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()];
    keys.extend(ecdsa.map(|key| PKey::from_ec_key(key).unwrap()));
    keys
}

#[test]
fn older_formats_are_read_with_and_without_a_passphrase() {
    // The last one is OpenSSL's to read.
    let ciphers = [
        Cipher::aes_128_cbc(),
        Cipher::aes_192_cbc(),
        Cipher::aes_256_cbc(),
        Cipher::des_ede3_cbc(),
        Cipher::aes_256_cfb128(),
    ];
    for key in made() {
        let expected = key_of(&key);
        let plain = [
            Some(key.private_key_to_pem_pkcs8()),
            key.rsa().ok().map(|rsa| rsa.private_key_to_pem()),
            key.ec_key().ok().map(|ec| ec.private_key_to_pem()),
        ];
        for pem in plain.into_iter().flatten() {
            let pem = text(pem.unwrap());
            let label = pem.lines().next().unwrap().trim_matches('-').strip_prefix("BEGIN ").unwrap();
            let own = der::private_key(label, &pem::body(&pem, label).unwrap()).unwrap();
            assert!(own.public == expected && pem::plain(&pem).unwrap().public == expected, "{label}");
        }
        for (number, cipher) in ciphers.into_iter().enumerate() {
            let words = WORDS.as_bytes();
            let locked = [
                Some(key.private_key_to_pem_pkcs8_passphrase(cipher, words)),
                key.rsa().ok().map(|rsa| rsa.private_key_to_pem_passphrase(cipher, words)),
                key.ec_key().ok().map(|ec| ec.private_key_to_pem_passphrase(cipher, words)),
            ];
            for pem in locked.into_iter().flatten() {
                let pem = text(pem.unwrap());
                assert_eq!(pem::encrypted(&pem, WORDS).unwrap().public, expected, "{number}: {pem}");
                assert!(pem::encrypted(&pem, "open barley").is_none(), "{number}: {pem}");
            }
        }
    }
}

#[test]
fn openssh_s_format_is_read_with_and_without_a_passphrase() {
    let ciphers = [ssh_key::Cipher::Aes256Ctr, ssh_key::Cipher::Aes256Gcm, ssh_key::Cipher::ChaCha20Poly1305];
    let algorithms = [
        Algorithm::Ed25519,
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    ];
    for (algorithm, cipher) in algorithms.into_iter().zip(ciphers) {
        let key = PrivateKey::random(&mut OsRng, algorithm).unwrap();
        let expected = key.public_key().to_bytes().unwrap();
        let plain = OpensshFile::parse(&key.to_openssh(LineEnding::CRLF).unwrap()).unwrap();
        assert!(!plain.is_encrypted() && plain.public == expected);
        assert_eq!(plain.open("").unwrap().public, expected);
        let locked = key.encrypt_with_cipher(&mut OsRng, cipher, WORDS).unwrap();
        let file = OpensshFile::parse(&locked.to_openssh(LineEnding::LF).unwrap()).unwrap();
        assert!(file.is_encrypted() && file.public == expected);
        assert_eq!(file.open(WORDS).unwrap().public, expected);
        assert!(file.open("open barley").is_none());
    }
}

#[test]
fn damaged_files_are_no_keys() {
    let rsa = Rsa::generate(2048).unwrap();
    let files = [
        text(rsa.private_key_to_pem().unwrap()),
        text(rsa.private_key_to_pem_passphrase(Cipher::aes_128_cbc(), WORDS.as_bytes()).unwrap()),
        PrivateKey::random(&mut OsRng, Algorithm::Ed25519).unwrap().to_openssh(LineEnding::LF).unwrap().to_string(),
    ];
    for file in files {
        let lines: Vec<&str> = file.lines().collect();
        for missing in 0..lines.len() {
            let rest = [&lines[..missing], &lines[missing + 1..]].concat().join("\n");
            assert!(pem::plain(&rest).is_none(), "{rest}");
            let opened = OpensshFile::parse(&rest).ok().and_then(|file| file.open(""));
            assert!(opened.is_none(), "{rest}");
        }
    }
}
