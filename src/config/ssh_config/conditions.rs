//! `Host` and `Match` lines.
//!
//! Boundary: syntax; whether one holds for a host is `evaluate`'s. Source: ssh_config(5), `match_cfg_line` of OpenSSH's
//! readconf.c.

use std::collections::HashSet;

use super::{
    Origin,
    lexer::{self, Line},
};

#[derive(Debug)]
pub(super) enum Condition {
    /// Patterns and whether each is negated.
    Host(Vec<(bool, String)>),
    Match(Vec<Criterion>, Origin),
}

/// One criterion of a `Match` line.
#[derive(Debug)]
pub(super) struct Criterion {
    pub(super) negated: bool,
    pub(super) kind: CriterionKind,
}

#[derive(Debug)]
pub(super) enum CriterionKind {
    All,
    Canonical,
    Final,
    Host(String),
    OriginalHost(String),
    User(String),
    LocalUser(String),
    Tagged(String),
    SessionType(String),
    /// One that cannot be evaluated here.
    Refused(&'static str),
}

/// Reads a `Host` line; names without a wildcard go to `names`.
pub(super) fn host(line: &Line, names: &mut HashSet<String>) -> Result<Condition, String> {
    let mut terms = Vec::with_capacity(line.arguments.len());
    for argument in &line.arguments {
        if argument.is_empty() {
            return Err("Host: a pattern is empty".to_owned());
        }
        match argument.strip_prefix('!') {
            Some(pattern) => terms.push((true, pattern.to_owned())),
            None => {
                note_name(names, argument);
                terms.push((false, argument.clone()));
            }
        }
    }
    Ok(Condition::Host(terms))
}

fn note_name(names: &mut HashSet<String>, pattern: &str) {
    if !pattern.contains(['*', '?']) && !pattern.starts_with('!') {
        names.insert(pattern.to_ascii_lowercase());
    }
}

/// Reads a `Match` line.
pub(super) fn criteria(line: &Line, names: &mut HashSet<String>) -> Result<Vec<Criterion>, String> {
    let mut rest = Some(line.rest.clone());
    let mut criteria = Vec::new();
    let is_end = |word: &Option<String>| word.as_deref().is_none_or(|word| word.is_empty() || word.starts_with('#'));
    loop {
        let word = lexer::word(&mut rest);
        let Some(word) = word.filter(|word| !word.is_empty() && !word.starts_with('#')) else { break };
        let (negated, name) = word.strip_prefix('!').map_or((false, word.as_str()), |name| (true, name));
        let name = name.to_ascii_lowercase();
        if name == "all" {
            if criteria.len() > 1 || !is_end(&lexer::word(&mut rest)) {
                return Err("Match: `all` stands alone, or after `canonical` or `final`".to_owned());
            }
            criteria.push(Criterion { negated, kind: CriterionKind::All });
            return Ok(criteria);
        }
        let kind = match name.as_str() {
            "canonical" => CriterionKind::Canonical,
            "final" => CriterionKind::Final,
            name => {
                let argument = lexer::word(&mut rest);
                // `tagged ""` is a host without a tag.
                let may_be_empty = matches!(name, "tagged" | "command");
                let argument = argument
                    .filter(|argument| (may_be_empty || !argument.is_empty()) && !argument.starts_with('#'))
                    .ok_or_else(|| format!("Match: an argument of `{name}` is missing"))?;
                if matches!(name, "host" | "originalhost") {
                    argument.split(',').for_each(|pattern| note_name(names, pattern));
                }
                match name {
                    "host" => CriterionKind::Host(argument),
                    "originalhost" => CriterionKind::OriginalHost(argument),
                    "user" => CriterionKind::User(argument),
                    "localuser" => CriterionKind::LocalUser(argument),
                    "tagged" => CriterionKind::Tagged(argument),
                    "sessiontype" => CriterionKind::SessionType(argument),
                    "exec" => CriterionKind::Refused("Match exec"),
                    "localnetwork" => CriterionKind::Refused("Match localnetwork"),
                    "version" => CriterionKind::Refused("Match version"),
                    "command" => CriterionKind::Refused("Match command"),
                    _ => return Err(format!("Match: there is no criterion `{name}`")),
                }
            }
        };
        criteria.push(Criterion { negated, kind });
    }
    if criteria.is_empty() { Err("Match: a criterion is missing".to_owned()) } else { Ok(criteria) }
}

/// Whether a term of a `Host` line is a name and no more.
pub(super) fn is_name((negated, pattern): &(bool, String)) -> bool {
    !negated && !pattern.contains(['*', '?'])
}
