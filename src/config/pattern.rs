//! Patterns that select hosts (`web-*,@prod,!web-03`) and servers (`fin*`, `finance@edge-*`).
//!
//! Boundary: parsing and matching; the hosts to choose from are [`Inventory`](super::inventory::Inventory)'s.
//! Source of the grammar: Ansible's "Patterns: targeting hosts and groups", with `@` for groups, ranges written out, and hosts
//! by address as ssh takes them.

mod special;

use std::str::FromStr;

pub(crate) use special::Expression;
use special::special;

use super::{range, target::Target};
use crate::domain::ServerName;
pub(crate) use crate::domain::glob;

/// Longest pattern taken, in bytes.
const LONGEST: usize = 64 * 1024;

/// Why a pattern selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The text is not a pattern.
    #[error("{text:?} is not a pattern: {reason}")]
    Syntax { text: String, reason: String },
    /// One term has no host or group.
    #[error("{}", no_match(term, group, suggestion))]
    NoMatch {
        /// The term, without `!`, `&` and with its range written out.
        term: String,
        /// Whether it names a group.
        group: bool,
        /// What was probably meant.
        suggestion: Option<String>,
    },
    /// Every term has hosts, but together they leave none.
    #[error("{text:?} leaves no host")]
    Nothing { text: String },
}

fn no_match(term: &str, group: &bool, suggestion: &Option<String>) -> String {
    let kind = if *group { "group" } else { "host or group" };
    let verb = if term.contains(['*', '?']) { "matches" } else { "is named" };
    let hint = suggestion.as_ref().map(|name| format!("; did you mean {name:?}?")).unwrap_or_default();
    format!("no {kind} {verb} {term:?}{hint}")
}

/// What a term does to the selection. Applied in this order, whatever the order in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Union,
    Intersection,
    Exclusion,
}

/// What a term stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    All,
    /// Names or globs of hosts, or the name of a group.
    Names(Vec<String>),
    /// Names or globs of groups, without the `@`.
    Groups(Vec<String>),
    /// `user@address:port`: hosts that need no inventory.
    Targets(Vec<Target>),
    /// `~expression`.
    Regex(Expression),
}

impl Body {
    /// The term in as many terms as it has names.
    pub(crate) fn singles(&self) -> Vec<Self> {
        match self {
            Self::Names(names) => names.iter().map(|name| Self::Names(vec![name.clone()])).collect(),
            Self::Groups(names) => names.iter().map(|name| Self::Groups(vec![name.clone()])).collect(),
            Self::All | Self::Targets(_) | Self::Regex(_) => vec![self.clone()],
        }
    }
}

/// A pattern over the hosts of an inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    text: String,
    terms: Vec<(Operator, Body)>,
}

impl HostPattern {
    /// Reads a pattern: terms separated by commas; `!` excludes, `&` intersects, `@` names a group.
    ///
    /// # Errors
    /// [`PatternError::Syntax`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let syntax = |reason: &str| PatternError::Syntax { text: text.to_owned(), reason: reason.to_owned() };
        if text.len() > LONGEST {
            let text = text.chars().take(60).collect();
            return Err(PatternError::Syntax { text, reason: format!("it is longer than {LONGEST} bytes") });
        }
        let mut terms = Vec::new();
        let mut in_brackets = false;
        let between_terms = |c: char| {
            in_brackets = c == '[' || (in_brackets && c != ']');
            c == ',' && !in_brackets
        };
        for term in text.split(between_terms) {
            let term = term.trim();
            let (operator, name) = match term.split_at_checked(1) {
                Some(("!", name)) => (Operator::Exclusion, name),
                Some(("&", name)) => (Operator::Intersection, name),
                _ => (Operator::Union, term),
            };
            if let Some(body) = special(name).map_err(|reason| match name.starts_with("ssh://") {
                // It may hold a password.
                true => PatternError::Syntax { text: "ssh://…".to_owned(), reason },
                false => syntax(&reason),
            })? {
                terms.push((operator, body));
                continue;
            }
            let (group, name) = name.strip_prefix('@').map_or((false, name), |name| (true, name));
            if name.is_empty() {
                return Err(syntax("a name is missing"));
            }
            if let Some(wrong) = name.chars().find(|c| !c.is_ascii_alphanumeric() && !"._-*?[]:,".contains(*c)) {
                return Err(syntax(&format!("{wrong:?} cannot stand in {name:?}")));
            }
            let body = match name {
                "all" | "*" => Body::All,
                name => {
                    let names = range::expand(name).map_err(|reason| syntax(&reason))?;
                    if group { Body::Groups(names) } else { Body::Names(names) }
                }
            };
            terms.push((operator, body));
        }
        Ok(Self { text: text.to_owned(), terms })
    }

    /// One pattern from several, as if they were separated by commas.
    ///
    /// # Errors
    /// [`PatternError::Syntax`].
    pub fn join<S: AsRef<str>>(texts: &[S]) -> Result<Self, PatternError> {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        Self::parse(&texts.join(","))
    }

    /// The text it was read from.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The hosts it names by address (`user@address:port`) to work on, in order; exclusions are not among them.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Target> {
        self.terms.iter().filter(|(operator, _)| *operator == Operator::Union).flat_map(|(_, body)| match body {
            Body::Targets(targets) => targets.as_slice(),
            _ => &[],
        })
    }

    pub(crate) fn terms(&self) -> &[(Operator, Body)] {
        &self.terms
    }
}

