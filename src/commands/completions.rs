//! `mcp completions`.

use clap::Args;
use clap_complete::{Shell, env::Shells};

use super::complete;
use crate::{
    error::{CommandError, Exit},
    render::Ui,
};

/// The script of this project for bash, which splits words at `@`, `:` and `=` and would complete only parts of an instance.
const BASH: &str = include_str!("completions/mcp.bash");

/// Print a completion script for a shell
///
/// It completes commands, options and what the workspace has: servers, instances, hosts, groups, tags and runs. It asks mcp, which
/// reads the files of the workspace and no host.
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
    let name = args.shell.to_string();
    match (args.shell, Shells::builtins().completer(&name)) {
        (Shell::Bash, _) => text.extend_from_slice(BASH.as_bytes()),
        (_, Some(shell)) => shell
            .write_registration(complete::VARIABLE, "mcp", "mcp", "mcp", &mut text)
            .map_err(|e| CommandError::failed("cannot write the script").because(&e))?,
        (_, None) => return Err(CommandError::usage(format!("there are no completions for {name}"))),
    }
    ui.answer(&String::from_utf8_lossy(&text));
    Ok(Exit::Ok)
}
