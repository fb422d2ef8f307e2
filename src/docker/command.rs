//! What `mcp` says to docker by itself: each command a value that becomes one line of shell.
//!
//! Boundary: builders only. Reading the answers is [`super::inspect`]'s, [`super::stats`]' and [`super::gpu`]'s; the strings
//! people register are [`super::run_string`]'s and [`super::registered`]'s.

mod gpu;
mod logs;

use std::{fmt, sync::LazyLock};

use super::shell::quote;

pub use gpu::{gpu_pids, gpu_processes, gpu_utilization};
pub use logs::{Logs, logs};

/// Go templates, kept in files so that the fixtures are captured with the same text.
const CONTAINER_TEMPLATE: &str = include_str!("inspect.tmpl");
const IMAGE_TEMPLATE: &str = include_str!("image.tmpl");
const VERSION_TEMPLATE: &str =
    r#"{"client":{{json .Client.Version}},"server":{{if .Server}}{{json .Server.Version}}{{else}}null{{end}}}"#;

/// The templates as shell words. They are long and said to every host, so they are quoted once.
static CONTAINER_WORD: LazyLock<String> = LazyLock::new(|| quote(&one_line(CONTAINER_TEMPLATE)));
static IMAGE_WORD: LazyLock<String> = LazyLock::new(|| quote(&one_line(IMAGE_TEMPLATE)));

/// A docker command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerCommand {
    /// The words after `docker`, each quoted and with a blank before it.
    words: String,
}

impl DockerCommand {
    fn new<const N: usize>(words: [&str; N]) -> Self {
        Self { words: String::new() }.with(words)
    }

    fn with<S: AsRef<str>>(self, words: impl IntoIterator<Item = S>) -> Self {
        words.into_iter().fold(self, |command, word| command.with_quoted(&quote(word.as_ref())))
    }

    fn with_quoted(mut self, word: &str) -> Self {
        self.words.push(' ');
        self.words.push_str(word);
        self
    }

    /// As one line of POSIX shell that begins with `docker`; every word is quoted.
    #[must_use]
    pub fn to_shell(&self) -> String {
        self.to_shell_with("docker")
    }

    /// The same with the host's own words for `docker` (`sudo -n docker`), which are shell text and stay as they are.
    #[must_use]
    pub fn to_shell_with(&self, program: &str) -> String {
        format!("{program}{}", self.words)
    }
}

impl fmt::Display for DockerCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_shell())
    }
}

/// All of `names` in one call; read by [`super::inspect::parse`]. It exits 1 when one of them does not exist, and still shows the
/// others. Environment variables are shown by name only.
#[must_use]
pub fn inspect<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> DockerCommand {
    DockerCommand::new(["container", "inspect", "--format"]).with_quoted(&CONTAINER_WORD).with(names)
}

/// What drift needs of `images` (names or ids); read by [`super::inspect::parse_images`].
#[must_use]
pub fn inspect_images<S: AsRef<str>>(images: impl IntoIterator<Item = S>) -> DockerCommand {
    DockerCommand::new(["image", "inspect", "--format"]).with_quoted(&IMAGE_WORD).with(images)
}

/// The ids of the images that `names` (containers) were made from, one a line.
#[must_use]
pub fn image_ids<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> DockerCommand {
    DockerCommand::new(["container", "inspect", "--format", "{{.Image}}"]).with(names)
}

/// Starts a container that exists.
#[must_use]
pub fn start(name: &str) -> DockerCommand {
    DockerCommand::new(["start", name])
}

/// Starts or restarts a container that exists: a running one is stopped first.
#[must_use]
pub fn restart(name: &str) -> DockerCommand {
    DockerCommand::new(["restart", name])
}

/// Lets a paused container go on.
#[must_use]
pub fn unpause(name: &str) -> DockerCommand {
    DockerCommand::new(["unpause", name])
}

/// Exits 0 when a container of that name exists, whatever its state.
#[must_use]
pub fn exists(name: &str) -> DockerCommand {
    DockerCommand::new(["container", "inspect", "--format", "{{.Id}}", name])
}

