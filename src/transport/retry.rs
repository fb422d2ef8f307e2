//! Which failures of connecting may pass by themselves, and how long to wait before the next try.
//!
//! Boundary: pure but for the dice. Next: `ssh` connects with it, hosts and jump hosts alike.

use std::{
    hash::{BuildHasher, RandomState},
    io::ErrorKind,
    time::{Duration, Instant},
};

use super::{Phase, TransportError, TransportErrorKind};

/// The wait before the second try; each further one doubles it.
const FIRST: Duration = Duration::from_millis(200);

/// The longest wait between two tries.
const LONGEST: Duration = Duration::from_secs(3);

/// Whether trying again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transience {
    /// It will fail the same way: a wrong key, an unknown host key, a name without an address.
    Lasting,
    /// It may pass: refused, timed out, the network is away.
    Passing,
    /// The host is there and has hung up before the key exchange was over, as sshd does when too many connections are
    /// starting (sshd_config(5), `MaxStartups`).
    Busy,
}

/// What to make of a failed connect.
#[must_use]
pub fn transience(error: &TransportError) -> Transience {
    match &*error.kind {
        TransportErrorKind::Connect { source, .. } => match source.kind() {
            ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::TimedOut
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown => Transience::Passing,
            _ => Transience::Lasting,
        },
        TransportErrorKind::Forward { reason, .. } if reason.contains("prohibited") => Transience::Lasting,
        TransportErrorKind::Timeout { .. } | TransportErrorKind::Forward { .. } => Transience::Passing,
        TransportErrorKind::Lost(_) if error.phase == Phase::KeyExchange => Transience::Busy,
        TransportErrorKind::Lost(_) => Transience::Passing,
        // Its session broke, and the next one may not.
        TransportErrorKind::Jump { cause, .. } if matches!(*cause.kind, TransportErrorKind::Lost(_)) => {
            Transience::Passing
        }
        // A jump host has had its own tries.
        _ => Transience::Lasting,
    }
}

impl TransportError {
    /// Whether the same may work a moment later, for whoever was connected before: a name that is not found and what libssh2 has no better
    /// word for count here, and are [`Lasting`](Transience::Lasting) for a first connect. What the host decided about us (its key, our login) it will decide again.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match &*self.kind {
            TransportErrorKind::Timeout { .. }
            | TransportErrorKind::Resolve { .. }
            | TransportErrorKind::Connect { .. }
            | TransportErrorKind::Forward { .. }
            | TransportErrorKind::Lost(_)
            | TransportErrorKind::Ssh { .. } => true,
            TransportErrorKind::Jump { cause, .. } => cause.may_pass(),
            _ => false,
        }
    }
}

/// Counts the tries of one connect.
#[derive(Debug)]
pub struct Tries {
    left: u32,
    busy_left: u32,
    made: u32,
}

impl Tries {
    /// As many further tries as `retries` after the first one. A busy host gets four times as many, because each of them
    /// may lose the same draw.
    #[must_use]
    pub fn new(retries: u32) -> Self {
        Self { left: retries, busy_left: retries.saturating_mul(4), made: 0 }
    }

    /// How many further tries a host that does not answer at all gets.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.left
    }

    /// How long to wait before the next try after `error`; `None` when there is none or it would begin after `deadline`.
    pub fn next(&mut self, error: &TransportError, deadline: Instant) -> Option<Duration> {
        let left = match transience(error) {
            Transience::Lasting => return None,
            Transience::Passing => &mut self.left,
            Transience::Busy => &mut self.busy_left,
        };
        *left = left.checked_sub(1)?;
        let most = FIRST.saturating_mul(1 << self.made.min(8)).min(LONGEST);
        self.made += 1;
        // Half of it and a random share of the other half: hosts that failed together must not try again together.
        let dice = RandomState::new().hash_one(self.made) % 1024;
        let wait = most / 2 + most / 2 * u32::try_from(dice).unwrap_or(0) / 1024;
        (Instant::now() + wait < deadline).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    fn error(phase: Phase, kind: TransportErrorKind) -> TransportError {
        TransportError::new(phase, kind)
    }

    fn refused() -> TransportError {
        let kind = TransportErrorKind::Connect { target: "a".into(), source: ErrorKind::ConnectionRefused.into() };
        error(Phase::Tcp, kind)
    }

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn a_refused_connection_is_tried_again_as_often_as_said_and_later_each_time() {
        let mut tries = Tries::new(2);
        let (first, second) = (tries.next(&refused(), far()).unwrap(), tries.next(&refused(), far()).unwrap());
        assert!(first >= FIRST / 2 && first <= FIRST && second >= FIRST && second <= FIRST * 2, "{first:?} {second:?}");
        assert_eq!(tries.next(&refused(), far()), None);
        assert_eq!(Tries::new(0).next(&refused(), far()), None);
    }

    #[test]
    fn a_busy_host_gets_more_tries_than_one_that_is_away() {
        let busy = error(Phase::KeyExchange, TransportErrorKind::Lost("socket disconnect".into()));
        let mut tries = Tries::new(2);
        let waits: Vec<Duration> = std::iter::from_fn(|| tries.next(&busy, far())).collect();
        assert_eq!(waits.len(), 8);
        assert!(waits.iter().all(|wait| *wait <= LONGEST));
    }

    #[test]
    fn what_will_fail_again_is_not_tried_again() {
        for kind in [
            TransportErrorKind::Authentication { user: "a".into(), target: "b".into(), tried: vec![] },
            TransportErrorKind::Resolve { address: "a".into(), reason: "none".into() },
            TransportErrorKind::Cancelled,
            TransportErrorKind::Unsupported("x".into()),
            TransportErrorKind::Forward {
                jump: "j".into(),
                target: "t".into(),
                reason: "administratively prohibited".into(),
            },
        ] {
            assert_eq!(Tries::new(2).next(&error(Phase::Authentication, kind), far()), None);
        }
    }

    #[test]
    fn no_try_begins_after_the_deadline() {
        assert_eq!(Tries::new(2).next(&refused(), Instant::now()), None);
    }
}
