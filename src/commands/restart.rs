//! `mcp restart`.

use clap::Args;

use super::{
    App,
    selection::SelectionArgs,
    start::{StartingArgs, change},
};
use crate::{
    error::{CommandError, Exit},
    operations::Verb,
    render::Ui,
};

/// Restart servers; a changed registered string takes effect
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp restart finance\n  mcp restart --all\n  mcp restart --all --on 'web-*,!web-03'\n  mcp restart finance --recreate"
)]
pub struct RestartArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    how: StartingArgs,
    /// Always make a new container from the registered string
    #[arg(long)]
    recreate: bool,
}

pub(super) fn run(app: &App, ui: &mut Ui, args: RestartArgs) -> Result<Exit, CommandError> {
    let options = args.how.options(args.recreate);
    change(app, ui, args.selection, Verb::Restart, options)
}
