//! Goes through a journal line by line and says what of it was altered, taken out, put elsewhere or cut off.
//!
//! Boundary: lines in, findings out; the files and the noted head are `store`'s. What the chain can and cannot show is told in
//! `docs/files.md`.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::chain::{ChainHash, Sealed};

/// Most findings that are kept; the rest are counted.
const MOST: usize = 100;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingKind {
    /// A line was changed, or put in.
    Altered,
    /// Lines are gone.
    Missing,
    /// A line stands elsewhere than it was written.
    Reordered,
    /// The end is gone.
    Truncated,
}

impl FindingKind {
    /// The word shown for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Altered => "altered",
            Self::Missing => "missing",
            Self::Reordered => "reordered",
            Self::Truncated => "truncated",
        }
    }
}

/// Something that is wrong, and where.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// The file.
    pub file: String,
    /// Line of the file, from 1; for what is missing, the line before which it stood; 0 for the end.
    pub line: usize,
    /// The number that the line has.
    pub seq: Option<u64>,
    /// In words.
    pub what: String,
}

/// Where a line stands.
#[derive(Debug, Clone, Serialize)]
pub struct Place {
    /// The file.
    pub file: String,
    /// Line of the file, from 1.
    pub line: usize,
    /// Its number.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// Its hash.
    pub hash: ChainHash,
}

/// A hash that was noted before.
#[derive(Debug, Clone, Serialize)]
pub struct Noted {
    /// Where: `journal.head`, or `--head`.
    pub by: String,
    /// The hash, or the beginning of it.
    pub hash: String,
    /// The number of its line, where that was noted too.
    pub seq: Option<u64>,
    /// How many lines follow it; null when it is not there.
    pub after: Option<usize>,
}

/// How many hashed lines a file has.
#[derive(Debug, Clone, Serialize)]
pub struct FileLines {
    /// The file.
    pub file: String,
    /// Its lines.
    pub lines: usize,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    /// Whether nothing is wrong.
    pub intact: bool,
    /// Lines with a hash.
    pub lines: usize,
    /// Lines without one from before there were hashes.
    pub unhashed: usize,
    /// Pieces of lines that killed processes left.
    pub torn: usize,
    /// The files, older ones first.
    pub files: Vec<FileLines>,
    /// The first line with a hash.
    pub begins: Option<Place>,
    /// Whether older lines stood before it, in a file that was dropped.
    pub continues: bool,
    /// The last line: noted elsewhere, its hash tells later that everything up to it is still there.
    pub head: Option<Place>,
    /// The hashes that were looked for.
    pub noted: Vec<Noted>,
    /// What is wrong, at most a hundred of them.
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub more_findings: usize,
}

/// What every line has, whatever version wrote it.
#[derive(Deserialize)]
struct Known {
    seq: u64,
    at: Timestamp,
}

/// Takes the lines of a journal, older files first.
#[derive(Debug)]
pub struct Verifier {
    /// What may stand before the first line; `None` when nobody has noted it.
    begins: Option<Vec<ChainHash>>,
    seen: HashSet<u64>,
    /// Findings about what is missing, with its numbers: it may turn up elsewhere.
    gaps: Vec<(usize, u64, u64)>,
    report: Verification,
}

impl Verifier {
    /// For a journal that, as far as it is known, goes on after one of `begins` (empty: after nothing), and in which `noted` stand.
    #[must_use]
    pub fn new(begins: Option<Vec<ChainHash>>, noted: Vec<Noted>) -> Self {
        let report = Verification {
            intact: true,
            lines: 0,
            unhashed: 0,
            torn: 0,
            files: vec![],
            begins: None,
            continues: false,
            head: None,
            noted,
            findings: vec![],
            more_findings: 0,
        };
        Self { begins, seen: HashSet::new(), gaps: vec![], report }
    }

    /// Begins the next file.
    pub fn file(&mut self, name: &str) {
        self.report.files.push(FileLines { file: name.to_owned(), lines: 0 });
    }

    /// Takes line `number`, from 1, of the file.
    pub fn take(&mut self, number: usize, line: &[u8]) {
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        let known: Option<Known> = serde_json::from_slice(line).ok();
        match (Sealed::read(line), known) {
            (Some(sealed), Some(known)) => self.hashed(number, &sealed, &known),
            (Some(_), None) => {
                self.find(FindingKind::Altered, number, None, "its hash is there, but it is no line of a journal")
            }
            (None, Some(known)) if self.report.head.is_some() => self.find(
                FindingKind::Altered,
                number,
                Some(known.seq),
                "it has no hash: it was put in or changed, or an mcp wrote it that is older than the hashes",
            ),
            (None, Some(_)) => self.report.unhashed += 1,
            (None, None) => self.report.torn += 1,
        }
    }

