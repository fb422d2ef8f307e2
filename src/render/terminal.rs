//! Questions that only a person can answer: asked on the terminal itself, so that a pipe cannot.
//!
//! Boundary: one question, one answer. `Ui::confirm` takes what stdin says.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use super::Ui;

/// How often an unanswered question looks for an interrupt, in nanoseconds.
const LOOK: i64 = 100_000_000;

/// Longest answer read.
const ANSWER: usize = 1024;

impl Ui {
    /// Asks a yes-or-no question on the terminal of this process, whatever stdin is; `None` when there is no terminal or the
    /// run was interrupted, else whether the answer begins with y.
    pub fn confirm_on_terminal(&mut self, question: &str, is_interrupted: &dyn Fn() -> bool) -> Option<bool> {
        let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
        write!(terminal, "{question} [y/N] ").and_then(|()| terminal.flush()).ok()?;
        let line = read_line(&mut terminal, is_interrupted)?;
        Some(line.trim_start().to_lowercase().starts_with('y'))
    }
}

fn read_line(terminal: &mut File, is_interrupted: &dyn Fn() -> bool) -> Option<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") && line.len() < ANSWER {
        if is_interrupted() {
            return None;
        }
        let mut fds = [PollFd::new(&*terminal, PollFlags::IN)];
        match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: LOOK })) {
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(_) => return None,
        }
        let mut bytes = [0; 64];
        match terminal.read(&mut bytes).ok()? {
            0 => break,
            count => line.extend_from_slice(&bytes[..count]),
        }
    }
    Some(String::from_utf8_lossy(&line).into_owned())
}
