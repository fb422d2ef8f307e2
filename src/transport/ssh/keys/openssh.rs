//! Reads private keys in OpenSSH's own format (OpenSSH's PROTOCOL.key).
//!
//! Boundary: pure, text in, key out. What is secret stays in one buffer that is wiped, and is looked at where it lies: a number that is
//! moved leaves copies behind. Next: `pem` for the older formats.

use ssh_key::{Cipher, Kdf};
use zeroize::Zeroizing;

use super::pem::body;
use crate::transport::ssh::{
    certificate::Fields,
    signing::{Curve, RsaNumbers, SigningKey},
};

const MAGIC: &[u8] = b"openssh-key-v1\0";

/// What the text of such a file is known by.
pub(super) const LABEL: &str = "OPENSSH PRIVATE KEY";

/// A file as it was read.
pub(super) struct OpensshFile {
    /// The public half, which is there to see.
    pub(super) public: Vec<u8>,
    cipher: Cipher,
    kdf: Kdf,
    private: Zeroizing<Vec<u8>>,
    tag: Option<[u8; 16]>,
}

impl OpensshFile {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// What about it is not understood.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let bytes = body(text, LABEL).ok_or("its lines are damaged")?;
        let fields = bytes.strip_prefix(MAGIC).ok_or("its first bytes are not those of the format")?;
        Self::fields(Fields(fields))
    }

    fn fields(mut fields: Fields<'_>) -> Result<Self, &'static str> {
        const SHORT: &str = "it ends too early";
        let name = str::from_utf8(fields.string().ok_or(SHORT)?).unwrap_or_default();
        let cipher = Cipher::new(name).map_err(|_| "its cipher is not supported")?;
        let (kdf, mut options) = (fields.string().ok_or(SHORT)?, Fields(fields.string().ok_or(SHORT)?));
        let kdf = match kdf {
            b"none" => Kdf::None,
            b"bcrypt" => {
                Kdf::Bcrypt { salt: options.string().ok_or(SHORT)?.to_vec(), rounds: options.u32().ok_or(SHORT)? }
            }
            _ => return Err("its passphrase is used in a way that is not supported"),
        };
        if fields.u32().ok_or(SHORT)? != 1 {
            return Err("it holds several keys");
        }
        let public = fields.string().ok_or(SHORT)?.to_vec();
        let private = Zeroizing::new(fields.string().ok_or(SHORT)?.to_vec());
        let tag = fields.0.try_into().ok();
        if cipher.is_none() != kdf.is_none() {
            return Err("it says both that it is encrypted and that it is not");
        }
        match Fields(&public).string() {
            Some(b"ssh-ed25519" | b"ssh-rsa") => {}
            Some(name) if Curve::of_name(name).is_some() => {}
            _ => return Err("its type is not supported"),
        }
        Ok(Self { public, cipher, kdf, private, tag })
    }

    /// Whether it takes a passphrase to read it.
    pub(super) fn is_encrypted(&self) -> bool {
        self.cipher.is_some()
    }

    /// The key; `None` when it makes no sense, as with a wrong passphrase.
    pub(super) fn open(&self, passphrase: &str) -> Option<SigningKey> {
        if self.cipher.is_none() {
            return private_key(&self.private);
        }
        let (key, iv) = self.kdf.derive_key_and_iv(self.cipher, passphrase).ok()?;
        let mut private = self.private.clone();
        self.cipher.decrypt(&key, &iv, &mut private, self.tag).ok()?;
        private_key(&private)
    }
}

fn private_key(bytes: &[u8]) -> Option<SigningKey> {
    let mut fields = Fields(bytes);
    // The same number twice, if the passphrase was the right one.
    if fields.u32()? != fields.u32()? {
        return None;
    }
    let key = match fields.string()? {
        b"ssh-ed25519" => {
            let _public = fields.string()?;
            let (seed, _public) = fields.string()?.split_first_chunk::<32>()?;
            SigningKey::ed25519(seed)
        }
        b"ssh-rsa" => {
            let mut number = || fields.string();
            let (n, e, d, inverse, p, q) = (number()?, number()?, number()?, number()?, number()?, number()?);
            SigningKey::rsa(&RsaNumbers { n, e, d, p, q, inverse })
        }
        name => {
            let (_curve, _point) = (fields.string()?, fields.string()?);
            SigningKey::ecdsa(Curve::of_name(name)?, fields.string()?)
        }
    };
    key.ok()
}
