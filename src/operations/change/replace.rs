//! Containers that are being replaced: which of them can be kept aside, and what is to be done about a replacement that did not come to
//! its end. Pure.
//!
//! | the container | the previous one | `start`, `restart` | `stop` | `rollback` |
//! | --- | --- | --- | --- | --- |
//! | stands | none | as [`super::decide`] | as [`super::decide`] | refused |
//! | stands | of an interrupted replacement | as [`super::decide`]; the previous one goes once it has settled, and is put back if it does not | stopped; the previous one goes | the previous one takes its place |
//! | does not stand | of an interrupted replacement | the registered string runs again, the previous one is put back if that fails | the previous one is put back | put back and started |
//! | any | kept on purpose | as [`super::decide`] | as [`super::decide`] | the previous one takes its place |
//!
//! Boundary: decides; the shell text is `docker::replacement`'s.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Decision, Options, Ownership, decide as decide_alone, ownership};
use crate::{
    config::state::Record,
    docker::{
        inspect::{Container, ContainerState},
        replacement::{KeptContainer, Replacement, previous_name, rollback_name},
        status::SETTLED_AFTER,
    },
    domain::Health,
    operations::{Trouble, Verb, observe::Observation, registered::Registered},
};

/// How soon after its creation the first start of a container comes, and how long it must have been up after it, for the replacement
/// that made it to have come to its end.
const FIRST_START: SignedDuration = SignedDuration::from_secs(10);
const SETTLED: SignedDuration = SignedDuration::from_secs(3);

/// What is there under the names of one instance.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pair<'a> {
    /// The container with the registered name.
    pub current: Option<&'a Container>,
    /// The one that was set aside for it.
    pub previous: Option<&'a Container>,
    /// It has the name that it was to have only while two containers changed places, and the other name is free, or will be.
    pub is_misnamed: bool,
    /// One more, of an exchange of places that did not come to its end, which nobody needs any more.
    pub leftover: Option<&'a Container>,
}

impl<'a> Pair<'a> {
    /// What `seen` has of `registered`.
    #[must_use]
    pub fn of(seen: &'a Observation, registered: &Registered<'_>) -> Self {
        let name = &registered.container;
        let (previous, between) = (seen.get(&previous_name(name)), seen.get(&rollback_name(name)));
        Self {
            current: seen.get(name),
            previous: previous.or(between),
            is_misnamed: previous.is_none() && between.is_some(),
            leftover: between.filter(|_| previous.is_some()),
        }
    }

    /// The same for `verb`: a rollback goes on with what an earlier one had begun to put back.
    #[must_use]
    pub fn of_verb(verb: Verb, seen: &'a Observation, registered: &Registered<'_>) -> Self {
        let pair = Self::of(seen, registered);
        match pair.leftover {
            Some(between) if verb == Verb::Rollback => {
                let leftover = pair.previous.filter(|_| pair.current.is_some());
                Self { previous: Some(between), is_misnamed: leftover.is_some(), leftover, ..pair }
            }
            _ => pair,
        }
    }

