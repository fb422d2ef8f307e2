//! Keeps secrets out of what is written down of a command line.
//!
//! Boundary: text in, text out; errs on the side of masking. What is masked stays recognisable by its name.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// Stands in for what was there.
const MASK: &str = "***";

/// Names whose values are secret: `API_KEY`, `--db-password`, `GITHUB_TOKEN`, `clientSecret`, `PGPASSWORD`. What is not ASCII counts as
/// letters, whatever it is: the tables of Unicode would make up most of the time it takes to be ready.
const SECRET: &str = r"(?-i:[0-9A-Za-z_.\x{80}-\x{10FFFF}-])*(?:key|token|passw(?:or)?d|passwd|pass|pwd|secret|credentials?|auth|bearer)";

/// One pattern, so that what is masked is not looked at again. Each alternative has two groups: what stays before, and after.
static VALUES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let value = r#"(?:"(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s'"]+)+"#;
    let alternatives = [
        // 'NAME=value with spaces', quoted from before the name on.
        format!("('{SECRET}=)[^']*('?)"),
        format!(r#"("{SECRET}=)(?:[^"\\]|\\.)*("?)"#),
        // NAME=value, --name=value and "name": "value"; JSON's quote may stand between.
        format!(r#"({SECRET}["']?\s?[=:]\s?)(?:(?:bearer|basic)\s+)?{value}()"#),
        // --name value
        format!(r"(--?{SECRET}\s+){value}()"),
        // Bearer value (RFC 6750, section 2.1)
        r"(\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]+()".to_owned(),
        // scheme://user:password@host (RFC 3986, section 3.2.1); a token alone before the @ is secret as well.
        r"(\b[a-z][a-z0-9+.-]*://[^\s/@:]*:)[^\s/@]*(@)".to_owned(),
        r"(\bhttps?://)[^\s/@:]{8,}(@)".to_owned(),
    ];
    Regex::new(&format!("(?i)(?:{})", alternatives.join("|"))).ok()
});

static FLAG: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&format!(r"(?i)^--?{SECRET}$")).ok());

/// `text` with every value that looks like a credential replaced: `*_KEY=…`, TOKEN, PASSWORD, SECRET, passwords in URLs.
#[must_use]
pub fn mask(text: &str) -> String {
    // Every alternative has one of these, and most words have none: the pattern takes longer to be ready than a host to answer.
    if !text.contains(|c: char| c == '=' || c == ':' || c.is_whitespace()) {
        return text.to_owned();
    }
    let Some(values) = VALUES.as_ref() else { return MASK.to_owned() };
    let masked = values.replace_all(text, |found: &Captures<'_>| {
        let mut stays = found.iter().skip(1).flatten().map(|group| group.as_str());
        format!("{}{MASK}{}", stays.next().unwrap_or_default(), stays.next().unwrap_or_default())
    });
    masked.into_owned()
}

/// [`mask`] for each word of a command line; the word after a flag that takes a secret is one too.
#[must_use]
pub(crate) fn mask_words(words: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut secret = false;
    words
        .into_iter()
        .map(|word| {
            let masked = if secret { MASK.to_owned() } else { mask(&word) };
            secret = word.starts_with('-') && FLAG.as_ref().is_some_and(|flag| flag.is_match(&word));
            masked
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_look_like_credentials_are_masked_and_their_names_stay() {
        for (text, masked) in [
            ("docker run -e API_KEY=s3cr3t -e MODE=fast x", "docker run -e API_KEY=*** -e MODE=fast x"),
            ("-e 'DB_PASSWORD=a b c' x", "-e 'DB_PASSWORD=***' x"),
            (r#"-e "DB_PASSWORD=a \" c" x"#, r#"-e "DB_PASSWORD=***" x"#),
            ("-e DB_PASSWORD='a b' x", "-e DB_PASSWORD=*** x"),
            (r#"-e TOKEN="a \" b" x"#, "-e TOKEN=*** x"),
            ("--env=GITHUB_TOKEN=ghp_x", "--env=GITHUB_TOKEN=***"),
            ("--password hunter2 x", "--password *** x"),
            ("--client-secret=abc", "--client-secret=***"),
            ("postgres://app:hunter2@db/x", "postgres://app:***@db/x"),
            ("https://ghp_0123456789@github.com/x", "https://***@github.com/x"),
            (r#"{"secret": "abc" }"#, r#"{"secret": *** }"#),
            ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
            ("Bearer abc.def", "Bearer ***"),
            ("PGPASSWORD=x", "PGPASSWORD=***"),
            ("'SCHLÜSSEL_KEY=a b' x", "'SCHLÜSSEL_KEY=***' x"),
        ] {
            assert_eq!(mask(text), masked);
        }
    }

    #[test]
    fn what_is_no_secret_stays_as_it_is() {
        for text in [
            "restart --all --on @prod --serial 1,25%",
            "docker run -d --name finance -p 127.0.0.1:8080:8080 -v /keys:/keys acme/finance:1.4",
            "https://example.org:8443/path",
            "user@host",
        ] {
            assert_eq!(mask(text), text);
        }
    }

    #[test]
    fn the_word_after_a_secret_flag_is_masked_whatever_it_is() {
        let words = ["exec", "--token", "-abc", "x"].map(str::to_owned);
        assert_eq!(mask_words(words), ["exec", "--token", "***", "x"]);
    }
}
