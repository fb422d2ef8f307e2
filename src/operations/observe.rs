//! Asking the hosts: what runs, with how much, and what is remembered of those that do not answer.
//!
//! Boundary: one exec per host; the words are `docker`'s, the wire is `fleet`'s. Next: `usage` for stats and GPUs.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    Context, Trouble, TroubleKind,
    act::understand,
    registered::{Registered, command_hash, on_host, say},
    select::{Target, by_host},
    usage::{UsagePlan, fill},
};
use crate::{
    config::state::{Record, State},
    docker::{
        command,
        drift::{Drift, drift},
        failure::classify,
        inspect::{Container, parse, parse_images},
        status::report,
    },
    domain::{HostName, Instance, ServerName, ServerStatus, Status},
    error::{CommandError, Exit},
    fleet::Session,
    transport::script::{Script, Section, SectionId},
};

/// Deadline of an exec that only looks, unless the host or the user says otherwise.
pub const LOOK_ALLOWED: Duration = Duration::from_secs(30);

/// The containers of one host, by name.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    containers: BTreeMap<String, Container>,
}

impl Observation {
    /// The container called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Container> {
        self.containers.get(name)
    }
}

/// Looks at the containers of `registered` in one exec.
pub(super) fn look(session: &mut Session<'_>, registered: &[Registered<'_>]) -> Result<Observation, Trouble> {
    let mut script = Script::new();
    let id = ask(&mut script, session, registered);
    let sections = session.exec("look", &script, LOOK_ALLOWED).map_err(|e| Trouble::host(&e, session.host()))?;
    read(sections.get(id))
}

fn ask(script: &mut Script, session: &Session<'_>, registered: &[Registered<'_>]) -> SectionId {
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
        && let Some(failure) = classify(section.exit, &complaints.join("\n"))
    {
        return Err(Trouble::engine(&failure));
    }
    let containers = parse(&section.stdout_text()).map_err(|e| {
        let reason = format!("{e}: {}", e.source);
        Trouble::failed(reason, Some("see what it says with `mcp hosts check`".to_owned()))
    })?;
    Ok(Observation { containers: containers.into_iter().map(|c| (c.name.clone(), c)).collect() })
}

/// Whether the last end of `container` was `mcp`'s doing.
#[must_use]
pub fn stopped_by_mcp(record: Option<&Record>, container: &Container) -> bool {
    record.is_some_and(|record| {
        record.container_id.as_deref() == Some(container.id.as_str())
            && record
                .stopped_by
                .as_ref()
                .is_some_and(|by| container.started_at.is_none_or(|started| started < by.at))
    })
}

/// The answer of `mcp list`.
#[derive(Debug, Clone)]
pub struct ListReport {
    /// One per instance, in inventory order and then by name.
    pub statuses: Vec<ServerStatus>,
    /// The registered port of each of them.
    pub ports: Vec<Option<u16>>,
    /// Hosts without an answer.
    pub troubles: Vec<(String, Trouble)>,
}

impl ListReport {
    /// The exit code: a host without an answer is not well; a stopped server is.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.troubles.iter().fold(Exit::Ok, |exit, (_, trouble)| exit.or(exit_of(trouble)))
    }
}

/// The exit code that a trouble gives.
#[must_use]
pub fn exit_of(trouble: &Trouble) -> Exit {
    match trouble.kind {
        TroubleKind::Unreachable => Exit::Unreachable,
        TroubleKind::Failed => Exit::Failed,
        TroubleKind::Interrupted => Exit::Interrupted,
    }
}