    /// The previous container of a replacement that did not come to its end. Where previous containers are kept for `keep`, one is
    /// taken for kept unless the new container never got beyond its first moments.
    #[must_use]
    pub fn interrupted(self, keep: Duration) -> Option<&'a Container> {
        let ended_early = |c: &Container| {
            let Some(started) = c.started_at else { return true };
            let is_first = c.created_at.is_none_or(|created| started.duration_since(created) <= FIRST_START);
            let up = c.finished_at.map_or(SignedDuration::ZERO, |finished| finished.duration_since(started));
            !c.state.is_alive() && is_first && up < SETTLED
        };
        self.previous
            .filter(|previous| keep.is_zero() || previous.state.is_alive() || self.current.is_none_or(ended_early))
    }

    /// A previous container that was kept, and whose time is over by `now`.
    #[must_use]
    pub fn expired(self, keep: Duration, now: Timestamp) -> Option<&'a Container> {
        let is_over = |c: &&Container| {
            let end = c.finished_at.and_then(|finished| finished.checked_add(keep).ok());
            end.is_none_or(|end| end <= now)
        };
        let is_kept = || self.interrupted(keep).is_none() || self.is_left_over(Some(now));
        self.previous.filter(|_| self.stands() && is_kept()).filter(is_over)
    }

    /// Whether the container has been up for so long that nobody waits any more for it to fail.
    fn has_stood(self, now: Option<Timestamp>) -> bool {
        let started = self.current.and_then(|c| c.started_at);
        started.zip(now).is_some_and(|(started, now)| now.duration_since(started).as_secs() >= SETTLED_AFTER)
    }

    /// Whether the previous container is no more than left over: the one in its place has stood for long.
    fn is_left_over(self, now: Option<Timestamp>) -> bool {
        self.stands() && self.has_stood(now) && self.previous.is_some_and(|previous| !previous.state.is_alive())
    }

    /// Whether the container runs steadily.
    fn stands(self) -> bool {
        self.current.is_some_and(|c| {
            let is_up = matches!(c.state, ContainerState::Running | ContainerState::Paused);
            is_up && c.restart_count == 0 && c.health != Some(Health::Unhealthy)
        })
    }
}

/// How long the previous container of `registered` is kept after it was replaced.
#[must_use]
pub fn keep(registered: &Registered<'_>) -> Duration {
    registered.target.server.keep_previous()
}

/// The previous container of an interrupted replacement, as [`Pair::interrupted`]. A container that `mcp` stopped did not end early,
/// however short it ran, so a previous one that is kept on purpose remains kept.
fn interrupted<'a>(registered: &Registered<'_>, record: Option<&Record>, pair: Pair<'a>) -> Option<&'a Container> {
    let keep = keep(registered);
    let was_stopped = record.is_some_and(|record| {
        let id = pair.current.map(|current| current.id.as_str());
        record.stopped_by.is_some() && id.is_some() && record.container_id.as_deref() == id
    });
    pair.interrupted(keep).filter(|_| keep.is_zero() || !was_stopped)
}

/// Decides at `now`, by the host's clock, what `registered` needs for `verb`, where a replacement may have been interrupted.
#[must_use]
pub fn decide(
    verb: Verb,
    options: Options,
    registered: &Registered<'_>,
    record: Option<&Record>,
    pair: Pair<'_>,
    now: Option<Timestamp>,
) -> Decision {
    let current = pair.current;
    if verb == Verb::Rollback {
        return match pair.previous {
            None => Decision::Refuse(nothing_kept(registered)),
            Some(_)
                if (pair.stands() || pair.is_misnamed || interrupted(registered, record, pair).is_none())
                    && current.is_some_and(|c| why_not_kept(c).is_none()) =>
            {
                Decision::RollBack
            }
            Some(_) => Decision::PutBack { start: true },
        };
    }
    let Some(previous) = interrupted(registered, record, pair) else {
        return decide_alone(verb, options, registered, record, current, now);
    };
    if pair.stands() {
        // The record may still tell of the previous one: then the new one is of `mcp`'s making, too.
        let is_ours = record.is_some_and(|record| record.container_id.as_deref() == Some(previous.id.as_str()));
        let options = Options { replace: options.replace || is_ours, ..options };
        return match decide_alone(verb, options, registered, record, current, now) {
            Decision::Leave(note) if verb == Verb::Stop || pair.is_left_over(now) => Decision::Leave(note),
            Decision::Leave(note) => Decision::Finish(note),
            // The previous one is known to have run; of the one that took its place that is not known yet.
            Decision::StopAndReplace if !pair.has_stood(now) => Decision::Complete,
            decision => decision,
        };
    }
    // What was made before the previous one was stopped is no part of the replacement.
    let is_older = |c: &Container| {
        c.created_at.zip(previous.finished_at).is_some_and(|(made, ended)| made < ended && !previous.state.is_alive())
    };
    if let Some(current) = current
        && is_older(current)
        && !options.replace
        && matches!(ownership(registered, record, current), Ownership::Foreign(_))
    {
        return decide_alone(verb, options, registered, record, Some(current), now);
    }
    match verb {
        Verb::Stop => Decision::PutBack { start: false },
        Verb::Start | Verb::Restart | Verb::Rollback => Decision::Complete,
    }
}

