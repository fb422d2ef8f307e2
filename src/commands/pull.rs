//! `mcp pull`.

use clap::Args;

use super::{App, Interrupt, selection::SelectionArgs};
use crate::{
    config::{
        journal::RunId,
        store::{Loaded, Workspace, origin::Origin},
    },
    error::{CommandError, Exit},
    operations::{
        dry_run, preview,
        pull::{self, PullOrder},
        select::{self, Target},
    },
    render::{Progress, Ui},
};

/// Pull the images of servers on their hosts
///
/// Each image is pulled once per host, by `docker pull` or by the server's registered `pull` string. Containers keep running
/// with the image they have; `mcp restart --recreate` makes new ones.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp pull finance\n  mcp pull --all --on @prod --timeout 1h\n  mcp pull --tag nightly -o json | jq -r '.images[] | select(.outcome == \"pulled\") | .host'"
)]
pub struct PullArgs {
    #[command(flatten)]
    selection: SelectionArgs,
}

pub(super) fn run(app: &App, ui: &mut Ui, args: PullArgs) -> Result<Exit, CommandError> {
    let (workspace, loaded) = app.open(ui)?;
    let targets = select::select(&args.selection.into(), &loaded.inventory, &loaded.registry, false)?;
    carry_out(app, ui, &workspace, &loaded, &targets, None)
}

/// Pulls the images of `targets`, as the run that goes on with `parent` if there is one.
pub(super) fn carry_out(
    app: &App,
    ui: &mut Ui,
    workspace: &Workspace,
    loaded: &Loaded,
    targets: &[Target<'_>],
    parent: Option<RunId>,
) -> Result<Exit, CommandError> {
    if app.global.offline {
        ui.dry_run(&dry_run::pull(targets)?);
        return Ok(Exit::Ok);
    }
    if app.global.dry_run {
        let progress = Progress::new(ui, pull::VERB);
        let plan = app.with_fleet(workspace, loaded, Interrupt::Ends, &|event| progress.event(&event), |context| {
            preview::pull(context, targets)
        })?;
        ui.plan(&plan);
        return Ok(plan.exit());
    }
    let (forks, timeout) = (app.global.forks, app.global.timeout);
    let order = PullOrder { forks, timeout, parent, origin: Origin::of_process() };
    let progress = Progress::new(ui, pull::VERB);
    let (report, warnings) =
        app.with_fleet(workspace, loaded, Interrupt::Drains, &|event| progress.event(&event), |context| {
            pull::run(context, targets, order)
        })?;
    ui.pull(&report);
    warnings.iter().for_each(|w| ui.warn(w));
    Ok(report.exit())
}
