//! How bytes get to a host and back: a [`Connector`] opens a [`Remote`], which runs one script per exec.
//!
//! Boundary: knows hosts, bytes and deadlines; knows nothing of docker, of YAML files or of terminals.
//! Next: `ssh/` and `local` are the two connectors, `script` frames many commands into one exec; `fleet` drives them.

pub mod cancel;
mod collected;
pub mod core_dump;
mod dispatch;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub mod input;
pub mod lease;
pub mod local;
mod memory;
pub mod presence;
pub mod retry;
pub mod script;
mod shown_key;
pub mod ssh;
mod tied;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

pub use cancel::Cancel;
pub use collected::{Collected, OUTPUT_LIMIT};
pub use dispatch::Connectors;
pub use error::{Phase, TransportError, TransportErrorKind};
pub use input::{FileInput, Input};
pub use memory::{MEMORY_LIMIT, Room};
pub use shown_key::{ShownKey, Standing};

use crate::domain::{Host, SshEndpoint};

/// Opens connections to hosts. One connector serves all workers of a run, so keys and known hosts are read once.
pub trait Connector: Sync {
    /// Connects to `host` before `limits.deadline`, telling `limits.phase` how far it got.
    ///
    /// # Errors
    /// A [`TransportError`] with the phase that failed.
    fn connect(&self, host: &Host, limits: &Limits<'_>) -> Result<Box<dyn Remote>, TransportError>;

    /// Has `host` show its key, as [`Connector::connect`] would but without logging in to it, and says what is known of it.
    ///
    /// # Errors
    /// A [`TransportError`] with the phase that failed; also for hosts that have no key.
    fn scan(&self, host: &Host, limits: &Limits<'_>) -> Result<ShownKey, TransportError> {
        let _ = limits;
        Err(without_key(host))
    }

    /// Writes keys down as those of their hosts and says into which file. All hosts have the same list of `known_hosts` files.
    /// With `replace`, keys of these hosts that are known so far are taken out.
    ///
    /// # Errors
    /// A file that cannot be written, or a line that speaks against a key.
    fn remember(
        &self,
        keys: &[(&SshEndpoint, &ShownKey)],
        replace: bool,
        limits: &Limits<'_>,
    ) -> Result<PathBuf, TransportError> {
        let _ = (keys, replace, limits);
        let kind = TransportErrorKind::Unsupported("host keys are written down for SSH only".to_owned());
        Err(TransportError::new(Phase::Configuration, kind))
    }
}

fn without_key(host: &Host) -> TransportError {
    let kind = TransportErrorKind::Unsupported(format!("{} has no host key: it is not reached over SSH", host.name));
    TransportError::new(Phase::Configuration, kind)
}

/// A live connection to one host, used by one thread.
pub trait Remote {
    /// Runs `script` with a POSIX shell (`sh`) and waits for its end.
    ///
    /// # Errors
    /// The connection's own trouble only; what the script did is in [`Output::end`].
    fn exec(&mut self, script: &ShellScript, limits: &Limits<'_>) -> Result<Output, TransportError>;

    /// Runs `script`, handing over its output as it comes, until it ends, `sink` returns `false` or `limits.cancel` fires.
    /// The command on the host dies with the stream, also when the connection is cut.
    ///
    /// # Errors
    /// As [`Remote::exec`].
    fn stream(
        &mut self,
        script: &ShellScript,
        limits: &Limits<'_>,
        sink: &mut dyn FnMut(Stream, &[u8]) -> bool,
    ) -> Result<End, TransportError>;

    /// Runs `script` with `input` as its standard input, handing over its output as it comes. The command on the host dies
    /// with the call: at `limits.deadline`, which bounds all of it, when `sink` returns `false`, `limits.cancel` fires or the
    /// connection is cut. What a command that ended by itself left in the background stays.
    ///
    /// # Errors
    /// As [`Remote::exec`], and [`TransportErrorKind::Input`].
    fn pipe(
        &mut self,
        script: &ShellScript,
        input: Option<&dyn Input>,
        limits: &Limits<'_>,
        sink: &mut dyn FnMut(Stream, &[u8]) -> bool,
    ) -> Result<End, TransportError>;
}

/// How long a command that was told to end has until it is killed.
pub const GRACE: Duration = Duration::from_secs(1);

/// What bounds one call.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// When the call ends at the latest. For a stream it bounds the time until the command runs, not the stream.
    pub deadline: Instant,
    /// The time that led to `deadline`, for the error text.
    pub allowed: Duration,
    /// Ends the call early when it fires.
    pub cancel: &'a Cancel,
    /// Told each phase as it begins.
    pub phase: &'a (dyn Fn(Phase) + Sync),
    /// How often connecting is tried again after a failure that may pass, all within the one deadline.
    pub retries: u32,
    /// When a host that has not sent one byte is given up before the deadline, so that there is time for another try.
    pub first_byte: Option<Instant>,
    /// The phase that begins with a command's first word.
    pub speaking: Phase,
    /// How long a piped script that was told to end may tidy up before it is killed; whole seconds.
    pub grace: Duration,
}

impl<'a> Limits<'a> {
    /// Limits that end `allowed` from now, with a grace of [`GRACE`].
    #[must_use]
    pub fn new(allowed: Duration, cancel: &'a Cancel, phase: &'a (dyn Fn(Phase) + Sync)) -> Self {
        let deadline = Instant::now() + allowed;
        let (retries, first_byte, speaking) = (0, None, Phase::Exec);
        Self { deadline, allowed, cancel, phase, retries, first_byte, speaking, grace: GRACE }
    }

