//! The command line: global flags, the verbs, and what a command runs in.
//!
//! Boundary: argv and signals; wires the real transport. Next: `commands`, one file per verb.

mod hints;

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use clap::{
    Args, CommandFactory, FromArgMatches, Parser,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::{
    commands::{App, Background, Command, Interrupts, complete},
    error::{CommandError, Exit},
    render::{ColorChoice, Format, Ui, flush},
};

/// Start, stop, restart, watch and read MCP servers in Docker on many hosts over SSH.
///
/// Servers are registered once in servers.yaml with their literal `docker run` strings, hosts in hosts.yaml; nothing is
/// installed on the hosts but sshd and docker.
#[derive(Debug, Parser)]
#[command(
    name = "mcp",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 all well, 1 an instance failed, 2 usage or configuration, 4 a host was unreachable \
                  (outranks 1), 130 interrupted, 141 nobody read the \
                  answer to its end.\n\nStart with `mcp init`, then `mcp hosts check`, `mcp add`, `mcp start`."
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags that every command takes and that mean the same everywhere.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The workspace: a directory with hosts.yaml, servers.yaml and state.yaml [default: $MCP_DIR, the current directory
    /// if it holds hosts.yaml or servers.yaml, else $XDG_CONFIG_HOME/mcp]
    #[arg(short = 'C', long, global = true, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Where the hosts come from instead of hosts.yaml: an Ansible inventory (INI, YAML, a directory), an executable that
    /// prints one, another hosts.yaml, or a list such as web1,web2 (repeatable, merged in order) [default: $MCP_INVENTORY]
    #[arg(short, long, global = true, value_name = "SOURCE")]
    pub inventory: Vec<String>,
    /// How the answer is written
    #[arg(short, long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
    /// The same as --output json
    #[arg(long, global = true)]
    pub json: bool,
    /// Most hosts worked on at once [default: the number of hosts, at most 100]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub forks: Option<u16>,
    /// Deadline of everything that waits on a host (30, 30s, 2m); 0: no limit
    #[arg(long, global = true, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// How often connecting is tried again after a reset, a refusal or silence; a refused login never is [default: 2]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=20))]
    pub retries: Option<u32>,
    /// How long another run is waited for that writes to this workspace or acts on the same container [default: 30s]
    #[arg(long, global = true, value_name = "TIME", value_parser = parse_duration)]
    pub lock_timeout: Option<Duration>,
    /// Act on containers without taking leases on their hosts, whoever else does
    #[arg(long, global = true)]
    pub no_lock: bool,
    /// Change nothing: ask the hosts and show what would be done to each instance and why; the strings too with -v
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// Change nothing and ask no host: show per host the strings that could run, with their conditions
    #[arg(long, global = true)]
    pub offline: bool,
    /// Answer every question with yes
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Say only what is wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Log every remote command with its duration; -vv also how far each connection is, and when
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// When output is coloured: on a terminal (NO_COLOR, CLICOLOR_FORCE and TERM=dumb are honoured), always or never
    #[arg(long, global = true, default_value = "auto", hide_possible_values = true, value_name = "always|auto|never")]
    #[arg(value_parser = PossibleValuesParser::new(ColorChoice::NAMES).map(|name| ColorChoice::named(&name).unwrap_or_default()))]
    pub color: ColorChoice,
    /// The same as --color never
    #[arg(long, global = true, conflicts_with = "color")]
    pub no_color: bool,
    /// How long a session is kept for the next run after its last use; 0 keeps and uses none [default: $MCP_PERSIST, else that of
    /// the host's entry, else 60s]
    #[arg(long, global = true, value_name = "TIME", value_parser = parse_duration)]
    pub persist: Option<Duration>,
    /// The same as --persist 0
    #[arg(long, global = true)]
    pub no_persist: bool,
    /// Show values that look like secrets, in JSON and YAML too, instead of ***
    #[arg(long, global = true)]
    pub show_secrets: bool,
    /// Ask once for a password for hosts that take no key
    #[arg(long, global = true)]
    pub ask_pass: bool,
}

impl Global {
    fn colors(&self) -> ColorChoice {
        if self.no_color { ColorChoice::Never } else { self.color }
    }

    /// How long sessions are kept, where the command line or the environment says so. A variable that is empty says nothing.
    fn persist(&self) -> Result<Option<Duration>, CommandError> {
        if self.no_persist {
            return Ok(Some(Duration::ZERO));
        }
        let variable = || std::env::var_os("MCP_PERSIST").filter(|value| !value.is_empty());
        if self.persist.is_some() {
            return Ok(self.persist);
        }
        let read = |value: std::ffi::OsString| parse_duration(&value.to_string_lossy());
        let wrong = |why| CommandError::usage(format!("the environment variable MCP_PERSIST: {why}"));
        variable().map(read).transpose().map_err(wrong)
    }
}

/// Reads `30`, `1.5s`, `500ms`, `2m` or `1h`, at most a week.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    parse_duration_up_to(text, Duration::from_secs(7 * 86_400))
}

