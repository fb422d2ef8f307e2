//! What `exec` needs of a session: to start a command, and to move its bytes without ever blocking out of reach of a deadline.
//!
//! Boundary: traits and the two numbers they share. Next: `direct` is a session of this process, `kept` one of another.

use std::time::{Duration, Instant};

use super::wire::KEEPALIVE;
use crate::transport::{Cancel, End, Limits, Phase, Stream, TransportError, cancel::CancelGuard};

/// A connection that has heard nothing for so long, not even an answer to a keepalive, is lost.
pub(super) const SILENCE: Duration = KEEPALIVE.saturating_mul(3);

/// What bounds one step of a channel.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    pub(super) limits: &'a Limits<'a>,
    /// What is going on, for the error.
    pub(super) phase: Phase,
    /// When waiting ends; `None` for a stream, which only a cancel ends.
    pub(super) until: Option<Instant>,
}

/// A session that runs commands, one at a time.
pub(super) trait Link {
    /// A running command.
    type Channel<'a>: Channel
    where
        Self: 'a;

    /// Opens a channel and starts `command` on it, before `limits.deadline`.
    fn start(&self, command: &str, limits: &Limits<'_>) -> Result<Self::Channel<'_>, TransportError>;

    /// The most bytes of a command that the host takes.
    fn longest_command(&self) -> usize;

    /// Wakes whoever waits for the session when `cancel` is abandoned.
    fn wake_on<'a>(&self, cancel: &'a Cancel) -> CancelGuard<'a>;

    /// Cuts the connection, so that nothing waits for the peer again.
    fn cut(&self);
}

/// A running command's streams. A step that cannot be done now gives `None`; [`Channel::wait`] waits until it may be.
pub(super) trait Channel {
    /// Takes some of what came on `stream`.
    fn read(&mut self, stream: Stream, buffer: &mut [u8], bounds: &Bounds<'_>)
    -> Result<Option<usize>, TransportError>;

    /// Gives some of `bytes` to the command's stdin.
    fn write(&mut self, bytes: &[u8], bounds: &Bounds<'_>) -> Result<Option<usize>, TransportError>;

    /// Whether there is room for input. A read may have taken note of it, and then no wait tells of it.
    fn can_write(&self) -> bool;

    /// Closes the command's stdin.
    fn send_eof(&mut self, bounds: &Bounds<'_>) -> Result<Option<()>, TransportError>;

    /// Whether all output has come.
    fn is_at_end(&self) -> bool;

    /// Sees to it that a peer that is gone is found out; nothing was heard since `heard`.
    fn keep_alive(&self, heard: Instant, bounds: &Bounds<'_>) -> Result<(), TransportError>;

    /// Waits until a step may be done; true when the peer has sent something.
    fn wait(&self, bounds: &Bounds<'_>) -> Result<bool, TransportError>;

    /// An error when the time is up or the run abandoned.
    fn check(&self, bounds: &Bounds<'_>) -> Result<(), TransportError>;

    /// Closes the channel after its end.
    fn close(&mut self, limits: &Limits<'_>) -> Result<(), TransportError>;

    /// How the command ended by the channel's own word.
    fn end(&self) -> End;
}
