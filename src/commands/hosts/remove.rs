//! `mcp hosts remove`.

use clap::Args;

use super::refuse_other_sources;
use crate::{
    commands::App,
    error::{CommandError, Exit},
    operations::unlist,
    render::Ui,
};

#[derive(Debug, Args)]
pub(super) struct HostRemoveArgs {
    /// Hosts, or ranges as they stand in hosts.yaml; 'web-*' for every entry it matches
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

pub(super) fn run(app: &App, ui: &mut Ui, args: HostRemoveArgs) -> Result<Exit, CommandError> {
    let workspace = app.workspace()?;
    refuse_other_sources(&workspace)?;
    let names = args.names.join(", ");
    if app.global.dry_run {
        ui.note(&format!("would remove {names} from hosts.yaml"));
        return Ok(Exit::Ok);
    }
    if ui.interactive && !app.global.yes && !ui.confirm(&format!("remove {names} from hosts.yaml?")) {
        return Err(CommandError::failed("nothing was done").hint("use --yes to go on without a question"));
    }
    for entry in unlist::remove_hosts(&workspace, &args.names, app.global.yes)? {
        ui.note(&format!("removed {entry} from hosts.yaml; containers there were left as they are"));
    }
    Ok(Exit::Ok)
}
