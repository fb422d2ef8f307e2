//! Finds the secrets in a text, word by word.
//!
//! Boundary: rules about words; names are `name`'s, quotes `words`'s. A word with spaces in it (`sh -c 'tool --token x'`) is a text of
//! its own.

use std::ops::Range;

use super::{name, words};

/// A secret that stands in a text in clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it stands in the text, in bytes; some of its quotes may be within.
    pub range: Range<usize>,
    /// The quote to be closed when it is replaced.
    pub(super) closing: Option<char>,
    /// By what it was known: `API_KEY`, `--token`, `the password in a URL`.
    pub what: String,
    /// The secret itself, without quotes.
    pub value: String,
}

/// How many quotes within quotes are looked into.
const DEEPEST: usize = 4;

/// What the word before says of this one.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// It is a secret, of this name.
    secret: Option<String>,
    /// That name is one of a header whose value begins with a scheme (RFC 9110, section 11.4).
    may_begin_with_scheme: bool,
    /// It is one if it looks like one: what stands behind `Bearer` and `Basic`.
    scheme: Option<Scheme>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Bearer,
    Basic,
}

/// Begin of every text by which a secret is known, in lower case, by its first letter.
const HINTS: [&str; 38] = [
    "key",
    "token",
    "pass",
    "pw",
    "pat",
    "secret",
    "cred",
    "auth",
    "bearer",
    "basic",
    "jwt",
    "://",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "sk-",
    "xox",
    "hf_",
    "npm_",
    "dckr_pat_",
    "eyj",
    "age-secret-key-",
    "-----begin",
    "sk_",
    "rk_",
    "aiza",
    "akia",
    "asia",
    "sg.",
    "whsec_",
    "xapp-",
    "ya29.",
    "shpat_",
    "pypi-",
];

/// Well-known shapes of tokens, and how long they are at least.
const SHAPES: [(&str, usize); 30] = [
    ("ghp_", 36),
    ("gho_", 36),
    ("ghu_", 36),
    ("ghs_", 36),
    ("ghr_", 36),
    ("github_pat_", 40),
    ("glpat-", 20),
    ("sk-", 23),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("xoxa-", 20),
    ("hf_", 30),
    ("npm_", 36),
    ("dckr_pat_", 25),
    ("eyJ", 40),
    ("AGE-SECRET-KEY-", 40),
    // Stripe, Google, AWS, SendGrid, Slack, Shopify, PyPI, GitLab, DigitalOcean, in the forms that their pages document.
    ("sk_live_", 20),
    ("sk_test_", 20),
    ("rk_live_", 20),
    ("rk_test_", 20),
    ("AIza", 39),
    ("AKIA", 20),
    ("ASIA", 20),
    ("SG.", 40),
    ("whsec_", 20),
    ("xapp-", 20),
    ("ya29.", 30),
    ("shpat_", 32),
    ("pypi-", 40),
    ("xoxs-", 20),
];

/// Whether a closer look is worth it: most texts have none of the words, and this takes a nanosecond a byte.
pub(super) fn may_hold(text: &str) -> bool {
    hinted(text.as_bytes(), &HINTS)
}

/// Whether a name has any of the words that make one secret.
pub(super) fn names_something(name: &[u8]) -> bool {
    hinted(name, &HINTS[..11])
}

fn hinted(bytes: &[u8], hints: &[&str]) -> bool {
    bytes.iter().enumerate().any(|(at, byte)| {
        matches!(
            byte | 0x20,
            b'k' | b't'
                | b'p'
                | b's'
                | b'c'
                | b'a'
                | b'b'
                | b'j'
                | b'g'
                | b'x'
                | b'h'
                | b'n'
                | b'd'
                | b'e'
                | b'r'
                | b'w'
                | b'y'
                | b'-'
                | b':'
        ) && hints
            .iter()
            .any(|hint| bytes.get(at..at + hint.len()).is_some_and(|part| part.eq_ignore_ascii_case(hint.as_bytes())))
    })
}

/// The secrets of a text, which do not overlap.
pub(super) fn in_text(text: &str) -> Vec<Found> {
    at_depth(text, 0)
}

