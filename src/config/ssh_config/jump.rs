//! `ProxyJump`: hosts to go through (ssh_config(5); ssh(1), `-J` and the `ssh://` URI).
//!
//! Boundary: syntax only; what the names mean is the inventory's. Source of the details: `parse_jump`,
//! `parse_user_host_port` and `parse_uri` of OpenSSH.

use std::fmt;

use super::values;

/// One host of a `ProxyJump`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hop {
    /// The user, if one is named.
    pub user: Option<String>,
    /// Name or address, without brackets.
    pub host: String,
    /// The port, if one is named.
    pub port: Option<u16>,
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        // As OpenSSH shows it: whatever is an address stands in brackets.
        let numeric = self.host.contains(':') || self.host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if numeric { write!(f, "[{}]", self.host) } else { f.write_str(&self.host) }?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// The hosts to go through, the outermost first; none for `ProxyJump none`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Jump {
    /// The hosts.
    pub hops: Vec<Hop>,
    /// All but the last host, as written.
    before_last: String,
}

impl Jump {
    /// Reads the rest of a `ProxyJump` line; `None` when it is no list of hosts.
    pub(super) fn parse(text: &str) -> Option<Self> {
        // OpenSSH 9.2 takes `none # why` for a host called none; later ones read it as here.
        let text = text.split('#').next().unwrap_or_default().trim_end();
        if text.eq_ignore_ascii_case("none") {
            return Some(Self::default());
        }
        let hops = text.split(',').map(hop).collect::<Option<Vec<_>>>()?;
        let before_last = text.rsplit_once(',').map(|(before, _)| before.to_owned()).unwrap_or_default();
        Some(Self { hops, before_last })
    }
}

impl fmt::Display for Jump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(last) = self.hops.last() else { return f.write_str("none") };
        if !self.before_last.is_empty() {
            write!(f, "{},", self.before_last)?;
        }
        write!(f, "{last}")
    }
}

/// One of a list: `ssh://[user@]host[:port]` or `[user@]host[:port]`.
fn hop(text: &str) -> Option<Hop> {
    match text.strip_prefix("ssh://") {
        Some(rest) => uri(rest),
        None => {
            let (user, host) = match text.rsplit_once('@') {
                Some(("", _)) => return None,
                Some((user, host)) => (Some(user.to_owned()), host),
                None => (None, text),
            };
            let (host, port) = host_and_rest(host)?;
            let port = port.filter(|(_, port)| !port.is_empty()).map(|(_, port)| values::port(port));
            Some(Hop { user, host, port: if let Some(port) = port { Some(port?) } else { None } })
        }
    }
}

fn uri(text: &str) -> Option<Hop> {
    let (user, host) = match text.split_once('@') {
        Some((user, host)) => {
            // What follows `;` are parameters of the connection that OpenSSH ignores.
            let user = user.split(';').next().unwrap_or_default();
            if user.is_empty() {
                return None;
            }
            (Some(decode(user)?), host)
        }
        None => (None, text),
    };
    let (host, rest) = host_and_rest(host)?;
    if !is_domain(&host) {
        return None;
    }
    let (port, path) = match rest {
        Some((':', rest)) if !rest.is_empty() => {
            let (port, path) = rest.split_once('/').unwrap_or((rest, ""));
            (Some(values::port(port)?), path)
        }
        Some((_, path)) => (None, path),
        None => (None, ""),
    };
    path.is_empty().then_some(Hop { user, host, port })
}

/// The host, and what stands after the `:` or `/` behind it.
fn host_and_rest(text: &str) -> Option<(String, Option<(char, &str)>)> {
    let end = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.find(']')? + 2,
        None => text.find([':', '/']).unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at_checked(end)?;
    let mut letters = rest.chars();
    let rest = match letters.next() {
        None => None,
        Some(delimiter @ (':' | '/')) => Some((delimiter, letters.as_str())),
        Some(_) => return None,
    };
    if host.is_empty() {
        return None;
    }
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Some((host.to_owned(), rest))
}

/// A name of letters, digits, `.`, `-` and `_`: the only kind of host in a URI, so no IPv6 address.
fn is_domain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        && !name.contains("..")
}

/// Undoes `%41`, and `+` for a space.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_hosts_are_read_in_every_form() {
        for (text, shown) in [
            ("a", Some("a")),
            ("u@a:33", Some("u@a:33")),
            ("u@v@a", Some("u@v@a")),
            ("[::1]:22", Some("[::1]:22")),
            ("u@[fe80::1]", Some("u@[fe80::1]")),
            ("10.0.0.1:22", Some("[10.0.0.1]:22")),
            ("ssh://u@a:33", Some("u@a:33")),
            ("ssh://u;x=y@a", Some("u@a")),
            ("ssh://a%20b@c/", Some("a b@c")),
            ("a,ssh://b,c:1 # d", Some("a,ssh://b,c:1")),
            ("NONE", Some("none")),
            ("a:", Some("a")),
            ("a/22", Some("a:22")),
            ("@a", None),
            ("a:0", None),
            ("a:x", None),
            ("[::1", None),
            ("[::1]x", None),
            ("a,,b", None),
            ("a,", None),
            ("ssh://", None),
            ("ssh://a/b", None),
            ("ssh://[::1]", None),
            ("ssh://@a", None),
            ("", None),
        ] {
            let found = Jump::parse(text).map(|jump| jump.to_string());
            assert_eq!(found.as_deref(), shown, "{text}");
        }
    }
}