/// How `decision` replaces a container, or undoes that; `None` when it does neither, or cannot keep the old one.
#[must_use]
pub fn replacement(decision: &Decision, registered: &Registered<'_>, pair: Pair<'_>) -> Option<Replacement> {
    let Pair { current, previous, .. } = pair;
    let id = |c: &Container| c.id.clone();
    let of = |old: &Container| Replacement {
        name: registered.container.clone(),
        old: old.id.clone(),
        policy: Some(old.restart_policy.clone()).filter(|policy| policy != "no"),
        runs: old.state.is_alive(),
        starts: old.state.is_alive(),
        is_aside: false,
        remains: None,
        kept: KeptContainer::None,
        is_kept: !keep(registered).is_zero(),
    };
    // Its policy was taken from it when it was set aside; that of the registered string is the best guess.
    let aside = |old: &Container| {
        let policy = registered.run.restart_policy().filter(|policy| *policy != "no").map(str::to_owned);
        let of = of(old);
        Replacement { policy: of.policy.or(policy), starts: true, is_aside: true, ..of }
    };
    match decision {
        Decision::Replace | Decision::StopAndReplace => {
            let old = current.filter(|old| why_not_kept(old).is_none())?;
            Some(Replacement {
                kept: previous.map_or(KeptContainer::None, |c| KeptContainer::Superseded(id(c))),
                ..of(old)
            })
        }
        Decision::RollBack => Some(Replacement { kept: KeptContainer::Restored(id(previous?)), ..of(current?) }),
        Decision::Complete => Some(Replacement { remains: current.map(id), ..aside(previous?) }),
        Decision::Finish(_) | Decision::Restart | Decision::Start | Decision::Unpause => {
            Some(aside(pair.interrupted(keep(registered))?))
        }
        Decision::PutBack { start } => {
            Some(Replacement { starts: *start, remains: current.map(id), ..aside(previous?) })
        }
        _ => None,
    }
}

/// Why a container cannot be kept while it is replaced.
#[must_use]
pub fn why_not_kept(old: &Container) -> Option<&'static str> {
    match old.state {
        ContainerState::Dead | ContainerState::Removing => Some("docker could not remove it before"),
        _ if old.auto_remove => Some("it removes itself when it ends (--rm)"),
        _ => None,
    }
}

/// What is worth knowing of an interrupted replacement, for those who only look.
#[must_use]
pub fn note(
    registered: &Registered<'_>,
    record: Option<&Record>,
    pair: Pair<'_>,
    now: Option<Timestamp>,
) -> Option<String> {
    let previous = &interrupted(registered, record, pair)?.name;
    let instance = registered.target.instance();
    if pair.is_left_over(now) {
        return Some(format!("an earlier container is left as {previous}; `mcp start {instance}` removes it"));
    }
    let what = if pair.stands() { "finishes" } else { "completes or undoes" };
    Some(format!(
        "a replacement was interrupted: the earlier container is kept as {previous}; `mcp start {instance}` {what} it"
    ))
}

/// The failure of a rollback that has nothing to go back to.
#[must_use]
pub fn nothing_kept(registered: &Registered<'_>) -> Trouble {
    let name = &registered.target.server.name;
    Trouble::failed(
        format!("no previous container of {} is kept", registered.container),
        Some(format!(
            "previous containers are kept where servers.{name}.keep_previous says so; change the string back with `mcp edit {name}`"
        )),
    )
}

#[cfg(test)]
mod tests;
