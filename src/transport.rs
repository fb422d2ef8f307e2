//! How bytes get to a host and back: a [`Connector`] opens a [`Remote`], which runs one script per exec.
//!
//! Boundary: knows hosts, bytes and deadlines; knows nothing of docker, of YAML files or of terminals.
//! Next: `ssh/` and `local` are the two connectors, `script` frames many commands into one exec; `fleet` drives them.

pub mod cancel;
mod dispatch;
mod error;
pub mod local;
pub mod presence;
pub mod script;
pub mod ssh;

use std::time::{Duration, Instant};

pub use cancel::Cancel;
pub use dispatch::Connectors;
pub use error::{Phase, TransportError, TransportErrorKind};

use crate::domain::Host;

/// Opens connections to hosts. One connector serves all workers of a run, so keys and known hosts are read once.
pub trait Connector: Sync {
    /// Connects to `host` before `limits.deadline`, telling `limits.phase` how far it got.
    ///
    /// # Errors
    /// A [`TransportError`] with the phase that failed.
    fn connect(&self, host: &Host, limits: &Limits<'_>) -> Result<Box<dyn Remote>, TransportError>;
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
}

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
}

impl<'a> Limits<'a> {
    /// Limits that end `allowed` from now.
    #[must_use]
    pub fn new(allowed: Duration, cancel: &'a Cancel, phase: &'a (dyn Fn(Phase) + Sync)) -> Self {
        Self { deadline: Instant::now() + allowed, allowed, cancel, phase }
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
    /// Whether bytes past the limit were dropped.
    pub truncated: bool,
    /// How it ended.
    pub end: End,
}

/// How a script ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It exited with this code, 0 to 255.
    Exit(i32),
    /// A signal ended it (named as in RFC 4254, section 6.10: `KILL`).
    Signal(String),
    /// The channel closed without saying: the command may have been cut short (RFC 4254 makes the status optional).
    Unsaid,
    /// The caller's sink or a cancel ended the stream.
    Stopped,
}

/// Most bytes kept of each stream of one exec.
pub const OUTPUT_LIMIT: usize = 8 * 1024 * 1024;
