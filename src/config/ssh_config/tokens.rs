//! `%` tokens, `${VARIABLES}` and `~` (ssh_config(5), TOKENS and ENVIRONMENT VARIABLES).
//!
//! Boundary: which tokens a keyword allows is its caller's; what they stand for, too.

use std::fmt::Write as _;

use super::Machine;

/// The tokens of the keywords that know the connection: `CertificateFile`, `IdentityAgent`, `IdentityFile`,
/// `UserKnownHostsFile`.
pub(super) const OF_A_CONNECTION: &str = "CdhijkLlnpru";
/// Those of `ProxyJump`, which becomes a `ProxyCommand`.
pub(super) const OF_A_PROXY: &str = "hnpr";
/// Those of `Hostname`.
pub(super) const OF_A_NAME: &str = "h";
/// Those of `Include` that say the same of every host.
pub(super) const OF_THE_MACHINE: &str = "diLlu";

/// What tokens stand for.
#[derive(Debug, Clone, Default)]
pub(super) struct Connection {
    /// `%h`: where it goes.
    pub(super) host: String,
    /// `%n`: the name it was asked for by.
    pub(super) name: String,
    /// `%k`: the alias of the host's key, else the name.
    pub(super) key_alias: String,
    /// `%p`.
    pub(super) port: u16,
    /// `%r`.
    pub(super) user: String,
    /// `%j`: the last jump host, or nothing.
    pub(super) jump: String,
}

impl Connection {
    fn token(&self, token: char, machine: &dyn Machine) -> Option<String> {
        Some(match token {
            'h' => self.host.clone(),
            'n' => self.name.clone(),
            'k' => self.key_alias.clone(),
            'p' => self.port.to_string(),
            'r' => self.user.clone(),
            'j' => self.jump.clone(),
            'd' => machine.home()?.display().to_string(),
            'i' => machine.user_id().to_string(),
            'u' => machine.user(),
            'l' => machine.host_name(),
            'L' => machine.host_name().split('.').next().unwrap_or_default().to_owned(),
            'C' => {
                let text = format!("{}{}{}{}{}", machine.host_name(), self.host, self.port, self.user, self.jump);
                openssl::sha::sha1(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
                    // Writing to a string cannot fail.
                    let _ = write!(hex, "{byte:02x}");
                    hex
                })
            }
            _ => return None,
        })
    }
}

/// Whether `${…}` is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variables {
    Expanded,
    Kept,
}

/// Expands `text`; what a variable holds is not looked at again.
pub(super) fn expand(
    text: &str,
    allowed: &str,
    variables: Variables,
    connection: &Connection,
    machine: &dyn Machine,
) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['%', '$']) {
        let (before, after) = rest.split_at(at);
        expanded.push_str(before);
        if variables == Variables::Expanded
            && let Some(named) = after.strip_prefix("${")
        {
            let Some((name, tail)) = named.split_once('}') else { return Err("`${` is not closed".to_owned()) };
            let value = machine.variable(name).filter(|_| !name.is_empty());
            expanded.push_str(&value.ok_or_else(|| format!("the variable `${{{name}}}` is not set"))?);
            rest = tail;
        } else if let Some(token) = after.strip_prefix('%') {
            let mut letters = token.chars();
            match letters.next() {
                Some('%') => expanded.push('%'),
                Some(letter) if allowed.contains(letter) => match connection.token(letter, machine) {
                    Some(value) => expanded.push_str(&value),
                    None => return Err(format!("nothing is known for `%{letter}`")),
                },
                Some(letter) => return Err(format!("there is no token `%{letter}` here")),
                None => return Err("a `%` stands alone at the end".to_owned()),
            }
            rest = letters.as_str();
        } else {
            expanded.push('$');
            rest = after.get(1..).unwrap_or_default();
        }
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// Replaces a leading `~` or `~user` by the home directory.
pub(super) fn tilde(text: &str, machine: &dyn Machine) -> Result<String, String> {
    let Some(named) = text.strip_prefix('~') else { return Ok(text.to_owned()) };
    let (user, path) = named.split_once('/').map_or((named, None), |(user, path)| (user, Some(path)));
    let home = if user.is_empty() {
        machine.home().ok_or("`~` has no meaning: there is no home directory")?
    } else {
        machine.home_of(user).ok_or_else(|| format!("there is no user {user:?} here"))?
    };
    let home = home.display().to_string();
    Ok(match path {
        Some(path) => format!("{}/{path}", home.trim_end_matches('/')),
        None => home,
    })
}

/// `~`, tokens and variables, in OpenSSH's order.
pub(super) fn path(text: &str, connection: &Connection, machine: &dyn Machine) -> Result<String, String> {
    expand(&tilde(text, machine)?, OF_A_CONNECTION, Variables::Expanded, connection, machine)
}
