//! What `start`, `stop`, `restart` and `resume` share: load, select, run, print.
//!
//! Boundary: wiring. Next: `operations::run`.

use super::{
    App, Interrupt,
    rolling::{RetryArgs, one_batch},
    start::DEFAULT_HEALTH,
};
use crate::{
    config::{
        journal::RunId,
        store::{Loaded, Workspace, origin::Origin},
    },
    error::{CommandError, Exit},
    fleet::Rolling,
    operations::{
        Verb,
        change::Options,
        dry_run, preview, resume, rollout,
        run::{self, Order},
        select::{self, Selection, Target},
    },
    render::{Progress, Ui},
};

/// Loads, selects, carries `verb` out, prints.
pub(super) fn change(
    app: &App,
    ui: &mut Ui,
    selection: impl Into<Selection>,
    retry: &RetryArgs,
    verb: Verb,
    options: Options,
    rolling: Rolling,
) -> Result<Exit, CommandError> {
    let (workspace, loaded) = app.open(ui)?;
    let selection = selection.into();
    let mut parent = None;
    let targets = if retry.retry_failed {
        let runs = resume::read(&workspace)?;
        let run = resume::last_of(&runs, verb.as_str())?;
        resume::same_sources(run, &workspace)?;
        let left = resume::left(&runs, run, &loaded.inventory, &loaded.registry);
        left.warnings.iter().for_each(|w| ui.warn(w));
        let chosen = select::select(&selection, &loaded.inventory, &loaded.registry, true)?;
        let is_chosen = |t: &Target<'_>| chosen.iter().any(|c| c.instance() == t.instance());
        let targets: Vec<Target<'_>> = left.targets.into_iter().filter(is_chosen).collect();
        if targets.is_empty() {
            let chosen = if selection.says_nothing() { "" } else { " of what is selected" };
            ui.nothing_left(verb, &format!("nothing{chosen} is left of the last {} ({})", verb.as_str(), run.id));
            return Ok(Exit::Ok);
        }
        parent = Some(run.id.clone());
        targets
    } else {
        select::select(&selection, &loaded.inventory, &loaded.registry, false)?
    };
    carry_out(app, ui, &workspace, &loaded, &targets, Plan { verb, options, rolling, parent })
}

/// What is to be done, without what the process adds.
pub(super) struct Plan {
    pub(super) verb: Verb,
    pub(super) options: Options,
    pub(super) rolling: Rolling,
    pub(super) parent: Option<RunId>,
}

/// Carries a plan out and prints what came of it; with `--dry-run` only what it would be.
pub(super) fn carry_out(
    app: &App,
    ui: &mut Ui,
    workspace: &Workspace,
    loaded: &Loaded,
    targets: &[Target<'_>],
    plan: Plan,
) -> Result<Exit, CommandError> {
    let Plan { verb, mut options, rolling, parent } = plan;
    // What an earlier run waited between batches is no argument of this one.
    if !rolling.wait.is_zero() && parent.is_none() && !rollout::has_batches(&rolling, verb, targets) {
        return Err(one_batch());
    }
    let outline = rollout::outline(&loaded.inventory, &loaded.registry, targets, (verb, options), rolling)?;
    if outline.by_rollout {
        options.health = options.health.or(Some(DEFAULT_HEALTH));
    }
    outline.warning.iter().for_each(|warning| ui.warn(warning));
    let (rolling, batches) = (outline.rolling, outline.batches);
    if app.global.dry_run && !app.global.offline {
        let progress = Progress::new(ui, verb.as_str());
        let plan = app.with_fleet(workspace, loaded, Interrupt::Ends, &|event| progress.event(&event), |context| {
            preview::change(context, targets, (verb, options), batches)
        })?;
        ui.plan(&plan);
        return Ok(plan.exit());
    }
    if app.global.dry_run {
        ui.dry_run(&dry_run::change(targets, verb, options)?);
        if batches.len() > 1 {
            ui.batches(&batches);
        }
        return Ok(Exit::Ok);
    }
    let (forks, timeout) = (app.global.forks, app.global.timeout);
    let order = Order { verb, options, rolling, forks, timeout, parent, origin: Origin::of_process() };
    let progress = Progress::new(ui, verb.as_str());
    let (report, warnings) =
        app.with_fleet(workspace, loaded, Interrupt::Drains, &|event| progress.event(&event), |context| {
            run::run(context, targets, &order)
        })?;
    ui.change(&report);
    warnings.iter().for_each(|w| ui.warn(w));
    Ok(report.exit())
}
