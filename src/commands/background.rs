//! One run in two processes, so that its sessions may outlive it.
//!
//! A run that may leave sessions behind is forked before it does anything: the *worker* does all of it, the *front* waits, passes
//! signals on and ends with the worker's exit code. When the worker has sessions to keep at its end, it lets go of the
//! terminal, hands its exit code to the front, and goes on as their keeper; else it just ends. (OpenSSH's `ControlPersist`
//! does the same the other way round.) Whoever kills the front with SIGKILL has killed the worker as well.
//!
//! Boundary: processes, signals and descriptors. Next: `transport::ssh::kept` is what goes on in the background.

use std::{
    io::{self, Read, Write},
    os::{fd::RawFd, unix::net::UnixStream},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Pid, Signal, WaitOptions, getpid, kill_process, waitpid},
};
use signal_hook::low_level::pipe;

use super::interrupts::{Interrupts, caught};
use crate::{
    render::{flush, killed},
    transport::ssh::kept::{Directory, Keep, Keeper, Pool},
};

/// The worker's end of a run in two processes.
pub struct Background {
    front: UnixStream,
    /// Set before the front is let go: its end is no longer this process's.
    is_alone: Arc<AtomicBool>,
    /// Descriptors that somebody left open for this process; a keeper must not hold them.
    inherited: Vec<RawFd>,
    keep: Keep,
}

impl Background {
    /// Goes on as the worker; the front never returns from this. `None` when the system has no second process to give: then
    /// the run is one process, and keeps nothing.
    #[must_use]
    pub fn split(persist: Option<Duration>, interrupts: &Arc<Interrupts>) -> Option<Self> {
        let inherited = inherited();
        let (near, far) = UnixStream::pair().ok()?;
        // What is in the buffer now would be written by both.
        flush().ok()?;
        // No thread runs yet, so the child's copy of this process is whole.
        match fork::fork().ok()? {
            fork::Fork::Parent(worker) => {
                drop(far);
                std::process::exit(wait_as_front(near, worker));
            }
            fork::Fork::Child => drop(near),
        }
        let keep = Keep { directory: Directory::of_process(), persist, pool: Arc::new(Pool::default()) };
        let background = Self { front: far, is_alone: Arc::default(), inherited, keep };
        background.watch_front(Arc::clone(interrupts)).ok()?;
        Some(background)
    }

    /// Where sessions are found and left.
    #[must_use]
    pub fn keep(&self) -> Keep {
        self.keep.clone()
    }

    /// Ends the run with `exit`; when there are sessions to keep, the front ends and this process goes on until they are closed.
    #[must_use]
    pub fn finish(mut self, exit: u8, interrupts: &Interrupts) -> ExitCode {
        // Trouble with keeping is no trouble of the run's.
        if let Ok(Some(keeper)) = Keeper::new(&self.keep.directory, &self.keep.pool) {
            interrupts.end_at_once();
            self.is_alone.store(true, Ordering::SeqCst);
            if self.let_go(exit).is_ok() {
                keeper.run();
            }
        }
        self.is_alone.store(true, Ordering::SeqCst);
        ExitCode::from(exit)
    }

    /// Lets go of everything that others may wait for, then of the front.
    fn let_go(&mut self, exit: u8) -> io::Result<()> {
        flush()?;
        rustix::process::setsid()?;
        // Nothing should be kept from being unmounted.
        std::env::set_current_dir("/")?;
        let nothing = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdin(&nothing)?;
        rustix::stdio::dup2_stdout(&nothing)?;
        rustix::stdio::dup2_stderr(&nothing)?;
        for descriptor in self.inherited.drain(..) {
            let _ = nix::unistd::close(descriptor);
        }
        self.front.write_all(&[exit])
    }

    /// Passes on what the front hears, and dies with it.
    fn watch_front(&self, interrupts: Arc<Interrupts>) -> io::Result<()> {
        let mut front = self.front.try_clone()?;
        let is_alone = Arc::clone(&self.is_alone);
        std::thread::Builder::new().name("front".to_owned()).stack_size(64 * 1024).spawn(move || {
            let mut signal = [0];
            while front.read_exact(&mut signal).is_ok() {
                interrupts.heard_by_front(signal[0].into());
            }
            if !is_alone.load(Ordering::SeqCst) {
                let _ = kill_process(getpid(), Signal::KILL);
            }
        })?;
        Ok(())
    }
}

/// Descriptors besides the three of every process. Nothing of our own is open yet.
fn inherited() -> Vec<RawFd> {
    let entries = std::fs::read_dir("/dev/fd").into_iter().flatten().flatten();
    let numbers: Vec<RawFd> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    // One of them was the directory's own, which is closed by now.
    numbers.into_iter().filter(|fd| *fd > 2 && std::fs::exists(format!("/dev/fd/{fd}")).unwrap_or(false)).collect()
}

/// Waits for the worker's exit code, passing signals on meanwhile.
fn wait_as_front(worker: UnixStream, pid: i32) -> i32 {
    let mut pipes = vec![];
    for signal in caught() {
        let Ok((reader, writer)) = UnixStream::pair() else { continue };
        if pipe::register(signal, writer).is_ok() {
            pipes.push((signal, reader));
        }
    }
    loop {
        let mut fds = vec![PollFd::new(&worker, PollFlags::IN)];
        fds.extend(pipes.iter().map(|(_, reader)| PollFd::new(reader, PollFlags::IN)));
        if poll(&mut fds, None).is_err() {
            // A signal came.
            continue;
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        for ((signal, reader), _) in pipes.iter().zip(&ready[1..]).filter(|(_, ready)| **ready) {
            let mut bytes = [0; 16];
            let count = (&*reader).read(&mut bytes).unwrap_or(0);
            let word = vec![u8::try_from(*signal).unwrap_or(0); count];
            let _ = (&worker).write_all(&word);
        }
        if ready[0] {
            let mut exit = [0];
            return match (&worker).read(&mut exit) {
                Ok(1) => exit[0].into(),
                _ => code_of(pid),
            };
        }
    }
}

/// The exit code of a worker that has ended.
fn code_of(pid: i32) -> i32 {
    let ended = Pid::from_raw(pid).and_then(|pid| {
        loop {
            match waitpid(Some(pid), WaitOptions::empty()) {
                Err(rustix::io::Errno::INTR) => {}
                other => break other.ok().flatten(),
            }
        }
    });
    let Some((_, status)) = ended else { return 1 };
    if let Some(signal) = status.terminating_signal() {
        // The others are how a run is asked to end, and whoever asked knows.
        if !caught().contains(&signal) {
            killed(signal);
        }
        // A signal's number past 128, as a shell has it.
        return 128 + signal;
    }
    status.exit_status().unwrap_or(1)
}
