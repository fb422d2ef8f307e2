//! What became of one container, told from how it was before and how it is now: for when the connection was lost in between.
//!
//! A container's own times are compared with each other and with no clock. What docker alone does looks the same as what it was
//! told to do: a container that its engine started anew (a host that was rebooted, with a restart policy) counts as restarted,
//! because it was stopped and started since. Where a restart policy hides which it was, the verdict is open.
//!
//! Boundary: pure. Next: `afterwards` makes rows of it.

use crate::{
    docker::{
        inspect::{Container, ContainerState},
        replacement::Replacement,
    },
    operations::change::{Decision, replace::Pair},
};

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was carried out; whether the container stayed up is another question.
    Done,
    /// Docker was told and could not: the container's own error says why.
    Refused,
    /// Nothing of it happened.
    NotDone,
    /// The container that was to be replaced was stopped, or set aside, and has its place again.
    Back,
    /// It ended half-way, like this.
    Half(&'static str),
    /// It cannot be told, because of this.
    Open(&'static str),
}

/// What it matters to know of a server's strings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nature {
    /// Its containers are made with `--rm`.
    pub(super) removes_itself: bool,
    /// It has no stop string of its own, which could remove the container.
    pub(super) stops_by_default: bool,
}

/// Whether a container was started since it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anew {
    No,
    Yes,
    /// By its restart policy, at least the last time. A start by hand sets docker's count back to 0.
    ByPolicy,
}

/// That the script ended with the old container aside.
const ASIDE: &str = "the old container is set aside, and no new one has settled";
const STOPPED: &str = "the old container was stopped, and no new one was made";
const GONE: &str = "there is no container any more";
const ANOTHER: &str = "another container has its name now";
const HIDDEN: &str = "its restart policy started it again meanwhile, which hides whether it was restarted";

impl Verdict {
    /// The verdict on `decision`. Decisions that do nothing are done.
    pub(super) fn new(
        decision: &Decision,
        nature: Nature,
        before: Option<&Container>,
        after: Option<&Container>,
    ) -> Self {
        let Some(before) = before else {
            return match (decision, after) {
                (Decision::Leave(_) | Decision::Refuse(_), _) => Self::Done,
                (_, Some(after)) => Self::made(after),
                (_, None) if nature.removes_itself => {
                    Self::Open("there is no container: it was not made, or it ended and removed itself (--rm)")
                }
                (_, None) => Self::NotDone,
            };
        };
        let same = after.filter(|after| after.id == before.id);
        let other = after.filter(|after| after.id != before.id);
        match decision {
            Decision::Leave(_) | Decision::Refuse(_) => Self::Done,
            // Told by `of_replacement`.
            Decision::Complete | Decision::Finish(_) | Decision::PutBack { .. } | Decision::RollBack => Self::NotDone,
            Decision::Create | Decision::Replace => match (same, other) {
                (_, Some(other)) => Self::made(other),
                (Some(same), _) if same.state != ContainerState::Removing => Self::NotDone,
                _ => Self::Half("the old container was removed, and no new one runs"),
            },
            Decision::Start => match same {
                Some(same) => Self::started(before, same, Self::NotDone),
                None => Self::without(other),
            },
            Decision::Unpause => match same {
                Some(same) if same.state == ContainerState::Paused => Self::NotDone,
                Some(_) => Self::Done,
                None => Self::without(other),
            },
            Decision::Stop => match (same, other) {
                (Some(same), _) => Self::stopped(before, same),
                (_, Some(other)) if other.state.is_alive() => Self::Open(ANOTHER),
                _ => Self::Done,
            },
            Decision::Restart => match (same, other) {
                (Some(same), _) if same.state.is_alive() => match anew(before, same) {
                    Anew::No => Self::NotDone,
                    Anew::Yes => Self::Done,
                    Anew::ByPolicy => Self::Open(HIDDEN),
                },
                (Some(same), _) => Self::started(before, same, Self::Half("it was stopped and not started again")),
                // A registered stop string may have removed it; the registered string ran then.
                (_, Some(other)) if !nature.stops_by_default => Self::made(other),
                (_, Some(_)) => Self::Open(ANOTHER),
                (None, None) => Self::Half(GONE),
            },
            Decision::StopAndReplace => match (same, other) {
                (_, Some(other)) => Self::made(other),
                (Some(same), _) if !same.state.is_alive() => Self::Half(STOPPED),
                (Some(same), _) if anew(before, same) == Anew::Yes => {
                    Self::Half("the old container is still there and was started again meanwhile")
                }
                (Some(_), _) => Self::NotDone,
                (None, None) => Self::Half("the old container was stopped and removed, and no new one runs"),
            },
        }
    }

    /// The verdict on a replacement whose old container can be kept.
    pub(super) fn of_replacement(replacement: &Replacement, before: Pair<'_>, after: Pair<'_>) -> Self {
        let id = |c: Option<&Container>| c.map(|c| c.id.clone());
        let is_old = |c: &&Container| c.id == replacement.old;
        let was_in_place = before.current.filter(is_old);
        match (after.current, after.previous.filter(is_old)) {
            (Some(same), _) if same.id == replacement.old => match was_in_place {
                Some(was) if same.started_at == was.started_at && same.state.is_alive() => Self::NotDone,
                Some(_) if replacement.runs && !same.state.is_alive() => Self::Half(STOPPED),
                Some(_) if !replacement.runs => Self::NotDone,
                _ => Self::Back,
            },
            (Some(new), Some(_)) if replacement.is_kept && new.state.is_alive() => Self::Done,
            (current, Some(_)) if was_in_place.is_none() && id(current) == id(before.current) => Self::NotDone,
            (_, Some(_)) => Self::Half(ASIDE),
            (Some(new), None) => Self::made(new),
            (None, None) => Self::Half("the old container was stopped and removed, and no new one runs"),
        }
    }

    /// The container is one that was not there before.
    fn made(container: &Container) -> Self {
        match container.state {
            state if state.is_alive() => Self::Done,
            _ if !container.error.is_empty() => Self::Refused,
            ContainerState::Created => Self::Half("the container was made and not started"),
            _ => Self::Done,
        }
    }

    /// The container is still the one that was to be started; `otherwise` when there is no sign of a start.
    fn started(before: &Container, same: &Container, otherwise: Self) -> Self {
        let is_anew = same.started_at != before.started_at;
        let has_failed = !same.state.is_alive() && !same.error.is_empty();
        match (has_failed && (is_anew || same.error != before.error), is_anew || same.state.is_alive()) {
            (true, _) => Self::Refused,
            (false, true) => Self::Done,
            (false, false) => otherwise,
        }
    }

    /// The container is still the one that was to be stopped. Docker's policies do not restart what was stopped by hand.
    fn stopped(before: &Container, same: &Container) -> Self {
        match (same.state.is_alive(), anew(before, same)) {
            (false, _) => Self::Done,
            (true, Anew::Yes) => Self::Half("it runs: it was started again meanwhile"),
            (true, Anew::No | Anew::ByPolicy) => Self::NotDone,
        }
    }

    fn without(other: Option<&Container>) -> Self {
        if other.is_some() { Self::Open(ANOTHER) } else { Self::Half(GONE) }
    }
}

fn anew(before: &Container, same: &Container) -> Anew {
    if same.started_at == before.started_at {
        Anew::No
    } else if same.restart_count > before.restart_count
        || (same.restart_count > 0 && same.restart_count == before.restart_count)
    {
        Anew::ByPolicy
    } else {
        Anew::Yes
    }
}

#[cfg(test)]
mod tests;
