//! Log files of `mcp log --save`: `DIR/DATE/NAME@HOST.log`, one line per line of the log with docker's time in front.
//!
//! Lines are appended whole and in docker's order, so a file says by itself how far its log was read: after a kill, the next run cuts
//! off a line that was half written and goes on behind the last one. The date is that of docker's time, in UTC. A file that grew to its
//! limit becomes `NAME@HOST.log.1`, the next one `.2`.
//!
//! Boundary: files under DIR and nothing else. Next: `stream` reads the lines.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::{Span, Timestamp, civil::Date, tz::TimeZone};
use rustix::fs::{FlockOperation, OFlags, flock};
use sha2::{Digest, Sha256};

use super::stream::{CUT, Cursor, LONGEST_LINE, LogLine, MOST_REMEMBERED, stamp_of};
use crate::{domain::Instance, error::CommandError};

/// Bytes at the end of a file in which its last line is looked for: more than two of the longest lines.
const TAIL: u64 = 3 * LONGEST_LINE as u64;

/// Longest name that is written as it is; a longer one keeps its beginning and gets a hash.
const LONGEST_NAME: usize = 200;

/// How often a lock that another process holds is tried again.
const GLANCE: Duration = Duration::from_millis(50);

/// Where a file stands among those of its instance: its date, and its number on that date.
type Place = (Date, u32);

/// What is kept of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The last so many files of each instance.
    Files(usize),
    /// The files of the last so many days, today included.
    Days(u32),
}

impl Keep {
    /// The first instant of which lines are kept, where that depends on the day.
    #[must_use]
    pub fn since(self, now: Timestamp) -> Option<Timestamp> {
        let Self::Days(days) = self else { return None };
        let first = day(now).checked_sub(Span::new().days(i64::from(days) - 1)).ok()?;
        first.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    }
}

/// Where and how logs are saved.
#[derive(Debug, Clone)]
pub struct SaveOptions {
    /// The directory; it is made when it is not there.
    pub directory: PathBuf,
    /// All when absent.
    pub keep: Option<Keep>,
    /// Bytes after which a file is closed and a new one begun.
    pub max_size: Option<u64>,
}

/// The files of a run.
pub struct Archive {
    options: SaveOptions,
    files: Vec<Saved>,
    lines: u64,
    /// Held until the end: two writers would save each line twice.
    _lock: File,
}

/// The files of one instance.
struct Saved {
    name: String,
    open: Option<Open>,
}

/// The file that is written to.
struct Open {
    date: Date,
    file: File,
    size: u64,
}

