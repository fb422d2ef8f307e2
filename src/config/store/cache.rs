//! Reads and changes `state.yaml`. What this run last read or wrote of it is remembered, so that a file which is still the same is not
//! read again under the lock.
//!
//! Boundary: one file. `mcp` only ever replaces it, so that of another `mcp` is another inode; a hand that edits it in place changes its
//! size or its times.

use std::{
    fs::{self, File, Metadata},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::{fs::OFlags, io::Errno};

use super::{STATE, StoreError, Workspace, atomic, owner, text_of};
use crate::config::{
    error::{ConfigError, ConfigErrors},
    state::State,
};

impl Workspace {
    /// Changes the state under the lock: reads it again unless it is still the file this run has seen, applies `change`, writes it if
    /// that changed it. A broken `state.yaml` is kept as `state.yaml.broken` and a new one begun.
    ///
    /// # Errors
    /// The lock cannot be had, or the file cannot be written.
    pub fn update_state<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T, StoreError> {
        let _lock = self.lock(self.lock_timeout)?;
        self.change_state(change)
    }

    /// As [`Workspace::update_state`], but `None` at once when another run holds the lock: whoever only looks waits for nobody.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn update_state_if_free<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<Option<T>, StoreError> {
        match self.lock(Duration::ZERO) {
            Ok(_lock) => self.change_state(change).map(Some),
            Err(StoreError::Locked { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The state as its file has it now, read again only when that is another file than the one this run has seen; `None` when it
    /// cannot be read.
    #[must_use]
    pub fn fresh_state(&self) -> Option<Arc<State>> {
        let path = self.dir().join(STATE);
        self.seen.state_of(&path).or_else(|| Cached::read(&path).ok().map(|cached| self.seen.keep(cached)))
    }

    fn change_state<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T, StoreError> {
        let path = self.dir().join(STATE);
        if let Some(seen) = self.seen.state_of(&path) {
            let mut state = State::clone(&seen);
            let result = change(&mut state);
            if state != *seen {
                let text = state.to_text().map_err(ConfigErrors::from)?;
                self.write_state(&path, &text, state)?;
            }
            return Ok(result);
        }
        // A file that is no text is as broken as one that is no YAML.
        let (text, parsed) = match text_of_state(&path) {
            Ok(text) => {
                let parsed = text.as_deref().map(|text| State::parse(text, STATE));
                (text, parsed)
            }
            Err(StoreError::Config(errors)) => (None, Some(Err(errors))),
            Err(error) => return Err(error),
        };
        let mut state = match parsed {
            None => State::default(),
            Some(Ok(state)) => state,
            Some(Err(_)) => {
                let aside = self.dir().join("state.yaml.broken");
                std::fs::rename(&path, &aside).map_err(|source| self.io("set aside", &path, source))?;
                State::default()
            }
        };
        let result = change(&mut state);
        let new = state.to_text().map_err(ConfigErrors::from)?;
        if text.as_deref() != Some(new.as_str()) {
            self.write_state(&path, &new, state)?;
        }
        Ok(result)
    }

    fn write_state(&self, path: &Path, text: &str, state: State) -> Result<(), StoreError> {
        let io = |source| self.io("write", path, source);
        let file = atomic::write(path, text, atomic::Mode::Exactly(0o600)).map_err(io)?;
        // A run in several batches changes it again.
        if let Ok(mark) = Mark::of(&file) {
            self.seen.keep(Cached { state, file: Some((file, mark)) });
        }
        Ok(())
    }
}

fn text_of_state(path: &Path) -> Result<Option<String>, StoreError> {
    open(path)?.map(|file| text_of(&file, path, STATE)).transpose()
}

/// The file at `path`; `None` when it is not there. It is this program's own, so a symbolic link is not followed: nobody has made it
/// who meant well, and the next write puts a file in its place.
fn open(path: &Path) -> Result<Option<File>, StoreError> {
    let no_follow = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or(0);
    let opened = File::options().read(true).custom_flags(no_follow).open(path);
    match opened.and_then(|file| owner::check(path, &file).map(|()| file)) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            Err(refused("it is a symbolic link, which is not followed"))
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none() => {
            Err(refused(&error.to_string()))
        }
        Err(source) => Err(StoreError::Io { action: "read", path: path.to_owned(), source }),
    }
}

/// As a broken file: gone on without, and set aside by the next write.
fn refused(why: &str) -> StoreError {
    ConfigErrors::from(ConfigError::file(STATE, why)).into()
}

/// The state, and the file it was in, if there was one.
pub(in crate::config) struct Cached {
    state: State,
    file: Option<(File, Mark)>,
}

impl Cached {
    /// Reads the file at `path`.
    pub(super) fn read(path: &Path) -> Result<Self, StoreError> {
        let Some(file) = open(path)? else { return Ok(Self { state: State::default(), file: None }) };
        let mark =
            Mark::of(&file).map_err(|source| StoreError::Io { action: "read", path: path.to_owned(), source })?;
        let state = State::parse(&text_of(&file, path, STATE)?, STATE)?;
        Ok(Self { state, file: Some((file, mark)) })
    }
}

/// What was last seen of `state.yaml`, if anything was.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<Option<Kept>>);

#[derive(Debug)]
struct Kept {
    mark: Mark,
    state: Arc<State>,
    /// Held open: while it is, no other file gets its inode's number.
    _file: File,
}

/// Tells a file from every other and from what it was.
#[derive(Debug, PartialEq, Eq)]
struct Mark {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Mark {
    /// That of an open file; taken before it is read, so that a change while it is read is noticed.
    fn of(file: &File) -> io::Result<Self> {
        Ok(Self::from(&file.metadata()?))
    }
}

impl From<&Metadata> for Mark {
    fn from(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

impl Seen {
    /// Remembers it.
    pub(super) fn keep(&self, cached: Cached) -> Arc<State> {
        let state = Arc::new(cached.state);
        let kept = cached.file.map(|(file, mark)| Kept { mark, state: Arc::clone(&state), _file: file });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        state
    }

    /// What the file at `path` holds, when it is the one that was seen.
    fn state_of(&self, path: &Path) -> Option<Arc<State>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.as_ref()?;
        (Mark::from(&fs::symlink_metadata(path).ok()?) == kept.mark).then(|| Arc::clone(&kept.state))
    }
}
