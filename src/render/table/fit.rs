//! Which columns of a table are shown in a given width, and how wide.
//!
//! Boundary: heads and widths in, a plan out; no text. A column has one role wherever its head stands.

use super::BETWEEN;

/// Columns that are dropped when the terminal is too narrow, the first ones first. What is not among them stays.
const DROPPED: [&str; 39] = [
    "KEEPER",
    "RUN",
    "TOOK",
    "TIME",
    "OPEN",
    "SINCE",
    "DOCKER",
    "CLIENT",
    "ENGINE",
    "IMAGE",
    "SERVER",
    "EXIT",
    "SENT",
    "RESTARTS",
    "GROUPS",
    "VIA",
    "PORT",
    "PORTS",
    "UPTIME",
    "INSTANCES",
    "WHO",
    "FOR",
    "KEY",
    "GPU",
    "MEM",
    "CPU",
    "NUMBER",
    "LINE",
    "ENDS IN",
    "CONTAINER",
    "STARTED",
    "AGE",
    "HEALTH",
    "OUTDATED",
    "ENABLED",
    "STATE",
    "FILE",
    "PATH",
    "TARGET",
];

/// Columns that may be shortened.
const SHORTENED: [(&str, Cut); 7] = [
    ("IMAGE", Cut::Start),
    ("PATH", Cut::Start),
    ("TARGET", Cut::End),
    ("GROUPS", Cut::End),
    ("VIA", Cut::End),
    ("WHO", Cut::End),
    ("PORTS", Cut::End),
];

/// Columns of free text. The last one of a table is wrapped beside the others or put below its row, never cut.
const TEXTS: [&str; 5] = ["MESSAGE", "NOTE", "COMMAND", "WHAT", "REMOVE WITH"];

/// Narrowest a column gets that may be shortened.
const LEAST: usize = 12;

/// Narrowest a text gets beside the other columns.
const LEAST_TEXT: usize = 30;

/// Narrowest terminal in which a text stands beside the other columns.
const LEAST_BESIDE: usize = 60;

/// Which end of a text is cut off: of an image's name the last part tells more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The end goes.
    End,
    /// The start goes.
    Start,
}

/// A column that could be shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column<'h> {
    /// Its head.
    pub(super) head: &'h str,
    /// Its place in a row.
    pub(super) at: usize,
    /// As wide as its widest cell.
    pub(super) natural: usize,
}

impl Column<'_> {
    fn is_text(&self) -> bool {
        self.at > 0 && TEXTS.contains(&self.head)
    }

    /// When it is dropped, counted from the first; `None` for what identifies a row or says how it is.
    fn dropped(&self) -> Option<usize> {
        // What stands first identifies the row, whatever it is called.
        DROPPED.iter().position(|head| *head == self.head).filter(|_| self.at > 0)
    }

    fn cut(&self) -> Option<Cut> {
        SHORTENED.iter().find(|(head, _)| *head == self.head).map(|(_, cut)| *cut).filter(|_| self.at > 0)
    }

    fn least(&self) -> usize {
        if self.cut().is_some() { self.natural.min(LEAST) } else { self.natural }
    }
}

/// Where the text of a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// The table has none.
    Absent,
    /// The column of this place, so wide, behind the other columns.
    Beside(usize, usize),
    /// The column of this place, on lines of its own below the row.
    Below(usize),
}

/// What is shown, and how wide.
#[derive(Debug)]
pub(super) struct Plan {
    /// The place and the width of each column, without the text's.
    pub(super) columns: Vec<(usize, usize)>,
    /// The text's place.
    pub(super) text: Text,
    cuts: Vec<(usize, Cut)>,
}

impl Plan {
    /// The plan for `columns` in `width`.
    pub(super) fn new(columns: &[Column<'_>], width: usize) -> Self {
        let text = columns.iter().rfind(|column| column.is_text());
        let is_other = |column: &&Column<'_>| text.is_none_or(|text| text.at != column.at);
        let others: Vec<Column<'_>> = columns.iter().filter(is_other).copied().collect();
        let below = kept(&others, width);
        let plan = |kept: &[Column<'_>], room: usize, text: Text| Self {
            columns: spread(kept, room),
            text,
            cuts: kept.iter().filter_map(|column| Some((column.at, column.cut()?))).collect(),
        };
        let Some(text) = text else { return plan(&below, width, Text::Absent) };
        let room = width.saturating_sub(BETWEEN + text.natural.min(LEAST_TEXT));
        let beside = kept(&others, room);
        // One column less is a fair price for a line per row.
        let fits = sum(&beside) <= room && beside.len() + 1 >= below.len();
        let is_short = text.natural <= LEAST_TEXT || width >= LEAST_BESIDE;
        if !(fits && is_short) {
            return plan(&below, width, Text::Below(text.at));
        }
        let mut plan = plan(&beside, room, Text::Absent);
        let used: usize = plan.columns.iter().map(|(_, width)| width + BETWEEN).sum();
        plan.text = Text::Beside(text.at, width.saturating_sub(used));
        plan
    }

    /// Which end of a cell that is too wide is cut off.
    pub(super) fn cut(&self, at: usize) -> Cut {
        self.cuts.iter().find(|(place, _)| *place == at).map_or(Cut::End, |(_, cut)| *cut)
    }
}

/// The columns that are left when `width` has to do, each as narrow as it gets.
fn kept<'h>(columns: &[Column<'h>], width: usize) -> Vec<Column<'h>> {
    let mut kept = columns.to_vec();
    while sum(&kept) > width {
        let first = kept.iter().enumerate().filter_map(|(index, column)| Some((column.dropped()?, index))).min();
        let Some((_, index)) = first else { break };
        kept.remove(index);
    }
    kept
}

fn sum(columns: &[Column<'_>]) -> usize {
    columns.iter().map(|column| column.least().saturating_add(BETWEEN)).sum::<usize>().saturating_sub(BETWEEN)
}

/// The widths of `columns`: what is left of `width` goes to those that were made narrow.
fn spread(columns: &[Column<'_>], width: usize) -> Vec<(usize, usize)> {
    let mut left = width.saturating_sub(sum(columns));
    let widths = columns.iter().map(|column| {
        let more = left.min(column.natural - column.least());
        left -= more;
        (column.at, column.least() + more)
    });
    widths.collect()
}
