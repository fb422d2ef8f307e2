//! Decrypts private keys in the older formats: by PBES2 (RFC 8018, section 6.2), and as OpenSSL did before PKCS#8.
//!
//! Boundary: pure; what comes out is wiped by whoever drops it. Next: `pem`.

use openssl::{
    cipher::{Cipher, CipherRef},
    cipher_ctx::CipherCtx,
    hash::MessageDigest,
    md::Md,
    md_ctx::MdCtx,
    pkcs5,
};
use zeroize::Zeroizing;

use super::der::{Der, INTEGER, OBJECT, OCTET_STRING};

const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13];
const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 12];
const SCRYPT: &[u8] = &[0x2b, 6, 1, 4, 1, 0xda, 0x47, 4, 11];
/// 1.2.840.113549.2.N: HMAC with SHA-1 and, after it, those of SHA-2.
const HMAC: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2];
const DES_EDE3_CBC: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 3, 7];
/// 2.16.840.1.101.3.4.1.N: AES.
const AES: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1];

/// Most memory that scrypt may take, 1 GiB.
const SCRYPT_MEMORY: u64 = 1 << 30;

/// How the key for a cipher comes from a passphrase.
enum Derivation<'a> {
    Pbkdf2 { salt: &'a [u8], rounds: usize, digest: MessageDigest },
    Scrypt { salt: &'a [u8], n: u64, r: u64, p: u64 },
}

/// `EncryptedPrivateKeyInfo` (RFC 5958, section 3) by PBES2.
pub(super) struct Scheme<'a> {
    derivation: Derivation<'a>,
    cipher: &'static CipherRef,
    iv: &'a [u8],
    data: &'a [u8],
}

impl<'a> Scheme<'a> {
    /// Reads one; `None` when it is encrypted in another way.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut parts = Der(bytes).sequence()?;
        let mut algorithm = parts.sequence()?;
        let data = parts.take(OCTET_STRING)?;
        if algorithm.take(OBJECT)? != PBES2 {
            return None;
        }
        let mut parameters = algorithm.sequence()?;
        let (mut derivation, mut cipher) = (parameters.sequence()?, parameters.sequence()?);
        let derivation = match derivation.take(OBJECT)? {
            PBKDF2 => pbkdf2(&mut derivation.sequence()?)?,
            SCRYPT => {
                let mut parameters = derivation.sequence()?;
                let salt = parameters.take(OCTET_STRING)?;
                let (n, r, p) = (parameters.number()?, parameters.number()?, parameters.number()?);
                Derivation::Scrypt { salt, n, r, p }
            }
            _ => return None,
        };
        let object = cipher.take(OBJECT)?;
        let iv = cipher.take(OCTET_STRING)?;
        let cipher = match object.strip_prefix(AES) {
            Some([2]) => Cipher::aes_128_cbc(),
            Some([22]) => Cipher::aes_192_cbc(),
            Some([42]) => Cipher::aes_256_cbc(),
            None if object == DES_EDE3_CBC => Cipher::des_ede3_cbc(),
            _ => return None,
        };
        (iv.len() == cipher.iv_length()).then_some(Self { derivation, cipher, iv, data })
    }

    /// What is inside; `None` when the passphrase is not the one.
    pub(super) fn decrypt(&self, passphrase: &str) -> Option<Zeroizing<Vec<u8>>> {
        let mut key = Zeroizing::new(vec![0; self.cipher.key_length()]);
        let passphrase = passphrase.as_bytes();
        match self.derivation {
            Derivation::Pbkdf2 { salt, rounds, digest } => {
                pkcs5::pbkdf2_hmac(passphrase, salt, rounds, digest, &mut key)
            }
            Derivation::Scrypt { salt, n, r, p } => pkcs5::scrypt(passphrase, salt, n, r, p, SCRYPT_MEMORY, &mut key),
        }
        .ok()?;
        decrypt(self.cipher, &key, self.iv, self.data)
    }
}

/// `PBKDF2-params` (RFC 8018, appendix A.2).
fn pbkdf2<'a>(parameters: &mut Der<'a>) -> Option<Derivation<'a>> {
    let salt = parameters.take(OCTET_STRING)?;
    let rounds = usize::try_from(parameters.number()?).ok()?;
    let _length_of_the_key = parameters.take(INTEGER);
    let digest = match parameters.sequence() {
        None => MessageDigest::sha1(),
        Some(mut function) => match function.take(OBJECT)?.strip_prefix(HMAC)? {
            [7] => MessageDigest::sha1(),
            [8] => MessageDigest::sha224(),
            [9] => MessageDigest::sha256(),
            [10] => MessageDigest::sha384(),
            [11] => MessageDigest::sha512(),
            _ => return None,
        },
    };
    Some(Derivation::Pbkdf2 { salt, rounds, digest })
}

/// A PEM body that its headers say how to decrypt (RFC 1421, section 4.6.1; PEM_read_bio_PrivateKey(3), "PEM ENCRYPTION FORMAT").
pub(super) struct Legacy {
    cipher: &'static CipherRef,
    iv: Vec<u8>,
}

impl Legacy {
    /// Reads the headers; `None` when they name another cipher.
    pub(super) fn parse(inside: &str) -> Option<Self> {
        let words = inside.lines().find_map(|line| line.trim().strip_prefix("DEK-Info:"))?;
        let (name, iv) = words.split_once(',')?;
        let cipher = match name.trim().to_ascii_uppercase().as_str() {
            "AES-128-CBC" => Cipher::aes_128_cbc(),
            "AES-192-CBC" => Cipher::aes_192_cbc(),
            "AES-256-CBC" => Cipher::aes_256_cbc(),
            "DES-EDE3-CBC" => Cipher::des_ede3_cbc(),
            _ => return None,
        };
        let pairs = iv.trim().as_bytes().chunks(2);
        let bytes = pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
        let iv: Vec<u8> = bytes.collect::<Option<_>>()?;
        (iv.len() == cipher.iv_length()).then_some(Self { cipher, iv })
    }

    /// What is inside; `None` when the passphrase is not the one.
    pub(super) fn decrypt(&self, passphrase: &str, data: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        // EVP_BytesToKey(3) with MD5, one round, and the first eight bytes of the vector as the salt. `openssl` returns the key in
        // memory that is not wiped.
        const BLOCK: usize = 16;
        let mut key = Zeroizing::new(vec![0; self.cipher.key_length().next_multiple_of(BLOCK)]);
        for start in (0..key.len()).step_by(BLOCK) {
            let (done, block) = key.split_at_mut(start);
            let mut digest = MdCtx::new().ok()?;
            digest.digest_init(Md::md5()).ok()?;
            digest.digest_update(&done[start.saturating_sub(BLOCK)..]).ok()?;
            digest.digest_update(passphrase.as_bytes()).ok()?;
            digest.digest_update(self.iv.get(..8)?).ok()?;
            digest.digest_final(&mut block[..BLOCK]).ok()?;
        }
        decrypt(self.cipher, &key[..self.cipher.key_length()], &self.iv, data)
    }
}

fn decrypt(cipher: &CipherRef, key: &[u8], iv: &[u8], data: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut plain = Zeroizing::new(vec![0; data.len() + 2 * cipher.block_size()]);
    let mut context = CipherCtx::new().ok()?;
    context.decrypt_init(Some(cipher), Some(key), Some(iv)).ok()?;
    let mut length = context.cipher_update(data, Some(&mut plain)).ok()?;
    length += context.cipher_final(&mut plain[length..]).ok()?;
    plain.truncate(length);
    Some(plain)
}
