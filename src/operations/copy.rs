//! One file to many hosts: what is there already is left, what is sent is whole or not there at all.
//!
//! Boundary: one task per host through `Fleet::roll`. Next: `copy::text` writes the two scripts, `copy::digest` the checksums.

mod digest;
mod text;

use std::{
    io,
    time::{Duration, Instant},
};

use serde::Serialize;

pub use self::{digest::Digest, text::shown};
use super::{
    Context, Trouble,
    exec::{enter, report::ExecOutcome},
    host_run::{HostRun, Went},
};
use crate::{
    domain::{Host, HostName},
    error::{CommandError, Exit},
    fleet::{HostError, HostOutcome, Session},
    transport::{
        Cancel, Collected, End, FileInput, Input, ShellScript,
        script::{C_LOCALE, Script},
    },
};

/// Deadline of each of the two scripts, and of every MiB on top.
const ALLOWED: Duration = Duration::from_secs(300);
const ALLOWED_PER_MIB: Duration = Duration::from_secs(1);

/// How long a copy that is cut off may take to remove what is half done. It ends as soon as it has, but a host that is
/// overloaded or out of memory may not come to it for a while.
const GRACE: Duration = Duration::from_secs(30);

/// Most bytes kept of what a host says about a copy, a login shell's banner before it.
const LONGEST_WORD: usize = 64 * 1024;

/// What is sent, and how it is to be there.
pub struct CopyRequest<'a> {
    /// The file.
    pub input: &'a FileInput,
    /// Its name in a directory.
    pub name: String,
    /// Where: a file, or a directory.
    pub destination: String,
    /// Permission bits.
    pub mode: u32,
    /// `USER`, `USER:GROUP` or `:GROUP`; the account's own without.
    pub owner: Option<String>,
    /// Makes missing directories.
    pub parents: bool,
    /// Keeps what was there under a name with this ending.
    pub backup: Option<String>,
    /// Of the file, read once.
    pub digest: Digest,
}

impl CopyRequest<'_> {
    /// Reads the file's checksums.
    ///
    /// # Errors
    /// What the system says.
    pub fn digest(input: &FileInput) -> io::Result<Digest> {
        digest::of(input)
    }
}

/// What became of a copy on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyOutcome {
    /// The file is there now.
    Copied,
    /// The same file was there.
    Unchanged,
    /// It is not there; anything else follows [`ExecOutcome`].
    #[serde(untagged)]
    Not(ExecOutcome),
}

impl CopyOutcome {
    /// The words shown for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Copied => "copied",
            Self::Unchanged => "unchanged",
            Self::Not(outcome) => outcome.as_str(),
        }
    }
}

/// How a copy went on one host.
#[derive(Debug, Clone, Serialize)]
pub struct CopyReport {
    /// The host.
    pub host: HostName,
    /// What became of it.
    pub outcome: CopyOutcome,
    /// The file's path there, as far as it is known.
    pub path: Option<String>,
    /// How many bytes were sent.
    pub bytes: u64,
    /// Where what was there before is kept.
    pub backup: Option<String>,
    /// How long the host took, in seconds.
    pub seconds: f64,
    /// Why it is not there.
    pub error: Option<Trouble>,
}

/// The exit code of a copy.
#[must_use]
pub fn exit(reports: &[CopyReport]) -> Exit {
    reports.iter().fold(Exit::Ok, |exit, report| {
        exit.or(match report.outcome {
            CopyOutcome::Copied | CopyOutcome::Unchanged => Exit::Ok,
            CopyOutcome::Not(outcome) => outcome.exit(report.error.as_ref()),
        })
    })
}

/// What a host did.
struct Done {
    outcome: CopyOutcome,
    path: Option<String>,
    bytes: u64,
    backup: Option<String>,
    trouble: Option<Trouble>,
}

