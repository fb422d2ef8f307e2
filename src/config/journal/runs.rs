//! Lines put together to runs, in the order they began.
//!
//! Boundary: pure; a run whose first line is gone (rotated away) is not shown.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::{Begin, Done, End, Entry, Line, RunId, Target};

/// One run, as far as the journal tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// When it began.
    pub started: Timestamp,
    /// How it began.
    pub begin: Begin,
    /// What was about to be acted on.
    pub attempted: BTreeSet<Target>,
    /// What became of that which it came to.
    pub results: BTreeMap<Target, Done>,
    /// When and how it ended; absent while it runs, or when it was killed.
    pub end: Option<(Timestamp, End)>,
    /// When its last line was written.
    pub last: Timestamp,
}

impl Run {
    /// Whether nothing is left to do for `target`.
    #[must_use]
    pub fn is_done(&self, target: &Target) -> bool {
        self.results.get(target).is_some_and(Done::is_ok)
    }

    /// What became of a planned target, in a word: its outcome, else `unknown` if it was about to be acted on, else
    /// `not_attempted`.
    #[must_use]
    pub fn outcome(&self, target: &Target) -> &str {
        match self.results.get(target) {
            Some(done) => &done.outcome,
            None if self.attempted.contains(target) => "unknown",
            None => "not_attempted",
        }
    }
}

/// All runs that a journal tells of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Runs {
    /// In the order they began.
    pub runs: Vec<Run>,
    /// Lines that could not be read.
    pub skipped: usize,
    index: HashMap<String, usize>,
}

impl Runs {
    /// Takes the next line in; empty ones are nothing.
    pub fn take(&mut self, bytes: &[u8]) {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        let Some(Line { at, run: id, entry, .. }) = Line::parse(bytes) else {
            self.skipped += 1;
            return;
        };
        if let Entry::Begin(begin) = entry {
            self.index.insert(id.as_str().to_owned(), self.runs.len());
            self.runs.push(Run {
                id,
                started: at,
                begin: *begin,
                attempted: BTreeSet::new(),
                results: BTreeMap::new(),
                end: None,
                last: at,
            });
            return;
        }
        let Some(run) = self.index.get(id.as_str()).and_then(|index| self.runs.get_mut(*index)) else { return };
        run.last = at;
        match entry {
            Entry::Attempt { targets } => run.attempted.extend(targets.list()),
            Entry::Result(done) => {
                run.results.insert(done.target.clone(), done);
            }
            Entry::End(end) => run.end = Some((at, end)),
            Entry::Begin(_) | Entry::Other => {}
        }
    }

    /// The run of that id.
    #[must_use]
    pub fn get(&self, id: &RunId) -> Option<&Run> {
        self.index.get(id.as_str()).and_then(|index| self.runs.get(*index))
    }

    /// The runs whose id is `text`, or begins or ends with it.
    #[must_use]
    pub fn find(&self, text: &str) -> Vec<&Run> {
        if let Some(run) = self.runs.iter().find(|run| run.id.as_str() == text) {
            return vec![run];
        }
        let fits = |run: &&Run| run.id.as_str().starts_with(text) || run.id.as_str().ends_with(text);
        self.runs.iter().filter(fits).collect()
    }

    /// The run that began what `run` goes on with: the first of its parents that the journal still has.
    #[must_use]
    pub fn root<'a>(&'a self, run: &'a Run) -> &'a Run {
        let mut root = run;
        // A parent is always older, so a chain is never longer than the journal, whatever a line claims.
        for _ in 0..self.runs.len() {
            match root.begin.parent.as_ref().and_then(|id| self.get(id)) {
                Some(parent) if parent.started <= root.started => root = parent,
                _ => break,
            }
        }
        root
    }

    /// What of `run` is not done, in its order: those of the run that began it, without those that it or any run
    /// that went on with it has done.
    #[must_use]
    pub fn left(&self, run: &Run) -> Vec<Target> {
        let root = self.root(run);
        let chain: Vec<&Run> = self.runs.iter().filter(|other| self.root(other).id == root.id).collect();
        let is_left = |target: &Target| !chain.iter().any(|run| run.is_done(target));
        root.begin.targets.list().into_iter().filter(is_left).collect()
    }
}