/// Gives a container another name.
#[must_use]
pub fn rename(container: &str, name: &str) -> DockerCommand {
    DockerCommand::new(["rename", container, name])
}

/// Gives a container another restart policy (`no`, `always`, `on-failure:3`). Podman has this from version 5 on.
#[must_use]
pub fn update_restart(container: &str, policy: &str) -> DockerCommand {
    DockerCommand::new(["update", "--restart", policy, container])
}

/// The id of a container that was made and never started; nothing for any other (podman has more words for it).
#[must_use]
pub fn id_if_created(name: &str) -> DockerCommand {
    let template = "{{with .State.Status}}{{if or (eq . \"created\") (eq . \"configured\") (eq . \"initialized\")}}{{$.Id}}{{end}}{{end}}";
    DockerCommand::new(["container", "inspect", "--format", template, name])
}

/// `s` for each of `names` whose health check has neither passed nor failed yet, `n` for each that runs without a health check, and
/// nothing for those whose fate is known: healthy or unhealthy, ended, restarted by their policy.
#[must_use]
pub fn unsettled<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> DockerCommand {
    let template = "{{$h := \"\"}}{{with .State.Health}}{{$h = .Status}}{{end}}\
                    {{if and .State.Running (not .RestartCount)}}{{if eq $h \"starting\"}}s{{else if not (or (eq $h \"healthy\") (eq $h \"unhealthy\"))}}n{{end}}{{end}}";
    DockerCommand::new(["container", "inspect", "--format", template]).with(names)
}

/// Exits 0 when there is a network of that name.
#[must_use]
pub fn network_exists(name: &str) -> DockerCommand {
    DockerCommand::new(["network", "inspect", "--format", "{{.Id}}", name])
}

/// Exits 0 when all of `images` are on the host.
#[must_use]
pub fn images_exist<S: AsRef<str>>(images: impl IntoIterator<Item = S>) -> DockerCommand {
    DockerCommand::new(["image", "inspect", "--format", "{{.Id}}"]).with(images)
}

/// The names of those among `names` that run, one a line with docker's leading slash.
#[must_use]
pub fn names_up<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> DockerCommand {
    let template = "{{if .State.Running}}{{.Name}}{{end}}";
    DockerCommand::new(["container", "inspect", "--format", template]).with(names)
}

/// Something for each of `names` that runs and whose health check has neither passed nor failed yet, and nothing once there is
/// none; a container that its policy has restarted is waited for no longer.
#[must_use]
pub fn names_starting<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> DockerCommand {
    // podman ranges over its answer, so `$` is not the container there; without a health check docker has nil and podman an empty status.
    let template = "{{if and .State.Running (not .RestartCount)}}{{with .State.Health}}{{if eq .Status \"starting\"}}starting{{end}}{{end}}{{end}}";
    DockerCommand::new(["container", "inspect", "--format", template]).with(names)
}

/// What the health checks said of those among `names` that are not healthy; read by [`super::health::parse`].
#[must_use]
pub fn health_reports<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> DockerCommand {
    let template = "{{if .State.Health}}{{if ne .State.Health.Status \"healthy\"}}{\"name\":{{json .Name}},\"log\":{{json .State.Health.Log}}}{{end}}{{end}}";
    DockerCommand::new(["container", "inspect", "--format", template]).with(names)
}

/// The version of the command line alone, which needs no engine.
#[must_use]
pub fn client_version() -> DockerCommand {
    DockerCommand::new(["--version"])
}

/// Stops a container: TERM, and KILL after docker's grace of 10 s.
#[must_use]
pub fn stop(name: &str) -> DockerCommand {
    DockerCommand::new(["stop", name])
}

/// Removes a container that does not run. Its anonymous volumes stay.
#[must_use]
pub fn remove(name: &str) -> DockerCommand {
    DockerCommand::new(["rm", name])
}

/// Removes a container, killing it if it runs. Its anonymous volumes stay.
#[must_use]
pub fn force_remove(name: &str) -> DockerCommand {
    DockerCommand::new(["rm", "-f", name])
}

/// Prints the id of the image whose name follows; fails when there is none.
#[must_use]
pub fn image_id() -> DockerCommand {
    DockerCommand::new(["image", "inspect", "--format", "{{.Id}}"])
}

