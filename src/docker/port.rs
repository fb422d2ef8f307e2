//! Published ports: what `-p` says and what `docker inspect` shows, in one shape.
//!
//! Boundary: ports as values. Which flag they came from is [`super::run_string`]'s, comparing them is [`super::drift`]'s.

use std::{fmt, net::IpAddr};

/// An inclusive range of port numbers; both ends equal for one port.
pub type PortRange = (u16, u16);

/// Ports of a container that are published on its host.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublishedPort {
    /// The address of the host it is bound to; `None` is every address.
    pub host_ip: Option<String>,
    /// The ports on the host; `None` lets docker choose. Wider than `container`: docker chooses one of them.
    pub host: Option<PortRange>,
    /// The ports in the container.
    pub container: PortRange,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}

/// Why a text is not a published port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// A port is not a number from 1 to 65535, or a range runs backwards.
    #[error("{0:?} is not a port or a range of ports")]
    NotAPort(String),
    /// The host's range and the container's have different lengths.
    #[error("the ranges {host} and {container} have different lengths")]
    Lengths { host: String, container: String },
    /// Docker knows `tcp`, `udp` and `sctp`.
    #[error("{0:?} is not a protocol (tcp, udp, sctp)")]
    Protocol(String),
    /// The address is none.
    #[error("{0:?} is not an IP address")]
    Address(String),
    /// The long form lacks `target=` or holds an unknown key.
    #[error("{0:?} is not a key of a published port (published, target, protocol)")]
    Key(String),
}

impl PublishedPort {
    /// Reads the value of `-p`: `[IP:][HOST:]CONTAINER[/PROTOCOL]` or `published=…,target=…,protocol=…`, ranges included
    /// (`nat.ParsePortSpec` of docker/go-connections, `convertToStandardNotation` of docker/cli).
    ///
    /// # Errors
    /// A [`PortError`], where docker would refuse the value as well.
    pub fn parse(text: &str) -> Result<Self, PortError> {
        if text.contains('=') {
            return Self::parse_long(text);
        }
        let (spec, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let mut parts = spec.rsplitn(3, ':');
        let container_text = parts.next().unwrap_or_default();
        let host_text = parts.next().unwrap_or_default();
        let address = parts.next();
        let container = range(container_text)?;
        // Docker chooses for port 0 as well.
        let host = if host_text.is_empty() || host_text == "0" { None } else { Some(range(host_text)?) };
        if let Some(host) = host
            && host.1 - host.0 != container.1 - container.0
            && container.0 != container.1
        {
            return Err(PortError::Lengths { host: host_text.to_owned(), container: container_text.to_owned() });
        }
        Ok(Self { host_ip: address.map_or(Ok(None), host_ip)?, host, container, protocol: known_protocol(protocol)? })
    }

    fn parse_long(text: &str) -> Result<Self, PortError> {
        let (mut published, mut target, mut protocol) = (None, None, "tcp");
        for field in text.split(',') {
            match field.split_once('=') {
                Some(("published", value)) => published = if value == "0" { None } else { Some(range(value)?) },
                Some(("target", value)) => target = Some(range(value)?),
                Some(("protocol", value)) => protocol = value,
                _ => return Err(PortError::Key(field.to_owned())),
            }
        }
        let container = target.ok_or_else(|| PortError::Key(text.to_owned()))?;
        Ok(Self { host_ip: None, host: published, container, protocol: known_protocol(protocol)? })
    }

    /// Whether docker chooses the port on the host.
    #[must_use]
    pub fn is_dynamic(&self) -> bool {
        self.host.is_none_or(|host| host.1 - host.0 != self.container.1 - self.container.0)
    }

    /// Whether both can not be published on one host: same protocol, a port in common, an address in common. A port that
    /// docker chooses is in nobody's way.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let (Some(a), Some(b)) = (self.host, other.host) else { return false };
        !self.is_dynamic()
            && !other.is_dynamic()
            && self.protocol == other.protocol
            && a.0 <= b.1
            && b.0 <= a.1
            && addresses_overlap(self.host_ip.as_deref(), other.host_ip.as_deref())
    }

    /// One entry per container port, as `docker inspect` lists them.
    pub fn expanded(&self) -> impl Iterator<Item = Self> + '_ {
        (self.container.0..=self.container.1).map(move |container| {
            let host = match self.host {
                Some((first, last)) if self.is_dynamic() => Some((first, last)),
                Some((first, _)) => {
                    let port = first + (container - self.container.0);
                    Some((port, port))
                }
                None => None,
            };
            Self {
                host_ip: self.host_ip.clone(),
                host,
                container: (container, container),
                protocol: self.protocol.clone(),
            }
        })
    }
}

impl fmt::Display for PublishedPort {
    /// As `-p` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host_ip {
            Some(ip) if ip.contains(':') => write!(f, "[{ip}]:")?,
            Some(ip) => write!(f, "{ip}:")?,
            None => {}
        }
        match self.host {
            Some(host) => write!(f, "{}:", Shown(host))?,
            None if self.host_ip.is_some() => write!(f, ":")?,
            None => {}
        }
        write!(f, "{}", Shown(self.container))?;
        if self.protocol == "tcp" { Ok(()) } else { write!(f, "/{}", self.protocol) }
    }
}

