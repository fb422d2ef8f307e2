//! `mcp rollback`.

use clap::Args;

use super::{
    App,
    change::change,
    rolling::{RetryArgs, RollingArgs},
    selection::SelectionArgs,
};
use crate::{
    cli::parse_duration,
    error::{CommandError, Exit},
    fleet::Rolling,
    operations::{Verb, change::Options},
    render::Ui,
};

/// Run the previous container of servers again
///
/// The previous container is there while `keep_previous` in servers.yaml keeps it, and after a replacement that was interrupted. It takes
/// the place of the one that runs, which is put back if the previous one does not stay up. The registered command stays as it is:
/// `mcp restart` applies it again.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp rollback finance\n  mcp rollback finance@edge-1\n  mcp rollback --tag web --on @prod --serial 1"
)]
pub struct RollbackArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    retry: RetryArgs,
    /// How long a container must have been up to count as started; a docker health check that passes ends it early
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = parse_duration)]
    settle: std::time::Duration,
    #[command(flatten)]
    rolling: RollingArgs,
}

pub(super) fn run(app: &App, ui: &mut Ui, args: RollbackArgs) -> Result<Exit, CommandError> {
    let options = Options { settle: args.settle, ..Options::default() };
    let rolling = args.rolling.over(Rolling::default())?;
    change(app, ui, args.selection, &args.retry, Verb::Rollback, options, rolling)
}