impl Archive {
    /// Opens the directory for the logs of `instances`, waiting up to `patience` for another run that saves there.
    ///
    /// # Errors
    /// What the system says; another run that does not end.
    pub fn open(options: SaveOptions, instances: &[Instance], patience: Duration) -> Result<Self, CommandError> {
        let path = options.directory.clone();
        let failed = |error: io::Error| failed(&path, &error);
        make(&path).map_err(failed)?;
        let lock = append(&path.join(".lock")).map_err(failed)?;
        let until = Instant::now() + patience;
        while let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(failed(error.into()));
            }
            if Instant::now() >= until {
                return Err(CommandError::failed(format!("another `mcp log --save` writes to {}", path.display()))
                    .hint("end that one, use another directory, or wait longer with --lock-timeout"));
            }
            std::thread::sleep(GLANCE);
        }
        let files =
            instances.iter().map(|instance| Saved { name: file_name(&instance.to_string()), open: None }).collect();
        Ok(Self { options, files, lines: 0, _lock: lock })
    }

    /// How far the log of each instance was saved. A line that was half written is cut off.
    ///
    /// # Errors
    /// What the system says.
    pub fn cursors(&self) -> Result<Vec<Cursor>, CommandError> {
        let cursor = |saved: &Saved| {
            let (mut tails, mut lines) = (vec![], 0);
            for (path, _) in self.written(&saved.name)? {
                let tail = tail(&path).map_err(|e| failed(&path, &e))?;
                lines += tail.text.iter().filter(|b| **b == b'\n').count();
                let is_enough = tail.is_cut || lines > MOST_REMEMBERED;
                tails.push(tail);
                if is_enough {
                    break;
                }
            }
            let mut cursor = Cursor::default();
            tails.iter().rev().for_each(|tail| tail.note(&mut cursor));
            Ok(cursor)
        };
        self.files.iter().map(cursor).collect()
    }

    /// Saves a line of the instance at `index`.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&mut self, index: usize, line: &LogLine) -> Result<(), CommandError> {
        let Some(time) = line.time() else { return Ok(()) };
        let date = day(time);
        let mut bytes = line.stamped().to_vec();
        if line.is_cut {
            bytes.extend_from_slice(CUT.as_bytes());
        }
        bytes.push(b'\n');
        let size = bytes.len() as u64;
        let is_full = |open: &Open| {
            self.options.max_size.is_some_and(|most| open.size > 0 && open.size.saturating_add(size) > most)
        };
        let path = self.path(date, &self.files[index].name);
        let wrap = |error: io::Error| failed(&path, &error);
        let mut is_new = false;
        if self.files[index].open.as_ref().is_none_or(|open| open.date != date) {
            self.files[index].open = Some(open(&path, date).map_err(wrap)?);
            is_new = true;
        }
        if self.files[index].open.as_ref().is_some_and(is_full) {
            self.files[index].open = None;
            let written = self.written(&self.files[index].name)?;
            let numbers = written.iter().filter(|(_, at)| at.0 == date && at.1 != u32::MAX).map(|(_, at)| at.1);
            let next = numbers.max().unwrap_or(0) + 1;
            fs::rename(&path, path.with_extension(format!("log.{next}"))).map_err(wrap)?;
            self.files[index].open = Some(open(&path, date).map_err(wrap)?);
            is_new = true;
        }
        if let Some(open) = &mut self.files[index].open {
            // In one call: a kill leaves a whole line or none, unless the disk is full.
            open.file.write_all(&bytes).map_err(wrap)?;
            open.size += size;
        }
        self.lines += 1;
        if is_new { self.drop_old() } else { Ok(()) }
    }

    /// How many lines were saved.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Removes files that are not kept. Nothing but log files in directories named by a date is touched.
    ///
    /// # Errors
    /// What the system says.
    pub fn drop_old(&self) -> Result<(), CommandError> {
        match self.options.keep {
            None => {}
            Some(Keep::Files(count)) => {
                for saved in &self.files {
                    for (path, _) in self.written(&saved.name)?.iter().skip(count) {
                        fs::remove_file(path).map_err(|e| failed(path, &e))?;
                        remove_empty(path);
                    }
                }
            }
            Some(keep @ Keep::Days(_)) => {
                let first = keep.since(Timestamp::now()).map(day);
                for (directory, date) in self.dates()? {
                    if first.is_none_or(|first| date >= first) {
                        continue;
                    }
                    for path in entries(&directory)? {
                        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                        let is_log = name.rfind(".log").is_some_and(|at| number(name, &name[..at]).is_some());
                        if is_log && name.contains('@') {
                            fs::remove_file(&path).map_err(|e| failed(&path, &e))?;
                        }
                        remove_empty(&path);
                    }
                }
            }
        }
        Ok(())
    }

    fn path(&self, date: Date, name: &str) -> PathBuf {
        self.options.directory.join(date.to_string()).join(format!("{name}.log"))
    }

    /// The directories of days.
    fn dates(&self) -> Result<Vec<(PathBuf, Date)>, CommandError> {
        let date = |path: PathBuf| {
            let name = path.file_name()?.to_str()?;
            let date: Date = name.parse().ok().filter(|date: &Date| date.to_string() == name)?;
            path.is_dir().then_some((path, date))
        };
        Ok(entries(&self.options.directory)?.into_iter().filter_map(date).collect())
    }

    /// The files of the instance with this name, newest first, each with its date and number; that which is written to has the
    /// greatest.
    fn written(&self, name: &str) -> Result<Vec<(PathBuf, Place)>, CommandError> {
        let mut found = vec![];
        for (directory, date) in self.dates()? {
            for path in entries(&directory)? {
                let number = path.file_name().and_then(|file| number(file.to_str()?, name));
                found.extend(number.map(|number| (path, (date, number))));
            }
        }
        found.sort_by_key(|(_, at)| std::cmp::Reverse(*at));
        Ok(found)
    }
}

