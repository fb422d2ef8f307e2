//! `mcp remove`.

use clap::Args;

use super::{App, Interrupt, add::server_name};
use crate::{
    domain::Instance,
    error::{CommandError, Exit},
    operations::{
        forget::{self, Forgotten},
        observe::exit_of,
        register,
        select::{self, Selection},
    },
    render::{Progress, Ui},
};

/// Forget a server
///
/// Refuses while it runs, unless --stop (stop and remove its containers) or --keep (leave them as they are). Stopped
/// containers of it are removed. Asks first on a terminal.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mcp remove finance --stop\n  mcp remove finance --keep --yes")]
pub struct RemoveArgs {
    /// The server's name
    name: String,
    /// Stop its containers and remove them
    #[arg(long, conflicts_with = "keep")]
    stop: bool,
    /// Leave its containers as they are
    #[arg(long)]
    keep: bool,
}

pub(super) fn run(app: &App, ui: &mut Ui, args: RemoveArgs) -> Result<Exit, CommandError> {
    let (workspace, loaded) = app.open(ui)?;
    if args.name.contains(['@', '*', '?']) {
        let name = args.name.split('@').next().unwrap_or_default();
        return Err(CommandError::usage(format!("remove forgets one whole server, by its name, not {:?}", args.name))
            .hint(format!("to take it off a host: `mcp edit {name} --host …` with the hosts that are to keep it")));
    }
    let name = server_name(&args.name)?;
    // Selecting by name says "did you mean" when there is no such server.
    let selection = Selection { names: vec![name.to_string()], ..Selection::default() };
    let targets = select::select(&selection, &loaded.inventory, &loaded.registry, false)?;
    let places: Vec<String> = targets.iter().map(|t| t.instance().to_string()).collect();
    let what = match (args.stop, args.keep) {
        (true, _) => format!("stop and remove {} and forget {name}", places.join(", ")),
        (_, true) => format!("forget {name} and leave {} as they are", places.join(", ")),
        _ => format!("forget {name} and remove its stopped containers"),
    };
    if app.global.dry_run {
        ui.note(&format!("would {what}"));
        return Ok(Exit::Ok);
    }
    if ui.interactive && !app.global.yes && !ui.confirm(&format!("{what}?")) {
        return Err(CommandError::failed("nothing was done").hint("use --yes to go on without a question"));
    }
    if !args.keep {
        let progress = Progress::new(ui, "remove");
        let containers = |act| {
            app.with_fleet(&workspace, &loaded, Interrupt::Drains, &|event| progress.event(&event), |context| {
                forget::containers(context, &targets, args.stop, act)
            })
        };
        let mut results = containers(false)?;
        let is_clear = |(_, f): &(Instance, Forgotten)| matches!(f, Forgotten::NoContainer | Forgotten::Removed);
        if results.iter().all(is_clear) && results.iter().any(|(_, f)| matches!(f, Forgotten::Removed)) {
            results = containers(true)?;
        }
        let running: Vec<String> =
            results.iter().filter(|(_, f)| matches!(f, Forgotten::Runs)).map(|(i, _)| i.to_string()).collect();
        if !running.is_empty() {
            return Err(CommandError::failed(format!("{name} was not removed: it runs as {}", running.join(", ")))
                .hint(format!("`mcp remove {name} --stop` stops and removes it, --keep leaves it running")));
        }
        let foreign: Vec<String> =
            results.iter().filter(|(_, f)| matches!(f, Forgotten::Foreign)).map(|(i, _)| i.to_string()).collect();
        if !foreign.is_empty() {
            return Err(CommandError::failed(format!(
                "{name} was not removed: the container of {} was made by somebody else and differs from what is registered",
                foreign.join(", ")
            ))
            .hint(format!("`mcp remove {name} --keep` forgets the server and leaves that container as it is")));
        }
        let troubles: Vec<_> = results
            .iter()
            .filter_map(|(instance, forgotten)| match forgotten {
                Forgotten::Trouble(trouble) => Some((format!("cannot remove {instance}"), trouble.clone())),
                _ => None,
            })
            .collect();
        if !troubles.is_empty() {
            ui.remove_troubles(&troubles);
            ui.note(&format!("{name} stays registered; --keep forgets it without asking its hosts"));
            return Ok(troubles.iter().fold(Exit::Ok, |exit, (_, trouble)| exit.or(exit_of(trouble))));
        }
        for (instance, forgotten) in &results {
            if matches!(forgotten, Forgotten::Removed) {
                ui.note(&format!("removed the container of {instance}"));
            }
        }
    }
    register::remove(&workspace, &name)?;
    ui.note(&format!("{name} is forgotten"));
    Ok(Exit::Ok)
}
