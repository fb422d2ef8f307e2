//! Docker's option grammar: which flags there are, which take a value, and how pflag reads them.
//!
//! Boundary: words in, flags out. What a flag means is [`super::run_string`]'s and [`super::registered`]'s.

mod table;

pub use table::{GLOBAL, KILL, LOGIN, LOGS, PULL, REMOVE, RUN, STATS, STOP};

use super::shell::Word;

/// Whether a flag takes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// It is there or not; `--flag=false` takes it back.
    Switch,
    /// It takes the rest of its word or the next one.
    Value,
}

/// A flag docker knows.
#[derive(Debug, PartialEq, Eq)]
pub struct Flag {
    /// Its name, without dashes.
    pub long: &'static str,
    /// Its letter.
    pub short: Option<char>,
    /// Whether it takes a value.
    pub arity: Arity,
}

/// A flag as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Which one.
    pub flag: &'static Flag,
    /// Its value; `true` or `false` for a switch.
    pub value: String,
    /// The host's shell decides the value.
    pub unresolved: bool,
    /// Where the word that holds the value stands in the text, in bytes.
    pub span: std::ops::Range<usize>,
}

impl Given {
    /// Whether a switch is on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.value == "true"
    }
}

/// Why words are no flags of a command. Values are not repeated here: they may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// Docker does not know it.
    #[error("unknown flag `{given}`")]
    Unknown {
        /// As it was written, without its value.
        given: String,
        /// The nearest flag that exists.
        suggestion: Option<String>,
    },
    /// The string ends where the value should be.
    #[error("`{0}` needs a value")]
    NoValue(String),
    /// A switch was given something else than a boolean.
    #[error("`{0}` is a switch: it takes `true` or `false`, or nothing")]
    NotABoolean(String),
}

impl FlagError {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown { suggestion: Some(suggestion), .. } => format!("did you mean `{suggestion}`?"),
            Self::Unknown { suggestion: None, given } => {
                format!("remove `{given}`; flags after the image's name belong to the container's command")
            }
            Self::NoValue(flag) => format!("write `{flag} VALUE`"),
            Self::NotABoolean(flag) => format!("write `{flag}` or `{flag}=false`"),
        }
    }
}

/// Reads the flags at the start of `words`, up to the first word that is none (pflag without interspersed flags, as
/// `docker run` is). Returns them with the number of words read, a closing `--` included.
///
/// # Errors
/// A [`FlagError`] at the first word that docker would refuse.
pub fn leading(known: &'static [Flag], words: &[Word]) -> Result<(Vec<Given>, usize), FlagError> {
    let mut given = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let text = word.value.as_str();
        if text == "--" {
            return Ok((given, at + 1));
        }
        if let Some(long) = text.strip_prefix("--") {
            at += 1 + read_long(known, long, word, words.get(at + 1), &mut given)?;
        } else if text.len() > 1 && text.starts_with('-') {
            at += 1 + read_short(known, &text[1..], word, words.get(at + 1), &mut given)?;
        } else {
            break;
        }
    }
    Ok((given, at))
}

/// Reads flags wherever they stand (pflag's default, as `docker stop` is). Returns them with the other words' places.
///
/// # Errors
/// As [`leading`].
pub fn anywhere(known: &'static [Flag], words: &[Word]) -> Result<(Vec<Given>, Vec<usize>), FlagError> {
    let (mut given, mut others, mut at) = (Vec::new(), Vec::new(), 0);
    while at < words.len() {
        let (found, read) = leading(known, &words[at..])?;
        given.extend(found);
        at += read;
        let closed = read > 0 && words[at - 1].value == "--";
        if closed {
            others.extend(at..words.len());
            break;
        }
        if at < words.len() {
            others.push(at);
            at += 1;
        }
    }
    Ok((given, others))
}

/// Returns how many further words were taken: 0 or 1.
fn read_long(
    known: &'static [Flag],
    text: &str,
    word: &Word,
    next: Option<&Word>,
    given: &mut Vec<Given>,
) -> Result<usize, FlagError> {
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
    let shown = format!("--{name}");
    let Some(flag) = known.iter().find(|flag| flag.long == name) else {
        return Err(FlagError::Unknown { suggestion: nearest(known, name), given: shown });
    };
    take(flag, &shown, value, word, next, given)
}

