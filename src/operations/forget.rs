//! Removing a server's containers before it is forgotten.
//!
//! Boundary: one exec to look, one to remove, and those of `aftermath` when the connection was lost; the registry is `register`'s.

mod fate;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use jiff::Timestamp;

pub use fate::{Fate, fates, keep_refused};

use super::{
    Context, Trouble,
    aftermath::Attempt,
    change::{Ownership, if_still, is_another, ownership, replace::Pair},
    locks::{self, LEASE_MARGIN, Round, until_free},
    observe::{self, Observation, Wants},
    recorder::Recorder,
    registered::{Registered, say},
    select::Target,
};
use crate::{
    config::{
        journal::{Begin, Done, End, RunId, RunOptions, Target as Written, Targets},
        store::{Workspace, origin::Origin},
    },
    docker::{command, inspect::Container},
    domain::Instance,
    error::{CommandError, Exit},
    fleet::{HostError, Session},
    transport::{
        lease::{self, Holder},
        script::Script,
    },
};

/// What became of one instance's container.
#[derive(Debug, Clone)]
pub enum Forgotten {
    /// There was none.
    NoContainer,
    /// It was removed.
    Removed,
    /// It runs, so it was left.
    Runs,
    /// Somebody else made it, and it differs from what is registered, so it was left.
    Foreign,
    /// Nothing was done, since its server is refused on another host.
    Kept,
    /// It could not be looked at or removed.
    Trouble(Trouble),
}

/// The verb of a removal in the journal.
pub const VERB: &str = "remove";

impl Forgotten {
    /// Whether it keeps its server as it is, on all hosts.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Runs | Self::Foreign)
    }

    fn line(&self, instance: Instance, elapsed: Duration) -> Done {
        let (outcome, action, cause) = match self {
            Self::NoContainer => ("unchanged", None, None),
            Self::Removed => ("changed", Some("removed".to_owned()), None),
            Self::Kept => ("not_attempted", None, None),
            Self::Runs => ("failed", None, Some("it runs".to_owned())),
            Self::Foreign => ("failed", None, Some("somebody else made its container".to_owned())),
            Self::Trouble(trouble) => ("failed", None, Some(Done::cause(&trouble.cause))),
        };
        let (target, outcome) = (Written::Instance(instance), outcome.to_owned());
        Done { target, outcome, exit_code: None, action, seconds: elapsed.as_secs_f64(), cause }
    }
}

const ALLOWED: Duration = Duration::from_secs(120);

/// What is removed besides stopped containers that `mcp` made.
#[derive(Debug, Clone, Copy, Default)]
pub struct Force {
    /// Running containers, stopped by their stop string first.
    pub stop: bool,
    /// Containers made by others that differ from what is registered.
    pub foreign: bool,
}

/// Removes the containers of `targets` that are theirs, and what `force` adds to them. Without
/// `act`, the book it is written into, it only looks, and says what would become of each: what cannot go on one host should keep what could go on another.
///
/// # Errors
/// Only when nothing could be begun.
pub fn containers(
    context: &Context<'_>,
    targets: &[Target<'_>],
    force: Force,
    act: Option<&Recorder<'_>>,
) -> Result<Vec<(Instance, Forgotten)>, CommandError> {
    let answers = context.on_each_host(targets, |session, registered| {
        let task = Task { context, force, act };
        let host = session.host();
        let failed = |_: &Registered<'_>, error: &HostError| Forgotten::Trouble(Trouble::host(error, host));
        until_free(context, registered, || true, |registered| task.round(session, registered), failed)
    })?;
    let mut all = vec![];
    for (host, registered, result) in answers {
        let results =
            result.unwrap_or_else(|error| vec![Forgotten::Trouble(Trouble::host(&error, host)); registered.len()]);
        all.extend(registered.iter().map(|r| r.target.instance()).zip(results));
    }
    Ok(all)
}

/// What is done on one host, but for whom.
struct Task<'a> {
    context: &'a Context<'a>,
    force: Force,
    act: Option<&'a Recorder<'a>>,
}

