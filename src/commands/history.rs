//! `mcp history`.

use clap::Args;

use super::App;
use crate::{
    error::{CommandError, Exit},
    operations::{history, resume},
    render::Ui,
};

/// Show what was done in this workspace, by whom, and what came of it
///
/// One row per start, stop, restart, remove, exec and copy, the newest last; with RUN, one row per instance or host of that run. Asks
/// no host.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mcp history\n  mcp history -n 100 -o json\n  mcp history k3qx")]
pub struct HistoryArgs {
    /// A run: its id, or the beginning or the end of it
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// How many runs
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    lines: u32,
}

pub(super) fn run(app: &App, ui: &mut Ui, args: HistoryArgs) -> Result<Exit, CommandError> {
    let workspace = app.workspace()?;
    let runs = resume::read(&workspace)?;
    match args.run {
        Some(name) => ui.run_page(&history::page(&runs, resume::find(&runs, &name)?)),
        None => ui.runs(&history::list(&runs, usize::try_from(args.lines).unwrap_or(usize::MAX))),
    }
    if runs.skipped > 0 {
        let lines = crate::domain::plural(runs.skipped, "line");
        ui.warn(&format!("{lines} of the journal cannot be read and were passed over"));
    }
    Ok(Exit::Ok)
}
