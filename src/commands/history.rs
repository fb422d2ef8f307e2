//! `mcp history`.

use clap::{Args, Subcommand};

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
#[command(args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Examples:\n  mcp history\n  mcp history -n 100 -o json\n  mcp history k3qx\n  mcp history verify"
)]
pub struct HistoryArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// A run: its id, or the beginning or the end of it
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// How many runs
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    lines: u32,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Verify(VerifyArgs),
}

/// Look whether the journal is as it was written, line by line
///
/// Each line carries a hash over itself and the line before it, so that a line that was changed, taken out or moved is named with
/// its file and its number. That the end was cut off shows by a hash that was noted: `journal.head` beside the journal has the one
/// of the last run; against somebody who can write to that too, note the one shown here elsewhere, and give it with --head later.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mcp history verify\n  mcp history verify -o name\n  \
                        mcp history verify --head 6f1c2a90d4b7e358")]
struct VerifyArgs {
    /// A hash that `mcp history verify` showed earlier, or its first 16 digits or more: its line must still be there
    #[arg(long, value_name = "HASH", value_parser = head)]
    head: Option<String>,
}

fn head(text: &str) -> Result<String, String> {
    let text = text.to_ascii_lowercase();
    let fits = (16..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if fits { Ok(text) } else { Err("expected 16 to 64 hexadecimal digits".to_owned()) }
}

pub(super) fn run(app: &App, ui: &mut Ui, args: HistoryArgs) -> Result<Exit, CommandError> {
    let workspace = app.workspace()?;
    if let Some(Verb::Verify(args)) = &args.verb {
        let verification = history::verify(&workspace, args.head.as_deref())?;
        ui.verification(&verification);
        return Ok(if verification.intact { Exit::Ok } else { Exit::Failed });
    }
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
