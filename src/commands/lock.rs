//! `mcp lock`.

use clap::{Args, Subcommand};

use super::{
    App, Interrupt,
    app::store_error,
    selection::{SelectionArgs, joined},
};
use crate::{
    domain::{Host, plural},
    error::{CommandError, Exit},
    operations::{
        locks::{self, LockReport},
        select,
    },
    render::{Progress, Ui},
};

/// Show or release what runs hold: leases on containers, and the lock of this workspace
///
/// start, stop, restart, remove and resume take a lease on each container they act on, on its host, so that two operators do not act on
/// one at the same time. A lease ends with its run, with the process that took it, or when its time is over.
#[derive(Debug, Args)]
pub struct LockArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    #[command(visible_alias = "ls")]
    List(ListArgs),
    Release(ReleaseArgs),
}

/// Show who holds which containers, and who writes to this workspace
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mcp lock list\n  mcp lock list 'web-*,@prod' --json")]
struct ListArgs {
    /// Only these hosts: 'web-*,@prod,!web-03' [default: all]
    #[arg(value_name = "PATTERN")]
    patterns: Vec<String>,
    /// The same (repeatable)
    #[arg(long, value_name = "PATTERN", conflicts_with = "patterns")]
    on: Vec<String>,
}

/// Take leases away from whoever holds them
///
/// The run that held one begins nothing more on that container; what it has begun goes on. Asks first on a terminal.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mcp lock release finance@edge-1\n  mcp lock release --all --on edge-2 --yes")]
struct ReleaseArgs {
    #[command(flatten)]
    selection: SelectionArgs,
}

pub(super) fn run(app: &App, ui: &mut Ui, args: LockArgs) -> Result<Exit, CommandError> {
    match args.verb {
        Verb::List(args) => list(app, ui, &args),
        Verb::Release(args) => release(app, ui, args),
    }
}

fn list(app: &App, ui: &mut Ui, args: &ListArgs) -> Result<Exit, CommandError> {
    let pattern = joined(&args.patterns).or_else(|| joined(&args.on));
    let (workspace, loaded) = app.open_on(ui, pattern.as_deref())?;
    let names = select::hosts(pattern.as_deref(), &loaded.inventory)?;
    let hosts: Vec<&Host> = loaded.inventory.hosts().iter().filter(|h| names.contains(&h.name)).collect();
    if app.global.dry_run {
        ui.note(&format!("would ask {}", plural(hosts.len(), "host")));
        return Ok(Exit::Ok);
    }
    let progress = Progress::new(ui, "lock");
    let leases = app.with_fleet(&workspace, &loaded, Interrupt::Ends, &|event| progress.event(&event), |context| {
        locks::list(context, &hosts)
    })?;
    let report = LockReport { workspace: workspace.held_by().map_err(|e| store_error(&e))?, ..leases };
    ui.locks(&report);
    Ok(report.exit())
}

fn release(app: &App, ui: &mut Ui, args: ReleaseArgs) -> Result<Exit, CommandError> {
    let (workspace, loaded) = app.open(ui)?;
    let targets = select::select(&args.selection.into(), &loaded.inventory, &loaded.registry, false)?;
    let what = format!("take away the leases on {}", plural(targets.len(), "instance"));
    if app.global.dry_run {
        ui.note(&format!("would {what}"));
        return Ok(Exit::Ok);
    }
    if ui.interactive && !app.global.yes && !ui.confirm(&format!("{what}, whoever holds them?")) {
        return Err(CommandError::failed("nothing was done").hint("use --yes to go on without a question"));
    }
    let progress = Progress::new(ui, "lock");
    let report = app.with_fleet(&workspace, &loaded, Interrupt::Ends, &|event| progress.event(&event), |context| {
        locks::release(context, &targets)
    })?;
    ui.released(&report);
    Ok(report.exit())
}
