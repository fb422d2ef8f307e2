use jiff::Timestamp;

use super::*;
use crate::{
    docker::{inspect, replacement::KeptContainer},
    operations::Trouble,
};
use ContainerState::{Created, Exited, Paused, Removing, Restarting, Running};

/// A container: its id, its state, which start of its it is, how often its policy restarted it, and docker's error.
fn container((id, state, start, restarts, error): (&str, ContainerState, i64, u64, &str)) -> Container {
    let mut container = inspect::parse(include_str!("../../../../fixtures/docker/20.10/inspect/plain.out"))
        .unwrap_or_else(|e| panic!("{e}"))
        .pop()
        .unwrap_or_else(|| panic!("no container in the fixture"));
    id.clone_into(&mut container.id);
    error.clone_into(&mut container.error);
    container.state = state;
    container.started_at = Timestamp::from_second(1_700_000_000 + start).ok();
    container.restart_count = restarts;
    container
}

type Sketch = (&'static str, ContainerState, i64, u64, &'static str);

const UP: Sketch = ("old", Running, 1, 0, "");
const UP_AGAIN: Sketch = ("old", Running, 2, 0, "");
const DOWN: Sketch = ("old", Exited, 1, 0, "");
const DOWN_AGAIN: Sketch = ("old", Exited, 2, 0, "");
const FAILED: Sketch = ("old", Exited, 1, 0, "port is already allocated");
const NEW: Sketch = ("new", Running, 9, 0, "");
const NEW_DOWN: Sketch = ("new", Exited, 9, 0, "");
const NEW_FAILED: Sketch = ("new", Created, 0, 0, "port is already allocated");
const NEW_MADE: Sketch = ("new", Created, 0, 0, "");
const FROZEN: Sketch = ("old", Paused, 1, 0, "");
const LOOPS: Sketch = ("old", Restarting, 1, 5, "");
const LOOPS_ON: Sketch = ("old", Running, 2, 6, "");

const PLAIN: Nature = Nature { removes_itself: false, stops_by_default: true };
const RM: Nature = Nature { removes_itself: true, stops_by_default: true };
const OWN_STOP: Nature = Nature { removes_itself: false, stops_by_default: false };

#[derive(Debug, PartialEq, Eq)]
enum Gist {
    Done,
    Refused,
    NotDone,
    Back,
    Half,
    Open,
}
use Gist::*;

fn gist(decision: &Decision, nature: Nature, before: Option<Sketch>, after: Option<Sketch>) -> Gist {
    let (before, after) = (before.map(container), after.map(container));
    match Verdict::new(decision, nature, before.as_ref(), after.as_ref()) {
        Verdict::Done => Done,
        Verdict::Refused => Refused,
        Verdict::NotDone => NotDone,
        Verdict::Back => Back,
        Verdict::Half(_) => Half,
        Verdict::Open(_) => Open,
    }
}

fn check(decision: &Decision, cases: &[(Nature, Option<Sketch>, Option<Sketch>, Gist)]) {
    for (nature, before, after, expected) in cases {
        let found = gist(decision, *nature, *before, *after);
        assert_eq!(found, *expected, "{decision:?} {nature:?}: {before:?} -> {after:?}");
    }
}

#[test]
fn what_was_to_be_made_is_there_or_not() {
    check(
        &Decision::Create,
        &[
            (PLAIN, None, None, NotDone),
            (RM, None, None, Open),
            (PLAIN, None, Some(NEW), Done),
            (PLAIN, None, Some(NEW_DOWN), Done),
            (PLAIN, None, Some(NEW_FAILED), Refused),
            (PLAIN, None, Some(NEW_MADE), Half),
        ],
    );
}

#[test]
fn what_was_to_be_started_has_another_start_or_not() {
    check(
        &Decision::Start,
        &[
            (PLAIN, Some(DOWN), Some(DOWN), NotDone),
            (PLAIN, Some(FAILED), Some(FAILED), NotDone),
            (PLAIN, Some(DOWN), Some(UP_AGAIN), Done),
            (PLAIN, Some(DOWN), Some(DOWN_AGAIN), Done),
            (PLAIN, Some(DOWN), Some(FAILED), Refused),
            (PLAIN, Some(DOWN), None, Half),
            (PLAIN, Some(DOWN), Some(NEW), Open),
            // Came up, ended, and its policy has had a go at it.
            (PLAIN, Some(DOWN), Some(LOOPS_ON), Done),
        ],
    );
    check(
        &Decision::Unpause,
        &[
            (PLAIN, Some(FROZEN), Some(FROZEN), NotDone),
            (PLAIN, Some(FROZEN), Some(UP), Done),
            (PLAIN, Some(FROZEN), Some(DOWN), Done),
            (PLAIN, Some(FROZEN), None, Half),
            (PLAIN, Some(FROZEN), Some(NEW), Open),
        ],
    );
}

