//! `mcp get`: all that is known of an instance.
//!
//! Boundary: one exec per host. Next: `docker::drift` for the comparison, `usage` for stats and GPUs.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    Context, Trouble,
    observe::{self, LOOK_ALLOWED, port, unanswered},
    registered::{Registered, on_host, say},
    select::Target,
    stream,
    usage::{UsagePlan, fill},
};
use crate::{
    config::state::Record,
    docker::{
        command,
        drift::{Drift, drift},
        failure::classify,
    },
    domain::{HostName, Instance, Rollout, ServerName, ServerStatus},
    error::CommandError,
    transport::script::{Script, SectionId},
};

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
    /// What pulls the image, registered or derived.
    pub pull: String,
    /// Batches of start and restart, `defaults:` included.
    pub rollout: RolloutRow,
    /// How long the previous container is kept after a replacement, in seconds.
    pub keep_previous: f64,
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
    /// Why docker could not read the log; null when it could, or was not asked.
    pub log_error: Option<String>,
    /// Why there is no answer.
    pub error: Option<Trouble>,
}

/// `rollout` as it takes effect.
#[derive(Debug, Clone, Serialize)]
pub struct RolloutRow {
    /// Hosts per batch.
    pub serial: Option<String>,
    /// Failed hosts that end a run.
    pub max_fail: Option<String>,
    /// Pause between two batches, in seconds.
    pub wait: Option<f64>,
}

impl From<Rollout> for RolloutRow {
    fn from(rollout: Rollout) -> Self {
        Self {
            serial: rollout.serial.map(|serial| serial.to_string()),
            max_fail: rollout.max_fail.map(|amount| amount.to_string()),
            wait: rollout.wait.map(|wait| wait.as_secs_f64()),
        }
    }
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

pub(super) fn or_none(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}

impl From<Drift> for DriftRow {
    fn from(drift: Drift) -> Self {
        Self { field: drift.field.to_string(), registered: or_none(drift.registered), running: or_none(drift.running) }
    }
}

/// All that is known of each of `targets`, with its last `lines` log lines.
///
/// # Errors
/// Only when nothing could be begun.
pub fn get(
    context: &Context<'_>,
    targets: &[Target<'_>],
    lines: u32,
) -> Result<(Vec<GetReport>, Vec<String>), CommandError> {
    let answers = context.on_each_host(targets, |session, registered| {
        let host = session.host();
        let mut script = Script::new();
        let look = observe::ask(&mut script, session, registered);
        let usage = UsagePlan::new(&mut script, host, registered);
        let logs: Vec<SectionId> =
            registered.iter().map(|r| script.run(&format!("{} 2>&1", stream::tail_of(r, lines.into())))).collect();
        // The images that run, not those registered: after an edit they differ, and only the one that runs says which
        // variables are its own. Its id is not known before this exec, so the host's shell hands it on.
        let containers = registered.iter().map(|r| r.container.as_str());
        script.plain(&format!("I=$({} 2>/dev/null)", say(&command::image_ids(containers), host)));
        // With them those that the registered names stand for now: a tag may have moved.
        let names = observe::image_names(registered);
        let images = say(&command::inspect_images(names), host);
        let images = script.run(&format!("[ -z \"$I\" ] || {images} $I"));
        let sections = session.exec("get", &script, LOOK_ALLOWED)?;
        Ok(observe::read(sections.get(look), registered, Timestamp::now()).map(|seen| {
            let seen = seen.with_images(sections.get(images));
            let images = seen.images().unwrap_or_default();
            let mut pages: Vec<(GetReport, Record)> = registered
                .iter()
                .zip(&logs)
                .map(|(r, log)| {
                    let (status, record) = observe::status_of(context, r, &seen);
                    let mut page = page(r, status);
                    if let Some(container) = seen.get(&r.container) {
                        let image = images.iter().find(|i| i.id == container.image_id);
                        page.drift = drift(&r.run, container, image.map(|i| i.env_names.as_slice()))
                            .into_iter()
                            .map(DriftRow::from)
                            .collect();
                        if let Some(section) = sections.get(*log) {
                            let (lines, said) = stream::read_tail(r, &section.stdout);
                            page.log = lines;
                            page.log_error =
                                section.exit.and_then(|exit| classify(exit, &said)).map(|failure| failure.detail);
                        }
                    }
                    (page, record)
                })
                .collect();
            fill(&usage.read(&sections), registered, pages.iter_mut().map(|(page, _)| &mut page.status));
            pages
        }))
    })?;

    let mut answer = vec![];
    let mut records = vec![];
    for (host, registered, result) in answers {
        match result.map_err(|error| Trouble::host(&error, host)).and_then(|inner| inner) {
            Ok(pages) => {
                for (page, mut record) in pages {
                    let instance = Instance { server: page.name.clone(), host: page.host.clone() };
                    record.status = page.status.clone();
                    records.push((instance, record));
                    answer.push(page);
                }
            }
            Err(trouble) => answer.extend(registered.iter().map(|r| {
                let instance = r.target.instance();
                let mut page =
                    page(r, unanswered(&instance, context.state.instances.get(&instance), &trouble, Timestamp::now()));
                page.error = Some(trouble.clone());
                page
            })),
        }
    }
    Ok((answer, observe::remember_looks(context, records)))
}

fn page(r: &Registered<'_>, status: ServerStatus) -> GetReport {
    let server = r.target.server;
    GetReport {
        name: server.name.clone(),
        host: r.target.host.name.clone(),
        description: server.description.clone(),
        command: server.command.clone(),
        command_hash: r.hash(),
        stop: on_host(&super::registered::stop(server, &r.container), r.target.host),
        logs: r.logs_command(),
        stats: on_host(&super::registered::stats(server, &r.container), r.target.host),
        pull: r.pull_command(),
        rollout: server.rollout().into(),
        keep_previous: server.keep_previous().as_secs_f64(),
        port: port(r),
        tags: server.tags.clone(),
        priority: server.priority,
        enabled: server.enabled,
        status,
        drift: vec![],
        log: vec![],
        log_error: None,
        error: None,
    }
}
