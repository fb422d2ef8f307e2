//! `mcp doctor`.

use clap::Args;

use super::App;
use crate::{
    error::{CommandError, Exit},
    operations::doctor,
    render::Ui,
};

/// Check this machine and the workspace, each finding with its fix
///
/// Looks at keys, the agent, known_hosts, permissions and the workspace's files. Asks no host; that is `mcp hosts check`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mcp doctor\n  mcp doctor -o json")]
pub struct DoctorArgs {}

pub(super) fn run(app: &App, ui: &mut Ui, _: DoctorArgs) -> Result<Exit, CommandError> {
    let workspace = app.workspace()?;
    let findings = doctor::examine(&workspace);
    ui.findings(&findings);
    Ok(if findings.iter().all(|f| f.ok) { Exit::Ok } else { Exit::Failed })
}
