//! Why a docker command failed, told from its exit code and standard error.
//!
//! Boundary: docker has no error codes on its command line, so its words are matched here and nowhere else; every pattern is
//! held by a captured fixture of both clients. Layers above decide by [`EngineFailureKind`], never by text.

use serde::Deserialize;

/// What kind of failure it is, as far as the next step differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EngineFailureKind {
    /// The host has no docker command.
    NoCli,
    /// The command is there and its engine does not answer.
    NoEngine,
    /// The user may not talk to the engine.
    Permission,
    /// sudo does not let the user hand on variables.
    SudoEnvironment,
    /// A published port is taken.
    PortTaken,
    /// The container's name is taken.
    NameTaken,
    /// The image is not there and cannot be pulled.
    NoImage,
    /// The image's name is none.
    InvalidReference,
    /// There is no such container.
    NoContainer,
    /// The container's log is kept where docker cannot read it.
    NoLog,
    /// Anything else docker says.
    Other,
}

/// A docker command's failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct EngineFailure {
    /// Which kind.
    pub kind: EngineFailureKind,
    /// What docker or the shell said, in one line, without its decoration.
    pub detail: String,
}

impl EngineFailureKind {
    /// Whether no command can work on that host until this is repaired.
    #[must_use]
    pub fn concerns_the_host(self) -> bool {
        matches!(self, Self::NoCli | Self::NoEngine | Self::Permission)
    }

    /// What to do next.
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            Self::NoCli => {
                "install docker there, or say which words stand for it in hosts.yaml (hosts.NAME.docker: `podman`, a full path; `false` for a jump host)"
            }
            Self::NoEngine => {
                "start the engine there (`systemctl start docker`), or set DOCKER_HOST for that host in hosts.yaml"
            }
            Self::Permission => {
                "add the user to the host's `docker` group and log in again, or set `docker: sudo -n docker` in hosts.yaml with a sudo rule that asks no password"
            }
            Self::SudoEnvironment => {
                "give the sudo rule there the tag SETENV (sudoers(5)), or take the variables out of hosts.NAME.env and the string's `-e NAME`"
            }
            Self::PortTaken => "publish another port in servers.yaml, or stop what uses this one",
            Self::NameTaken => "choose another --name, or let `mcp start --replace` remove the container that has it",
            Self::NoImage => {
                "check the image's name and tag, log in to its registry on the host, or load the image there (`docker load`)"
            }
            Self::InvalidReference => "correct the image's name in servers.yaml: lower case, `registry/name:tag`",
            Self::NoContainer => "`mcp start NAME` makes the container from the registered string",
            Self::NoLog => {
                "its --log-driver keeps no log that docker can read: look where that driver writes, or register it with another (`json-file`, `local`, `journald`)"
            }
            Self::Other => {
                "these are docker's words; `mcp get NAME` shows the string and what there is of it on the host"
            }
        }
    }
}

impl EngineFailure {
    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        self.kind.hint()
    }
}

/// Which words tell which kind, in order: what concerns the host first. All in lower case.
const WORDS: [(EngineFailureKind, &[&str]); 10] = [
    (EngineFailureKind::SudoEnvironment, &["you are not allowed to set the following environment variables"]),
    (
        EngineFailureKind::Permission,
        &[
            "permission denied while trying to connect to the docker",
            "got permission denied while trying to connect",
            "docker.sock: connect: permission denied",
            "sudo: a password is required",
            "sudo: a terminal is required",
            "is not in the sudoers file",
            "is not allowed to execute",
            "is not allowed to run sudo",
        ],
    ),
    (
        EngineFailureKind::NoEngine,
        &[
            "cannot connect to the docker daemon",
            "is the docker daemon running",
            "error during connect:",
            "unable to resolve docker endpoint",
            "cannot connect to podman",
        ],
    ),
    (EngineFailureKind::PortTaken, &["port is already allocated", "address already in use", "ports are not available"]),
    (
        EngineFailureKind::NameTaken,
        &["the container name \"", "is already in use by container", "that name is already in use"],
    ),
    (EngineFailureKind::InvalidReference, &["invalid reference format", "must be lowercase"]),
    (EngineFailureKind::NoContainer, &MISSING),
    (EngineFailureKind::NoLog, &["configured logging driver does not support reading", "'none' log driver"]),
    (
        EngineFailureKind::NoImage,
        &[
            "no such image",
            "image not known",
            "pull access denied",
            "manifest unknown",
            "repository does not exist",
            "error response from daemon: get \"http",
            "error response from daemon: head \"http",
            "failed to resolve reference",
            "error: initializing source docker://",
            "short-name resolution",
            "did not resolve to an alias",
            "no matching manifest",
            "toomanyrequests",
        ],
    ),
    // The OCI runtime also says "permission denied" and "not found", of the container's own program.
    (EngineFailureKind::Other, &["oci runtime create failed"]),
];

