//! One script's processes on this machine: a shell, its pipes, and everything it started.
//!
//! Boundary: processes and pipes; what is run and what becomes of the output is the caller's.

use std::{
    cell::Cell,
    hash::{BuildHasher, RandomState},
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::Errno,
    process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid},
};

use super::{local, timespec};
use crate::transport::{
    AFTERMATH, End, GRACE, Input, Limits, Phase, ShellScript, Stream, TransportError, TransportErrorKind, input::Feed,
    tied,
};

/// How long the shell may take to be reaped once its pipes are closed, between two looks.
const REAP_PAUSE: Duration = Duration::from_millis(2);

/// How often a piped script is looked at when it says nothing.
const LOOK: Duration = Duration::from_secs(1);

/// Runs the script beside a watcher that kills the process group when stdin ends.
const TIED: &str = r#"mcp_text=$mcp_script; unset mcp_script; exec 3<&0 </dev/null
(eval "$mcp_text") 3<&- & mcp_run=$!
{ trap "" TERM; cat <&3; kill -TERM 0; sleep 1; kill -KILL 0; } >/dev/null 2>&1 &
exec 3<&-; wait $mcp_run"#;

/// A shell and everything it started. Dropping it kills what is left and reaps the shell.
pub(super) struct Group<'a> {
    child: Child,
    /// The group's id while the shell is not reaped: afterwards the number may belong to somebody else.
    id: Arc<Mutex<Option<Pid>>>,
    /// What is still to be written to the shell's stdin.
    feed: Feed<'a>,
    /// The shell's stdin. It closes when this process ends, however it does: the watcher of a tied group reads the other end.
    stdin: Option<ChildStdin>,
    /// Stdin stays open when everything is written, and the shell is told to end before it is killed.
    kind: Kind,
    /// Whether it was told to end: a second time would end what it does about the first.
    told: Arc<AtomicBool>,
    /// Time that a piped script's processes get to end by themselves before they are killed.
    grace: Duration,
    /// The script's other processes may outlive the shell only when it ended by itself and was not a stream.
    kill_on_drop: bool,
}

/// What a group's stdin is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The script, if anything; it is closed behind it.
    Plain,
    /// The tie alone.
    Tied,
    /// The script, its input, and then the tie.
    Piped,
}

