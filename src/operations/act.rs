//! Start, stop and restart on the fleet: one exec to look, one to act and look again.
//!
//! Boundary: decisions are `change`'s, words are `render`'s. Next: `observe` for the looking.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{
    ChangeReport, Context, InstanceReport, Outcome, Trouble, TroubleKind, Verb,
    change::{Decision, Options, Ownership, decide, ownership},
    observe::{self, Observation, stopped_by_mcp},
    registered::{Registered, say},
    select::Target,
};
use crate::{
    config::state::{Record, StoppedBy},
    docker::{command, inspect::Container, status::report},
    domain::{Host, Instance, ServerStatus, Status},
    error::CommandError,
    fleet::{HostError, Session},
    transport::script::{Script, Section, SectionId},
};

/// Deadline of the exec that acts, unless the host or the user says otherwise: an image may have to be pulled.
const ACT_ALLOWED: Duration = Duration::from_secs(300);

/// Most containers of one host that are worked on at once.
const AT_ONCE: usize = 10;

/// Log lines shown of a container that did not stay up.
const LAST_LINES: u64 = 20;

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

type Row = (InstanceReport, Option<Record>);

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

/// The script that acts on one host, and where its answers will be.
struct Plan {
    script: Option<Script>,
    jobs: BTreeMap<String, SectionId>,
    logs: BTreeMap<String, SectionId>,
    look: Option<SectionId>,
}