struct Shown(PortRange);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.0;
        if first == last { write!(f, "{first}") } else { write!(f, "{first}-{last}") }
    }
}

/// Reads `8080` or `8080-8090`.
pub(super) fn range(text: &str) -> Result<PortRange, PortError> {
    let refused = || PortError::NotAPort(text.to_owned());
    let number = |part: &str| {
        // `parse` would take a sign.
        if part.bytes().all(|b| b.is_ascii_digit()) {
            part.parse::<u16>().map_err(|_| refused())
        } else {
            Err(refused())
        }
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    if first == 0 || last < first { Err(refused()) } else { Ok((first, last)) }
}

fn known_protocol(text: &str) -> Result<String, PortError> {
    let lower = text.to_ascii_lowercase();
    if matches!(lower.as_str(), "tcp" | "udp" | "sctp") { Ok(lower) } else { Err(PortError::Protocol(text.to_owned())) }
}

/// An address as written or shown; `None` for "every address", which docker shows as an empty text.
pub(super) fn host_ip(text: &str) -> Result<Option<String>, PortError> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    if bare.is_empty() {
        return Ok(None);
    }
    bare.parse::<IpAddr>().map(|ip| Some(ip.to_string())).map_err(|_| PortError::Address(text.to_owned()))
}

fn addresses_overlap(a: Option<&str>, b: Option<&str>) -> bool {
    let (Some(a), Some(b)) = (a, b) else { return true };
    let (Ok(a), Ok(b)) = (a.parse::<IpAddr>(), b.parse::<IpAddr>()) else { return a == b };
    a.is_ipv4() == b.is_ipv4() && (a == b || a.is_unspecified() || b.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(text: &str) -> PublishedPort {
        PublishedPort::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn every_form_of_a_published_port_is_read() {
        for (text, ip, host, container, protocol) in [
            ("80", None, None, (80, 80), "tcp"),
            ("8080:80", None, Some((8080, 8080)), (80, 80), "tcp"),
            ("127.0.0.1:8080:80/udp", Some("127.0.0.1"), Some((8080, 8080)), (80, 80), "udp"),
            ("127.0.0.1::80", Some("127.0.0.1"), None, (80, 80), "tcp"),
            ("0:80", None, None, (80, 80), "tcp"),
            ("127.0.0.1:0:80/udp", Some("127.0.0.1"), None, (80, 80), "udp"),
            ("published=0,target=80", None, None, (80, 80), "tcp"),
            ("[::1]:8080:80", Some("::1"), Some((8080, 8080)), (80, 80), "tcp"),
            ("::1:8080:80", Some("::1"), Some((8080, 8080)), (80, 80), "tcp"),
            ("8000-8002:80-82", None, Some((8000, 8002)), (80, 82), "tcp"),
            ("8000-8010:80", None, Some((8000, 8010)), (80, 80), "tcp"),
            ("9000-9002/SCTP", None, None, (9000, 9002), "sctp"),
            ("published=8080,target=80,protocol=udp", None, Some((8080, 8080)), (80, 80), "udp"),
        ] {
            let expected =
                PublishedPort { host_ip: ip.map(str::to_owned), host, container, protocol: protocol.to_owned() };
            assert_eq!(port(text), expected, "{text}");
        }
    }

    #[test]
    fn what_docker_refuses_is_refused() {
        for text in [
            "",
            "x",
            "0",
            "80:0",
            "0-1:80",
            "80:99999",
            "90-80",
            "1-2:1-3",
            "80/http",
            "nope:80:80",
            "published=1",
            "a=b",
            "+80",
        ] {
            assert!(PublishedPort::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_port_prints_as_it_is_written() {
        for text in ["80", "8080:80", "127.0.0.1:8080:80/udp", "127.0.0.1::80", "[::1]:8080:80", "8000-8002:80-82"] {
            assert_eq!(port(text).to_string(), text);
        }
    }

    #[test]
    fn ports_overlap_by_protocol_range_and_address() {
        for (a, b, overlap) in [
            ("8080:80", "8080:81", true),
            ("8080:80", "8081:80", false),
            ("8080:80/udp", "8080:80", false),
            ("8000-8010:8000-8010", "8005:80", true),
            ("8000-8010:80", "8005:80", false),
            ("80", "80", false),
            ("127.0.0.1:8080:80", "8080:80", true),
            ("127.0.0.1:8080:80", "0.0.0.0:8080:80", true),
            ("127.0.0.1:8080:80", "127.0.0.2:8080:80", false),
            ("[::1]:8080:80", "127.0.0.1:8080:80", false),
            ("[::1]:8080:80", "[::]:8080:80", true),
        ] {
            assert_eq!(port(a).overlaps(&port(b)), overlap, "{a} {b}");
            assert_eq!(port(b).overlaps(&port(a)), overlap, "{b} {a}");
        }
    }
}
