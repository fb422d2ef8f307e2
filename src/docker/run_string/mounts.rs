//! The values of `-v`, `--mount` and `--tmpfs`.
//!
//! Boundary: one value to one mount.

use super::{RegisteredMount, RunStringError};
use crate::docker::{
    flags::Given,
    mount::{Mount, MountKind, clean_path},
};

/// `[SOURCE:]TARGET[:OPTIONS]` (docker/cli, `cli/compose/loader/volume.go`, and volume reference, "options for --volume").
pub(super) fn volume(given: &Given) -> Result<RegisteredMount, RunStringError> {
    let fields = split_outside_braces(&given.value);
    let (source, target, options) = match fields.as_slice() {
        [target] => (None, *target, ""),
        [source, target] => (Some(*source), *target, ""),
        [source, target, options] => (Some(*source), *target, *options),
        _ if given.unresolved => return Ok(unknown(given)),
        _ => return Err(RunStringError::Mount { flag: "--volume" }),
    };
    // A lone variable may be the whole of it.
    if source.is_none() && expands(given, target) {
        return Ok(unknown(given));
    }
    if !target.starts_with('/') && !expands(given, target) || source == Some("") {
        return Err(RunStringError::Mount { flag: "--volume" });
    }
    let source_unresolved = source.is_some_and(|source| expands(given, source) || is_relative(source));
    let kind = match source {
        Some(source) if source.starts_with(['/', '.', '~']) || source_unresolved => MountKind::Bind,
        _ => MountKind::Volume,
    };
    Ok(RegisteredMount {
        source_unresolved,
        target_unresolved: expands(given, target),
        mount: Mount {
            target: clean_path(target),
            source: source.map(|source| if source.starts_with('/') { clean_path(source) } else { source.to_owned() }),
            kind,
            read_only: options.split(',').any(|option| option == "ro" || option == "readonly"),
        },
    })
}

/// `KEY=VALUE,…` (docker run reference, "--mount").
pub(super) fn mount(given: &Given) -> Result<RegisteredMount, RunStringError> {
    let mut found = Mount { target: String::new(), kind: MountKind::Volume, source: None, read_only: false };
    for field in csv(&given.value) {
        let (key, value) = field.split_once('=').map_or((field.as_str(), None), |(key, value)| (key, Some(value)));
        match (key.to_ascii_lowercase().as_str(), value) {
            ("type", Some(value)) => found.kind = MountKind::from_word(&value.to_ascii_lowercase()),
            ("source" | "src", Some(value)) => found.source = Some(value.to_owned()),
            ("target" | "dst" | "destination", Some(value)) => found.target = value.to_owned(),
            ("readonly" | "ro", value) => {
                found.read_only = value.is_none_or(|v| matches!(v, "1" | "true" | "t" | "True" | "TRUE"))
            }
            _ => {}
        }
    }
    if found.target.is_empty() {
        return if given.unresolved { Ok(unknown(given)) } else { Err(RunStringError::Mount { flag: "--mount" }) };
    }
    let target_unresolved = expands(given, &found.target);
    let source_unresolved =
        found.source.as_deref().is_some_and(|s| expands(given, s) || (found.kind == MountKind::Bind && is_relative(s)));
    found.target = clean_path(&found.target);
    found.source = found.source.map(|s| if s.starts_with('/') { clean_path(&s) } else { s }).filter(|s| !s.is_empty());
    Ok(RegisteredMount { mount: found, source_unresolved, target_unresolved })
}

/// `TARGET[:OPTIONS]`. Its `ro` is a mount option that inspect does not show as such.
pub(super) fn tmpfs(given: &Given) -> Result<RegisteredMount, RunStringError> {
    let target = split_outside_braces(&given.value).first().copied().unwrap_or_default().to_owned();
    if target.is_empty() {
        return Err(RunStringError::Mount { flag: "--tmpfs" });
    }
    Ok(RegisteredMount {
        source_unresolved: false,
        target_unresolved: expands(given, &target),
        mount: Mount { target: clean_path(&target), kind: MountKind::Tmpfs, source: None, read_only: false },
    })
}

fn unknown(given: &Given) -> RegisteredMount {
    RegisteredMount {
        source_unresolved: true,
        target_unresolved: true,
        mount: Mount { target: given.value.clone(), kind: MountKind::Volume, source: None, read_only: false },
    }
}

/// Whether the shell has a part in this piece of a flag's value. A `~` counts only at the start of a word, and a literal `$` next to
/// a real variable is taken for one: not to judge is the safe side.
fn expands(given: &Given, piece: &str) -> bool {
    given.unresolved && (piece.contains(['$', '{']) || piece.starts_with('~'))
}

/// Relative paths are the client's business (docker 23 and later resolve them against its directory).
fn is_relative(source: &str) -> bool {
    source.starts_with(['.', '~'])
}

/// Splits at colons, but not inside `${NAME:-default}`.
fn split_outside_braces(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut fields) = (0_usize, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => {
                fields.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    fields.push(&text[start..]);
    fields
}

/// Fields of one line of comma-separated values, `"…"` quoting included (Go's encoding/csv).
fn csv(text: &str) -> Vec<String> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    fields
}