fn at_depth(text: &str, depth: usize) -> Vec<Found> {
    let of_json = json(text);
    let mut found: Vec<Found> = of_json.iter().filter(|known| !is_plain(&known.value)).cloned().collect();
    found.extend(private_keys(text));
    let mut before = Before::default();
    for word in words::split(text) {
        for inner in in_word(&word.value, &mut before, depth) {
            let (range, closing) = word.place(&inner.range);
            // To a shell the quote and brace behind a value of JSON are parts of it.
            if !range.is_empty() && !of_json.iter().any(|known| known.range.contains(&range.start)) {
                found.push(Found { range, closing, ..inner });
            }
        }
    }
    disjoint(found)
}

/// In order; where two overlap, the one that begins first and reaches further stays.
fn disjoint(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by_key(|secret| (secret.range.start, usize::MAX - secret.range.end));
    let mut kept: Vec<Found> = vec![];
    for secret in found {
        match kept.last_mut() {
            Some(last) if secret.range.start < last.range.end => {
                // What reaches out of the one before it is hidden with it.
                if secret.range.end > last.range.end {
                    last.range.end = secret.range.end;
                    last.closing = secret.closing;
                }
            }
            _ => kept.push(secret),
        }
    }
    kept
}

/// The secrets of one word, by their places in it.
pub(super) fn in_word(word: &str, before: &mut Before, depth: usize) -> Vec<Found> {
    let Before { secret, may_begin_with_scheme, scheme } = std::mem::take(before);
    let whole = |what: String| {
        let found = Found { range: 0..word.len(), closing: None, what, value: word.to_owned() };
        if is_plain(word) { vec![] } else { vec![found] }
    };
    if let Some(what) = secret {
        // `Authorization: Token x` has its secret one word further; `--no-auth --verbose` has none.
        if let Some(scheme) = scheme_of(word) {
            before.scheme = Some(scheme);
            return vec![];
        }
        if may_begin_with_scheme && SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme)) {
            before.secret = Some(what);
            return vec![];
        }
        if !word.starts_with("--") {
            return whole(what);
        }
    }
    if scheme.is_some_and(|scheme| is_credential(word, scheme)) {
        return whole("a bearer token".to_owned());
    }
    before.scheme = scheme_of(word);
    if word.contains(char::is_whitespace) && depth < DEEPEST {
        let named = assigned(word)
            .into_iter()
            .next()
            .filter(|found| found.range.start <= word.find(char::is_whitespace).unwrap_or(0));
        return match named {
            Some(found) => vec![found],
            None => at_depth(word, depth + 1),
        };
    }
    // `ARGS=--password x` and `CONFIG=api_key: x`: what a variable holds is read like any other text.
    let named = assigned(word);
    let inner = if named.is_empty() { word.rsplit('=').next().unwrap_or(word) } else { word };
    let flag = inner.trim_start_matches('-');
    let is_whole = inner.len() == word.len();
    let is_flag = flag.len() < inner.len() && !inner.contains('=') && (is_whole || inner.starts_with("--"));
    if is_flag && name::is_secret(flag) && !has_value_attached(word) {
        before.secret = Some(inner.to_owned());
        return vec![];
    }
    if let Some(label) = inner.strip_suffix(':').map(|label| label.trim_start_matches(['-', '{', ',', '[', '"']))
        && name::is_secret_before_colon(label)
    {
        let is_header = ["authorization", "proxy-authorization"].iter().any(|name| label.eq_ignore_ascii_case(name));
        *before = Before { secret: Some(label.to_owned()), may_begin_with_scheme: is_header, scheme: None };
        return vec![];
    }
    let mut found: Vec<Found> = json(word).into_iter().filter(|known| !is_plain(&known.value)).collect();
    found.extend(named);
    found.extend(header(word));
    found.extend(urls(word));
    found.extend(shaped(word));
    disjoint(found)
}

/// `-eTOKEN` is docker's way to hand a variable on, `-e` with its value attached: no flag called so.
fn has_value_attached(word: &str) -> bool {
    word.starts_with("-e") && word[2..].starts_with(|c: char| c.is_ascii_uppercase())
}

