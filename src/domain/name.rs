//! Names that are safe to print, to compare and to put on a command line.
//!
//! Boundary: a name that exists is valid. Quoting for a shell is `docker::shell`'s, patterns over names are `config`'s.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest name accepted, in bytes: the limit of a DNS name (RFC 1035, section 2.3.4).
const LONGEST: usize = 253;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("a {kind} name cannot be empty")]
    Empty { kind: &'static str },
    /// The text is longer than 253 bytes.
    #[error("a {kind} name has at most {LONGEST} characters; this one has {length}")]
    TooLong { kind: &'static str, length: usize },
    /// The text starts with something other than a letter or digit; `-x` could be taken for an option.
    #[error("{text:?} is not a {kind} name: it must begin with a letter or a digit")]
    Start { kind: &'static str, text: String },
    /// The text holds a character that names do not have.
    #[error("{text:?} is not a {kind} name: {found:?} is not allowed (letters, digits, {allowed})")]
    Character { kind: &'static str, text: String, found: char, allowed: &'static str },
}

/// Whether `text` is an IPv6 address, which a host may be called by.
fn is_ipv6(text: &str) -> bool {
    text.parse::<std::net::Ipv6Addr>().is_ok()
}

impl HostName {
    /// Takes the name of a host that only the command line names, as ssh would be told: `root@10.0.0.5:2222`, `[::1]:22`.
    /// Every name of an inventory is one too. Errors: a [`NameError`] that says which character is wrong.
    pub fn one_shot(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        let plain: String = text.chars().map(|c| if "@:[]%+\\$".contains(c) { '.' } else { c }).collect();
        match text.chars().next() {
            Some('[' | ':' | '_') => validate("host", plain.trim_start_matches(['.', '_']), HOST_EXTRA, HOST_ALLOWED)?,
            _ => validate("host", &plain, HOST_EXTRA, HOST_ALLOWED)?,
        }
        Ok(Self(text))
    }
}

const HOST_EXTRA: &[char] = &['.', '_', '-'];
const HOST_ALLOWED: &str = "'.', '_' and '-'";

fn validate(kind: &'static str, text: &str, extra: &[char], allowed: &'static str) -> Result<(), NameError> {
    let Some(first) = text.chars().next() else { return Err(NameError::Empty { kind }) };
    if text.len() > LONGEST {
        return Err(NameError::TooLong { kind, length: text.len() });
    }
    if let Some(found) = text.chars().find(|c| !c.is_ascii_alphanumeric() && !extra.contains(c)) {
        return Err(NameError::Character { kind, text: text.to_owned(), found, allowed });
    }
    if !first.is_ascii_alphanumeric() {
        return Err(NameError::Start { kind, text: text.to_owned() });
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $extra:expr, $allowed:expr, $also:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// Takes `text` as a name. Errors: a [`NameError`] that says which character is wrong.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                let also: fn(&str) -> bool = $also;
                if !also(&text) {
                    validate($kind, &text, $extra, $allowed)?;
                }
                Ok(Self(text))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl std::str::FromStr for $type {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(
    /// A host as the inventory calls it: letters, digits, `.`, `_`, `-`, or an IPv6 address.
    HostName, "host", HOST_EXTRA, HOST_ALLOWED, is_ipv6
);
name!(
    /// A group of hosts; letters, digits, `.`, `_`, `-`.
    GroupName, "group", &['.', '_', '-'], "'.', '_' and '-'", |_| false
);
name!(
    /// A registered MCP server; letters, digits, `.`, `_`, `-`: what docker takes as a container's name.
    ServerName, "server", &['.', '_', '-'], "'.', '_' and '-'", |_| false
);

/// One server on one host, written `server@host`: what is started, stopped and reported.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Instance {
    /// The registered server.
    pub server: ServerName,
    /// The host it runs on.
    pub host: HostName,
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}@{}", self.server, self.host))
    }
}

impl std::str::FromStr for Instance {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (server, host) = text.split_once('@').unwrap_or((text, ""));
        Ok(Self { server: ServerName::new(server)?, host: HostName::new(host)? })
    }
}

impl Serialize for Instance {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Instance {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_command_line_could_misread_are_refused() {
        for text in ["", "-x", ".hidden", "a b", "a;reboot", "a\nb", "$(id)", "é", "a/b", "a@b", &"x".repeat(254)] {
            assert!(HostName::new(text).is_err(), "{text:?}");
            assert!(ServerName::new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn ordinary_names_are_taken_as_they_are() {
        for text in ["web-01", "edge_1", "10.0.0.1", "db.example.org", "7"] {
            assert_eq!(HostName::new(text).map(String::from), Ok(text.to_owned()));
        }
    }

    #[test]
    fn an_instance_reads_back_what_it_prints() {
        let instance: Instance = "finance@edge-1".parse().unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(instance.to_string(), "finance@edge-1");
        assert!("finance".parse::<Instance>().is_err());
    }
}
