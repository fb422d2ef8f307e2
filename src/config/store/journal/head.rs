//! `journal.head`: the hash of the last line at the last beginning or end of a run, beside the journal.
//!
//! It tells that the end of a journal was cut off, which the journal alone cannot, and which of its files is the oldest that there
//! should be. Who can write to the workspace can write to it too: against them only a hash that is noted elsewhere helps.
//!
//! Boundary: as [`journal`](super)'s; read and written with the journal's lock held. It is written after the journal is on the disk,
//! so that it never tells of a line that a loss of power took.

use std::{
    io::{self, ErrorKind, Read},
    os::unix::fs::FileExt,
};

use serde::{Deserialize, Serialize};

use super::{Access, KEPT, end_of, first_line, name_of, open};
use crate::config::{
    journal::chain::{ChainHash, Sealed},
    store::Workspace,
};

/// The file.
pub(super) const HEAD: &str = "journal.head";
/// Its size. It is written over in one piece, so that a killed process leaves the old or the new text (one page, one write).
const SIZE: usize = 512;
/// How many of the last hashes of dropped files are kept: the last one, and one for a process that is killed as it drops.
const MOST_BEGINS: usize = 2;

/// What it holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Head {
    version: u32,
    /// The hash of the line that was the last.
    pub(super) hash: ChainHash,
    /// Its number.
    pub(super) seq: u64,
    /// The last hash of the file that was dropped last; of two the newer one may not be dropped yet. Empty when none was, and
    /// the first of all lines stands first.
    pub(super) begins: Vec<ChainHash>,
}

impl Workspace {
    /// What `journal.head` holds; `None` when it is not there or empty.
    ///
    /// # Errors
    /// What the system says, or that it is no such file.
    pub(super) fn read_head(&self) -> io::Result<Option<Head>> {
        let file = match open(&self.dir().join(HEAD), Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = vec![];
        file.take(u64::try_from(2 * SIZE).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(&bytes).map(Some).map_err(|_| io::Error::other("it is not what mcp wrote there"))
    }

    /// Notes the last line. A note that cannot be read is left as it is, for `verify` to say so.
    pub(super) fn note_head(&self, hash: ChainHash, seq: u64) -> io::Result<()> {
        let begins = match self.read_head()? {
            Some(head) => head.begins,
            None => self.begins().into_iter().collect(),
        };
        self.write_head(&Head { version: 1, hash, seq, begins })
    }

    /// Notes that the oldest file is about to be dropped.
    pub(super) fn note_dropping(&self) -> io::Result<()> {
        let Ok(oldest) = open(&self.dir().join(name_of(KEPT)), Access::Read) else { return Ok(()) };
        let Some(dropped) = end_of(&oldest)?.hash else { return Ok(()) };
        let Some(mut head) = self.read_head()? else { return Ok(()) };
        if head.begins.is_empty() {
            head.begins.push(ChainHash::NONE);
        }
        head.begins.retain(|hash| *hash != dropped);
        head.begins.push(dropped);
        let surplus = head.begins.len().saturating_sub(MOST_BEGINS);
        head.begins.drain(..surplus);
        self.write_head(&head)
    }

    /// What the oldest line that is there says it follows.
    fn begins(&self) -> Option<ChainHash> {
        let oldest = (0..=KEPT).rev().find_map(|number| open(&self.dir().join(name_of(number)), Access::Read).ok())?;
        Sealed::read(&first_line(&oldest).ok()?)?.prev
    }

    fn write_head(&self, head: &Head) -> io::Result<()> {
        let mut text = serde_json::to_string(head).map_err(io::Error::other)?;
        let room = SIZE.saturating_sub(text.len() + 1);
        text.push_str(&" ".repeat(room));
        text.push('\n');
        open(&self.dir().join(HEAD), Access::Write)?.write_all_at(text.as_bytes(), 0)
    }
}
