//! `mcp start`.

use std::time::Duration;

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

/// Start servers
///
/// A running container is left alone. A stopped one is started again if its registered string is unchanged, else replaced.
/// Without a container the registered string runs. Afterwards the container must stay up for the settle time.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp start finance\n  mcp start finance@edge-1 'web-*'\n  mcp start --all --on @prod\n  mcp start --tag nightly --settle 5s\n  mcp start --all --serial 1,25% --max-fail 2\n  mcp start --retry-failed"
)]
pub struct StartArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    retry: RetryArgs,
    #[command(flatten)]
    how: StartingArgs,
    #[command(flatten)]
    rolling: RollingArgs,
}

/// Settle time unless `--settle` says otherwise: servers in Python import for a second or two before they fail.
pub(super) const DEFAULT_SETTLE: Duration = Duration::from_secs(3);

/// How long health is waited for unless `--health-timeout` says otherwise.
pub(super) const DEFAULT_HEALTH: Duration = Duration::from_secs(60);

/// How containers are brought up.
#[derive(Debug, Args)]
pub(super) struct StartingArgs {
    /// How long a container must have been up to count as started; a docker health check that passes ends it early
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = parse_duration)]
    settle: Duration,
    /// Replace a container of that name that mcp did not make
    #[arg(long)]
    replace: bool,
    /// Wait until docker's health checks have passed; one that fails counts as failed [default with --serial]
    #[arg(long)]
    wait_healthy: bool,
    /// How long health is waited for, with --serial or --wait-healthy [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    health_timeout: Option<Duration>,
    /// All hosts at once, whatever `rollout` in servers.yaml is
    #[arg(long, conflicts_with = "serial")]
    no_rollout: bool,
}

impl StartingArgs {
    pub(super) fn options(&self, recreate: bool, rolling: &RollingArgs) -> Options {
        let waits = self.wait_healthy || self.health_timeout.is_some() || rolling.is_serial();
        let health = waits.then(|| self.health_timeout.unwrap_or(DEFAULT_HEALTH));
        Options { settle: self.settle, replace: self.replace, recreate, health, ..Options::default() }
    }

    /// What a run without arguments for batches starts from.
    pub(super) fn base(&self) -> Rolling {
        Rolling { at_once: self.no_rollout, ..Rolling::default() }
    }
}

pub(super) fn run(app: &App, ui: &mut Ui, args: StartArgs) -> Result<Exit, CommandError> {
    let options = args.how.options(false, &args.rolling);
    let rolling = args.rolling.of_change(args.how.base());
    change(app, ui, args.selection, &args.retry, Verb::Start, options, rolling)
}