/// Sends the file to `hosts`, batch by batch as `run` says, and writes into its journal what became of each.
///
/// # Errors
/// Only when nothing could be begun. Each host's own trouble is in its report.
pub fn copy(
    context: &Context<'_>,
    hosts: &[&Host],
    request: &CopyRequest<'_>,
    run: &HostRun<'_>,
) -> Result<(Vec<CopyReport>, Went), CommandError> {
    let work: Vec<(&Host, ())> = hosts.iter().map(|host| (*host, ())).collect();
    let fleet = context.fleet;
    let failed = |report: &CopyReport| match report.outcome {
        CopyOutcome::Not(outcome) => outcome != ExecOutcome::NotAttempted,
        CopyOutcome::Copied | CopyOutcome::Unchanged => false,
    };
    let rolled = fleet
        .roll(&work, &run.batches, &run.rolling, failed, |session, (), halt| {
            let begin = Instant::now();
            let host = session.host();
            let result = enter(session, fleet.cancel, halt).and_then(|()| {
                run.attempt(host);
                one(session, request, fleet.cancel)
            });
            if let Err(error @ (HostError::NotAttempted | HostError::Halted(_))) = result {
                return Err(error);
            }
            let report = report(run, host, result, begin.elapsed());
            if report.outcome != CopyOutcome::Not(ExecOutcome::NotAttempted) {
                let cause = report.error.as_ref().map(|error| error.cause.as_str());
                run.result(host, report.outcome, None, begin.elapsed(), cause);
            }
            Ok(report)
        })
        .map_err(|e| CommandError::failed("cannot start the workers").because(&e).hint("use fewer --forks"))?;
    let left_out = |(host, outcome): (&&Host, HostOutcome<CopyReport>)| {
        outcome.result.unwrap_or_else(|error| report(run, host, Err(error), outcome.elapsed))
    };
    let reports = hosts.iter().zip(rolled.outcomes).map(left_out).collect();
    Ok((reports, Went { begun: rolled.begun, halted: rolled.halted }))
}

fn report(run: &HostRun<'_>, host: &Host, result: Result<Done, HostError>, elapsed: Duration) -> CopyReport {
    let done = result.unwrap_or_else(|error| {
        let outcome = ExecOutcome::of_error(&error);
        let mut trouble = Trouble::host(&error, host);
        // A copy that is cut off tidies up after itself: see `text`.
        match outcome {
            ExecOutcome::TimedOut => {
                trouble.hint = Some("allow more with --timeout; the old file is as it was".to_owned())
            }
            ExecOutcome::Unknown | ExecOutcome::Interrupted => {
                trouble.hint = Some("run it again: the file is either the old one or the new one".to_owned());
            }
            _ => run.advise(outcome, &mut trouble),
        }
        Done { outcome: CopyOutcome::Not(outcome), path: None, bytes: 0, backup: None, trouble: Some(trouble) }
    });
    CopyReport {
        host: host.name.clone(),
        outcome: done.outcome,
        path: done.path,
        bytes: done.bytes,
        backup: done.backup,
        seconds: elapsed.as_secs_f64(),
        error: done.trouble,
    }
}

fn one(session: &mut Session<'_>, request: &CopyRequest<'_>, cancel: &Cancel) -> Result<Done, HostError> {
    let size = request.input.size();
    let mib = u32::try_from(size / (1024 * 1024)).unwrap_or(u32::MAX);
    let allowed = ALLOWED.saturating_add(ALLOWED_PER_MIB.saturating_mul(mib));
    let mut script = Script::new();
    script.export(&session.host().env);
    let look = script.run(&text::look(request));
    let sections = session.exec("look", &script, allowed)?;
    let section = sections.get(look).cloned().unwrap_or_default();
    let failed = |said: Said, bytes| Done {
        outcome: CopyOutcome::Not(ExecOutcome::Failed),
        path: said.path.clone(),
        bytes,
        backup: None,
        trouble: Some(said.trouble(request)),
    };
    let said = Said::read(&section.stdout, &section.stderr, section.exit);
    match said.word.as_str() {
        "same" => {
            return Ok(Done {
                outcome: CopyOutcome::Unchanged,
                path: said.path,
                bytes: 0,
                backup: None,
                trouble: None,
            });
        }
        "send" => {}
        _ => return Ok(failed(said, 0)),
    }
    let Some(path) = said.path else { return Ok(failed(Said { path: None, ..said }, 0)) };

    let begin = Instant::now();
    let mut words = Collected::new(cancel, begin).up_to(LONGEST_WORD);
    let mark = text::mark();
    let send = ShellScript {
        text: super::exec::text::with_environment(
            &format!("{C_LOCALE}{}", text::send(request, &path, &mark)),
            session.host(),
        ),
        sensitive: !session.host().env.is_empty(),
    };
    let left = allowed.saturating_sub(begin.elapsed());
    let end = session.pipe("send", &send, Some(request.input), (left, GRACE), &mut |stream, bytes| {
        words.take(stream, bytes);
        true
    })?;
    let code = if let End::Exit(code) = end { Some(code) } else { None };
    let output = words.into_output(end);
    let said = Said { path: Some(path), ..Said::read(behind(&output.stdout, &mark), &output.stderr, code) };
    if said.word != "done" {
        return Ok(failed(said, size));
    }
    Ok(Done { outcome: CopyOutcome::Copied, path: said.path, bytes: size, backup: said.detail, trouble: None })
}

