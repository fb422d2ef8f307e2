//! Which docker state gives which status.
//!
//! | container | status | message |
//! | --- | --- | --- |
//! | `running` | running | none, or that docker's health check fails, or that a process was killed for memory |
//! | `running`, restarted by its policy, up for less than [`settled_after`] | error | restarting in a loop |
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

use crate::domain::{Health, HostName, InstanceState, ServerName, ServerStatus, Status};

use super::inspect::{Container, ContainerState};

/// A container that its policy restarted and that has been up for less than this, in seconds, is in a loop. The length of its earlier
/// runs is not shown by docker, so this is above the periods that are seen in practice; docker's own 10 s, after which it resets its
/// restart delay (docker run reference, "restart policies"), is below many of them.
pub const SETTLED_AFTER: i64 = 30;

/// The longest average run, in seconds, that counts as a loop: one crash a day is none.
const LONGEST_PERIOD: i64 = 300;

/// Restarts from which on their average says something.
const RESTARTS_FOR_AN_AVERAGE: i64 = 3;

/// The time of a look, by two clocks that need not agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookTime {
    /// By the clock of this machine: how old the answer is later on.
    pub here: Timestamp,
    /// By the host's clock in the same exec, which the container's own times are compared with. `None` when it is not known: then no
    /// duration is computed at all.
    pub host: Option<Timestamp>,
}

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

/// Seconds that a container must have been up after a restart by its policy to count as settled: [`SETTLED_AFTER`], or twice the
/// average run since it was made, where there were three restarts or more and that average is at most 5 min.
#[must_use]
pub fn settled_after(container: &Container) -> i64 {
    let restarts = i64::try_from(container.restart_count).unwrap_or(i64::MAX);
    let average = container.created_at.zip(container.started_at).map(|(made, started)| {
        // It may have been started by hand since it was made, so this is the most that the average can be.
        started.as_second().saturating_sub(made.as_second()) / restarts.max(1)
    });
    match average {
        Some(average) if restarts >= RESTARTS_FOR_AN_AVERAGE && average <= LONGEST_PERIOD => {
            SETTLED_AFTER.max(2 * average)
        }
        _ => SETTLED_AFTER,
    }
}

/// Seconds since the start of `container` at `now`, by the host's clock; a start after `now` counts as now.
fn seconds_up(container: &Container, now: Option<Timestamp>) -> Option<i64> {
    let (started, now) = (container.started_at?, now?);
    Some(now.as_second().saturating_sub(started.as_second()).max(0))
}

/// Whether `container` runs between two crashes: its policy restarted it and it has not been up for [`settled_after`] at `now`, by the
/// host's clock.
#[must_use]
pub fn is_looping(container: &Container, now: Option<Timestamp>) -> bool {
    container.state == ContainerState::Running
        && container.restart_count > 0
        && seconds_up(container, now).is_some_and(|up| up < settled_after(container))
}

