//! Removing a server's containers before it is forgotten.
//!
//! Boundary: one exec to look, one to remove; the registry is `register`'s.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    Context, Trouble,
    change::{Ownership, ownership},
    observe,
    recorder::Recorder,
    registered::say,
    select::Target,
};
use crate::{
    config::{
        journal::{Begin, Done, End, RunId, RunOptions},
        store::{Workspace, origin::Origin},
    },
    docker::{command, inspect::ContainerState},
    domain::Instance,
    error::{CommandError, Exit},
    transport::script::Script,
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
    /// It could not be looked at or removed.
    Trouble(Trouble),
}

/// The verb of a removal in the journal.
pub const VERB: &str = "remove";

impl Forgotten {
    fn line(&self, instance: Instance, elapsed: Duration) -> Done {
        let (outcome, action, cause) = match self {
            Self::NoContainer => ("unchanged", None, None),
            Self::Removed => ("changed", Some("removed".to_owned()), None),
            Self::Runs => ("failed", None, Some("it runs".to_owned())),
            Self::Foreign => ("failed", None, Some("somebody else made its container".to_owned())),
            Self::Trouble(trouble) => ("failed", None, Some(Done::cause(&trouble.cause))),
        };
        Done { instance, outcome: outcome.to_owned(), action, seconds: elapsed.as_secs_f64(), cause }
    }
}

const ALLOWED: Duration = Duration::from_secs(120);

/// Removes the containers of `targets` that are theirs: running ones only with `stop`, by their stop string first. Without
/// `act`, the book it is written into, it only looks, and says what would become of each: what cannot go on one host should keep what could go on another.
///
/// # Errors
/// Only when nothing could be begun.
pub fn containers(
    context: &Context<'_>,
    targets: &[Target<'_>],
    stop: bool,
    act: Option<&Recorder<'_>>,
) -> Result<Vec<(Instance, Forgotten)>, CommandError> {
    let answers = context.on_each_host(targets, |session, registered| {
        let host = session.host();
        let seen = match observe::look(session, registered) {
            Ok(seen) => seen,
            Err(trouble) => return Ok(vec![Forgotten::Trouble(trouble); registered.len()]),
        };
        let mut script = Script::new();
        script.export(&host.env);
        script.outlive_connection();
        let plan: Vec<_> = registered
            .iter()
            .map(|r| match seen.get(&r.container) {
                None => (Forgotten::NoContainer, None),
                Some(container) => {
                    let alive = matches!(
                        container.state,
                        ContainerState::Running | ContainerState::Restarting | ContainerState::Paused
                    );
                    let record = context.state.instances.get(&r.target.instance());
                    if matches!(ownership(r, record, container), Ownership::Foreign(_)) {
                        return (Forgotten::Foreign, None);
                    }
                    if alive && !stop {
                        return (Forgotten::Runs, None);
                    }
                    if act.is_none() {
                        return (Forgotten::Removed, None);
                    }
                    let remove = say(&command::force_remove(&r.container), host);
                    let exists = say(&command::exists(&r.container), host);
                    // With --rm docker may already be removing it: gone is what was wanted.
                    let remove = format!("{{ {remove} >/dev/null || ! {exists} >/dev/null 2>&1; }}");
                    let code = if alive { format!("{} && {remove}", r.stop_command()) } else { remove };
                    (Forgotten::Removed, Some(code))
                }
            })
            .collect();
        let codes: Vec<String> = plan.iter().filter_map(|(_, code)| code.clone()).collect();
        if codes.is_empty() {
            return Ok(plan.into_iter().map(|(what, _)| what).collect());
        }
        let mut ids = script.side_by_side(&codes, 10).into_iter();
        if let Some(recorder) = act {
            let acted_on = registered.iter().zip(&plan).filter(|(_, (_, code))| code.is_some());
            recorder.attempt(acted_on.map(|(r, _)| r.target.instance()).collect());
        }
        let begin = Instant::now();
        let sections = session.exec("remove", &script, ALLOWED)?;
        let done: Vec<Forgotten> = plan
            .into_iter()
            .map(|(what, code)| {
                if code.is_none() {
                    return what;
                }
                match ids.next().and_then(|id| sections.get(id)) {
                    Some(section) if section.exit == Some(0) => what,
                    Some(section) => {
                        Trouble::docker(section.exit, &section.stderr_text()).map_or(what, Forgotten::Trouble)
                    }
                    None => Forgotten::Trouble(Trouble::failed("docker's answer is missing", None)),
                }
            })
            .collect();
        if let Some(recorder) = act {
            let lines = registered.iter().zip(&done).map(|(r, what)| what.line(r.target.instance(), begin.elapsed()));
            recorder.done(lines.collect());
        }
        Ok(done)
    })?;
    let mut all = vec![];
    for (host, registered, result) in answers {
        let results =
            result.unwrap_or_else(|error| vec![Forgotten::Trouble(Trouble::host(&error, host)); registered.len()]);
        all.extend(registered.iter().map(|r| r.target.instance()).zip(results));
    }
    Ok(all)
}

/// Writes into the journal that a removal begins.
#[must_use]
pub fn book<'w>(
    workspace: &'w Workspace,
    targets: &[Target<'_>],
    (stop, keep): (bool, bool),
    parent: Option<RunId>,
    origin: Origin,
) -> Recorder<'w> {
    let begin = Begin {
        verb: VERB.to_owned(),
        command: origin.command,
        who: origin.who,
        process: origin.process,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        parent,
        options: RunOptions { stop, keep, ..RunOptions::default() },
        instances: targets.iter().map(Target::instance).collect(),
        batches: vec![],
    };
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
