//! The registered `stop`, `logs` and `stats` strings: checked once, when they are registered.
//!
//! Boundary: the same shell rules and option grammar as [`super::run_string`]; what they print is read by [`super::stats`].

use std::fmt;

use super::{
    flags::{self, Flag, FlagError, Given},
    shell::{self, SplitError, Word, quote},
};

/// Which registered string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Ends the container.
    Stop,
    /// Shows its output.
    Logs,
    /// Samples its usage.
    Stats,
}

impl Kind {
    /// The key in `servers.yaml`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Logs => "logs",
            Self::Stats => "stats",
        }
    }

    /// The verbs of docker that may stand there, with their flags.
    fn verbs(self) -> &'static [(&'static str, &'static [Flag])] {
        match self {
            Self::Stop => {
                &[("stop", flags::STOP), ("kill", flags::KILL), ("rm", flags::REMOVE), ("remove", flags::REMOVE)]
            }
            Self::Logs => &[("logs", flags::LOGS)],
            Self::Stats => &[("stats", flags::STATS)],
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::Stop => "docker stop -t 30 NAME",
            Self::Logs => "docker logs NAME",
            Self::Stats => "docker stats --no-stream NAME",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a text cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisteredError {
    /// It is more, or less, than one simple command.
    #[error("the string is not one plain command")]
    Shell(#[source] SplitError),
    /// Another command.
    #[error("the {kind} string is another command: {found}")]
    Command {
        /// Which string.
        kind: Kind,
        /// What stands there.
        found: String,
    },
    /// A flag docker would not take.
    #[error("docker would refuse a flag of the string")]
    Flag(#[source] FlagError),
    /// No container.
    #[error("the {0} string names no container")]
    NoContainer(Kind),
    /// `docker stats` without `--no-stream`.
    #[error("`docker stats` without `--no-stream` never ends")]
    Streams,
    /// `docker logs --follow`.
    #[error("`docker logs --follow` never ends")]
    Follows,
    /// `--help`.
    #[error("`--help` does nothing")]
    Help,
}

impl RegisteredError {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Shell(source) => source.kind.hint().to_owned(),
            Self::Command { kind, .. } | Self::NoContainer(kind) => format!("write, for example, `{}`", kind.example()),
            Self::Flag(source) => source.hint(),
            Self::Streams => "add `--no-stream`".to_owned(),
            Self::Follows => "leave `-f`/`--follow` out; `mcp log -f` adds it".to_owned(),
            Self::Help => "leave `--help` out".to_owned(),
        }
    }
}

/// A registered string that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    text: String,
    /// Where more flags go.
    flags_at: usize,
    given: Vec<&'static str>,
    /// The containers it names, as written.
    pub containers: Vec<String>,
    /// Whether the container is gone afterwards (`docker rm`).
    pub removes: bool,
}

impl Registered {
    /// The string, without white space around it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the string gives this flag itself, by its long name.
    #[must_use]
    pub fn gives(&self, long: &str) -> bool {
        self.given.contains(&long)
    }

    /// The string with more flags, as words: behind its own flags, so that these win, and before the container's name, behind which podman
    /// takes none. A string that has flags behind the name, as docker takes them, gets them at its end.
    #[must_use]
    pub fn with_flags<S: AsRef<str>>(&self, words: impl IntoIterator<Item = S>) -> String {
        let more: String = words.into_iter().map(|word| format!("{} ", quote(word.as_ref()))).collect();
        let mut text = self.text.clone();
        if self.flags_at == text.len() && !more.is_empty() {
            text.push(' ');
            text.push_str(more.trim_end());
        } else {
            text.insert_str(self.flags_at, &more);
        }
        text
    }
}