/// The number of a file of the instance with this name: `NAME.log` has the greatest, `NAME.log.3` has 3.
fn number(file: &str, name: &str) -> Option<u32> {
    match file.strip_prefix(name)?.strip_prefix(".log")? {
        "" => Some(u32::MAX),
        rest => rest.strip_prefix('.')?.parse().ok(),
    }
}

fn day(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}

/// The name of an instance's files: letters, digits and `@.-_` as they are, any other byte as `%XX`.
fn file_name(instance: &str) -> String {
    let mut name = String::new();
    for byte in instance.bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || (b"@-_.".contains(&byte) && !(name.is_empty() && byte == b'.'));
        if is_plain { name.push(char::from(byte)) } else { name.push_str(&format!("%{byte:02X}")) }
    }
    if name.len() > LONGEST_NAME {
        let hash: String = Sha256::digest(name.as_bytes()).iter().take(8).map(|b| format!("{b:02x}")).collect();
        name.truncate(LONGEST_NAME);
        name.push('-');
        name.push_str(&hash);
    }
    name
}

fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

fn append(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).custom_flags(flags).open(path)
}

fn open(path: &Path, date: Date) -> io::Result<Open> {
    if let Some(directory) = path.parent() {
        make(directory)?;
    }
    let file = append(path)?;
    let size = file.metadata()?.len();
    Ok(Open { date, file, size })
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, CommandError> {
    let read = || -> io::Result<Vec<PathBuf>> {
        fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path())).collect()
    };
    read().map_err(|e| failed(directory, &e))
}

/// Removes the directory of `path` when nothing is left in it.
fn remove_empty(path: &Path) {
    let _ = path.parent().map(fs::remove_dir);
}

/// The last lines of a file.
struct Tail {
    text: Vec<u8>,
    /// Whether there are more before them.
    is_cut: bool,
}

impl Tail {
    /// Notes the lines as read.
    fn note(&self, cursor: &mut Cursor) {
        let mut is_first = self.is_cut;
        for line in self.text.split(|b| *b == b'\n') {
            let (stamp, text) = line.split_at(stamp_of(line));
            let time = str::from_utf8(stamp).ok().and_then(|stamp| stamp.trim_end().parse().ok());
            let Some(time) = time else { continue };
            if std::mem::take(&mut is_first) {
                cursor.forget(time);
            } else {
                cursor.note(time, text.strip_suffix(CUT.as_bytes()).unwrap_or(text));
            }
        }
    }
}

/// The end of a file; what is behind the last line feed is cut off.
fn tail(path: &Path) -> io::Result<Tail> {
    let mut file = append(path)?;
    let size = file.metadata()?.len();
    let from = size.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(from))?;
    let mut text = vec![];
    file.read_to_end(&mut text)?;
    let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    if whole == 0 && from > 0 {
        return Err(io::Error::other("this is no log file of `mcp log --save`: it has no line in its last 3 MiB"));
    }
    if whole < text.len() {
        file.set_len(from + whole as u64)?;
        text.truncate(whole);
    }
    if from > 0 {
        let begin = text.iter().position(|b| *b == b'\n').map_or(0, |at| at + 1);
        text.drain(..begin);
    }
    Ok(Tail { text, is_cut: from > 0 })
}

