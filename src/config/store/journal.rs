//! Appends to `journal.jsonl` and reads it, with its older files.
//!
//! A line is one write under a lock of the file itself, so that two `mcp` never mix theirs and each line has the next number.
//! A line that a killed process left torn is ended by the next append. A file that has grown large is set aside when a run begins.
//! Each line is bound to the one before it by a hash, through all files.
//!
//! Boundary: bytes, names and modes; what lines say is `config::journal`'s. Next: `appender` writes the lines of a run, `head` notes
//! the last one.

mod appender;
mod head;

use std::{
    fs::{File, OpenOptions, Permissions, TryLockError},
    io::{self, BufRead, BufReader, ErrorKind, Read},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

pub use appender::Appender;
use rustix::fs::OFlags;

use super::{StoreError, Workspace};
use crate::config::journal::{
    Line, Runs,
    chain::{ChainHash, Sealed},
    verify::{Noted, Verification, Verifier},
};

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
        let mut runs = Runs::default();
        for (path, file) in self.journal_files(|| ())?.0 {
            // The last line of a journal that is being written may not be whole yet; that is no damage.
            let take = |_, line: &[u8]| {
                if line.ends_with(b"\n") || Line::parse(line).is_some() {
                    runs.take(line);
                }
            };
            each_line(file, take).map_err(|source| self.io("read", &path, source))?;
        }
        Ok(runs)
    }

    /// Holds every line of the journal against its hash, and the last ones against `journal.head` and `head`, a hash that was noted
    /// elsewhere or the beginning of one.
    ///
    /// # Errors
    /// What the system says.
    pub fn verify_journal(&self, head: Option<&str>) -> Result<Verification, StoreError> {
        let (files, noted) = self.journal_files(|| self.read_head())?;
        let noted = noted.map_err(|source| self.io("read", &self.dir().join(head::HEAD), source))?;
        let begins = noted.as_ref().map(|noted| noted.begins.clone());
        let here = noted.map(|noted| Noted {
            by: head::HEAD.to_owned(),
            hash: noted.hash.to_string(),
            seq: Some(noted.seq),
            after: None,
        });
        let there = head.map(|hash| Noted { by: "--head".to_owned(), hash: hash.to_owned(), seq: None, after: None });
        let mut verifier = Verifier::new(begins, here.into_iter().chain(there).collect());
        for (path, file) in files {
            verifier.file(&path.file_name().unwrap_or_default().to_string_lossy());
            each_line(file, |number, line| verifier.take(number, line)).map_err(|e| self.io("read", &path, e))?;
        }
        Ok(verifier.finish())
    }

    /// The files that are there, older ones first, and what `beside` finds while none of them is renamed and none written to; a journal
    /// that stays locked is read all the same.
    fn journal_files<T>(&self, beside: impl FnOnce() -> T) -> Result<(Vec<(PathBuf, File)>, T), StoreError> {
        let current = open(&self.dir().join(JOURNAL), Access::Read).ok();
        let _ = current.as_ref().map(|file| lock(file, true));
        let mut files = vec![];
        for number in (0..=KEPT).rev() {
            let path = self.dir().join(name_of(number));
            match open(&path, Access::Read) {
                Ok(file) => files.push((path, file)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(source) => return Err(self.io("read", &path, source)),
            }
        }
        Ok((files, beside()))
    }

    /// The journal, locked, and still the one of that name.
    fn locked_journal(&self) -> io::Result<File> {
        let path = self.dir().join(JOURNAL);
        // Another `mcp` may set the file aside between the open and the lock; nobody does so many times in a row.
        for _ in 0..10 {
            let file = open(&path, Access::Append)?;
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
        self.note_dropping()?;
        for number in (0..KEPT).rev() {
            match std::fs::rename(self.dir().join(name_of(number)), self.dir().join(name_of(number + 1))) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The journal, 0, or what was set aside `number` files ago.
fn name_of(number: usize) -> String {
    if number == 0 { JOURNAL.to_owned() } else { format!("journal.{number}.jsonl") }
}

/// What a file is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Append,
    Write,
}

/// Opens a regular file, never through a symbolic link, never waiting for the other end of a pipe.
fn open(path: &Path, access: Access) -> io::Result<File> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or(0);
    let mut options = OpenOptions::new();
    options.read(true).mode(0o600).custom_flags(flags);
    match access {
        Access::Read => &mut options,
        Access::Append => options.append(true).create(true),
        Access::Write => options.write(true).create(true),
    };
    let file = options.open(path).map_err(|error| {
        if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
            io::Error::other("it is a symbolic link")
        } else {
            error
        }
    })?;
    if let Some(dir) = path.parent().filter(|_| !matches!(access, Access::Read)) {
        super::atomic::give_to_owner_of(dir, &file);
    }
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

/// How a file ends.
#[derive(Default)]
struct FileEnd {
    /// The number after that of the last line that can be read.
    next: u64,
    /// The hash of the last line that has one.
    hash: Option<ChainHash>,
}

/// Looks how a file ends, from its end on.
fn end_of(file: &File) -> io::Result<FileEnd> {
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
        let next = lines.iter().rev().find_map(|line| Line::parse(line)).map(|line| line.seq.saturating_add(1));
        // An older mcp writes lines without a hash behind those that have one.
        let hash = lines.iter().rev().find(|line| Sealed::read(line).is_some() && Line::parse(line).is_some());
        let hash = hash.and_then(|line| Sealed::read(line)).map(|line| line.hash);
        if from == 0 || size >= LONGEST_LINE || (next.is_some() && hash.is_some()) {
            return Ok(FileEnd { next: next.unwrap_or(0), hash });
        }
        size *= 8;
    }
}

fn first_line(file: &File) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    BufReader::new(file).take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    Ok(line)
}

/// Gives each line to `take`, with its number from 1.
fn each_line(file: File, mut take: impl FnMut(usize, &[u8])) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(64 * 1024, file);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        take(number, &line);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