/// Pulls `image`, or the one whose name follows.
#[must_use]
pub fn pull(image: Option<&str>) -> DockerCommand {
    DockerCommand::new(["pull"]).with(image)
}

/// One sample of the usage of `names`, as JSON lines; read by [`super::stats::parse`]. Takes docker about 2 s. If one of them does
/// not exist there is no answer at all, only an error: ask for those that run.
#[must_use]
pub fn stats<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> DockerCommand {
    DockerCommand::new(["stats", "--no-stream", "--no-trunc", "--format", "{{json .}}"]).with(names)
}

/// The id of a container and when it was last started, as a JSON string, with a blank between them; see [`parse_start`]. Podman 4 knows
/// `.Id` in this very form only, and writes times in another one by itself.
#[must_use]
pub fn last_start(name: &str) -> DockerCommand {
    DockerCommand::new(["container", "inspect", "--format", "{{.Id}} {{json .State.StartedAt}}", name])
}

/// Reads a line of [`last_start`]: the id, and when it was started; `None` for a container that never was.
#[must_use]
pub fn parse_start(line: &str) -> Option<(String, String)> {
    let (id, at) = line.trim().split_once(' ')?;
    let at = serde_json::from_str::<String>(at).ok()?;
    let is_id = !id.is_empty() && id.bytes().all(|b| b.is_ascii_hexdigit());
    // Go's zero time stands for never.
    (is_id && !at.starts_with("0001-")).then(|| (id.to_owned(), at))
}

/// Words for each start of a container between two Unix times in seconds, which may be shell variables; what follows `docker`. It
/// ends at the second one.
#[must_use]
pub fn starts_between(name: &str, since: &str, until: &str, program: &str) -> String {
    let name = format!("container={name}");
    let filters = ["--filter", "type=container", "--filter", "event=start", "--filter", &name];
    let command = DockerCommand::new(["events"]).with(filters).to_shell_with(program);
    format!("{command} --since \"{since}\" --until \"{until}\"")
}

/// The versions of client and engine; read by [`super::failure::parse_version`].
#[must_use]
pub fn version() -> DockerCommand {
    DockerCommand::new(["version", "--format", VERSION_TEMPLATE])
}

/// The process ids of a container as the host sees them; read by [`super::gpu::parse_pids`]. What follows the name
/// is for `ps`.
#[must_use]
pub fn top(name: &str) -> DockerCommand {
    DockerCommand::new(["top", name, "-eo", "pid"])
}

/// The containers that the engine was told to signal within the last `seconds` by the host's clock: a line for each signal, the id and
/// the nanoseconds since the epoch by the engine's clock. The engine remembers its last events only, and until it ends.
#[must_use]
pub fn signalled_since(seconds: u64) -> DockerCommand {
    let (since, template) = (format!("{seconds}s"), "{{.Actor.ID}} {{.TimeNano}}");
    let filters = ["--filter", "type=container", "--filter", "event=kill", "--format", template];
    DockerCommand::new(["events", "--since", &since, "--until", "0s"]).with(filters)
}

