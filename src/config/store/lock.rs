//! One `mcp` at a time changes a workspace.
//!
//! Boundary: an advisory lock that the kernel takes back when its holder dies, so none is ever stale.

use std::{
    fmt,
    fs::{File, OpenOptions, TryLockError},
    io::{ErrorKind, Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde::Serialize;

use super::{LOCK, StoreError, atomic, origin::Origin};

/// How often a held lock is looked at again.
const PAUSE: Duration = Duration::from_millis(20);

/// Who holds the lock of a workspace, as the file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LockHolder {
    /// The process.
    pub pid: u32,
    /// `user@machine`.
    pub owner: String,
    /// Since when.
    pub since: Timestamp,
}

impl LockHolder {
    fn of_process() -> Self {
        let owner = Origin::of_process().who.to_string();
        Self { pid: std::process::id(), owner, since: Timestamp::now() }
    }

    /// Reads `PID SECONDS OWNER`, the seconds since the epoch.
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.trim().splitn(3, ' ');
        let pid = words.next()?.parse().ok()?;
        let since = Timestamp::from_second(words.next()?.parse().ok()?).ok()?;
        // Whoever can write here can write the workspace; still, one line is one line.
        let owner = words.next()?.chars().filter(|c| !c.is_control()).take(100).collect();
        Some(Self { pid, owner, since })
    }
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = Timestamp::now().as_second().saturating_sub(self.since.as_second()).max(0);
        write!(f, "{} (process {}, for {seconds} s)", self.owner, self.pid)
    }
}

/// The lock; held as long as this lives.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn acquire(dir: &Path, timeout: Duration) -> Result<Self, StoreError> {
        let io = |source| trouble(dir, source);
        let mut file = open(dir).map_err(io)?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(source)) => return Err(io(source)),
                Err(TryLockError::WouldBlock) if start.elapsed() < timeout => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::Locked { dir: dir.to_owned(), holder: holder(&mut file), waited: timeout });
                }
            }
        }
        // Only for the other side's message: the lock itself does not depend on it.
        let LockHolder { pid, owner, since } = LockHolder::of_process();
        let line = format!("{pid} {} {owner}\n", since.as_second());
        // A disk that is full has no room for it, and the lock is held all the same.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(line.as_bytes()));
        Ok(Self { _file: file })
    }

    /// Who holds it now; `None` when nobody does.
    pub(super) fn holder(dir: &Path) -> Result<Option<LockHolder>, StoreError> {
        let io = |source| trouble(dir, source);
        let mut file = match File::open(dir.join(LOCK)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file.map_err(io)?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(holder(&mut file)),
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }
}

fn open(dir: &Path) -> std::io::Result<File> {
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(no_follow);
    let file = options.open(dir.join(LOCK))?;
    atomic::give_to_owner_of(dir, &file);
    Ok(file)
}

fn trouble(dir: &Path, source: std::io::Error) -> StoreError {
    StoreError::Io { action: "lock the workspace with", path: dir.join(LOCK), source }
}

fn holder(file: &mut File) -> Option<LockHolder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(512).read_to_string(&mut text).ok()?;
    LockHolder::parse(&text)
}
