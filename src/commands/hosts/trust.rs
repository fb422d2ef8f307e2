//! `mcp hosts trust`.

use std::path::PathBuf;

use clap::Args;

use super::PatternArgs;
use crate::{
    commands::{App, Interrupt},
    config::store::{Loaded, Workspace},
    domain::{Host, plural},
    error::{CommandError, Exit},
    operations::{
        select,
        trust::{self, Finding, Subject, TrustOptions, TrustOutcome, TrustRow},
    },
    render::{Progress, Ui, trust_question},
    transport::ssh::Expectations,
};

#[derive(Debug, Args)]
pub(super) struct TrustArgs {
    #[command(flatten)]
    pattern: PatternArgs,
    /// Put new keys into the place of changed ones; the file is kept as known_hosts.old
    #[arg(long)]
    replace_changed: bool,
    /// Trust only the key with this fingerprint, of one host, without a question
    #[arg(long, value_name = "SHA256:…", conflicts_with = "expect", value_parser = fingerprint)]
    fingerprint: Option<String>,
    /// Trust only keys that this file has for their hosts, without a question: lines of known_hosts, of `ssh-keygen -lf`, or
    /// `NAME SHA256:…`
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
}

/// A fingerprint as OpenSSH prints it: base64 of 32 bytes without padding.
fn fingerprint(text: &str) -> Result<String, String> {
    let digest = text.strip_prefix("SHA256:").unwrap_or_default();
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
    if digest.len() == 43 && digest.chars().all(is_base64) {
        Ok(text.to_owned())
    } else {
        Err("a fingerprint is SHA256: and 43 characters, as `ssh-keygen -lf` prints it".to_owned())
    }
}

pub(super) fn run(app: &App, ui: &mut Ui, args: TrustArgs) -> Result<Exit, CommandError> {
    let (workspace, loaded) = app.open(ui)?;
    let names = select::hosts(args.pattern.pattern().as_deref(), &loaded.inventory)?;
    let selected: Vec<&Host> = loaded.inventory.hosts().iter().filter(|h| names.contains(&h.name)).collect();
    let expected = expectations(&args, &selected)?;
    let options = TrustOptions { replace_changed: args.replace_changed, expected };
    let mut run = Run { app, workspace: &workspace, loaded: &loaded, options, rows: vec![], distrusted: vec![] };
    let mut end = Ok(());
    for stage in trust::stages(&selected) {
        match end {
            Ok(()) => end = run.stage(ui, stage),
            Err(_) => run.skip(stage, "nothing was agreed to before it"),
        }
    }
    ui.trust(&run.rows);
    end?;
    Ok(trust::exit(&run.rows, app.global.dry_run))
}

fn expectations(args: &TrustArgs, selected: &[&Host]) -> Result<Option<Expectations>, CommandError> {
    let text = match (&args.fingerprint, &args.expect) {
        (Some(fingerprint), _) => match selected {
            [host] => format!("{} {fingerprint}", host.name),
            _ => {
                return Err(CommandError::usage(format!(
                    "--fingerprint is of one host, and {} are selected",
                    plural(selected.len(), "host")
                ))
                .hint("name the host, or use --expect FILE with a line `NAME SHA256:…` for each"));
            }
        },
        (None, Some(file)) => std::fs::read_to_string(file)
            .map_err(|e| CommandError::usage(format!("cannot read {}", file.display())).because(&e))?,
        (None, None) => return Ok(None),
    };
    let name = args.expect.as_deref().unwrap_or(std::path::Path::new("--fingerprint")).display();
    Expectations::parse(&text).map(Some).map_err(|line| {
        CommandError::usage(format!("{name}:{line} is no expected key"))
            .hint("write lines of known_hosts, of `ssh-keygen -lf`, or `NAME SHA256:…`")
    })
}

/// A run through the stages.
struct Run<'a> {
    app: &'a App,
    workspace: &'a Workspace,
    loaded: &'a Loaded,
    options: TrustOptions,
    rows: Vec<TrustRow>,
    /// Jump hosts that were asked and are not trusted.
    distrusted: Vec<String>,
}

