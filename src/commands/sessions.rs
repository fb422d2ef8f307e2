//! `mcp sessions`.

use clap::{Args, Subcommand};

use crate::{
    error::{CommandError, Exit},
    operations::sessions,
    render::Ui,
};

/// Show or close the SSH sessions that are kept for the next run
///
/// A session that a run has opened is kept for a minute after its last use (--persist), by a process on this machine that ends
/// by itself, so that the next run does not have to shake hands again.
#[derive(Debug, Args)]
pub struct SessionsArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show the kept sessions
    #[command(visible_alias = "ls")]
    List,
    Close(CloseArgs),
}

/// Close kept sessions; one that a run uses ends with that run
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mcp sessions close edge-1 edge-2\n  mcp sessions close --all")]
struct CloseArgs {
    /// Hosts, by the name that `mcp sessions list` shows
    #[arg(value_name = "HOST", required_unless_present = "all", conflicts_with = "all")]
    hosts: Vec<String>,
    /// Close every one
    #[arg(long)]
    all: bool,
}

pub(super) fn run(ui: &mut Ui, args: SessionsArgs) -> Result<Exit, CommandError> {
    let troubles = match args.verb {
        Verb::List => {
            let (rows, troubles) = sessions::list();
            ui.sessions(&rows);
            troubles
        }
        Verb::Close(CloseArgs { hosts, all }) => {
            let (rows, troubles) = sessions::close((!all).then_some(&hosts));
            ui.closed_sessions(&rows);
            for host in hosts.iter().filter(|host| rows.iter().all(|row| row.host != **host)) {
                ui.note(&format!("no session is kept with {host}"));
            }
            troubles
        }
    };
    troubles.iter().for_each(|trouble| ui.warn(trouble));
    Ok(Exit::Ok)
}
