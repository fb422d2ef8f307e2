//! The rows of a host whose connection was lost while it was at work: it is asked for the state of each instance, and what its script has
//! left half-done is finished or undone.
//!
//! Boundary: asks by `aftermath`, decides by `verdict`, acts by `plan`, words rows. Next: `judge` for what is seen of a container.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{
    health,
    judge::{Answers, Row, judge, log_lines, settled_or, stop_under_way, without_answer},
    plan::{self, Plan},
    replaced,
    verdict::{Nature, Verdict},
};
use crate::{
    config::state::StoppedBy,
    docker::{inspect::Container, replacement::Replacement, status::report},
    domain::Health,
    fleet::{HostError, Session},
    operations::{
        Context, InstanceReport, Outcome, Trouble, TroubleKind, Verb,
        aftermath::{Aftermath, Attempt, PATIENCE},
        change::{
            Decision, Options,
            replace::{self, Pair},
        },
        locks::LEASE_MARGIN,
        observe::{self, Observation},
        recorder::Recorder,
        registered::Registered,
    },
    transport::{
        lease::Holder,
        script::{Section, SectionId},
    },
};

/// What was to be done on one host.
pub(super) struct Work<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) verb: Verb,
    pub(super) options: Options,
    pub(super) registered: &'a [Registered<'a>],
    pub(super) decisions: &'a [Decision],
    pub(super) before: &'a Observation,
    pub(super) recorder: &'a Recorder<'a>,
}

/// How long the repair of what was left half-done may take.
const REPAIR_ALLOWED: Duration = Duration::from_secs(120);

/// Where the answers of the later look are.
struct Ids {
    logs: BTreeMap<String, SectionId>,
    health: Option<SectionId>,
    look: SectionId,
    signalled: SectionId,
}

/// Finds out what `attempt` did before and after `error`.
pub(super) fn rows(work: &Work<'_>, session: &mut Session<'_>, attempt: &Attempt, error: &HostError) -> Vec<Row> {
    let trouble = Trouble::host(error, session.host());
    if !Attempt::is_open_after(error) {
        // An interrupt leaves no time to ask; the rest says that nothing was begun.
        let nothing = !matches!(trouble.kind, TroubleKind::Interrupted);
        return work.each(|r, decision| {
            if nothing && decision.action().is_some() {
                (without_answer(work.context, r, &trouble, Outcome::NotDone), None)
            } else {
                work.unasked(r, decision, &trouble)
            }
        });
    }
    match work.find_out(session, attempt) {
        Ok((found, seen)) => {
            let repaired = work.repair(session, &found, &seen);
            let last = repaired.as_ref().unwrap_or(&seen);
            work.each(|r, decision| work.row(r, decision, &found, (&seen, last), &trouble))
        }
        Err(Trouble { kind: TroubleKind::Interrupted, cause, phase, .. }) => {
            let trouble = Trouble { kind: TroubleKind::Interrupted, cause, phase, ..trouble };
            work.each(|r, decision| work.unasked(r, decision, &trouble))
        }
        Err(later) => {
            let cause = format!("{}; what became of it could not be asked: {}", trouble.cause, later.cause);
            let hint = "the host may still be at work; look with `mcp list`".to_owned();
            let trouble = Trouble { cause, hint: Some(hint), ..trouble };
            work.each(|r, decision| work.unasked(r, decision, &trouble))
        }
    }
}

