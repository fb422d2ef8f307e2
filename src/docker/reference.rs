//! Image references: whether docker can take a word for an image.
//!
//! Boundary: the grammar of distribution/reference (github.com/distribution/reference, `reference.go`) with docker's rules for
//! the first component (`normalize.go`, `splitDockerDomain`) and for digests (opencontainers/go-digest, `algorithm.go`). Whether
//! the image exists is not asked. No crate: those that read references (oci-spec) bring more than this and give no reasons.

use std::net::Ipv6Addr;

/// Longest name, registry included, in bytes (`NameTotalLengthMax`).
const LONGEST_NAME: usize = 255;
/// Longest tag, in bytes.
const LONGEST_TAG: usize = 128;

/// Why a word is no image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// `https://…`.
    #[error("an image reference has no `{0}://`")]
    Scheme(String),
    /// A character that stands nowhere in a reference.
    #[error("{0:?} (U+{code:04X}) cannot stand in an image reference", code = u32::from(*.0))]
    Character(char),
    /// Uppercase letters in the name.
    #[error("the name of an image is lowercase")]
    Uppercase,
    /// Nothing before the tag or the digest.
    #[error("there is no name before `{0}`")]
    NoName(char),
    /// An empty component, or one that begins or ends with `.`, `_` or `-`, or has two of them that cannot follow each other.
    #[error("{0:?} is not a component of an image's name")]
    Component(String),
    /// The registry's host or port.
    #[error("{0:?} is not the host of an image registry")]
    Registry(String),
    /// The name is longer than 255 bytes.
    #[error("the name is longer than {LONGEST_NAME} characters")]
    Long,
    /// `x/y:`.
    #[error("there is no tag after `:`")]
    NoTag,
    /// `x/y:1:2`.
    #[error("{0:?} is not a tag")]
    Tag(String),
    /// `x/y@sha256:…` that is none.
    #[error("{0:?} is not a digest (`sha256:` and 64 hexadecimal digits)")]
    Digest(String),
    /// 64 hexadecimal digits with a tag or in a path are refused by docker, as they look like an id.
    #[error("64 hexadecimal digits are an image's id and take no tag")]
    Id,
}

/// Checks that docker can take `text` for an image: a reference, or an image's id (`[sha256:]HEX`).
///
/// # Errors
/// The first thing that is wrong.
pub fn check(text: &str) -> Result<(), ReferenceError> {
    let is_id = |text: &str| text.len() == 64 && text.bytes().all(is_lower_hex);
    if is_id(text) || text.strip_prefix("sha256:").is_some_and(is_id) {
        return Ok(());
    }
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(ReferenceError::Scheme(scheme.to_owned()));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/:@+[]".contains(c);
    if let Some(wrong) = text.chars().find(|c| !allowed(*c)) {
        return Err(ReferenceError::Character(wrong));
    }
    let (tagged, digest) = text.split_once('@').map_or((text, None), |(before, digest)| (before, Some(digest)));
    // A colon before the last slash belongs to the registry's port.
    let path_at = tagged.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match tagged[path_at..].split_once(':') {
        Some((last, tag)) => (&tagged[..path_at + last.len()], Some(tag)),
        None => (tagged, None),
    };
    if name.is_empty() {
        return Err(ReferenceError::NoName(if tag.is_some() { ':' } else { '@' }));
    }
    check_name(name)?;
    if is_id(name) {
        return Err(ReferenceError::Id);
    }
    tag.map_or(Ok(()), check_tag)?;
    digest.map_or(Ok(()), check_digest)
}

fn check_name(name: &str) -> Result<(), ReferenceError> {
    if name.len() > LONGEST_NAME {
        return Err(ReferenceError::Long);
    }
    let path = match name.split_once('/') {
        Some((first, path)) if first.contains(['.', ':', '[']) || first == "localhost" => {
            check_registry(first)?;
            path
        }
        _ => name,
    };
    path.split('/').try_for_each(check_component)
}

/// `HOST[:PORT]` with a DNS name, an IPv4 address or an IPv6 one in brackets.
fn check_registry(text: &str) -> Result<(), ReferenceError> {
    let refused = || ReferenceError::Registry(text.to_owned());
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']').ok_or_else(refused)?;
            address.parse::<Ipv6Addr>().map_err(|_| refused())?;
            ("", if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or_else(refused)?) })
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let host_fits = text.starts_with('[') || host.split('.').all(label);
    let port_fits = port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    if host_fits && port_fits { Ok(()) } else { Err(refused()) }
}

