//! The `known_hosts` files of a run: read once, appended to under a lock, rewritten only when that was asked for.
//!
//! Boundary: files and their cache; what a line says is `known_hosts`'s, how one is made or taken out `known_lines`'s.
//! Next: `host_key` decides what is written.

use std::{
    collections::{BTreeSet, HashMap},
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    known_hosts::{self, Lookup, Verdict},
    known_index::KnownIndex,
    known_lines, target,
    wire::timeout,
    with_suffix,
};
use crate::{
    domain::SshEndpoint,
    transport::{Limits, Phase, TransportError, TransportErrorKind},
};

/// Longest file read; a larger one is refused rather than read in part.
const FILE_LIMIT: u64 = 64 * 1024 * 1024;

/// A file and its usable lines.
pub(super) type Loaded = (PathBuf, Arc<KnownIndex>);

/// The files of a run.
pub(super) struct KnownFiles {
    home: Option<PathBuf>,
    cache: Mutex<HashMap<PathBuf, Arc<KnownIndex>>>,
}

impl KnownFiles {
    pub(super) fn new(home: Option<PathBuf>) -> Self {
        Self { home, cache: Mutex::default() }
    }

    /// The files that count for `endpoint`; new keys go into the first.
    fn paths(&self, endpoint: &SshEndpoint) -> Vec<PathBuf> {
        if !endpoint.known_hosts.is_empty() {
            return endpoint.known_hosts.iter().map(|path| super::expand(path, self.home.as_deref())).collect();
        }
        let of_user =
            self.home.iter().flat_map(|home| [".ssh/known_hosts", ".ssh/known_hosts2"].map(|file| home.join(file)));
        of_user.chain([PathBuf::from("/etc/ssh/ssh_known_hosts"), PathBuf::from("/etc/ssh/ssh_known_hosts2")]).collect()
    }

    /// The lines of all files that count for `endpoint`.
    pub(super) fn load(&self, endpoint: &SshEndpoint) -> Result<Vec<Loaded>, TransportError> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let mut loaded = Vec::new();
        for path in self.paths(endpoint) {
            let entries = match cache.get(&path) {
                Some(entries) => Arc::clone(entries),
                None => {
                    let text = match File::open(&path) {
                        Ok(mut file) => read(&mut file).map_err(|error| file_error(&path, error))?,
                        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
                        Err(error) => return Err(file_error(&path, error)),
                    };
                    let entries = Arc::new(KnownIndex::new(known_hosts::parse(&text)));
                    cache.insert(path.clone(), Arc::clone(&entries));
                    entries
                }
            };
            loaded.push((path, entries));
        }
        Ok(loaded)
    }

    /// Writes `keys` down, all of them hosts with the same files, and says into which. With `replace`, other plain keys of these
    /// hosts are taken out first, and each file that loses lines is kept as `FILE.old`, as `ssh-keygen -R` does.
    ///
    /// Another worker or another program may have been faster, so the file is read again under its lock: a key that is there by
    /// now is not written twice.
    ///
    /// # Errors
    /// A file that cannot be read or written, or a host of which another key is known by now; then nothing was written.
    pub(super) fn remember(
        &self,
        keys: &[(&SshEndpoint, &[u8])],
        replace: bool,
        limits: &Limits<'_>,
    ) -> Result<PathBuf, TransportError> {
        let paths = keys.first().map(|(endpoint, _)| self.paths(endpoint)).unwrap_or_default();
        let Some(path) = paths.first() else {
            return Err(refused(
                "there is no known_hosts file to write to: neither HOME nor known_hosts is set".to_owned(),
            ));
        };
        let mut file = open_locked(path, limits)?;
        let before = read(&mut file).map_err(|error| file_error(path, error))?;
        let mut lookups = Vec::new();
        if replace {
            lookups.extend(keys.iter().map(|(endpoint, _)| Lookup::of(endpoint)));
        }
        let mut text = taken_out(path, &before, &lookups)?;
        let is_shorter = text.len() != before.len();
        let kept = text.len();
        append(path, &mut text, keys)?;
        // The other files first: should one of them fail, the old key is still known and nothing is lost.
        for other in paths.iter().skip(1).filter(|_| replace) {
            self.take_out(other, &lookups, limits)?;
        }
        let written = if is_shorter {
            replace_file(path, &text)
        } else {
            // One write, so that a reader without the lock never sees half a line.
            file.write_all(&text.as_bytes()[kept..])
        };
        written.map_err(|error| file_error(path, error))?;
        self.keep(path, &text);
        Ok(path.clone())
    }

    /// Takes the hosts out of a file that is not the first.
    fn take_out(&self, path: &Path, lookups: &[Lookup], limits: &Limits<'_>) -> Result<(), TransportError> {
        let fail = |error| file_error(path, error);
        let knows = |text: &str| taken_out(path, text, lookups).map(|rest| (rest.len() != text.len()).then_some(rest));
        let text = match File::open(path) {
            Ok(mut file) => read(&mut file).map_err(fail)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(fail(error)),
        };
        // Most often there is nothing to do, and then the file need not be one's own.
        if knows(&text)?.is_none() {
            return Ok(());
        }
        let mut file = open_locked(path, limits)?;
        let text = read(&mut file).map_err(fail)?;
        if let Some(rest) = knows(&text)? {
            replace_file(path, &rest).map_err(fail)?;
            self.keep(path, &rest);
        }
        Ok(())
    }

    fn keep(&self, path: &Path, text: &str) {
        let entries = Arc::new(KnownIndex::new(known_hosts::parse(text)));
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), entries);
    }
}

