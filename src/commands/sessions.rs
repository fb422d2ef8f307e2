//! `mcp sessions`.

use clap::{Args, Subcommand};

use super::App;
use crate::{
    error::Exit,
    operations::sessions::{self, Sessions},
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
#[command(after_help = "Examples:\n  mcp sessions close edge-1 'web-*'\n  mcp sessions close --all")]
#[command(group = clap::ArgGroup::new("which").required(true))]
struct CloseArgs {
    /// Hosts, by the name that `mcp sessions list` shows; `*` and `?` stand for any
    #[arg(value_name = "HOST", group = "which")]
    hosts: Vec<String>,
    /// Close every one
    #[arg(long, group = "which")]
    all: bool,
}

pub(super) fn run(app: &App, ui: &mut Ui, args: &SessionsArgs) -> Exit {
    let Sessions { troubles, missing, .. } = match &args.verb {
        Verb::List => {
            let sessions = sessions::list();
            ui.sessions(&sessions.rows);
            sessions
        }
        Verb::Close(CloseArgs { hosts, .. }) if app.global.dry_run => {
            let sessions = sessions::select(hosts);
            ui.sessions(&sessions.rows);
            sessions
        }
        Verb::Close(CloseArgs { hosts, .. }) => {
            let sessions = sessions::close(hosts);
            ui.closed_sessions(&sessions.rows);
            sessions
        }
    };
    missing.iter().for_each(|host| ui.note(&format!("no session is kept with {host}")));
    troubles.iter().for_each(|trouble| ui.warn(trouble));
    if troubles.is_empty() { Exit::Ok } else { Exit::Failed }
}
