//! Completes a string once, when it is registered: `-d` and `--name`, if they are missing; continued lines become one.
//!
//! Boundary: text to text; everything else that was written stays byte for byte.

use super::{RunString, RunStringError};
use crate::{docker::shell, domain::ServerName};

/// A string that can be registered, with what was added to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// The whole string, without white space around it.
    pub text: String,
    /// What was added, each as it stands in the text (`-d`, `--name finance`); empty when nothing was missing.
    pub added: Vec<String>,
}

/// Adds what `text` is missing right after `run`: `-d`, and `--name` with the server's name. Nothing is missing in a string for
/// single connections ([`RunString::is_on_demand`]), each of which has a container of its own.
///
/// # Errors
/// As [`RunString::parse`]; also when the server's name is too short for a container.
pub fn complete(text: &str, name: &ServerName) -> Result<Completed, RunStringError> {
    let text = shell::one_line(text);
    let parsed = RunString::parse(&text)?;
    if parsed.is_on_demand() {
        return Ok(Completed { text: parsed.text().to_owned(), added: Vec::new() });
    }
    let mut added = Vec::new();
    if !parsed.detached() {
        added.push("-d".to_owned());
    }
    if parsed.container_name().is_none() {
        added.push(format!("--name {name}"));
    }
    let mut text = parsed.text().to_owned();
    let insertion: String = added.iter().map(|flag| format!(" {flag}")).collect();
    text.insert_str(parsed.after_run, &insertion);
    let again = RunString::parse(&text)?;
    // `--name=` later in the string would win over the one added.
    if again.container_name().is_none() {
        return Err(RunStringError::Name(String::new()));
    }
    Ok(Completed { text, added })
}