/// Adds the lines of those `keys` to `text` that are not there.
fn append(path: &Path, text: &mut String, keys: &[(&SshEndpoint, &[u8])]) -> Result<(), TransportError> {
    let entries = known_hosts::parse(text);
    // Several hosts of an inventory may be one machine.
    let mut added: Vec<(Lookup, &[u8])> = Vec::new();
    for (endpoint, blob) in keys {
        let lookup = Lookup::of(endpoint);
        match known_hosts::judge(entries.iter(), &lookup, blob) {
            Verdict::Known => continue,
            Verdict::Unknown if added.iter().any(|(name, key)| *name == lookup && key == blob) => continue,
            Verdict::Unknown => {}
            Verdict::Changed(entry) | Verdict::Revoked(entry) => {
                let file = path.display();
                return Err(refused(format!("{file}:{} speaks against the key of {}", entry.line, target(endpoint))));
            }
        }
        let Some(line) = known_lines::line(&lookup, blob, endpoint.hash_known_hosts) else {
            let file = path.display();
            return Err(refused(format!("the host key of {} cannot be written to {file}", target(endpoint))));
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&line);
        added.push((lookup, blob));
    }
    Ok(())
}

fn taken_out(path: &Path, text: &str, lookups: &[Lookup]) -> Result<String, TransportError> {
    if lookups.is_empty() {
        return Ok(text.to_owned());
    }
    known_lines::without(text, lookups).map_err(|line| {
        refused(format!(
            "{}:{line} names the host by a pattern, so its key cannot be replaced for this host alone: edit the line",
            path.display()
        ))
    })
}

/// Opens `path` for appending, making it and its directory if need be, and locks it.
fn open_locked(path: &Path, limits: &Limits<'_>) -> Result<File, TransportError> {
    let fail = |error| file_error(path, error);
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty() && !directory.exists())
    {
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(fail)?;
    }
    loop {
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).map_err(fail)?;
        match file.try_lock() {
            // Whoever held the lock may have put another file into this place.
            Ok(()) if is_at(&file, path) => return Ok(file),
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(fail(error)),
            // The lock has no wait with a deadline; whoever holds it writes a few lines.
            Err(TryLockError::WouldBlock) if !limits.left().is_zero() && !limits.cancel.is_abandoned() => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => return Err(timeout(Phase::HostKey, limits)),
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(held), Ok(there)) = (file.metadata(), fs::metadata(path)) else { return false };
    (held.dev(), held.ino()) == (there.dev(), there.ino())
}

/// Puts `text` into the place of `path` in one step and keeps what was there before this process as `path.old`. A symbolic link
/// stays one.
fn replace_file(path: &Path, text: &str) -> io::Result<()> {
    // Hosts behind a jump host come after it, in a second step: its own copy must not become the old one.
    static KEPT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let path = fs::canonicalize(path)?;
    let directory = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(fs::metadata(&path)?.permissions())?;
    file.as_file().sync_all()?;
    let old = with_suffix(&path, ".old");
    if KEPT.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone()) {
        match fs::remove_file(&old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::hard_link(&path, &old)?,
        }
    }
    file.persist(&path).map_err(|error| error.error)?;
    Ok(())
}

/// All of the file's text. Bytes that are not UTF-8 spoil their own line only.
fn read(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(FILE_LIMIT + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_LIMIT {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn refused(text: String) -> TransportError {
    TransportError::new(Phase::HostKey, TransportErrorKind::Unsupported(text))
}

fn file_error(path: &Path, source: io::Error) -> TransportError {
    let kind = TransportErrorKind::KnownHosts { file: path.display().to_string(), source };
    TransportError::new(Phase::HostKey, kind)
}