#[test]
fn what_was_to_be_replaced_has_another_id_or_not() {
    check(
        &Decision::Replace,
        &[
            (PLAIN, Some(DOWN), Some(DOWN), NotDone),
            (PLAIN, Some(DOWN), None, Half),
            (PLAIN, Some(DOWN), Some(("old", Removing, 1, 0, "")), Half),
            (PLAIN, Some(DOWN), Some(NEW), Done),
            (PLAIN, Some(DOWN), Some(NEW_DOWN), Done),
            (PLAIN, Some(DOWN), Some(NEW_FAILED), Refused),
            (PLAIN, Some(DOWN), Some(NEW_MADE), Half),
        ],
    );
    check(
        &Decision::StopAndReplace,
        &[
            (PLAIN, Some(UP), Some(UP), NotDone),
            (PLAIN, Some(UP), Some(DOWN), Half),
            (PLAIN, Some(UP), None, Half),
            (RM, Some(UP), None, Half),
            (PLAIN, Some(UP), Some(("old", Removing, 1, 0, "")), Half),
            (PLAIN, Some(UP), Some(UP_AGAIN), Half),
            (PLAIN, Some(LOOPS), Some(LOOPS_ON), NotDone),
            (PLAIN, Some(UP), Some(NEW), Done),
            (PLAIN, Some(UP), Some(NEW_FAILED), Refused),
            (PLAIN, Some(UP), Some(NEW_MADE), Half),
        ],
    );
}

#[test]
fn what_was_to_be_stopped_lives_or_not() {
    check(
        &Decision::Stop,
        &[
            (PLAIN, Some(UP), Some(UP), NotDone),
            (PLAIN, Some(FROZEN), Some(FROZEN), NotDone),
            (PLAIN, Some(UP), Some(DOWN), Done),
            (PLAIN, Some(UP), None, Done),
            (PLAIN, Some(UP), Some(UP_AGAIN), Half),
            (PLAIN, Some(LOOPS), Some(LOOPS_ON), NotDone),
            (PLAIN, Some(LOOPS), Some(("old", Exited, 1, 5, "")), Done),
            (PLAIN, Some(UP), Some(NEW), Open),
            (PLAIN, Some(UP), Some(NEW_DOWN), Done),
        ],
    );
}

#[test]
fn what_was_to_be_restarted_has_another_start_or_not() {
    check(
        &Decision::Restart,
        &[
            (PLAIN, Some(UP), Some(UP), NotDone),
            (PLAIN, Some(UP), Some(UP_AGAIN), Done),
            (PLAIN, Some(UP), Some(DOWN_AGAIN), Done),
            (PLAIN, Some(UP), Some(DOWN), Half),
            (PLAIN, Some(UP), Some(FAILED), Refused),
            (PLAIN, Some(UP), None, Half),
            (PLAIN, Some(UP), Some(NEW), Open),
            (OWN_STOP, Some(UP), Some(NEW), Done),
            (OWN_STOP, Some(UP), Some(NEW_MADE), Half),
            (OWN_STOP, Some(UP), None, Half),
            (PLAIN, Some(FROZEN), Some(FROZEN), NotDone),
            // Started by hand, docker's count begins anew; by its policy it grows.
            (PLAIN, Some(LOOPS), Some(LOOPS_ON), Open),
            (PLAIN, Some(LOOPS), Some(LOOPS), NotDone),
            (PLAIN, Some(LOOPS), Some(("old", Running, 2, 0, "")), Done),
            (PLAIN, Some(("old", Running, 1, 5, "")), Some(("old", Running, 2, 5, "")), Open),
        ],
    );
}

#[test]
fn what_needed_nothing_is_done_whatever_is_seen() {
    for decision in [Decision::Leave(None), Decision::Refuse(Trouble::failed("x", None))] {
        check(
            &decision,
            &[(PLAIN, None, None, Done), (PLAIN, Some(UP), None, Done), (PLAIN, Some(UP), Some(NEW), Done)],
        );
    }
}

#[test]
fn a_replacement_is_done_undone_or_half_done() {
    const PREVIOUS: Sketch = ("old", Exited, 1, 0, "");
    let replacement = |runs, is_aside| Replacement {
        name: "a".into(),
        old: "old".into(),
        policy: None,
        runs,
        starts: runs,
        is_aside,
        kept: KeptContainer::None,
        remains: None,
        is_kept: false,
    };
    for (runs, before, current, previous, expected) in [
        (true, (Some(UP), None), Some(UP), None, NotDone),
        (true, (Some(UP), None), Some(UP_AGAIN), None, Back),
        (true, (Some(UP), None), Some(DOWN), None, Half),
        (false, (Some(DOWN), None), Some(DOWN), None, NotDone),
        (true, (Some(UP), None), None, Some(PREVIOUS), Half),
        (true, (Some(UP), None), Some(NEW_MADE), Some(PREVIOUS), Half),
        (true, (Some(UP), None), Some(NEW), Some(PREVIOUS), Half),
        (true, (Some(UP), None), Some(NEW), None, Done),
        (true, (Some(UP), None), Some(NEW_FAILED), None, Refused),
        (true, (Some(UP), None), None, None, Half),
        // An earlier replacement had set it aside.
        (false, (None, Some(PREVIOUS)), None, Some(PREVIOUS), NotDone),
        (false, (None, Some(PREVIOUS)), Some(NEW), None, Done),
        (false, (None, Some(PREVIOUS)), Some(UP_AGAIN), None, Back),
    ] {
        let container = |sketch: Option<Sketch>| sketch.map(container);
        let (now, old) = (container(current), container(previous));
        let (was, was_aside) = (container(before.0), container(before.1));
        let before = Pair { current: was.as_ref(), previous: was_aside.as_ref(), ..Pair::default() };
        let after = Pair { current: now.as_ref(), previous: old.as_ref(), ..Pair::default() };
        let found = match Verdict::of_replacement(&replacement(runs, was_aside.is_some()), before, after) {
            Verdict::Done => Done,
            Verdict::Refused => Refused,
            Verdict::NotDone => NotDone,
            Verdict::Back => Back,
            Verdict::Half(_) => Half,
            Verdict::Open(_) => Open,
        };
        assert_eq!(found, expected, "{current:?} {previous:?}");
    }
}
