//! A host as it is typed for ssh: `user@address:port`, `[2001:db8::1]:22`, `ssh://user@address:port`.
//!
//! Boundary: text to its parts and back. Sources: ssh(1), "destination", and the ssh URI of draft-ietf-secsh-scp-sftp-ssh-uri.

use std::{fmt, net::IpAddr, net::Ipv6Addr};

/// Where and as whom to connect, as far as it was said.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    pub(crate) user: Option<String>,
    /// DNS name or IP address, without brackets.
    pub(crate) address: String,
    pub(crate) port: Option<u16>,
}

impl Target {
    /// Whether `text` can only be meant as a target: no host or group is called like that, unless it is a bare IP address.
    pub(crate) fn is_meant(text: &str) -> bool {
        let bracketed =
            || text.starts_with('[') && text.split([']', '%']).next().is_some_and(|text| is_ipv6(&text[1..]));
        text.starts_with("ssh://")
            || text.contains('@')
            || is_address(text)
            || bracketed()
            || outside_brackets(text).any(|c| c == ':')
    }

    /// Reads one target.
    ///
    /// Errors: what is wrong with it, in words that show no password.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (authority, is_uri) = match text.strip_prefix("ssh://") {
            Some(rest) => (rest.strip_suffix('/').unwrap_or(rest), true),
            None => (text, false),
        };
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        if is_uri && (user.is_some_and(|user| user.contains([':', '%'])) || place.contains('/')) {
            return Err("an ssh URI is ssh://user@address:port, without password, path or %".to_owned());
        }
        if let Some(user) = user {
            let wrong = |c: char| !(c.is_ascii_alphanumeric() || "._-+\\$".contains(c));
            if user.is_empty() || user.starts_with('-') || user.contains(wrong) {
                return Err(format!("what stands before `@` is not a user name in {place:?}"));
            }
        }
        let (address, port) = split(place)?;
        let is_name = address.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
            && address.starts_with(|c: char| c.is_ascii_alphanumeric());
        if address.len() > 253 || !(is_name || is_address(address)) {
            return Err(format!("{address:?} is neither a DNS name nor an IP address"));
        }
        Ok(Self { user: user.map(str::to_owned), address: address.to_owned(), port })
    }
}

/// A destination of ssh taken apart, ranges kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts<'a> {
    /// What stands before `@`.
    pub user: Option<&'a str>,
    /// The address, without the brackets of an IPv6 one.
    pub address: &'a str,
    /// What stands behind the last `:`.
    pub port: Option<u16>,
}

impl Parts<'_> {
    /// As options of `mcp hosts add`.
    #[must_use]
    pub fn as_flags(&self) -> String {
        let mut flags = format!("--address {}", self.address);
        flags.extend(self.user.map(|user| format!(" --user {user}")));
        flags.extend(self.port.map(|port| format!(" --port {port}")));
        flags
    }
}

/// The parts of `text` where it says more than an address: a user, a port or both.
#[must_use]
pub fn parts(text: &str) -> Option<Parts<'_>> {
    let (user, place) = text.rsplit_once('@').map_or((None, text), |(user, place)| (Some(user), place));
    let user = user.filter(|user| !user.is_empty() && !user.contains([':', '/', ' ']));
    let (address, port) = port_behind(place).map_or((place, None), |(address, port)| (address, Some(port)));
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|inner| is_ipv6(inner));
    (user.is_some() || port.is_some()).then(|| Parts { user, address: bare.unwrap_or(address), port })
}

/// The address that `text` says in a place where nothing but an address stands, without the brackets of an IPv6 one; ranges are kept.
///
/// Errors: what else stands there, with the keys it belongs under.
pub(crate) fn address_alone(text: &str) -> Result<&str, String> {
    match parts(text) {
        None => {
            Ok(text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).filter(|it| is_ipv6(it)).unwrap_or(text))
        }
        Some(Parts { user: None, address, port: Some(port) }) => {
            Err(format!("the port has its own key: write `address: {address}` and `port: {port}`"))
        }
        Some(Parts { user, address, port }) => {
            let user = user.unwrap_or_default();
            let port = port.map(|port| format!(" and `port: {port}`")).unwrap_or_default();
            Err(format!("the user has its own key: write `address: {address}` and `user: {user}`{port}"))
        }
    }
}

/// `web1:22` and `10.0.0.[1:3]:22` as what stands before the port, and the port; `None` where no port stands at the end.
pub(crate) fn port_behind(text: &str) -> Option<(&str, u16)> {
    let (before, digits) = text.rsplit_once(':')?;
    let whole = before.matches('[').count() == before.matches(']').count();
    let bracketed = before.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some_and(is_ipv6);
    let plain = bracketed || outside_brackets(before).all(|c| c != ':');
    let number = digits.bytes().all(|b| b.is_ascii_digit()) && !before.is_empty() && whole && plain;
    number.then(|| digits.parse().ok()).flatten().filter(|port| *port > 0).map(|port| (before, port))
}