/// The same, at most `longest`, which is whole hours.
pub(crate) fn parse_duration_up_to(text: &str, longest: Duration) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(format!("{unit:?} is not a unit of time; use ms, s, m, h or d")),
    };
    let seconds: f64 = number.parse().map_err(|_| format!("{text:?} is not a time such as 30, 30s or 2m"))?;
    Duration::try_from_secs_f64(seconds * factor)
        .ok()
        .filter(|d| *d <= longest)
        .ok_or_else(|| format!("a time is at most {}h here", longest.as_secs() / 3600))
}

/// The one line that stands for the global options in the short help of a command.
const SEE_OPTIONS: &str = "Global options: see `mcp help options`";

/// The command line as clap sees it, for help, completions and man pages. `-h` of each command has its own options and one line
/// for the global ones; `--help`, `mcp help options` and the man pages have all.
#[must_use]
pub fn command() -> clap::Command {
    // Options of every command hide behind one line, so that a command's own can be found.
    let root = Cli::command().mut_args(|argument| {
        let is_global = argument.is_global_set();
        argument.hide_short_help(is_global)
    });
    collapse(root)
}

fn collapse(command: clap::Command) -> clap::Command {
    let command = match command.get_after_help().map(ToString::to_string) {
        Some(long) => command.after_help(format!("{SEE_OPTIONS}\n\n{long}")).after_long_help(long),
        // Without a text of its own for `--help`, clap would show the line there as well.
        None => command.after_help(SEE_OPTIONS).after_long_help("\n"),
    };
    command.mut_subcommands(collapse)
}

/// Runs the process's command line.
#[must_use]
pub fn main() -> ExitCode {
    if complete::answered() {
        return ExitCode::SUCCESS;
    }
    let color = match ColorChoice::in_words(std::env::args_os()) {
        ColorChoice::Auto => clap::ColorChoice::Auto,
        ColorChoice::Always => clap::ColorChoice::Always,
        ColorChoice::Never => clap::ColorChoice::Never,
    };
    let matches = match command().color(color).try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            let typed: Vec<String> =
                std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
            return printed(&hints::direct(error, &typed, &Cli::command().color(color)));
        }
    };
    let Cli { mut global, command } = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return printed(&error),
    };
    global.dry_run |= global.offline;
    let format = if global.json { Format::Json } else { global.output };
    let interrupts = Arc::new(Interrupts::default());
    let persist = match global.persist() {
        Ok(persist) => persist,
        Err(error) => {
            Ui::new(format, global.quiet, global.verbose > 0, global.colors()).error(&error);
            return ExitCode::from(error.exit.code());
        }
    };
    let keeps = command.keeps_sessions() && !global.offline && persist != Some(Duration::ZERO);
    // Before anything else, while there is one thread.
    let background = keeps.then(|| Background::split(persist, &interrupts)).flatten();
    let mut ui = Ui::new(format, global.quiet, global.verbose > 0, global.colors());
    ui.trace = global.verbose > 1;
    ui.show_secrets = global.show_secrets;
    let mut app = App::new(global, Arc::clone(&interrupts), background.as_ref().map(Background::keep));
    let exit = command.run(&mut app, &mut ui).unwrap_or_else(|error: CommandError| {
        ui.error(&error);
        error.exit
    });
    let exit = match ui.write_error().map(unwritten) {
        Some(error) => {
            ui.error(&error);
            exit.or(error.exit)
        }
        None => exit,
    };
    drop((app, ui));
    match background {
        Some(background) => background.finish(exit.code(), &interrupts),
        None => ExitCode::from(exit.code()),
    }
}

/// Prints what clap answers by itself: help and the version on stdout, a refusal on stderr.
fn printed(answer: &clap::Error) -> ExitCode {
    let code = u8::try_from(answer.exit_code()).unwrap_or(Exit::Usage.code());
    match answer.print().and_then(|()| flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe && !answer.use_stderr() => {
            let error = unwritten(&error.to_string());
            Ui::new(Format::default(), false, false, ColorChoice::Never).error(&error);
            ExitCode::from(error.exit.code())
        }
        _ => ExitCode::from(code),
    }
}

fn unwritten(why: &str) -> CommandError {
    CommandError::failed(format!("the answer could not be written: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn times_take_the_usual_units() {
        let pairs = [
            ("30", 30_000),
            ("1.5s", 1_500),
            ("500ms", 500),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("0", 0),
            ("2d", 172_800_000),
        ];
        for (text, milliseconds) in pairs {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "s", "-1", "8d", "1w", "1e99", "999h", "1..2"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
