//! `mcp log`.

mod saving;

use clap::Args;
use jiff::{Timestamp, tz::TimeZone};
use regex::bytes::Regex;

use self::saving::SavingArgs;
use super::{App, Interrupt, selection::SelectionArgs};
use crate::{
    config::store::LOCK_TIMEOUT,
    domain::{
        Instance,
        moment::{self, Clock, Edge, Moment},
        plural,
    },
    error::{CommandError, Exit},
    operations::{
        dry_run,
        observe::exit_of,
        on_demand,
        save::Archive,
        select,
        stream::{self, LogEvent, LogOptions},
    },
    render::{Format, LogPrinter, Ui},
};

/// Read the logs of servers
///
/// Several instances at once come in arrival order, each line with its instance. -f goes on when a container is restarted,
/// replaced or only made later. Ctrl-C ends it and leaves nothing running on the hosts. -o json gives one JSON object per
/// line: time, name, host, stream, line.
///
/// TIME is a duration by the host's clock (10m, 1h30m, 2d, "5 minutes ago"), or a date or time in the zone of this machine
/// ("2026-11-28 09:06", today, yesterday, 09:06), or has its own zone (2026-11-28T10:17:46Z), or is a Unix time in seconds.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp log finance\n  mcp log finance -f\n  mcp log 'web-*' --since 10m --grep 'ERROR|WARN'\n  mcp log --all -n 5\n  mcp log finance --since yesterday --until '09:06' -o json\n  \
                        mcp log --all --follow --save /var/log/mcp --keep 14d --max-size 100m"
)]
pub struct LogArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Go on as lines come
    #[arg(short, long, conflicts_with = "until")]
    follow: bool,
    /// With -f: end with the container instead of waiting for its next start
    #[arg(long, requires = "follow")]
    no_reattach: bool,
    /// Only the last N lines of each; `all` for all
    #[arg(short = 'n', long = "tail", visible_alias = "lines", value_name = "N", value_parser = tail, allow_hyphen_values = true)]
    tail: Option<Tail>,
    /// From then on: 10m, yesterday, "2026-11-28 09:06", 2026-11-28T10:17:46Z
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Up to then
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
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
    #[command(flatten)]
    saving: SavingArgs,
}

/// How many lines; `None` for all.
#[derive(Debug, Clone, Copy)]
struct Tail(Option<u64>);

fn tail(text: &str) -> Result<Tail, String> {
    match text {
        // docker takes any negative number, kubectl -1.
        "all" | "-1" => Ok(Tail(None)),
        _ => text.parse().map(|lines| Tail(Some(lines))).map_err(|_| "expected a number of lines, or `all`".to_owned()),
    }
}

/// The time and the zone of this machine. A machine that says nothing of its zone is in UTC; one that says what does not exist is
/// in none.
fn clock() -> Clock {
    let zone = TimeZone::try_system().or_else(|error| match std::env::var("TZ") {
        Ok(tz) if !tz.is_empty() => Err(format!("TZ is {tz:?}: {error}")),
        _ => Ok(TimeZone::UTC),
    });
    Clock { now: Timestamp::now(), zone }
}

/// Reads the value of a flag that takes a time.
pub(super) fn moment(flag: &str, edge: Edge, text: &str) -> Result<Moment, CommandError> {
    moment::parse(text, edge, &clock())
        .map_err(|error| CommandError::usage(flag).because(&error).hint(format!("TIME is one of: {}", moment::FORMS)))
}

pub(super) fn run(app: &App, ui: &mut Ui, args: LogArgs) -> Result<Exit, CommandError> {
    let grep = args
        .grep
        .map(|text| Regex::new(&text).map_err(|e| CommandError::usage(format!("--grep {text:?}")).because(&e)))
        .transpose()?;
    let since = args.since.map(|text| moment("--since", Edge::From, &text)).transpose()?;
    let until = args.until.map(|text| moment("--until", Edge::To, &text)).transpose()?;
    let is_json = match ui.format {
        Format::Table => false,
        Format::Json => true,
        _ => {
            return Err(
                CommandError::usage("log: -o takes table or json").hint("-o json gives one JSON object per line")
            );
        }
    };
    if is_json && args.raw {
        return Err(CommandError::usage("log: --raw gives bytes, and JSON has none").hint("leave one of them out"));
    }
    let saving = args.saving.options()?;
    if saving.is_some() && is_json {
        return Err(CommandError::usage("log: --save writes files, and -o json prints").hint("leave one of them out"));
    }
    let (workspace, loaded) = app.open(ui)?;
    let targets = select::select(&args.selection.into(), &loaded.inventory, &loaded.registry, false)?;
    let (targets, left_out) = on_demand::with_logs(targets);
    if !left_out.is_empty() {
        ui.note(&format!("{} on demand: the output of each connection goes to its client", left_out.join(", ")));
    }
    let mut options = LogOptions {
        follow: args.follow,
        reattach: !args.no_reattach,
        tail: args.tail.and_then(|tail| tail.0),
        since,
        until,
        timestamps: args.timestamps,
        grep,
        is_split: is_json,
    };
    if app.global.dry_run {
        ui.dry_run(&dry_run::log(&targets, &options)?);
        return Ok(Exit::Ok);
    }
    let names: Vec<String> = targets.iter().map(|t| t.instance().to_string()).collect();
    let instances: Vec<Instance> = targets.iter().map(|t| t.instance()).collect();
    let shows_times = stream::shown_times(&targets, args.timestamps);
    let patience = app.global.lock_timeout.unwrap_or(LOCK_TIMEOUT);
    let mut archive = match saving {
        Some(saving) => {
            let kept = saving.keep.and_then(|keep| keep.since(Timestamp::now()));
            options.since = options.since.or(kept.map(Moment::At));
            Some(Archive::open(saving, &instances, patience)?)
        }
        None => None,
    };
    let cursors = archive.as_ref().map(Archive::cursors).transpose()?.unwrap_or_default();
    let printer = LogPrinter::new(ui, instances, shows_times, args.raw);
    let cancel = app.cancel(Interrupt::Ends);
    let (mut exit, mut unsaved) = (Exit::Ok, None);
    app.with_fleet(&workspace, &loaded, Interrupt::Ends, &|_| {}, |context| {
        stream::logs(context, &targets, &options, &cursors, |index, event| match event {
            LogEvent::Line(line) => match &mut archive {
                None => printer.line(ui, index, &line),
                Some(archive) => {
                    unsaved = archive.write(index, &line).err();
                    unsaved.is_none()
                }
            },
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
            LogEvent::Remark(_) | LogEvent::Paused(_) | LogEvent::Resumed => {
                ui.log_news(&names[index], &event);
                true
            }
        })
    })?;
    if let Some(archive) = archive {
        ui.note(&format!("{} saved", plural(usize::try_from(archive.lines()).unwrap_or(usize::MAX), "line")));
        archive.drop_old()?;
    }
    if let Some(error) = unsaved {
        return Err(error);
    }
    Ok(if cancel.is_draining() && !ui.is_closed() { exit.or(Exit::Interrupted) } else { exit })
}