impl<'a> Group<'a> {
    pub(super) fn spawn(script: &ShellScript, limits: &Limits<'_>) -> Result<Self, TransportError> {
        (limits.phase)(Phase::Exec);
        let mut command = Command::new("sh");
        let mut unwritten = Vec::new();
        if script.sensitive {
            // Read whole before it runs, so that no command of the script can eat the rest of it.
            let word = script.word().unwrap_or_default();
            let read = format!(r#": {word}; mcp_script=$(cat) && eval "$mcp_script" </dev/null"#);
            command.args(["-c", &read]).stdin(Stdio::piped());
            unwritten = script.text.clone().into_bytes();
        } else {
            command.arg("-c").arg(&script.text).stdin(Stdio::null());
        }
        Self::begin(command, Feed::new(unwritten, None), Kind::Plain)
    }

    /// A group that does not outlive this process, as a stream must not, even when this process is killed.
    pub(super) fn spawn_tied(script: &ShellScript, limits: &Limits<'_>) -> Result<Self, TransportError> {
        (limits.phase)(Phase::Exec);
        let mut command = Command::new("sh");
        // The script travels in the environment, which other users cannot read, because stdin is the tie.
        command.args(["-c", TIED]).env("mcp_script", &script.text).stdin(Stdio::piped());
        Self::begin(command, Feed::empty(), Kind::Tied)
    }

    /// A group that reads `input` and does not outlive this process before it has ended by itself.
    pub(super) fn spawn_piped(
        script: &ShellScript,
        input: Option<&'a dyn Input>,
        limits: &Limits<'_>,
    ) -> Result<Self, TransportError> {
        (limits.phase)(Phase::Exec);
        let nonce = format!("mcp-{:016x}", RandomState::new().hash_one(Instant::now()));
        let size = input.map_or(0, Input::size);
        let mut command = Command::new("sh");
        let tied = tied::script_from_stdin(&nonce) + &tied::run(size, "", limits.grace);
        command.arg("-c").arg(tied).stdin(Stdio::piped());
        let first = format!("{}\n#{nonce}\n", script.text).into_bytes();
        let mut group = Self::begin(command, Feed::new(first, input), Kind::Piped)?;
        group.grace = limits.grace;
        Ok(group)
    }

    fn begin(mut command: Command, feed: Feed<'a>, kind: Kind) -> Result<Self, TransportError> {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn().map_err(local)?;
        let id = Arc::new(Mutex::new(Pid::from_raw(child.id().cast_signed())));
        // Child::wait would close it before the shell is reaped.
        let stdin = child.stdin.take();
        let group = Self { child, id, feed, stdin, kind, told: Arc::default(), grace: GRACE, kill_on_drop: true };
        for fd in group.pipes().into_iter().flatten() {
            fcntl_getfl(fd)
                .and_then(|flags| fcntl_setfl(fd, flags | OFlags::NONBLOCK))
                .map_err(|errno| local(errno.into()))?;
        }
        Ok(group)
    }

    /// Stdin, stdout and stderr, as far as they are open.
    fn pipes(&self) -> [Option<BorrowedFd<'_>>; 3] {
        [
            self.stdin.as_ref().map(AsFd::as_fd),
            self.child.stdout.as_ref().map(AsFd::as_fd),
            self.child.stderr.as_ref().map(AsFd::as_fd),
        ]
    }

    pub(super) fn run(
        &mut self,
        limits: &Limits<'_>,
        deadline: Option<Instant>,
        sink: &mut dyn FnMut(Stream, &[u8]) -> bool,
    ) -> Result<End, TransportError> {
        let id = Arc::clone(&self.id);
        // Killing the group closes its ends of the pipes, which wakes the poll below.
        let told = (self.kind == Kind::Piped).then(|| Arc::clone(&self.told));
        let _guard = limits.cancel.on_abandon(move || match &told {
            Some(told) => tell(&id, told),
            None => kill(&id, Signal::KILL),
        });
        let mut buffer = vec![0; 64 * 1024];
        let heard = Cell::new(Instant::now());
        let mut sink = |stream, bytes: &[u8]| {
            heard.set(Instant::now());
            sink(stream, bytes)
        };
        while self.child.stdout.is_some() || self.child.stderr.is_some() {
            check(limits, deadline)?;
            self.wait_ready(deadline)?;
            self.feed()?;
            // Asked before the last read, so that nothing the script said is missed.
            let is_over = self.kind == Kind::Piped && heard.get().elapsed() >= AFTERMATH && self.has_exited()?;
            if !read_ready(&mut self.child.stdout, &mut buffer, |bytes| sink(Stream::Stdout, bytes))?
                || !read_ready(&mut self.child.stderr, &mut buffer, |bytes| sink(Stream::Stderr, bytes))?
            {
                return Ok(End::Stopped);
            }
            if is_over && heard.get().elapsed() >= AFTERMATH {
                // Somebody in the background holds the output open and says nothing.
                break;
            }
        }
        if self.kind == Kind::Plain {
            self.stdin = None;
        }
        self.wait_exited(limits, deadline)?;
        if deadline.is_none() {
            // A stream leaves nothing behind. The unreaped shell still holds the group's number.
            kill(&self.id, Signal::KILL);
        }
        self.kill_on_drop = false;
        let end = self.reap().map(end_of).map_err(local)?;
        if matches!(end, End::Signal(_)) && limits.cancel.is_abandoned() {
            // The signal was the cancel's.
            return Err(TransportError::new(Phase::Exec, TransportErrorKind::Cancelled));
        }
        Ok(end)
    }

    /// Waits until a pipe has something to say or `deadline` is there.
    fn wait_ready(&self, deadline: Option<Instant>) -> Result<(), TransportError> {
        let [stdin, stdout, stderr] = self.pipes();
        let mut fds: Vec<PollFd<'_>> = [stdout, stderr]
            .into_iter()
            .flatten()
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .chain(stdin.filter(|_| !self.feed.is_done()).map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::OUT)))
            .collect();
        let look = if self.kind == Kind::Piped { LOOK } else { Duration::MAX };
        let timeout = deadline.map(|at| timespec(at.saturating_duration_since(Instant::now()).min(look)));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(local(errno.into())),
        }
    }

    /// Writes what the shell takes of its script. A shell that ended early is seen by its exit, not here.
    fn feed(&mut self) -> Result<(), TransportError> {
        let Some(stdin) = self.stdin.as_mut() else { return Ok(()) };
        while !self.feed.is_done() {
            match stdin.write(self.feed.chunk()?) {
                Ok(written) => self.feed.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.feed.clear(),
            }
        }
        if self.kind == Kind::Plain {
            self.stdin = None;
        }
        Ok(())
    }

    /// Whether the shell has ended; it is not reaped by this.
    fn has_exited(&self) -> Result<bool, TransportError> {
        let Some(pid) = *self.id.lock().unwrap_or_else(PoisonError::into_inner) else { return Ok(true) };
        match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT) {
            Ok(None) | Err(Errno::INTR) => Ok(false),
            Ok(Some(_)) => Ok(true),
            Err(errno) => Err(local(errno.into())),
        }
    }

    /// Waits for the shell's end without reaping it.
    fn wait_exited(&self, limits: &Limits<'_>, deadline: Option<Instant>) -> Result<(), TransportError> {
        while !self.has_exited()? {
            check(limits, deadline)?;
            std::thread::sleep(REAP_PAUSE);
        }
        Ok(())
    }

    /// Tells everybody to end and hears them out: a trap may have something to tidy up.
    fn terminate(&mut self) {
        tell(&self.id, &self.told);
        let until = Instant::now() + self.grace;
        let mut buffer = vec![0; 64 * 1024];
        self.feed.clear();
        while (self.child.stdout.is_some() || self.child.stderr.is_some()) && Instant::now() < until {
            let ready = self.wait_ready(Some(until)).and_then(|()| {
                read_ready(&mut self.child.stdout, &mut buffer, |_| true)?;
                read_ready(&mut self.child.stderr, &mut buffer, |_| true)
            });
            if ready.is_err() {
                break;
            }
        }
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        let mut id = self.id.lock().unwrap_or_else(PoisonError::into_inner);
        *id = None;
        self.child.wait()
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        if self.kill_on_drop {
            if self.kind == Kind::Piped {
                self.terminate();
            }
            kill(&self.id, Signal::KILL);
            let _ = self.reap();
        }
    }
}

