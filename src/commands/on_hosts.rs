//! What `exec` and `copy` share: which hosts, what an earlier run left of them, and the run in the journal.
//!
//! Boundary: wiring. Next: `operations::host_run`.

use std::{collections::BTreeSet, path::Path};

use clap::Args;

use super::{App, Interrupt, copy, exec};
use crate::{
    config::{
        journal::{Again, KnownFile, Run, RunId, Runs},
        store::{Loaded, Workspace, origin::Origin},
    },
    domain::{Host, HostName, fold::fold},
    error::{CommandError, Exit},
    fleet::Rolling,
    operations::{
        host_run::{HostOrder, HostRun, HostVerb, Went, batches},
        resume::{self, left_hosts},
        select,
    },
    render::{Ui, when},
};

/// Only what an earlier run left.
#[derive(Debug, Args)]
pub(super) struct RetryHostsArgs {
    /// Only hosts where it failed, that were unreachable or unknown, or were not attempted in the last run of this verb; PATTERN
    /// limits them and can be left out
    #[arg(long)]
    pub(super) retry_failed: bool,
}

/// Hosts that were chosen, and what they were chosen from.
pub(super) struct Chosen {
    pub(super) workspace: Workspace,
    pub(super) loaded: Loaded,
    names: BTreeSet<HostName>,
    /// The run whose rest they are.
    parent: Option<RunId>,
}

impl Chosen {
    /// The hosts in inventory order.
    pub(super) fn hosts(&self) -> Vec<&Host> {
        self.loaded.inventory.hosts().iter().filter(|host| self.names.contains(&host.name)).collect()
    }

    /// Writes into the journal that a run over `hosts` begins.
    pub(super) fn begin(
        &self,
        app: &App,
        hosts: &[&Host],
        verb: HostVerb,
        rolling: Rolling,
        again: Again,
    ) -> HostRun<'_> {
        let names = hosts.iter().map(|host| &host.name);
        let order = HostOrder {
            verb,
            rolling,
            forks: app.global.forks,
            timeout: app.global.timeout,
            parent: self.parent.clone(),
            addresses: names.filter(|name| self.loaded.inventory.is_one_shot(name)).cloned().collect(),
            again,
            origin: Origin::of_process(),
        };
        HostRun::begin(&self.workspace, hosts, order)
    }
}

/// The hosts that `pattern` selects, with `retry` those of them that the last run of `verb` left; `None`, having said so, when
/// nothing is left.
///
/// # Errors
/// A pattern that selects nothing, a workspace or a journal that cannot be read, no such run.
pub(super) fn choose(
    app: &App,
    ui: &mut Ui,
    verb: HostVerb,
    pattern: Option<&str>,
    retry: &RetryHostsArgs,
) -> Result<Option<Chosen>, CommandError> {
    let (workspace, mut loaded) = app.open_on(ui, pattern)?;
    if !retry.retry_failed {
        let names = select::hosts(pattern, &loaded.inventory)?;
        return Ok(Some(Chosen { workspace, loaded, names, parent: None }));
    }
    let runs = resume::read(&workspace)?;
    let run = resume::last_of(&runs, verb.as_str())?;
    resume::same_sources(run, &workspace)?;
    app.add_addresses(&workspace, &mut loaded, &runs.root(run).begin.addresses)?;
    let left = left_hosts(&runs, run, &loaded.inventory)?;
    left.warnings.iter().for_each(|w| ui.warn(w));
    let mut names = select::hosts(pattern, &loaded.inventory)?;
    names.retain(|name| left.hosts.iter().any(|host| host.name == *name));
    if names.is_empty() {
        let chosen = if pattern.is_none() { "" } else { " of what is selected" };
        ui.note(&format!("nothing{chosen} is left of the last {} ({})", verb.as_str(), run.id));
        return Ok(None);
    }
    let parent = Some(run.id.clone());
    Ok(Some(Chosen { workspace, loaded, names, parent }))
}

/// Goes on with a run of `exec` or `copy`.
pub(super) fn resume(
    app: &App,
    ui: &mut Ui,
    (workspace, mut loaded): (Workspace, Loaded),
    (runs, run): (&Runs, &Run),
    rolling: Rolling,
) -> Result<Exit, CommandError> {
    app.add_addresses(&workspace, &mut loaded, &runs.root(run).begin.addresses)?;
    let left = left_hosts(runs, run, &loaded.inventory)?;
    let title = format!("{} of {} ({})", run.begin.verb, when(run.started), run.id);
    if left.hosts.is_empty() {
        left.warnings.iter().for_each(|w| ui.warn(w));
        ui.note(&format!("{title}: nothing is left"));
        return Ok(Exit::Ok);
    }
    let names: BTreeSet<HostName> = left.hosts.iter().map(|host| host.name.clone()).collect();
    if let Some(why) = resume::why_not(run) {
        let is_last = resume::last_of(runs, &run.begin.verb).is_ok_and(|last| last.id == run.id);
        let error = CommandError::usage(format!("{title} cannot be resumed: {why}"));
        return Err(if is_last {
            error.hint("run the command again with --retry-failed: it takes only the hosts that are left")
        } else {
            let left = fold(names.iter().map(HostName::as_str));
            error.hint(format!("run the command again on the hosts that are left: {left}"))
        });
    }
    left.warnings.iter().for_each(|w| ui.warn(w));
    ui.note(&format!("resume {title}: {} of {} left", names.len(), left.planned));
    let chosen = Chosen { workspace, loaded, names, parent: Some(run.id.clone()) };
    match &run.begin.again {
        Some(Again::Exec(again)) => exec::resume(app, ui, &chosen, again.clone(), rolling),
        Some(Again::Copy(again)) => copy::resume(app, ui, &chosen, again.clone(), rolling),
        // `why_not` has said it.
        Some(Again::Lacks(_)) | None => Err(CommandError::failed(format!("{title} cannot be resumed"))),
    }
}

/// Shows the batches of a dry run, where there are several.
pub(super) fn show_batches(ui: &mut Ui, hosts: &[&Host], rolling: &Rolling) {
    let batches = batches(hosts, rolling);
    if batches.len() > 1 {
        ui.batches(&batches);
    }
}

/// The file at `path` for the journal, or in words what is lacking there.
pub(super) fn known(path: &Path, what: &str) -> Result<KnownFile, Again> {
    if path.as_os_str() == "-" {
        return Err(Again::Lacks("its standard input".to_owned()));
    }
    let lacking = || Again::Lacks(format!("{what}, which can be read once only"));
    KnownFile::at(path).ok().flatten().ok_or_else(lacking)
}

/// What a run did before an error ended it: nothing.
pub(super) fn ended<T>(result: Result<T, CommandError>, run: HostRun<'_>) -> Result<(T, HostRun<'_>), CommandError> {
    match result {
        Ok(value) => Ok((value, run)),
        Err(error) => {
            let _ = run.end(error.exit, Went::default(), false);
            Err(error)
        }
    }
}

/// What the first Ctrl-C does to either: no further host is taken up.
pub(super) const INTERRUPT: Interrupt = Interrupt::Drains;