    /// When a host must have sent its first byte.
    #[must_use]
    pub fn first_byte_by(&self) -> Instant {
        self.first_byte.map_or(self.deadline, |at| at.min(self.deadline))
    }

    /// Time left before the deadline; zero when it has passed.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// A script for `sh`, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellScript {
    /// The text, in the POSIX shell command language (IEEE Std 1003.1, XCU 2).
    pub text: String,
    /// Holds values that must not show up in the host's process list: it then travels on stdin, at one more round trip.
    pub sensitive: bool,
}

impl ShellScript {
    /// The word that stands in the words of the script's process however it travels, so that it is found in the host's process
    /// list: what follows `# ` in the first line, if it begins with `mcp-`, is short and has nothing but letters, digits and hyphens.
    #[must_use]
    pub fn word(&self) -> Option<&str> {
        let word = self.text.lines().next()?.strip_prefix("# ")?;
        let is_plain = word.starts_with("mcp-")
            && word.len() <= 64
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        is_plain.then_some(word)
    }
}

/// Which stream bytes came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What a script left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Standard output, up to [`OUTPUT_LIMIT`] bytes.
    pub stdout: Vec<u8>,
    /// Standard error, up to [`OUTPUT_LIMIT`] bytes.
    pub stderr: Vec<u8>,
    /// Whether bytes were dropped: past the limit, or because all hosts together hold [`MEMORY_LIMIT`].
    pub truncated: bool,
    /// How it ended.
    pub end: End,
    /// What the two streams take of the room of all.
    pub room: Room,
}

impl Output {
    /// All of what a script said, held outside the room that hosts share.
    #[must_use]
    pub fn whole(stdout: Vec<u8>, stderr: Vec<u8>, end: End) -> Self {
        Self { stdout, stderr, truncated: false, end, room: Room::default() }
    }
}

/// How a script ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It exited with this code, 0 to 255.
    Exit(i32),
    /// The account's login shell ended with this code, 1 to 255, and had not begun it: it runs no commands, or not with `sh`.
    NotBegun(i32),
    /// A signal ended it (named as in RFC 4254, section 6.10: `KILL`).
    Signal(String),
    /// The channel closed without saying: the command may have been cut short (RFC 4254 makes the status optional).
    Unsaid,
    /// The caller's sink or a cancel ended the stream.
    Stopped,
}

/// How long a command that has ended, but whose output somebody in the background still holds open, is listened to in silence.
const AFTERMATH: Duration = Duration::from_secs(5);
