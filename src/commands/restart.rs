//! `mcp restart`.

use clap::Args;

use super::{
    App,
    change::change,
    rolling::{RetryArgs, RollingArgs},
    selection::SelectionArgs,
    start::StartingArgs,
};
use crate::{
    error::{CommandError, Exit},
    fleet::Rolling,
    operations::Verb,
    render::Ui,
};

/// Restart servers; a changed registered string takes effect
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp restart finance\n  mcp restart --all\n  mcp restart --all --on 'web-*,!web-03'\n  mcp restart finance --recreate\n  mcp restart --all --serial 1,10%,50% --max-fail 10% --wait 30s\n  mcp restart --retry-failed"
)]
pub struct RestartArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    retry: RetryArgs,
    #[command(flatten)]
    how: StartingArgs,
    /// Always make a new container from the registered string
    #[arg(long)]
    recreate: bool,
    #[command(flatten)]
    rolling: RollingArgs,
}

pub(super) fn run(app: &App, ui: &mut Ui, args: RestartArgs) -> Result<Exit, CommandError> {
    let options = args.how.options(args.recreate, &args.rolling);
    let rolling = args.rolling.over(Rolling::default())?;
    change(app, ui, args.selection, &args.retry, Verb::Restart, options, rolling)
}
