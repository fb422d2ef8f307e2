//! `mcp list`.

use clap::Args;

use super::{App, Interrupt, selection::SelectionArgs};
use crate::{
    error::{CommandError, Exit},
    operations::{dry_run, list, select},
    render::{Progress, Ui},
};

/// Show the status of registered servers
///
/// Asks every host, in one exec each. Containers that are not registered are left out.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp list\n  mcp list 'fin*' --on @prod\n  mcp list --stats\n  mcp list -o json | jq -r '.[] | select(.status != \"running\") | .name'\n  mcp list --cached"
)]
pub struct ListArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Add CPU, memory and GPU usage (docker samples for 2 s)
    #[arg(long, conflicts_with = "cached")]
    stats: bool,
    /// Ask no host: show what is remembered, with its age
    #[arg(long)]
    cached: bool,
}

pub(super) fn run(app: &App, ui: &mut Ui, args: ListArgs) -> Result<Exit, CommandError> {
    let (workspace, loaded) = app.open(ui)?;
    let targets = select::select(&args.selection.into(), &loaded.inventory, &loaded.registry, true)?;
    if args.cached {
        let report = list::cached(&loaded.state, &targets);
        ui.list(&report, true);
        return Ok(Exit::Ok);
    }
    if app.global.dry_run {
        ui.dry_run(&dry_run::list(&targets, args.stats)?);
        return Ok(Exit::Ok);
    }
    let progress = Progress::new(ui, "list");
    let (report, warnings) =
        app.with_fleet(&workspace, &loaded, Interrupt::Ends, &|event| progress.event(&event), |context| {
            list::list(context, &targets, args.stats)
        })?;
    ui.list(&report, false);
    warnings.iter().for_each(|w| ui.warn(w));
    Ok(report.exit())
}