/// Judges `container` by the table above. `now` is the host's clock.
#[must_use]
pub fn status_of(container: &Container, stopped_by_mcp: bool, now: Option<Timestamp>) -> Judgement {
    let code = container.exit_code;
    let up = seconds_up(container, now).map(i64::unsigned_abs);
    let judge = |status, message: Option<String>| Judgement { status, message, uptime: None, exit_code: None };
    let ended = |status, message| Judgement { exit_code: Some(code), ..judge(status, message) };
    match container.state {
        ContainerState::Running => {
            let verdict = if is_looping(container, now) {
                let times = times(container.restart_count);
                let memory = if container.oom_killed { ", a process was killed: out of memory" } else { "" };
                let text = format!("restarting in a loop: {times}, up for {} s{memory}", up.unwrap_or_default());
                judge(Status::Error, Some(text))
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
            let meaning = if container.oom_killed { " (out of memory)" } else { meaning(code) };
            ended(Status::Error, Some(format!("restarting in a loop: {times}, last exit code {code}{meaning}")))
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
    at: LookTime,
) -> ServerStatus {
    let bare = |status| ServerStatus::bare(name.clone(), host.clone(), status, at.here);
    let Some(container) = container else {
        let message = Some("no container".to_owned());
        return ServerStatus { message, state: InstanceState::Absent, ..bare(Status::Stopped) };
    };
    let Judgement { status, message, uptime, exit_code } = status_of(container, stopped_by_mcp, at.host);
    ServerStatus {
        container_id: Some(container.id.clone()),
        uptime,
        image: Some(container.image.clone()),
        exit_code,
        restart_count: Some(container.restart_count),
        // The result of the last check before it ended says nothing any more.
        health: container.health.filter(|_| container.state == ContainerState::Running),
        message,
        state: state_of(container, at.host),
        started_at: container.started_at,
        ..bare(status)
    }
}

/// What `container` is doing. `now` is the host's clock.
fn state_of(container: &Container, now: Option<Timestamp>) -> InstanceState {
    match container.state {
        ContainerState::Running if is_looping(container, now) => InstanceState::Restarting,
        ContainerState::Running if container.health == Some(Health::Starting) => InstanceState::Starting,
        ContainerState::Running => InstanceState::Running,
        ContainerState::Restarting => InstanceState::Restarting,
        ContainerState::Paused => InstanceState::Paused,
        ContainerState::Removing => InstanceState::Stopping,
        ContainerState::Exited => InstanceState::Exited,
        ContainerState::Created => InstanceState::Created,
        ContainerState::Dead => InstanceState::Dead,
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
            let found = status_of(&container, by_mcp, Some(after(&container, 60)));
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
        assert_eq!(status_of(&dead, true, None).status, Status::Error);
        dead.state = ContainerState::Removing;
        assert_eq!(status_of(&dead, false, None).status, Status::Stopped);
    }

    #[test]
    fn a_restarted_container_is_in_error_until_it_settled() {
        let mut container = container("plain");
        container.restart_count = 2;
        let at = |container: &Container, seconds| status_of(container, false, Some(after(container, seconds))).status;
        assert_eq!(at(&container, 0), Status::Error);
        assert_eq!(at(&container, 29), Status::Error);
        assert_eq!(at(&container, 30), Status::Running);
        container.restart_count = 0;
        assert_eq!(at(&container, 1), Status::Running);
    }

    #[test]
    fn a_slow_loop_is_found_by_its_average_run_and_one_crash_a_day_is_none() {
        let mut container = container("plain");
        let started = container.started_at.unwrap_or_else(|| panic!("no start"));
        // Restarts, seconds from its making to the present run, seconds that it must be up.
        for (restarts, made_before, settled) in [
            (1, 100, 30),
            (2, 200, 30),
            (3, 300, 200),
            (3, 30, 30),
            (60, 60, 30),
            (4, 1200, 600),
            (4, 1204, 30),
            (3, 3 * 86400, 30),
        ] {
            container.restart_count = restarts;
            container.created_at = Some(started - jiff::SignedDuration::from_secs(made_before));
            assert_eq!(settled_after(&container), settled, "{restarts} in {made_before} s");
            assert!(is_looping(&container, Some(after(&container, settled - 1))), "{restarts} in {made_before} s");
            assert!(!is_looping(&container, Some(after(&container, settled))), "{restarts} in {made_before} s");
        }
        container.created_at = None;
        assert_eq!(settled_after(&container), SETTLED_AFTER);
    }

    #[test]
    fn a_loop_is_an_error_in_every_phase_of_every_period_and_a_stranger_s_clock_changes_nothing() {
        let mut container = container("restart_loop");
        let made = container.created_at.unwrap_or_else(|| panic!("no time"));
        for period in [500_i64, 1000, 3000, 5000, 9900, 10_000, 12_000, 15_000, 20_000] {
            for restarts in 1..6_i64 {
                container.restart_count = restarts.unsigned_abs();
                container.started_at = Some(made + jiff::SignedDuration::from_millis(restarts * (period + 100)));
                for phase in (0..period).step_by(250) {
                    let now = container.started_at.map(|at| at + jiff::SignedDuration::from_millis(phase));
                    for (state, exit) in [(ContainerState::Running, 0), (ContainerState::Restarting, 3)] {
                        (container.state, container.exit_code) = (state, exit);
                        for hours in [-1, 0, 1] {
                            let here = now.unwrap_or(made) + jiff::SignedDuration::from_hours(hours);
                            let name = ServerName::new("a").unwrap_or_else(|e| panic!("{e}"));
                            let host = HostName::new("h").unwrap_or_else(|e| panic!("{e}"));
                            let found = report(&name, &host, Some(&container), false, LookTime { here, host: now });
                            assert_eq!(found.status, Status::Error, "{period} ms, {restarts}, {phase}: {found:?}");
                            let up = found.uptime.map_or(0, |up| up.abs_diff(phase.unsigned_abs() / 1000));
                            assert!(up <= 1, "{phase}: {found:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn without_the_host_s_clock_no_duration_is_made_up() {
        let mut container = container("plain");
        container.restart_count = 2;
        let found = status_of(&container, false, None);
        assert_eq!((found.status, found.uptime), (Status::Running, None));
    }

    #[test]
    fn a_loop_that_ends_for_want_of_memory_says_so() {
        let mut container = container("restart_loop");
        container.oom_killed = true;
        let found = status_of(&container, false, None);
        assert!(found.message.is_some_and(|m| m.contains("out of memory")));
        container.state = ContainerState::Running;
        let found = status_of(&container, false, Some(after(&container, 3)));
        assert_eq!(found.status, Status::Error);
        assert!(found.message.is_some_and(|m| m.contains("out of memory")));
    }

    #[test]
    fn uptime_is_counted_from_the_start_and_never_below_zero() {
        let plain = container("plain");
        assert_eq!(status_of(&plain, false, Some(after(&plain, 61))).uptime, Some(61));
        assert_eq!(status_of(&plain, false, Some(after(&plain, -5))).uptime, Some(0));
        let ended = container("exited_three");
        assert_eq!(status_of(&ended, false, Some(after(&ended, 61))).uptime, None);
    }

    #[test]
    fn the_state_is_finer_than_the_status() {
        use InstanceState::*;
        for (case, restarts, state) in [
            ("plain", 0, Running),
            ("plain", 3, Restarting),
            ("starting", 0, Starting),
            ("unhealthy", 0, Running),
            ("restart_loop", 4, Restarting),
            ("paused", 0, Paused),
            ("exited_zero", 0, Exited),
            ("out_of_memory", 0, Exited),
            ("created", 0, Created),
            ("port_taken", 0, Created),
        ] {
            let mut container = container(case);
            container.restart_count = restarts;
            assert_eq!(state_of(&container, Some(after(&container, 5))), state, "{case}");
        }
        let mut container = container("plain");
        container.state = ContainerState::Removing;
        assert_eq!(state_of(&container, None), Stopping);
        container.state = ContainerState::Dead;
        assert_eq!(state_of(&container, None), Dead);
    }

    #[test]
    fn a_record_is_filled_from_the_container() {
        let (name, host) = (ServerName::new("plain"), HostName::new("edge-1"));
        let (name, host) = (name.unwrap_or_else(|e| panic!("{e}")), host.unwrap_or_else(|e| panic!("{e}")));
        let plain = container("plain");
        let (host_time, now) = (after(&plain, 5), after(&plain, 3600));
        let at = LookTime { here: now, host: Some(host_time) };
        let record = report(&name, &host, Some(&plain), false, at);
        assert_eq!((record.status, record.uptime, record.exit_code), (Status::Running, Some(5), None));
        assert_eq!(record.container_id.as_ref(), Some(&plain.id));
        assert_eq!(record.image.as_deref(), Some("example/app:1.0"));
        assert_eq!(record.last_check, now);
        let none = report(&name, &host, None, false, at);
        assert_eq!((none.status, none.message.as_deref()), (Status::Stopped, Some("no container")));
        assert_eq!((none.state, none.started_at), (InstanceState::Absent, None));
        assert_eq!((record.state, record.started_at), (InstanceState::Running, plain.started_at));
    }
}
