//! `mcp start`.

use std::time::Duration;

use clap::Args;

use super::{App, Interrupt, selection::SelectionArgs};
use crate::{
    cli::parse_duration,
    error::{CommandError, Exit},
    operations::{Verb, act, change::Options, dry_run, select},
    render::{Progress, Ui},
};

/// Start servers
///
/// A running container is left alone. A stopped one is started again if its registered string is unchanged, else replaced.
/// Without a container the registered string runs. Afterwards the container must stay up for the settle time.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp start finance\n  mcp start finance@edge-1 'web-*'\n  mcp start --all --on @prod\n  mcp start --tag nightly --settle 5s"
)]
pub struct StartArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    how: StartingArgs,
}

/// Settle time unless `--settle` says otherwise.
pub(super) const DEFAULT_SETTLE: Duration = Duration::from_secs(1);

/// How containers are brought up.
#[derive(Debug, Args)]
pub(super) struct StartingArgs {
    /// How long a container must have been up to count as started
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    settle: Duration,
    /// Replace a container of that name that mcp did not make
    #[arg(long)]
    replace: bool,
}

impl StartingArgs {
    pub(super) fn options(&self, recreate: bool) -> Options {
        Options { settle: self.settle, replace: self.replace, recreate }
    }
}

pub(super) fn run(app: &App, ui: &mut Ui, args: StartArgs) -> Result<Exit, CommandError> {
    let options = args.how.options(false);
    change(app, ui, args.selection, Verb::Start, options)
}

/// Loads, selects, carries `verb` out, prints.
pub(super) fn change(
    app: &App,
    ui: &mut Ui,
    selection: SelectionArgs,
    verb: Verb,
    options: Options,
) -> Result<Exit, CommandError> {
    let (workspace, loaded) = app.open(ui)?;
    let targets = select::select(&selection.into(), &loaded.inventory, &loaded.registry, false)?;
    if app.global.dry_run {
        ui.dry_run(&dry_run::change(&targets, verb, options)?);
        return Ok(Exit::Ok);
    }
    let progress = Progress::new(ui, verb.as_str());
    let (report, warnings) =
        app.with_fleet(&workspace, &loaded, Interrupt::Drains, &|event| progress.event(&event), |context| {
            act::change(context, &targets, verb, options)
        })?;
    ui.change(&report);
    warnings.iter().for_each(|w| ui.warn(w));
    Ok(report.exit())
}