/// What is no secret although its name says so: a switch, a reference to a variable, what is hidden already.
fn is_plain(value: &str) -> bool {
    const SWITCHES: [&str; 12] = ["", "true", "false", "yes", "no", "on", "off", "none", "null", "0", "1", super::MASK];
    let is_variable = value.strip_prefix('$').is_some_and(|rest| {
        let name = rest.strip_prefix('{').map_or(rest, |inner| inner.strip_suffix('}').unwrap_or("-"));
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    });
    is_variable || SWITCHES.iter().any(|switch| value.eq_ignore_ascii_case(switch))
}

/// `NAME=value`, wherever in the word a secret name stands: `-eTOKEN=x`, `--env=TOKEN=x`, `?token=x&password=y`, `a=1;Password=x`.
fn assigned(word: &str) -> Vec<Found> {
    let mut all: Vec<Found> = vec![];
    for (equals, _) in word.match_indices('=') {
        let start = word[..equals]
            .rfind(|c: char| !is_of_name(c))
            .map_or(0, |at| at + word[at..].chars().next().map_or(1, char::len_utf8));
        let name = &word[start..equals];
        if !name::is_secret(name) {
            continue;
        }
        let value = &word[equals + 1..];
        // In a query the next field is another matter (RFC 3986, section 3.4); elsewhere nobody knows what ends a value.
        let in_query = word[..start].ends_with(['?', '&']);
        let length = if in_query { value.find(['&', '#']).unwrap_or(value.len()) } else { value.len() };
        let value = &value[..length];
        if is_plain(value) {
            continue;
        }
        let what = name.strip_prefix("-e").filter(|rest| !rest.is_empty() && !name.starts_with("--")).unwrap_or(name);
        let range = equals + 1..equals + 1 + length;
        // What follows belongs to the value before it.
        if all.last().is_none_or(|last| last.range.end <= range.start) {
            all.push(Found { range, closing: None, what: what.to_owned(), value: value.to_owned() });
        }
    }
    all
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') || !c.is_ascii()
}

/// What a password is called in an option of Windows.
const SWITCHED: [&str; 6] = ["password", "passwd", "pass", "pwd", "token", "secret"];

/// Schemes that may stand between `Authorization:` and the secret (IANA's registry of HTTP authentication schemes, and those that
/// services made up), besides `Bearer` and `Basic`.
const SCHEMES: [&str; 9] = ["token", "digest", "negotiate", "apikey", "api-key", "bot", "hawk", "hmac", "key"];

/// Private keys in PEM (RFC 7468), from the line that begins them to the one that ends them.
fn private_keys(text: &str) -> Vec<Found> {
    let (mut all, mut at) = (vec![], 0);
    while let Some(begin) = text[at..].find("-----BEGIN ").map(|begin| at + begin) {
        let label = &text[begin + "-----BEGIN ".len()..];
        at = begin + "-----BEGIN ".len();
        let Some(end) = label.find("-----") else { break };
        if !label[..end].ends_with("PRIVATE KEY") {
            continue;
        }
        let close = format!("-----END {}-----", &label[..end]);
        let range = begin..text[at..].find(&close).map_or(text.len(), |found| at + found + close.len());
        at = range.end;
        let value = text[range.clone()].to_owned();
        all.push(Found { range, closing: None, what: "a private key".to_owned(), value });
    }
    all
}

/// `X-Api-Key:value` of a header without a space, and `/password:value` as programs of Windows take it; names with a colon are otherwise
/// mostly images.
fn header(word: &str) -> Option<Found> {
    let (label, value) = word.split_once(':')?;
    let name = label.rsplit('=').next().unwrap_or(label);
    let begins = |start: &str| name.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start));
    // `-v /keys:/keys` is a mount.
    let is_switch =
        name.strip_prefix('/').is_some_and(|name| SWITCHED.iter().any(|known| name.eq_ignore_ascii_case(known)));
    let is_header = (begins("x-") && name::is_secret(name)) || (is_switch && !value.starts_with('/'));
    let range = label.len() + 1..word.len();
    (is_header && !is_plain(value)).then(|| Found {
        range,
        closing: None,
        what: name.to_owned(),
        value: value.to_owned(),
    })
}

