//! One socket with an SSH session on it, and the loop that waits for it.
//!
//! Boundary: the session never blocks; every step is tried, and when it would block the socket is polled until it is
//! ready, the deadline passes or the run is abandoned. So a deadline is a total, whatever the peer drips.
//! Next: `host_key`, `auth` and `exec` are written as such steps.

use std::{
    cell::Cell,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};
use ssh2::{BlockDirections, ErrorCode, Session};

use super::{command::longest_command, socket::Socket};
use crate::transport::{
    Cancel, Limits, Phase, TransportError, TransportErrorKind, cancel::CancelGuard, local::timespec,
};

/// `LIBSSH2_ERROR_EAGAIN`.
const WOULD_BLOCK: i32 = -37;
/// `LIBSSH2_ERROR_*` codes that mean that nobody is at the other end: socket closed, nothing sent, nothing received.
const GONE: [i32; 4] = [-1, -7, -13, -43];

/// `LIBSSH2_ERROR_KEX_FAILURE`.
const KEY_EXCHANGE: i32 = -5;
/// What is known of a peer that hangs up in the key exchange.
const HUNG_UP: &str =
    "the other end hung up in the middle of it; if it always does, it has none of the algorithms that are offered";
/// `LIBSSH2_ERROR_INVALID_MAC` and `LIBSSH2_ERROR_DECRYPT`, for which libssh2's own words are "Unexpected error".
const DAMAGED_MAC: i32 = -4;
const DAMAGED_CIPHER: i32 = -12;

/// A session and its socket, which is shut down when this is dropped.
pub(super) struct Wire {
    pub(super) session: Session,
    socket: Arc<Socket>,
    /// Another thread may hold the session's lock for ever, so it must not be touched again.
    left: Cell<bool>,
}

impl Wire {
    pub(super) fn new(socket: Socket) -> Result<Self, TransportError> {
        let mut session = Session::new().map_err(|error| ssh(Phase::KeyExchange, &error))?;
        let lost = |error: std::io::Error| {
            TransportError::new(Phase::KeyExchange, TransportErrorKind::Lost(error.to_string()))
        };
        socket.set_nonblocking().map_err(lost)?;
        let socket = Arc::new(socket);
        session.set_tcp_stream(Arc::clone(&socket));
        session.set_blocking(false);
        Ok(Self { session, socket, left: Cell::new(false) })
    }

