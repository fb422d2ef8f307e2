//! `mcp exec`.

use std::{path::PathBuf, time::Instant};

use clap::Args;

use super::{App, Interrupt};
use crate::{
    domain::Host,
    error::{CommandError, Exit},
    operations::{
        dry_run::DryStep,
        exec::{
            self, ExecEvent, OutputMode, Request, Stream,
            report::{ExecReport, ExecSummary},
            text,
        },
        select,
    },
    render::{ExecPrinter, Format, Gathered, Progress, Ui},
    transport::{FileInput, Input},
};

/// Run a command on many hosts
///
/// One word after `--` is shell text, several are passed as exactly those arguments. It runs under `sh` with the host's env;
/// docker is not involved. A command that has not ended at its deadline (--timeout, 300 s) is killed.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp exec all -- uptime\n  mcp exec '@prod' -- 'df -h / | tail -1'\n  mcp exec 'web-*' -b -- cat /etc/os-release\n  mcp exec edge-1 -- systemctl restart nginx\n  mcp exec all --stdin list.txt -- sort\n  mcp exec '@db' --script ./tune.sh -- --fast\n  mcp exec all --json -- uname -r"
)]
pub struct ExecArgs {
    /// Hosts: 'web-*,@prod,!web-03', or all
    #[arg(value_name = "PATTERN", required_unless_present = "on")]
    pattern: Option<String>,
    /// The same
    #[arg(long, value_name = "PATTERN", conflicts_with = "pattern")]
    on: Option<String>,
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
}

pub(super) fn run(app: &App, ui: &mut Ui, args: ExecArgs) -> Result<Exit, CommandError> {
    let reports = !matches!(ui.format, Format::Table | Format::Wide);
    if reports && args.gather {
        return Err(CommandError::usage("--gather and an output format contradict each other")
            .hint("-o json has one object per host; group those by stdout, stderr and exit_code"));
    }
    let command = match &args.script {
        Some(path) => {
            let name = path.display().to_string();
            let script = std::fs::read(path)
                .map_err(|e| CommandError::usage(format!("cannot read the script {name}")).because(&e))?;
            text::of_script(&name, script, &args.command)?
        }
        None => text::of_words(&args.command),
    };
    let pattern = args.pattern.or(args.on);
    let (workspace, loaded) = app.open_on(ui, pattern.as_deref())?;
    let names = select::hosts(pattern.as_deref(), &loaded.inventory)?;
    let hosts: Vec<&Host> = loaded.inventory.hosts().iter().filter(|host| names.contains(&host.name)).collect();
    if args.propagate && hosts.len() != 1 {
        return Err(CommandError::usage(format!("--propagate is for one host, and {} are selected", hosts.len()))
            .hint(
                "without it the exit code is 0 when all commands ended with 0, else 1, and 4 with an unreachable host",
            ));
    }
    if app.global.dry_run {
        let shown = args.script.as_ref().map_or(command, |path| {
            let arguments = text::of_words(&[vec![path.display().to_string()], args.command.clone()].concat());
            format!("(script) {arguments}")
        });
        let step =
            |host: &&Host| DryStep { host: host.name.clone(), instance: None, when: None, command: shown.clone() };
        ui.dry_run(&hosts.iter().map(step).collect::<Vec<_>>());
        return Ok(Exit::Ok);
    }
    let input = args.stdin.as_deref().map(open_input).transpose()?;

    let by_name = hosts.len() == 1 && pattern.as_deref() == Some(hosts[0].name.as_str());
    let host_names: Vec<_> = hosts.iter().map(|host| &host.name).collect();
    let printer = ExecPrinter::new(ui, &host_names, !(args.no_prefix || by_name), args.raw);
    let output = if reports || args.gather {
        OutputMode::Kept
    } else {
        OutputMode::Streamed {
            whole_stdout: printer.needs_lines(Stream::Stdout),
            whole_stderr: printer.needs_lines(Stream::Stderr),
        }
    };
    let request = Request {
        text: command,
        sensitive: args.script.is_some(),
        input: input.as_ref().map(|input| input as &dyn Input),
        output,
    };
    let begin = Instant::now();
    let cancel = app.cancel(Interrupt::Drains);
    let progress = if args.gather { Progress::new(ui, "exec") } else { Progress::in_lines(ui, "exec") };
    let listener = |event: crate::fleet::Event<'_>| progress.event(&event);
    let (mut summary, mut gathered) = (ExecSummary::default(), Gathered::default());
    let mut code = None;
    app.with_fleet(&workspace, &loaded, Interrupt::Drains, &listener, |context| {
        exec::exec(context, &hosts, &request, |index, event| match event {
            ExecEvent::Output(stream, bytes) => printer.print(ui, index, stream, &bytes),
            ExecEvent::Ended(report) => {
                summary.add(hosts[index], &report);
                code = code_of(&report);
                if args.gather {
                    gathered.take(index, *report);
                    return true;
                }
                ui.exec_report(&report)
            }
        })
    })?;
    if args.gather {
        ui.gathered(gathered);
    }
    if ui.reader_left() {
        // The reader has what it wanted; what was cut short for it is no trouble.
        return Ok(Exit::Ok);
    }
    ui.exec_recap(&summary, begin.elapsed(), cancel.is_draining());
    Ok(match (summary.exit(), code) {
        (Exit::Failed, Some(code)) if args.propagate => Exit::Command(code),
        (exit, _) => exit,
    })
}

/// The exit code of a command, as a shell says it: 128 and more for a signal it has a name for.
fn code_of(report: &ExecReport) -> Option<u8> {
    let signals =
        [("HUP", 1), ("INT", 2), ("QUIT", 3), ("ABRT", 6), ("KILL", 9), ("SEGV", 11), ("PIPE", 13), ("TERM", 15)];
    let signal = report.signal.as_deref().and_then(|name| signals.iter().find(|(known, _)| *known == name));
    report.exit_code.and_then(|code| u8::try_from(code).ok()).or(signal.map(|(_, number)| 128 + number))
}

/// What a path on the command line gives to read; `-` is standard input.
pub(super) fn open_input(path: &std::path::Path) -> Result<FileInput, CommandError> {
    let is_stdin = path.as_os_str() == "-";
    let input = if is_stdin { FileInput::spool(std::io::stdin().lock()) } else { FileInput::open(path) };
    let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
    input.map_err(|e| CommandError::usage(format!("cannot read {name}")).because(&e))
}
