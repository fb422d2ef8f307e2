//! Drafts of a file that a person edits: they lie beside it from before the editor starts until they are written or given up,
//! so that neither a killed process nor a full disk loses one.
//!
//! Boundary: files and the merge of texts; what a draft must look like to be written is the caller's. A draft is
//! `.servers.draft-1.yaml`, the text it began with `.servers.draft-1.base`, locked by the process that edits it. A draft
//! without a base is a person's own copy: it is never offered or touched again.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use diffy::{ConflictStyle, MergeOptions};

use super::{SERVERS, StoreError, Workspace, atomic, open, text_of};

/// Most drafts beside one file.
const MOST: usize = 1000;

/// A draft of `servers.yaml` that this process edits.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    base_path: PathBuf,
    /// The text it began with.
    base: String,
    /// Held open for its lock.
    _lock: File,
}

/// How a draft met a file that has changed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rebased {
    /// The file is as it was when the draft began.
    Unchanged,
    /// Both changes are in the draft now.
    Merged,
    /// Both changed the same lines: the draft has both, between conflict markers.
    Conflict,
}

/// The text with the changes of `draft` and of `now`, both made to `base`; `Err` has conflict markers.
///
/// # Errors
/// Both changed the same lines.
pub fn merge(base: &str, draft: &str, now: &str) -> Result<String, String> {
    let mut options = MergeOptions::new();
    options.set_conflict_style(ConflictStyle::Merge);
    options.merge(base, draft, now)
}

impl Workspace {
    /// Begins a draft with the present text of `servers.yaml`.
    ///
    /// # Errors
    /// The file cannot be read, or there is no room for a draft beside it.
    pub fn begin_draft(&self) -> Result<Draft, StoreError> {
        let base = self.registry_text()?;
        for number in 1..=MOST {
            let (path, base_path) = self.draft_paths(number);
            let failed = |source| self.io("write the draft", &path, source);
            // The base comes first: its lock tells other processes that the draft is in use.
            let lock = match create(&base_path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                created => created.map_err(failed)?,
            };
            let begun = lock.try_lock().map_err(io::Error::from).and_then(|()| {
                (&lock).write_all(base.as_bytes())?;
                let mut draft = create(&path)?;
                draft.write_all(base.as_bytes())?;
                atomic::give_to_owner_of(self.dir(), &lock);
                atomic::give_to_owner_of(self.dir(), &draft);
                Ok(())
            });
            match begun {
                Ok(()) => return Ok(Draft { path, base_path, base, _lock: lock }),
                Err(error) => {
                    let _ = fs::remove_file(&base_path);
                    if error.kind() == ErrorKind::AlreadyExists {
                        continue;
                    }
                    let _ = fs::remove_file(&path);
                    return Err(failed(error));
                }
            }
        }
        let many = io::Error::other(format!("there are {MOST} drafts already; delete those that are not needed"));
        Err(self.io("write the draft", &self.draft_paths(MOST).0, many))
    }

    /// The newest draft that an earlier process left, unless it says what its base says.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn left_draft(&self) -> Result<Option<Draft>, StoreError> {
        let mut newest: Option<(SystemTime, Draft)> = None;
        for number in 1..=MOST {
            let (path, base_path) = self.draft_paths(number);
            let Ok(Some(lock)) = open(&base_path) else { continue };
            // Who has it locked still edits it.
            if lock.try_lock().is_err() {
                continue;
            }
            let base = text_of(&lock, &base_path, "the base of a draft")?;
            let Ok(Some(draft)) = open(&path) else { continue };
            let changed = draft.metadata().and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            let is_newest = newest.as_ref().is_none_or(|(time, _)| *time < changed);
            let draft = Draft { path, base_path, base, _lock: lock };
            if is_newest && draft.text()? != draft.base {
                newest = Some((changed, draft));
            }
        }
        Ok(newest.map(|(_, draft)| draft))
    }

    /// The present text of `servers.yaml`; empty when it is not there.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn registry_text(&self) -> Result<String, StoreError> {
        Ok(super::text(&self.dir().join(SERVERS), SERVERS)?.unwrap_or_default())
    }

    fn draft_paths(&self, number: usize) -> (PathBuf, PathBuf) {
        let path = |ending: &str| self.dir().join(format!(".servers.draft-{number}.{ending}"));
        (path("yaml"), path("base"))
    }
}

