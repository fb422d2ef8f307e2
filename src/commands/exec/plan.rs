//! Carries `mcp exec` out: what to run, on which hosts, and how its answers look.
//!
//! Boundary: wiring. Next: `operations::exec`.

use std::{path::PathBuf, time::Instant};

use super::open_input;
use crate::{
    commands::{
        App,
        on_hosts::{Chosen, INTERRUPT, ended, known, show_batches},
    },
    config::journal::{Again, ExecAgain},
    error::{CommandError, Exit},
    fleet::Rolling,
    operations::{
        dry_run::DryStep,
        exec::{
            self, ExecEvent, OutputMode, Request, Stream,
            report::{ExecOutcome, ExecReport, ExecSummary},
            text,
        },
        host_run::HostVerb,
    },
    render::{ExecPrinter, Format, Gathered, Progress, Ui},
    transport::Input,
};

/// What is run, and how its answers look.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) command: Vec<String>,
    pub(super) script: Option<PathBuf>,
    pub(super) stdin: Option<PathBuf>,
    pub(super) gather: bool,
    pub(super) no_prefix: bool,
    pub(super) raw: bool,
    pub(super) propagate: bool,
}

impl Plan {
    /// What an earlier run was told.
    pub(super) fn again(again: ExecAgain) -> Self {
        let ExecAgain { command, script, stdin, gather, no_prefix, raw, propagate } = again;
        let (script, stdin) = (script.map(|file| file.path.into()), stdin.map(|file| file.path.into()));
        Self { command, script, stdin, gather, no_prefix, raw, propagate }
    }

    /// What is written down to do it again.
    fn written(&self) -> Again {
        let file = |path: &Option<PathBuf>, what: &str| path.as_deref().map(|path| known(path, what)).transpose();
        let files =
            file(&self.stdin, "its standard input").and_then(|stdin| Ok((stdin, file(&self.script, "its script")?)));
        let (stdin, script) = match files {
            Ok(files) => files,
            Err(lacks) => return lacks,
        };
        let (command, gather, no_prefix) = (self.command.clone(), self.gather, self.no_prefix);
        Again::Exec(ExecAgain { command, script, stdin, gather, no_prefix, raw: self.raw, propagate: self.propagate })
    }

    /// The shell text.
    fn text(&self) -> Result<String, CommandError> {
        let Some(path) = &self.script else { return Ok(text::of_words(&self.command)) };
        let name = path.display().to_string();
        let script = std::fs::read(path)
            .map_err(|e| CommandError::usage(format!("cannot read the script {name}")).because(&e))?;
        text::of_script(&name, script, &self.command)
    }
}

/// Runs `plan` on the chosen hosts; `by_name` is whether one host was selected by its very name.
pub(super) fn carry_out(
    app: &App,
    ui: &mut Ui,
    chosen: &Chosen,
    plan: &Plan,
    by_name: bool,
    rolling: Rolling,
) -> Result<Exit, CommandError> {
    let reports = !matches!(ui.format, Format::Table | Format::Wide);
    if reports && plan.gather {
        return Err(CommandError::usage("--gather and an output format contradict each other")
            .hint("-o json has one object per host; group those by stdout, stderr and exit_code"));
    }
    let command = plan.text()?;
    let hosts = chosen.hosts();
    if plan.propagate && hosts.len() != 1 {
        return Err(CommandError::usage(format!("--propagate is for one host, and {} are selected", hosts.len()))
            .hint(
                "without it the exit code is 0 when all commands ended with 0, else 1, and 4 with an unreachable host",
            ));
    }
    if app.global.dry_run {
        let shown = plan.script.as_ref().map_or(command, |path| {
            format!("(script) {}", text::of_words(&[vec![path.display().to_string()], plan.command.clone()].concat()))
        });
        let step = |host: &&_| dry_step(host, &shown);
        ui.dry_run(&hosts.iter().map(step).collect::<Vec<_>>());
        show_batches(ui, &hosts, &rolling);
        return Ok(Exit::Ok);
    }
    let written = plan.written();
    let input = plan.stdin.as_deref().map(open_input).transpose()?;

    let host_names: Vec<_> = hosts.iter().map(|host| &host.name).collect();
    let mut printer = ExecPrinter::new(ui, &host_names, !(plan.no_prefix || by_name), plan.raw);
    let output = if ui.format == Format::Name {
        OutputMode::Dropped
    } else if reports || plan.gather {
        OutputMode::Kept
    } else {
        OutputMode::Streamed {
            whole_stdout: printer.needs_lines(Stream::Stdout),
            whole_stderr: printer.needs_lines(Stream::Stderr),
        }
    };
    let request = Request {
        text: command,
        sensitive: plan.script.is_some(),
        input: input.as_ref().map(|input| input as &dyn Input),
        output,
    };
    let begin = Instant::now();
    let cancel = app.cancel(INTERRUPT);
    let progress = if plan.gather { Progress::new(ui, "exec") } else { Progress::in_lines(ui, "exec") };
    let listener = |event: crate::fleet::Event<'_>| progress.event(&event);
    let (mut summary, mut gathered) = (ExecSummary::default(), Gathered::default());
    let (mut code, mut well) = (None, 0);
    let run = chosen.begin(app, &hosts, HostVerb::Exec, rolling, written);
    let went = app.with_fleet(&chosen.workspace, &chosen.loaded, INTERRUPT, &listener, |context| {
        exec::exec(context, &hosts, &request, &run, |index, event| match event {
            ExecEvent::Output(stream, bytes) => printer.print(ui, index, stream, &bytes),
            ExecEvent::Ended(report) => {
                summary.add(hosts[index], &report);
                code = code_of(&report);
                well += usize::from(report.outcome == ExecOutcome::Ok);
                if plan.gather {
                    gathered.take(index, *report);
                    return true;
                }
                ui.exec_report(&report)
            }
        })
    });
    let (went, run) = ended(went, run)?;
    if plan.gather {
        ui.gathered(gathered);
    }
    let exit = match (summary.exit(), code) {
        // The error itself is printed at the end, as for every command.
        _ if ui.write_error().is_some() => Exit::Failed,
        // The reader has what it wanted, but commands change things and were ended for it: that is no success.
        _ if ui.reader_left() && well < hosts.len() => Exit::Unread,
        (Exit::Failed, Some(code)) if plan.propagate => Exit::Command(code),
        (exit, _) => exit,
    };
    let interrupted = cancel.is_draining() && !ui.is_closed();
    // As with a change: who asked for an end hears of it, also when all that was begun went well.
    let exit = if interrupted { exit.or(Exit::Interrupted) } else { exit };
    let report = run.end(exit, went, interrupted);
    if !ui.is_closed() {
        ui.exec_recap(&summary, begin.elapsed(), &report);
    }
    Ok(exit)
}

fn dry_step(host: &crate::domain::Host, command: &str) -> DryStep {
    DryStep { host: host.name.clone(), instance: None, when: None, command: command.to_owned() }
}

/// The exit code of a command, as a shell says it: 128 and more for a signal it has a name for.
fn code_of(report: &ExecReport) -> Option<u8> {
    let signals =
        [("HUP", 1), ("INT", 2), ("QUIT", 3), ("ABRT", 6), ("KILL", 9), ("SEGV", 11), ("PIPE", 13), ("TERM", 15)];
    let signal = report.signal.as_deref().and_then(|name| signals.iter().find(|(known, _)| *known == name));
    report.exit_code.and_then(|code| u8::try_from(code).ok()).or(signal.map(|(_, number)| 128 + number))
}