impl Run<'_> {
    /// Scans, shows, asks and writes what is equally many jumps away.
    fn stage(&mut self, ui: &mut Ui, stage: Vec<Subject<'_>>) -> Result<(), CommandError> {
        let behind = |subject: &Subject<'_>| {
            subject
                .way()
                .iter()
                .find(|name| self.distrusted.iter().any(|other| other == *name))
                .map(ToString::to_string)
        };
        let (mut asked, mut left) = (vec![], vec![]);
        for subject in stage {
            match behind(&subject) {
                None => asked.push(subject),
                Some(jump) => left.push((subject, jump)),
            }
        }
        let progress = Progress::new(ui, "scan");
        let global = &self.app.global;
        let mut findings = self.app.with_fleet(
            self.workspace,
            self.loaded,
            Interrupt::Ends,
            &|event| progress.event(&event),
            |c| trust::scan(c, asked, &self.options),
        )?;
        findings.extend(left.into_iter().map(|(subject, jump)| {
            Finding::not_attempted(
                subject,
                &format!(
                    "it is behind {jump}, whose key is not trusted or could not be asked for; that one's row says why"
                ),
            )
        }));
        let open = |outcome| findings.iter().filter(|f| f.is_open() && f.row.outcome == outcome).count();
        let (new, changed) = (open(TrustOutcome::New), open(TrustOutcome::Changed));
        let rows: Vec<TrustRow> = findings.iter().map(|finding| finding.row.clone()).collect();
        let is_open = new + changed > 0;
        let is_question = is_open && !global.yes && !global.dry_run && self.options.expected.is_none();
        ui.trust_review(&rows, is_question);
        let agreed = if !is_open || global.dry_run { Ok(false) } else { self.agree(ui, new, changed, is_question) };
        if let Ok(true) = agreed {
            self.write(ui, &mut findings)?;
        } else if is_open && global.dry_run {
            ui.note("dry run: nothing was written");
        }
        for Finding { row, .. } in findings {
            if !row.outcome.is_trusted() {
                self.distrusted.push(row.host.clone());
            }
            self.rows.push(row);
        }
        agreed.map(|_| ())
    }

    fn agree(&self, ui: &mut Ui, new: usize, changed: usize, is_question: bool) -> Result<bool, CommandError> {
        if !is_question {
            return Ok(true);
        }
        let cancel = self.app.cancel(Interrupt::Ends);
        match ui.confirm_on_terminal(&trust_question(new, changed), &|| cancel.is_abandoned()) {
            Some(true) => Ok(true),
            Some(false) => {
                Err(CommandError::failed("nothing was written").hint("compare the fingerprints with the hosts' owners"))
            }
            None if cancel.is_abandoned() => Err(CommandError {
                exit: Exit::Interrupted,
                ..CommandError::failed("interrupted, nothing was written")
            }),
            None => Err(CommandError::usage("nothing was written: there is no terminal to ask on").hint(
                "compare the fingerprints, then use --yes; or give them by --expect FILE or --fingerprint SHA256:…",
            )),
        }
    }

    fn write(&self, ui: &mut Ui, findings: &mut [Finding<'_>]) -> Result<(), CommandError> {
        let files = self.app.with_fleet(self.workspace, self.loaded, Interrupt::Ends, &|_| {}, |context| {
            Ok(trust::write(context, findings, &self.options))
        })?;
        ui.not_written(findings.iter().filter(|finding| finding.is_open()).map(|finding| &finding.row));
        let count = |outcome| findings.iter().filter(|finding| finding.row.outcome == outcome).count();
        for file in files {
            let name = file.display().to_string();
            let here = findings.iter().filter(|finding| finding.row.file.as_deref() == Some(&name)).count();
            ui.note(&format!(
                "{} {name}",
                match here {
                    1 => "1 host has its key in".to_owned(),
                    n => format!("{n} hosts have their keys in"),
                }
            ));
        }
        if count(TrustOutcome::Replaced) > 0 {
            ui.note("the files as they were are kept beside them, with .old at the end");
        }
        Ok(())
    }

    fn skip(&mut self, stage: Vec<Subject<'_>>, why: &str) {
        self.rows.extend(stage.into_iter().map(|subject| Finding::not_attempted(subject, why).row));
    }
}
