//! Makes the lines of `known_hosts` and takes a host's out.
//!
//! Boundary: pure, text in, text out. Next: `known_files` writes what comes out.

use openssl::base64;

use super::known_hosts::{self, Lookup, Marker, hmac_sha1, key_type_of};

/// Bytes of salt in a hashed name: as many as the digest has, as OpenSSH makes them.
const SALT: usize = 20;

/// A line, with its newline, that says that the host has the key `blob`; the name is hashed when that is wanted (ssh_config(5),
/// `HashKnownHosts`). `None` when the name or the key cannot be written down.
pub(super) fn line(lookup: &Lookup, blob: &[u8], hashed: bool) -> Option<String> {
    let key_type = key_type_of(blob)?;
    let name = if hashed { hash(&lookup.name)? } else { writable(&lookup.name)?.to_owned() };
    Some(format!("{name} {key_type} {}\n", base64::encode_block(blob)))
}

/// A name that means itself in a line, and nothing else.
fn writable(name: &str) -> Option<&str> {
    let plain = |character: char| character.is_ascii_alphanumeric() || ".-_:%[]".contains(character);
    (!name.is_empty() && name.chars().all(plain)).then_some(name)
}

fn hash(name: &str) -> Option<String> {
    let mut salt = [0; SALT];
    openssl::rand::rand_bytes(&mut salt).ok()?;
    let hash = hmac_sha1(&salt, name);
    Some(format!("|1|{}|{}", base64::encode_block(&salt), base64::encode_block(&hash)))
}

/// `text` without the plain keys of the hosts, or the number of a line that names one of them by a pattern, which nobody can take
/// one host out of. A line that names other hosts as well loses the one name only.
pub(super) fn without(text: &str, lookups: &[Lookup]) -> Result<String, usize> {
    let mut out = String::with_capacity(text.len());
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let entries = known_hosts::parse(line);
        let Some(entry) = entries.first().filter(|entry| entry.marker == Marker::Plain) else {
            out.push_str(line);
            continue;
        };
        let about: Vec<&Lookup> = lookups.iter().filter(|lookup| entry.is_for(lookup)).collect();
        if about.is_empty() {
            out.push_str(line);
            continue;
        }
        let begin = line.len() - line.trim_start_matches([' ', '\t']).len();
        let names = line[begin..].split([' ', '\t']).next().unwrap_or_default();
        if names.starts_with("|1|") {
            continue;
        }
        let is_taken_out = |name: &&str| about.iter().any(|lookup| lookup.name.eq_ignore_ascii_case(name));
        let kept: Vec<&str> = names.split(',').filter(|name| !is_taken_out(name)).collect();
        if kept.is_empty() {
            continue;
        }
        let rest = format!("{}{}{}", &line[..begin], kept.join(","), &line[begin + names.len()..]);
        if known_hosts::parse(&rest).iter().any(|entry| about.iter().any(|lookup| entry.is_for(lookup))) {
            return Err(index + 1);
        }
        out.push_str(&rest);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    const BLOB: &[u8] = b"\0\0\0\x0bssh-ed25519k";

    fn host(name: &str) -> Lookup {
        Lookup { name: name.to_owned(), bare: name.to_owned() }
    }

    fn key() -> String {
        format!("ssh-ed25519 {}", base64::encode_block(BLOB))
    }

    #[test]
    fn a_line_is_for_the_host_it_was_made_for_hashed_or_not() {
        for name in ["web-1", "[10.0.0.1]:2222", "[fe80::1%eth0]:22"] {
            for hashed in [false, true] {
                let line = line(&host(name), BLOB, hashed).unwrap();
                assert_eq!(line.starts_with("|1|"), hashed, "{line}");
                assert_eq!(hashed, !line.contains(name), "{line}");
                let entries = known_hosts::parse(&line);
                assert!(entries[0].is_for(&host(name)) && !entries[0].is_for(&host("other")), "{line}");
                assert_eq!(entries[0].blob, BLOB);
            }
        }
    }

    #[test]
    fn a_name_that_would_mean_something_else_is_not_written() {
        for name in ["", "web-*", "a,b", "!web", "a b", "@revoked", "#x", "web\n"] {
            assert_eq!(line(&host(name), BLOB, false), None, "{name:?}");
        }
    }

    #[test]
    fn a_host_is_taken_out_and_everything_else_stays_byte_for_byte() {
        let hashed = line(&host("web"), BLOB, true).unwrap();
        let other = line(&host("db"), BLOB, true).unwrap();
        let text = format!(
            "# web\n\nweb {k}\n\tdb,WEB,cache {k} comment\n@revoked web {k}\n@cert-authority * {k}\n{hashed}{other}[web]:2222 {k}\nweb garbage\nweb {k}",
            k = key()
        );
        let expected = format!(
            "# web\n\n\tdb,cache {k} comment\n@revoked web {k}\n@cert-authority * {k}\n{other}[web]:2222 {k}\nweb garbage\n",
            k = key()
        );
        assert_eq!(without(&text, &[host("web")]).unwrap(), expected);
        assert_eq!(without(&text, &[host("nobody")]).unwrap(), text);
    }

    #[test]
    fn a_pattern_is_left_to_people() {
        let text = format!("a {k}\nweb,w* {k}\n", k = key());
        assert_eq!(without(&text, &[host("web")]), Err(2));
    }
}