/// The live status of `targets`, with usage when `with_usage`.
///
/// # Errors
/// Only when nothing could be begun.
pub fn list(
    context: &Context<'_>,
    targets: &[Target<'_>],
    with_usage: bool,
) -> Result<(ListReport, Vec<String>), CommandError> {
    let mut work = vec![];
    for (host, targets) in by_host(targets) {
        work.push((host, understand(&targets)?));
    }
    let outcomes = context
        .fleet
        .run(&work, |session, registered| {
            let mut script = Script::new();
            let look = ask(&mut script, session, registered);
            let usage = with_usage.then(|| UsagePlan::new(&mut script, session.host(), registered));
            let sections = session.exec("list", &script, LOOK_ALLOWED)?;
            Ok(read(sections.get(look)).map(|seen| {
                let mut rows: Vec<(ServerStatus, Option<Record>)> =
                    registered.iter().map(|r| status_of(context, r, &seen)).collect();
                if let Some(usage) = usage {
                    fill(&usage.read(&sections), registered, rows.iter_mut().map(|(status, _)| status));
                }
                rows
            }))
        })
        .map_err(|e| CommandError::failed("cannot start the workers").because(&e).hint("use fewer --forks"))?;

    let mut answer = ListReport { statuses: vec![], ports: vec![], troubles: vec![] };
    let mut records = vec![];
    for ((host, registered), outcome) in work.iter().zip(outcomes) {
        let result = outcome.result.map_err(|error| Trouble::host(&error, host)).and_then(|inner| inner);
        match result {
            Ok(rows) => {
                for ((mut status, record), r) in rows.into_iter().zip(registered) {
                    if let Some(mut record) = record {
                        record.status = status.clone();
                        records.push((r.target.instance(), record));
                    }
                    status.last_check = Timestamp::now();
                    answer.statuses.push(status);
                }
            }
            Err(trouble) => {
                for r in registered {
                    let instance = r.target.instance();
                    answer.statuses.push(unanswered(&instance, context.state.instances.get(&instance), &trouble));
                }
                answer.troubles.push((host.name.to_string(), trouble));
            }
        }
        answer.ports.extend(registered.iter().map(|r| port(r)));
    }
    let warnings = remember(context, records);
    Ok((answer, warnings))
}

fn port(r: &Registered<'_>) -> Option<u16> {
    r.target.server.port.or_else(|| r.run.first_published_port())
}

fn status_of(context: &Context<'_>, r: &Registered<'_>, seen: &Observation) -> (ServerStatus, Option<Record>) {
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
    (status, Some(record))
}

/// What is remembered of every target, without asking anybody.
#[must_use]
pub fn cached(state: &State, targets: &[Target<'_>]) -> ListReport {
    let mut answer = ListReport { statuses: vec![], ports: vec![], troubles: vec![] };
    for target in targets {
        let instance = target.instance();
        answer.statuses.push(match state.instances.get(&instance) {
            Some(record) => record.status.clone(),
            None => {
                let mut status = ServerStatus::bare(
                    instance.server.clone(),
                    instance.host.clone(),
                    Status::Unknown,
                    Timestamp::UNIX_EPOCH,
                );
                status.message = Some("never looked at".to_owned());
                status
            }
        });
        answer.ports.push(Registered::new(*target).ok().and_then(|r| port(&r)));
    }
    answer
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

/// Writes `records` into the state. The hosts are the truth, so trouble with the file is a warning.
pub(super) fn remember(context: &Context<'_>, records: Vec<(Instance, Record)>) -> Vec<String> {
    if records.is_empty() {
        return vec![];
    }
    match context.workspace.update_state(|state| {
        for (instance, record) in &records {
            state.instances.insert(instance.clone(), record.clone());
        }
    }) {
        Ok(()) => vec![],
        Err(error) => vec![format!("the state was not written: {error}")],
    }
}

/// The page of `mcp get`.
#[derive(Debug, Clone, Serialize)]
pub struct GetReport {
    /// The server.
    pub name: ServerName,
    /// The host.
    pub host: HostName,
    /// What it is for.
    pub description: Option<String>,
    /// The registered string.
    pub command: String,
    /// Hash of it.
    pub command_hash: String,
    /// The stop string, registered or derived.
    pub stop: String,
    /// The logs string, registered or derived.
    pub logs: String,
    /// The stats string, registered or derived.
    pub stats: String,
    /// The port clients use.
    pub port: Option<u16>,
    /// Labels.
    pub tags: Vec<String>,
    /// Start order.
    pub priority: i32,
    /// Whether `--all` means it.
    pub enabled: bool,
    /// Live status with usage.
    pub status: ServerStatus,
    /// Where what runs is not what is registered.
    pub drift: Vec<DriftRow>,
    /// The last log lines.
    pub log: Vec<String>,
    /// Why there is no answer.
    pub error: Option<Trouble>,
}

/// One difference between what is registered and what runs.
#[derive(Debug, Clone, Serialize)]
pub struct DriftRow {
    /// What differs.
    pub field: String,
    /// As registered.
    pub registered: String,
    /// As it runs.
    pub running: String,
}

impl From<Drift> for DriftRow {
    fn from(drift: Drift) -> Self {
        Self {
            field: drift.field.to_string(),
            registered: drift.registered.to_string(),
            running: drift.running.to_string(),
        }
    }
}

/// All that is known of each of `targets`, with its last `lines` log lines.
///
/// # Errors
/// Only when nothing could be begun.
pub fn get(context: &Context<'_>, targets: &[Target<'_>], lines: u32) -> Result<(Vec<GetReport>, Vec<String>), CommandError> {
    let mut work = vec![];
    for (host, targets) in by_host(targets) {
        work.push((host, understand(&targets)?));
    }
    let outcomes = context
        .fleet
        .run(&work, |session, registered| {
            let host = session.host();
            let mut script = Script::new();
            let look = ask(&mut script, session, registered);
            let usage = UsagePlan::new(&mut script, host, registered);
            let logs: Vec<SectionId> = registered
                .iter()
                .map(|r| script.run(&format!("{} --tail {lines} 2>&1", r.logs_command())))
                .collect();
            let images: Vec<String> =
                registered.iter().map(|r| r.run.image().to_owned()).filter(|image| !image.contains('$')).collect();
            let images = script.run(&say(&command::inspect_images(images), host));
            let sections = session.exec("get", &script, LOOK_ALLOWED)?;
            Ok(read(sections.get(look)).map(|seen| {
                let images = sections.get(images).map(Section::stdout_text).unwrap_or_default();
                let images = parse_images(&images).unwrap_or_default();
                let mut pages: Vec<(GetReport, Option<Record>)> = registered
                    .iter()
                    .zip(&logs)
                    .map(|(r, log)| {
                        let (status, record) = status_of(context, r, &seen);
                        let mut page = page(r, status);
                        if let Some(container) = seen.get(&r.container) {
                            let image = images.iter().find(|i| i.id == container.image_id);
                            page.drift = drift(&r.run, container, image).into_iter().map(DriftRow::from).collect();
                            page.log = sections
                                .get(*log)
                                .map(|s| s.stdout_text().lines().map(str::to_owned).collect())
                                .unwrap_or_default();
                        }
                        (page, record)
                    })
                    .collect();
                fill(&usage.read(&sections), registered, pages.iter_mut().map(|(page, _)| &mut page.status));
                pages
            }))
        })
        .map_err(|e| CommandError::failed("cannot start the workers").because(&e).hint("use fewer --forks"))?;

    let mut answer = vec![];
    let mut records = vec![];
    for ((host, registered), outcome) in work.iter().zip(outcomes) {
        match outcome.result.map_err(|error| Trouble::host(&error, host)).and_then(|inner| inner) {
            Ok(pages) => {
                for (page, record) in pages {
                    let instance = Instance { server: page.name.clone(), host: page.host.clone() };
                    records.extend(record.map(|mut record| {
                        record.status = page.status.clone();
                        (instance, record)
                    }));
                    answer.push(page);
                }
            }
            Err(trouble) => answer.extend(registered.iter().map(|r| {
                let instance = r.target.instance();
                let mut page = page(r, unanswered(&instance, context.state.instances.get(&instance), &trouble));
                page.error = Some(trouble.clone());
                page
            })),
        }
    }
    Ok((answer, remember(context, records)))
}

fn page(r: &Registered<'_>, status: ServerStatus) -> GetReport {
    let server = r.target.server;
    GetReport {
        name: server.name.clone(),
        host: r.target.host.name.clone(),
        description: server.description.clone(),
        command: server.command.clone(),
        command_hash: command_hash(&server.command),
        stop: on_host(&super::registered::stop(server, &r.container), r.target.host),
        logs: r.logs_command(),
        stats: on_host(&super::registered::stats(server, &r.container), r.target.host),
        port: port(r),
        tags: server.tags.clone(),
        priority: server.priority,
        enabled: server.enabled,
        status,
        drift: vec![],
        log: vec![],
        error: None,
    }
}