impl Work<'_> {
    fn each(&self, row: impl Fn(&Registered<'_>, &Decision) -> Row) -> Vec<Row> {
        self.registered.iter().zip(self.decisions).map(|(r, decision)| row(r, decision)).collect()
    }

    /// The row of an instance that could not be asked after. One that needed nothing is well as it was, unless its health was waited
    /// for and had not passed.
    fn unasked(&self, r: &Registered<'_>, decision: &Decision, trouble: &Trouble) -> Row {
        let health = self.before.get(&r.container).and_then(|c| c.health);
        let (mut row, record) = settled_or(self.context, r, decision, self.before, trouble);
        if self.options.health.is_some()
            && row.outcome == Outcome::Unchanged
            && !matches!(health, None | Some(Health::Healthy))
        {
            row.outcome = Outcome::Unknown;
            row.note = None;
            row.error = Some(trouble.clone());
        }
        (row, record)
    }

    /// Looks as soon as the script is not at work. If it was never seen and did not do all, it may not have begun, and the look is
    /// repeated when it can begin no more.
    fn find_out(&self, session: &mut Session<'_>, attempt: &Attempt) -> Result<(Aftermath<Ids>, Observation), Trouble> {
        let (found, seen) = self.ask(session, attempt, false)?;
        let is_done = |(r, decision): (&Registered<'_>, &Decision)| {
            decision.action().is_none()
                || matches!(self.verdict(r, decision, &seen), Verdict::Done | Verdict::Refused | Verdict::Back)
        };
        if found.is_over || found.at_work || self.registered.iter().zip(self.decisions).all(is_done) {
            return Ok((found, seen));
        }
        self.ask(session, attempt, true)
    }

    /// Asks until docker answers, for a while: the engine of a host that was started anew comes later than its sshd.
    fn ask(
        &self,
        session: &mut Session<'_>,
        attempt: &Attempt,
        to_the_end: bool,
    ) -> Result<(Aftermath<Ids>, Observation), Trouble> {
        let host = session.host();
        let (started, keeps) = (plan::started(self.registered, self.decisions), self.keeps());
        let options = health::options(self.options, self.registered, self.decisions, self.before);
        let waits = self.options.settle + options.health.unwrap_or_default();
        let until = Instant::now() + session.allows(PATIENCE);
        let mut is_first = true;
        loop {
            let found = attempt
                .ask(session, waits, to_the_end, |script| {
                    if !is_first {
                        script.plain("sleep 1");
                    }
                    if !started.is_empty()
                        && let Some(settle) = plan::settle(self.options, host, &started, keeps)
                    {
                        script.plain(&format!("[ $mcp_busy = 1 ] || {{ {settle}; }}"));
                    }
                    let meant = plan::meant_to_run(self.registered, self.decisions);
                    let health = options.health.map(|allowed| health::wait(script, host, &meant, allowed));
                    // The signals are asked for after the look, so that a stop that was over by then has shown its effect.
                    let (look, logs) = plan::look(script, host, self.registered, &started, (options, keeps));
                    Ids { logs, health, look, signalled: script.run(&attempt.signalled(host, waits)) }
                })
                .map_err(|error| Trouble::host(&error, host))?;
            is_first = false;
            match observe::read(found.sections.get(found.ids.look), self.registered, Timestamp::now()) {
                Ok(seen) => return Ok((found, seen)),
                Err(_) if Instant::now() < until && !session.is_abandoned() => {}
                Err(trouble) => return Err(trouble),
            }
        }
    }

    /// How `decision` was to replace the container of `r`.
    fn replacement(&self, r: &Registered<'_>, decision: &Decision) -> Option<Replacement> {
        let is_one = !matches!(decision, Decision::Restart | Decision::Start | Decision::Unpause);
        replace::replacement(decision, r, Pair::of_verb(self.verb, self.before, r)).filter(|_| is_one)
    }

    /// Whether any container is kept aside.
    fn keeps(&self) -> bool {
        self.registered.iter().zip(self.decisions).any(|(r, decision)| self.replacement(r, decision).is_some())
    }

    fn verdict(&self, r: &Registered<'_>, decision: &Decision, seen: &Observation) -> Verdict {
        if let Some(replacement) = self.replacement(r, decision) {
            let (before, after) = (Pair::of_verb(self.verb, self.before, r), Pair::of(seen, r));
            return match (Verdict::of_replacement(&replacement, before, after), decision) {
                (Verdict::Back, Decision::PutBack { .. }) => Verdict::Done,
                (verdict, _) => verdict,
            };
        }
        let nature = Nature { removes_itself: r.run.removes_itself(), stops_by_default: r.stops_by_default() };
        Verdict::new(decision, nature, self.before.get(&r.container), seen.get(&r.container))
    }

    /// How to finish or undo what the script has left half-done: nobody else does before the next command.
    fn remedy(&self, r: &Registered<'_>, decision: &Decision, found: &Aftermath<Ids>, seen: &Observation) -> Decision {
        let replacement = self.replacement(r, decision);
        let pair = Pair::of(seen, r);
        match (self.verdict(r, decision, seen), replacement) {
            (Verdict::Half(_), Some(old)) if pair.previous.is_some_and(|c| c.id == old.old) => {
                if pair.current.is_some_and(|c| c.state.is_alive()) {
                    Decision::Finish(None)
                } else {
                    Decision::PutBack { start: old.starts }
                }
            }
            (Verdict::Half(_), Some(old)) if pair.current.is_some_and(|c| c.id == old.old) => Decision::Start,
            // The engine still ends the container, and no script is left that would start it again.
            (Verdict::NotDone, Some(_)) if self.is_signalled(r, found, seen) => Decision::Restart,
            (Verdict::Half(_), None) if *decision == Decision::Restart && pair.current.is_some() => Decision::Start,
            _ => Decision::Leave(None),
        }
    }

    /// Puts right what the script has left half-done, when it is over, and looks again.
    fn repair(&self, session: &mut Session<'_>, found: &Aftermath<Ids>, seen: &Observation) -> Option<Observation> {
        let remedies: Vec<Decision> =
            self.registered.iter().zip(self.decisions).map(|(r, d)| self.remedy(r, d, found, seen)).collect();
        if !found.is_over || session.is_abandoned() || remedies.iter().all(|remedy| remedy.action().is_none()) {
            return None;
        }
        let run = self.recorder.id().map(ToString::to_string);
        let holder = Holder { owner: &self.context.actor, purpose: self.verb.as_str(), run: run.as_deref() };
        let wish = self.context.patience.map(|_| (holder, REPAIR_ALLOWED + LEASE_MARGIN));
        let options = Options { health: None, ..self.options };
        let (host, stamp) = (session.host(), self.recorder.stamp());
        let plan = Plan::new(host, self.verb, options, (self.registered, &remedies), seen, wish, stamp);
        let sections = session.exec("repair", plan.script.as_ref()?, REPAIR_ALLOWED + options.settle).ok()?;
        let seen = observe::read(sections.get(plan.look?), self.registered, Timestamp::now()).ok()?;
        Some(plan.last(&sections, &seen, self.registered))
    }

    fn row(
        &self,
        r: &Registered<'_>,
        decision: &Decision,
        found: &Aftermath<Ids>,
        (first, seen): (&Observation, &Observation),
        lost: &Trouble,
    ) -> Row {
        let verdict = self.verdict(r, decision, seen);
        let checks = health::read(found.ids.health.and_then(|id| found.sections.get(id)));
        let judged = |exit, stderr: &str| {
            let section = Section { exit: Some(exit), stderr: stderr.as_bytes().to_vec(), ..Section::default() };
            let log = found.ids.logs.get(r.target.server.name.as_str()).and_then(|id| found.sections.get(*id));
            let answers = Answers { before: self.before, seen, job: Some(&section), log, checks: &checks };
            judge(self.context, r, decision, self.options, answers)
        };
        let open = |outcome, trouble| self.as_it_is(r, decision, seen, outcome, trouble);
        match verdict {
            _ if decision.action().is_none() => judged(0, ""),
            Verdict::Done => {
                let (mut row, record) = judged(0, "");
                row.note = Some(self.confirmed(found, lost)).filter(|_| row.error.is_none());
                (row, record)
            }
            Verdict::Back => self.back(r, decision, found, (first, seen), lost),
            Verdict::Refused => judged(1, seen.get(&r.container).map(|c| c.error.as_str()).unwrap_or_default()),
            Verdict::Open(why) => {
                let cause = format!("{}; {why}", lost.cause);
                let hint = Some(format!("look with `mcp list {}`", r.target.instance()));
                let (row, _) = open(Outcome::Unknown, Trouble { cause, hint, ..lost.clone() });
                // Whose the container is now is not known, so what was known of the old one stays.
                (row, None)
            }
            _ if found.at_work => open(Outcome::Unknown, still_at_work(lost)),
            Verdict::NotDone if !found.is_over => open(Outcome::Unknown, may_begin(lost)),
            // Its docker command was killed with the script, and its engine goes on alone.
            Verdict::NotDone if self.is_signalled(r, found, seen) => open(Outcome::Unknown, still_at_work(lost)),
            // Its engine did not say; that it is idle is no more than likely.
            Verdict::NotDone if !found.another_start && found.sections.get(found.ids.signalled).is_none_or(was_cut) => {
                open(Outcome::Unknown, engine_is_silent(lost))
            }
            Verdict::NotDone => open(Outcome::NotDone, self.not_done(lost)),
            Verdict::Half(how) => self.half(r, how, lost, judged(0, ""), seen),
        }
    }

    /// The row of an instance whose old container has its place again.
    fn back(
        &self,
        r: &Registered<'_>,
        decision: &Decision,
        found: &Aftermath<Ids>,
        (first, seen): (&Observation, &Observation),
        lost: &Trouble,
    ) -> Row {
        let (Some(replacement), Some(old)) = (self.replacement(r, decision), seen.get(&r.container)) else {
            return self.unasked(r, decision, lost);
        };
        let new = first.get(&r.container).filter(|c| c.id != old.id);
        let why = |c: &Container| {
            let docker = Some(c.error.as_str()).filter(|error| !error.is_empty());
            docker.map_or_else(
                || format!("the new container did not stay up (exit code {})", c.exit_code),
                |error| format!("docker: {error}"),
            )
        };
        let how = new.map_or_else(|| format!("the {} ended half-way", self.verb.as_str()), why);
        let hint = Some(format!("`mcp restart {}` tries it again", r.target.instance()));
        let mut trouble = Trouble::failed(format!("{how} ({})", self.confirmed(found, lost)), hint);
        let log = found.ids.logs.get(r.target.server.name.as_str()).and_then(|id| found.sections.get(*id));
        trouble.log = log.filter(|_| new.is_some()).map(|log| log_lines(log, first)).unwrap_or_default();
        replaced::put_back(self.context, r, &replacement, (old, seen.at()), trouble)
    }

    /// A row that says what is there, and a record that changes nothing of what is known of its making.
    fn as_it_is(
        &self,
        r: &Registered<'_>,
        decision: &Decision,
        seen: &Observation,
        outcome: Outcome,
        trouble: Trouble,
    ) -> Row {
        let (status, mut record) = observe::status_of(self.context, r, seen);
        if outcome == Outcome::Unknown && *decision == Decision::Stop {
            record.stopped_by = Some(stop_under_way(self.context, seen, seen.get(&r.container)));
        }
        let instance = r.target.instance();
        let (name, host) = (instance.server, instance.host);
        (
            InstanceReport {
                name,
                host,
                outcome,
                action: None,
                note: None,
                status: Some(status),
                error: Some(trouble),
            },
            Some(record),
        )
    }

    fn half(&self, r: &Registered<'_>, how: &str, lost: &Trouble, (row, record): Row, seen: &Observation) -> Row {
        let instance = r.target.instance();
        let hint = match self.verb {
            Verb::Stop => format!("`mcp stop {instance}` stops it"),
            Verb::Start | Verb::Restart | Verb::Rollback => format!("`mcp start {instance}` starts it"),
        };
        let cause = format!("the {} ended half-way: {how} ({})", self.verb.as_str(), lost.cause);
        let error = Some(Trouble::failed(cause, Some(hint)));
        let mut row = InstanceReport { outcome: Outcome::Failed, action: None, note: None, error, ..row };
        let mut record = record;
        // It was our stop that ended it, which is no crash.
        if let (Some(record), Some(container)) = (&mut record, seen.get(&r.container))
            && self.verb != Verb::Start
            && !container.state.is_alive()
            && let Some(at) = container.finished_at
        {
            record.stopped_by = Some(StoppedBy { who: self.context.actor.clone(), at });
            record.status = report(&row.name, &row.host, Some(container), true, seen.at());
            row.status = Some(record.status.clone());
        }
        (row, record)
    }

    /// Whether the engine was told, since the work began and since the container started, to end the container that lives on. Both times
    /// are the engine's.
    fn is_signalled(&self, r: &Registered<'_>, found: &Aftermath<Ids>, seen: &Observation) -> bool {
        let text = found.sections.get(found.ids.signalled).map(Section::stdout_text);
        let Some(container) = seen.get(&r.container).filter(|c| c.state.is_alive()) else { return false };
        text.unwrap_or_default().lines().filter_map(|line| line.split_once(' ')).any(|(id, at)| {
            let at = at.trim().parse().ok().and_then(|at| Timestamp::from_nanosecond(at).ok());
            id == container.id && at.is_some_and(|at| container.started_at.is_none_or(|started| at > started))
        })
    }

    fn confirmed(&self, found: &Aftermath<Ids>, lost: &Trouble) -> String {
        if found.another_start {
            return format!("the host was started anew during the {}; confirmed afterwards", self.verb.as_str());
        }
        format!("{}; confirmed afterwards", lost.cause)
    }

    fn not_done(&self, lost: &Trouble) -> Trouble {
        Trouble {
            kind: TroubleKind::Unreachable,
            cause: format!("{}; the {} did not happen, the container is as it was", lost.cause, self.verb.as_str()),
            hint: Some("run the same command again".to_owned()),
            ..lost.clone()
        }
    }
}

/// Whether a question was killed before it was answered.
fn was_cut(section: &Section) -> bool {
    section.exit.is_none_or(|code| code >= 128)
}

fn engine_is_silent(lost: &Trouble) -> Trouble {
    Trouble {
        cause: format!("{}; its engine does not say whether it is still at work on it", lost.cause),
        hint: Some("look with `mcp list`".to_owned()),
        ..lost.clone()
    }
}

fn still_at_work(lost: &Trouble) -> Trouble {
    Trouble {
        cause: format!("{}; the host is still at work on it", lost.cause),
        hint: Some("it goes on by itself; look with `mcp list`".to_owned()),
        ..lost.clone()
    }
}

fn may_begin(lost: &Trouble) -> Trouble {
    Trouble {
        cause: format!("{}; nothing of it is to be seen, but the host may still begin it", lost.cause),
        hint: Some("look in a while with `mcp list`".to_owned()),
        ..lost.clone()
    }
}
