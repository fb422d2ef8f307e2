//! Reads the lines that [`super::command::inspect`] asks for: one JSON object per container.
//!
//! Boundary: the container as docker shows it. What it means is [`super::status`]', whether it is what was registered is
//! [`super::drift`]'s. The values of environment variables are never asked for, so they are never here.

mod image;
mod raw;

use jiff::Timestamp;

use crate::domain::Health;

use super::{mount::Mount, port::PublishedPort};

pub use image::{Image, parse_images};

/// The state of a container (Docker Engine API v1.41, `ContainerState.Status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContainerState {
    /// Made, never started; or its start failed.
    Created,
    /// Runs.
    Running,
    /// Runs, frozen.
    Paused,
    /// Ended and waits for its restart policy to start it again.
    Restarting,
    /// Is being removed.
    Removing,
    /// Ended.
    Exited,
    /// Could not be removed.
    Dead,
}

impl ContainerState {
    /// Docker's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
        }
    }

    /// Whether its processes exist: there is something to stop.
    #[must_use]
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }
}

/// An id as short as docker shows it: 12 of its 64 digits.
#[must_use]
pub fn short_id(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// A container as `docker container inspect` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Full id, 64 hexadecimal digits.
    pub id: String,
    /// Name, without docker's leading slash.
    pub name: String,
    /// The image as it was named when the container was made.
    pub image: String,
    /// The image's id, `sha256:…`.
    pub image_id: String,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// Its state.
    pub state: ContainerState,
    /// Exit code of the last end; 0 while it has not ended.
    pub exit_code: i64,
    /// A process of it was killed for memory since its last start.
    pub oom_killed: bool,
    /// Why the last start failed; empty when it did not.
    pub error: String,
    /// Process id on the host; `None` when it does not run.
    pub pid: Option<u32>,
    /// When it last started.
    pub started_at: Option<Timestamp>,
    /// When it last ended.
    pub finished_at: Option<Timestamp>,
    /// Docker's health; `None` without a health check.
    pub health: Option<Health>,
    /// How often docker restarted it by its policy since it was last started by hand.
    pub restart_count: u64,
    /// `no`, `always`, `unless-stopped`, `on-failure` or `on-failure:N`, as `--restart` takes it.
    pub restart_policy: String,
    /// Made with `--rm`.
    pub auto_remove: bool,
    /// The ports it was told to publish, one entry per container port, sorted.
    pub ports: Vec<PublishedPort>,
    /// The ports it publishes now, with the numbers docker chose, sorted; empty when it does not run.
    pub published: Vec<PublishedPort>,
    /// Names of its environment variables, the image's included.
    pub env_names: Vec<String>,
    /// Its mounts, sorted by target.
    pub mounts: Vec<Mount>,
    /// Its command, the arguments of the entry point.
    pub command: Vec<String>,
    /// Its entry point.
    pub entrypoint: Vec<String>,
    /// Its network mode (`default`, `bridge`, `host`, `none`, a network's name).
    pub network: String,
}

/// A line that should have been a container and is not.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of docker's answer about containers cannot be read")]
pub struct InspectError {
    /// Which line, from 1.
    pub line: usize,
    /// Where in the line, and what was expected.
    #[source]
    pub source: serde_json::Error,
}

/// Reads the answer to [`super::command::inspect`]. Lines that are no JSON object (a login banner) are skipped; containers
/// that do not exist are simply absent.
///
/// # Errors
/// An [`InspectError`] for an object that is not a container: to skip it would make a container look as if it were not there.
pub fn parse(text: &str) -> Result<Vec<Container>, InspectError> {
    objects(text)
        .map(|(line, object)| {
            let raw: raw::Raw = serde_json::from_str(object).map_err(|source| InspectError { line, source })?;
            Ok(raw.into())
        })
        .collect()
}

