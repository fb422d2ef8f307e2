//! What became of one instance: a row for the report and a record for the state.
//!
//! Boundary: a judgement over what was decided and seen; asks nobody. Next: `report` holds the rows.

use jiff::{SignedDuration, Timestamp};

use super::{
    health::{self, Checks},
    replaced,
};
use crate::{
    config::state::{Record, StoppedBy},
    docker::{
        inspect::{Container, ContainerState, short_id},
        status::{is_looping, report},
    },
    domain::{ServerStatus, Status},
    operations::{
        Context, InstanceReport, Outcome, Trouble,
        change::{Decision, Options, Ownership, is_another, is_gone, is_id, ownership},
        observe::{self, Observation, stopped_by_mcp},
        registered::Registered,
    },
    transport::script::Section,
};

/// Most characters kept of a line of a log: reports of all hosts are held at once.
const LONGEST_LINE: usize = 4096;

/// An instance's row, and what to remember of it.
pub(super) type Row = (InstanceReport, Option<Record>);

/// What a host answered that was at work: how its containers were, what its commands said, how they are.
#[derive(Clone, Copy)]
pub(super) struct Answers<'a> {
    /// What was there.
    pub(super) before: &'a Observation,
    /// What is.
    pub(super) seen: &'a Observation,
    /// How the instance's command ended.
    pub(super) job: Option<&'a Section>,
    /// The container's last log lines, where it is not up.
    pub(super) log: Option<&'a Section>,
    /// What the health checks said.
    pub(super) checks: &'a Checks,
}

/// What became of an instance whose host answered.
pub(super) fn judge(
    context: &Context<'_>,
    r: &Registered<'_>,
    decision: &Decision,
    options: Options,
    answers: Answers<'_>,
) -> Row {
    let Answers { before, seen, job, log, checks } = answers;
    let instance = r.target.instance();
    let previous = context.state.instances.get(&instance);
    let container = seen.get(&r.container);
    let was = before.get(&r.container);

    let mut record = Record {
        status: ServerStatus::bare(instance.server.clone(), instance.host.clone(), Status::Unknown, seen.at().here),
        container_id: container.map(|c| c.id.clone()),
        command_hash: None,
        stopped_by: None,
        container: Some(r.container.clone()),
        left: vec![],
    };
    let elsewhere = meddled(r, decision, was, container, job);
    let adopted = |c: &Container| ownership(r, previous, c) == Ownership::Same;
    // A replacement that failed before it began leaves the old container, which was not made from what is registered.
    let still_old = matches!(decision, Decision::Replace | Decision::StopAndReplace | Decision::Finish(_))
        && container.is_some_and(|c| was.is_some_and(|was| was.id == c.id));
    record.command_hash = match decision {
        d if d.applies_registered() && !still_old && elsewhere.is_none() => container.map(|_| r.hash()),
        Decision::PutBack { .. } | Decision::RollBack => {
            container.and_then(|c| replaced::record(context, r, (c, seen.at()), true).command_hash)
        }
        _ if container.is_some_and(adopted) => Some(r.hash()),
        _ => previous.filter(|p| p.container_id == record.container_id).and_then(|p| p.command_hash.clone()),
    };
    record.stopped_by = match decision {
        // What still lives was not stopped, and its later end is not our doing. The time is the host's own, which tells
        // whether it was started again since: the two clocks need not agree.
        Decision::Stop | Decision::PutBack { start: false } => {
            container.is_none_or(|c| !c.state.is_alive()).then(|| StoppedBy {
                who: context.actor.clone(),
                at: after_start(container, container.and_then(|c| c.finished_at).unwrap_or(seen.host_time())),
            })
        }
        d if d.is_to_run() => None,
        _ => previous.filter(|p| p.container_id == record.container_id).and_then(|p| p.stopped_by.clone()),
    };
    let by_mcp = container.is_some_and(|c| stopped_by_mcp(Some(&record), c));
    let mut status = report(&instance.server, &instance.host, container, by_mcp, seen.at());
    if let Some(container) = container {
        observe::judge_outdated(&mut status, r, (record.command_hash.as_deref(), previous), container, seen);
    }
    record.status = status.clone();

    // A command whose section did not come back may have done anything.
    let exit = if decision.action().is_some() { job.and_then(|s| s.exit) } else { Some(0) };
    let stderr = job.map(Section::stderr_text).unwrap_or_default();
    let error = match decision {
        Decision::Refuse(trouble) => Some(trouble.clone()),
        _ if elsewhere.is_some() => elsewhere.clone(),
        _ if exit != Some(0) => Trouble::docker(exit, &stderr),
        Decision::Stop if status.status == Status::Running => Some(Trouble::failed(
            "the stop string ended well, but the container still runs",
            Some("check servers.yaml: does the registered stop string name this container?".to_owned()),
        )),
        d if d.is_to_run() => not_up(r, container, was, &status, options),
        _ => None,
    };
    let error = error.map(|mut trouble| {
        trouble.log = log.map(|s| log_lines(s, seen)).unwrap_or_default();
        trouble
    });
    let outcome = match (&error, decision) {
        (Some(_), _) => Outcome::Failed,
        (None, Decision::Leave(_)) => Outcome::Unchanged,
        (None, _) => Outcome::Changed,
    };
    let note = match decision {
        Decision::Leave(note) => note.clone(),
        // It comes up at each turn of its loop as well: that it is up now proves little.
        Decision::Restart | Decision::StopAndReplace if error.is_none() => {
            was.filter(|was| was.state == ContainerState::Restarting || is_looping(was, before.at().host)).map(|_| {
                format!("it was restarting in a loop before; check again with `mcp list {}`", r.target.instance())
            })
        }
        _ => None,
    };
    let action = if error.is_some() { None } else { decision.action() };
    let mut row = InstanceReport {
        name: instance.server,
        host: instance.host,
        outcome,
        action,
        note,
        status: Some(status),
        error,
    };
    health::judge(&mut row, container, checks, options.health);
    // A container that is somebody else's is not ours to remember.
    let record = (!matches!(decision, Decision::Refuse(_))).then_some(record);
    (row, record)
}

