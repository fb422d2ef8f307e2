//! Which docker state gives which status.
//!
//! | container | status | message |
//! | --- | --- | --- |
//! | `running` | running | none, or that docker's health check fails, or that a process was killed for memory |
//! | `running`, restarted by its policy, up for less than 10 s | error | restarting in a loop |
//! | `restarting` | error | restarting in a loop, with the last exit code |
//! | `paused` | stopped | paused: it answers nobody; `docker unpause` resumes it |
//! | `exited` with 0 | stopped | none |
//! | `exited`, killed for memory | error | out of memory, with the exit code |
//! | `exited` with another code, stopped by `mcp` | stopped | the exit code |
//! | `exited` with another code | error | the exit code |
//! | `created`, its start failed | error | docker's reason |
//! | `created` | stopped | never started |
//! | `removing` | stopped | being removed |
//! | `dead` | error | docker could not remove it |
//! | none of that name | stopped | no container |
//! | the host or its engine gave no answer | unknown | the cause; not judged here, see [`super::failure`] |
//!
//! Boundary: a judgement over what [`super::inspect`] read; whether `mcp` stopped it is known from the state file by the caller.

use jiff::Timestamp;

use crate::domain::{Health, HostName, ServerName, ServerStatus, Status};

use super::inspect::{Container, ContainerState};

/// A container that its policy restarted and that has not been up for this long, in seconds, is in a loop. Docker itself takes
/// 10 s up as the sign of a good start, after which it resets its restart delay (docker run reference, "restart policies").
pub const SETTLED_AFTER: u64 = 10;

/// What a container's state means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The status.
    pub status: Status,
    /// Why, in one line, where it is not plain.
    pub message: Option<String>,
    /// Seconds since the start; `None` when it does not run.
    pub uptime: Option<u64>,
    /// The exit code of the last end; `None` while it runs or when it never ran.
    pub exit_code: Option<i64>,
}

/// Judges `container` by the table above. `now` should be the host's clock, or the uptime carries the clocks' difference.
#[must_use]
pub fn status_of(container: &Container, stopped_by_mcp: bool, now: Timestamp) -> Judgement {
    let code = container.exit_code;
    let up = container.started_at.map(|start| u64::try_from(now.as_second() - start.as_second()).unwrap_or_default());
    let judge = |status, message: Option<String>| Judgement { status, message, uptime: None, exit_code: None };
    let ended = |status, message| Judgement { exit_code: Some(code), ..judge(status, message) };
    match container.state {
        ContainerState::Running => {
            let looping = container.restart_count > 0 && up.is_some_and(|up| up < SETTLED_AFTER);
            let verdict = if looping {
                let times = times(container.restart_count);
                judge(
                    Status::Error,
                    Some(format!("restarting in a loop: {times}, up for {} s", up.unwrap_or_default())),
                )
            } else if container.oom_killed {
                judge(Status::Running, Some("one of its processes was killed: out of memory".to_owned()))
            } else if container.health == Some(Health::Unhealthy) {
                judge(Status::Running, Some("docker's health check fails".to_owned()))
            } else {
                judge(Status::Running, None)
            };
            Judgement { uptime: up, ..verdict }
        }
        ContainerState::Restarting => {
            let times = times(container.restart_count);
            ended(Status::Error, Some(format!("restarting in a loop: {times}, last exit code {code}{}", meaning(code))))
        }
        ContainerState::Paused => judge(Status::Stopped, Some("paused; `docker unpause` resumes it".to_owned())),
        ContainerState::Exited if container.oom_killed => {
            ended(Status::Error, Some(format!("out of memory: killed with exit code {code}")))
        }
        ContainerState::Exited if !container.error.is_empty() => ended(Status::Error, Some(one_line(&container.error))),
        ContainerState::Exited if code == 0 => ended(Status::Stopped, None),
        ContainerState::Exited if stopped_by_mcp => {
            ended(Status::Stopped, Some(format!("stopped by mcp, exit code {code}{}", meaning(code))))
        }
        ContainerState::Exited => ended(Status::Error, Some(format!("exited with code {code}{}", meaning(code)))),
        ContainerState::Created if !container.error.is_empty() => {
            ended(Status::Error, Some(one_line(&container.error)))
        }
        ContainerState::Created => judge(Status::Stopped, Some("created, never started".to_owned())),
        ContainerState::Removing => judge(Status::Stopped, Some("being removed".to_owned())),
        ContainerState::Dead => ended(Status::Error, Some("dead: docker could not remove it".to_owned())),
    }
}

/// The whole record of an instance. Usage is added by whoever asked for it.
#[must_use]
pub fn report(
    name: &ServerName,
    host: &HostName,
    container: Option<&Container>,
    stopped_by_mcp: bool,
    now: Timestamp,
) -> ServerStatus {
    let bare = |status| ServerStatus::bare(name.clone(), host.clone(), status, now);
    let Some(container) = container else {
        return ServerStatus { message: Some("no container".to_owned()), ..bare(Status::Stopped) };
    };
    let Judgement { status, message, uptime, exit_code } = status_of(container, stopped_by_mcp, now);
    ServerStatus {
        container_id: Some(container.id.clone()),
        uptime,
        image: Some(container.image.clone()),
        exit_code,
        restart_count: Some(container.restart_count),
        // The result of the last check before it ended says nothing any more.
        health: container.health.filter(|_| container.state == ContainerState::Running),
        message,
        ..bare(status)
    }
}

