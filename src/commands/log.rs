//! `mcp log`.

use clap::Args;
use regex::Regex;

use super::{App, Interrupt, selection::SelectionArgs};
use crate::{
    error::{CommandError, Exit},
    operations::{
        dry_run,
        observe::exit_of,
        select,
        stream::{self, LogEvent, LogOptions},
    },
    render::{LogPrinter, Ui},
};

/// Read the logs of servers
///
/// Several instances at once come in arrival order, each line with its instance. Ctrl-C ends it and leaves nothing running
/// on the hosts.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp log finance\n  mcp log finance -f\n  mcp log 'web-*' --since 10m --grep 'ERROR|WARN'\n  mcp log --all -n 5"
)]
pub struct LogArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Go on as lines come
    #[arg(short, long)]
    follow: bool,
    /// Only the last N lines of each
    #[arg(short = 'n', long = "tail", visible_alias = "lines", value_name = "N")]
    tail: Option<u64>,
    /// From then on: 10m, 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Up to then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// With docker's time in front of each line
    #[arg(short, long)]
    timestamps: bool,
    /// Only lines that match this regular expression
    #[arg(long, value_name = "REGEX")]
    grep: Option<String>,
    /// Print the bytes of the log as they are, control characters and all
    #[arg(long)]
    raw: bool,
}

pub(super) fn run(app: &App, ui: &mut Ui, args: LogArgs) -> Result<Exit, CommandError> {
    let grep = args
        .grep
        .map(|text| Regex::new(&text).map_err(|e| CommandError::usage(format!("--grep {text:?}")).because(&e)))
        .transpose()?;
    let (workspace, loaded) = app.open(ui)?;
    let targets = select::select(&args.selection.into(), &loaded.inventory, &loaded.registry, false)?;
    let options = LogOptions {
        follow: args.follow,
        tail: args.tail,
        since: args.since,
        until: args.until,
        timestamps: args.timestamps,
        grep,
    };
    if app.global.dry_run {
        ui.dry_run(&dry_run::log(&targets, &options)?);
        return Ok(Exit::Ok);
    }
    let names: Vec<String> = targets.iter().map(|t| t.instance().to_string()).collect();
    let printer = LogPrinter::new(ui, &names, args.raw);
    let cancel = app.cancel(Interrupt::Ends);
    let mut exit = Exit::Ok;
    app.with_fleet(&workspace, &loaded, Interrupt::Ends, &|_| {}, |context| {
        stream::logs(context, &targets, &options, |index, event| match event {
            LogEvent::Line(line) => printer.line(ui, index, &line),
            // Said at once: who follows an incident must not take a host that is gone for a quiet one.
            LogEvent::Ended(Some(trouble)) => {
                ui.log_trouble(&names[index], &trouble);
                exit = exit.or(exit_of(&trouble));
                true
            }
            LogEvent::Ended(None) => {
                if options.follow && !cancel.is_draining() {
                    ui.note(&format!("the log of {} ended: its container does not run any more", names[index]));
                }
                true
            }
        })
    })?;
    Ok(if cancel.is_draining() && !ui.is_closed() { exit.or(Exit::Interrupted) } else { exit })
}