/// That somebody other than this run has acted on the container between the two looks, where that can be seen.
fn meddled(
    r: &Registered<'_>,
    decision: &Decision,
    was: Option<&Container>,
    container: Option<&Container>,
    job: Option<&Section>,
) -> Option<Trouble> {
    let job = job?;
    let goes_by_id = match decision {
        Decision::Leave(_) | Decision::Refuse(_) | Decision::Finish(_) | Decision::PutBack { .. } => return None,
        Decision::Create | Decision::Replace | Decision::StopAndReplace | Decision::Complete | Decision::RollBack => {
            false
        }
        Decision::Stop | Decision::Restart => r.stops_by_default(),
        Decision::Start | Decision::Unpause => true,
    };
    let is_meddled = match job.exit? {
        0 => {
            // What the registered string has made says its own id, when it goes into the background.
            let said = job.stdout_text();
            let made = said.lines().last().map(str::trim).filter(|text| is_id(text));
            let ours = if goes_by_id { was.map(|was| was.id.as_str()) } else { made };
            let may_be_gone = r.run.removes_itself() || matches!(decision, Decision::Stop);
            ours.is_some_and(|ours| container.map_or(!may_be_gone, |container| container.id != ours))
        }
        code => {
            let said = job.stderr_text();
            let is_replaced = || was.is_some_and(|was| container.is_some_and(|container| container.id != was.id));
            let is_lost = || container.is_none() && !r.run.removes_itself();
            if goes_by_id { is_gone(code, &said) || is_replaced() || is_lost() } else { is_another(job) }
        }
    };
    let what = match container {
        Some(container) if was.is_some_and(|was| was.id == container.id) => "it was away for a while".to_owned(),
        Some(container) => format!("another container has its name now ({})", short_id(&container.id)),
        None => "it was removed or renamed".to_owned(),
    };
    is_meddled.then(|| {
        Trouble::failed(
            format!("somebody else acted on the container {} meanwhile: {what}", r.container),
            Some("see who works on that host besides, then run the same command again".to_owned()),
        )
    })
}