fn failed(path: &Path, error: &io::Error) -> CommandError {
    CommandError::failed(format!("cannot save to {}", path.display())).because(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    fn archive(directory: &Path, keep: Option<Keep>, max_size: Option<u64>) -> Archive {
        let options = SaveOptions { directory: directory.to_owned(), keep, max_size };
        Archive::open(options, &["a@h1".parse().unwrap()], Duration::ZERO).unwrap()
    }

    fn put(archive: &mut Archive, lines: &[&str]) {
        for line in lines {
            archive.write(0, &LogLine::of(line)).unwrap();
        }
    }

    fn files(directory: &Path) -> Vec<String> {
        let mut names = vec![];
        for date in entries(directory).unwrap().into_iter().filter(|path| path.is_dir()) {
            names.extend(
                entries(&date).unwrap().iter().map(|path| path.strip_prefix(directory).unwrap().display().to_string()),
            );
        }
        names.sort();
        names
    }

    #[test]
    fn a_file_says_how_far_its_log_was_saved_and_half_a_line_is_cut_off() {
        let root = tempfile::tempdir().unwrap();
        let mut first = archive(root.path(), None, None);
        put(&mut first, &["2026-11-27T23:59:59.5Z a", "2026-11-28T00:00:00.1Z b", "2026-11-28T00:00:00.1Z c"]);
        drop(first);
        assert_eq!(files(root.path()), ["2026-11-27/a@h1.log", "2026-11-28/a@h1.log"]);
        let path = root.path().join("2026-11-28/a@h1.log");
        append(&path).unwrap().write_all(b"2026-11-28T00:00:00.2Z hal").unwrap();
        assert!(!archive(root.path(), None, None).cursors().unwrap()[0].is_new());
        assert_eq!(fs::read_to_string(&path).unwrap(), "2026-11-28T00:00:00.1Z b\n2026-11-28T00:00:00.1Z c\n");
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn full_files_are_numbered_and_only_so_many_are_kept() {
        let root = tempfile::tempdir().unwrap();
        let mut saved = archive(root.path(), Some(Keep::Files(3)), Some(60));
        let lines: Vec<String> = (0..10).map(|n| format!("2026-11-28T00:00:0{n}.000Z line {n}")).collect();
        put(&mut saved, &lines.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(files(root.path()), ["2026-11-28/a@h1.log", "2026-11-28/a@h1.log.8", "2026-11-28/a@h1.log.9"]);
        put(&mut saved, &["2026-11-29T00:00:00.000Z next day"]);
        assert_eq!(files(root.path()), ["2026-11-28/a@h1.log", "2026-11-28/a@h1.log.9", "2026-11-29/a@h1.log"]);
    }

    #[test]
    fn files_of_days_past_go_and_nothing_else_does() {
        let root = tempfile::tempdir().unwrap();
        for other in ["2020-01-01/notes.txt", "2020-01-01/b@h2.log.3", "2020-01-02/c@h.log", "misc/a@h1.log"] {
            make(root.path().join(other).parent().unwrap()).unwrap();
            fs::write(root.path().join(other), "x").unwrap();
        }
        let mut saved = archive(root.path(), Some(Keep::Days(2)), None);
        put(&mut saved, &[&format!("{} now", Timestamp::now())]);
        let left = files(root.path());
        assert_eq!(left.len(), 3, "{left:?}");
        assert!(left.contains(&"2020-01-01/notes.txt".to_owned()) && left.contains(&"misc/a@h1.log".to_owned()));
        let since = Keep::Days(2).since("2026-11-28T10:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(since.to_string(), "2026-11-27T00:00:00Z");
    }

    #[test]
    fn a_directory_has_one_writer() {
        let root = tempfile::tempdir().unwrap();
        let held = archive(root.path(), None, None);
        let options = SaveOptions { directory: root.path().to_owned(), keep: None, max_size: None };
        let error = Archive::open(options, &[], Duration::ZERO).err().unwrap();
        assert!(error.message.contains("another `mcp log --save`"), "{error}");
        drop(held);
        archive(root.path(), None, None);
    }

    #[test]
    fn names_of_files_are_safe() {
        assert_eq!(file_name("web-1@edge_2.example"), "web-1@edge_2.example");
        assert_eq!(file_name("a@root@10.0.0.5:2222"), "a@root@10.0.0.5%3A2222");
        assert_eq!(file_name("../a@h/..;é"), "%2E.%2Fa@h%2F..%3B%C3%A9");
        let long = |end: &str| file_name(&format!("{}@{}{end}", "a".repeat(60), "h".repeat(250)));
        assert!(long("1").len() < 240 && long("1") != long("2"));
    }
}
