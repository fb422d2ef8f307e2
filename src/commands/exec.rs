//! `mcp exec`.
//!
//! Boundary: its arguments. Next: `plan` carries them out.

mod plan;

use std::path::{Path, PathBuf};

use clap::Args;

use self::plan::Plan;
use super::{
    App,
    on_hosts::{Chosen, RetryHostsArgs, choose},
    rolling::RollingArgs,
    selection::joined,
};
use crate::{
    config::journal::ExecAgain,
    error::{CommandError, Exit},
    fleet::Rolling,
    operations::host_run::HostVerb,
    render::Ui,
    transport::FileInput,
};

/// Run a command on many hosts
///
/// One word after `--` is shell text, several are passed as exactly those arguments. It runs under `sh` with the host's env;
/// docker is not involved. A command that has not ended at its deadline (--timeout, 300 s) is killed.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp exec all -- uptime\n  mcp exec '@prod' -- 'df -h / | tail -1'\n  mcp exec 'web-*' -b -- cat /etc/os-release\n  mcp exec edge-1 -- systemctl restart nginx\n  mcp exec all --stdin list.txt -- sort\n  mcp exec '@db' --script ./tune.sh -- --fast\n  mcp exec all --json -- uname -r\n  mcp exec all --serial 1,10% --max-fail 2 -- systemctl restart nginx\n  mcp exec --retry-failed -- systemctl restart nginx"
)]
pub struct ExecArgs {
    /// Hosts: 'web-*,@prod,!web-03', or all
    #[arg(value_name = "PATTERN", required_unless_present_any = ["on", "retry_failed"])]
    pattern: Option<String>,
    /// The same (repeatable)
    #[arg(long, value_name = "PATTERN", conflicts_with = "pattern")]
    on: Vec<String>,
    #[command(flatten)]
    retry: RetryHostsArgs,
    /// The command, or the arguments of --script
    #[arg(last = true, value_name = "COMMAND", required_unless_present = "script")]
    command: Vec<String>,
    /// Run this local script there, with the interpreter of its first line, else sh
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Give each command this file to read; - is mcp's own standard input [default: nothing to read]
    #[arg(long, value_name = "FILE")]
    stdin: Option<PathBuf>,
    /// Wait for all, then print each answer once, with the hosts that gave it
    #[arg(short = 'b', long)]
    gather: bool,
    /// No host in front of each line
    #[arg(long, conflicts_with = "gather")]
    no_prefix: bool,
    /// Let control characters through to the terminal
    #[arg(long, conflicts_with = "gather")]
    raw: bool,
    /// With one host, end with the command's own exit code
    #[arg(long)]
    propagate: bool,
    #[command(flatten)]
    rolling: RollingArgs,
}

pub(super) fn run(app: &App, ui: &mut Ui, args: ExecArgs) -> Result<Exit, CommandError> {
    let rolling = args.rolling.over(Rolling::default())?;
    let pattern = args.pattern.or_else(|| joined(&args.on));
    let Some(chosen) = choose(app, ui, HostVerb::Exec, pattern.as_deref(), &args.retry)? else { return Ok(Exit::Ok) };
    let by_name = matches!(chosen.hosts()[..], [host] if pattern.as_deref() == Some(host.name.as_str()));
    let plan = Plan {
        command: args.command,
        script: args.script,
        stdin: args.stdin,
        gather: args.gather,
        no_prefix: args.no_prefix,
        raw: args.raw,
        propagate: args.propagate,
    };
    plan::carry_out(app, ui, &chosen, &plan, by_name, rolling)
}

/// Does again what an earlier run was told, on the hosts it left.
pub(super) fn resume(
    app: &App,
    ui: &mut Ui,
    chosen: &Chosen,
    again: ExecAgain,
    rolling: Rolling,
) -> Result<Exit, CommandError> {
    plan::carry_out(app, ui, chosen, &Plan::again(again), false, rolling)
}

/// What a path on the command line gives to read; `-` is standard input.
pub(super) fn open_input(path: &Path) -> Result<FileInput, CommandError> {
    let is_stdin = path.as_os_str() == "-";
    let input = if is_stdin { FileInput::spool(std::io::stdin().lock()) } else { FileInput::open(path) };
    let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
    input.map_err(|e| CommandError::usage(format!("cannot read {name}")).because(&e))
}
