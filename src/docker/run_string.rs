//! The registered `docker run …` string: read with shell rules and docker's option grammar, and completed once.
//!
//! Boundary: what the string says. What the host's shell makes of `$VAR` and `~` is not known here: such values are kept as
//! written and marked, and nobody judges by them. Comparing with a container is [`super::drift`]'s.

mod complete;
mod error;
mod mounts;
mod read;
mod windows;

use std::fmt;

pub use complete::{Completed, complete};
pub use error::RunStringError;
pub(super) use read::trimmed;

pub use super::{
    mount::{Mount, MountKind},
    port::PublishedPort,
};

/// A mount as registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredMount {
    /// The mount; where it is unresolved, its texts are as written.
    pub mount: Mount,
    /// The host's shell decides what is mounted.
    pub source_unresolved: bool,
    /// The host's shell decides where it is mounted, or everything about it.
    pub target_unresolved: bool,
}

/// A `docker run` string that can be registered.
#[derive(Clone, PartialEq, Eq)]
pub struct RunString {
    text: String,
    /// Where the word `docker` stands, and where the last word of `run` ends.
    program: std::ops::Range<usize>,
    after_run: usize,
    name: Option<String>,
    image: String,
    image_unresolved: bool,
    /// Where the image stands.
    image_at: std::ops::Range<usize>,
    arguments: Option<Vec<String>>,
    detached: bool,
    interactive: bool,
    tty: bool,
    removes_itself: bool,
    restart_policy: Option<String>,
    pull_policy: Option<String>,
    ports: Vec<PublishedPort>,
    ports_known: bool,
    publish_all: bool,
    env: Vec<(String, bool)>,
    env_known: bool,
    env_files: Vec<String>,
    mounts: Vec<RegisteredMount>,
    mounts_known: bool,
    entrypoint: Option<String>,
    network: Option<String>,
    labels: Vec<String>,
    privileged: bool,
    pid: Option<String>,
    added_capabilities: Vec<String>,
    uses_api_socket: bool,
}

impl fmt::Debug for RunString {
    /// Without the text: it may hold values of environment variables.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunString").field("name", &self.name).field("image", &self.image).finish_non_exhaustive()
    }
}

impl RunString {
    /// Reads `text`.
    ///
    /// # Errors
    /// A [`RunStringError`] that says what to write instead.
    pub fn parse(text: &str) -> Result<Self, RunStringError> {
        read::read(text)
    }

    /// The string as registered, without white space around it: what runs.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether flags of docker itself (`-H`, `--context`) stand before `run`.
    #[must_use]
    pub fn chooses_an_engine(&self) -> bool {
        let between = self.text.get(self.program.end..self.after_run).unwrap_or_default();
        super::shell::split(between).is_ok_and(|words| words.first().is_some_and(|word| word.value.starts_with('-')))
    }

    /// `--name`; the last one, as docker takes it.
    #[must_use]
    pub fn container_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The image as written.
    #[must_use]
    pub fn image(&self) -> &str {
        &self.image
    }

    /// The image as a word of the shell, with its quotes.
    #[must_use]
    pub fn image_word(&self) -> &str {
        self.text.get(self.image_at.clone()).unwrap_or(&self.image)
    }

    /// Whether the host's shell decides the image.
    #[must_use]
    pub fn image_is_unresolved(&self) -> bool {
        self.image_unresolved
    }

    /// What follows the image, as written; `None` where the host's shell has a part in it.
    #[must_use]
    pub fn arguments(&self) -> Option<&[String]> {
        self.arguments.as_deref()
    }

    /// `-d`.
    #[must_use]
    pub fn detached(&self) -> bool {
        self.detached
    }

    /// Whether the container lives as long as one connection over its standard input and output, as MCP's stdio transport has it:
    /// `-i` without `-d` and without a terminal.
    #[must_use]
    pub fn is_on_demand(&self) -> bool {
        self.interactive && !self.detached && !self.tty
    }

    /// `-i`.
    #[must_use]
    pub fn interactive(&self) -> bool {
        self.interactive
    }

    /// `-t`.
    #[must_use]
    pub fn tty(&self) -> bool {
        self.tty
    }

    /// `--rm`: nothing is left after it stops.
    #[must_use]
    pub fn removes_itself(&self) -> bool {
        self.removes_itself
    }

    /// `--restart`, `no` when it is not given; `None` where the host's shell decides.
    #[must_use]
    pub fn restart_policy(&self) -> Option<&str> {
        self.restart_policy.as_deref()
    }

