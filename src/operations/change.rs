//! What each instance needs for a start, a stop or a restart. Pure: what is registered, remembered and seen goes in, a
//! decision comes out.
//!
//! Boundary: decides, does nothing. Next: `act` carries decisions out.

pub mod replace;

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Action, Verb,
    registered::{Registered, say},
    trouble::Trouble,
};
use crate::{
    config::state::Record,
    docker::{
        command::{self, DockerCommand},
        drift::{Drift, drift},
        failure::{EngineFailureKind, classify},
        inspect::{Container, ContainerState},
        replacement::{previous_name, rollback_name},
        shell::quote,
        status::is_looping,
    },
    transport::script::Section,
};

/// How a change is done.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// How long a container must have been up to count as started.
    pub settle: Duration,
    /// Replace a container that `mcp` did not make.
    pub replace: bool,
    /// Always make a new container.
    pub recreate: bool,
    /// Stop a container that `mcp` did not make, although it differs.
    pub foreign: bool,
    /// How long docker's health checks are waited for; `None` does not look at them.
    pub health: Option<Duration>,
}

/// What one instance needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing; with what is worth knowing.
    Leave(Option<String>),
    /// Run the registered string.
    Create,
    /// Start the stopped container again.
    Start,
    /// Let a paused container go on.
    Unpause,
    /// Run the registered string in place of the stopped container.
    Replace,
    /// Run the stop string.
    Stop,
    /// Stop and start the same container.
    Restart,
    /// Stop it and run the registered string in its place.
    StopAndReplace,
    /// Run the registered string in place of a container that an interrupted replacement has set aside already.
    Complete,
    /// Nothing but to see an interrupted replacement through: the new container runs. With what is worth knowing.
    Finish(Option<String>),
    /// Run the previous container, which was kept, in place of the one that runs.
    RollBack,
    /// Give the container that an interrupted replacement has set aside its place again.
    PutBack {
        /// Start it, too.
        start: bool,
    },
    /// Do nothing, because it would harm.
    Refuse(Trouble),
}

/// Whose a container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// Made from the string that is registered now, or indistinguishable from it.
    Same,
    /// Made by `mcp` from an earlier string.
    Changed,
    /// Made by somebody else, and different.
    Foreign(Vec<Drift>),
}

/// Whose `container` is. Without a record of it, what it looks like decides.
#[must_use]
pub fn ownership(registered: &Registered<'_>, record: Option<&Record>, container: &Container) -> Ownership {
    let made_from = record
        .filter(|r| r.container_id.as_deref() == Some(container.id.as_str()))
        .and_then(|r| r.command_hash.as_deref());
    match made_from {
        Some(hash) if hash == registered.hash() => Ownership::Same,
        Some(_) => Ownership::Changed,
        None => {
            let drifts = drift(&registered.run, container, None);
            let was_left = record.is_some_and(|r| r.left.iter().any(|left| left.container_id == container.id));
            match (drifts.is_empty(), was_left) {
                (true, _) => Ownership::Same,
                (false, true) => Ownership::Changed,
                (false, false) => Ownership::Foreign(drifts),
            }
        }
    }
}

/// Decides what `registered` needs for `verb`. `now` is the host's clock at the look that found `container`.
#[must_use]
pub fn decide(
    verb: Verb,
    options: Options,
    registered: &Registered<'_>,
    record: Option<&Record>,
    container: Option<&Container>,
    now: Option<Timestamp>,
) -> Decision {
    let Some(container) = container else {
        return if verb == Verb::Stop { Decision::Leave(Some("no container".to_owned())) } else { Decision::Create };
    };
    let live = matches!(container.state, ContainerState::Running | ContainerState::Restarting | ContainerState::Paused);
    if verb == Verb::Stop && !live {
        return Decision::Leave(None);
    }
    let ownership = ownership(registered, record, container);
    if verb == Verb::Stop {
        return match &ownership {
            Ownership::Foreign(drifts) if !options.foreign => {
                Decision::Refuse(foreign(registered, drifts, "stop it all the same with --foreign"))
            }
            _ => Decision::Stop,
        };
    }
    if let Ownership::Foreign(drifts) = &ownership
        && !options.replace
    {
        return Decision::Refuse(foreign(registered, drifts, "let it be removed with --replace"));
    }
    // Between two crashes it runs as well, and waits for the next one.
    let settled = container.state == ContainerState::Running && !is_looping(container, now);
    let same = ownership == Ownership::Same && !options.recreate;
    match (verb, live, same) {
        (Verb::Start, true, _) if container.state == ContainerState::Paused && same => Decision::Unpause,
        (Verb::Start, true, true) if settled => Decision::Leave(None),
        (Verb::Start, true, false) if settled && ownership == Ownership::Changed => Decision::Leave(Some(format!(
            "runs an earlier command; `mcp restart {}` applies the registered one",
            registered.target.instance()
        ))),
        (_, true, true) if !registered.run.removes_itself() && !registered.stop_removes() => Decision::Restart,
        (_, true, _) => Decision::StopAndReplace,
        (_, false, true) if container.state != ContainerState::Dead && !registered.run.removes_itself() => {
            Decision::Start
        }
        (_, false, _) => Decision::Replace,
    }
}

