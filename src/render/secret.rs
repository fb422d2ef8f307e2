//! Asks for a secret on the terminal: nothing of it is shown, and nothing of it stays in memory but the answer.
//!
//! Boundary: `/dev/tty`, never stdin, so that a pipe cannot answer. A crate does this too, but its text grows as it is typed and leaves
//! what was typed so far behind. Next: `commands` asks for passphrases and passwords.

use std::{
    fs::File,
    io::{self, Read, Write},
};

use rustix::{
    process::{Signal, getpid, kill_process},
    termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr},
};
use zeroize::Zeroizing;

use super::sanitise;

/// Longest answer, in bytes; what is typed beyond it is dropped.
const LIMIT: usize = 4096;

const INTERRUPT: u8 = 0x03;
const END: u8 = 0x04;
const ERASE_LINE: u8 = 0x15;
const ERASE_WORD: u8 = 0x17;
const ESCAPE: u8 = 0x1b;

/// Asks with the words of `prompt` and reads a line.
///
/// # Errors
/// There is no terminal, or it ended; [`io::ErrorKind::Interrupted`] for Ctrl-C, which this process then hears as a signal.
pub fn ask_secret(prompt: &str) -> io::Result<Zeroizing<String>> {
    let terminal = File::options().read(true).write(true).open("/dev/tty")?;
    // First, so that whoever answers at once is not shown.
    let hidden = Hidden::start(&terminal)?;
    (&terminal).write_all(sanitise::line(prompt).as_bytes())?;
    #[expect(clippy::unbuffered_bytes, reason = "a buffer would keep what was typed")]
    let answer = line((&terminal).bytes());
    let _ = (&terminal).write_all(b"\n");
    drop(hidden);
    if answer.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {
        kill_process(getpid(), Signal::INT)?;
    }
    answer
}

/// A terminal that shows nothing and hands on every key at once, until this is dropped.
struct Hidden<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Hidden<'a> {
    fn start(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut modes = before.clone();
        modes.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(terminal, OptionalActions::Now, &modes)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

/// A line as it is typed, with the keys that correct it.
fn line(mut keys: impl Iterator<Item = io::Result<u8>>) -> io::Result<Zeroizing<String>> {
    // Made at its full length: growing would leave copies behind.
    let mut typed = Zeroizing::new(Vec::with_capacity(LIMIT));
    while let Some(key) = keys.next().transpose()? {
        match key {
            b'\n' | b'\r' => break,
            // Ctrl-H, Delete.
            0x08 | 0x7f => erase_character(&mut typed),
            ERASE_LINE => typed.clear(),
            ERASE_WORD => erase_word(&mut typed),
            INTERRUPT => return Err(io::ErrorKind::Interrupted.into()),
            END if typed.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            ESCAPE => skip_sequence(&mut keys)?,
            key if !key.is_ascii_control() && typed.len() < LIMIT => typed.push(key),
            _ => {}
        }
    }
    match String::from_utf8(std::mem::take(&mut *typed)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(io::ErrorKind::InvalidData.into())
        }
    }
}

fn erase_character(typed: &mut Vec<u8>) {
    // The first byte of a character in UTF-8 is the one that does not continue another.
    while typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
}

fn erase_word(typed: &mut Vec<u8>) {
    let end = typed.trim_ascii_end().len();
    let start = typed[..end].iter().rposition(|byte| *byte == b' ').map_or(0, |space| space + 1);
    typed.truncate(start);
}

/// What a key like an arrow sends behind Escape (ECMA-48, section 5.4).
fn skip_sequence(keys: &mut impl Iterator<Item = io::Result<u8>>) -> io::Result<()> {
    if let Some(b'[' | b'O') = keys.next().transpose()? {
        while let Some(key) = keys.next().transpose()?
            && !(0x40..=0x7e).contains(&key)
        {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    fn typed(keys: &[u8]) -> io::Result<String> {
        line(keys.iter().map(|key| Ok(*key))).map(|text| text.as_str().to_owned())
    }

    #[test]
    fn a_line_is_what_was_typed_after_its_corrections() {
        for (keys, expected) in [
            (&b"open sesame\nmore"[..], "open sesame"),
            (b"open\r", "open"),
            (b"\n", ""),
            (b"opem\x7fn\n", "open"),
            ("op\u{e9}\u{2713}\u{7f}\u{8}en\n".as_bytes(), "open"),
            (b"\x7f\x7fopen\n", "open"),
            (b"wrong\x15open\n", "open"),
            (b"open the door \x17window\n", "open the window"),
            (b"o\x1b[Dp\x1b[3~e\x1bOAn\x1bx\n", "open"),
            (b"o\x04p\x01en\n", "open"),
            (b"ended", "ended"),
        ] {
            assert_eq!(typed(keys).unwrap(), expected, "{keys:?}");
        }
        assert_eq!(typed(&[b'x'; 2 * LIMIT]).unwrap().len(), LIMIT);
    }

    #[test]
    fn a_line_can_be_given_up() {
        for (keys, expected) in [
            (&b"op\x03en\n"[..], io::ErrorKind::Interrupted),
            (b"\x04", io::ErrorKind::UnexpectedEof),
            (b"\xff\n", io::ErrorKind::InvalidData),
        ] {
            assert_eq!(typed(keys).unwrap_err().kind(), expected);
        }
    }
}
