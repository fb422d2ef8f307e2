//! `mcp get`.

use clap::Args;

use super::{App, Interrupt, selection::joined};
use crate::{
    error::{CommandError, Exit},
    operations::{
        dry_run, get,
        observe::exit_of,
        select::{self, Selection},
    },
    render::{Progress, Ui},
};

/// Show all that is known of a server
///
/// Its configuration, its live status with usage, its last log lines, and drift: where what runs is not what is registered.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mcp get finance\n  mcp get finance@edge-1 -o yaml\n  mcp get finance -n 50")]
pub struct GetArgs {
    /// Servers or instances: finance, finance@edge-1, 'fin*'
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Only on these hosts (repeatable)
    #[arg(long, value_name = "PATTERN")]
    on: Vec<String>,
    /// How many of the last log lines
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    lines: u32,
}

pub(super) fn run(app: &App, ui: &mut Ui, args: GetArgs) -> Result<Exit, CommandError> {
    let (workspace, loaded) = app.open(ui)?;
    let selection = Selection { names: args.names, on: joined(&args.on), ..Selection::default() };
    let targets = select::select(&selection, &loaded.inventory, &loaded.registry, false)?;
    if app.global.dry_run {
        ui.dry_run(&dry_run::list(&targets, true)?);
        return Ok(Exit::Ok);
    }
    let progress = Progress::new(ui, "get");
    let (pages, warnings) =
        app.with_fleet(&workspace, &loaded, Interrupt::Ends, &|event| progress.event(&event), |context| {
            get::get(context, &targets, args.lines)
        })?;
    ui.get(&pages);
    warnings.iter().for_each(|w| ui.warn(w));
    Ok(pages.iter().filter_map(|p| p.error.as_ref()).fold(Exit::Ok, |exit, trouble| exit.or(exit_of(trouble))))
}