fn one_line(template: &str) -> String {
    template.lines().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::{fixture, shell};

    /// What a shell makes of `line`.
    fn words(line: &str) -> Vec<String> {
        let words = shell::split(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        words.into_iter().map(|word| word.value).collect()
    }

    #[test]
    fn each_command_is_one_whole_line() {
        for (command, line) in [
            (start("finance"), "docker start finance"),
            (stop("finance"), "docker stop finance"),
            (remove("finance"), "docker rm finance"),
            (force_remove("finance"), "docker rm -f finance"),
            (stats(["a", "b"]), "docker stats --no-stream --no-trunc --format '{{json .}}' a b"),
            (top("finance"), "docker top finance -eo pid"),
            (rename("4f5e", "finance.mcp-previous"), "docker rename 4f5e finance.mcp-previous"),
            (update_restart("4f5e", "on-failure:3"), "docker update --restart on-failure:3 4f5e"),
            (images_exist(["a:1"]), "docker image inspect --format '{{.Id}}' a:1"),
            (
                signalled_since(30),
                "docker events --since 30s --until 0s --filter 'type=container' --filter 'event=kill' --format '{{.Actor.ID}} {{.TimeNano}}'",
            ),
        ] {
            assert_eq!(command.to_shell(), line);
        }
    }

    #[test]
    fn a_start_is_told_from_a_container_that_was_only_made() {
        let line = "a1b2 \"2026-11-28T10:54:09.832174283Z\"\n";
        assert_eq!(parse_start(line), Some(("a1b2".into(), "2026-11-28T10:54:09.832174283Z".into())));
        for line in ["a1b2 \"0001-01-01T00:00:00Z\"", "", "a b", "a1b2", "Error: \"2026-11-28T10:54:09Z\""] {
            assert_eq!(parse_start(line), None, "{line}");
        }
        assert_eq!(
            starts_between("it's", "$t", "$((t+30))", "docker"),
            "docker events --filter 'type=container' --filter 'event=start' --filter \"container=it's\" --since \"$t\" --until \"$((t+30))\""
        );
    }

    #[test]
    fn hostile_names_stay_one_word() {
        for name in ["; rm -rf ~", "a b", "it's", "a\nb", "$(reboot)", "`id`", "-x", "", "&&", "*", "\"", "\\"] {
            let commands = |name: &str| {
                [inspect([name]), start(name), stop(name), remove(name), force_remove(name), stats([name]), top(name)]
            };
            for (command, plain) in commands(name).iter().zip(commands("PLAIN")) {
                let expected: Vec<String> =
                    words(&plain.to_shell()).iter().map(|word| word.replace("PLAIN", name)).collect();
                assert_eq!(words(&command.to_shell()), expected);
                assert!(expected.iter().any(|word| word == name), "{command}");
            }
        }
    }

    #[test]
    fn a_hostile_name_reads_as_it_should_in_whole() {
        assert_eq!(stop("; rm -rf ~").to_shell(), "docker stop '; rm -rf ~'");
        assert_eq!(force_remove("it's").to_shell(), "docker rm -f \"it's\"");
        assert_eq!(start("a\nb").to_shell(), "docker start 'a\nb'");
    }

    #[test]
    fn the_host_s_words_for_docker_are_left_as_they_are() {
        assert_eq!(
            stop("a b").to_shell_with("DOCKER_HOST=unix:///run/x.sock sudo -n docker"),
            "DOCKER_HOST=unix:///run/x.sock sudo -n docker stop 'a b'"
        );
    }

    #[test]
    fn the_health_fixture_was_captured_with_this_very_command() {
        let captured = fixture::read("28.2/health/reports.cmd");
        assert_eq!(captured.trim_end(), health_reports(["plain", "healthy", "says", "unchecked"]).to_shell());
    }

    #[test]
    fn podman_s_fixtures_were_captured_with_these_very_commands() {
        for (case, command) in [
            ("inspect/two_of_three", inspect(["plain", "gone", "env"])),
            ("image/env", inspect_images(["example/app:1.0", "tiny"])),
            ("stats/json", stats(["plain", "env"])),
            ("version/up", self::version()),
            ("health/starting", names_starting(["plain", "starting", "failing"])),
            ("health/reports", health_reports(["plain", "starting", "failing"])),
        ] {
            let captured = fixture::read(&format!("{}/{case}.cmd", fixture::PODMAN));
            assert_eq!(words(&captured)[1..], words(&command.to_shell())[1..], "{case}");
        }
    }

    #[test]
    fn the_fixtures_were_captured_with_these_very_commands() {
        for version in fixture::VERSIONS {
            for (case, command) in [
                ("inspect/two_of_three", inspect(["plain", "gone", "env"])),
                ("image/env", inspect_images(["example/app:1.0", "tiny"])),
                ("stats/json", stats(["plain", "busy", "ports"])),
                ("version/up", self::version()),
                ("top/busy", top("busy")),
            ] {
                let captured = fixture::read(&format!("{version}/{case}.cmd"));
                assert_eq!(words(&captured)[1..], words(&command.to_shell())[1..], "{version}/{case}");
            }
        }
    }
}
