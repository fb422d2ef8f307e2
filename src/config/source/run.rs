//! Runs an inventory's executable: once, with a deadline, its input closed, its output bounded, and with all it started.
//!
//! Boundary: bytes that a program prints; what they say is `ansible::json`'s.

use std::{
    io::Read,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::config::error::{ConfigError, ConfigErrors};

/// Largest answer taken, in bytes.
const LARGEST: usize = 64 * 1024 * 1024;
/// How much of what it says on stderr is kept, in bytes.
const LARGEST_STDERR: usize = 64 * 1024;
/// Lines of stderr that an error shows.
const LINES_SHOWN: usize = 10;
/// How many `--host` run side by side.
const SIDE_BY_SIDE: usize = 8;

/// Runs the executable in a process group whose watcher kills it when the tie, its stdin, closes: so nothing is left behind
/// even when this process is killed. The shell reads no word of the command line, it only passes them on.
const TIED: &str = r#"exec 3<&0 </dev/null
"$@" 3<&- & run=$!
{ cat <&3; kill -KILL 0; } >/dev/null 2>&1 &
exec 3<&-; wait $run"#;

/// Whether Ansible would run the file rather than read it. One that only carries the mode, as files on some file systems do,
/// has neither `#!` nor machine code in it.
pub(super) fn is_executable(path: &Path) -> bool {
    if !path.is_file() || rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_err() {
        return false;
    }
    let mut head = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(512).read_to_end(&mut head));
    // What cannot be read may still be run.
    read.is_err() || head.starts_with(b"#!") || head.contains(&0)
}

/// What `path` prints when it is run with `arguments`.
///
/// # Errors
/// It cannot be run, fails, says too much or takes longer than `timeout`.
pub(super) fn run(path: &Path, label: &str, arguments: &[&str], timeout: Duration) -> Result<String, ConfigErrors> {
    let said = arguments.join(" ");
    let wrong = |message: String| ConfigErrors::from(ConfigError::file(label, format!("{said}: {message}")));
    let mut group = Group::spawn(path, arguments).map_err(|source| wrong(format!("cannot run it: {source}")))?;
    let (sender, receiver) = mpsc::channel();
    for (at, (pipe, most)) in group.pipes(LARGEST + 1, LARGEST_STDERR).into_iter().enumerate() {
        let sender = sender.clone();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let result = pipe.take(most).read_to_end(&mut bytes).map(|_| bytes);
            // Nobody listens any more after the deadline.
            let _ = sender.send((at, result));
        });
    }
    drop(sender);
    let deadline = Instant::now() + timeout;
    let mut outputs = [Vec::new(), Vec::new()];
    loop {
        match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok((at, result)) => {
                outputs[at] = result.map_err(|source| wrong(format!("cannot read what it prints: {source}")))?;
                if outputs[0].len() > LARGEST {
                    return Err(wrong(format!("it prints more than {LARGEST} bytes")));
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let message =
                    format!("it was not done after {} s; allow it more with --timeout", timeout.as_secs_f64());
                return Err(wrong(message));
            }
        }
    }
    let [stdout, stderr] = outputs;
    let status = group.wait(deadline).map_err(|source| wrong(format!("cannot wait for it: {source}")))?;
    let Some(status) = status else {
        return Err(wrong(format!("it closed its output and was not done after {} s", timeout.as_secs_f64())));
    };
    if !status.success() {
        return Err(wrong(format!("it failed ({}){}", ending(status), last_lines(&stderr))));
    }
    String::from_utf8(stdout).map_err(|_| wrong("what it prints is not UTF-8".to_owned()))
}

/// Runs `path --host NAME` for every name of `hosts`, a few at once; answers in the order of the names.
pub(super) fn run_each<'a>(
    path: &Path,
    label: &str,
    hosts: &'a [String],
    timeout: Duration,
) -> Vec<(&'a str, Result<String, ConfigErrors>)> {
    let next = AtomicUsize::new(0);
    let answers: Mutex<Vec<Option<Result<String, ConfigErrors>>>> = Mutex::new(vec![None; hosts.len()]);
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE.min(hosts.len()) {
            scope.spawn(|| {
                while let Some((at, host)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, hosts.get(at)?)))
                {
                    let answer = run(path, label, &["--host", host], timeout);
                    if answer.is_err() {
                        // One failure is enough to know.
                        next.store(hosts.len(), Ordering::Relaxed);
                    }
                    answers.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(answer);
                }
            });
        }
    });
    let answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    hosts.iter().map(String::as_str).zip(answers).filter_map(|(host, answer)| Some((host, answer?))).collect()
}

fn ending(status: ExitStatus) -> String {
    // The shell in front reports a signal as 128 and its number.
    match status.code() {
        Some(126 | 127) => "it cannot be executed: see its first line".to_owned(),
        Some(code) if code > 128 => format!("signal {}", code - 128),
        Some(code) => format!("exit code {code}"),
        None => "killed".to_owned(),
    }
}

fn last_lines(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return " and said nothing; run it by hand to see why".to_owned();
    }
    format!(":\n  {}", lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n  "))
}

/// The process and everything it started. Dropping it ends them all.
struct Group {
    child: Child,
    _tie: Option<ChildStdin>,
    reaped: bool,
}

impl Group {
    fn spawn(path: &Path, arguments: &[&str]) -> std::io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", TIED, "sh"]).arg(path).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let tie = child.stdin.take();
        Ok(Self { child, _tie: tie, reaped: false })
    }

    /// What it prints and what it complains of, each with the most that is read of it.
    fn pipes(&mut self, stdout: usize, stderr: usize) -> Vec<(Box<dyn Read + Send>, u64)> {
        let most = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
        let out = self.child.stdout.take().map(|pipe| (Box::new(pipe) as Box<dyn Read + Send>, most(stdout)));
        let err = self.child.stderr.take().map(|pipe| (Box::new(pipe) as Box<dyn Read + Send>, most(stderr)));
        out.into_iter().chain(err).collect()
    }

    /// How it ended; nothing when it has not at `deadline`.
    fn wait(&mut self, deadline: Instant) -> std::io::Result<Option<ExitStatus>> {
        loop {
            // The group's other processes go while its number is still taken.
            use rustix::process::{WaitId, WaitIdOptions, waitid};
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            let pid = Pid::from_child(&self.child);
            if waitid(WaitId::Pid(pid), options)?.is_some() {
                let _ = kill_process_group(pid, Signal::KILL);
                self.reaped = true;
                return self.child.wait().map(Some);
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.reaped {
            // Fails only when nobody is left to kill.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}
