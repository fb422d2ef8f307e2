//! Start, stop and restart on the fleet: one exec to look, one to act and look again.
//!
//! Boundary: decisions are `change`'s, words are `render`'s. Next: `plan` writes the script that acts, `judge` makes rows of
//! what came of it, `afterwards` when the connection was lost over it; `observe` does the looking.

mod afterwards;
mod health;
pub(super) mod images;
mod judge;
mod plan;
mod replaced;
mod verdict;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use self::{
    afterwards::Work,
    judge::{Answers, Row, judge, left_alone, without_answer},
    plan::Plan,
    replaced::Said,
};
use super::{
    ChangeReport, Context, InstanceReport, Outcome, Trouble, TroubleKind, Verb,
    aftermath::Attempt,
    change::{
        Decision, Options,
        replace::{self, Pair},
    },
    locks::{self, LEASE_MARGIN, Round, until_free},
    observe::{self, Observation},
    on_demand,
    recorder::Recorder,
    registered::Registered,
    run::Course,
    select::Target,
};
use crate::{
    domain::{Host, Instance},
    error::CommandError,
    fleet::{Halt, HostError, Session},
    transport::{
        lease::{self, Holder},
        script::SectionId,
    },
};

/// Deadline of the exec that acts, unless the host or the user says otherwise: an image may have to be pulled.
const ACT_ALLOWED: Duration = Duration::from_secs(300);

/// Carries `verb` out on the hosts of `work`, which are in inventory order, as `course` says.
///
/// # Errors
/// Only when nothing could be begun; what happens on hosts is in the report.
pub(super) fn change(
    context: &Context<'_>,
    work: &[(&Host, Vec<Registered<'_>>)],
    verb: Verb,
    options: Options,
    course: &Course<'_>,
) -> Result<(ChangeReport, Vec<String>), CommandError> {
    let begin = Instant::now();
    let failed = |rows: &Vec<InstanceReport>| {
        rows.iter().any(|row| !row.outcome.is_ok() && row.outcome != Outcome::NotAttempted)
    };
    let rolled = context
        .fleet
        .roll(work, course.batches, course.rolling, failed, |session, registered, halt| {
            let begin = Instant::now();
            let rows = on_one_host(context, session, registered, verb, options, halt, course.recorder)?;
            let (rows, records): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
            course.recorder.results(&rows, begin.elapsed());
            let instances = rows.iter().map(|row| Instance { server: row.name.clone(), host: row.host.clone() });
            course.keeper.keep(session.host(), instances.zip(records).filter_map(|(i, record)| Some((i, record?))));
            Ok(rows)
        })
        .map_err(|e| CommandError::failed("cannot start the workers").because(&e).hint("use fewer --forks"))?;

    let mut rows = vec![];
    for ((host, registered), outcome) in work.iter().zip(rolled.outcomes) {
        match outcome.result {
            Ok(results) => rows.extend(results),
            Err(error) => {
                let trouble = Trouble::host(&error, host);
                rows.extend(registered.iter().map(|r| without_answer(context, r, &trouble, Outcome::NotAttempted)));
            }
        }
    }
    let warnings = course.keeper.flush();
    let report = ChangeReport {
        verb,
        instances: rows,
        seconds: begin.elapsed().as_secs_f64(),
        interrupted: context.fleet.cancel.is_draining(),
        run: None,
        batches: course.batches.len(),
        batches_begun: rolled.begun,
        halted: rolled.halted,
    };
    Ok((report, warnings))
}

/// Parses every target's string.
///
/// # Errors
/// The first string that cannot be used; loading the registry has said it before, so this is seldom seen.
pub(super) fn understand<'a>(targets: &[Target<'a>]) -> Result<Vec<Registered<'a>>, CommandError> {
    Registered::all(targets).map_err(|(target, reason)| {
        CommandError::usage(format!("{}: {reason}", target.instance())).hint("see `mcp check`")
    })
}

