//! The fuzzing target of key files.
//!
//! Boundary: text in; a panic when something does not hold. Built for tests and fuzzing only.

use super::{OpensshFile, decryption::Scheme, pem, public_blob};

/// Private keys in OpenSSH's own format and in PEM, plain and encrypted; and lines of public keys.
pub(crate) fn private_keys(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // How often a passphrase is stretched is the file's word, and up to hours: what is read before and after that is fuzzed.
    if let Some(file) = OpensshFile::parse(&text).ok().filter(|file| !file.is_encrypted()) {
        let _ = file.open("").is_some();
    }
    let pkcs8 = "ENCRYPTED PRIVATE KEY";
    if let Some(bytes) = pem::body(&text, pkcs8) {
        let _ = Scheme::parse(&bytes).is_some();
    }
    if !text.contains("ENCRYPTED") {
        let _ = pem::plain(&text).is_some();
    } else if !text.contains(pkcs8) {
        let _ = pem::encrypted(&text, "secret").is_some();
    }
    let _ = public_blob(&text);
}