/// The address and the port of `place`.
fn split(place: &str) -> Result<(&str, Option<u16>), String> {
    if is_ipv6(place) {
        return Ok((place, None));
    }
    let (address, port) = match place.strip_prefix('[').and_then(|place| place.split_once(']')) {
        Some((address, "")) => (address, None),
        Some((address, after)) => (address, Some(after.strip_prefix(':').ok_or("after `]` only `:port` can stand")?)),
        None => place.split_once(':').map_or((place, None), |(address, port)| (address, Some(port))),
    };
    let Some(text) = port else { return Ok((address, None)) };
    match text.parse::<u16>() {
        Ok(port) if port > 0 && text.bytes().all(|b| b.is_ascii_digit()) => Ok((address, Some(port))),
        _ => Err(format!("{text:?} is not a port from 1 to 65535; separate patterns by commas, not by `:`")),
    }
}

/// Whether `text` is an IP address; an IPv6 one may name its interface (`fe80::1%eth0`).
pub(crate) fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || is_ipv6(text)
}

fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    let is_zone = |zone: &str| !zone.is_empty() && zone.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    address.parse::<Ipv6Addr>().is_ok() && zone.is_none_or(is_zone)
}

/// The characters of `text` that are in no `[range]`.
fn outside_brackets(text: &str) -> impl Iterator<Item = char> {
    let mut inside = false;
    text.chars().filter(move |c| {
        inside = *c == '[' || (inside && *c != ']');
        !inside
    })
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.port {
            Some(port) if self.address.contains(':') => write!(f, "[{}]:{port}", self.address),
            Some(port) => write!(f, "{}:{port}", self.address),
            None => f.write_str(&self.address),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn targets_are_read_in_every_form_and_written_in_one() {
        for (text, user, address, port, written) in [
            ("root@10.0.0.5:2222", Some("root"), "10.0.0.5", Some(2222), "root@10.0.0.5:2222"),
            ("10.0.0.5", None, "10.0.0.5", None, "10.0.0.5"),
            ("ops@web1", Some("ops"), "web1", None, "ops@web1"),
            ("web1:22", None, "web1", Some(22), "web1:22"),
            ("[::1]:22", None, "::1", Some(22), "[::1]:22"),
            ("[::1]", None, "::1", None, "::1"),
            ("root@::1", Some("root"), "::1", None, "root@::1"),
            ("fe80::1%eth0", None, "fe80::1%eth0", None, "fe80::1%eth0"),
            ("ssh://root@web1:2222/", Some("root"), "web1", Some(2222), "root@web1:2222"),
            ("ssh://[2001:db8::1]:22", None, "2001:db8::1", Some(22), "[2001:db8::1]:22"),
        ] {
            let target = Target::parse(text).unwrap();
            let parts = (target.user.as_deref(), target.address.as_str(), target.port);
            assert_eq!(parts, (user, address, port), "{text}");
            assert_eq!(target.to_string(), written, "{text}");
            assert_eq!(Target::parse(written), Ok(target), "{text}");
            assert!(Target::is_meant(text), "{text}");
        }
        for text in ["web1", "web-[01:20]", "web-*", "all", "web.example.org", "[1:3]x"] {
            assert!(!Target::is_meant(text), "{text}");
        }
    }

    #[test]
    fn an_address_alone_loses_its_brackets_and_names_the_keys_of_what_does_not_belong_there() {
        for (text, alone) in [
            ("[::1]", Ok("::1")),
            ("[fe80::1%eth0]", Ok("fe80::1%eth0")),
            ("::1", Ok("::1")),
            ("2001:db8::22", Ok("2001:db8::22")),
            ("10.0.0.[1:3]", Ok("10.0.0.[1:3]")),
            ("web1", Ok("web1")),
            ("10.0.0.1:2222", Err("write `address: 10.0.0.1` and `port: 2222`")),
            ("web1.example.org:22", Err("write `address: web1.example.org` and `port: 22`")),
            ("[::1]:2222", Err("write `address: ::1` and `port: 2222`")),
            ("10.0.0.[1:3]:2222", Err("write `address: 10.0.0.[1:3]` and `port: 2222`")),
            ("root@web1", Err("write `address: web1` and `user: root`")),
            ("root@web1:22", Err("write `address: web1` and `user: root` and `port: 22`")),
        ] {
            match (address_alone(text), alone) {
                (Ok(found), Ok(alone)) => assert_eq!(found, alone, "{text}"),
                (Err(found), Err(words)) => assert!(found.contains(words), "{text}: {found}"),
                (found, alone) => panic!("{text}: {found:?}, {alone:?}"),
            }
        }
    }

    #[test]
    fn broken_targets_are_refused_and_passwords_are_not_repeated() {
        for text in [
            "@web1",
            "-x@web1",
            "a b@web1",
            "web1:",
            "web1:0",
            "web1:http",
            "web1:65536",
            "[::1",
            "[::1]22",
            "root@-x",
            "ssh://web1/path",
            "root@",
        ] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
        assert!(!Target::parse("ssh://root:geheim@web1").unwrap_err().contains("geheim"));
    }
}
