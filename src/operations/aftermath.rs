//! After the connection broke in the middle of an exec that acts: connects anew, waits on the host until the script has ended or can
//! begin no more, and asks.
//!
//! Boundary: knows scripts and their hosts; what the answer means for a container is `act::verdict`'s and `forget`'s.
//! Next: `transport::presence` for how a script is seen.

use std::time::{Duration, Instant};

use super::{observe::LOOK_ALLOWED, registered::say};
use crate::{
    docker::command,
    domain::Host,
    fleet::{HostError, Session},
    transport::{
        TransportErrorKind,
        presence::{HostClock, Presence},
        script::{Script, Sections},
    },
};

/// How long a script that acts may be on its way to its host's shell. Short, because a script that was not seen is waited for so
/// long; long enough for a host under load and a slow login shell.
const BEGIN_WITHIN: Duration = Duration::from_secs(15);

/// How long a lost host, or its engine, is tried for.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The longest wait on the host in one exec.
const AT_ONCE: Duration = Duration::from_secs(20);

/// How many further losses are borne while asking.
const LOSSES: usize = 3;

/// An exec that acts: what is needed to find out later what became of it.
pub(super) struct Attempt {
    word: String,
    clock: Option<HostClock>,
    begin_by: Option<u64>,
    begun: Instant,
    /// The exec's own deadline.
    until: Instant,
}

/// What the host said of an attempt.
pub(super) struct Aftermath<T> {
    /// What was asked besides.
    pub(super) sections: Sections,
    /// Where its answers are.
    pub(super) ids: T,
    /// The script is still at work, although its deadline is over.
    pub(super) at_work: bool,
    /// The script is not at work and will not begin any more.
    pub(super) is_over: bool,
    /// The host was started anew in between.
    pub(super) another_start: bool,
}

impl Attempt {
    /// Readies `script`, which is to run on `session` within `allowed`, after a look that told `clock`.
    pub(super) fn new(
        script: &mut Script,
        session: &Session<'_>,
        clock: Option<&HostClock>,
        allowed: Duration,
    ) -> Self {
        let begin_by = clock.map(|clock| clock.after(session.allows(BEGIN_WITHIN)));
        if let Some(seconds) = begin_by {
            script.begin_by(seconds);
        }
        let until = Instant::now() + session.allows(allowed);
        let word = script.word().to_owned();
        Self { word, clock: clock.cloned(), begin_by, begun: Instant::now(), until }
    }

    /// A command that asks an engine whom it was told to signal since this attempt was begun. It ends within five seconds, also on
    /// engines that know no such question and would wait for what comes; then its exit code is that of a signal.
    /// `waits` is how long it may be put off on purpose: the engine counts back from when it is asked, not from when this is written.
    pub(super) fn signalled(&self, host: &Host, waits: Duration) -> String {
        // Signals of before are told apart by the container's own start.
        let since = self.begun.elapsed() + LOOK_ALLOWED + AT_ONCE + waits;
        let events = say(&command::signalled_since(since.as_secs() + 1), host);
        format!(
            "{{ {events} & mcp_p=$!; ( sleep 5; kill $mcp_p ) >/dev/null 2>&1 & mcp_w=$!; wait $mcp_p; mcp_c=$?; kill $mcp_w; exit $mcp_c; }} 2>/dev/null"
        )
    }

    /// Whether `error` leaves open what the script did.
    pub(super) fn is_open_after(error: &HostError) -> bool {
        match error {
            HostError::Transport(error) => {
                !matches!(*error.kind, TransportErrorKind::Cancelled | TransportErrorKind::Unsupported(_))
            }
            // Its shell was killed; what it had started may go on.
            HostError::Answer(_) => true,
            HostError::NotAttempted | HostError::Halted(_) | HostError::Late => false,
        }
    }

    /// Connects anew, waits until the script has ended or its deadline is over, and asks `question`. With `to_the_end` a script that was
    /// never seen is waited for until it refuses to begin. `waits` is how long the question itself may take on purpose.
    ///
    /// # Errors
    /// The host cannot be asked.
    pub(super) fn ask<T>(
        &self,
        session: &mut Session<'_>,
        waits: Duration,
        to_the_end: bool,
        question: impl Fn(&mut Script) -> T,
    ) -> Result<Aftermath<T>, HostError> {
        session.reconnect(PATIENCE)?;
        let (mut losses, mut has_begun) = (0, false);
        let begin_until = Instant::now() + 2 * BEGIN_WITHIN;
        loop {
            let waits_for = self.begin_by.filter(|_| to_the_end && !has_begun);
            let until = if waits_for.is_some() { self.until.max(begin_until) } else { self.until };
            let left = until.saturating_duration_since(Instant::now());
            let patience = left.min(AT_ONCE).min(session.allows(LOOK_ALLOWED) / 3);
            let mut script = Script::new();
            script.export(&session.host().env);
            let presence = Presence::ask(&mut script, &self.word, patience, waits_for);
            let ids = question(&mut script);
            let sections = match session.exec("look again", &script, LOOK_ALLOWED + waits + patience) {
                Ok(sections) => sections,
                Err(error) if losses < LOSSES && Self::is_open_after(&error) => {
                    losses += 1;
                    session.reconnect(PATIENCE)?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let Some(presence) = sections.get(presence).and_then(Presence::read) else {
                return Err(HostError::Answer("the host did not say what is at work there".to_owned()));
            };
            has_begun |= presence.was_seen;
            let another_start = self.clock.as_ref().is_some_and(|clock| presence.is_another_start(clock));
            let is_past = another_start || self.begin_by.is_some_and(|seconds| presence.is_past(seconds));
            let waits = presence.at_work || (waits_for.is_some() && !has_begun && !is_past);
            if waits && !left.is_zero() && !session.is_abandoned() {
                continue;
            }
            let is_over = another_start || (presence.visible && !presence.at_work && (has_begun || is_past));
            return Ok(Aftermath { sections, ids, at_work: presence.at_work, is_over, another_start });
        }
    }
}
