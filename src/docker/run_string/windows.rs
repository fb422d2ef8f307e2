//! Forms of Windows' shells in the flags of a `docker run` string: variables and paths that no host understands.
//!
//! Boundary: one flag to the first such form, as it is written in the text. Names of drives and variables are shown, values are not.

use super::RunStringError;
use crate::docker::flags::Given;

/// Variables of Windows whose name alone tells them from a format such as `%Y%m%d`.
const VARIABLES: [&str; 14] = [
    "appdata",
    "cd",
    "computername",
    "homedrive",
    "homepath",
    "localappdata",
    "programdata",
    "programfiles",
    "systemdrive",
    "temp",
    "tmp",
    "userdomain",
    "username",
    "userprofile",
];

/// Refuses a flag whose value is written for cmd.exe or PowerShell. `text` is the whole string.
pub(super) fn refuse(given: &Given, text: &str) -> Result<(), RunStringError> {
    let written = &text[given.span.clone()];
    let takes_path = matches!(given.flag.long, "volume" | "mount" | "env-file" | "cidfile" | "label-file");
    let variable = percent(written, takes_path).or_else(|| powershell(written, takes_path));
    let found = variable.map(|(at, found)| (at, found, "variable"));
    let path = || takes_path.then(|| path(written)).flatten().map(|(at, found)| (at, found, "path"));
    match found.or_else(path) {
        None => Ok(()),
        Some((at, found, what)) => {
            let column = text[..given.span.start + at].chars().count() + 1;
            Err(RunStringError::Windows { found: found.to_owned(), what, column })
        }
    }
}

/// `%NAME%`: a known one, or any in front of a path.
fn percent(written: &str, takes_path: bool) -> Option<(usize, &str)> {
    let mut from = 0;
    while let Some(start) = written[from..].find('%').map(|at| from + at) {
        let rest = &written[start + 1..];
        let end = rest.find('%')?;
        let (name, after) = (&rest[..end], &rest[end + 1..]);
        let is_name = name.len() > 1 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let is_known = VARIABLES.contains(&name.to_ascii_lowercase().as_str());
        if is_known || (takes_path && is_name && after.starts_with(['\\', '/', ':'])) {
            return Some((start, &written[start..start + end + 2]));
        }
        from = start + 1;
    }
    None
}

/// `$env:NAME` and `${env:NAME}`; in paths also `$pwd`, which POSIX spells `$PWD`.
fn powershell(written: &str, takes_path: bool) -> Option<(usize, &str)> {
    for (start, _) in written.match_indices('$') {
        let rest = &written[start + 1..];
        let (rest, open) = rest.strip_prefix('{').map_or((rest, 0), |rest| (rest, 1));
        let name: &str = rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap_or_default();
        let shown = |length: usize| Some((start, &written[start..start + 1 + open + length]));
        if name.eq_ignore_ascii_case("env") && rest[3..].starts_with(':') {
            let variable =
                rest[4..].split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap_or_default();
            if !variable.is_empty() {
                return shown(4 + variable.len());
            }
        }
        if takes_path && name != "PWD" && name.eq_ignore_ascii_case("pwd") {
            return shown(name.len());
        }
    }
    None
}

/// `C:\` or `C:/` at the beginning of a value, and `\\server`.
fn path(written: &str) -> Option<(usize, &str)> {
    let bytes = written.as_bytes();
    for at in 0..bytes.len() {
        if at > 0 && !matches!(bytes[at - 1], b'\'' | b'"' | b'=' | b',' | b'v') {
            continue;
        }
        match bytes.get(at..at + 3) {
            Some([letter, b':', b'\\' | b'/']) if letter.is_ascii_alphabetic() => {
                return Some((at, &written[at..at + 3]));
            }
            Some([b'\\', b'\\', _]) => return Some((at, &written[at..at + 2])),
            _ => {}
        }
    }
    None
}
