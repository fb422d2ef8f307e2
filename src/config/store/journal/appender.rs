//! The journal as one run writes it: the file stays open between the lines, and what is known of its end is kept.
//!
//! Boundary: as [`journal`](super)'s. A thousand hosts write two lines each, so a line should cost a lock, a look whether the file is
//! still the one of that name and as long as it was left, and a write.

use std::{
    fs::File,
    io::{self, Write},
    os::unix::fs::MetadataExt,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;

use super::{JOURNAL, LARGE, last_byte, lock, next_number, older_name, open};
use crate::config::{
    journal::{Entry, Line, RunId},
    store::{StoreError, Workspace},
};

/// Adds the lines of one run to the journal, from as many threads as there are.
pub struct Appender<'a> {
    workspace: &'a Workspace,
    run: RunId,
    /// Workers take turns here rather than at the file's lock, which is polled.
    held: Mutex<Option<Held>>,
}

/// The open file and what was known of its end when its lock was given back.
struct Held {
    file: File,
    end: Option<Known>,
}

/// The end of a file whose last line is whole.
#[derive(Clone, Copy)]
struct Known {
    length: u64,
    /// Number of the next line.
    next: u64,
}

impl Workspace {
    /// The journal for the lines of `run`; nothing is opened yet.
    #[must_use]
    pub fn journal_of(&self, run: RunId) -> Appender<'_> {
        Appender { workspace: self, run, held: Mutex::default() }
    }
}

impl Appender<'_> {
    /// The run whose lines these are.
    #[must_use]
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// Appends lines in one piece. They are in the file when this returns; the first of a run is on the disk, and so is its last.
    ///
    /// # Errors
    /// What the system says; a symbolic link in the journal's place is refused.
    pub fn append(&self, entries: Vec<Entry>) -> Result<(), StoreError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() && !self.workspace.named {
            self.workspace.create_dir()?;
        }
        // After trouble nothing is known of the file any more, so it is let go of.
        let written = self.locked(held.take()).and_then(|file| self.write(file, entries));
        *held =
            Some(written.map_err(|source| self.workspace.io("write", &self.workspace.dir().join(JOURNAL), source))?);
        Ok(())
    }

    /// The journal with its lock: the one that was `held` if it still has the name, else the one that has it.
    fn locked(&self, held: Option<Held>) -> io::Result<Held> {
        if let Some(Held { file, end }) = held {
            lock(&file, false)?;
            let (mine, there) = (file.metadata()?, std::fs::symlink_metadata(self.workspace.dir().join(JOURNAL)));
            if there.is_ok_and(|there| (there.dev(), there.ino()) == (mine.dev(), mine.ino())) {
                // Another run's lines may have come behind it.
                return Ok(Held { file, end: end.filter(|end| end.length == mine.len()) });
            }
        }
        Ok(Held { file: self.workspace.locked_journal()?, end: None })
    }

    /// Writes `entries` in one piece and gives the lock back. With it held, the end of the file is nobody else's.
    fn write(&self, mut held: Held, entries: Vec<Entry>) -> io::Result<Held> {
        let begins = entries.iter().any(|entry| matches!(entry, Entry::Begin(_)));
        let ends = entries.iter().any(|entry| matches!(entry, Entry::End(_)));
        if begins && held.file.metadata()?.len() >= LARGE {
            self.workspace.rotate()?;
            held = Held { file: self.workspace.locked_journal()?, end: None };
        }
        let mut text = String::new();
        let end = match held.end {
            Some(end) => end,
            None => {
                let length = held.file.metadata()?.len();
                if length > 0 && last_byte(&held.file, length)? != b'\n' {
                    text.push('\n');
                }
                Known { length, next: self.next_number(&held.file, length)? }
            }
        };
        let at = Timestamp::now();
        let mut next = end.next;
        let secrets = self.workspace.secrets();
        for mut entry in entries {
            entry.hide(&secrets);
            let line = Line { v: entry.version(), seq: next, at, run: self.run.clone(), entry };
            text.push_str(&line.to_text().map_err(io::Error::other)?);
            text.push('\n');
            next = next.saturating_add(1);
        }
        held.file.write_all(text.as_bytes())?;
        if begins || ends {
            held.file.sync_data()?;
        }
        held.file.unlock()?;
        let length = end.length.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
        Ok(Held { file: held.file, end: Some(Known { length, next }) })
    }

    fn next_number(&self, file: &File, length: u64) -> io::Result<u64> {
        if length > 0 {
            return next_number(file);
        }
        // The numbers go on from the file that was set aside.
        Ok(open(&self.workspace.dir().join(older_name(1)), false).and_then(|older| next_number(&older)).unwrap_or(0))
    }
}