/// Checks that `text` can be registered as the `kind` string.
///
/// # Errors
/// A [`RegisteredError`] that says what to write instead.
pub fn check(kind: Kind, text: &str) -> Result<Registered, RegisteredError> {
    let text = super::run_string::trimmed(text);
    let words = shell::split(text).map_err(RegisteredError::Shell)?;
    let refused = |found: String| RegisteredError::Command { kind, found };
    match words.first() {
        None => return Err(refused("it is empty".to_owned())),
        Some(first) if first.value != "docker" => {
            let word = first.value.split('=').next().unwrap_or_default();
            return Err(refused(format!("it begins with `{word}` and not with `docker`")));
        }
        Some(_) => {}
    }
    let (_, count) = flags::leading(flags::GLOBAL, &words[1..]).map_err(RegisteredError::Flag)?;
    let mut at = 1 + count;
    if words.get(at).is_some_and(|word| word.value == "container") {
        at += 1;
    }
    let Some(verb) = words.get(at) else { return Err(refused("no command follows `docker`".to_owned())) };
    let Some((_, known)) = kind.verbs().iter().find(|(name, _)| *name == verb.value) else {
        return Err(refused(format!("it is a `docker {}`", verb.value)));
    };
    let rest: &[Word] = &words[at + 1..];
    let (given, others) = flags::anywhere(known, rest).map_err(RegisteredError::Flag)?;
    let is_on = |long: &str| given.iter().rfind(|g| g.flag.long == long).is_some_and(Given::is_on);
    if is_on("help") {
        return Err(RegisteredError::Help);
    }
    if kind == Kind::Logs && is_on("follow") {
        return Err(RegisteredError::Follows);
    }
    if kind == Kind::Stats && !is_on("no-stream") {
        return Err(RegisteredError::Streams);
    }
    if others.is_empty() && !is_on("all") {
        return Err(RegisteredError::NoContainer(kind));
    }
    let (leading, read) = flags::leading(known, rest).map_err(RegisteredError::Flag)?;
    // `--` stands before the names, unless it is the value of a flag.
    let is_closed = read > 0 && rest[read - 1].value == "--" && flags::leading(known, &rest[..read - 1]).is_ok();
    let names = if is_closed { read - 1 } else { read };
    let flags_at = if leading.len() == given.len() || rest.iter().any(|word| word.value == "--") {
        rest.get(names).map_or(text.len(), |word| word.span.start)
    } else {
        text.len()
    };
    Ok(Registered {
        flags_at,
        containers: others.into_iter().map(|at| rest[at].value.clone()).collect(),
        removes: kind == Kind::Stop && matches!(verb.value.as_str(), "rm" | "remove"),
        given: given.iter().map(|g| g.flag.long).collect(),
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::command::logs;

    fn checked(kind: Kind, text: &str) -> Registered {
        check(kind, text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn strings_of_the_right_family_are_taken() {
        for (kind, text, containers, removes) in [
            (Kind::Stop, "docker stop -t 30 finance", &["finance"][..], false),
            (Kind::Stop, "docker container stop finance --time=5", &["finance"], false),
            (Kind::Stop, "docker kill -sINT finance", &["finance"], false),
            (Kind::Stop, "docker -H unix:///x rm -f a b\n", &["a", "b"], true),
            (Kind::Logs, "docker logs --details finance", &["finance"], false),
            (Kind::Stats, "docker stats --no-stream --format '{{json .}}' finance", &["finance"], false),
            (Kind::Stats, "docker stats --no-stream -a", &[], false),
        ] {
            let found = checked(kind, text);
            assert_eq!(
                (found.containers.as_slice(), found.removes),
                (containers.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>().as_slice(), removes),
                "{text}"
            );
        }
    }

    #[test]
    fn every_refusal_says_what_to_write() {
        for (kind, text, cause, hint) in [
            (Kind::Stop, "", "it is empty", "docker stop"),
            (Kind::Stop, "sudo docker stop x", "begins with `sudo`", "docker stop"),
            (Kind::Stop, "docker logs x", "it is a `docker logs`", "docker stop"),
            (Kind::Stop, "docker stop", "names no container", "docker stop"),
            (Kind::Stop, "docker stop --tme 3 x", "refuse a flag", "`--time`?"),
            (Kind::Stop, "docker stop x; reboot", "one plain command", "single quotes"),
            (Kind::Logs, "docker logs -f x", "never ends", "mcp log -f"),
            (Kind::Logs, "docker exec x cat log", "`docker exec`", "docker logs"),
            (Kind::Logs, "docker logs x | tail", "one plain command", "single quotes"),
            (Kind::Stats, "docker stats x", "never ends", "--no-stream"),
            (Kind::Stats, "docker stats --no-stream=false x", "never ends", "--no-stream"),
            (Kind::Stats, "docker stats --help", "does nothing", "--help"),
        ] {
            let error = check(kind, text).err().unwrap_or_else(|| panic!("{text} was taken"));
            assert!(error.to_string().contains(cause), "{text}: {error}");
            assert!(error.hint().contains(hint), "{text}: {}", error.hint());
        }
    }

    #[test]
    fn more_flags_go_behind_the_string_s_own_and_before_the_name() {
        let flags = || logs("x").since("1; reboot").follow(true).flags();
        for (text, expected) in [
            ("docker logs finance", "docker logs --since '1; reboot' --follow finance"),
            ("docker logs  --tail 5 'finance'", "docker logs  --tail 5 --since '1; reboot' --follow 'finance'"),
            ("docker logs --details -- finance", "docker logs --details --since '1; reboot' --follow -- finance"),
            ("docker logs finance --tail 5", "docker logs finance --tail 5 --since '1; reboot' --follow"),
            ("docker logs --until -- finance", "docker logs --until -- --since '1; reboot' --follow finance"),
        ] {
            let registered = checked(Kind::Logs, text);
            assert_eq!(registered.with_flags(flags()), expected);
            assert_eq!(registered.with_flags(Vec::<&str>::new()), text);
            assert_eq!((registered.gives("tail"), registered.gives("since")), (text.contains("--tail"), false));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_taken_or_refused_without_panic(text in "(docker (stop|rm) )?(?s).{0,60}") {
            let _ = check(Kind::Stop, &text);
        }
    }
}