/// Why the container is left alone; `otherwise` is what does not leave it alone.
fn foreign(registered: &Registered<'_>, drifts: &[Drift], otherwise: &str) -> Trouble {
    let differences: Vec<String> = drifts
        .iter()
        .take(3)
        .map(|d| {
            let text = |value: &str| if value.is_empty() { "none".to_owned() } else { value.to_owned() };
            format!("{}: it has {}, registered is {}", d.field, text(&d.running), text(&d.registered))
        })
        .collect();
    Trouble::failed(
        format!("the name {} is taken by a container that differs: {}", registered.container, differences.join("; ")),
        Some(format!(
            "register another --name (`mcp edit {0}`), forget the server with `mcp remove {0} --keep`, or {otherwise}",
            registered.target.server.name
        )),
    )
}

impl Decision {
    /// The shell text that carries it out; `None` when there is nothing to do. It acts on the container with the id `was`, where that is
    /// told, and on no other that has taken its name since.
    #[must_use]
    pub fn code(&self, registered: &Registered<'_>, was: Option<&str>) -> Option<String> {
        let host = registered.target.host;
        let name = &registered.container;
        // An id cannot be taken over.
        let target = was.unwrap_or(name);
        let (run, stop) = (registered.run_command(), registered.stop_command());
        let docker = |command: DockerCommand| say(&command, host);
        let code = match self {
            // What is set aside, and what a replacement does otherwise, is `docker::replacement`'s.
            Self::Leave(_) | Self::Refuse(_) | Self::Finish(_) | Self::PutBack { .. } | Self::RollBack => return None,
            Self::Create | Self::Complete => return Some(run),
            Self::Start => return Some(docker(command::start(target))),
            Self::Unpause => return Some(docker(command::unpause(target))),
            Self::Stop if registered.stops_by_default() => return Some(docker(command::stop(target))),
            // One call to docker instead of two; it means the same.
            Self::Restart if registered.stops_by_default() => return Some(docker(command::restart(target))),
            Self::Replace => format!("{} >/dev/null && {run}", docker(command::force_remove(name))),
            Self::Stop => stop,
            // A registered stop string may remove the container as well.
            Self::Restart => format!(
                "{stop} && if {} >/dev/null 2>&1; then {}; else {run}; fi",
                docker(command::exists(name)),
                docker(command::start(name))
            ),
            Self::StopAndReplace => {
                // The registered string runs in the same shell: its $n is not this one's.
                // A container made with --rm removes itself a moment after its end; its name is free only then.
                let gone = format!(
                    "mcp_n=0; while {} >/dev/null 2>&1 && [ $mcp_n -lt 100 ]; do mcp_n=$((mcp_n+1)); sleep 0.1 || sleep 1; done",
                    docker(command::exists(name))
                );
                format!("{stop} && {{ {} >/dev/null 2>&1; {gone}; {run}; }}", docker(command::force_remove(name)))
            }
        };
        // A registered string goes by the name, and what is removed is lost, also when it was only renamed out of the way.
        Some(match was {
            Some(id) => if_still(registered, id, &code),
            None => code,
        })
    }

