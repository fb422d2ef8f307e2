//! What would run, per host, without asking any host.
//!
//! Boundary: pure. What depends on the state of a container is shown with its condition.

use serde::Serialize;

use super::{
    Verb,
    act::understand,
    change::{Decision, Options},
    observe, on_demand,
    registered::{Registered, on_host, stats},
    select::{Target, by_host},
    stream::{self, LogOptions},
};
use crate::{domain::HostName, error::CommandError};

/// One string that would run.
#[derive(Debug, Clone, Serialize)]
pub struct DryStep {
    /// Where.
    pub host: HostName,
    /// For which instance; null when it is for all of the host.
    pub instance: Option<String>,
    /// Under which condition; null for always.
    pub when: Option<String>,
    /// The string.
    pub command: String,
}

/// The strings of a change.
///
/// # Errors
/// A registered string that cannot be used.
pub fn change(targets: &[Target<'_>], verb: Verb, options: Options) -> Result<Vec<DryStep>, CommandError> {
    let mut steps = vec![];
    for (host, targets) in by_host(targets) {
        let registered = understand(&targets)?;
        for r in &registered {
            if r.run.is_on_demand() {
                let instance = Some(r.target.instance().to_string());
                let check = on_demand::image_check(r).filter(|_| verb != Verb::Stop);
                steps.extend(check.map(|command| DryStep { host: host.name.clone(), instance, when: None, command }));
                continue;
            }
            let mut step = |when: &str, decision: &Decision| {
                if let Some(command) = decision.shown(r) {
                    let instance = Some(r.target.instance().to_string());
                    steps.push(DryStep { host: host.name.clone(), instance, when: Some(when.to_owned()), command });
                }
            };
            // What `decide` never keeps is never shown as kept.
            let keeps = !(r.run.removes_itself() || options.recreate);
            let other = |state: &str| if keeps { format!("{state}, other command") } else { state.to_owned() };
            if verb == Verb::Stop {
                step("running", &Decision::Stop);
                continue;
            }
            if verb == Verb::Rollback {
                step("a previous container", &Decision::RollBack);
                continue;
            }
            if verb == Verb::Restart {
                if keeps {
                    step("running, same command", &Decision::Restart);
                }
                step(&other("running"), &Decision::StopAndReplace);
            }
            if keeps {
                step("stopped, same command", &Decision::Start);
            }
            step(&other("stopped"), &Decision::Replace);
            step("no container", &Decision::Create);
        }
        // The look comes first on the host; here it would hide the strings that matter.
        if registered.iter().any(|r| !r.run.is_on_demand()) {
            steps.push(look(&registered));
        }
    }
    Ok(steps)
}

/// The strings of a pull.
///
/// # Errors
/// As [`change`].
pub fn pull(targets: &[Target<'_>]) -> Result<Vec<DryStep>, CommandError> {
    let mut steps: Vec<DryStep> = vec![];
    for r in understand(targets)? {
        let (host, command) = (r.target.host.name.clone(), r.pull_command());
        if !steps.iter().rev().take_while(|step| step.host == host).any(|step| step.command == command) {
            steps.push(DryStep { host, instance: Some(r.target.instance().to_string()), when: None, command });
        }
    }
    Ok(steps)
}

/// The strings of `list` and `get`.
///
/// # Errors
/// As [`change`].
pub fn list(targets: &[Target<'_>], with_usage: bool) -> Result<Vec<DryStep>, CommandError> {
    let mut steps = vec![];
    for (host, targets) in by_host(targets) {
        let registered = understand(&targets)?;
        steps.push(look(&registered));
        for r in registered.iter().filter(|_| with_usage) {
            steps.push(DryStep {
                host: host.name.clone(),
                instance: Some(r.target.instance().to_string()),
                when: Some("running".to_owned()),
                command: on_host(&stats(r.target.server, &r.container), host),
            });
        }
    }
    Ok(steps)
}

/// The strings of `log`.
///
/// # Errors
/// As [`change`].
pub fn log(targets: &[Target<'_>], options: &LogOptions) -> Result<Vec<DryStep>, CommandError> {
    Ok(understand(targets)?
        .iter()
        .map(|r| DryStep {
            host: r.target.host.name.clone(),
            instance: Some(r.target.instance().to_string()),
            when: None,
            command: stream::command_of(r, options),
        })
        .collect())
}

fn look(registered: &[Registered<'_>]) -> DryStep {
    let host = registered[0].target.host;
    let own = registered.iter().filter(|r| !r.run.is_on_demand());
    DryStep {
        host: host.name.clone(),
        instance: None,
        when: None,
        command: observe::question(own.map(|r| r.container.as_str()), host),
    }
}
