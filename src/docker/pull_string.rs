//! The registered `pull` string: one or several docker commands that bring an image to a host, such as
//! `docker login … && docker pull …`.
//!
//! Boundary: the shell rules of [`super::shell`] for each command, joined by `&&`, `||`, `|`, `;` or a line break. Which image is
//! wanted is [`super::run_string`]'s.

use std::ops::Range;

use super::{
    flags::{self, FlagError, Given},
    run_string::trimmed,
    shell::{SplitErrorKind, Word, until_refused},
};

/// Verbs of docker that may stand there. Any other one would do more than bring an image.
const VERBS: [&str; 9] = ["pull", "image", "login", "logout", "tag", "load", "import", "inspect", "manifest"];

/// Why a text cannot be registered as a `pull` string.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    /// A shell would do something else with it than run commands one after the other.
    #[error("{kind} (at character {})", column + 1)]
    Shell {
        /// What was found.
        kind: SplitErrorKind,
        /// Where, in characters from the start.
        column: usize,
    },
    /// An operator with no command before or behind it.
    #[error("a command is missing (at character {})", .0 + 1)]
    NoCommand(usize),
    /// A docker command that is not about images.
    #[error("`docker {0}` does not bring an image")]
    Verb(String),
    /// A flag docker would not take.
    #[error("docker would refuse a flag of the string")]
    Flag(#[source] FlagError),
    /// None or several images behind one `docker pull`.
    #[error("`docker pull` takes one image, and {0} follow")]
    Images(usize),
    /// A password among the words, which everybody on the host can read while the command runs.
    #[error("the password of `docker login` is written out")]
    Password,
    /// No `docker pull` in it.
    #[error("the pull string has no `docker pull`")]
    NoPull,
}

impl PullError {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> String {
        const EXAMPLE: &str = "write, for example, `docker pull IMAGE`, or \
                               `docker login --username USER --password-stdin REGISTRY <FILE && docker pull IMAGE`";
        match self {
            Self::Shell { kind: SplitErrorKind::Operator("&"), .. } => {
                "join commands by `&&`: one in the background would be left alone".to_owned()
            }
            Self::Shell { kind: SplitErrorKind::Substitution(_) | SplitErrorKind::Operator("("), .. } => {
                "hand a value on by a pipe or a file, as in `cat FILE | docker login --password-stdin …`".to_owned()
            }
            Self::Shell { kind, .. } => kind.hint().to_owned(),
            Self::Flag(source) => source.hint(),
            Self::Password => {
                "keep it in a file or a variable of the host: `docker login --password-stdin … <FILE`, or \
                 `printf %s \"$TOKEN\" | docker login --password-stdin …`"
                    .to_owned()
            }
            Self::Images(_) | Self::NoCommand(_) | Self::Verb(_) | Self::NoPull => EXAMPLE.to_owned(),
        }
    }
}

/// A `pull` string that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullString {
    text: String,
    /// Where the words `docker` stand that begin commands, in bytes.
    programs: Vec<Range<usize>>,
}

impl PullString {
    /// Checks that `text` can be registered as a `pull` string.
    ///
    /// # Errors
    /// A [`PullError`] whose hint is what to write instead.
    pub fn parse(text: &str) -> Result<Self, PullError> {
        let text = trimmed(text);
        let (mut programs, mut pulls) = (vec![], 0);
        let mut prints = false;
        for Simple { words, is_piped } in commands(text)? {
            let Some((first, rest)) = words.split_first() else { continue };
            let was_printed = std::mem::replace(&mut prints, is_piped && prints_a_text(first, rest));
            if first.value != "docker" {
                continue;
            }
            if logs_in(rest)? && was_printed {
                return Err(PullError::Password);
            }
            programs.push(first.span.clone());
            pulls += usize::from(check(rest)?);
        }
        if pulls == 0 {
            return Err(PullError::NoPull);
        }
        Ok(Self { text: text.to_owned(), programs })
    }

    /// The string, without white space around it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The string with the host's own words for each `docker` that begins a command.
    #[must_use]
    pub fn with_program(&self, words: &str) -> String {
        let mut text = self.text.clone();
        for span in self.programs.iter().rev() {
            text.replace_range(span.clone(), words);
        }
        text
    }
}

