//! One line's meaning: keyword and arguments as a setting.
//!
//! Boundary: syntax of the values, the same for every host; what is in effect is `evaluate`'s.
//! Source: ssh_config(5), and `process_config_line_depth` of OpenSSH's readconf.c for the number of arguments.

use super::{
    Machine,
    jump::Jump,
    keywords::{self, Treatment},
    lexer::Line,
    tokens::{self, Variables},
    values::{self, Canonicalize, HostKeyChecking},
};
use crate::domain::AddressFamily;

/// Most identity or certificate files of one host (SSH_MAX_IDENTITY_FILES).
pub(super) const MOST_FILES: usize = 100;
/// Most `known_hosts` files in one line (SSH_MAX_HOSTS_FILES).
const MOST_HOSTS_FILES: usize = 32;

/// Which list of algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AlgorithmKind {
    Ciphers,
    HostKeys,
    KeyExchange,
    Macs,
}

/// A line that may take effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Setting {
    AddressFamily(AddressFamily),
    Algorithms(AlgorithmKind, String),
    CanonicalDomains(bool),
    CanonicalizeHostname(Canonicalize),
    CanonicalizeMaxDots(i64),
    CanonicalizePermittedCnames(bool),
    CertificateFile(String),
    ConnectTimeout(Option<u32>),
    GlobalKnownHosts(Vec<String>),
    HashKnownHosts(bool),
    HostKeyAlias(String),
    HostKeyChecking(HostKeyChecking),
    HostName(String),
    IdentitiesOnly(bool),
    IdentityAgent(String),
    IdentityFile(String),
    IgnoreUnknown(String),
    Port(u16),
    ProxyCommand(String),
    ProxyJump(Jump),
    /// A keyword of the refused kind with its value.
    Refusable(&'static str, String),
    RequiredRsaSize(u32),
    Tag(String),
    User(String),
    UserKnownHosts(Vec<String>),
}

/// Reads a line whose keyword is known; `None` when it makes no difference here.
pub(super) fn setting(name: &'static str, line: &Line, machine: &dyn Machine) -> Result<Option<Setting>, String> {
    let one = || one(line);
    let flag = || {
        let text = one()?;
        values::flag(text).ok_or_else(|| format!("expected yes or no, found {text:?}"))
    };
    let text = || one().map(str::to_owned);
    // These take the rest of the line as it is.
    let raw = || line.rest.trim_start_matches([' ', '\t', '\r', '\n', '=']).to_owned();
    let algorithms = |kind| text().map(|text| Setting::Algorithms(kind, text));
    let setting = match name {
        "AddressFamily" => Setting::AddressFamily(match one()?.to_ascii_lowercase().as_str() {
            "any" => AddressFamily::Any,
            "inet" => AddressFamily::Inet,
            "inet6" => AddressFamily::Inet6,
            found => return Err(format!("expected any, inet or inet6, found {found:?}")),
        }),
        "CanonicalDomains" => Setting::CanonicalDomains(!is_none(&list(line, usize::MAX)?)),
        "CanonicalizeHostname" => {
            let text = one()?;
            let value = Canonicalize::parse(text);
            Setting::CanonicalizeHostname(value.ok_or_else(|| format!("expected yes, no or always, found {text:?}"))?)
        }
        "CanonicalizeMaxDots" => Setting::CanonicalizeMaxDots(integer(one()?)?),
        "CanonicalizePermittedCNAMEs" => Setting::CanonicalizePermittedCnames(!is_none(&list(line, usize::MAX)?)),
        "CertificateFile" => Setting::CertificateFile(text()?),
        "Ciphers" => algorithms(AlgorithmKind::Ciphers)?,
        "ConnectTimeout" => Setting::ConnectTimeout(match one()? {
            "none" => None,
            text => Some(
                values::seconds(text).ok_or_else(|| format!("expected a time such as 30 or 1m30, found {text:?}"))?,
            ),
        }),
        "GlobalKnownHostsFile" => Setting::GlobalKnownHosts(list(line, MOST_HOSTS_FILES)?),
        "HashKnownHosts" => Setting::HashKnownHosts(flag()?),
        "HostKeyAlgorithms" => algorithms(AlgorithmKind::HostKeys)?,
        "HostKeyAlias" => Setting::HostKeyAlias(text()?),
        "Hostname" => Setting::HostName(text()?),
        "IdentitiesOnly" => Setting::IdentitiesOnly(flag()?),
        "IdentityAgent" => Setting::IdentityAgent(agent(one()?, machine)?),
        "IdentityFile" | "IdentityFile2" => Setting::IdentityFile(text()?),
        "IgnoreUnknown" => Setting::IgnoreUnknown(text()?),
        "KexAlgorithms" => algorithms(AlgorithmKind::KeyExchange)?,
        "MACs" => algorithms(AlgorithmKind::Macs)?,
        "Port" => {
            let text = one()?;
            Setting::Port(values::port(text).ok_or_else(|| format!("expected a port, found {text:?}"))?)
        }
        "ProxyCommand" => Setting::ProxyCommand(raw()),
        "ProxyJump" => {
            let text = raw();
            let jump = Jump::parse(&text);
            Setting::ProxyJump(jump.ok_or_else(|| format!("expected [user@]host[:port] with commas, found {text:?}"))?)
        }
        "RequiredRSASize" => {
            let text = one()?;
            let bits = values::number(text).and_then(|bits| u32::try_from(bits).ok());
            Setting::RequiredRsaSize(bits.ok_or_else(|| format!("expected a number of bits, found {text:?}"))?)
        }
        "StrictHostKeyChecking" => {
            let text = one()?;
            let value = HostKeyChecking::parse(text);
            Setting::HostKeyChecking(
                value.ok_or_else(|| format!("expected yes, no, ask, accept-new or off, found {text:?}"))?,
            )
        }
        "Tag" => Setting::Tag(text()?),
        "User" => Setting::User(text()?),
        "UserKnownHostsFile" => Setting::UserKnownHosts(list(line, MOST_HOSTS_FILES)?),
        "KnownHostsCommand" | "RefuseConnection" => Setting::Refusable(name, raw()),
        "PubkeyAuthentication" | "DSAAuthentication" => {
            let text = one()?;
            if values::flag(text).is_none() && !["unbound", "host-bound"].contains(&text.to_ascii_lowercase().as_str())
            {
                return Err(format!("expected yes, no, unbound or host-bound, found {text:?}"));
            }
            // One option under two names.
            Setting::Refusable("PubkeyAuthentication", text.to_owned())
        }
        "SmartcardDevice" => Setting::Refusable("PKCS11Provider", text()?),
        _ if keywords::find(name).is_some_and(|(_, treatment)| treatment == Treatment::Refused) => {
            Setting::Refusable(name, text()?)
        }
        _ => return Ok(None),
    };
    Ok(Some(setting))
}

