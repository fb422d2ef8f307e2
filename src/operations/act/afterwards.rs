//! The rows of a host whose connection was lost while it was at work: it is asked what became of each instance.
//!
//! Boundary: asks by `aftermath`, decides by `verdict`, words rows. Next: `judge` for what is seen of a container.

use std::{collections::BTreeMap, time::Instant};

use jiff::Timestamp;

use super::{
    health,
    judge::{Answers, Row, judge, settled_or, stop_under_way, without_answer},
    plan,
    verdict::{Nature, Verdict},
};
use crate::{
    config::state::StoppedBy,
    docker::status::report,
    domain::Health,
    fleet::{HostError, Session},
    operations::{
        Context, InstanceReport, Outcome, Trouble, TroubleKind, Verb,
        aftermath::{Aftermath, Attempt, PATIENCE},
        change::{Decision, Options},
        observe::{self, Observation},
        registered::Registered,
    },
    transport::script::{Section, SectionId},
};

/// What was to be done on one host.
pub(super) struct Work<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) verb: Verb,
    pub(super) options: Options,
    pub(super) registered: &'a [Registered<'a>],
    pub(super) decisions: &'a [Decision],
    pub(super) before: &'a Observation,
}

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
        Ok((found, seen)) => work.each(|r, decision| work.row(r, decision, &found, &seen, &trouble)),
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
            decision.action().is_none() || matches!(self.verdict(r, decision, &seen), Verdict::Done | Verdict::Refused)
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
        let started = plan::started(self.registered, self.decisions);
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
                    if let Some(settle) = plan::settle(self.options).filter(|_| !started.is_empty()) {
                        script.plain(&format!("[ $mcp_busy = 1 ] || {{ {settle}; }}"));
                    }
                    let meant = plan::meant_to_run(self.registered, self.decisions);
                    let health = options.health.map(|allowed| health::wait(script, host, &meant, allowed));
                    // The signals are asked for after the look, so that a stop that was over by then has shown its effect.
                    let (look, logs) = plan::look(script, host, self.registered, &started);
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

    fn verdict(&self, r: &Registered<'_>, decision: &Decision, seen: &Observation) -> Verdict {
        let nature = Nature { removes_itself: r.run.removes_itself(), stops_by_default: r.stops_by_default() };
        Verdict::new(decision, nature, self.before.get(&r.container), seen.get(&r.container))
    }

    fn row(
        &self,
        r: &Registered<'_>,
        decision: &Decision,
        found: &Aftermath<Ids>,
        seen: &Observation,
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
            Verb::Start | Verb::Restart => format!("`mcp start {instance}` starts it"),
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
