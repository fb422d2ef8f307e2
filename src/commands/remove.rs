//! `mcp remove`.

use clap::Args;

use super::{App, Interrupt, add::server_name};
use crate::{
    config::{
        journal::{RunId, RunOptions},
        store::{Loaded, Workspace, origin::Origin},
    },
    domain::{Instance, ServerName},
    error::{CommandError, Exit},
    operations::{
        Trouble,
        forget::{self, Force, Forgotten},
        observe::exit_of,
        preview,
        recorder::Recorder,
        register,
        select::{self, Selection, Target},
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
    /// Also remove containers that mcp did not make and that differ from what is registered
    #[arg(long, conflicts_with = "keep")]
    foreign: bool,
}

impl RemoveArgs {
    /// The arguments of a removal that is done again.
    pub(super) fn again(name: String, options: &RunOptions) -> Self {
        Self { name, stop: options.stop, keep: options.keep, foreign: options.foreign }
    }
}

pub(super) fn run(app: &App, ui: &mut Ui, args: RemoveArgs) -> Result<Exit, CommandError> {
    let asks = ui.interactive && !app.global.yes;
    carry_out(app, ui, args, None, asks)
}

/// Removes, as the run that goes on with `parent` if there is one; asks first if it `asks`.
pub(super) fn carry_out(
    app: &App,
    ui: &mut Ui,
    args: RemoveArgs,
    parent: Option<RunId>,
    asks: bool,
) -> Result<Exit, CommandError> {
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
    let force = Force { stop: args.stop, foreign: args.foreign };
    let places: Vec<String> = targets.iter().map(|t| t.instance().to_string()).collect();
    let what = match (args.stop, args.keep) {
        (true, _) => format!("stop and remove {} and forget {name}", places.join(", ")),
        (_, true) => format!("forget {name} and leave {} as they are", places.join(", ")),
        _ => format!("forget {name} and remove its stopped containers"),
    };
    if app.global.dry_run && !app.global.offline && !args.keep {
        let plan = preview::removal(&targets, force, &containers(app, ui, &workspace, &loaded, &targets, force, None)?);
        ui.plan(&plan);
        return Ok(plan.exit());
    }
    if app.global.dry_run {
        ui.note(&format!("would {what}"));
        return Ok(Exit::Ok);
    }
    if asks && !ui.confirm(&format!("{what}?")) {
        return Err(CommandError::failed("nothing was done").hint("use --yes to go on without a question"));
    }
    let mut results = vec![];
    if !args.keep {
        results = containers(app, ui, &workspace, &loaded, &targets, force, None)?;
        cannot_go(&name, &results)?;
    }
    let recorder = forget::book(&workspace, &targets, (force, args.keep), parent, Origin::of_process());
    let removed = match troubles(&results).is_empty() && results.iter().any(is_removed) {
        true => containers(app, ui, &workspace, &loaded, &targets, force, Some(&recorder)),
        false => Ok(results),
    };
    let done =
        removed.and_then(|results| forget_it(ui, &workspace, &name, args.keep, &results).map(|exit| (exit, results)));
    let (exit, results) = match &done {
        Ok((exit, results)) => (*exit, results.as_slice()),
        Err(error) => (error.exit, &[][..]),
    };
    if let Some(warning) = recorder.end(forget::end(exit, results)) {
        ui.warn(&warning);
    }
    done.map(|(exit, _)| exit)
}

fn containers(
    app: &App,
    ui: &Ui,
    workspace: &Workspace,
    loaded: &Loaded,
    targets: &[Target<'_>],
    force: Force,
    act: Option<&Recorder<'_>>,
) -> Result<Vec<(Instance, Forgotten)>, CommandError> {
    let progress = Progress::new(ui, "remove");
    app.with_fleet(workspace, loaded, Interrupt::Drains, &|event| progress.event(&event), |context| {
        forget::containers(context, targets, force, act)
    })
}

fn is_removed((_, forgotten): &(Instance, Forgotten)) -> bool {
    matches!(forgotten, Forgotten::Removed)
}

/// What cannot be removed as it was asked for.
fn cannot_go(name: &ServerName, results: &[(Instance, Forgotten)]) -> Result<(), CommandError> {
    let those = |which: fn(&Forgotten) -> bool| -> Vec<String> {
        results.iter().filter(|(_, forgotten)| which(forgotten)).map(|(instance, _)| instance.to_string()).collect()
    };
    let running = those(|f| matches!(f, Forgotten::Runs));
    if !running.is_empty() {
        return Err(CommandError::failed(format!("{name} was not removed: it runs as {}", running.join(", ")))
            .hint(format!("`mcp remove {name} --stop` stops and removes it, --keep leaves it running")));
    }
    let foreign = those(|f| matches!(f, Forgotten::Foreign));
    if !foreign.is_empty() {
        return Err(CommandError::failed(format!(
            "{name} was not removed: the container of {} was made by somebody else and differs from what is registered",
            foreign.join(", ")
        ))
        .hint(format!(
            "`mcp remove {name} --keep` unregisters the server and leaves that container as it is, --foreign removes it"
        )));
    }
    Ok(())
}

fn troubles(results: &[(Instance, Forgotten)]) -> Vec<(Instance, Trouble)> {
    let trouble = |(instance, forgotten): &(Instance, Forgotten)| match forgotten {
        Forgotten::Trouble(trouble) => Some((instance.clone(), trouble.clone())),
        _ => None,
    };
    results.iter().filter_map(trouble).collect()
}

/// Takes the server out of the registry, if all its containers are gone.
fn forget_it(
    ui: &mut Ui,
    workspace: &Workspace,
    name: &ServerName,
    keep: bool,
    results: &[(Instance, Forgotten)],
) -> Result<Exit, CommandError> {
    let troubles = troubles(results);
    if !troubles.is_empty() {
        ui.remove_troubles(&troubles);
        ui.note(&format!("{name} stays registered; --keep forgets it without asking its hosts"));
        return Ok(troubles.iter().fold(Exit::Ok, |exit, (_, trouble)| exit.or(exit_of(trouble))));
    }
    // Between the look and the act a container may have come to life.
    cannot_go(name, results)?;
    for (instance, _) in results.iter().filter(|result| is_removed(result)) {
        ui.note(&format!("removed the container of {instance}"));
    }
    register::remove(workspace, name, keep)?;
    ui.note(&format!("{name} is forgotten"));
    Ok(Exit::Ok)
}