fn on_one_host(
    context: &Context<'_>,
    session: &mut Session<'_>,
    registered: &[Registered<'_>],
    verb: Verb,
    options: Options,
    halt: &Halt,
    recorder: &Recorder<'_>,
) -> Result<Vec<Row>, HostError> {
    // They have no container to look at, and nothing to act on.
    let (single, others): (Vec<Registered<'_>>, Vec<_>) =
        registered.iter().cloned().partition(|r| r.run.is_on_demand());
    let mut single = if single.is_empty() { vec![] } else { on_demand::change(session, &single, verb)? }.into_iter();
    if others.is_empty() {
        return Ok(single.collect());
    }
    let task = Task { context, verb, options, halt, recorder };
    let host = session.host();
    let failed = |r: &Registered<'_>, error: &HostError| {
        (without_answer(context, r, &Trouble::host(error, host), Outcome::Unreachable), None)
    };
    let goes_on = || halt.error().is_none();
    let rows = until_free(context, &others, goes_on, |registered| task.round(session, registered), failed)?;
    let mut rows = rows.into_iter();
    let own = |r: &Registered<'_>| if r.run.is_on_demand() { single.next() } else { rows.next() };
    Ok(registered.iter().filter_map(own).collect())
}

/// What is done on one host, but for whom.
struct Task<'a> {
    context: &'a Context<'a>,
    verb: Verb,
    options: Options,
    halt: &'a Halt,
    recorder: &'a Recorder<'a>,
}

/// What a look has given.
struct Looked<'r> {
    before: Observation,
    held: lease::Taken,
    decisions: Vec<Decision>,
    missing: Vec<&'r str>,
}