fn times(count: u64) -> String {
    if count == 1 { "restarted once".to_owned() } else { format!("restarted {count} times") }
}

/// What an exit code says beyond its number (docker run reference, "exit status"; 128 + n is signal n).
fn meaning(code: i64) -> &'static str {
    match code {
        126 => " (its command cannot be run)",
        127 => " (its command was not found)",
        137 => " (SIGKILL)",
        139 => " (SIGSEGV)",
        143 => " (SIGTERM)",
        _ => "",
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::{fixture, inspect};

    fn container(case: &str) -> Container {
        inspect::parse(&fixture::read(&format!("20.10/inspect/{case}.out"))).unwrap_or_else(|e| panic!("{e}")).remove(0)
    }

    /// `seconds` after the container's start, or its making.
    fn after(container: &Container, seconds: i64) -> Timestamp {
        let start = container.started_at.or(container.created_at).unwrap_or_else(|| panic!("no time"));
        start + jiff::SignedDuration::from_secs(seconds)
    }

    #[test]
    fn the_table_holds_for_captured_containers() {
        for (case, by_mcp, status, message) in [
            ("plain", false, Status::Running, None),
            ("unhealthy", false, Status::Running, Some("health check fails")),
            ("starting", false, Status::Running, None),
            ("restart_loop", false, Status::Error, Some("restarting in a loop: restarted")),
            ("paused", false, Status::Stopped, Some("paused")),
            ("exited_zero", false, Status::Stopped, None),
            ("out_of_memory", false, Status::Error, Some("out of memory")),
            ("out_of_memory", true, Status::Error, Some("out of memory")),
            ("exited_three", false, Status::Error, Some("exited with code 3")),
            ("terminated", false, Status::Error, Some("exited with code 143 (SIGTERM)")),
            ("terminated", true, Status::Stopped, Some("stopped by mcp, exit code 143")),
            ("killed", false, Status::Error, Some("137 (SIGKILL)")),
            ("killed", true, Status::Stopped, Some("137 (SIGKILL)")),
            ("created", false, Status::Stopped, Some("never started")),
            ("port_taken", false, Status::Error, Some("port is already allocated")),
            ("no_such_program", false, Status::Error, Some("/nope")),
        ] {
            let container = container(case);
            let found = status_of(&container, by_mcp, after(&container, 60));
            assert_eq!(found.status, status, "{case}: {found:?}");
            match message {
                None => assert_eq!(found.message, None, "{case}"),
                Some(part) => assert!(found.message.as_ref().is_some_and(|m| m.contains(part)), "{case}: {found:?}"),
            }
        }
    }

    #[test]
    fn states_that_cannot_be_captured_follow_the_table() {
        let mut dead = container("exited_three");
        dead.state = ContainerState::Dead;
        assert_eq!(status_of(&dead, true, Timestamp::UNIX_EPOCH).status, Status::Error);
        dead.state = ContainerState::Removing;
        assert_eq!(status_of(&dead, false, Timestamp::UNIX_EPOCH).status, Status::Stopped);
    }

    #[test]
    fn a_restarted_container_is_in_error_until_it_settled() {
        let mut container = container("plain");
        container.restart_count = 2;
        assert_eq!(status_of(&container, false, after(&container, 9)).status, Status::Error);
        assert_eq!(status_of(&container, false, after(&container, 10)).status, Status::Running);
        container.restart_count = 0;
        assert_eq!(status_of(&container, false, after(&container, 1)).status, Status::Running);
    }

    #[test]
    fn uptime_is_counted_from_the_start_and_never_below_zero() {
        let plain = container("plain");
        assert_eq!(status_of(&plain, false, after(&plain, 61)).uptime, Some(61));
        assert_eq!(status_of(&plain, false, after(&plain, -5)).uptime, Some(0));
        let ended = container("exited_three");
        assert_eq!(status_of(&ended, false, after(&ended, 61)).uptime, None);
    }

    #[test]
    fn a_record_is_filled_from_the_container() {
        let (name, host) = (ServerName::new("plain"), HostName::new("edge-1"));
        let (name, host) = (name.unwrap_or_else(|e| panic!("{e}")), host.unwrap_or_else(|e| panic!("{e}")));
        let plain = container("plain");
        let now = after(&plain, 5);
        let record = report(&name, &host, Some(&plain), false, now);
        assert_eq!((record.status, record.uptime, record.exit_code), (Status::Running, Some(5), None));
        assert_eq!(record.container_id.as_ref(), Some(&plain.id));
        assert_eq!(record.image.as_deref(), Some("example/app:1.0"));
        assert_eq!(record.last_check, now);
        let none = report(&name, &host, None, false, now);
        assert_eq!((none.status, none.message.as_deref()), (Status::Stopped, Some("no container")));
    }
}