    /// What it comes to when nothing goes wrong, for a plan: without what only guards it.
    #[must_use]
    pub fn shown(&self, registered: &Registered<'_>) -> Option<String> {
        let (host, name) = (registered.target.host, &registered.container);
        let (previous, between) = (previous_name(name), rollback_name(name));
        let docker = |command: DockerCommand| say(&command, host);
        let rename = |from: &str, to: &str| docker(command::rename(from, to));
        let run = registered.run_command();
        let stop = if registered.stop_removes() { docker(command::stop(name)) } else { registered.stop_command() };
        let remove = replace::keep(registered).is_zero().then(|| docker(command::force_remove(&previous)));
        let aside = || [vec![rename(name, &previous), run.clone()], Vec::from_iter(remove.clone())].concat();
        let steps = match self {
            Self::Replace if !registered.run.removes_itself() => aside(),
            Self::StopAndReplace if !registered.run.removes_itself() => [vec![stop], aside()].concat(),
            Self::Complete => [vec![run.clone()], Vec::from_iter(remove)].concat(),
            Self::Finish(_) => vec![remove.unwrap_or_else(|| docker(command::stop(&previous)))],
            Self::PutBack { start: false } => vec![rename(&previous, name)],
            Self::PutBack { start: true } => vec![rename(&previous, name), docker(command::start(name))],
            Self::RollBack => vec![
                stop,
                rename(&previous, &between),
                rename(name, &previous),
                rename(&between, name),
                docker(command::start(name)),
            ],
            _ => return self.code(registered, None),
        };
        Some(steps.join(" && "))
    }

    /// What it does to a container, for the report.
    #[must_use]
    pub fn action(&self) -> Option<Action> {
        match self {
            Self::Leave(_) | Self::Refuse(_) => None,
            Self::Create => Some(Action::Created),
            Self::Start | Self::Unpause => Some(Action::Started),
            Self::Replace | Self::StopAndReplace | Self::Complete | Self::Finish(_) => Some(Action::Replaced),
            Self::PutBack { start: true } | Self::RollBack => Some(Action::RolledBack),
            Self::Stop | Self::PutBack { start: false } => Some(Action::Stopped),
            Self::Restart => Some(Action::Restarted),
        }
    }

    /// Whether the container is meant to run the registered string afterwards.
    #[must_use]
    pub fn applies_registered(&self) -> bool {
        matches!(
            self,
            Self::Create
                | Self::Start
                | Self::Unpause
                | Self::Replace
                | Self::Restart
                | Self::StopAndReplace
                | Self::Complete
                | Self::Finish(_)
        )
    }

    /// Whether the container is meant to run afterwards.
    #[must_use]
    pub fn is_to_run(&self) -> bool {
        self.applies_registered() || matches!(self, Self::PutBack { start: true } | Self::RollBack)
    }
}

/// How [`if_still`] ends without having done anything.
pub const NOT_THE_SAME: i32 = 76;

/// `code`, to be run only while the container's name belongs to `id`; else it ends with [`NOT_THE_SAME`], with the id that has the name
/// on stdout and what docker says on stderr.
#[must_use]
pub fn if_still(registered: &Registered<'_>, id: &str, code: &str) -> String {
    let ask = say(&command::exists(&registered.container), registered.target.host);
    let id = quote(id);
    format!(
        "mcp_i=$({ask}); if [ \"$mcp_i\" = {id} ]; then {code}\nelse printf '%s\\n' \"$mcp_i\"; (exit {NOT_THE_SAME}); fi"
    )
}

/// Whether [`if_still`], which ended as `section` tells, found that its container is no longer what was looked at.
#[must_use]
pub fn is_another(section: &Section) -> bool {
    section.exit == Some(NOT_THE_SAME)
        && (is_id(section.stdout_text().trim()) || is_gone(NOT_THE_SAME, &section.stderr_text()))
}

/// Whether docker says that there is no such container.
#[must_use]
pub fn is_gone(exit: i32, stderr: &str) -> bool {
    classify(exit, stderr).is_some_and(|failure| failure.kind == EngineFailureKind::NoContainer)
}

/// Whether `text` is the id of a container: 64 hexadecimal digits.
#[must_use]
pub fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