impl Task<'_> {
    /// Looks and decides.
    fn look<'r>(&self, session: &mut Session<'_>, registered: &'r [Registered<'_>]) -> Result<Looked<'r>, Trouble> {
        let Self { context, verb, options, .. } = *self;
        let wants = observe::Wants { leases: context.patience.is_some(), images: verb != Verb::Stop };
        let (before, held, missing) = observe::look(session, registered, wants)?;
        let decide = |r: &Registered<'_>| {
            let record = context.state.instances.get(&r.target.instance());
            match replace::decide(verb, options, r, record, Pair::of_verb(verb, &before, r), before.at().host) {
                // Another run is changing it, so what was seen of it is of no use.
                decision if decision.action().is_some() && held.held.contains_key(&r.container) => {
                    Decision::Leave(None)
                }
                decision => decision,
            }
        };
        let decisions = registered.iter().map(decide).collect();
        Ok(Looked { before, held, decisions, missing })
    }

    /// Pulls the images that are needed and missing, or are to be pulled each time, and looks again: that may have taken long. What cannot
    /// be pulled is refused, with nothing stopped for it.
    fn with_images<'r>(
        &self,
        session: &mut Session<'_>,
        registered: &'r [Registered<'_>],
        seen: Looked<'r>,
    ) -> Result<Looked<'r>, Trouble> {
        let mut seen = seen;
        for (r, decision) in registered.iter().zip(&mut seen.decisions) {
            if let Some(trouble) = images::never_pulled(r, &seen.missing).filter(|_| images::is_needed(decision)) {
                *decision = Decision::Refuse(trouble);
            }
        }
        let needed = registered.iter().zip(&seen.decisions).filter(|(_, decision)| images::is_needed(decision));
        let wanted = images::wanted(needed.map(|(r, _)| r), &seen.missing);
        if wanted.is_empty() || self.context.fleet.cancel.is_draining() || self.halt.error().is_some() {
            return Ok(seen);
        }
        let failed = images::pull(session, &wanted)?;
        if failed.len() < wanted.len() {
            let again = self.look(session, registered)?;
            let refused =
                seen.decisions.into_iter().map(|decision| matches!(decision, Decision::Refuse(_)).then_some(decision));
            let decisions =
                refused.zip(again.decisions).map(|(refused, decision)| refused.unwrap_or(decision)).collect();
            seen = Looked { decisions, ..again };
        }
        for (r, decision) in registered.iter().zip(&mut seen.decisions) {
            if let Some(trouble) = failed.get(&r.pull_command()).filter(|_| images::is_needed(decision)) {
                *decision = Decision::Refuse(trouble.clone());
            }
        }
        Ok(seen)
    }

    /// Looks, decides, acts and looks again. Gives a row for each of `registered`, and which of them somebody else holds.
    fn round(&self, session: &mut Session<'_>, registered: &[Registered<'_>]) -> Result<Round<Row>, HostError> {
        let Self { context, verb, options, .. } = *self;
        let host = session.host();
        let alone = |outcome: Outcome, trouble: &Trouble| {
            let row = |r| (without_answer(context, r, trouble, outcome), None);
            Ok((registered.iter().map(row).collect(), vec![]))
        };
        let outcome_of = |trouble: &Trouble| match trouble.kind {
            TroubleKind::Failed => Outcome::Failed,
            TroubleKind::Unreachable => Outcome::Unreachable,
            TroubleKind::Interrupted | TroubleKind::Halted => Outcome::NotAttempted,
        };
        let seen = self.look(session, registered).and_then(|seen| self.with_images(session, registered, seen));
        let Looked { before, held: held_before, decisions, .. } = match seen {
            Ok(seen) => seen,
            Err(trouble) => return alone(outcome_of(&trouble), &trouble),
        };
        if context.fleet.cancel.is_draining() {
            return Err(HostError::NotAttempted);
        }
        if let Some(error) = self.halt.error() {
            return Err(error);
        }

        let acted_on = registered.iter().zip(&decisions).filter(|(_, decision)| decision.action().is_some());
        self.recorder.attempt(acted_on.map(|(r, _)| r.target.instance()).collect());
        let options = health::options(options, registered, &decisions, &before);
        let allowed = options.settle + options.health.unwrap_or_default() + ACT_ALLOWED;
        let run = self.recorder.id().map(ToString::to_string);
        let holder = Holder { owner: &context.actor, purpose: verb.as_str(), run: run.as_deref() };
        let wish = context.patience.map(|_| (holder, session.allowed(allowed) + LEASE_MARGIN));
        let stamp = self.recorder.stamp();
        let mut plan = Plan::new(host, verb, options, (registered, &decisions), &before, wish, stamp);
        let mut after = None;
        if let Some(script) = &mut plan.script {
            let attempt = Attempt::new(script, session, before.clock(), allowed);
            match session.exec(verb.as_str(), script, allowed) {
                Ok(sections) => after = Some(sections),
                Err(error) => {
                    let (decisions, before, recorder) = (&decisions, &before, self.recorder);
                    let work = Work { context, verb, options, registered, decisions, before, recorder };
                    return Ok((afterwards::rows(&work, session, &attempt, &error), vec![]));
                }
            }
        }
        let seen = match (&after, plan.look) {
            (Some(sections), Some(id)) => match observe::read(sections.get(id), registered, Timestamp::now()) {
                Ok(observation) => observation,
                Err(trouble) => return alone(Outcome::Unknown, &trouble),
            },
            _ => before.clone(),
        };
        let sections = after.as_ref();
        let last = sections.map_or_else(|| seen.clone(), |sections| plan.last(sections, &seen, registered));
        let checks = health::read(plan.health.and_then(|id| sections?.get(id)));
        let leases = plan.leases.and_then(|id| sections?.get(id)).map(lease::taken).unwrap_or_default();
        let (mut rows, mut held) = (vec![], vec![]);
        for (index, (r, decision)) in registered.iter().zip(&decisions).enumerate() {
            // Also what needed nothing when it was looked at: another run is changing it.
            let leases = if decision.action().is_some() { &leases } else { &held_before };
            let refused = matches!(decision, Decision::Refuse(_));
            if let Some(trouble) = locks::refusal(leases, &r.container).filter(|_| !refused) {
                if leases.trouble.is_none() {
                    held.push(index);
                }
                rows.push(left_alone(context, r, &seen, trouble));
                continue;
            }
            let section = |ids: &BTreeMap<String, SectionId>| {
                let id = ids.get(r.target.server.name.as_str())?;
                sections?.get(*id)
            };
            let (job, log) = (section(&plan.jobs), section(&plan.logs));
            let answers = Answers { before: &before, seen: &seen, job, log, checks: &checks };
            let row = judge(context, r, decision, options, answers);
            rows.push(match plan.replacements.get(r.target.server.name.as_str()) {
                Some(_) if matches!(decision, Decision::PutBack { .. }) => row,
                Some(replacement) => {
                    let said = Said { job, finish: section(&plan.finishes), last: &last };
                    replaced::finished(context, r, replacement, row, said)
                }
                None => row,
            });
        }
        Ok((rows, held))
    }
}
