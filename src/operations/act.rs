//! Start, stop and restart on the fleet: one exec to look, one to act and look again.
//!
//! Boundary: decisions are `change`'s, words are `render`'s. Next: `plan` writes the script that acts, `judge` makes rows of
//! what came of it; `observe` does the looking.

mod judge;
mod plan;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use self::{
    judge::{Row, judge, settled_or, without_answer},
    plan::Plan,
};
use super::{
    ChangeReport, Context, Outcome, Trouble, TroubleKind, Verb,
    change::{Decision, Options, decide},
    observe,
    registered::Registered,
    select::Target,
};
use crate::{
    domain::Instance,
    error::CommandError,
    fleet::{HostError, Session},
    transport::script::SectionId,
};

/// Deadline of the exec that acts, unless the host or the user says otherwise: an image may have to be pulled.
const ACT_ALLOWED: Duration = Duration::from_secs(300);

/// Carries `verb` out on `targets`, which are in inventory order.
///
/// # Errors
/// Only when nothing could be begun; what happens on hosts is in the report.
pub fn change(
    context: &Context<'_>,
    targets: &[Target<'_>],
    verb: Verb,
    options: Options,
) -> Result<(ChangeReport, Vec<String>), CommandError> {
    let begin = Instant::now();
    let answers = context
        .on_each_host(targets, |session, registered| Ok(on_one_host(context, session, registered, verb, options)))?;

    let mut rows = vec![];
    let mut records = vec![];
    for (host, registered, result) in answers {
        match result {
            Ok(results) => {
                for (row, record) in results {
                    let instance = Instance { server: row.name.clone(), host: row.host.clone() };
                    records.extend(record.map(|record| (instance, record)));
                    rows.push(row);
                }
            }
            Err(error) => {
                let trouble = Trouble::host(&error, host);
                rows.extend(registered.iter().map(|r| without_answer(context, r, &trouble, Outcome::NotAttempted)));
            }
        }
    }
    let warnings = observe::remember(context, records);
    let report = ChangeReport {
        verb,
        instances: rows,
        seconds: begin.elapsed().as_secs_f64(),
        interrupted: context.fleet.cancel.is_draining(),
    };
    Ok((report, warnings))
}

/// Parses every target's string.
///
/// # Errors
/// The first string that cannot be used; loading the registry has said it before, so this is seldom seen.
pub(super) fn understand<'a>(targets: &[Target<'a>]) -> Result<Vec<Registered<'a>>, CommandError> {
    targets
        .iter()
        .map(|target| {
            Registered::new(*target).map_err(|reason| {
                CommandError::usage(format!("{}: {reason}", target.instance())).hint("see `mcp check`")
            })
        })
        .collect()
}

fn on_one_host(
    context: &Context<'_>,
    session: &mut Session<'_>,
    registered: &[Registered<'_>],
    verb: Verb,
    options: Options,
) -> Vec<Row> {
    let host = session.host();
    let alone = |outcome: Outcome, trouble: &Trouble| -> Vec<Row> {
        registered.iter().map(|r| (without_answer(context, r, trouble, outcome), None)).collect()
    };
    let before = match observe::look(session, registered) {
        Ok(observation) => observation,
        Err(trouble) => {
            let outcome = if trouble.kind == TroubleKind::Failed { Outcome::Failed } else { Outcome::Unreachable };
            return alone(outcome, &trouble);
        }
    };
    let decisions: Vec<Decision> = registered
        .iter()
        .map(|r| {
            let record = context.state.instances.get(&r.target.instance());
            decide(verb, options, r, record, before.get(&r.container))
        })
        .collect();
    if context.fleet.cancel.is_draining() {
        return alone(Outcome::NotAttempted, &Trouble::host(&HostError::NotAttempted, host));
    }

    let plan = Plan::new(host, verb, options, registered, &decisions);
    let mut after = None;
    if let Some(script) = &plan.script {
        match session.exec(verb.as_str(), script, options.settle + ACT_ALLOWED) {
            Ok(sections) => after = Some(sections),
            Err(error) => {
                let trouble = Trouble::host(&error, host);
                return registered
                    .iter()
                    .zip(&decisions)
                    .map(|(r, decision)| settled_or(context, r, decision, &before, &trouble))
                    .collect();
            }
        }
    }
    let seen = match (&after, plan.look) {
        (Some(sections), Some(id)) => match observe::read(sections.get(id)) {
            Ok(observation) => observation,
            Err(trouble) => return alone(Outcome::Unknown, &trouble),
        },
        _ => before.clone(),
    };
    registered
        .iter()
        .zip(&decisions)
        .map(|(r, decision)| {
            let section = |ids: &BTreeMap<String, SectionId>| {
                let id = ids.get(r.target.server.name.as_str())?;
                after.as_ref()?.get(*id)
            };
            let (job, log) = (section(&plan.jobs), section(&plan.logs));
            judge(context, r, decision, &before, &seen, job, log, options)
        })
        .collect()
}