/// `scheme://user:password@host` (RFC 3986, section 3.2.1); a token alone before the `@` is secret as well. A slash in the password
/// should be written `%2F`; it often is not.
fn urls(word: &str) -> Vec<Found> {
    let mut all = vec![];
    for (at, _) in word.match_indices("://") {
        let start = at + 3;
        let rest = &word[start..];
        let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let ends = rest[..authority].rfind('@').or_else(|| {
            let (_, port) = rest[..authority].split_once(':')?;
            let is_port = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
            if is_port { None } else { rest.rfind('@') }
        });
        let Some(end) = ends else { continue };
        let user = &rest[..end];
        let secret = match user.split_once(':') {
            Some((name, password)) if !is_plain(password) => Some((name.len() + 1, "the password in a URL")),
            Some(_) => None,
            None if word[..at].ends_with("http") || word[..at].ends_with("https") => {
                (user.len() >= 8 && !is_plain(user)).then_some((0, "the token in a URL"))
            }
            None => None,
        };
        if let Some((from, what)) = secret {
            let value = user[from..].to_owned();
            all.push(Found { range: start + from..start + end, closing: None, what: what.to_owned(), value });
        }
    }
    all
}

/// A token of a well-known shape, whatever it is called.
fn shaped(word: &str) -> Vec<Found> {
    let (mut at, mut all) = (0, vec![]);
    for part in word.split(|c: char| !is_of_name(c)) {
        let is_token = SHAPES.iter().any(|(start, length)| part.starts_with(start) && part.len() >= *length)
            && part.bytes().any(|b| b.is_ascii_digit());
        if is_token {
            let range = at..at + part.len();
            all.push(Found { range, closing: None, what: "a token".to_owned(), value: part.to_owned() });
        }
        at += part.len() + word[at + part.len()..].chars().next().map_or(0, char::len_utf8);
    }
    all
}

fn scheme_of(word: &str) -> Option<Scheme> {
    let bare = word.rsplit([':', '=', ',', '"']).next().unwrap_or(word);
    [("bearer", Scheme::Bearer), ("basic", Scheme::Basic)]
        .into_iter()
        .find(|(known, _)| bare.eq_ignore_ascii_case(known))
        .map(|(_, scheme)| scheme)
}

/// Whether `word` can be what follows its scheme (RFC 6750, section 2.1; RFC 7617, section 2), rather than prose about it.
fn is_credential(word: &str, scheme: Scheme) -> bool {
    let word = word.trim_end_matches(['"', '\'', ',', '.', ')']);
    let is_token = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~+/=-".contains(&b));
    let is_word = word.bytes().all(|b| b.is_ascii_lowercase());
    is_token
        && !word.starts_with('-')
        && !(is_word && (scheme == Scheme::Basic || word.len() < 8 || word.starts_with("auth")))
}

/// `"name": "value"` of JSON (RFC 8259), which needs not be the whole text; also those whose value is no secret.
fn json(text: &str) -> Vec<Found> {
    let mut found = vec![];
    for (colon, _) in text.match_indices(':') {
        let Some(before) = text[..colon].trim_end().strip_suffix('"') else { continue };
        let Some(open) = before.rfind('"') else { continue };
        let name = &before[open + 1..];
        let after = text[colon + 1..].trim_start();
        let start = text.len() - after.len() + 1;
        if !name::is_secret(name) || !after.starts_with('"') {
            continue;
        }
        let mut escaped = false;
        let length = text[start..].bytes().position(|b| {
            let ends = b == b'"' && !escaped;
            escaped = b == b'\\' && !escaped;
            ends
        });
        let value = &text[start..start + length.unwrap_or(text.len() - start)];
        let range = start..start + value.len();
        found.push(Found { range, closing: None, what: name.to_owned(), value: value.to_owned() });
    }
    found
}
