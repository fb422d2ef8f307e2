//! `mcp options`, also `mcp help options`.

use crate::{error::Exit, render::Ui};

/// Prints its own help, which has the options of every command.
pub(super) fn run(ui: &mut Ui) -> Exit {
    let mut root = crate::cli::command();
    root.build();
    if let Some(page) = root.find_subcommand_mut("options") {
        ui.answer(&page.render_long_help().to_string());
    }
    Exit::Ok
}
