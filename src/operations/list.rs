//! `mcp list`: the status of every selected instance, asked or remembered.
//!
//! Boundary: one exec per host. Next: `observe` for the question, `usage` for stats and GPUs.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{
    Context, Trouble,
    observe::{self, LOOK_ALLOWED, exit_of, port},
    registered::Registered,
    select::{StatusFilter, Target},
    usage::{UsagePlan, fill},
};
use crate::{
    config::state::{Record, State},
    domain::{ServerName, ServerStatus, Status},
    error::{CommandError, Exit},
    transport::script::Script,
};

/// The answer of `mcp list`.
#[derive(Debug, Clone)]
pub struct ListReport {
    /// One per instance with its port, sorted by name, then by host.
    pub rows: Vec<(ServerStatus, Option<u16>)>,
    /// Hosts without an answer.
    pub troubles: Vec<(String, Trouble)>,
}

impl ListReport {
    fn sort(&mut self) {
        self.rows.sort_by(|(a, _), (b, _)| (&a.name, &a.host).cmp(&(&b.name, &b.host)));
    }

    /// Leaves only what `filter` accepts. Hosts without an answer stay named.
    pub fn retain(&mut self, filter: &StatusFilter) {
        self.rows.retain(|(status, _)| filter.accepts(status));
    }

    /// The records alone.
    pub fn statuses(&self) -> impl Iterator<Item = &ServerStatus> {
        self.rows.iter().map(|(status, _)| status)
    }

    /// The exit code: a host without an answer is not well; a stopped server is.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.troubles.iter().fold(Exit::Ok, |exit, (_, trouble)| exit.or(exit_of(trouble)))
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
    let answers = context.on_each_host(targets, |session, registered| {
        let mut script = Script::new();
        let look = observe::ask(&mut script, session, registered);
        let images = observe::ask_images(&mut script, session.host(), registered);
        let usage = with_usage.then(|| UsagePlan::new(&mut script, session.host(), registered));
        let sections = session.exec("list", &script, LOOK_ALLOWED)?;
        Ok(observe::read(sections.get(look), Timestamp::now()).map(|seen| {
            let seen = seen.with_images(images.and_then(|id| sections.get(id)));
            let mut rows: Vec<(ServerStatus, Record)> =
                registered.iter().map(|r| observe::status_of(context, r, &seen)).collect();
            if let Some(usage) = usage {
                fill(&usage.read(&sections), registered, rows.iter_mut().map(|(status, _)| status));
            }
            rows
        }))
    })?;

    let mut answer = ListReport { rows: vec![], troubles: vec![] };
    let mut records = vec![];
    for (host, registered, result) in answers {
        let result = result.map_err(|error| Trouble::host(&error, host)).and_then(|inner| inner);
        match result {
            Ok(rows) => {
                for ((status, mut record), r) in rows.into_iter().zip(&registered) {
                    record.status = status.clone();
                    records.push((r.target.instance(), record));
                    answer.rows.push((status, port(r)));
                }
            }
            Err(trouble) => {
                let now = Timestamp::now();
                for r in &registered {
                    let instance = r.target.instance();
                    let status = observe::unanswered(&instance, context.state.instances.get(&instance), &trouble, now);
                    answer.rows.push((status, port(r)));
                }
                answer.troubles.push((host.name.to_string(), trouble));
            }
        }
    }
    answer.sort();
    let warnings = observe::remember_looks(context, records);
    Ok((answer, warnings))
}

/// What is remembered of every target, without asking anybody.
#[must_use]
pub fn cached(state: &State, targets: &[Target<'_>]) -> ListReport {
    let mut answer = ListReport { rows: vec![], troubles: vec![] };
    let mut ports: HashMap<&ServerName, Option<u16>> = HashMap::new();
    for target in targets {
        let instance = target.instance();
        let status = match state.instances.get(&instance) {
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
        };
        let port = ports
            .entry(&target.server.name)
            .or_insert_with(|| Registered::new(*target).ok().and_then(|r| observe::port(&r)));
        answer.rows.push((status, *port));
    }
    answer.sort();
    answer
}
