//! Bytes as they come, whole lines as they leave.
//!
//! Boundary: pure; a line without end is handed over in pieces.

/// Longest line held back, in bytes.
const LONGEST_LINE: usize = 64 * 1024;

/// One stream's unfinished line.
#[derive(Debug, Default)]
pub(super) struct Lines {
    unfinished: Vec<u8>,
}

impl Lines {
    /// Takes the next bytes; gives all lines that are whole now.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let Some(at) = memchr::memrchr(b'\n', bytes) else {
            self.unfinished.extend_from_slice(bytes);
            return (self.unfinished.len() >= LONGEST_LINE).then(|| std::mem::take(&mut self.unfinished));
        };
        let mut whole = Vec::with_capacity(self.unfinished.len() + at + 1);
        whole.extend_from_slice(&self.unfinished);
        whole.extend_from_slice(&bytes[..=at]);
        self.unfinished.clear();
        self.unfinished.extend_from_slice(&bytes[at + 1..]);
        Some(whole)
    }

    /// What is left when nothing more comes.
    pub(super) fn rest(self) -> Option<Vec<u8>> {
        (!self.unfinished.is_empty()).then_some(self.unfinished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_however_the_bytes_are_cut() {
        let text = b"one\ntwo\n\nthree";
        for cut in 0..=text.len() {
            let mut lines = Lines::default();
            let mut got: Vec<Vec<u8>> = [&text[..cut], &text[cut..]].iter().filter_map(|b| lines.take(b)).collect();
            assert!(got.iter().all(|block| block.ends_with(b"\n")), "cut at {cut}");
            got.extend(lines.rest());
            assert_eq!(got.concat(), text, "cut at {cut}");
        }
    }

    #[test]
    fn a_line_without_end_is_handed_over_in_pieces() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(&vec![b'x'; LONGEST_LINE]).map(|piece| piece.len()), Some(LONGEST_LINE));
        assert!(lines.rest().is_none());
    }
}
