//! Runs scripts with `sh` on this machine, for hosts whose connection is `local`.
//!
//! Boundary: processes and pipes; the script's text is somebody else's. Each script has a process group of its own, so
//! that a deadline, a cancel or the end of a stream takes every process it started with it.
//! Next: `ssh` does the same for other machines.

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::Errno,
    process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid},
};

use super::{
    Connector, End, Limits, OUTPUT_LIMIT, Output, Phase, Remote, ShellScript, Stream, TransportError,
    TransportErrorKind,
};
use crate::domain::Host;

/// How long the shell may take to be reaped once its pipes are closed, between two looks.
const REAP_PAUSE: Duration = Duration::from_millis(2);

/// Runs every script on this machine, whatever the host is called.
#[derive(Debug, Default, Clone, Copy)]
pub struct LocalConnector;

impl Connector for LocalConnector {
    fn connect(&self, _host: &Host, _limits: &Limits<'_>) -> Result<Box<dyn Remote>, TransportError> {
        Ok(Box::new(LocalRemote))
    }
}

struct LocalRemote;

impl Remote for LocalRemote {
    fn exec(&mut self, script: &ShellScript, limits: &Limits<'_>) -> Result<Output, TransportError> {
        let mut output = Output { stdout: Vec::new(), stderr: Vec::new(), truncated: false, end: End::Unsaid };
        let mut truncated = false;
        let mut keep = |stream, bytes: &[u8]| {
            let kept = if stream == Stream::Stdout { &mut output.stdout } else { &mut output.stderr };
            truncated |= keep_bounded(kept, bytes);
            true
        };
        let end = Group::spawn(script, limits)?.run(limits, Some(limits.deadline), &mut keep)?;
        Ok(Output { truncated, end, ..output })
    }

    fn stream(
        &mut self,
        script: &ShellScript,
        limits: &Limits<'_>,
        sink: &mut dyn FnMut(Stream, &[u8]) -> bool,
    ) -> Result<End, TransportError> {
        let mut group = Group::spawn_tied(script, limits)?;
        match group.run(limits, None, sink) {
            Err(error) if matches!(*error.kind, TransportErrorKind::Cancelled) => Ok(End::Stopped),
            other => other,
        }
    }
}

/// Appends `bytes` to `kept` up to [`OUTPUT_LIMIT`]; true when some were dropped.
pub(super) fn keep_bounded(kept: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let room = OUTPUT_LIMIT.saturating_sub(kept.len()).min(bytes.len());
    kept.extend_from_slice(&bytes[..room]);
    room < bytes.len()
}

/// Runs the script beside a watcher that kills the process group when stdin ends.
const TIED: &str = r#"mcp_text=$mcp_script; unset mcp_script; exec 3<&0 </dev/null
(eval "$mcp_text") 3<&- & mcp_run=$!
{ trap "" TERM; cat <&3; kill -TERM 0; sleep 1; kill -KILL 0; } >/dev/null 2>&1 &
exec 3<&-; wait $mcp_run"#;

/// A shell and everything it started. Dropping it kills what is left and reaps the shell.
struct Group {
    child: Child,
    /// The group's id while the shell is not reaped: afterwards the number may belong to somebody else.
    id: Arc<Mutex<Option<Pid>>>,
    /// What is still to be written to the shell's stdin.
    unwritten: Vec<u8>,
    /// The end of a pipe that closes when this process ends, however it does: the group's watcher reads the other end.
    _tie: Option<ChildStdin>,
    /// The script's other processes may outlive the shell only when it ended by itself and was not a stream.
    kill_on_drop: bool,
}

impl Group {
    fn spawn(script: &ShellScript, limits: &Limits<'_>) -> Result<Self, TransportError> {
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
        Self::begin(command, unwritten, false)
    }

    /// A group that does not outlive this process, as a stream must not, even when this process is killed.
    fn spawn_tied(script: &ShellScript, limits: &Limits<'_>) -> Result<Self, TransportError> {
        (limits.phase)(Phase::Exec);
        let mut command = Command::new("sh");
        // The script travels in the environment, which other users cannot read, because stdin is the tie.
        command.args(["-c", TIED]).env("mcp_script", &script.text).stdin(Stdio::piped());
        Self::begin(command, Vec::new(), true)
    }