/// Whether a command prints words as they are written, so that what it hands on stands in the string.
fn prints_a_text(first: &Word, rest: &[Word]) -> bool {
    let is_format = |word: &Word| word.value.replace("%s", "").replace("\\n", "").is_empty() || word.value == "-n";
    match first.value.as_str() {
        "echo" | "printf" => rest.iter().any(|word| !word.unresolved && !is_format(word)),
        _ => false,
    }
}

/// Whether the words behind `docker` are a login.
fn logs_in(words: &[Word]) -> Result<bool, PullError> {
    let (_, count) = flags::leading(flags::GLOBAL, words).map_err(PullError::Flag)?;
    let Some(("login", rest)) = words[count..].split_first().map(|(verb, rest)| (verb.value.as_str(), rest)) else {
        return Ok(false);
    };
    let (given, _) = flags::anywhere(flags::LOGIN, rest).map_err(PullError::Flag)?;
    if given.iter().any(|given| given.flag.long == "password") { Err(PullError::Password) } else { Ok(true) }
}

/// Checks the words behind `docker`; whether they are a `docker pull`.
fn check(words: &[Word]) -> Result<bool, PullError> {
    let (_, count) = flags::leading(flags::GLOBAL, words).map_err(PullError::Flag)?;
    let words = &words[count..];
    let verb = words.first().map_or("", |word| word.value.as_str());
    if !VERBS.contains(&verb) {
        return Err(PullError::Verb(verb.to_owned()));
    }
    let rest = match (verb, words.get(1).map(|word| word.value.as_str())) {
        ("image", Some("pull")) => &words[2..],
        ("pull", _) => &words[1..],
        _ => return Ok(false),
    };
    let (given, images) = flags::anywhere(flags::PULL, rest).map_err(PullError::Flag)?;
    if images.len() != 1 || given.iter().any(|given| given.flag.long == "help" && Given::is_on(given)) {
        return Err(PullError::Images(images.len()));
    }
    Ok(true)
}

/// One command, without its redirections.
#[derive(Default)]
struct Simple {
    words: Vec<Word>,
    /// Whether the next command reads what it prints.
    is_piped: bool,
}

/// The commands of `text`.
fn commands(text: &str) -> Result<Vec<Simple>, PullError> {
    let mut found = vec![Simple::default()];
    let mut start = 0;
    // The word that comes next names the file of a redirection.
    let mut is_target = false;
    loop {
        let (words, refusal) = until_refused(&text[start..]);
        let mut words =
            words.into_iter().map(|word| Word { span: word.span.start + start..word.span.end + start, ..word });
        if is_target && words.next().is_none() {
            return Err(PullError::NoCommand(column(text, start)));
        }
        let last = found.len() - 1;
        found[last].words.extend(words);
        let Some((at, kind)) = refusal else { break };
        let at = at + start;
        let length = match &kind {
            SplitErrorKind::Operator(operator @ ("&&" | "||" | "|" | ";" | "<" | ">")) => operator.len(),
            SplitErrorKind::Newline => 1,
            _ => return Err(PullError::Shell { kind, column: column(text, at) }),
        };
        let operator = &text[at..at + length];
        start = at + length;
        is_target = matches!(operator, "<" | ">");
        if !is_target {
            // Blank lines are no commands; an operator without one before it is an error of the shell.
            if found[last].words.is_empty() && operator != "\n" {
                return Err(PullError::NoCommand(column(text, at)));
            }
            found[last].is_piped = operator == "|";
            found.push(Simple::default());
            continue;
        }
        // `2>`: the number is the file's descriptor and no word of the command.
        let descriptor =
            |word: &Word| word.span.end == at && text[word.span.clone()].bytes().all(|b| b.is_ascii_digit());
        if found[last].words.last().is_some_and(descriptor) {
            found[last].words.pop();
        }
        if text[start..].starts_with('>') {
            start += 1;
        }
        // `>&2` names a descriptor and no file.
        let copied = text[start..].strip_prefix('&').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        if let Some(rest) = copied {
            start = text.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            is_target = false;
        }
    }
    let ends_open = |text: &str| text.ends_with("&&") || text.ends_with('|');
    if found.last().is_some_and(|command| command.words.is_empty()) && ends_open(text.trim_end()) {
        return Err(PullError::NoCommand(column(text, text.len())));
    }
    Ok(found)
}

