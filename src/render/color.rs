//! Decides whether a stream is coloured.
//!
//! Boundary: pure; the choice, the kind of stream and the environment in, yes or no out. Next: `ui` applies it to both streams.

use std::ffi::OsString;

/// When text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR`, `CLICOLOR=0` or `TERM=dumb` is set; everywhere with `CLICOLOR_FORCE`.
    #[default]
    Auto,
    /// Always, in a pipe too.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    /// What each choice is called.
    pub const NAMES: [&str; 3] = ["auto", "always", "never"];

    /// The choice called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "auto" => Some(Self::Auto),
            "always" => Some(Self::Always),
            "never" => Some(Self::Never),
            _ => None,
        }
    }

    /// Whether a stream is coloured, `variable` reading the environment. `NO_COLOR` wins over `CLICOLOR_FORCE` (no-color.org,
    /// bixense.com/clicolors); an empty variable counts as unset.
    pub(super) fn colors(self, is_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let is = |name, wanted: &str| set(name).is_some_and(|value| value == wanted);
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto if set("NO_COLOR").is_some() => false,
            Self::Auto if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
            Self::Auto => is_terminal && !is("CLICOLOR", "0") && !is("TERM", "dumb"),
        }
    }

    /// The choice that `words`, a command line, makes. For messages that are printed before the command line is understood; what
    /// stands behind `--` belongs to another program.
    pub(crate) fn in_words(words: impl Iterator<Item = OsString>) -> Self {
        let mut words = words.map(|word| word.to_string_lossy().into_owned()).take_while(|word| word != "--");
        let mut choice = Self::Auto;
        while let Some(word) = words.next() {
            let value = match word.strip_prefix("--color") {
                Some("") => words.next(),
                Some(rest) => rest.strip_prefix('=').map(str::to_owned),
                None if word == "--no-color" => Some("never".to_owned()),
                None => None,
            };
            choice = value.and_then(|value| Self::named(&value)).unwrap_or(choice);
        }
        choice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colors(choice: ColorChoice, is_terminal: bool, environment: &[(&str, &str)]) -> bool {
        choice.colors(is_terminal, |name| environment.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v)))
    }

    #[test]
    fn auto_colours_terminals_unless_the_environment_objects() {
        use ColorChoice::Auto;
        for (is_terminal, environment, colored) in [
            (true, &[][..], true),
            (false, &[], false),
            (true, &[("NO_COLOR", "1")], false),
            (true, &[("NO_COLOR", "")], true),
            (true, &[("TERM", "dumb")], false),
            (true, &[("CLICOLOR", "0")], false),
            (true, &[("CLICOLOR", "1")], true),
            (false, &[("CLICOLOR", "1")], false),
            (false, &[("CLICOLOR_FORCE", "1")], true),
            (false, &[("CLICOLOR_FORCE", "0")], false),
            (false, &[("CLICOLOR_FORCE", "")], false),
            (true, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        ] {
            assert_eq!(colors(Auto, is_terminal, environment), colored, "{is_terminal} {environment:?}");
        }
    }

    #[test]
    fn every_choice_has_its_name() {
        assert!(ColorChoice::NAMES.into_iter().all(|name| ColorChoice::named(name).is_some()));
        assert_eq!(ColorChoice::named("sometimes"), None);
    }

    #[test]
    fn an_explicit_choice_wins_over_the_environment() {
        assert!(colors(ColorChoice::Always, false, &[("NO_COLOR", "1"), ("TERM", "dumb")]));
        assert!(!colors(ColorChoice::Never, true, &[("CLICOLOR_FORCE", "1")]));
    }

    #[test]
    fn a_command_line_that_is_not_understood_still_has_its_colour() {
        for (line, choice) in [
            ("mcp --color always lst", ColorChoice::Always),
            ("mcp lst --color=never", ColorChoice::Never),
            ("mcp --no-color lst", ColorChoice::Never),
            ("mcp --color sometimes", ColorChoice::Auto),
            ("mcp --color", ColorChoice::Auto),
            ("mcp exec h1 -- ls --color=always", ColorChoice::Auto),
        ] {
            assert_eq!(ColorChoice::in_words(line.split(' ').map(OsString::from)), choice, "{line}");
        }
    }
}