/// Longest detail kept, in characters.
const LONGEST: usize = 500;

/// Judges a docker command that ended with `exit` and said `stderr`; `None` when it succeeded. Warnings decide nothing.
#[must_use]
pub fn classify(exit: i32, stderr: &str) -> Option<EngineFailure> {
    if exit == 0 {
        return None;
    }
    let is_telling = |line: &&str| !line.is_empty() && !is_warning(line);
    let mut lines: Vec<&str> = stderr.lines().map(str::trim).filter(is_telling).collect();
    if lines.is_empty() {
        lines = stderr.lines().map(str::trim).collect();
    }
    let lower = lines.join("\n").to_lowercase();
    let known = WORDS.iter().find_map(|(kind, words)| Some((*kind, words.iter().find(|word| lower.contains(**word))?)));
    let kind = known.map_or_else(|| from_the_shell(exit, &lower), |(kind, _)| kind);
    Some(EngineFailure { kind, detail: detail(exit, &lines, known.map(|(_, word)| *word)) })
}

/// What a line is that docker, sudo or podman may print whatever becomes of the command.
const WARNINGS: [&str; 7] = [
    "warning:",
    "warn[",
    "emulate docker cli using podman",
    "sudo: unable to resolve host",
    "sudo: unable to send audit message",
    "sudo: setrlimit(",
    "setlocale:",
];

/// Whether `line` is a warning of docker, sudo, podman or a shell and tells nothing of why a command failed.
fn is_warning(line: &str) -> bool {
    let lower = line.trim().to_lowercase();
    WARNINGS.iter().any(|start| lower.starts_with(start))
        || (lower.starts_with("time=\"") && lower.contains(" level=warning "))
        || (lower.contains("warning: setlocale") || lower.contains("warning: command substitution"))
}

/// Whether two lines are one warning; podman writes the time in front of each.
#[must_use]
pub fn is_same_warning(one: &str, other: &str) -> bool {
    let text = |line: &str| match line.trim().strip_prefix("time=\"").and_then(|rest| rest.split_once("\" ")) {
        Some((_, rest)) => rest.to_owned(),
        None => line.trim().to_owned(),
    };
    text(one) == text(other)
}

/// The words of docker and podman for a container that does not exist.
const MISSING: [&str; 2] = ["no such container", "no container with name or id"];

fn tells_of_a_missing_container(line: &str) -> bool {
    let lower = line.to_lowercase();
    MISSING.iter().any(|words| lower.contains(words))
}

/// Whether `stderr` has a line that there is no container called `name`.
#[must_use]
pub fn is_missing(stderr: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    stderr
        .lines()
        .filter(|line| tells_of_a_missing_container(line))
        .any(|line| line.split(|c| !is_part(c)).any(|word| word == name || word.trim_end_matches('.') == name))
}

/// The lines of `stderr` that do not tell of a missing container.
pub fn others(stderr: &str) -> impl Iterator<Item = &str> {
    stderr.lines().filter(|line| !line.trim().is_empty() && !tells_of_a_missing_container(line))
}

/// The shell, or `sudo` and `env` in its place, found no program: dash says "docker: not found", bash "docker: command not found",
/// sudo "sudo: docker: command not found", env "No such file or directory"; a program without its execute bit gives 126. Docker
/// itself exits 126 and 127 for the container's program, but then speaks of its daemon.
fn from_the_shell(exit: i32, lower: &str) -> EngineFailureKind {
    let docker_spoke = lower.contains("docker: error response from daemon") || lower.contains("error: ");
    let missing = lower.contains("not found") || (exit == 127 && lower.contains("no such file or directory"));
    match exit {
        127 if missing && !docker_spoke => EngineFailureKind::NoCli,
        126 if lower.contains("permission denied") && !docker_spoke => EngineFailureKind::NoCli,
        1 if lower.contains("sudo: ") && lower.contains("command not found") => EngineFailureKind::NoCli,
        _ => EngineFailureKind::Other,
    }
}

