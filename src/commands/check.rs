//! `mcp check`.

use clap::Args;

use super::App;
use crate::{
    error::{CommandError, Exit},
    operations::check,
    render::Ui,
};

/// Validate the workspace's files and report every error at once
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mcp check\n  mcp check -C ./fleet -o json")]
pub struct CheckArgs {}

pub(super) fn run(app: &App, ui: &mut Ui, _: CheckArgs) -> Result<Exit, CommandError> {
    let workspace = app.workspace()?;
    let findings = check::check(&workspace);
    ui.findings(&findings);
    Ok(if findings.iter().all(|f| f.ok) { Exit::Ok } else { Exit::Usage })
}