/// `-itd`, `-p8080:80`, `-p 8080:80`, `-p=8080:80`: letters up to the first one that takes a value.
fn read_short(
    known: &'static [Flag],
    letters: &str,
    word: &Word,
    next: Option<&Word>,
    given: &mut Vec<Given>,
) -> Result<usize, FlagError> {
    for (at, letter) in letters.char_indices() {
        let shown = format!("-{letter}");
        let Some(flag) = known.iter().find(|flag| flag.short == Some(letter)) else {
            // `-name` is a common slip for `--name`.
            let name = letters.split_once('=').map_or(letters, |(name, _)| name);
            let suggestion = if letters.len() > 1 { nearest(known, name) } else { None };
            return Err(FlagError::Unknown { given: shown, suggestion });
        };
        let rest = &letters[at + letter.len_utf8()..];
        match (flag.arity, rest.strip_prefix('=')) {
            (_, Some(value)) if !value.is_empty() => return take(flag, &shown, Some(value), word, next, given),
            (Arity::Switch, _) => {
                take(flag, &shown, None, word, next, given)?;
            }
            (Arity::Value, _) => {
                let value = if rest.is_empty() { None } else { Some(rest) };
                return take(flag, &shown, value, word, next, given);
            }
        }
    }
    Ok(0)
}

fn take(
    flag: &'static Flag,
    shown: &str,
    value: Option<&str>,
    word: &Word,
    next: Option<&Word>,
    given: &mut Vec<Given>,
) -> Result<usize, FlagError> {
    let mut span = word.span.clone();
    let (value, unresolved, more) = match (flag.arity, value) {
        (Arity::Switch, None) => ("true".to_owned(), false, 0),
        (Arity::Switch, Some(value)) => match boolean(value) {
            Some(on) => (on.to_string(), false, 0),
            None if word.unresolved => (value.to_owned(), true, 0),
            None => return Err(FlagError::NotABoolean(shown.to_owned())),
        },
        (Arity::Value, Some(value)) => (value.to_owned(), word.unresolved, 0),
        (Arity::Value, None) => {
            let next = next.ok_or_else(|| FlagError::NoValue(shown.to_owned()))?;
            span = next.span.clone();
            (next.value.clone(), next.unresolved, 1)
        }
    };
    given.push(Given { flag, value, unresolved, span });
    Ok(more)
}

/// Go's `strconv.ParseBool`.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

