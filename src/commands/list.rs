//! `mcp list`.

use clap::{Args, builder::PossibleValuesParser};

use super::{App, Interrupt, selection::SelectionArgs};
use crate::{
    domain::Host,
    error::{CommandError, Exit},
    operations::{
        dry_run, list, orphans,
        select::{self, Selection, StatusFilter},
    },
    render::{Progress, Ui},
};

/// Show the status of registered servers
///
/// Asks every host, in one exec each. Containers that are not registered are left out.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp list\n  mcp list 'fin*' --on @prod\n  mcp list --stats\n  mcp list -o json | jq -r '.[] | select(.status != \"running\") | .name'\n  mcp list --cached\n  mcp list --status error,restarting\n  mcp list --outdated -o name\n  mcp list --orphans"
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
    /// Only instances that are not what is registered: another command, image, port, …
    #[arg(long)]
    outdated: bool,
    /// Only instances with this status or state (repeatable): error, stopped, restarting, absent, …
    #[arg(long = "status", value_name = "STATUS", value_delimiter = ',', value_parser = PossibleValuesParser::new(select::STATUS_WORDS), hide_possible_values = true)]
    statuses: Vec<String>,
    /// Containers that mcp made and that are registered no more (renamed, kept at a removal, taken off a host)
    #[arg(long, conflicts_with_all = ["stats", "cached", "outdated", "statuses", "names", "all", "tags"])]
    orphans: bool,
}

pub(super) fn run(app: &App, ui: &mut Ui, args: ListArgs) -> Result<Exit, CommandError> {
    if args.orphans {
        return orphans(app, ui, args.selection.into());
    }
    let (workspace, loaded) = app.open(ui)?;
    let filter = StatusFilter { outdated: args.outdated, words: args.statuses };
    let targets = select::select(&args.selection.into(), &loaded.inventory, &loaded.registry, true)?;
    if args.cached {
        let mut report = list::cached(&loaded.state, &targets);
        report.retain(&filter);
        ui.list(&report, true);
        return Ok(Exit::Ok);
    }
    if app.global.dry_run {
        ui.dry_run(&dry_run::list(&targets, args.stats)?);
        return Ok(Exit::Ok);
    }
    let progress = Progress::new(ui, "list");
    let (mut report, warnings) =
        app.with_fleet(&workspace, &loaded, Interrupt::Ends, &|event| progress.event(&event), |context| {
            list::list(context, &targets, args.stats)
        })?;
    report.retain(&filter);
    ui.list(&report, false);
    warnings.iter().for_each(|w| ui.warn(w));
    Ok(report.exit())
}

/// The containers that are registered no more.
fn orphans(app: &App, ui: &mut Ui, selection: Selection) -> Result<Exit, CommandError> {
    let (workspace, loaded) = app.open(ui)?;
    let on = select::hosts(selection.on.as_deref(), &loaded.inventory)?;
    let hosts: Vec<&Host> = loaded.inventory.hosts().iter().filter(|host| on.contains(&host.name)).collect();
    let progress = Progress::new(ui, "list");
    let (report, warnings) =
        app.with_fleet(&workspace, &loaded, Interrupt::Ends, &|event| progress.event(&event), |context| {
            orphans::orphans(context, &hosts, selection.on.is_none())
        })?;
    ui.orphans(&report);
    warnings.iter().for_each(|w| ui.warn(w));
    Ok(report.exit())
}
