//! Which names have secret values.
//!
//! Boundary: names only; what stands behind them is not looked at.

/// A name whose last part ends so has a secret value: `API_KEY`, `--db-password`, `clientSecret`, `PGPASSWORD`, `GITHUB_TOKEN`.
const ENDINGS: [&str; 16] = [
    "key",
    "token",
    "password",
    "passwd",
    "pass",
    "passphrase",
    "passwort",
    "pwd",
    "secret",
    "secrets",
    "credential",
    "credentials",
    "creds",
    "auth",
    "bearer",
    "jwt",
];

/// Those of them that have a plural.
const PLURALS: [&str; 5] = ["key", "token", "password", "passwd", "passphrase"];

/// What tokens are counted by, which are then those of a language model.
const COUNTED: [&str; 14] = [
    "max",
    "min",
    "num",
    "count",
    "total",
    "limit",
    "new",
    "input",
    "output",
    "prompt",
    "completion",
    "context",
    "budget",
    "stop",
];

/// Last parts of names that say no more than that there is a value.
const HOLDERS: [&str; 4] = ["header", "headers", "value", "values"];

/// Parts that are secret wherever they stand: `SECRET_KEY_BASE`, `PASSWORD_PROD`.
const ANYWHERE: [&str; 7] = ["secret", "password", "passwd", "passphrase", "apikey", "credential", "credentials"];

/// The same, of two parts: `API_KEY_PROD`.
const PAIRS: [(&str, &str); 4] = [("api", "key"), ("private", "key"), ("access", "token"), ("auth", "token")];

/// Last parts of names whose values only speak of a secret: `PASSWORD_FILE`, `SECRET_NAME`, `TOKEN_TTL`.
const ABOUT: [&str; 30] = [
    "file",
    "files",
    "path",
    "dir",
    "name",
    "names",
    "id",
    "length",
    "len",
    "min",
    "max",
    "ttl",
    "timeout",
    "policy",
    "enabled",
    "disabled",
    "type",
    "format",
    "algorithm",
    "host",
    "port",
    "user",
    "username",
    "expiry",
    "expires",
    "age",
    "count",
    "required",
    "store",
    "mount",
];

/// What a key is called that is secret also in running text.
const KEYS: [&str; 10] =
    ["api", "access", "secret", "private", "auth", "encryption", "signing", "master", "account", "license"];

/// Words that end like one of them and mean something else.
const OTHERS: [&str; 12] = [
    "monkey",
    "donkey",
    "turkey",
    "hockey",
    "jockey",
    "whiskey",
    "hotkey",
    "compass",
    "bypass",
    "publickey",
    "pubkey",
    "sshpubkey",
];

/// Whether what is called `name` is a secret. Dashes in front (`--api-key`) are no part of it.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    // Most names are none, and are told by this without a copy.
    if !super::find::names_something(name.as_bytes()) {
        return false;
    }
    let mut parts = parts(name);
    // `AUTH_HEADER`, `TOKEN_VALUE`: not `KEY_VALUE`, which is a kind of store.
    if parts.len() > 1
        && parts.last().is_some_and(|last| HOLDERS.contains(&last.as_str()))
        && parts[..parts.len() - 1] != ["key"]
    {
        parts.pop();
    }
    // `API_KEY_2`, `TOKEN1`.
    while parts.len() > 1 && parts.last().is_some_and(|part| part.bytes().all(|b| b.is_ascii_digit())) {
        parts.pop();
    }
    let Some(last) = parts.last().map(|part| part.trim_end_matches(|c: char| c.is_ascii_digit())) else { return false };
    let before = parts.len().checked_sub(2).and_then(|at| parts.get(at)).map(String::as_str);
    // `API_KEYS`, `TOKENS`.
    let singular = last.strip_suffix('s').filter(|one| PLURALS.iter().any(|ending| one.ends_with(ending)));
    if singular == Some("token") && before.is_some_and(|before| COUNTED.contains(&before)) {
        return false;
    }
    let last = singular.unwrap_or(last);
    if OTHERS.contains(&last) {
        return false;
    }
    let is_other = match last {
        // Keys of tables, and halves that everybody may see.
        "key" => {
            matches!(before, Some("public" | "pub" | "sort" | "partition" | "primary" | "foreign" | "row" | "group"))
        }
        "auth" => matches!(before, Some("disable" | "enable" | "no" | "without" | "skip" | "require")),
        _ => false,
    };
    if is_other {
        return false;
    }
    if ENDINGS.iter().any(|ending| last.ends_with(ending)) || (matches!(last, "pat" | "pw") && parts.len() > 1) {
        return true;
    }
    if ABOUT.contains(&last) {
        return false;
    }
    parts.iter().any(|part| ANYWHERE.contains(&part.as_str()))
        || parts.windows(2).any(|two| PAIRS.contains(&(two[0].as_str(), two[1].as_str())))
}