/// Creates a file for the owner alone; one that is there is an error, a link too.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

impl Draft {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text of the file when the draft began, or was last merged with it.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Its text now. An editor may have replaced the file.
    ///
    /// # Errors
    /// It is gone, unreadable or not UTF-8.
    pub fn text(&self) -> Result<String, StoreError> {
        let gone = || StoreError::Io {
            action: "read the draft",
            path: self.path.clone(),
            source: io::Error::from(ErrorKind::NotFound),
        };
        super::text(&self.path, "the draft")?.ok_or_else(gone)
    }

    /// How long ago it was last written.
    #[must_use]
    pub fn age(&self) -> Duration {
        let modified = fs::metadata(&self.path).and_then(|meta| meta.modified());
        modified.ok().and_then(|time| time.elapsed().ok()).unwrap_or_default()
    }

    /// Brings what changed in `now`, the present text of the file, into the draft.
    ///
    /// # Errors
    /// The draft cannot be read or written; it is as it was then.
    pub fn rebase(&mut self, now: &str) -> Result<Rebased, StoreError> {
        if now == self.base {
            return Ok(Rebased::Unchanged);
        }
        let (text, rebased) = match merge(&self.base, &self.text()?, now) {
            Ok(text) => (text, Rebased::Merged),
            Err(text) => (text, Rebased::Conflict),
        };
        let io = |path: &Path, source| StoreError::Io { action: "write", path: path.to_owned(), source };
        // The draft first: with an old base, what was merged already is merged again to the same text.
        atomic::write(&self.path, &text, atomic::Mode::KeepOr(0o600)).map_err(|e| io(&self.path, e))?;
        let base =
            atomic::write(&self.base_path, now, atomic::Mode::Exactly(0o600)).map_err(|e| io(&self.base_path, e))?;
        let _ = base.try_lock();
        self._lock = base;
        now.clone_into(&mut self.base);
        Ok(rebased)
    }

    /// Removes it: its text is written, or is that of the file.
    pub fn discard(self) {
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(&self.base_path);
    }

    /// Leaves it for the next edit; its path.
    #[must_use]
    pub fn keep(self) -> PathBuf {
        self.path
    }

    /// Leaves it where it is as a person's own copy, which no edit offers again; its path.
    #[must_use]
    pub fn set_aside(self) -> PathBuf {
        let _ = fs::remove_file(&self.base_path);
        self.path
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    const BASE: &str = "version: 1\nservers:\n  a: {command: one}\n  b: {command: two}\n  c: {command: three}\n";

    #[test]
    fn changes_of_different_lines_are_merged_and_of_the_same_line_marked() {
        let draft = BASE.replace("one", "ONE");
        let merged = merge(BASE, &draft, &BASE.replace("three", "THREE")).unwrap();
        assert_eq!(merged, BASE.replace("one", "ONE").replace("three", "THREE"));
        let marked = merge(BASE, &draft, &BASE.replace("one", "1")).unwrap_err();
        assert!(marked.contains("ONE") && marked.contains("{command: 1}") && marked.contains("<<<<<<<"), "{marked}");
        assert_eq!(merge(BASE, &draft, &draft).unwrap(), draft);
        let crlf = BASE.replace('\n', "\r\n");
        let merged = merge(&crlf, &crlf.replace("one", "ONE"), &crlf.replace("three", "THREE")).unwrap();
        assert_eq!(merged, crlf.replace("one", "ONE").replace("three", "THREE"));
    }
}
