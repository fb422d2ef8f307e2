//! `mcp restart`.

use clap::Args;

use super::{
    App, Interrupt,
    change::{Plan, carry_out, change},
    rolling::{RetryArgs, RollingArgs},
    selection::SelectionArgs,
    start::StartingArgs,
};
use crate::{
    domain::ServerStatus,
    error::{CommandError, Exit},
    operations::{
        Verb, list,
        select::{self, Selection, Target},
    },
    render::{Progress, Ui},
};

/// Restart servers; a changed registered string takes effect
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp restart finance\n  mcp restart --all\n  mcp restart --all --on 'web-*,!web-03'\n  mcp restart finance --recreate\n  mcp restart --all --serial 1,10%,50% --max-fail 10% --wait 30s\n  mcp restart --retry-failed\n  mcp restart --outdated --serial 1"
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
    /// Only instances that are not what is registered, each with a new container; without names, of all enabled servers
    #[arg(long, conflicts_with = "retry_failed")]
    outdated: bool,
    #[command(flatten)]
    rolling: RollingArgs,
}

pub(super) fn run(app: &App, ui: &mut Ui, args: RestartArgs) -> Result<Exit, CommandError> {
    let options = args.how.options(args.recreate || args.outdated, &args.rolling);
    let rolling = args.rolling.of_change(args.how.base());
    if args.outdated {
        return outdated(app, ui, args.selection.into(), Plan { verb: Verb::Restart, options, rolling, parent: None });
    }
    change(app, ui, args.selection, &args.retry, Verb::Restart, options, rolling)
}

/// Looks which instances are outdated, and carries `plan` out on those. A host that gives no answer counts for the exit code.
fn outdated(app: &App, ui: &mut Ui, mut selection: Selection, plan: Plan) -> Result<Exit, CommandError> {
    let (workspace, loaded) = app.open(ui)?;
    selection.all |= selection.names.is_empty() && selection.tags.is_empty();
    let targets = select::select(&selection, &loaded.inventory, &loaded.registry, false)?;
    let progress = Progress::new(ui, "list");
    let (report, warnings) =
        app.with_fleet(&workspace, &loaded, Interrupt::Ends, &|event| progress.event(&event), |context| {
            list::list(context, &targets, false)
        })?;
    drop(progress);
    warnings.iter().for_each(|w| ui.warn(w));
    let is_outdated = |t: &Target<'_>| {
        let is_it = |s: &ServerStatus| s.name == t.server.name && s.host == t.host.name;
        report.rows.iter().any(|row| row.status.outdated == Some(true) && is_it(&row.status))
    };
    let chosen: Vec<Target<'_>> = targets.into_iter().filter(is_outdated).collect();
    ui.no_answers(&report.troubles);
    if chosen.is_empty() {
        ui.nothing_left(plan.verb, "nothing that gave an answer is outdated");
        return Ok(report.exit());
    }
    let exit = carry_out(app, ui, &workspace, &loaded, &chosen, plan)?;
    Ok(exit.or(report.exit()))
}
