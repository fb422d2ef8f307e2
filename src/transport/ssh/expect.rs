//! Keys that somebody vouches for: what `ssh-keygen -lf` prints on a host, or lines of `known_hosts`, brought here by another way
//! than the network that is being asked.
//!
//! Boundary: pure; text in, yes or no out. A key counts for the hosts it is said to be of, never for another one: whoever owns
//! one host could otherwise stand in for all.

use super::known_hosts::{self, Entry, Lookup, Verdict};
use crate::{
    domain::{Connection, Host, SshEndpoint},
    transport::ShownKey,
};

/// The keys that are expected, with the hosts they are of.
#[derive(Debug, Default)]
pub struct Expectations {
    fingerprints: Vec<(String, Vec<String>)>,
    entries: Vec<Entry>,
}

impl Expectations {
    /// Reads lines of `known_hosts`, lines as `ssh-keygen -l` prints them (`256 SHA256:… root@web-1 (ED25519)`) and the short form
    /// `web-1 SHA256:…`. Empty lines and comments are skipped.
    ///
    /// # Errors
    /// The number of a line, from 1, that is none of these.
    pub fn parse(text: &str) -> Result<Self, usize> {
        let mut read = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.iter().position(|word| word.starts_with("SHA256:")) {
                Some(at) => read.fingerprints.push((words[at].to_owned(), names(&words, at))),
                None => match known_hosts::parse(line).pop() {
                    Some(entry) => read.entries.push(entry),
                    None => return Err(index + 1),
                },
            }
        }
        Ok(read)
    }

    /// Whether somebody vouches that `shown` is a key of `host`.
    #[must_use]
    pub fn vouch(&self, host: &Host, shown: &ShownKey) -> bool {
        let Connection::Ssh(endpoint) = &host.connection else { return false };
        let lookup = Lookup::of(endpoint);
        match known_hosts::judge(self.entries.iter(), &lookup, &shown.key) {
            Verdict::Known => return true,
            Verdict::Revoked(_) => return false,
            Verdict::Unknown | Verdict::Changed(_) => {}
        }
        let of_host = |name: &String| is_name_of(host, endpoint, &lookup, name);
        self.fingerprints.iter().any(|(print, names)| *print == shown.fingerprint && names.iter().any(of_host))
    }

    /// Whether other keys are expected of `host`, and `shown` is none of them.
    #[must_use]
    pub fn contradicts(&self, host: &Host, shown: &ShownKey) -> bool {
        let Connection::Ssh(endpoint) = &host.connection else { return false };
        let lookup = Lookup::of(endpoint);
        let of_host = |name: &String| is_name_of(host, endpoint, &lookup, name);
        let is_about = self.entries.iter().any(|entry| entry.is_for(&lookup))
            || self.fingerprints.iter().any(|(_, names)| names.iter().any(of_host));
        is_about && !self.vouch(host, shown)
    }
}

fn is_name_of(host: &Host, endpoint: &SshEndpoint, lookup: &Lookup, name: &str) -> bool {
    [host.name.as_str(), &lookup.name, &lookup.bare, &endpoint.address].iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// The hosts that a fingerprint's line is about: all words but the length in front, the fingerprint and the type at the end.
fn names(words: &[&str], fingerprint: usize) -> Vec<String> {
    let is_length =
        |at: usize, word: &str| at == 0 && fingerprint == 1 && word.bytes().all(|byte| byte.is_ascii_digit());
    let is_type = |at: usize, word: &str| at + 1 == words.len() && word.starts_with('(') && word.ends_with(')');
    let about = words
        .iter()
        .enumerate()
        .filter(|(at, word)| *at != fingerprint && !is_length(*at, word) && !is_type(*at, word));
    // Keys are commented with `root@HOST` where they were made.
    about.flat_map(|(_, word)| word.split(',')).map(|name| name.rsplit('@').next().unwrap_or(name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;
    use crate::{domain::HostName, transport::Standing};

    fn host(name: &str, endpoint: SshEndpoint) -> Host {
        Host::new(HostName::new(name).unwrap(), Connection::Ssh(endpoint))
    }

    fn shown() -> ShownKey {
        let key = b"\0\0\0\x0bssh-ed25519k".to_vec();
        let fingerprint = known_hosts::fingerprint(&key);
        ShownKey { key_type: "ssh-ed25519".to_owned(), fingerprint, key, standing: Standing::New }
    }

    #[test]
    fn a_key_counts_for_the_hosts_it_is_said_to_be_of() {
        let web = host("web-1", SshEndpoint { port: 2222, ..SshEndpoint::new("10.0.0.1", "ops") });
        let print = shown().fingerprint;
        let blob = openssl::base64::encode_block(&shown().key);
        for (text, expected) in [
            (format!("256 {print} root@web-1 (ED25519)"), true),
            (format!("256 {print} [10.0.0.1]:2222 (ED25519)"), true),
            (format!("256 {print} 10.0.0.1 (ED25519)"), true),
            (format!("# of the owner\n\nWEB-1 {print}\n"), true),
            (format!("db-1,web-1 {print}"), true),
            (format!("256 {print} root@web-2 (ED25519)"), false),
            (format!("256 {print} no comment (ED25519)"), false),
            (print.clone(), false),
            ("web-1 SHA256:AAAA".to_owned(), false),
            (format!("[10.0.0.1]:2222 ssh-ed25519 {blob}"), true),
            (format!("10.0.0.1 ssh-ed25519 {blob}"), false),
            (format!("@revoked * ssh-ed25519 {blob}\nweb-1 {print}"), false),
            (String::new(), false),
        ] {
            assert_eq!(Expectations::parse(&text).unwrap().vouch(&web, &shown()), expected, "{text}");
        }
    }

    #[test]
    fn a_line_that_is_neither_is_named() {
        assert_eq!(Expectations::parse("# x\nweb-1 MD5:00:11\n").unwrap_err(), 2);
        assert_eq!(Expectations::parse("web-1").unwrap_err(), 1);
    }
}