impl FromStr for HostPattern {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::parse(text)
    }
}

impl std::fmt::Display for HostPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.text)
    }
}

/// Names or globs of servers, perhaps on certain hosts only: `finance`, `fin*`, `app-[1-3]`, `finance@edge-*`, `finance@@prod`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern {
    text: String,
    servers: Vec<String>,
    host: Option<HostPattern>,
}

impl NamePattern {
    /// Reads `server`, `server@host`, globs and ranges of them. What stands behind the `@` is a [`HostPattern`]: a host, a group
    /// (`prod`, `@prod`), a range, several with commas.
    ///
    /// # Errors
    /// [`PatternError::Syntax`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let syntax = |reason: String| PatternError::Syntax { text: text.chars().take(300).collect(), reason };
        let (server, host) = text.split_once('@').map_or((text, None), |(server, host)| (server, Some(host)));
        if server.is_empty() {
            return Err(syntax("a name is missing".to_owned()));
        }
        let mut inside = false;
        let wrong = server.chars().find(|c| {
            let was_inside = inside;
            inside = *c == '[' || (inside && *c != ']');
            // In a range `,` and `:` separate; a server's name has neither.
            !(c.is_ascii_alphanumeric() || "._-*?[]".contains(*c) || (was_inside && ",:".contains(*c)))
        });
        if let Some(wrong) = wrong {
            return Err(syntax(format!("{wrong:?} cannot stand in a name")));
        }
        let servers = range::expand(server).map_err(syntax)?;
        let host = host
            .map(|host| match HostPattern::parse(host) {
                Err(PatternError::Syntax { reason, .. }) => Err(syntax(reason)),
                other => other,
            })
            .transpose()?;
        Ok(Self { text: text.to_owned(), servers, host })
    }

    /// Whether it selects this server on at least some hosts.
    #[must_use]
    pub fn matches_server(&self, server: &ServerName) -> bool {
        self.servers.iter().any(|name| glob(name, server.as_str()))
    }

    /// Whether it is a glob rather than a name or a range of names.
    #[must_use]
    pub fn is_glob(&self) -> bool {
        is_glob(&self.text)
    }

    /// The server's part of the text.
    #[must_use]
    pub fn server(&self) -> &str {
        self.text.split('@').next().unwrap_or_default()
    }

    /// The hosts it is limited to.
    #[must_use]
    pub fn host(&self) -> Option<&HostPattern> {
        self.host.as_ref()
    }
}

impl FromStr for NamePattern {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::parse(text)
    }
}

impl std::fmt::Display for NamePattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

pub(crate) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn a_name_pattern_selects_servers_by_name_glob_and_range() {
        let server = |name: &str| ServerName::new(name).unwrap();
        for (text, name, matches) in [
            ("finance", "finance", true),
            ("fin*", "finance", true),
            ("finance@edge-*", "finance", true),
            ("*@edge-1", "finance", true),
            ("fin", "finance", false),
            ("app-[1-3]", "app-2", true),
            ("app-[1:3]@@prod", "app-3", true),
            ("app-[1,3]", "app-2", false),
        ] {
            assert_eq!(NamePattern::parse(text).unwrap().matches_server(&server(name)), matches, "{text} {name}");
        }
        assert!(!NamePattern::parse("finance@edge-1").unwrap().is_glob());
        assert!(!NamePattern::parse("finance@edge-[1-2]").unwrap().is_glob());
        for text in ["", "@edge", "a@", "a b", "a,b", "$(x)", "a@$(x)", "a[1", "a@h[", "a:b"] {
            assert!(NamePattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn broken_host_patterns_are_refused() {
        for text in ["", "a,", ",a", "!", "&", "@", "!@", "a b", "a;b", "w[1:", "w[5:1]", "é"] {
            assert!(matches!(HostPattern::parse(text), Err(PatternError::Syntax { .. })), "{text}");
        }
    }
}