/// What stands behind the line `mark`; nothing without one.
fn behind<'a>(stdout: &'a [u8], mark: &str) -> &'a [u8] {
    let line = format!("{mark}\n");
    memchr::memmem::find(stdout, line.as_bytes()).map_or(&[], |at| &stdout[at + line.len()..])
}

/// What one of the two scripts said: a word, a path or another detail, and the complaints of what it ran.
#[derive(Debug, Default)]
struct Said {
    word: String,
    path: Option<String>,
    detail: Option<String>,
    complaint: String,
}

impl Said {
    /// Reads `WORD\nPATH` or, after sending, `WORD\nDETAIL`; a path may hold newlines.
    fn read(stdout: &[u8], stderr: &[u8], code: Option<i32>) -> Self {
        let text = String::from_utf8_lossy(stdout);
        let (word, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let rest = (!rest.is_empty()).then(|| rest.strip_suffix('\n').unwrap_or(rest).to_owned());
        let complaint = String::from_utf8_lossy(stderr);
        let mut complaint: String =
            complaint.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or("").trim().chars().take(300).collect();
        if complaint.is_empty() && word.is_empty() {
            complaint = code.map_or("no exit code".to_owned(), |code| format!("exit code {code}"));
        }
        Self { word: word.to_owned(), path: rest.clone(), detail: rest, complaint }
    }

    fn trouble(&self, request: &CopyRequest<'_>) -> Trouble {
        let path = self.path.as_deref().unwrap_or(&request.destination);
        let (what, hint) = match self.word.as_str() {
            "no-directory" => (format!("there is no directory for {path}"), Some("make it with --parents")),
            "no-parents" => (format!("cannot make the directory for {path}"), None),
            "directory" => (format!("{path} is a directory"), Some("end the path with / to copy into it")),
            "special" => (format!("{path} is no ordinary file"), None),
            "denied" => (
                format!("no permission to write in the directory of {path}"),
                Some("log in as another user (hosts.NAME.user), or choose another place"),
            ),
            "write" => (format!("cannot write beside {path}"), Some("is there enough space? see `df` there")),
            "short" => (format!("{path} did not arrive whole; the old file is as it was"), Some("run it again")),
            "sum" => (
                format!("what arrived for {path} has another checksum; the old file is as it was"),
                Some("was the file changed while it was sent? run it again"),
            ),
            "mode" => (format!("cannot set the mode of {path}"), None),
            "owner" => (format!("cannot set the owner of {path}"), Some("only root may give files away")),
            "backup" => (format!("cannot keep the old {path}"), None),
            "move" => (format!("cannot put {path} in place"), None),
            _ => ("the host did not say what it did".to_owned(), Some("the account needs a POSIX shell as `sh`")),
        };
        let cause = if self.complaint.is_empty() { what } else { format!("{what}: {}", self.complaint) };
        Trouble::failed(cause, hint.map(str::to_owned))
    }
}