impl Task<'_> {
    /// Looks, and removes what is to be removed.
    fn round(&self, session: &mut Session<'_>, registered: &[Registered<'_>]) -> Result<Round<Forgotten>, HostError> {
        let Self { context, force, act } = *self;
        let (host, leases) = (session.host(), context.patience.is_some());
        let seen = match observe::look(session, registered, Wants::default()) {
            Ok((seen, ..)) => seen,
            Err(trouble) => return Ok((vec![Forgotten::Trouble(trouble); registered.len()], vec![])),
        };
        let mut script = Script::new();
        script.export(&host.env);
        script.outlive_connection();
        let plan: Vec<_> = registered
            .iter()
            .map(|r| (r, Pair::of(&seen, r)))
            .map(|(r, pair)| match pair.current.or(pair.previous) {
                None => (Forgotten::NoContainer, None),
                Some(container) => {
                    let is_aside = container.name != r.container;
                    let alive = container.state.is_alive();
                    let record = context.state.instances.get(&r.target.instance());
                    let is_foreign = || matches!(ownership(r, record, container), Ownership::Foreign(_));
                    if !force.foreign && !is_aside && is_foreign() {
                        return (Forgotten::Foreign, None);
                    }
                    if alive && !force.stop {
                        return (Forgotten::Runs, None);
                    }
                    let Some(book) = act else { return (Forgotten::Removed, None) };
                    let remove = say(&command::force_remove(&container.name), host);
                    let exists = say(&command::exists(&container.name), host);
                    // With --rm docker may already be removing it: gone is what was wanted. An engine that has ended says of no
                    // container that it exists, so it must answer first.
                    let answers = say(&command::version(), host);
                    let remove = format!(
                        "{{ {remove} >/dev/null || {{ {answers} >/dev/null 2>&1 && ! {exists} >/dev/null 2>&1; }}; }}"
                    );
                    let code = if alive && !is_aside { format!("{} && {remove}", r.stop_command()) } else { remove };
                    let code = if is_aside { code } else { if_still(r, &container.id, &code) };
                    // What a replacement has set aside, or kept, goes with it.
                    let others = pair.previous.filter(|_| !is_aside).into_iter().chain(pair.leftover);
                    let others: String = others
                        .map(|c| format!(" && {} >/dev/null", say(&command::force_remove(&c.id), host)))
                        .collect();
                    let code = format!("{{ {code}\n}}{others}");
                    let code = book.stamp().around(host, VERB, r, code);
                    let code = if leases { lease::guarded(&r.container, &code) } else { code };
                    (Forgotten::Removed, Some(code))
                }
            })
            .collect();
        let codes: Vec<String> = plan.iter().filter_map(|(_, code)| code.clone()).collect();
        if codes.is_empty() {
            return Ok((plan.into_iter().map(|(what, _)| what).collect(), vec![]));
        }
        let acted_on = || registered.iter().zip(&plan).filter(|(_, (_, code))| code.is_some()).map(|(r, _)| r);
        let run = act.and_then(Recorder::id).map(ToString::to_string);
        let taken = leases.then(|| {
            let names: Vec<&str> = acted_on().map(|r| r.container.as_str()).collect();
            let holder = Holder { owner: &context.actor, purpose: VERB, run: run.as_deref() };
            lease::take(&mut script, &names, &holder, session.allowed(ALLOWED) + LEASE_MARGIN)
        });
        let mut ids = script.side_by_side(&codes, 10).into_iter();
        let written = |done: Vec<Forgotten>, begin: Instant| {
            if let Some(recorder) = act {
                let line = |(r, what): (&Registered<'_>, &Forgotten)| what.line(r.target.instance(), begin.elapsed());
                recorder.done(registered.iter().zip(&done).map(line).collect());
            }
            done
        };
        if let Some(recorder) = act {
            recorder.attempt(acted_on().map(|r| r.target.instance()).collect());
        }
        let begin = Instant::now();
        let attempt = Attempt::new(&mut script, session, seen.clock(), ALLOWED);
        let sections = match session.exec("remove", &script, ALLOWED) {
            Ok(sections) => sections,
            Err(error) if Attempt::is_open_after(&error) => {
                let lost = Trouble::host(&error, host);
                let after = after_a_loss(session, &attempt, registered, &seen, &lost);
                let what = |((what, code), after): ((Forgotten, Option<String>), Option<Trouble>)| {
                    code.and(after).map_or(what, Forgotten::Trouble)
                };
                return Ok((written(plan.into_iter().zip(after).map(what).collect(), begin), vec![]));
            }
            Err(error) => return Err(error),
        };
        let taken = taken.and_then(|id| sections.get(id)).map(lease::taken).unwrap_or_default();
        let mut held = vec![];
        let done: Vec<Forgotten> = plan
            .into_iter()
            .zip(registered)
            .enumerate()
            .map(|(index, ((what, code), r))| {
                if code.is_none() {
                    return what;
                }
                if let Some(trouble) = locks::refusal(&taken, &r.container) {
                    ids.next();
                    if taken.trouble.is_none() {
                        held.push(index);
                    }
                    return Forgotten::Trouble(trouble);
                }
                match ids.next().and_then(|id| sections.get(id)) {
                    Some(section) if section.exit == Some(0) => what,
                    Some(section) if is_another(section) => {
                        let cause = "somebody else removed, renamed or replaced its container meanwhile";
                        let hint = "see who works on that host besides, then run the same command again".to_owned();
                        Forgotten::Trouble(Trouble::failed(cause, Some(hint)))
                    }
                    Some(section) => {
                        Trouble::docker(section.exit, &section.stderr_text()).map_or(what, Forgotten::Trouble)
                    }
                    None => Forgotten::Trouble(Trouble::failed("docker's answer is missing", None)),
                }
            })
            .collect();
        Ok((written(done, begin), held))
    }
}