/// The line that says why: the one with the `known` words, else docker's error, without the invitation to read the help after it.
fn detail(exit: i32, lines: &[&str], known: Option<&str>) -> String {
    let is_noise = |line: &str| {
        line.is_empty()
            || line.starts_with("See 'docker")
            || line.starts_with("Run 'docker")
            || line.starts_with("See 'podman")
            || line.starts_with("Usage:")
            || (line.starts_with("Unable to find image") && line.ends_with("locally"))
    };
    let lines: Vec<&str> = lines.iter().copied().filter(|line| !is_noise(line)).collect();
    let telling = lines
        .iter()
        .find(|line| known.is_some_and(|words| line.to_lowercase().contains(words)))
        .or_else(|| lines.iter().find(|line| line.to_lowercase().contains("error")))
        .or_else(|| lines.first())
        .map_or("", |line| undecorated(line));
    if telling.is_empty() {
        format!("exit code {exit}, and nothing said why")
    } else {
        telling.chars().take(LONGEST).collect()
    }
}

fn undecorated(line: &str) -> &str {
    let mut bare = line;
    for prefix in ["docker: ", "Error response from daemon: ", "Error: "] {
        bare = bare.strip_prefix(prefix).unwrap_or(bare);
    }
    // 20.10 ends its sentences with a dot that belongs to the next line.
    bare.strip_suffix('.').unwrap_or(bare)
}

/// Whether `line` is docker's own complaint rather than something a container may have logged.
#[must_use]
pub fn is_complaint(line: &str) -> bool {
    let starts =
        ["Error response from daemon", "Error: No such container", "invalid value for ", "unknown flag", "sh: "];
    starts.iter().any(|start| line.starts_with(start))
        || classify(1, line).is_some_and(|failure| failure.kind.concerns_the_host())
}

/// The versions a host runs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Versions {
    /// Of the docker command.
    pub client: String,
    /// Of the engine; `None` when it does not answer.
    pub server: Option<String>,
}