    fn begin(mut command: Command, unwritten: Vec<u8>, tied: bool) -> Result<Self, TransportError> {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn().map_err(local)?;
        let id = Arc::new(Mutex::new(Pid::from_raw(child.id().cast_signed())));
        let tie = if tied { child.stdin.take() } else { None };
        let group = Self { child, id, unwritten, _tie: tie, kill_on_drop: true };
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
            self.child.stdin.as_ref().map(AsFd::as_fd),
            self.child.stdout.as_ref().map(AsFd::as_fd),
            self.child.stderr.as_ref().map(AsFd::as_fd),
        ]
    }

    fn run(
        &mut self,
        limits: &Limits<'_>,
        deadline: Option<Instant>,
        sink: &mut dyn FnMut(Stream, &[u8]) -> bool,
    ) -> Result<End, TransportError> {
        let id = Arc::clone(&self.id);
        // Killing the group closes its ends of the pipes, which wakes the poll below.
        let _guard = limits.cancel.on_abandon(move || kill(&id));
        let mut buffer = vec![0; 64 * 1024];
        while self.child.stdout.is_some() || self.child.stderr.is_some() {
            check(limits, deadline)?;
            self.wait_ready(deadline)?;
            self.feed();
            if !read_ready(&mut self.child.stdout, &mut buffer, |bytes| sink(Stream::Stdout, bytes))?
                || !read_ready(&mut self.child.stderr, &mut buffer, |bytes| sink(Stream::Stderr, bytes))?
            {
                return Ok(End::Stopped);
            }
        }
        self.child.stdin = None;
        self.wait_exited(limits, deadline)?;
        if deadline.is_none() {
            // A stream leaves nothing behind. The unreaped shell still holds the group's number.
            kill(&self.id);
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
            .chain(stdin.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::OUT)))
            .collect();
        let timeout = deadline.map(|at| timespec(at.saturating_duration_since(Instant::now())));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(local(errno.into())),
        }
    }

    /// Writes what the shell takes of its script. A shell that ended early is seen by its exit, not here.
    fn feed(&mut self) {
        let Some(stdin) = self.child.stdin.as_mut() else { return };
        while !self.unwritten.is_empty() {
            match stdin.write(&self.unwritten) {
                Ok(written) => drop(self.unwritten.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.unwritten.clear(),
            }
        }
        self.child.stdin = None;
    }

    /// Waits for the shell's end without reaping it.
    fn wait_exited(&self, limits: &Limits<'_>, deadline: Option<Instant>) -> Result<(), TransportError> {
        let Some(pid) = *self.id.lock().unwrap_or_else(PoisonError::into_inner) else { return Ok(()) };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        loop {
            match waitid(WaitId::Pid(pid), options) {
                Ok(None) | Err(Errno::INTR) => {}
                Ok(Some(_)) => return Ok(()),
                Err(errno) => return Err(local(errno.into())),
            }
            check(limits, deadline)?;
            std::thread::sleep(REAP_PAUSE);
        }
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        let mut id = self.id.lock().unwrap_or_else(PoisonError::into_inner);
        *id = None;
        self.child.wait()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.kill_on_drop {
            kill(&self.id);
            let _ = self.reap();
        }
    }
}

fn kill(id: &Mutex<Option<Pid>>) {
    if let Some(pid) = *id.lock().unwrap_or_else(PoisonError::into_inner) {
        // Fails only when nobody is left to kill.
        let _ = kill_process_group(pid, Signal::KILL);
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

pub(super) fn timespec(duration: Duration) -> Timespec {
    // One millisecond more than asked, so that a poll that ran out of time finds the deadline passed.
    let duration = duration.saturating_add(Duration::from_millis(1));
    Timespec { tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX), tv_nsec: duration.subsec_nanos().into() }
}

fn local(error: io::Error) -> TransportError {
    TransportError::new(Phase::Exec, TransportErrorKind::Local(error))
}