/// The lines of a log, as far as they are kept in a report.
pub(super) fn log_lines(section: &Section, seen: &Observation) -> Vec<String> {
    // What docker says where it cannot read a log is no line of it.
    let text = if section.exit == Some(0) { section.stdout_text() } else { String::new() };
    seen.without_warnings(&text).map(shortened).collect()
}

/// A line of a log, as far as it is kept in a report.
fn shortened(line: &str) -> String {
    match line.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => format!("{}… (cut)", &line[..end]),
        None => line.to_owned(),
    }
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
    let hint = if container.is_none() && r.run.removes_itself() {
        // Its log went with it.
        format!("leave `--rm` out (`mcp edit {} --command …`), start it again and read `mcp log`", r.target.server.name)
    } else {
        format!("read more with `mcp log {}`", r.target.instance())
    };
    Some(Trouble::failed(cause, Some(hint)))
}

/// A row for an instance whose host gave no answer, or was not asked: the last known status with its age is kept in view.
pub(super) fn without_answer(
    context: &Context<'_>,
    r: &Registered<'_>,
    trouble: &Trouble,
    outcome: Outcome,
) -> InstanceReport {
    let instance = r.target.instance();
    let record = context.state.instances.get(&instance);
    let known = if outcome == Outcome::NotAttempted { observe::last_known } else { observe::unanswered };
    let status = known(&instance, record, trouble, Timestamp::now());
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

/// A row for an instance that was left to whoever holds it, which `trouble` tells of: its container is as `seen`.
pub(super) fn left_alone(context: &Context<'_>, r: &Registered<'_>, seen: &Observation, trouble: Trouble) -> Row {
    let (status, record) = observe::status_of(context, r, seen);
    let instance = r.target.instance();
    let row = InstanceReport {
        name: instance.server,
        host: instance.host,
        outcome: Outcome::NotDone,
        action: None,
        note: None,
        status: Some(status),
        error: Some(trouble),
    };
    (row, Some(record))
}

/// After the connection broke while the host was at work: what needed nothing is known, the rest is not.
pub(super) fn settled_or(
    context: &Context<'_>,
    r: &Registered<'_>,
    decision: &Decision,
    before: &Observation,
    trouble: &Trouble,
) -> Row {
    match decision {
        Decision::Leave(_) | Decision::Refuse(_) => {
            let options = Options::default();
            let checks = Checks::new();
            let answers = Answers { before, seen: before, job: None, log: None, checks: &checks };
            judge(context, r, decision, options, answers)
        }
        Decision::Stop => {
            // The host goes on with it, so the end that comes is our doing and no crash.
            let (_, mut record) = observe::status_of(context, r, before);
            record.stopped_by = Some(stop_under_way(context, before, before.get(&r.container)));
            (without_answer(context, r, trouble, Outcome::Unknown), Some(record))
        }
        _ => (without_answer(context, r, trouble, Outcome::Unknown), None),
    }
}

/// The mark of a stop that the host goes on with, at the time of the look `seen`. It is past the container's start, or its end would be
/// taken for a crash.
pub(super) fn stop_under_way(context: &Context<'_>, seen: &Observation, container: Option<&Container>) -> StoppedBy {
    StoppedBy { who: context.actor.clone(), at: after_start(container, seen.host_time()) }
}

/// `at`, or just past the container's start when that is later: a stop between two restarts may meet a start that never came to an end.
fn after_start(container: Option<&Container>, at: Timestamp) -> Timestamp {
    let start = container.and_then(|c| c.started_at?.checked_add(SignedDuration::from_millis(1)).ok());
    start.map_or(at, |start| start.max(at))
}