/// The parts of a name in lower case: `X-Api-Key`, `api_key` and `apiKey` have the same.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        let ends = matches!(c, '_' | '-' | '.') || (c.is_ascii_uppercase() && was_lower);
        if ends && parts.last().is_some_and(|part| !part.is_empty()) {
            parts.push(String::new());
        }
        was_lower = c.is_ascii_lowercase();
        if let Some(part) = parts.last_mut().filter(|_| !matches!(c, '_' | '-' | '.')) {
            part.push(c.to_ascii_lowercase());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// As [`is_secret`], for a name in front of a colon in running text: `API_KEY: x` and `password: x` are meant, `host key: x` and
/// `the image acme/auth: x` are not.
pub(super) fn is_secret_before_colon(name: &str) -> bool {
    let plain = ["password", "passwd", "secret", "token", "apikey", "authorization", "proxy-authorization"];
    // `host_key: accept-new` is a setting, as most keys before a colon are.
    let parts = parts(name);
    let is_other_key = parts.last().is_some_and(|last| last == "key")
        && !parts.iter().rev().nth(1).is_some_and(|before| KEYS.contains(&before.as_str()));
    let is_one_of = plain.iter().any(|known| name.eq_ignore_ascii_case(known));
    let is_compound = name.contains(['_', '-']) || name.chars().skip(1).any(|c| c.is_ascii_uppercase());
    is_one_of || (is_compound && !is_other_key && is_secret(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_however_they_are_spelt() {
        for name in [
            "API_KEY",
            "KEY",
            "apikey",
            "apiKey",
            "X-Api-Key",
            "--api-key",
            "GITHUB_TOKEN",
            "PGPASSWORD",
            "MYSQL_ROOT_PASSWORD",
            "clientSecret",
            "DB_PASS",
            "passwd",
            "pwd",
            "AWS_SECRET_ACCESS_KEY",
            "SECRET_KEY_BASE",
            "PASSWORD_PROD",
            "API_KEY_PROD",
            "API_KEY_2",
            "TOKEN1",
            "GOOGLE_CREDENTIALS",
            "GITHUB_PAT",
            "SCHL\u{dc}SSEL_KEY",
            "-eTOKEN",
            "splunk-token",
            "OPENAI_APIKEY",
            "API_KEYS",
            "TOKENS",
            "PASSWORDS",
            "SERVICE_TOKENS",
            "DB_PW",
            "AUTH_HEADER",
            "AUTH_HEADERS",
            "TOKEN_VALUE",
            "API_KEY_VALUE",
        ] {
            assert!(is_secret(name), "{name}");
        }
    }

    #[test]
    fn before_a_colon_fewer_names_are_meant() {
        for name in ["API_KEY", "X-Api-Key", "db_password", "password", "Authorization", "accessToken"] {
            assert!(is_secret_before_colon(name), "{name}");
        }
        for name in ["host_key", "`host_key", "key", "acme/auth", "identity_file", "cache_key"] {
            assert!(!is_secret_before_colon(name), "{name}");
        }
    }

    #[test]
    fn names_that_only_sound_so_are_not() {
        for name in [
            "",
            "-",
            "TZ",
            "MODE",
            "POSTGRES_PASSWORD_FILE",
            "SECRET_NAME",
            "TOKEN_TTL",
            "AWS_ACCESS_KEY_ID",
            "MAX_TOKENS",
            "AUTHOR",
            "KEYBOARD",
            "MONKEY",
            "PUBLIC_KEY",
            "KEY_PREFIX",
            "PAT",
            "COMPASS",
            "TOKENIZERS_PARALLELISM",
            "passive",
            "max_new_tokens",
            "STOP_TOKENS",
            "HOTKEYS",
            "PUBLIC_KEYS",
            "SORT_KEYS",
            "KEY_VALUE",
            "USER_AGENT_HEADER",
            "PW",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
