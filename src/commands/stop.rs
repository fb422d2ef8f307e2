//! `mcp stop`.

use clap::Args;

use super::{
    App,
    change::change,
    rolling::{RetryArgs, RollingArgs},
    selection::SelectionArgs,
};
use crate::{
    error::{CommandError, Exit},
    fleet::Rolling,
    operations::{Verb, change::Options},
    render::Ui,
};

/// Stop servers
///
/// Runs the registered stop string, or `docker stop`. A missing or stopped container is left as it is. Containers of one
/// host stop side by side.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mcp stop finance\n  mcp stop --all --on edge-2\n  mcp stop --tag nightly")]
pub struct StopArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    retry: RetryArgs,
    /// Also stop containers that mcp did not make and that differ from what is registered
    #[arg(long)]
    foreign: bool,
    #[command(flatten)]
    rolling: RollingArgs,
}

pub(super) fn run(app: &App, ui: &mut Ui, args: StopArgs) -> Result<Exit, CommandError> {
    let options = Options { foreign: args.foreign, ..Options::default() };
    let rolling = args.rolling.over(Rolling::default())?;
    change(app, ui, args.selection, &args.retry, Verb::Stop, options, rolling)
}
