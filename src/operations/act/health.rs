//! Waits on the host, within the exec that acts, until docker's health checks have passed or failed.
//!
//! Boundary: shell text and a judgement; containers without a health check are none of its business.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    docker::{
        command,
        health::{self, LastCheck},
        inspect::{Container, ContainerState},
    },
    domain::{Health, Host},
    operations::{
        InstanceReport, Outcome, Trouble,
        change::{Decision, Options},
        observe::Observation,
        registered::{Registered, say},
    },
    transport::script::{Script, Section, SectionId},
};

/// The options for a host where nothing is started and every container that has a health check passes it: there is nothing to wait for.
pub(super) fn options(
    options: Options,
    registered: &[Registered<'_>],
    decisions: &[Decision],
    before: &Observation,
) -> Options {
    let open = |r: &Registered<'_>| {
        before.get(&r.container).is_some_and(|c| c.health.is_some_and(|health| health != Health::Healthy))
    };
    let waits = decisions.iter().any(Decision::is_to_run) || registered.iter().any(open);
    Options { health: options.health.filter(|_| waits), ..options }
}

/// Adds the wait for `names`, at most `allowed`, and the question what their checks said.
pub(super) fn wait(script: &mut Script, host: &Host, names: &[&str], allowed: Duration) -> SectionId {
    let starting = say(&command::names_starting(names), host);
    let seconds = allowed.as_secs_f64().ceil();
    // The host's own clock: a count of turns would not know how long docker takes to answer.
    script.plain(&format!(
        "mcp_end=$(( $(date +%s) + {seconds} )); while [ -n \"$({starting} 2>/dev/null)\" ] && [ \"$(date +%s)\" -lt $mcp_end ]; \
         do sleep 0.5 2>/dev/null || sleep 1; done"
    ));
    script.run(&say(&command::health_reports(names), host))
}

/// What the checks said, by container name.
pub(super) type Checks = BTreeMap<String, LastCheck>;

/// What the checks said.
pub(super) fn read(section: Option<&Section>) -> Checks {
    section.map(|s| health::parse(&s.stdout_text())).unwrap_or_default()
}

/// Makes a failure of a row that went well, when its container runs and docker calls it unhealthy, or when health was waited for and has
/// not passed within `allowed`. What a container was before it was stopped is no failure of the stop.
pub(super) fn judge(
    row: &mut InstanceReport,
    container: Option<&Container>,
    checks: &Checks,
    allowed: Option<Duration>,
) {
    let (Outcome::Changed | Outcome::Unchanged, Some(container)) = (row.outcome, container) else { return };
    let what = match (container.health, allowed) {
        _ if container.state != ContainerState::Running => return,
        (Some(Health::Unhealthy), _) => "docker's health check fails".to_owned(),
        (Some(Health::Starting), Some(allowed)) => {
            format!("docker's health check has not passed within {} s", allowed.as_secs_f64())
        }
        (Some(Health::Starting | Health::Healthy) | None, _) => return,
    };
    let said = checks.get(&container.name).map(|check| match check.output.as_str() {
        "" => format!("; it ended with code {} and said nothing", check.exit_code),
        output => format!("; it ended with code {} and said: {output}", check.exit_code),
    });
    let instance = format!("{}@{}", row.name, row.host);
    let hint = match row.outcome {
        Outcome::Unchanged => format!("it ran before; `mcp restart {instance}` restarts it"),
        _ => format!("read more with `mcp log {instance}`"),
    };
    row.outcome = Outcome::Failed;
    row.action = None;
    row.error = Some(Trouble::failed(format!("{what}{}", said.unwrap_or_default()), Some(hint)));
}