fn column(text: &str, at: usize) -> usize {
    text[..at].chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> PullString {
        PullString::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn a_pull_with_a_login_before_it_is_taken_and_each_docker_is_replaced() {
        for (text, on_host) in [
            ("docker pull acme/a:1", "sudo docker pull acme/a:1"),
            (
                "printf %s \"$TOKEN\" | docker login --password-stdin r && docker pull r/a",
                "printf %s \"$TOKEN\" | sudo docker login --password-stdin r && sudo docker pull r/a",
            ),
            (
                "echo first; docker login --password-stdin r </t && docker pull r/a",
                "echo first; sudo docker login --password-stdin r </t && sudo docker pull r/a",
            ),
            ("docker image pull -q --platform linux/arm64 a", "sudo docker image pull -q --platform linux/arm64 a"),
            (
                "docker login -u x r.example && docker pull r.example/docker\n",
                "sudo docker login -u x r.example && sudo docker pull r.example/docker",
            ),
            (
                "cat ~/.token | docker login --password-stdin r; docker pull r/a",
                "cat ~/.token | sudo docker login --password-stdin r; sudo docker pull r/a",
            ),
            (
                "docker login --password-stdin r </run/t 2>/dev/null && docker pull r/a",
                "sudo docker login --password-stdin r </run/t 2>/dev/null && sudo docker pull r/a",
            ),
            (
                "docker pull mirror/a 2>&1 && docker tag mirror/a a",
                "sudo docker pull mirror/a 2>&1 && sudo docker tag mirror/a a",
            ),
            ("docker login r\n\ndocker pull r/a", "sudo docker login r\n\nsudo docker pull r/a"),
            ("echo 'docker pull x' >>log; docker pull r/a", "echo 'docker pull x' >>log; sudo docker pull r/a"),
            ("docker --config /root/.docker pull \"$IMAGE\"", "sudo docker --config /root/.docker pull \"$IMAGE\""),
        ] {
            assert_eq!(parsed(text).with_program("sudo docker"), on_host, "{text}");
        }
    }

    #[test]
    fn every_refusal_names_what_to_write() {
        for (text, cause, hint) in [
            ("", "no `docker pull`", "docker login"),
            ("docker login r", "no `docker pull`", "docker pull IMAGE"),
            ("echo docker pull a", "no `docker pull`", "docker pull IMAGE"),
            ("docker pull", "and 0 follow", "docker pull IMAGE"),
            ("docker pull a b", "and 2 follow", "docker pull IMAGE"),
            ("docker pull --help a", "takes one image", "docker pull IMAGE"),
            ("docker pull --pltform x a", "refuse a flag", "`--platform`?"),
            ("docker pull a && docker rm -f b", "`docker rm`", "docker pull IMAGE"),
            ("docker run a && docker pull a", "`docker run`", "docker pull IMAGE"),
            ("docker pull a & docker pull b", "control operator", "background"),
            ("docker login -p $(cat t) r && docker pull a", "runs another command", "password-stdin"),
            ("docker login -p secret r && docker pull a", "written out", "--password-stdin"),
            ("docker login -u x --password=secret r && docker pull a", "written out", "--password-stdin"),
            ("echo secret | docker login --password-stdin r && docker pull a", "written out", "variable of the host"),
            ("printf '%s' secret | docker login --password-stdin r && docker pull a", "written out", "<FILE"),
            ("docker pull 'a", "never closed", "close it"),
            ("docker pull a &&", "a command is missing", "docker pull IMAGE"),
            ("&& docker pull a", "a command is missing (at character 1)", "docker pull IMAGE"),
            ("docker pull a || | b", "a command is missing (at character 18)", "docker pull IMAGE"),
            ("docker pull a >", "a command is missing", "docker pull IMAGE"),
        ] {
            let error = PullString::parse(text).err().unwrap_or_else(|| panic!("{text} was taken"));
            assert!(error.to_string().contains(cause), "{text}: {error}");
            assert!(error.hint().contains(hint), "{text}: {}", error.hint());
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_taken_or_refused_without_panic(text in "(docker (pull|login) )?(?s)[ -~\n]{0,40}(&&|<|2>&1|[|;])?.{0,40}") {
            if let Ok(pull) = PullString::parse(&text) {
                proptest::prop_assert_eq!(pull.with_program("docker"), pull.text());
            }
        }
    }
}
