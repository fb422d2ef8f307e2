//! `mcp list`.

use std::time::Duration;

use clap::{Args, builder::PossibleValuesParser};

use super::{App, Interrupt, selection::SelectionArgs};
use crate::{
    cli::parse_duration,
    domain::Host,
    error::{CommandError, Exit},
    operations::{
        dry_run,
        list::{self, FailOn, SortKey, WatchOptions},
        orphans,
        select::{self, Selection, StatusFilter},
    },
    render::{Progress, Ui, WatchPrinter},
};

/// Show the status of registered servers
///
/// Asks every host, in one exec each. Containers that are not registered are left out.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp list\n  mcp list 'fin*' --on @prod\n  mcp list --stats --sort -cpu\n  mcp list -o wide\n  mcp list -o json | jq -r '.[] | select(.status != \"running\") | .name'\n  mcp list --quiet --fail-on error,unknown\n  mcp list --watch 5\n  mcp list --cached\n  mcp list --status error,restarting\n  mcp list --outdated -o name\n  mcp list --orphans"
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
    #[arg(long, conflicts_with_all = ["stats", "cached", "outdated", "statuses", "names", "all", "tags", "sort", "reverse", "fail_on", "watch"])]
    orphans: bool,
    /// Sort by these columns, -COLUMN in descending order; cpu, mem and gpu imply --stats [default: name, then host]
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', allow_hyphen_values = true)]
    sort: Vec<SortKey>,
    /// Turn the order around
    #[arg(long)]
    reverse: bool,
    /// Exit with 1 when an instance is in one of these states: error, unknown, outdated (comma-separated); with --quiet only those are printed
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    fail_on: Vec<FailOn>,
    /// Show it again each SECONDS (2) until Ctrl-C, over one session per host; with -o json a line for each
    #[arg(short, long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2")]
    #[arg(value_parser = interval, conflicts_with_all = ["cached", "fail_on"])]
    watch: Option<Duration>,
}

/// Shortest time between two snapshots.
const SHORTEST: Duration = Duration::from_millis(100);

fn interval(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(every) if every < SHORTEST => Err("an interval is at least 100ms".to_owned()),
        Err(why) if !text.starts_with(|c: char| c.is_ascii_digit()) => {
            Err(format!("{why}; names of servers stand before --watch"))
        }
        other => other,
    }
}

pub(super) fn run(app: &App, ui: &mut Ui, args: ListArgs) -> Result<Exit, CommandError> {
    if args.orphans {
        return orphans(app, ui, args.selection.into());
    }
    let (workspace, loaded) = app.open(ui)?;
    let filter = StatusFilter { outdated: args.outdated, words: args.statuses };
    let targets = select::select(&args.selection.into(), &loaded.inventory, &loaded.registry, true)?;
    let with_usage = args.stats || (!args.cached && args.sort.iter().any(|key| key.needs_usage()));
    if app.global.dry_run && !args.cached {
        ui.dry_run(&dry_run::list(&targets, with_usage)?);
        return Ok(Exit::Ok);
    }
    if let Some(every) = args.watch {
        let progress = ui.verbose.then(|| Progress::new(ui, "list"));
        let mut printer = WatchPrinter::new(every);
        let listener = |event: crate::fleet::Event<'_>| progress.iter().for_each(|progress| progress.event(&event));
        let watched = app.with_fleet(&workspace, &loaded, Interrupt::Ends, &listener, |context| {
            list::watch(context, &targets, WatchOptions { every, with_usage }, |mut report| {
                report.retain(&filter);
                report.sort(&args.sort, args.reverse);
                printer.snapshot(ui, &report)
            })
        })?;
        watched.warnings.iter().for_each(|w| ui.warn(w));
        return Ok(if watched.interrupted { Exit::Interrupted } else { Exit::Ok });
    }
    let (mut report, warnings) = if args.cached {
        (list::cached(&loaded.state, &targets)?, vec![])
    } else {
        let progress = Progress::new(ui, "list");
        app.with_fleet(&workspace, &loaded, Interrupt::Ends, &|event| progress.event(&event), |context| {
            list::list(context, &targets, with_usage)
        })?
    };
    report.retain(&filter);
    report.sort(&args.sort, args.reverse);
    let failed = if report.fails(&args.fail_on) { Exit::Failed } else { Exit::Ok };
    if ui.quiet && !args.fail_on.is_empty() {
        // For cron, which sends whatever is printed.
        report.keep_failing(&args.fail_on);
    }
    ui.list(&report, args.cached);
    warnings.iter().for_each(|w| ui.warn(w));
    Ok(report.exit().or(failed))
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
