//! `mcp completions`.

use clap::Args;
use clap_complete::Shell;

use crate::{
    error::{CommandError, Exit},
    render::Ui,
};

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp completions bash > ~/.local/share/bash-completion/completions/mcp\n  mcp completions zsh > \"${fpath[1]}/_mcp\"\n  mcp completions fish > ~/.config/fish/completions/mcp.fish"
)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(ui: &mut Ui, args: CompletionsArgs) -> Result<Exit, CommandError> {
    let mut text = vec![];
    clap_complete::generate(args.shell, &mut crate::cli::command(), "mcp", &mut text);
    ui.answer(&String::from_utf8_lossy(&text));
    Ok(Exit::Ok)
}