fn tell(id: &Mutex<Option<Pid>>, told: &AtomicBool) {
    if !told.swap(true, Ordering::SeqCst) {
        kill(id, Signal::TERM);
    }
}

fn kill(id: &Mutex<Option<Pid>>, signal: Signal) {
    if let Some(pid) = *id.lock().unwrap_or_else(PoisonError::into_inner) {
        // Fails only when nobody is left to kill.
        let _ = kill_process_group(pid, signal);
    }
}

/// Hands what `pipe` holds to `sink`, closes it at its end; false when the sink has had enough.
fn read_ready<P: Read>(
    pipe: &mut Option<P>,
    buffer: &mut [u8],
    mut sink: impl FnMut(&[u8]) -> bool,
) -> Result<bool, TransportError> {
    let Some(open) = pipe.as_mut() else { return Ok(true) };
    match open.read(buffer) {
        Ok(0) => *pipe = None,
        Ok(read) => return Ok(sink(&buffer[..read])),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
        Err(error) => return Err(local(error)),
    }
    Ok(true)
}

fn check(limits: &Limits<'_>, deadline: Option<Instant>) -> Result<(), TransportError> {
    if limits.cancel.is_abandoned() {
        return Err(TransportError::new(Phase::Exec, TransportErrorKind::Cancelled));
    }
    if deadline.is_some_and(|at| Instant::now() >= at) {
        let kind = TransportErrorKind::Timeout { phase: Phase::Exec, allowed: limits.allowed };
        return Err(TransportError::new(Phase::Exec, kind));
    }
    Ok(())
}

fn end_of(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exit(code),
        (None, Some(signal)) => End::Signal(signal_name(signal)),
        (None, None) => End::Unsaid,
    }
}

/// The name RFC 4254, section 6.10, has for a signal; its number where it has none.
fn signal_name(number: i32) -> String {
    let name = Signal::from_named_raw(number).map(|signal| match signal {
        Signal::ABORT => "ABRT",
        Signal::ALARM => "ALRM",
        Signal::FPE => "FPE",
        Signal::HUP => "HUP",
        Signal::ILL => "ILL",
        Signal::INT => "INT",
        Signal::KILL => "KILL",
        Signal::PIPE => "PIPE",
        Signal::QUIT => "QUIT",
        Signal::SEGV => "SEGV",
        Signal::TERM => "TERM",
        Signal::USR1 => "USR1",
        Signal::USR2 => "USR2",
        _ => "",
    });
    name.filter(|name| !name.is_empty()).map_or_else(|| number.to_string(), str::to_owned)
}
