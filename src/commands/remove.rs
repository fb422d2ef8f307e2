//! `mcp remove`.

use std::collections::BTreeSet;

use clap::Args;

use super::{App, Interrupt};
use crate::{
    config::{
        journal::{RunId, RunOptions},
        pattern::NamePattern,
        store::{Loaded, Workspace, origin::Origin},
    },
    domain::{HostName, Instance, Server, ServerName},
    error::{CommandError, Exit},
    operations::{
        forget::{self, Fate, Force, Forgotten},
        preview,
        recorder::Recorder,
        register,
        select::{self, Selection, Target},
    },
    render::{Progress, Ui},
};

/// Unregister servers and delete their stopped containers
///
/// A server that runs is refused, unless --stop (stop and delete its containers) or --keep (leave them as they are). A host
/// that cannot be reached does not hold up the others: the server stays registered there only. Asks first on a terminal.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp remove finance --stop\n  mcp remove finance search 'test-*' --stop\n  mcp remove finance --keep --yes"
)]
pub struct RemoveArgs {
    /// Servers: finance, 'test-*'; a glob leaves out disabled servers
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Stop their containers and delete them
    #[arg(long, conflicts_with = "keep")]
    stop: bool,
    /// Leave their containers as they are
    #[arg(long)]
    keep: bool,
    /// Also delete containers that mcp did not create and that differ from what is registered
    #[arg(long, conflicts_with = "keep")]
    foreign: bool,
}

impl RemoveArgs {
    /// The arguments of a removal that is done again.
    pub(super) fn again(names: Vec<String>, options: &RunOptions) -> Self {
        Self { names, stop: options.stop, keep: options.keep, foreign: options.foreign }
    }
}

pub(super) fn run(app: &App, ui: &mut Ui, args: RemoveArgs) -> Result<Exit, CommandError> {
    let asks = ui.interactive && !app.global.yes;
    carry_out(app, ui, &args, None, asks)
}

/// Removes, as the run that goes on with `parent` if there is one; asks first if it `asks`.
pub(super) fn carry_out(
    app: &App,
    ui: &mut Ui,
    args: &RemoveArgs,
    parent: Option<RunId>,
    asks: bool,
) -> Result<Exit, CommandError> {
    let (workspace, loaded) = app.open(ui)?;
    let targets = targets(args, &loaded)?;
    let force = Force { stop: args.stop, foreign: args.foreign };
    let names: BTreeSet<&ServerName> = targets.iter().map(|target| &target.server.name).collect();
    let list = names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    let places = targets.iter().map(|t| t.instance().to_string()).collect::<Vec<_>>().join(", ");
    let what = match (args.stop, args.keep) {
        (true, _) => format!("stop and delete {places} and unregister {list}"),
        (_, true) => format!("unregister {list} and leave {places} as they are"),
        _ => format!("unregister {list} and delete the stopped containers"),
    };
    if app.global.dry_run && !app.global.offline && !args.keep {
        let mut results = containers(app, ui, &workspace, &loaded, &targets, force, None)?;
        forget::keep_refused(&mut results);
        let plan = preview::removal(&targets, force, &results);
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
    let mut results: Vec<(Instance, Forgotten)> = vec![];
    let mut to_act = vec![];
    if !args.keep {
        results = containers(app, ui, &workspace, &loaded, &targets, force, None)?;
        // What is refused on one host stays as it is on all; a host without an answer holds up no other.
        let refused = forget::keep_refused(&mut results);
        if refused.len() == names.len() {
            return Ok(tell(ui, &forget::fates(&targets, &results)));
        }
        let goes = |target: &&Target<'_>| {
            results.iter().any(|(at, found)| matches!(found, Forgotten::Removed) && *at == target.instance())
        };
        to_act = targets.iter().filter(goes).copied().collect();
    }
    let recorder = forget::book(&workspace, &targets, (force, args.keep), parent, Origin::of_process());
    let done = act(app, ui, (&workspace, &loaded), &to_act, force, &recorder, &mut results)
        .map(|()| forget::fates(&targets, &results))
        .and_then(|fates| unregister(&workspace, &targets, &fates, args.keep).map(|()| tell(ui, &fates)));
    let exit = done.as_ref().map_or_else(|error| error.exit, |exit| *exit);
    if let Some(warning) = recorder.end(forget::end(exit, &results)) {
        ui.warn(&warning);
    }
    done
}

/// The instances of the servers that the arguments name.
fn targets<'l>(args: &RemoveArgs, loaded: &'l Loaded) -> Result<Vec<Target<'l>>, CommandError> {
    for text in &args.names {
        let pattern = NamePattern::parse(text)
            .map_err(|e| CommandError::usage(format!("cannot use the name {text:?}")).because(&e))?;
        if pattern.host().is_some() {
            let server = pattern.server();
            return Err(CommandError::usage(format!("remove unregisters whole servers, not {text:?}"))
                .hint(format!("to take it off a host: `mcp edit {server} --host …` with the hosts that keep it")));
        }
    }
    let selection = Selection { names: args.names.clone(), ..Selection::default() };
    select::select(&selection, &loaded.inventory, &loaded.registry, false)
}

/// Removes the containers of `targets` and puts what came of it into `results`.
fn act(
    app: &App,
    ui: &Ui,
    (workspace, loaded): (&Workspace, &Loaded),
    targets: &[Target<'_>],
    force: Force,
    recorder: &Recorder<'_>,
    results: &mut [(Instance, Forgotten)],
) -> Result<(), CommandError> {
    if targets.is_empty() {
        return Ok(());
    }
    for (instance, done) in containers(app, ui, workspace, loaded, targets, force, Some(recorder))? {
        results.iter_mut().filter(|(other, _)| *other == instance).for_each(|(_, known)| *known = done.clone());
    }
    Ok(())
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

/// Takes what is gone out of servers.yaml, in one write.
fn unregister(workspace: &Workspace, targets: &[Target<'_>], fates: &[Fate], keep: bool) -> Result<(), CommandError> {
    let changed = fates.iter().filter(|fate| fate.gone || !fate.stays.is_empty());
    let server = |name: &ServerName| targets.iter().map(|target| target.server).find(|server| server.name == *name);
    let changes: Vec<(&Server, &[HostName])> =
        changed.filter_map(|fate| Some((server(&fate.server)?, fate.stays.as_slice()))).collect();
    if changes.is_empty() { Ok(()) } else { register::remove(workspace, &changes, keep) }
}

/// Prints what came of each server; the exit code of all.
fn tell(ui: &mut Ui, fates: &[Fate]) -> Exit {
    fates.iter().fold(Exit::Ok, |exit, fate| {
        ui.removed(fate);
        exit.or(fate.exit())
    })
}