/// The lines that are JSON objects, with their numbers from 1.
fn objects(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(i, line)| (i + 1, line.trim())).filter(|(_, line)| line.starts_with("{\"id\":"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::{fixture, mount::MountKind};

    fn container(version: &str, case: &str) -> Container {
        let text = fixture::read(&format!("{version}/inspect/{case}.out"));
        let mut containers = parse(&text).unwrap_or_else(|e| panic!("{version}/{case}: {e}"));
        assert_eq!(containers.len(), 1, "{version}/{case}");
        containers.remove(0)
    }

    #[test]
    fn every_captured_answer_is_read() {
        for version in fixture::VERSIONS {
            for case in fixture::cases(&format!("{version}/inspect")) {
                let text = fixture::read(&format!("{version}/inspect/{case}.out"));
                let containers = parse(&text).unwrap_or_else(|e| panic!("{version}/{case}: {e}"));
                assert_eq!(containers.len(), text.lines().count(), "{version}/{case}");
                assert!(containers.iter().all(|c| c.id.len() == 64 && !c.name.contains('/')), "{version}/{case}");
            }
        }
    }

    #[test]
    fn states_are_told_apart() {
        use ContainerState::*;
        for version in fixture::VERSIONS {
            for (case, state, exit_code) in [
                ("plain", Running, 0),
                ("paused", Paused, 0),
                ("exited_zero", Exited, 0),
                ("exited_three", Exited, 3),
                ("terminated", Exited, 143),
                ("killed", Exited, 137),
                ("restart_loop", Restarting, 7),
                ("created", Created, 0),
                ("no_such_program", Created, 127),
            ] {
                let found = container(version, case);
                assert_eq!((found.state, found.exit_code), (state, exit_code), "{version}/{case}");
                assert_eq!(found.pid.is_some(), matches!(state, Running | Paused), "{version}/{case}");
            }
            assert!(container(version, "out_of_memory").oom_killed);
            assert!(container(version, "port_taken").error.contains("port is already allocated"));
            assert!(container(version, "restart_loop").restart_count >= 3);
        }
    }

    #[test]
    fn a_container_that_never_ran_has_no_times() {
        let created = container("20.10", "created");
        assert_eq!((created.started_at, created.finished_at), (None, None));
        assert!(created.created_at.is_some());
        let running = container("20.10", "plain");
        assert!(running.started_at.is_some() && running.finished_at.is_none());
    }

    #[test]
    fn health_is_docker_s_own() {
        for version in fixture::VERSIONS {
            assert_eq!(container(version, "healthy").health, Some(Health::Healthy));
            assert_eq!(container(version, "unhealthy").health, Some(Health::Unhealthy));
            assert_eq!(container(version, "starting").health, Some(Health::Starting));
            assert_eq!(container(version, "plain").health, None);
        }
    }

    #[test]
    fn ports_are_read_as_told_and_as_published() {
        let told: Vec<String> = container("20.10", "ports").ports.iter().map(ToString::to_string).collect();
        for expected in [
            "18080:80",
            "127.0.0.1:18443:443",
            "18053:53/udp",
            "9000",
            "18101:101",
            "18200-18210:200",
            "[::1]:18300:300",
        ] {
            assert!(told.iter().any(|t| t == expected), "{expected} in {told:?}");
        }
        let now = container("20.10", "ports").published;
        assert!(now.iter().any(|p| p.container == (9000, 9000) && p.host.is_some()), "{now:?}");
        assert!(now.iter().all(|p| p.container != (8080, 8080)), "exposed is not published: {now:?}");
    }

    #[test]
    fn environment_values_never_leave_the_host() {
        for version in fixture::VERSIONS {
            assert!(fixture::read(&format!("{version}/run/env.cmd")).contains("s3cr3t-value"));
            assert!(!fixture::read(&format!("{version}/inspect/env.out")).contains("s3cr3t"));
            let names = container(version, "env").env_names;
            for name in ["API_KEY", "MODE", "SHORT", "EMPTY", "WITH_EQUALS", "PATH", "IMAGE_VAR"] {
                assert!(names.iter().any(|n| n == name), "{name} in {names:?}");
            }
        }
    }

    #[test]
    fn mounts_of_every_kind_are_read() {
        let mounts = container("20.10", "binds").mounts;
        let has = |target: &str, kind: MountKind, source: Option<&str>, read_only: bool| {
            let expected = Mount { target: target.into(), kind, source: source.map(Into::into), read_only };
            assert!(mounts.contains(&expected), "{expected:?} in {mounts:?}");
        };
        has("/data", MountKind::Bind, Some("/tmp"), true);
        has("/scratch", MountKind::Bind, Some("/var/tmp"), false);
        has("/named", MountKind::Volume, Some("named"), false);
        has("/ram", MountKind::Tmpfs, None, false);
        has("/run", MountKind::Tmpfs, None, false);
        has("/tmp2", MountKind::Tmpfs, None, false);
        has("/anonymous", MountKind::Volume, None, false);
        has("/cache", MountKind::Volume, None, false);
    }

    #[test]
    fn absent_containers_and_banners_are_not_containers() {
        let text = format!("Welcome to edge-1!\n{{}}\n{}\n", fixture::read("20.10/inspect/two_of_three.out"));
        let names: Vec<_> = parse(&text).unwrap_or_else(|e| panic!("{e}")).into_iter().map(|c| c.name).collect();
        assert_eq!(names, ["plain", "env"]);
    }

    #[test]
    fn half_a_line_is_an_error_and_not_an_absent_container() {
        let text = fixture::read("20.10/inspect/plain.out");
        let error = parse(&text[..text.len() / 2]).err().unwrap_or_else(|| panic!("taken"));
        assert_eq!(error.line, 1);
    }

    #[test]
    fn podman_s_other_shapes_are_read() {
        // podman's inspect gives a single text for the entry point (before 5.0), null for no ports, `stopped` for `exited`
        // and an offset in its times (podman-inspect(1)).
        let line = r#"{"id":"ab","name":"x","image":"docker.io/library/x:latest","image_id":"cd","created":"2024-01-02T03:04:05.6+01:00","state":"stopped","exit_code":1,"oom_killed":false,"error":"","pid":0,"started_at":"2024-01-02T03:04:05+01:00","finished_at":"0001-01-01T00:00:00Z","health":"","restart_count":0,"restart_policy":"","restart_maximum":0,"auto_remove":false,"port_bindings":null,"published":null,"env_names":[],"mounts":[],"tmpfs":[null],"command":null,"entrypoint":"/init","network":"bridge"}"#;
        let found = parse(line).unwrap_or_else(|e| panic!("{e}")).remove(0);
        assert_eq!(found.state, ContainerState::Exited);
        assert_eq!(found.entrypoint, ["/init"]);
        assert_eq!(found.restart_policy, "no");
        assert_eq!(found.health, None);
        assert_eq!(found.started_at.map(|t| t.to_string()).as_deref(), Some("2024-01-02T02:04:05Z"));
    }

    #[test]
    fn what_podman_answers_is_read_as_docker_s_answers_are() {
        use ContainerState::*;
        for case in fixture::cases(&format!("{}/inspect", fixture::PODMAN)) {
            let text = fixture::read(&format!("{}/inspect/{case}.out", fixture::PODMAN));
            let containers = parse(&text).unwrap_or_else(|e| panic!("{case}: {e}"));
            assert_eq!(containers.len(), text.lines().count(), "{case}");
        }
        for (case, state, exit_code) in
            [("plain", Running, 0), ("paused", Paused, 0), ("exited_three", Exited, 3), ("created", Created, 0)]
        {
            let found = container(fixture::PODMAN, case);
            assert_eq!((found.state, found.exit_code), (state, exit_code), "{case}");
            assert_eq!(found.started_at.is_some(), state != Created, "{case}");
        }
        let health = |case| container(fixture::PODMAN, case).health;
        let found = ["plain", "starting", "failing"].map(health);
        assert_eq!(found, [None, Some(Health::Starting), Some(Health::Unhealthy)]);
        assert!(container(fixture::PODMAN, "restart_loop").restart_count >= 3);
        assert_eq!(container(fixture::PODMAN, "restart_failure").restart_policy, "on-failure:3");
        assert!(container(fixture::PODMAN, "removes_itself").auto_remove);
        assert!(!fixture::read(&format!("{}/inspect/env.out", fixture::PODMAN)).contains("s3cr3t"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(\\{\"id\":)?(?s).{0,80}") {
            let _ = parse(&text);
            let _ = parse_images(&text);
        }
    }
}