    /// The socket, for those who wait for several at once.
    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Shuts the socket down when `cancel` is abandoned, which wakes whoever polls it.
    pub(super) fn wake_on<'a>(&self, cancel: &'a Cancel) -> CancelGuard<'a> {
        let socket = Arc::clone(&self.socket);
        cancel.on_abandon(move || socket.cut())
    }

    /// Repeats `step` until it no longer would block.
    pub(super) fn drive<T>(
        &self,
        phase: Phase,
        limits: &Limits<'_>,
        mut step: impl FnMut(&Session) -> Result<T, ssh2::Error>,
    ) -> Result<T, TransportError> {
        loop {
            match step(&self.session) {
                Ok(value) => return Ok(value),
                Err(error) if Self::would_block(&error) => {
                    self.wait(phase, limits, Some(limits.deadline))?;
                }
                Err(error) => return Err(self.failure(phase, limits, &error)),
            }
        }
    }

    /// Exchanges banners and keys (RFC 4253). A peer that has not said a word by `limits.first_byte` is given up early.
    pub(super) fn handshake(&self, limits: &Limits<'_>) -> Result<(), TransportError> {
        let mut session = self.session.clone();
        let mut until = limits.first_byte_by();
        loop {
            match session.handshake() {
                Ok(()) => return Ok(()),
                Err(error) if Self::would_block(&error) => {
                    if self.wait(Phase::KeyExchange, limits, Some(until))? {
                        until = limits.deadline;
                    }
                }
                // libssh2 says the same of a peer that hangs up in here and of one that has none of our algorithms, which hangs up as well.
                // The first may have better luck the next time.
                Err(error) if error.code() == ErrorCode::Session(KEY_EXCHANGE) && self.is_cut_off() => {
                    return Err(self.lost(Phase::KeyExchange, HUNG_UP));
                }
                Err(error) => return Err(self.failure(Phase::KeyExchange, limits, &error)),
            }
        }
    }

    /// Whether `error` of [`Wire::handshake`] is what libssh2 gives for want of a common algorithm, among other things.
    pub(super) fn may_lack_algorithms(error: &TransportError) -> bool {
        match &*error.kind {
            TransportErrorKind::Ssh { code, .. } => *code == KEY_EXCHANGE,
            TransportErrorKind::Lost(reason) => reason == HUNG_UP,
            _ => false,
        }
    }

    /// What `step` gave, `None` when it is to be repeated when the socket is ready. For those who wait for several at once.
    pub(super) fn if_ready<T>(&self, step: Result<T, ssh2::Error>) -> Result<Option<T>, ssh2::Error> {
        match step {
            Ok(value) => Ok(Some(value)),
            Err(error) if Self::would_block(&error) => {
                self.acknowledge_now();
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What the last step waits for, if it would have blocked.
    pub(super) fn waits_for(&self) -> PollFlags {
        waits_for(&self.session)
    }

    /// Whether the last step has sent a packet in part.
    pub(super) fn is_sending(&self) -> bool {
        is_sending(&self.session)
    }

    /// The most bytes of a command that the host takes: what its server's identification tells (RFC 4253, section 4.2).
    pub(super) fn longest_command(&self) -> usize {
        longest_command(self.session.banner().unwrap_or_default())
    }

    /// The keys that the hosts on the way have shown, from the outermost jump host to this one.
    pub(super) fn host_keys(&self) -> Vec<Vec<u8>> {
        let mut keys = self.socket.life().map_or_else(Vec::new, |life| life.host_keys().to_vec());
        keys.extend(self.session.host_key().map(|(key, _)| key.to_vec()));
        keys
    }

    /// Waits until the socket is ready for what the last step could not do, or for as long as a keepalive may take. True when the peer
    /// has sent something.
    pub(super) fn wait(
        &self,
        phase: Phase,
        limits: &Limits<'_>,
        until: Option<Instant>,
    ) -> Result<bool, TransportError> {
        let left = self.check(phase, limits, until)?.min(KEEPALIVE);
        let mut fds = [PollFd::new(&*self.socket, self.waits_for())];
        match poll(&mut fds, Some(&timespec(left))) {
            Ok(_) => Ok(fds[0].revents().contains(PollFlags::IN)),
            Err(Errno::INTR) => Ok(false),
            Err(errno) => Err(self.lost(phase, &errno.to_string())),
        }
    }

    /// The time left before `until`. None left is an error, and so is an abandoned run.
    pub(super) fn check(
        &self,
        phase: Phase,
        limits: &Limits<'_>,
        until: Option<Instant>,
    ) -> Result<Duration, TransportError> {
        if limits.cancel.is_abandoned() {
            return Err(TransportError::new(phase, TransportErrorKind::Cancelled));
        }
        let left = until.map(|at| at.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            // A jump host that is silent itself is the cause, and whoever looks for it should look there.
            return Err(self.jump_trouble(phase).unwrap_or_else(|| timeout(phase, limits)));
        }
        Ok(left.unwrap_or(Duration::MAX))
    }

    /// Has the kernel acknowledge at once, see [`Socket::acknowledge_now`].
    pub(super) fn acknowledge_now(&self) {
        self.socket.acknowledge_now();
    }

    /// Whether the peer has hung up; waits for that up to `patience`.
    pub(super) fn is_hung_up(&self, patience: Duration) -> bool {
        let mut fds = [PollFd::new(&*self.socket, PollFlags::IN)];
        matches!(poll(&mut fds, Some(&timespec(patience))), Ok(1)) && !self.socket.has_bytes()
    }

    /// Whether the peer, reached without a jump host, has hung up, whatever it said before. A tunnel knows more about its end.
    fn is_cut_off(&self) -> bool {
        #[cfg(target_os = "linux")]
        let ended = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        #[cfg(not(target_os = "linux"))]
        let ended = PollFlags::HUP | PollFlags::ERR;
        let mut fds = [PollFd::new(&*self.socket, PollFlags::IN | ended)];
        self.socket.life().is_none()
            && poll(&mut fds, Some(&timespec(Duration::ZERO))).is_ok()
            && fds[0].revents().intersects(ended)
    }

    /// What a step's error means for the caller.
    pub(super) fn failure(&self, phase: Phase, limits: &Limits<'_>, error: &ssh2::Error) -> TransportError {
        if limits.cancel.is_abandoned() {
            return TransportError::new(phase, TransportErrorKind::Cancelled);
        }
        if Self::is_gone(error) {
            return self.lost(phase, gone(error));
        }
        // A tunnel that ends in the middle of a packet looks like many things to libssh2.
        match self.socket.life().and_then(super::jump::Life::ended) {
            Some(ended) => TransportError { phase, ..ended },
            None => ssh(phase, error),
        }
    }

    /// The connection broke, or the jump host's did that carries it.
    pub(super) fn lost(&self, phase: Phase, reason: &str) -> TransportError {
        let lost = || TransportError::new(phase, TransportErrorKind::Lost(reason.to_owned()));
        self.jump_trouble(phase).unwrap_or_else(lost)
    }

    /// What is wrong with the jump host that carries this, as the end of what went on here.
    fn jump_trouble(&self, phase: Phase) -> Option<TransportError> {
        let trouble = self.socket.life()?.trouble()?;
        Some(TransportError { phase, ..trouble })
    }

    /// Whether the step is to be repeated when the socket is ready.
    pub(super) fn would_block(error: &ssh2::Error) -> bool {
        error.code() == ErrorCode::Session(WOULD_BLOCK)
    }

    /// Whether nobody is at the other end any more.
    pub(super) fn is_gone(error: &ssh2::Error) -> bool {
        matches!(error.code(), ErrorCode::Session(code) if GONE.contains(&code))
    }

    /// Gives the session up to a thread that may never come back with it.
    pub(super) fn leave(&self) {
        self.left.set(true);
    }

    /// Cuts the connection, so that nothing waits for the peer again.
    pub(super) fn cut(&self) {
        self.socket.cut();
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // One try without waiting. Afterwards the socket is shut before libssh2 frees the session: it would otherwise try
        // to close the channels in a dialogue with a peer that may be dead, and keep the memory when that would block.
        if !self.left.get() {
            let _ = self.session.disconnect(None, "done", None);
        }
        self.cut();
    }
}

fn waits_for(session: &Session) -> PollFlags {
    match session.block_directions() {
        BlockDirections::Outbound => PollFlags::OUT,
        BlockDirections::Both => PollFlags::IN | PollFlags::OUT,
        BlockDirections::Inbound | BlockDirections::None => PollFlags::IN,
    }
}

/// Whether the last step on `session` has sent a packet in part. libssh2 keeps the rest, and takes that very step before any other.
pub(super) fn is_sending(session: &Session) -> bool {
    waits_for(session).contains(PollFlags::OUT)
}

/// How often a quiet connection is checked for life.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(15);

/// Runs `work`, which cannot be interrupted, on a thread of its own and stops waiting at the deadline or a cancel.
pub(super) fn offload<T: Send + 'static>(
    phase: Phase,
    limits: &Limits<'_>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, TransportError> {
    let (sender, receiver) = mpsc::channel();
    let waker = sender.clone();
    let _guard = limits.cancel.on_abandon(move || {
        let _ = waker.send(None);
    });
    std::thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(move || {
            let _ = sender.send(Some(work()));
        })
        .map_err(|error| TransportError::new(phase, TransportErrorKind::Lost(error.to_string())))?;
    match receiver.recv_timeout(limits.left()) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(TransportError::new(phase, TransportErrorKind::Cancelled)),
        Err(_) => Err(timeout(phase, limits)),
    }
}

/// What libssh2 means by an error of [`GONE`]; its own words for some are "Unexpected error".
pub(super) fn gone(error: &ssh2::Error) -> &'static str {
    match error.code() {
        ErrorCode::Session(-7) => "nothing more could be sent",
        _ => "the other end closed or reset it",
    }
}

pub(super) fn timeout(phase: Phase, limits: &Limits<'_>) -> TransportError {
    TransportError::new(phase, TransportErrorKind::Timeout { phase, allowed: limits.allowed })
}

pub(super) fn ssh(phase: Phase, error: &ssh2::Error) -> TransportError {
    let (ErrorCode::Session(code) | ErrorCode::SFTP(code)) = error.code();
    let message = match code {
        DAMAGED_MAC | DAMAGED_CIPHER => "what came from the host was changed on the way: its checksum does not fit",
        _ => error.message(),
    };
    TransportError::new(phase, TransportErrorKind::Ssh { code, message: message.to_owned() })
}