    /// `--pull`: `always`, `missing` or `never`; `None` when it is not given, or the host's shell decides.
    #[must_use]
    pub fn pull_policy(&self) -> Option<&str> {
        self.pull_policy.as_deref()
    }

    /// `-p`, in order, without those the host's shell decides.
    #[must_use]
    pub fn ports(&self) -> &[PublishedPort] {
        &self.ports
    }

    /// Whether [`RunString::ports`] is all that is published: no variables, no `-P`.
    #[must_use]
    pub fn ports_are_known(&self) -> bool {
        self.ports_known && !self.publish_all
    }

    /// The first port published with a number of the registrant's choice, on the host.
    #[must_use]
    pub fn first_published_port(&self) -> Option<u16> {
        self.ports.iter().filter(|port| !port.is_dynamic()).find_map(|port| port.host).map(|(first, _)| first)
    }

    /// The names of `-e`, each with whether a value was given (`-e NAME` hands on docker's own, if it has one).
    #[must_use]
    pub fn env_names(&self) -> &[(String, bool)] {
        &self.env
    }

    /// Whether [`RunString::env_names`] is all the environment it sets: no `--env-file`, no names made of variables.
    #[must_use]
    pub fn env_is_known(&self) -> bool {
        self.env_known && self.env_files.is_empty()
    }

    /// `--env-file`, as written.
    #[must_use]
    pub fn env_files(&self) -> &[String] {
        &self.env_files
    }

    /// `-v`, `--mount` and `--tmpfs`, in order.
    #[must_use]
    pub fn mounts(&self) -> &[RegisteredMount] {
        &self.mounts
    }

    /// Whether [`RunString::mounts`] is all it mounts: no `--volumes-from`, no target made of variables.
    #[must_use]
    pub fn mounts_are_known(&self) -> bool {
        self.mounts_known
    }

    /// `--entrypoint`; an empty one clears the image's. `None` where it is not given or the host's shell decides.
    #[must_use]
    pub fn entrypoint(&self) -> Option<&str> {
        self.entrypoint.as_deref()
    }

    /// `--network`, as written.
    #[must_use]
    pub fn network(&self) -> Option<&str> {
        self.network.as_deref()
    }

    /// `-P`.
    #[must_use]
    pub fn publishes_all(&self) -> bool {
        self.publish_all
    }

    /// `--privileged`.
    #[must_use]
    pub fn privileged(&self) -> bool {
        self.privileged
    }

    /// `--pid`, as written.
    #[must_use]
    pub fn pid(&self) -> Option<&str> {
        self.pid.as_deref()
    }

    /// `--cap-add`, as written.
    #[must_use]
    pub fn added_capabilities(&self) -> &[String] {
        &self.added_capabilities
    }

    /// `--use-api-socket`: the engine's socket is in the container.
    #[must_use]
    pub fn uses_api_socket(&self) -> bool {
        self.uses_api_socket
    }

    /// The names of `-l`.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The string with the host's own words for `docker` (`sudo -n docker`); the rest stays byte for byte.
    #[must_use]
    pub fn with_program(&self, words: &str) -> String {
        replace(&self.text, self.program.clone(), words)
    }

    /// Whether docker publishes the ports: it discards them on the host's network and without one.
    #[must_use]
    pub fn publishes(&self) -> bool {
        !matches!(self.network.as_deref(), Some("host" | "none"))
    }

    /// The ports of this string that cannot be published on one host together with `other`'s.
    #[must_use]
    pub fn conflicts<'a>(&'a self, other: &'a Self) -> Vec<(&'a PublishedPort, &'a PublishedPort)> {
        if !self.publishes() || !other.publishes() {
            return Vec::new();
        }
        let pairs = self.ports.iter().flat_map(|mine| other.ports.iter().map(move |theirs| (mine, theirs)));
        pairs.filter(|(mine, theirs)| mine.overlaps(theirs)).collect()
    }
}

/// Any registered string (run, stop, logs, stats) with the host's own words for its leading `docker`; the rest stays byte for
/// byte. A text that does not begin with `docker` is returned as it is: registration refused it.
#[must_use]
pub fn with_program(text: &str, words: &str) -> String {
    match super::shell::split(text).ok().and_then(|split| split.into_iter().next()) {
        Some(first) if first.value == "docker" => replace(text, first.span, words),
        _ => text.to_owned(),
    }
}

fn replace(text: &str, span: std::ops::Range<usize>, words: &str) -> String {
    let mut replaced = text.to_owned();
    replaced.replace_range(span, words);
    replaced
}

#[cfg(test)]
mod tests;