/// `alpha-numeric [separator alpha-numeric]*`, the separators being `.`, `_`, `__` and any number of `-`.
fn check_component(text: &str) -> Result<(), ReferenceError> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(ReferenceError::Uppercase);
    }
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators = text.split(is_word).filter(|part| !part.is_empty());
    let fits = text.starts_with(is_word)
        && text.ends_with(is_word)
        && separators.into_iter().all(|part| matches!(part, "." | "_" | "__") || part.bytes().all(|b| b == b'-'));
    if fits { Ok(()) } else { Err(ReferenceError::Component(text.to_owned())) }
}

fn check_tag(tag: &str) -> Result<(), ReferenceError> {
    if tag.is_empty() {
        return Err(ReferenceError::NoTag);
    }
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let fits = tag.len() <= LONGEST_TAG
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|b| is_word(b) || b == b'.' || b == b'-');
    if fits { Ok(()) } else { Err(ReferenceError::Tag(tag.to_owned())) }
}

fn check_digest(text: &str) -> Result<(), ReferenceError> {
    let digits = |algorithm: &str| match algorithm {
        "sha256" => Some(64),
        "sha384" => Some(96),
        "sha512" => Some(128),
        _ => None,
    };
    let fits = text
        .split_once(':')
        .is_some_and(|(algorithm, hex)| digits(algorithm) == Some(hex.len()) && hex.bytes().all(is_lower_hex));
    if fits { Ok(()) } else { Err(ReferenceError::Digest(text.to_owned())) }
}

fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "cc00a385cbfe8354dafbe568ce7fff996bab1be2169fa5095c6416c7b99cd973";

    #[test]
    fn references_that_docker_takes_are_taken() {
        for text in [
            "x",
            "nginx:1.25",
            "acme/finance:1.4_b-2",
            "a__b/c--d/e.f",
            "localhost/x",
            "localhost:5000/x:1",
            "host:5000/team/app",
            "Registry.Example.org/team/app:Latest",
            "127.0.0.1:5000/x",
            "[::1]:5000/x:1",
            "[2001:db8::1]/x",
            "ghcr.io/github/github-mcp-server",
            "mcr.microsoft.com/playwright/mcp",
            "a1b2c3d4e5f6",
            HEX,
            &format!("sha256:{HEX}"),
            &format!("x/y@sha256:{HEX}"),
            &format!("host:5000/x/y:1@sha256:{HEX}"),
            &format!("x@sha512:{HEX}{HEX}"),
            &format!("x:{}", "t".repeat(128)),
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn each_word_that_docker_refuses_is_refused_with_its_reason() {
        use ReferenceError::*;
        let component = |text: &str| Component(text.to_owned());
        for (text, error) in [
            ("MCP/Xyz", Uppercase),
            ("MCP/xyz", Uppercase),
            ("Nginx", Uppercase),
            ("x/y:1:2", Tag("1:2".into())),
            ("x/y:", NoTag),
            ("x:-1", Tag("-1".into())),
            (":1", NoName(':')),
            ("@sha256:ab", NoName('@')),
            ("http://h/x", Scheme("http".into())),
            ("docker://x", Scheme("docker".into())),
            ("x/y\u{a0}", Character('\u{a0}')),
            ("x y", Character(' ')),
            ("x/y,", Character(',')),
            ("=x", Character('=')),
            ("x//y", component("")),
            ("/x", component("")),
            ("x/", component("")),
            ("-x", component("-x")),
            ("x_", component("x_")),
            ("x..y", component("x..y")),
            ("x___y", component("x___y")),
            ("x._y", component("x._y")),
            ("./x", Registry(".".into())),
            ("-h.org/x", Registry("-h.org".into())),
            ("h:p/x", Registry("h:p".into())),
            ("h:/x", Registry("h:".into())),
            ("[::1/x", Registry("[::1".into())),
            ("[1.2.3.4]:5/x", Registry("[1.2.3.4]:5".into())),
            ("x@", Digest(String::new())),
            ("x@sha256:ab", Digest("sha256:ab".into())),
            ("x@sha1:ab", Digest("sha1:ab".into())),
        ] {
            assert_eq!(check(text), Err(error), "{text}");
        }
        assert_eq!(check(&format!("{HEX}:1")), Err(Id));
        assert_eq!(
            check(&format!("x@sha256:{}", HEX.to_uppercase())),
            Err(Digest(format!("sha256:{}", HEX.to_uppercase())))
        );
        assert_eq!(check(&"x".repeat(256)), Err(Long));
        assert!(matches!(check(&format!("x:{}", "t".repeat(129))), Err(Tag(_))));
    }
}