    fn hashed(&mut self, number: usize, sealed: &Sealed<'_>, known: &Known) {
        let last = self.report.head.as_ref().map(|head| (head.hash, head.seq));
        let is_intact = sealed.follows(sealed.prev.or(last.map(|(hash, _)| hash)).unwrap_or(ChainHash::NONE));
        match last {
            Some((hash, seq)) => {
                if !is_intact && sealed.prev.is_some() {
                    self.find(FindingKind::Altered, number, Some(known.seq), "it is not what was written");
                } else if !is_intact || sealed.prev.is_some_and(|prev| prev != hash) {
                    self.break_between(number, seq, known.seq);
                }
            }
            None => self.first(number, sealed, known.seq, is_intact),
        }
        self.seen.insert(known.seq);
        let file = self.report.files.last_mut();
        let name = file.as_ref().map(|file| file.file.clone()).unwrap_or_default();
        if let Some(file) = file {
            file.lines += 1;
        }
        let place = Place { file: name, line: number, seq: known.seq, at: known.at, hash: sealed.hash };
        for noted in &mut self.report.noted {
            match &mut noted.after {
                Some(after) => *after += 1,
                None if place.hash.to_string().starts_with(&noted.hash) => noted.after = Some(0),
                None => {}
            }
        }
        self.report.lines += 1;
        self.report.begins.get_or_insert_with(|| place.clone());
        self.report.head = Some(place);
    }

    /// The line does not follow the one before it, which has the number `last`.
    fn break_between(&mut self, number: usize, last: u64, seq: u64) {
        if seq > last.saturating_add(1) {
            self.gap(number, last + 1, seq);
        } else if seq <= last {
            let what = format!("it was written before number {last}, which stands before it");
            self.find(FindingKind::Reordered, number, Some(seq), &what);
        } else {
            self.find(FindingKind::Altered, number, Some(seq), "it, or the line before it, is not what was written");
        }
    }

    fn gap(&mut self, number: usize, from: u64, to: u64) {
        let lines = crate::domain::plural(usize::try_from(to - from).unwrap_or(usize::MAX), "line");
        let numbers = if to - from == 1 { from.to_string() } else { format!("{from} to {}", to - 1) };
        self.gaps.push((self.report.findings.len(), from, to));
        self.find(FindingKind::Missing, number, Some(to), &format!("{lines} before it, number {numbers}"));
    }

    fn first(&mut self, number: usize, sealed: &Sealed<'_>, seq: u64, is_intact: bool) {
        let before = sealed.prev.unwrap_or(ChainHash::NONE);
        self.report.continues = sealed.prev.is_some();
        if !is_intact && (sealed.prev.is_some() || seq == 0 || self.report.unhashed > 0) {
            return self.find(FindingKind::Altered, number, Some(seq), "it is not what was written");
        }
        let is_expected = match &self.begins {
            Some(begins) if begins.is_empty() => before == ChainHash::NONE,
            Some(begins) => begins.contains(&before),
            None => true,
        };
        if !is_intact || !is_expected {
            if seq > 0 {
                return self.gap(number, 0, seq);
            }
            self.find(
                FindingKind::Missing,
                number,
                Some(seq),
                "what stood before it, and is not in a file that was dropped",
            );
        }
    }

    fn find(&mut self, kind: FindingKind, line: usize, seq: Option<u64>, what: &str) {
        self.report.intact = false;
        if self.report.findings.len() >= MOST {
            self.report.more_findings += 1;
            return;
        }
        let file = self.report.files.last().map(|file| file.file.clone()).unwrap_or_default();
        self.report.findings.push(Finding { kind, file, line, seq, what: what.to_owned() });
    }

    /// What came of it.
    #[must_use]
    pub fn finish(mut self) -> Verification {
        for (index, from, to) in std::mem::take(&mut self.gaps) {
            // What is missing here stands elsewhere: the line was moved.
            let is_elsewhere = to - from < 100_000 && (from..to).any(|seq| self.seen.contains(&seq));
            if let Some(finding) = self.report.findings.get_mut(index).filter(|_| is_elsewhere) {
                finding.kind = FindingKind::Reordered;
                finding.what = format!("number {from} should stand before it, and stands elsewhere");
            }
        }
        let last = self.report.head.as_ref().map(|head| head.seq);
        let lost: Vec<String> = self
            .report
            .noted
            .iter()
            .filter(|noted| noted.after.is_none())
            .map(|noted| {
                let number = noted.seq.map(|seq| format!(", number {seq}")).unwrap_or_default();
                let end = last
                    .map_or_else(|| "there is no line".to_owned(), |last| format!("the last line is number {last}"));
                format!(
                    "the line that {} notes ({}…{number}) is not there; {end}",
                    noted.by,
                    noted.hash.chars().take(16).collect::<String>()
                )
            })
            .collect();
        for what in lost {
            self.find(FindingKind::Truncated, 0, None, &what);
        }
        self.report
    }
}

#[cfg(test)]
mod tests;
