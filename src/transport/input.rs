//! What a command reads: bytes at offsets, so that one open file serves many hosts at once and is in no memory twice.
//!
//! Boundary: files and bytes. Next: `ssh` and `local` write it to a command's standard input.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    os::unix::fs::FileExt,
    path::Path,
};

use super::{Phase, TransportError, TransportErrorKind};

/// Most bytes of an input that one command has in memory.
const CHUNK: usize = 64 * 1024;

/// The standard input of commands on many hosts.
pub trait Input: Sync {
    /// How many bytes each command reads.
    fn size(&self) -> u64;

    /// Reads some of the bytes from `offset` on into `buffer`; 0 at the end.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl Input for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

/// A file as it was when it was opened.
#[derive(Debug)]
pub struct FileInput {
    file: File,
    size: u64,
}

impl FileInput {
    /// Opens the file at `path`. What cannot be read twice (a pipe, a device) is copied first, as [`FileInput::spool`] does.
    ///
    /// # Errors
    /// What the system says; a directory is none.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if metadata.is_file() { Ok(Self { size: metadata.len(), file }) } else { Self::spool(file) }
    }

    /// Copies all that `source` gives into a temporary file that has no name and so is gone with this process.
    ///
    /// # Errors
    /// What the system says, such as a full disk.
    pub fn spool(mut source: impl Read) -> io::Result<Self> {
        let mut file = tempfile::tempfile()?;
        let size = io::copy(&mut source, &mut file)?;
        file.flush()?;
        file.rewind()?;
        Ok(Self { file, size })
    }

    /// What the system knows of the file.
    ///
    /// # Errors
    /// What the system says.
    pub fn metadata(&self) -> io::Result<std::fs::Metadata> {
        self.file.metadata()
    }
}

impl Input for FileInput {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(&self.file, buffer, offset)
    }
}

/// What is still to be written to one command: some bytes first, then an input.
pub(super) struct Feed<'a> {
    buffer: Vec<u8>,
    written: usize,
    input: Option<&'a dyn Input>,
    read: u64,
}

impl<'a> Feed<'a> {
    /// `first`, then all of `input`.
    pub(super) fn new(first: Vec<u8>, input: Option<&'a dyn Input>) -> Self {
        Self { buffer: first, written: 0, input, read: 0 }
    }

    /// Nothing.
    pub(super) fn empty() -> Self {
        Self::new(Vec::new(), None)
    }

    /// Whether everything was written.
    pub(super) fn is_done(&self) -> bool {
        self.written == self.buffer.len() && self.input.is_none_or(|input| self.read >= input.size())
    }

    /// The next bytes to write, the same ones until [`Feed::advance`]; empty when there are none left.
    ///
    /// An input that has become shorter is an error: the command would take part of it for all of it.
    pub(super) fn chunk(&mut self) -> Result<&[u8], TransportError> {
        if let Some(input) = self.input
            && self.written == self.buffer.len()
            && self.read < input.size()
        {
            let left = usize::try_from(input.size() - self.read).unwrap_or(CHUNK).min(CHUNK);
            self.buffer.resize(left, 0);
            self.written = 0;
            let read = loop {
                match input.read_at(&mut self.buffer, self.read) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Ok(0) => return Err(unreadable(io::Error::other("it became shorter while it was read"))),
                    result => break result.map_err(unreadable)?,
                }
            };
            self.buffer.truncate(read);
            self.read += read as u64;
        }
        Ok(&self.buffer[self.written..])
    }

    /// Takes note that so many bytes of the chunk were written.
    pub(super) fn advance(&mut self, written: usize) {
        self.written += written;
    }

    /// Drops what is left: nobody reads it any more.
    pub(super) fn clear(&mut self) {
        *self = Self::empty();
    }
}

fn unreadable(error: io::Error) -> TransportError {
    TransportError::new(Phase::Exec, TransportErrorKind::Input(error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn all_of(mut feed: Feed<'_>, step: usize) -> Vec<u8> {
        let mut got = vec![];
        while !feed.is_done() {
            let chunk = feed.chunk().unwrap();
            let taken = chunk.len().min(step);
            got.extend_from_slice(&chunk[..taken]);
            feed.advance(taken);
        }
        assert!(feed.chunk().unwrap().is_empty());
        got
    }

    #[test]
    fn a_feed_hands_over_everything_in_order_however_little_is_taken() {
        let bytes: Vec<u8> = (0..3 * CHUNK + 7).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let input = FileInput::spool(&*bytes).unwrap();
        for step in [1000, CHUNK, usize::MAX] {
            let expected = [b"first", &*bytes].concat();
            assert!(all_of(Feed::new(b"first".to_vec(), Some(&input)), step) == expected);
        }
        assert!(all_of(Feed::empty(), 1).is_empty());
    }

    #[test]
    fn a_file_that_became_shorter_is_an_error_and_one_that_grew_is_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "0123456789").unwrap();
        let input = FileInput::open(&path).unwrap();
        std::fs::write(&path, "0123456789 and more").unwrap();
        assert_eq!(all_of(Feed::new(vec![], Some(&input)), 3), b"0123456789");
        std::fs::write(&path, "0123").unwrap();
        let mut feed = Feed::new(vec![], Some(&input));
        let read = feed.chunk().unwrap().len();
        feed.advance(read);
        assert!(matches!(*feed.chunk().unwrap_err().kind, TransportErrorKind::Input(_)));
    }
}