fn one(line: &Line) -> Result<&str, String> {
    match line.arguments.as_slice() {
        [value] if !value.is_empty() => Ok(value),
        [_, extra, ..] => Err(format!("one argument is expected, and {extra:?} follows it")),
        _ => Err("an argument is missing".to_owned()),
    }
}

/// Arguments of which `none` stands alone.
fn list(line: &Line, most: usize) -> Result<Vec<String>, String> {
    let arguments = &line.arguments;
    if arguments.iter().any(String::is_empty) {
        return Err("an argument is empty".to_owned());
    }
    if arguments.len() > 1 && is_none_among(arguments) {
        return Err("`none` must stand alone".to_owned());
    }
    if arguments.len() > most {
        return Err(format!("more than {most} arguments"));
    }
    Ok(arguments.clone())
}

fn is_none_among(arguments: &[String]) -> bool {
    arguments.iter().any(|argument| argument.eq_ignore_ascii_case("none"))
}

/// Whether a list of arguments is the word `none`, or nothing at all.
pub(super) fn is_none(arguments: &[String]) -> bool {
    arguments.is_empty() || is_none_among(arguments)
}

fn integer(text: &str) -> Result<i64, String> {
    values::number(text).ok_or_else(|| format!("expected a number, found {text:?}"))
}

/// OpenSSH tells of an agent's missing variable where the line stands, whether it is in effect or not.
fn agent(text: &str, machine: &dyn Machine) -> Result<String, String> {
    // Only the variables are looked at yet, and none of the tokens is known.
    let doubled = text.replace('%', "%%");
    tokens::expand(&doubled, "", Variables::Expanded, &tokens::Connection::default(), machine)?;
    let named = text.strip_prefix('$').filter(|name| !name.starts_with('{'));
    if named.is_some_and(|name| name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')) {
        return Err(format!("expected the name of a variable, found {text:?}"));
    }
    Ok(text.to_owned())
}