/// What keeps each of `registered` from being called removed after the connection was lost over it.
fn after_a_loss(
    session: &mut Session<'_>,
    attempt: &Attempt,
    registered: &[Registered<'_>],
    before: &Observation,
    lost: &Trouble,
) -> Vec<Option<Trouble>> {
    let host = session.host();
    let mut ask = |to_the_end| {
        let found = attempt
            .ask(session, Duration::ZERO, to_the_end, |script| {
                script.run(&observe::question(observe::names(registered), host))
            })
            .map_err(|error| Trouble::host(&error, host))?;
        let seen = observe::read(found.sections.get(found.ids), registered, Timestamp::now())?;
        Ok::<_, Trouble>((found, seen))
    };
    let remains = |seen: &Observation, r: &Registered<'_>| {
        let (before, seen) = (Pair::of(before, r), Pair::of(seen, r));
        let is_there =
            |was: Option<&Container>, is: Option<&Container>| was.zip(is).is_some_and(|(was, is)| was.id == is.id);
        is_there(before.current, seen.current) || is_there(before.previous, seen.previous)
    };
    let result = ask(false).and_then(|(found, seen)| {
        let is_settled = found.is_over || found.at_work || !registered.iter().any(|r| remains(&seen, r));
        if is_settled { Ok((found, seen)) } else { ask(true) }
    });
    let (found, seen) = match result {
        Ok(answer) => answer,
        Err(later) => {
            let cause = format!("{}; what became of it could not be asked: {}", lost.cause, later.cause);
            let hint = Some("the host may still be at work; look with `mcp list`".to_owned());
            return vec![Some(Trouble { cause, hint, ..lost.clone() }); registered.len()];
        }
    };
    let why = |r: &Registered<'_>| match seen.get(&r.container) {
        _ if found.at_work => "the host is still at work on it",
        _ if !found.is_over => "the host may still begin it",
        Some(c) if before.get(&r.container).is_some_and(|b| b.state.is_alive()) && !c.state.is_alive() => {
            "its container was stopped and not removed"
        }
        _ => "its container was not removed",
    };
    let trouble = |r: &Registered<'_>| {
        let hint = Some("run the same command again".to_owned());
        Trouble { cause: format!("{}; {}", lost.cause, why(r)), hint, ..lost.clone() }
    };
    registered.iter().map(|r| remains(&seen, r).then(|| trouble(r))).collect()
}

/// Writes into the journal that a removal begins.
#[must_use]
pub fn book<'w>(
    workspace: &'w Workspace,
    targets: &[Target<'_>],
    (force, keep): (Force, bool),
    parent: Option<RunId>,
    origin: Origin,
) -> Recorder<'w> {
    let targets = Targets::Instances(targets.iter().map(Target::instance).collect());
    let options = RunOptions { stop: force.stop, foreign: force.foreign, keep, ..RunOptions::default() };
    let begin = Begin { options, ..origin.begin(VERB, parent, targets) };
    Recorder::begin(workspace, begin)
}

/// How a removal ended.
#[must_use]
pub fn end(exit: Exit, results: &[(Instance, Forgotten)]) -> End {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (instance, forgotten) in results {
        *counts.entry(forgotten.line(instance.clone(), Duration::ZERO).outcome).or_default() += 1;
    }
    End { exit: exit.code(), counts, interrupted: exit == Exit::Interrupted, halted: None }
}
