//! The journal as one run writes it: the file stays open between the lines, and what is known of its end is kept.
//!
//! Boundary: as [`journal`](super)'s. A thousand hosts write two lines each, so a line should cost a lock, a look whether the file is
//! still the one of that name and as long as it was left, a hash, and a write.

use std::{
    fs::File,
    io::{self, Write},
    os::unix::fs::MetadataExt,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;

use super::{Access, FileEnd, JOURNAL, LARGE, end_of, last_byte, lock, name_of, open};
use crate::config::{
    journal::{
        Entry, Line, RunId,
        chain::{ChainHash, Link, seal},
    },
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
    /// What the next line is bound to.
    link: Link,
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
                self.known(&held.file, length)?
            }
        };
        let at = Timestamp::now();
        let Known { mut next, mut link, .. } = end;
        let secrets = self.workspace.secrets();
        for mut entry in entries {
            entry.hide(&secrets);
            let line = Line { v: entry.version(), seq: next, at, run: self.run.clone(), entry };
            let (line, hash) = seal(&line.to_text().map_err(io::Error::other)?, link);
            text.push_str(&line);
            text.push('\n');
            next = next.saturating_add(1);
            link = Link { before: hash, said: false };
        }
        held.file.write_all(text.as_bytes())?;
        if begins || ends {
            held.file.sync_data()?;
            // A note that is not written is one that `mcp history verify` finds to be older; the journal itself is whole.
            let _ = self.workspace.note_head(link.before, next.saturating_sub(1));
        }
        held.file.unlock()?;
        let length = end.length.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
        Ok(Held { file: held.file, end: Some(Known { length, next, link }) })
    }

    /// How the journal ends: in `file`, or, where that is empty, in the file that was set aside.
    fn known(&self, file: &File, length: u64) -> io::Result<Known> {
        let older = || open(&self.workspace.dir().join(name_of(1)), Access::Read).and_then(|older| end_of(&older));
        let FileEnd { mut next, hash } = if length > 0 { end_of(file)? } else { older().unwrap_or_default() };
        let mut link = Link { before: hash.unwrap_or(ChainHash::NONE), said: length == 0 && hash.is_some() };
        // What was noted and is gone must stay missed: the chain goes on from the note, whatever is there now.
        if let Some(head) = self.workspace.read_head().ok().flatten() {
            let is_gone = head.seq >= next || (head.seq.checked_add(1) == Some(next) && head.hash != link.before);
            if is_gone {
                next = next.max(head.seq.saturating_add(1));
                link = Link { before: head.hash, said: true };
            }
        }
        Ok(Known { length, next, link })
    }
}
