//! One file per verb: its arguments (doc comment = help text) and `run`. Thin: they wire operations to render.
//!
//! Boundary: no ssh2, no docker strings. Next: `operations`.

mod add;
mod app;
mod background;
mod change;
mod check;
pub mod complete;
mod completions;
mod copy;
mod doctor;
mod edit;
mod exec;
mod get;
mod history;
mod hosts;
mod init;
mod interrupts;
mod list;
mod lock;
mod log;
mod man;
mod on_hosts;
mod options;
mod pull;
mod remove;
pub mod restart;
mod resume;
mod rollback;
mod rolling;
mod selection;
mod sessions;
mod start;
mod stop;

pub use app::App;
pub use background::Background;
pub use interrupts::{Interrupt, Interrupts};

use crate::{
    error::{CommandError, Exit},
    render::Ui,
};

/// The verbs.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Start(start::StartArgs),
    Stop(stop::StopArgs),
    Restart(restart::RestartArgs),
    Pull(pull::PullArgs),
    Rollback(rollback::RollbackArgs),
    Resume(resume::ResumeArgs),
    History(history::HistoryArgs),
    #[command(visible_alias = "ls")]
    List(list::ListArgs),
    Get(get::GetArgs),
    #[command(visible_alias = "logs")]
    Log(log::LogArgs),
    Exec(exec::ExecArgs),
    #[command(visible_alias = "cp")]
    Copy(copy::CopyArgs),
    Add(add::AddArgs),
    #[command(visible_alias = "rm")]
    Remove(remove::RemoveArgs),
    Edit(edit::EditArgs),
    Hosts(hosts::HostsArgs),
    Lock(lock::LockArgs),
    Sessions(sessions::SessionsArgs),
    Check(check::CheckArgs),
    Init(init::InitArgs),
    Doctor(doctor::DoctorArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    /// Show the options that every command takes
    ///
    /// They may stand before or behind the command.
    #[command(after_help = "Examples:\n  mcp help options\n  mcp -C ~/fleet list -o json")]
    Options,
}

impl Command {
    /// Whether it may use sessions of earlier runs and leave its own. Who asks whether a host can be reached wants to see it done.
    #[must_use]
    pub fn keeps_sessions(&self) -> bool {
        match self {
            Self::Start(_)
            | Self::Stop(_)
            | Self::Restart(_)
            | Self::Rollback(_)
            | Self::Resume(_)
            | Self::List(_)
            | Self::Get(_) => true,
            Self::Lock(_) | Self::Log(_) | Self::Exec(_) | Self::Copy(_) | Self::Remove(_) | Self::Pull(_) => true,
            Self::History(_) | Self::Add(_) | Self::Edit(_) | Self::Hosts(_) | Self::Sessions(_) | Self::Check(_) => {
                false
            }
            Self::Init(_) | Self::Doctor(_) | Self::Completions(_) | Self::Man(_) | Self::Options => false,
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// What the command cannot do, with what to do next.
    pub fn run(self, app: &mut App, ui: &mut Ui) -> Result<Exit, CommandError> {
        match self {
            Self::Start(args) => start::run(app, ui, args),
            Self::Stop(args) => stop::run(app, ui, args),
            Self::Restart(args) => restart::run(app, ui, args),
            Self::Pull(args) => pull::run(app, ui, args),
            Self::Rollback(args) => rollback::run(app, ui, args),
            Self::Resume(args) => resume::run(app, ui, args),
            Self::History(args) => history::run(app, ui, args),
            Self::List(args) => list::run(app, ui, args),
            Self::Get(args) => get::run(app, ui, args),
            Self::Log(args) => log::run(app, ui, args),
            Self::Exec(args) => exec::run(app, ui, args),
            Self::Copy(args) => copy::run(app, ui, args),
            Self::Add(args) => add::run(app, ui, args),
            Self::Remove(args) => remove::run(app, ui, args),
            Self::Edit(args) => edit::run(app, ui, args),
            Self::Hosts(args) => hosts::run(app, ui, args),
            Self::Lock(args) => lock::run(app, ui, args),
            Self::Sessions(args) => Ok(sessions::run(app, ui, &args)),
            Self::Check(args) => check::run(app, ui, args),
            Self::Init(args) => init::run(app, ui, args),
            Self::Doctor(args) => doctor::run(app, ui, args),
            Self::Completions(args) => completions::run(ui, args),
            Self::Man(args) => man::run(ui, args),
            Self::Options => Ok(options::run(ui)),
        }
    }
}
