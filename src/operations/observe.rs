//! Asking the hosts what runs, and remembering it for those that will not answer.
//!
//! Boundary: one exec per host; the words are `docker`'s, the wire is `fleet`'s. Next: `list` and `get` make answers of it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{
    Context, Trouble, TroubleKind,
    registered::{Registered, say},
};
use crate::{
    config::state::{Record, State},
    docker::{
        command,
        inspect::{Container, parse},
        status::report,
    },
    domain::{Instance, ServerStatus, Status},
    error::Exit,
    fleet::Session,
    transport::{
        presence::HostClock,
        script::{Script, Section, SectionId},
    },
};

/// Deadline of an exec that only looks, unless the host or the user says otherwise.
pub const LOOK_ALLOWED: Duration = Duration::from_secs(30);

/// The containers of one host, by name.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    containers: BTreeMap<String, Container>,
    clock: Option<HostClock>,
}

impl Observation {
    /// The container called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Container> {
        self.containers.get(name)
    }

    /// The host's clock at that look, where it was asked and told.
    #[must_use]
    pub fn clock(&self) -> Option<&HostClock> {
        self.clock.as_ref()
    }
}

/// Looks at the containers of `registered` in one exec, and at the host's clock.
pub(super) fn look(session: &mut Session<'_>, registered: &[Registered<'_>]) -> Result<Observation, Trouble> {
    let mut script = Script::new();
    let clock = HostClock::ask(&mut script);
    let id = ask(&mut script, session, registered);
    let asked = Instant::now();
    let sections = session.exec("look", &script, LOOK_ALLOWED).map_err(|e| Trouble::host(&e, session.host()))?;
    let clock = sections.get(clock).and_then(|section| HostClock::read(section, asked));
    Ok(Observation { clock, ..read(sections.get(id))? })
}

/// Adds the question that [`read`] reads the answer of.
pub(super) fn ask(script: &mut Script, session: &Session<'_>, registered: &[Registered<'_>]) -> SectionId {
    script.export(&session.host().env);
    script.run(&say(&command::inspect(registered.iter().map(|r| r.container.as_str())), session.host()))
}

/// Reads the answer to [`command::inspect`]. A container that is not there is no failure.
pub(super) fn read(section: Option<&Section>) -> Result<Observation, Trouble> {
    let Some(section) = section else {
        return Err(Trouble::failed("docker's answer is missing", None));
    };
    let stderr = section.stderr_text();
    let complaints: Vec<&str> = stderr
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.to_lowercase().contains("no such container"))
        .collect();
    if section.exit != Some(0)
        && (section.exit != Some(1) || !complaints.is_empty())
        && let Some(trouble) = Trouble::docker(section.exit, &complaints.join("\n"))
    {
        return Err(trouble);
    }
    let containers = parse(&section.stdout_text()).map_err(|e| {
        let reason = format!("{e}: {}", e.source);
        Trouble::failed(reason, Some("see what it says with `mcp hosts check`".to_owned()))
    })?;
    Ok(Observation { containers: containers.into_iter().map(|c| (c.name.clone(), c)).collect(), clock: None })
}

/// Whether the last end of `container` was `mcp`'s doing.
#[must_use]
pub fn stopped_by_mcp(record: Option<&Record>, container: &Container) -> bool {
    record.is_some_and(|record| {
        record.container_id.as_deref() == Some(container.id.as_str())
            && record.stopped_by.as_ref().is_some_and(|by| container.started_at.is_none_or(|started| started < by.at))
    })
}

/// The exit code that a trouble gives.
#[must_use]
pub fn exit_of(trouble: &Trouble) -> Exit {
    match trouble.kind {
        TroubleKind::Unreachable => Exit::Unreachable,
        TroubleKind::Failed | TroubleKind::Halted => Exit::Failed,
        TroubleKind::Interrupted => Exit::Interrupted,
    }
}

/// The port clients use: the registered one, else the first published one.
#[must_use]
pub fn port(r: &Registered<'_>) -> Option<u16> {
    r.target.server.port.or_else(|| r.run.first_published_port())
}

/// The status of one instance as seen, and what to remember of it.
pub(super) fn status_of(context: &Context<'_>, r: &Registered<'_>, seen: &Observation) -> (ServerStatus, Record) {
    let instance = r.target.instance();
    let now = Timestamp::now();
    let previous = context.state.instances.get(&instance);
    let container = seen.get(&r.container);
    let by_mcp = container.is_some_and(|c| stopped_by_mcp(previous, c));
    let status = report(&instance.server, &instance.host, container, by_mcp, now);
    // What made the container is only known while it is the same container.
    let same = previous.filter(|p| container.is_some_and(|c| p.container_id.as_deref() == Some(c.id.as_str())));
    let record = Record {
        status: status.clone(),
        container_id: container.map(|c| c.id.clone()),
        command_hash: same.and_then(|p| p.command_hash.clone()),
        stopped_by: same.and_then(|p| p.stopped_by.clone()),
    };
    (status, record)
}

/// The record of an instance whose host gave no answer: unknown, with the cause and what was last known.
#[must_use]
pub fn unanswered(instance: &Instance, record: Option<&Record>, trouble: &Trouble) -> ServerStatus {
    let now = Timestamp::now();
    let mut status = match record {
        Some(record) => record.status.clone(),
        None => ServerStatus::bare(instance.server.clone(), instance.host.clone(), Status::Unknown, now),
    };
    let last = record.filter(|r| r.status.status != Status::Unknown).map(|r| {
        let seconds = now.as_second().saturating_sub(r.status.last_check.as_second()).max(0);
        format!("; last known {} {seconds} s ago", r.status.status.as_str())
    });
    status.status = Status::Unknown;
    status.uptime = None;
    status.cpu_usage = None;
    status.gpu_usage = None;
    status.memory_usage = None;
    status.message = Some(format!("{}{}", trouble.cause, last.unwrap_or_default()));
    status
}

/// Writes what was only looked at into the state: another `mcp` may have changed the same container since this one began, so what
/// it wrote of its making and its stop is kept, and a newer look wins.
pub(super) fn remember_looks(context: &Context<'_>, records: Vec<(Instance, Record)>) -> Vec<String> {
    write(context, records, |state, instance, mut record| {
        if let Some(fresh) = state.instances.get(&instance) {
            if fresh.status.last_check > record.status.last_check {
                return;
            }
            if fresh.container_id == record.container_id {
                record.command_hash.clone_from(&fresh.command_hash);
                record.stopped_by.clone_from(&fresh.stopped_by);
            }
        }
        state.instances.insert(instance, record);
    })
}

/// Writes `records` into the state. The hosts are the truth, so trouble with the file is a warning.
pub(super) fn remember(context: &Context<'_>, records: Vec<(Instance, Record)>) -> Vec<String> {
    write(context, records, |state, instance, record| {
        state.instances.insert(instance, record);
    })
}

fn write(
    context: &Context<'_>,
    records: Vec<(Instance, Record)>,
    put: impl Fn(&mut State, Instance, Record),
) -> Vec<String> {
    if records.is_empty() {
        return vec![];
    }
    let written = context.workspace.update_state(|state| {
        for (instance, record) in records {
            put(state, instance, record);
        }
    });
    match written {
        Ok(()) => vec![],
        Err(error) => {
            let why = std::error::Error::source(&error).map_or_else(String::new, |source| format!(": {source}"));
            vec![format!("the state was not written: {error}{why}")]
        }
    }
}