fn nearest(known: &'static [Flag], name: &str) -> Option<String> {
    known
        .iter()
        .map(|flag| (strsim::damerau_levenshtein(flag.long, name), flag))
        .filter(|(distance, flag)| *distance <= (flag.long.len() / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, flag)| format!("--{}", flag.long))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::{fixture, shell};

    fn words(text: &str) -> Vec<Word> {
        shell::split(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    fn read(text: &str) -> (Vec<(&'static str, String)>, usize) {
        let (given, read) = leading(RUN, &words(text)).unwrap_or_else(|e| panic!("{text}: {e}"));
        (given.into_iter().map(|g| (g.flag.long, g.value)).collect(), read)
    }

    /// `  -a, --attach list    Attach to …` → (attach, a, takes a value).
    fn in_help(help: &str) -> Vec<(String, Option<char>, Arity)> {
        let mut found = Vec::new();
        for line in help.lines() {
            let trimmed = line.trim_start();
            let indent = line.len() - trimmed.len();
            if !(2..=6).contains(&indent) || !trimmed.starts_with('-') {
                continue;
            }
            let (short, rest) = match trimmed.split_once(", --") {
                Some((short, rest)) => (short.chars().nth(1), rest),
                None => (None, trimmed.trim_start_matches("--")),
            };
            let spec = rest.split("   ").next().unwrap_or_default();
            let mut parts = spec.split_whitespace();
            let long = parts.next().unwrap_or_default().to_owned();
            // Descriptions begin with a capital letter or are further away than one space.
            let value = parts.next().is_some();
            found.push((long, short, if value { Arity::Value } else { Arity::Switch }));
        }
        found
    }

    #[test]
    fn every_flag_of_both_helps_is_known_with_its_letter_and_arity() {
        for version in fixture::VERSIONS {
            for (topic, table, at_least) in [
                ("run", RUN, 95),
                ("global", GLOBAL, 10),
                ("stop", STOP, 1),
                ("kill", KILL, 1),
                ("rm", REMOVE, 3),
                ("logs", LOGS, 6),
                ("stats", STATS, 4),
                ("pull", PULL, 4),
            ] {
                let flags = in_help(&fixture::read(&format!("{version}/help/{topic}.out")));
                assert!(flags.len() >= at_least, "{version}/{topic}: only {} flags found", flags.len());
                for (long, short, arity) in flags {
                    let known = table.iter().find(|flag| flag.long == long);
                    assert_eq!(known.map(|f| (f.short, f.arity)), Some((short, arity)), "{version}/{topic}: --{long}");
                }
            }
        }
    }

    #[test]
    fn no_table_names_a_flag_or_a_letter_twice() {
        for table in [RUN, GLOBAL, STOP, KILL, REMOVE, LOGS, STATS, PULL, LOGIN] {
            for (i, flag) in table.iter().enumerate() {
                for other in &table[i + 1..] {
                    assert_ne!(flag.long, other.long);
                    // `docker stop -t` is `--time` to 20.10 and `--timeout` to 28.2.
                    let renamed = (flag.long, other.long) == ("time", "timeout");
                    assert!(flag.short.is_none() || flag.short != other.short || renamed, "-{:?}", flag.short);
                }
            }
        }
    }

    #[test]
    fn flags_are_read_in_every_way_pflag_reads_them() {
        let flag = |name: &'static str, value: &str| (name, value.to_owned());
        for (text, expected, count) in [
            ("-itd img", vec![flag("interactive", "true"), flag("tty", "true"), flag("detach", "true")], 1),
            ("-p8080:80 img", vec![flag("publish", "8080:80")], 1),
            ("-p=8080:80 img", vec![flag("publish", "8080:80")], 1),
            ("-dp 8080:80 img", vec![flag("detach", "true"), flag("publish", "8080:80")], 2),
            ("-eKEY=v -e K=v=w img", vec![flag("env", "KEY=v"), flag("env", "K=v=w")], 3),
            ("--name=x --name y img", vec![flag("name", "x"), flag("name", "y")], 3),
            ("--name= img", vec![flag("name", "")], 1),
            (
                "-d=false --rm=1 --init=F img",
                vec![flag("detach", "false"), flag("rm", "true"), flag("init", "false")],
                3,
            ),
            ("-d -- -img", vec![flag("detach", "true")], 2),
            ("-d - -x", vec![flag("detach", "true")], 1),
            ("--name -x img", vec![flag("name", "-x")], 2),
            ("-d img -p 1", vec![flag("detach", "true")], 1),
        ] {
            assert_eq!(read(text), (expected, count), "{text}");
        }
    }

    #[test]
    fn flags_after_the_name_are_found_too() {
        let words = words("a -t 5 b --signal=INT -- -c");
        let (given, others) = anywhere(STOP, &words).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(given.iter().map(|g| g.flag.long).collect::<Vec<_>>(), ["time", "signal"]);
        assert_eq!(others, [0, 3, 6]);
    }

    #[test]
    fn unknown_flags_are_answered_with_the_nearest_one() {
        for (text, given, suggestion) in [
            ("--detatch img", "--detatch", Some("--detach")),
            ("--pubish=secret img", "--pubish", Some("--publish")),
            ("-name x img", "-n", Some("--name")),
            ("--zzzzzzzz img", "--zzzzzzzz", None),
            ("-dZ img", "-Z", None),
        ] {
            let error = leading(RUN, &words(text)).err().unwrap_or_else(|| panic!("{text} was taken"));
            assert_eq!(
                error,
                FlagError::Unknown { given: given.to_owned(), suggestion: suggestion.map(str::to_owned) },
                "{text}"
            );
        }
    }

    #[test]
    fn missing_values_and_wrong_booleans_are_refused() {
        for (text, error) in [
            ("-d --name", FlagError::NoValue("--name".into())),
            ("-dp", FlagError::NoValue("-p".into())),
            ("--detach=maybe img", FlagError::NotABoolean("--detach".into())),
        ] {
            assert_eq!(leading(RUN, &words(text)), Err(error), "{text}");
        }
        assert!(leading(RUN, &words("--init=$INIT img")).is_ok(), "a variable may be a boolean");
    }
}
