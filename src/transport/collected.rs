//! Output that is held rather than handed over: so much of each stream of a host, so much of all hosts.
//!
//! Boundary: bytes. What did not fit is dropped from a stream's first byte without room on, so that what is held is a beginning
//! without gaps, and is said. Next: `memory` counts what all hold.

use std::time::Instant;

use super::{
    Cancel, End, Limits, Output, Stream,
    memory::{Budget, Claim, MEMORY, Patience, Room},
};

/// Most bytes kept of each stream of one exec.
pub const OUTPUT_LIMIT: usize = 8 * 1024 * 1024;

/// Smallest step that room is claimed in.
const STEP: usize = 16 * 1024;

/// What is kept of the output of one host.
pub struct Collected<'a> {
    stdout: Kept,
    stderr: Kept,
    limit: usize,
    claim: Claim,
    patience: Patience<'a>,
}

/// What is kept of one stream.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl<'a> Collected<'a> {
    /// Nothing yet. When there is no room, what comes waits for some until `until` at most, or until `cancel` abandons the run.
    #[must_use]
    pub fn new(cancel: &'a Cancel, until: Instant) -> Self {
        Self::within(&MEMORY, OUTPUT_LIMIT, Patience { cancel, until })
    }

    /// Nothing yet of a call that has `limits`. No more than half of its time goes into waiting for room.
    #[must_use]
    pub fn of_call(limits: &Limits<'a>) -> Self {
        Self::new(limits.cancel, Instant::now() + limits.left() / 2)
    }

    /// Keeps no more than `limit` bytes of each stream.
    #[must_use]
    pub fn up_to(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    fn within(budget: &'static Budget, limit: usize, patience: Patience<'a>) -> Self {
        Self { stdout: Kept::default(), stderr: Kept::default(), limit, claim: Claim::new(budget), patience }
    }

    /// Takes the next bytes of a stream, as far as there is room for them.
    pub fn take(&mut self, stream: Stream, bytes: &[u8]) {
        let kept = if stream == Stream::Stdout { &mut self.stdout } else { &mut self.stderr };
        if kept.is_cut {
            return;
        }
        let held = &mut kept.bytes;
        let fits = (self.limit - held.len()).min(bytes.len());
        let lacking = (held.len() + fits).saturating_sub(held.capacity());
        if lacking > 0 {
            // A quarter more each time: what is reserved is claimed, and twice as much would cut others off.
            let step = lacking.max(STEP).max(held.capacity() / 4).min(self.limit - held.capacity().min(self.limit));
            let at_once = Patience { until: Instant::now(), ..self.patience };
            let claimed = if self.claim.grow(step, at_once) {
                step
            } else if self.claim.grow(lacking, self.patience) {
                lacking
            } else {
                kept.is_cut = true;
                return;
            };
            held.reserve_exact(held.capacity() + claimed - held.len());
        }
        held.extend_from_slice(&bytes[..fits]);
        kept.is_cut = fits < bytes.len();
    }

    /// All of it, as the output of something that ended like `end`.
    #[must_use]
    pub fn into_output(mut self, end: End) -> Output {
        self.stdout.bytes.shrink_to_fit();
        self.stderr.bytes.shrink_to_fit();
        self.claim.shrink_to(self.stdout.bytes.len() + self.stderr.bytes.len());
        Output {
            truncated: self.stdout.is_cut || self.stderr.is_cut,
            stdout: self.stdout.bytes,
            stderr: self.stderr.bytes,
            end,
            room: Room::new(self.claim),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn budget(bytes: usize) -> &'static Budget {
        Box::leak(Box::new(Budget::new(bytes, 0)))
    }

    fn collected<'a>(budget: &'static Budget, limit: usize, cancel: &'a Cancel) -> Collected<'a> {
        let until = Instant::now() + Duration::from_secs(3600);
        Collected::within(budget, limit, Patience { cancel, until })
    }

    #[test]
    fn each_stream_is_kept_up_to_its_limit_and_the_cut_is_said() {
        let cancel = Cancel::default();
        let mut output = collected(budget(1 << 20), 10, &cancel);
        output.take(Stream::Stdout, b"1234567");
        output.take(Stream::Stderr, b"e");
        assert!(!output.stdout.is_cut);
        output.take(Stream::Stdout, b"89ab");
        output.take(Stream::Stdout, b"c");
        let output = output.into_output(End::Exit(0));
        assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"123456789a"[..], &b"e"[..]));
        assert!(output.truncated);
    }

    #[test]
    fn what_exactly_fits_is_not_cut() {
        let cancel = Cancel::default();
        let mut output = collected(budget(1 << 20), 10, &cancel);
        output.take(Stream::Stdout, b"1234567890");
        output.take(Stream::Stdout, b"");
        assert!(!output.into_output(End::Exit(0)).truncated);
    }

    #[test]
    fn all_hosts_together_hold_no_more_than_the_budget() {
        let (cancel, budget) = (Cancel::default(), budget(1 << 20));
        let outputs: Vec<Output> = (0..8)
            .map(|_| {
                let mut output = collected(budget, 1 << 20, &cancel);
                (0..30).for_each(|_| output.take(Stream::Stdout, &[b'x'; 10_000]));
                let output = output.into_output(End::Exit(0));
                output.room.keep();
                output
            })
            .collect();
        let held: usize = outputs.iter().map(|output| output.stdout.len()).sum();
        assert!(held <= 1 << 20, "{held}");
        assert_eq!(budget.left(), (1 << 20) - held);
        let whole = outputs.iter().filter(|output| !output.truncated).count();
        assert_eq!(whole, 3);
        assert!(outputs.iter().all(|output| output.truncated == (output.stdout.len() < 300_000)));
        drop(outputs);
        assert_eq!(budget.left(), 1 << 20);
    }

    #[test]
    fn a_stream_that_was_cut_has_no_gap_when_there_is_room_again() {
        let (cancel, budget) = (Cancel::default(), budget(40_000));
        let mut other = collected(budget, 1 << 20, &cancel);
        other.take(Stream::Stdout, &[b'o'; 30_000]);
        let mut output = collected(budget, 1 << 20, &cancel);
        output.take(Stream::Stdout, &[b'x'; 30_000]);
        drop(other);
        output.take(Stream::Stdout, b"later");
        let output = output.into_output(End::Exit(0));
        assert!(output.truncated && output.stdout.is_empty());
    }
}