/// Reads the answer to [`super::command::version`].
#[must_use]
pub fn parse_version(text: &str) -> Option<Versions> {
    text.lines().find_map(|line| serde_json::from_str(line.trim()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::fixture;

    #[test]
    fn every_captured_failure_has_its_kind() {
        use EngineFailureKind::*;
        for version in fixture::VERSIONS {
            let cases = fixture::cases(&format!("{version}/failure"));
            assert!(cases.len() > 25, "{cases:?}");
            for case in cases {
                let expected = match case.as_str() {
                    case if case.starts_with("no_cli") => NoCli,
                    case if case.starts_with("no_engine") => NoEngine,
                    case if case.starts_with("permission") => Permission,
                    case if case.starts_with("no_such_container") => NoContainer,
                    "sudo_password" => Permission,
                    "unknown_engine_host" | "no_such_context" => NoEngine,
                    "port_taken" => PortTaken,
                    "name_taken" => NameTaken,
                    "no_such_image" | "pull_failed" => NoImage,
                    "invalid_reference" => InvalidReference,
                    _ => Other,
                };
                let path = format!("{version}/failure/{case}");
                let stderr = fixture::read(&format!("{path}.err"));
                let failure = classify(fixture::exit(&path), &stderr).unwrap_or_else(|| panic!("{path} succeeded"));
                assert_eq!(failure.kind, expected, "{path}: {stderr}");
                assert!(!failure.detail.is_empty() && !failure.detail.contains('\n'), "{path}: {failure:?}");
                for noise in ["See 'docker", "Run 'docker", "WARNING", "Error response", "nothing said why"] {
                    assert!(!failure.detail.contains(noise), "{path}: {failure:?}");
                }
            }
        }
    }

    #[test]
    fn what_podman_fails_with_has_its_kind() {
        use EngineFailureKind::*;
        for case in fixture::cases(&format!("{}/failure", fixture::PODMAN)) {
            let expected = match case.as_str() {
                case if case.starts_with("no_such_container") => NoContainer,
                "port_taken" => PortTaken,
                "name_taken" => NameTaken,
                "no_such_image" | "pull_failed" | "short_name" => NoImage,
                "invalid_reference" => InvalidReference,
                "logs_flags_behind_the_name" => NoContainer,
                _ => Other,
            };
            let path = format!("{}/failure/{case}", fixture::PODMAN);
            let failure = classify(fixture::exit(&path), &fixture::read(&format!("{path}.err")));
            let failure = failure.unwrap_or_else(|| panic!("{path} succeeded"));
            assert_eq!(failure.kind, expected, "{path}: {failure:?}");
            assert!(!failure.detail.is_empty() && !failure.detail.starts_with("Trying"), "{path}: {failure:?}");
        }
    }

    #[test]
    fn a_container_is_missing_where_its_own_name_is_said_to_be() {
        let all = fixture::VERSIONS.map(|version| format!("{version}/inspect/two_of_three"));
        for case in all.into_iter().chain([format!("{}/inspect/two_of_three", fixture::PODMAN)]) {
            let stderr = fixture::read(&format!("{case}.err"));
            for (name, missing) in [("gone", true), ("plain", false), ("env", false), ("on", false), ("gone2", false)] {
                assert_eq!(is_missing(&stderr, name), missing, "{case} {name}: {stderr}");
            }
            let told = format!("WARNING: no gone here\n{stderr}sudo: unable to resolve host gone2\n");
            assert!(is_missing(&told, "gone") && !is_missing(&told, "gone2"), "{case}");
            assert_eq!(others(&told).count(), 2, "{case}");
        }
        let both = fixture::read(&format!("{}/failure/no_such_container_inspect.err", fixture::PODMAN));
        assert!(is_missing(&both, "gone") && is_missing(&both, "away"));
    }

    #[test]
    fn warnings_decide_nothing_and_explain_nothing() {
        let denied = "sudo: a password is required";
        for (stderr, kind, detail) in [
            (
                "WARNING: Error loading config file: x: permission denied\nsh: 1: docker: not found",
                EngineFailureKind::NoCli,
                "sh: 1: docker: not found",
            ),
            (
                "sudo: unable to resolve host edge-1: Name or service not known\nError: it broke",
                EngineFailureKind::Other,
                "it broke",
            ),
            (
                "We trust you have received the usual lecture from the local System\nAdministrator. It usually boils down to these three things:\n\n    #1) Respect the privacy of others.\n\nsudo: a password is required\n",
                EngineFailureKind::Permission,
                denied,
            ),
            (
                "sudo: sorry, you are not allowed to set the following environment variables: TOKEN",
                EngineFailureKind::SudoEnvironment,
                "sudo: sorry, you are not allowed to set the following environment variables: TOKEN",
            ),
            ("WARNING: nothing else\n", EngineFailureKind::Other, "WARNING: nothing else"),
        ] {
            let failure = classify(if kind == EngineFailureKind::NoCli { 127 } else { 1 }, stderr);
            let failure = failure.unwrap_or_else(|| panic!("none: {stderr}"));
            assert_eq!((failure.kind, failure.detail.as_str()), (kind, detail), "{stderr}");
        }
        let podman = |time: &str| format!("time=\"{time}\" level=warning msg=\"no runtime directory\"");
        assert!(is_same_warning(&podman("2026-01-01T00:00:00Z"), &podman("2026-01-01T00:00:01Z")));
        assert!(!is_same_warning(&podman("2026-01-01T00:00:00Z"), "time=\"x\" level=warning msg=\"other\""));
    }

    #[test]
    fn success_is_no_failure_whatever_stderr_says() {
        assert_eq!(classify(0, "WARNING: No swap limit support"), None);
    }

    #[test]
    fn a_container_s_program_that_is_missing_is_not_a_missing_docker() {
        for version in fixture::VERSIONS {
            let path = format!("{version}/failure/no_such_program");
            let failure = classify(127, &fixture::read(&format!("{path}.err")));
            assert!(failure.is_some_and(|f| f.kind == EngineFailureKind::Other && f.detail.contains("/nope")));
        }
    }

    #[test]
    fn silence_is_said_to_be_silence() {
        let failure = classify(3, "\n").unwrap_or_else(|| panic!("none"));
        assert_eq!(
            (failure.kind, failure.detail.as_str()),
            (EngineFailureKind::Other, "exit code 3, and nothing said why")
        );
    }

    #[test]
    fn long_answers_are_cut() {
        let failure = classify(1, &"é".repeat(10_000)).unwrap_or_else(|| panic!("none"));
        assert_eq!(failure.detail.chars().count(), LONGEST);
    }

    #[test]
    fn versions_are_read_with_and_without_an_engine() {
        for version in fixture::VERSIONS {
            let up =
                parse_version(&fixture::read(&format!("{version}/version/up.out"))).unwrap_or_else(|| panic!("none"));
            assert!(up.client.starts_with(version) && up.server.is_some_and(|s| s.starts_with("20.10")));
            let down = parse_version(&fixture::read(&format!("{version}/failure/no_engine_version.out")));
            assert!(down.is_some_and(|d| d.server.is_none() && d.client.starts_with(version)), "{version}");
        }
    }
}
