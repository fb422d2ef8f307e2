//! Appends to `journal.jsonl` and reads it, with its older files.
//!
//! A line is one write under a lock of the file itself, so that two `mcp` never mix theirs and each line has the next number.
//! A line that a killed process left torn is ended by the next append. A file that has grown large is set aside when a run begins.
//!
//! Boundary: bytes, names and modes; what lines say is `config::journal`'s. Next: `appender` writes the lines of a run.

mod appender;

use std::{
    fs::{File, OpenOptions, Permissions, TryLockError},
    io::{self, BufRead, BufReader, ErrorKind, Read},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::PathBuf,
    time::{Duration, Instant},
};

pub use appender::Appender;
use rustix::fs::OFlags;

use super::{StoreError, Workspace};
use crate::config::journal::{Line, Runs};

/// The journal's file.
pub const JOURNAL: &str = "journal.jsonl";
/// From this size on a file is set aside when a run begins.
const LARGE: u64 = 4 * 1024 * 1024;
/// How many files that were set aside are kept: `journal.1.jsonl` is the newest of them.
const KEPT: usize = 4;
/// How long another `mcp` that appends is waited for; it holds the lock for a few milliseconds.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a held lock is looked at again.
const PAUSE: Duration = Duration::from_millis(2);
/// Longest line that is read; one with 100,000 instances has about 4 MiB.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;

impl Workspace {
    /// Reads the journal, older files first. A missing one tells of no runs.
    ///
    /// # Errors
    /// What the system says.
    pub fn read_journal(&self) -> Result<Runs, StoreError> {
        let mut files = vec![];
        {
            // Held so that no file is renamed between two of them; a journal that stays locked is read all the same.
            let current = open(&self.dir().join(JOURNAL), false).ok();
            let _ = current.as_ref().map(|file| lock(file, true));
            let older = (1..=KEPT).rev().map(older_name);
            for name in older.chain([JOURNAL.to_owned()]) {
                let path = self.dir().join(name);
                match open(&path, false) {
                    Ok(file) => files.push((path, file)),
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(source) => return Err(self.io("read", &path, source)),
                }
            }
        }
        let mut runs = Runs::default();
        for (path, file) in files {
            read(file, &mut runs).map_err(|source| self.io("read", &path, source))?;
        }
        Ok(runs)
    }

    /// The journal, locked, and still the one of that name.
    fn locked_journal(&self) -> io::Result<File> {
        let path = self.dir().join(JOURNAL);
        // Another `mcp` may set the file aside between the open and the lock; nobody does so many times in a row.
        for _ in 0..10 {
            let file = open(&path, true)?;
            lock(&file, false)?;
            let (mine, there) = (file.metadata()?, std::fs::symlink_metadata(&path));
            if there.is_ok_and(|there| (there.dev(), there.ino()) == (mine.dev(), mine.ino())) {
                if mine.permissions().mode() & 0o077 != 0 {
                    file.set_permissions(Permissions::from_mode(0o600))?;
                }
                if mine.len() == 0 {
                    // A new name must reach the disk as well (fsync(2), for directories).
                    File::open(self.dir())?.sync_all()?;
                }
                return Ok(file);
            }
        }
        Err(io::Error::other("it is replaced again and again"))
    }

    /// Sets the journal aside as `journal.1.jsonl`, and the older ones one further; the oldest goes.
    fn rotate(&self) -> io::Result<()> {
        for number in (0..KEPT).rev() {
            let from = if number == 0 { JOURNAL.to_owned() } else { older_name(number) };
            match std::fs::rename(self.dir().join(from), self.dir().join(older_name(number + 1))) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

fn older_name(number: usize) -> String {
    format!("journal.{number}.jsonl")
}

/// Opens a regular file, never through a symbolic link, never waiting for the other end of a pipe.
fn open(path: &PathBuf, append: bool) -> io::Result<File> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or(0);
    let mut options = OpenOptions::new();
    options.read(true).append(append).create(append).mode(0o600).custom_flags(flags);
    let file = options.open(path).map_err(|error| {
        if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
            io::Error::other("it is a symbolic link")
        } else {
            error
        }
    })?;
    super::owner::check(path, &file)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

fn lock(file: &File, shared: bool) -> io::Result<()> {
    let begin = Instant::now();
    loop {
        match if shared { file.try_lock_shared() } else { file.try_lock() } {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if begin.elapsed() < LOCK_TIMEOUT => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other(format!(
                    "another mcp has held its lock for {} s",
                    LOCK_TIMEOUT.as_secs()
                )));
            }
        }
    }
}

fn last_byte(file: &File, length: u64) -> io::Result<u8> {
    let mut byte = [0];
    file.read_exact_at(&mut byte, length - 1)?;
    Ok(byte[0])
}

/// The number after that of the last line that can be read.
fn next_number(file: &File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let mut size = 4096;
    loop {
        let from = length.saturating_sub(size);
        let mut bytes = vec![0; usize::try_from(length - from).unwrap_or(0)];
        file.read_exact_at(&mut bytes, from)?;
        // What stands before the first newline may be the end of a longer line.
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        if from > 0 {
            lines.remove(0);
        }
        if let Some(line) = lines.iter().rev().find_map(|line| Line::parse(line)) {
            return Ok(line.seq.saturating_add(1));
        }
        if from == 0 || size >= LONGEST_LINE {
            return Ok(0);
        }
        size *= 8;
    }
}

fn read(file: File, runs: &mut Runs) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(64 * 1024, file);
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        // The last line of a journal that is being written may not be whole yet; that is no damage.
        if line.ends_with(b"\n") || Line::parse(&line).is_some() {
            runs.take(&line);
        }
    }
}

#[cfg(test)]
mod tests;
