//! `mcp resume`.

use std::time::Duration;

use clap::Args;

use super::{
    App,
    change::{Plan, carry_out},
    on_hosts, pull, remove,
    rolling::RollingArgs,
};
use crate::{
    config::{
        journal::{Run, RunOptions, Runs, Targets},
        store::Loaded,
    },
    error::{CommandError, Exit},
    fleet::Rolling,
    operations::{Verb, change::Options, forget, pull as pulling, resume},
    render::{Ui, when},
};

/// Go on with what an earlier run left
///
/// The last start, stop, restart, pull, remove, exec or copy, or the one that is named, with the same options, for the instances or hosts
/// only that failed, were unreachable or unknown, or were not attempted. Asks nothing; runs that were resumed before count with those
/// that did it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp resume\n  mcp resume k3qx --serial 10%\n  mcp resume 260514-101502-k3qx --max-fail 3"
)]
pub struct ResumeArgs {
    /// The run: its id, or the beginning or the end of it [default: the last one]
    #[arg(value_name = "RUN")]
    run: Option<String>,
    #[command(flatten)]
    rolling: RollingArgs,
}

pub(super) fn run(app: &mut App, ui: &mut Ui, args: ResumeArgs) -> Result<Exit, CommandError> {
    let (workspace, loaded) = app.open(ui)?;
    let runs = resume::read(&workspace)?;
    let run = resume::pick(&runs, args.run.as_deref())?;
    let (workspace, loaded) = match resume::sources_of(run, &workspace)? {
        None => (workspace, loaded),
        Some(sources) => {
            ui.note(&format!("its hosts come from {}", sources.join(", ")));
            app.global.inventory = sources;
            app.open(ui)?
        }
    };
    let options = &run.begin.options;
    app.global.forks = app.global.forks.or(options.forks);
    app.global.timeout = app.global.timeout.or(options.timeout_ms.map(Duration::from_millis));
    if resume::host_verb(run).is_some() {
        let rolling = args.rolling.over(rolling_of(options)?)?;
        return on_hosts::resume(app, ui, (workspace, loaded), (&runs, run), rolling);
    }
    if run.begin.verb == pulling::VERB {
        let left = resume::left(&runs, run, &loaded.inventory, &loaded.registry);
        left.warnings.iter().for_each(|w| ui.warn(w));
        if left.targets.is_empty() {
            ui.note(&format!("{}: nothing is left", title(run)));
            return Ok(Exit::Ok);
        }
        ui.note(&format!("resume {}: {} of {} left", title(run), left.targets.len(), left.planned));
        return pull::carry_out(app, ui, &workspace, &loaded, &left.targets, Some(run.id.clone()));
    }
    let Some(verb) = resume::verb(run) else { return removal(app, ui, &runs, run, &loaded) };
    let rolling = args.rolling.of_change(rolling_of(options)?);
    let left = resume::left(&runs, run, &loaded.inventory, &loaded.registry);
    left.warnings.iter().for_each(|w| ui.warn(w));
    let title = title(run);
    if left.targets.is_empty() {
        ui.nothing_left(verb, &format!("{title}: nothing is left"));
        return Ok(Exit::Ok);
    }
    ui.note(&format!("resume {title}: {} of {} left", left.targets.len(), left.planned));
    let options = options_of(options, verb, &rolling);
    let plan = Plan { verb, options, rolling, parent: Some(run.id.clone()) };
    carry_out(app, ui, &workspace, &loaded, &left.targets, plan)
}

fn title(run: &Run) -> String {
    format!("{} of {} ({})", run.begin.verb, when(run.started), run.id)
}

fn options_of(options: &RunOptions, verb: Verb, rolling: &Rolling) -> Options {
    let health = options.health_ms.map(Duration::from_millis);
    // Batches given to a run that had none wait for health as batches do.
    let batches = (rolling.serial.is_some() && verb != Verb::Stop).then_some(super::start::DEFAULT_HEALTH);
    Options {
        settle: Duration::from_millis(options.settle_ms),
        replace: options.replace,
        recreate: options.recreate,
        foreign: options.foreign,
        health: health.or(batches),
    }
}

fn rolling_of(options: &RunOptions) -> Result<Rolling, CommandError> {
    let wrong = |why: String| CommandError::failed(format!("the journal's options cannot be read: {why}"));
    Ok(Rolling {
        serial: options.serial.as_deref().map(str::parse).transpose().map_err(wrong)?,
        max_fail: options.max_fail.as_deref().map(str::parse).transpose().map_err(wrong)?,
        fail_fast: options.fail_fast,
        wait: Duration::from_millis(options.wait_ms),
        at_once: options.at_once,
    })
}

/// A removal is done again as a whole for each server that is still registered.
fn removal(app: &App, ui: &mut Ui, runs: &Runs, run: &Run, loaded: &Loaded) -> Result<Exit, CommandError> {
    let targets = &runs.root(run).begin.targets;
    let Some(instances) = (match targets {
        Targets::Instances(instances) if run.begin.verb == forget::VERB => Some(instances),
        _ => None,
    }) else {
        return Err(CommandError::failed(format!("a run of {:?} cannot be resumed", run.begin.verb))
            .hint("name one that can be: see `mcp history`"));
    };
    let title = title(run);
    let is_done = run.end.as_ref().is_some_and(|(_, end)| end.exit == 0);
    let mut left: Vec<String> = vec![];
    for instance in instances.iter().filter(|instance| loaded.registry.get(&instance.server).is_some()) {
        let name = instance.server.to_string();
        if !left.contains(&name) {
            left.push(name);
        }
    }
    if is_done || left.is_empty() {
        ui.note(&format!("{title}: nothing is left"));
        return Ok(Exit::Ok);
    }
    ui.note(&format!("resume {title}: {} still registered", left.join(", ")));
    let options = &run.begin.options;
    let args = remove::RemoveArgs::again(left, options);
    remove::carry_out(app, ui, &args, Some(run.id.clone()), false)
}
