//! The hashes that bind a line to the one before it, so that nothing can be changed, taken out or put elsewhere unseen.
//!
//! A line ends with `"hash"`: the SHA-256, in hexadecimal, of the hash of the line before it, a newline and the line itself without
//! that last key; the first line of all has 64 zeros before it. Where the line before stands in another file, its hash is said again
//! in `"prev"`. So anybody can check a line: `printf '%s\n%s' PREVIOUS '{…}' | sha256sum`.
//!
//! Boundary: pure text. Next: `verify` goes through a journal; `store` keeps the last hash in a file.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Characters of a hash.
const LENGTH: usize = 64;

/// A SHA-256 (FIPS 180-4), as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChainHash([u8; LENGTH / 2]);

impl ChainHash {
    /// What stands before the first line of all.
    pub const NONE: Self = Self([0; LENGTH / 2]);

    /// Reads 64 digits.
    #[must_use]
    pub fn parse(digits: &[u8]) -> Option<Self> {
        let digits: &[u8; LENGTH] = digits.try_into().ok()?;
        let mut hash = [0; LENGTH / 2];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            // Only what is written here is read: a second spelling of a hash would be a change that nobody sees.
            let digit = |d: u8| match d {
                b'0'..=b'9' => Some(d - b'0'),
                b'a'..=b'f' => Some(d - b'a' + 10),
                _ => None,
            };
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(hash))
    }

    /// That of a line, given without its hash.
    fn of(before: Self, body: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        digest.update(before.digits());
        digest.update(b"\n");
        body.iter().for_each(|part| digest.update(part));
        Self(digest.finalize().into())
    }

    fn digits(self) -> [u8; LENGTH] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; LENGTH];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        digits
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.digits()))
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<ChainHash> for String {
    fn from(hash: ChainHash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for ChainHash {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(text.as_bytes()).ok_or_else(|| format!("{text:?} is no hash: 64 of 0-9 and a-f"))
    }
}

/// What a line is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The hash of the line before it.
    pub before: ChainHash,
    /// Whether the line says so itself, because that line does not stand right before it.
    pub said: bool,
}

/// Ends `text`, the JSON of a line, with its hash.
#[must_use]
pub fn seal(text: &str, link: Link) -> (String, ChainHash) {
    let mut line = text.strip_suffix('}').unwrap_or(text).to_owned();
    if link.said {
        line.push_str(&format!(r#","prev":"{}""#, link.before));
    }
    let hash = ChainHash::of(link.before, &[line.as_bytes(), b"}"]);
    line.push_str(&format!(r#","hash":"{hash}"}}"#));
    (line, hash)
}

/// A line taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed<'a> {
    /// The line up to its hash, without the last brace.
    body: &'a [u8],
    /// The hash of the line before it, where it says so.
    pub prev: Option<ChainHash>,
    /// Its hash.
    pub hash: ChainHash,
}

impl<'a> Sealed<'a> {
    /// Takes a line apart; `None` when it does not end with a hash.
    #[must_use]
    pub fn read(line: &'a [u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n").unwrap_or(line).strip_suffix(b"\"}")?;
        let (body, hash) = key(line, br#","hash":""#)?;
        // Quotes within a JSON string are escaped, so that no value of a line can look like a key of it.
        let prev = body.strip_suffix(b"\"").and_then(|rest| key(rest, br#","prev":""#)).map(|(_, prev)| prev);
        Some(Self { body, prev, hash })
    }

    /// Whether it is the line that was written after one with the hash `before`.
    #[must_use]
    pub fn follows(&self, before: ChainHash) -> bool {
        ChainHash::of(before, &[self.body, b"}"]) == self.hash
    }
}

/// What stands before a key at the end of `text`, and the hash that is its value.
fn key<'a>(text: &'a [u8], name: &[u8]) -> Option<(&'a [u8], ChainHash)> {
    let (rest, digits) = text.split_at_checked(text.len().checked_sub(LENGTH)?)?;
    Some((rest.strip_suffix(name)?, ChainHash::parse(digits)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    const FIRST: Link = Link { before: ChainHash::NONE, said: false };

    #[test]
    fn a_line_is_bound_to_the_one_before_it_and_to_every_byte_of_its_own() {
        let (first, hash) = seal(r#"{"a":1}"#, FIRST);
        let (second, _) = seal(r#"{"b":"x"}"#, Link { before: hash, said: false });
        assert!(Sealed::read(first.as_bytes()).unwrap().follows(ChainHash::NONE));
        assert!(Sealed::read(second.as_bytes()).unwrap().follows(hash));
        assert!(!Sealed::read(second.as_bytes()).unwrap().follows(ChainHash::NONE));
        for at in 0..second.len() {
            let mut changed = second.clone().into_bytes();
            changed[at] ^= 1;
            assert!(!Sealed::read(&changed).is_some_and(|line| line.follows(hash)), "byte {at}");
        }
    }

    #[test]
    fn the_hash_is_the_one_that_sha256sum_makes() {
        let (line, hash) = seal(r#"{"a":1}"#, FIRST);
        assert_eq!(line, format!(r#"{{"a":1,"hash":"{hash}"}}"#));
        // printf '%064d\n%s' 0 '{"a":1}' | sha256sum
        assert_eq!(hash.to_string(), "f21735afd2cd6af4fc5804b0045cebfd545aef8396d29d030c39cb8880b45b7f");
    }

    #[test]
    fn a_line_may_say_what_it_follows_and_a_value_cannot_pass_for_a_key() {
        let before = seal(r#"{"a":1}"#, FIRST).1;
        let (line, _) = seal(r#"{"b":2}"#, Link { before, said: true });
        let read = Sealed::read(line.as_bytes()).unwrap();
        assert_eq!(read.prev, Some(before));
        assert!(read.follows(before));
        let value = serde_json::json!({ "cause": format!(r#"x","prev":"{before}"#) }).to_string();
        let (line, _) = seal(&value, FIRST);
        assert_eq!(Sealed::read(line.as_bytes()).unwrap().prev, None, "{line}");
        for text in ["", "{}", r#"{"v":1}"#, r#"{"hash":"00"}"#] {
            assert_eq!(Sealed::read(text.as_bytes()), None);
        }
    }
}