impl Plan {
    fn new(host: &Host, verb: Verb, options: Options, registered: &[Registered<'_>], decisions: &[Decision]) -> Self {
        let mut steps: Vec<(i64, &Registered<'_>, String)> = registered
            .iter()
            .zip(decisions)
            .filter_map(|(r, d)| {
                let priority = i64::from(r.target.server.priority);
                Some((if verb == Verb::Stop { -priority } else { priority }, r, d.code(r)?))
            })
            .collect();
        let mut plan = Self { script: None, jobs: BTreeMap::new(), logs: BTreeMap::new(), look: None };
        if steps.is_empty() {
            return plan;
        }
        steps.sort_by_key(|(priority, ..)| *priority);
        let mut script = Script::new();
        script.export(&host.env);
        script.outlive_connection();
        for group in steps.chunk_by(|a, b| a.0 == b.0) {
            let codes: Vec<String> = group.iter().map(|(_, _, code)| code.clone()).collect();
            let ids = script.side_by_side(&codes, AT_ONCE);
            plan.jobs.extend(group.iter().map(|(_, r, _)| r.target.server.name.to_string()).zip(ids));
        }
        let started: Vec<&Registered<'_>> =
            registered.iter().zip(decisions).filter(|(_, d)| d.applies_registered()).map(|(r, _)| r).collect();
        if !started.is_empty() {
            let names: Vec<&str> = started.iter().map(|r| r.container.as_str()).collect();
            let settle = options.settle.as_secs_f64();
            if settle > 0.0 {
                script.plain(&format!("sleep {settle} 2>/dev/null || sleep {}", settle.ceil()));
            }
            script.plain(&format!("mcp_down=$({} 2>/dev/null)", say(&command::names_not_up(&names), host)));
            for r in started {
                // The names come one a line with a leading slash; a shell pattern finds one without another process.
                let last = say(&command::logs(&r.container).tail(LAST_LINES).command(), host);
                let id =
                    script.run(&format!("case \"\n$mcp_down\n\" in *'\n'/{}'\n'*) {last} 2>&1;; esac", r.container));
                plan.logs.insert(r.target.server.name.to_string(), id);
            }
        }
        let names: Vec<&str> = registered.iter().map(|r| r.container.as_str()).collect();
        plan.look = Some(script.run(&say(&command::inspect(&names), host)));
        plan.script = Some(script);
        plan
    }
}

#[expect(clippy::too_many_arguments, reason = "all that is known of one instance comes together here, once")]
fn judge(
    context: &Context<'_>,
    r: &Registered<'_>,
    decision: &Decision,
    before: &Observation,
    seen: &Observation,
    job: Option<&Section>,
    log: Option<&Section>,
    options: Options,
) -> Row {
    let now = Timestamp::now();
    let instance = r.target.instance();
    let previous = context.state.instances.get(&instance);
    let container = seen.get(&r.container);
    let was = before.get(&r.container);

    let mut record = Record {
        status: ServerStatus::bare(instance.server.clone(), instance.host.clone(), Status::Unknown, now),
        container_id: container.map(|c| c.id.clone()),
        command_hash: None,
        stopped_by: None,
    };
    let adopted = |c: &Container| ownership(r, previous, c) == Ownership::Same;
    // A replacement that failed before it began leaves the old container, which was not made from what is registered.
    let still_old = matches!(decision, Decision::Replace | Decision::StopAndReplace)
        && container.is_some_and(|c| was.is_some_and(|was| was.id == c.id));
    record.command_hash = match decision {
        d if d.applies_registered() && !still_old => container.map(|_| r.hash()),
        _ if container.is_some_and(adopted) => Some(r.hash()),
        _ => previous.filter(|p| p.container_id == record.container_id).and_then(|p| p.command_hash.clone()),
    };
    record.stopped_by = match decision {
        // What still lives was not stopped, and its later end is not our doing. The time is the host's own, which tells
        // whether it was started again since: the two clocks need not agree.
        Decision::Stop => container.is_none_or(|c| !c.state.is_alive()).then(|| StoppedBy {
            who: context.actor.clone(),
            at: container.and_then(|c| c.finished_at).unwrap_or(now),
        }),
        d if d.applies_registered() => None,
        _ => previous.filter(|p| p.container_id == record.container_id).and_then(|p| p.stopped_by.clone()),
    };
    let by_mcp = container.is_some_and(|c| stopped_by_mcp(Some(&record), c));
    let status = report(&instance.server, &instance.host, container, by_mcp, now);
    record.status = status.clone();

    // A command whose section did not come back may have done anything.
    let exit = if decision.action().is_some() { job.and_then(|s| s.exit) } else { Some(0) };
    let stderr = job.map(Section::stderr_text).unwrap_or_default();
    let error = match decision {
        Decision::Refuse(trouble) => Some(trouble.clone()),
        _ if exit != Some(0) => Trouble::docker(exit, &stderr),
        Decision::Stop if status.status == Status::Running => Some(Trouble::failed(
            "the stop string ended well, but the container still runs",
            Some("check servers.yaml: does the registered stop string name this container?".to_owned()),
        )),
        d if d.applies_registered() => not_up(r, container, was, &status, options),
        _ => None,
    };
    let error = error.map(|mut trouble| {
        trouble.log = log.map(|s| s.stdout_text().lines().map(str::to_owned).collect()).unwrap_or_default();
        trouble
    });
    let outcome = match (&error, decision) {
        (Some(_), _) => Outcome::Failed,
        (None, Decision::Leave(_)) => Outcome::Unchanged,
        (None, _) => Outcome::Changed,
    };
    let note = match decision {
        Decision::Leave(note) => note.clone(),
        _ => None,
    };
    let action = if error.is_some() { None } else { decision.action() };
    let row = InstanceReport {
        name: instance.server,
        host: instance.host,
        outcome,
        action,
        note,
        status: Some(status),
        error,
    };
    // A container that is somebody else's is not ours to remember.
    let record = (!matches!(decision, Decision::Refuse(_))).then_some(record);
    (row, record)
}

/// Why a container that was to run does not, after its settle time.
fn not_up(
    r: &Registered<'_>,
    container: Option<&Container>,
    was: Option<&Container>,
    status: &ServerStatus,
    options: Options,
) -> Option<Trouble> {
    let within = options.settle.as_secs_f64();
    let cause = match (container, status.status) {
        (None, _) if r.run.removes_itself() => {
            format!("the container ended within {within} s and removed itself (--rm)")
        }
        (None, _) => "docker reported success, but there is no container of that name".to_owned(),
        (Some(container), Status::Running) => {
            let before = was.filter(|w| w.id == container.id).map_or(0, |w| w.restart_count);
            if container.restart_count <= before {
                return None;
            }
            "the container came up, ended and was restarted by its restart policy".to_owned()
        }
        (Some(_), _) => {
            let message = status.message.clone().unwrap_or_else(|| status.status.as_str().to_owned());
            format!("the container did not stay up for {within} s: {message}")
        }
    };
    Some(Trouble::failed(cause, Some(format!("read more with `mcp log {}`", r.target.instance()))))
}

/// A row for an instance whose host gave no answer: the last known status with its age is kept in view.
fn without_answer(context: &Context<'_>, r: &Registered<'_>, trouble: &Trouble, outcome: Outcome) -> InstanceReport {
    let instance = r.target.instance();
    let status = observe::unanswered(&instance, context.state.instances.get(&instance), trouble);
    InstanceReport {
        name: instance.server,
        host: instance.host,
        outcome,
        action: None,
        note: None,
        status: Some(status),
        error: Some(trouble.clone()),
    }
}

/// After the connection broke while the host was at work: what needed nothing is known, the rest is not.
fn settled_or(
    context: &Context<'_>,
    r: &Registered<'_>,
    decision: &Decision,
    before: &Observation,
    trouble: &Trouble,
) -> Row {
    match decision {
        Decision::Leave(_) | Decision::Refuse(_) => {
            let options = Options { settle: Duration::ZERO, replace: false, recreate: false };
            judge(context, r, decision, before, before, None, None, options)
        }
        Decision::Stop => {
            // The host goes on with it, so the end that comes is our doing and no crash.
            let (_, mut record) = observe::status_of(context, r, before);
            record.stopped_by = Some(StoppedBy { who: context.actor.clone(), at: Timestamp::now() });
            (without_answer(context, r, trouble, Outcome::Unknown), Some(record))
        }
        _ => (without_answer(context, r, trouble, Outcome::Unknown), None),
    }
}
