//! The arguments that select instances, shared by the verbs.
//!
//! Boundary: clap; the meaning is `operations::select`'s.

use clap::Args;

use crate::operations::select::Selection;

/// Which instances.
#[derive(Debug, Args)]
pub struct SelectionArgs {
    /// Servers or instances: finance, finance@edge-1, 'fin*', 'finance@web-[1-3]', finance@@prod
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// All enabled servers
    #[arg(long, short)]
    all: bool,
    /// Only on these hosts: 'web-*,@prod,!web-03' (union, then &@group intersections, then ! exclusions; repeatable)
    #[arg(long, value_name = "PATTERN")]
    on: Vec<String>,
    /// Servers with this tag (repeatable)
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
}

/// Several host patterns as one, as if they stood in one with commas; `None` without any.
pub(super) fn joined(patterns: &[String]) -> Option<String> {
    (!patterns.is_empty()).then(|| patterns.join(","))
}

impl From<SelectionArgs> for Selection {
    fn from(args: SelectionArgs) -> Self {
        Self { names: args.names, all: args.all, on: joined(&args.on), tags: args.tags }
    }
}
