//! Reads private keys in the older formats: PKCS#1, SEC1 and PKCS#8, plain and encrypted, in PEM (RFC 7468 and RFC 1421).
//!
//! Boundary: pure, text in, key out. OpenSSL reads these formats too, but leaves what it has decoded in freed memory: it is asked for
//! what is not known here alone. Next: `der` walks what is inside, `decryption` makes it readable.

use base64ct::{Base64, Encoding};
use openssl::pkey::PKey;
use zeroize::Zeroizing;

use super::{
    decryption::{Legacy, Scheme},
    der,
};
use crate::transport::ssh::signing::SigningKey;

/// The bytes between the two lines that name `label`, without the headers that may stand before them.
pub(super) fn body(text: &str, label: &str) -> Option<Zeroizing<Vec<u8>>> {
    let inside = inside(text, label)?;
    let lines = inside.lines().map(str::trim).skip_while(|line| line.is_empty());
    let mut bytes = Zeroizing::new(Vec::with_capacity(inside.len()));
    // Headers end at the first empty line.
    let has_headers = lines.clone().next().is_some_and(|line| line.contains(':'));
    let headers = if has_headers { lines.clone().take_while(|line| !line.is_empty()).count() } else { 0 };
    lines.skip(headers).for_each(|line| bytes.extend_from_slice(line.as_bytes()));
    let length = Base64::decode_in_place(&mut bytes).ok()?.len();
    bytes.truncate(length);
    Some(bytes)
}

fn inside<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    Some(rest.split_once(&format!("-----END {label}-----"))?.0)
}

/// The first label of a private key in `text`.
fn label(text: &str) -> Option<&str> {
    let labels = text.split("-----BEGIN ").skip(1).filter_map(|rest| Some(rest.split_once("-----")?.0));
    labels.into_iter().find(|label| label.ends_with("PRIVATE KEY"))
}

/// A key that takes no passphrase.
pub(super) fn plain(text: &str) -> Option<SigningKey> {
    let label = label(text)?;
    let own = body(text, label).and_then(|bytes| der::private_key(label, &bytes));
    own.or_else(|| by_openssl(text, ""))
}

/// A key that takes one; `None` when it makes no sense, as with a wrong passphrase.
pub(super) fn encrypted(text: &str, passphrase: &str) -> Option<SigningKey> {
    let label = label(text)?;
    let bytes = body(text, label)?;
    if label == "ENCRYPTED PRIVATE KEY" {
        if let Some(scheme) = Scheme::parse(&bytes) {
            return der::private_key("PRIVATE KEY", &scheme.decrypt(passphrase)?);
        }
    } else if let Some(scheme) = inside(text, label).and_then(Legacy::parse) {
        return der::private_key(label, &scheme.decrypt(passphrase, &bytes)?);
    }
    by_openssl(text, passphrase)
}

fn by_openssl(text: &str, passphrase: &str) -> Option<SigningKey> {
    // Without a passphrase at all it would ask for one on the terminal by itself.
    SigningKey::new(PKey::private_key_from_pem_passphrase(text.as_bytes(), passphrase.as_bytes()).ok()?).ok()
}
