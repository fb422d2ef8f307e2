//! `mcp pull`: the images of servers on their hosts, each once per host.
//!
//! Boundary: one exec per host. Next: `act::images` pulls what a container that is to be made lacks.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{
    Context, Trouble, TroubleKind,
    context::Answer,
    observe::exit_of,
    recorder::{Recorder, word},
    registered::{Registered, say},
    run::options_of,
    select::Target,
};
use crate::{
    config::{
        journal::{Begin, Done, End, RunId, Target as Written, Targets},
        store::origin::Origin,
    },
    docker::{command, shell::quote},
    domain::{Host, HostName, Instance, ServerName},
    error::{CommandError, Exit},
    fleet::{HostError, Rolling, Session},
    transport::script::{Script, Section},
};

/// The verb of a pull in the journal.
pub const VERB: &str = "pull";

/// Deadline of the exec that pulls, unless the host or the user says otherwise: images of some GB come over slow lines.
pub(super) const PULL_ALLOWED: Duration = Duration::from_secs(1800);

/// Images of one host that are pulled at once. docker reads three layers of each at once.
pub(super) const AT_ONCE: usize = 3;

/// Result of one image on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PullOutcome {
    /// The host has another image than before.
    Pulled,
    /// The host had it.
    Unchanged,
    /// It could not be pulled.
    Failed,
    /// The host gave no answer.
    Unreachable,
    /// The run was interrupted before this host.
    NotAttempted,
}

/// One image on one host.
#[derive(Debug, Clone, Serialize)]
pub struct PullRow {
    /// The host.
    pub host: HostName,
    /// The image as registered.
    pub image: String,
    /// The servers of this host that use it.
    pub servers: Vec<ServerName>,
    /// The result.
    pub outcome: PullOutcome,
    /// Id of the image that the name had before; null without one.
    pub previous_id: Option<String>,
    /// Id of the image that the name has now; null without one.
    pub image_id: Option<String>,
    /// How long its host took, in seconds.
    pub seconds: f64,
    /// What went wrong.
    pub error: Option<Trouble>,
}

/// The result of `mcp pull`.
#[derive(Debug, Clone, Serialize)]
pub struct PullReport {
    /// `pull`.
    pub verb: &'static str,
    /// By host in inventory order, then by image.
    pub images: Vec<PullRow>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// Its id in the journal; null when it could not be written there.
    pub run: Option<String>,
}

impl PullReport {
    /// How many rows have `outcome`.
    #[must_use]
    pub fn count(&self, outcome: PullOutcome) -> usize {
        self.images.iter().filter(|row| row.outcome == outcome).count()
    }

    /// The exit code of the whole.
    #[must_use]
    pub fn exit(&self) -> Exit {
        let interrupted = if self.interrupted { Exit::Interrupted } else { Exit::Ok };
        let of_row = |row: &PullRow| row.error.as_ref().map_or(Exit::Ok, exit_of);
        self.images.iter().fold(interrupted, |exit, row| exit.or(of_row(row)))
    }
}

/// One image of one host, with the servers that use it and what pulls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) image: String,
    /// The image as one word of the host's shell.
    word: String,
    command: String,
    pub(super) servers: Vec<ServerName>,
}

/// The images of one host's servers, each once for each string that pulls it.
pub(super) fn images(registered: &[Registered<'_>]) -> Vec<Image> {
    let mut found: BTreeMap<(String, String), Image> = BTreeMap::new();
    for r in registered {
        let (image, command) = (r.run.image().to_owned(), r.pull_command());
        let new = || Image { image: image.clone(), word: image_word(r), command: command.clone(), servers: vec![] };
        let entry = found.entry((image.clone(), command.clone())).or_insert_with(new);
        entry.servers.push(r.target.server.name.clone());
    }
    found.into_values().collect()
}

/// The image of `r` as one word of its host's shell, which expands what the registered string leaves to it.
fn image_word(r: &Registered<'_>) -> String {
    if r.run.image_is_unresolved() { r.run.image_word().to_owned() } else { quote(r.run.image()) }
}

/// What pulls `image` and prints its id before and after, each on a line.
fn pull(image: &Image, host: &Host) -> String {
    let id = format!("{} {} 2>/dev/null", say(&command::image_id(), host), image.word);
    // A string that succeeds without bringing the image, such as one that pulls another, has not pulled it.
    format!(
        "mcp_a=$({id}); {{ {}\n}} </dev/null >/dev/null; mcp_c=$?; mcp_b=$({id}); printf '%s\\n%s\\n' \"$mcp_a\" \"$mcp_b\"; (exit $mcp_c)",
        image.command
    )
}

/// How a run pulls.
#[derive(Debug)]
pub struct PullOrder {
    /// `--forks`, where it was given.
    pub forks: Option<u16>,
    /// `--timeout`, where it was given.
    pub timeout: Option<Duration>,
    /// The run whose rest this is.
    pub parent: Option<RunId>,
    /// The person and process behind it.
    pub origin: Origin,
}

/// Pulls the images of `targets`, which are in inventory order, and writes the run into the journal.
///
/// # Errors
/// Only when nothing could be begun; what happens on hosts is in the report.
pub fn run(
    context: &Context<'_>,
    targets: &[Target<'_>],
    order: PullOrder,
) -> Result<(PullReport, Vec<String>), CommandError> {
    let begin = Instant::now();
    let instances = Targets::Instances(targets.iter().map(Target::instance).collect());
    let options = options_of(&Rolling::default(), order.forks, order.timeout);
    let recorder =
        Recorder::begin(context.workspace, Begin { options, ..order.origin.begin(VERB, order.parent, instances) });
    let done: Mutex<BTreeSet<HostName>> = Mutex::default();
    let answers = context.on_each_host(targets, |session, registered| {
        if context.fleet.cancel.is_draining() {
            return Err(HostError::NotAttempted);
        }
        recorder.attempt(registered.iter().map(|r| r.target.instance()).collect());
        let rows = on_host(session, registered)?;
        recorder.done(lines(&rows));
        done.lock().unwrap_or_else(PoisonError::into_inner).insert(session.host().name.clone());
        Ok(rows)
    });
    let answers = match answers {
        Ok(answers) => answers,
        Err(error) => {
            let end = End { exit: error.exit.code(), counts: BTreeMap::new(), interrupted: false, halted: None };
            let _ = recorder.end(end);
            return Err(error);
        }
    };
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    let images: Vec<PullRow> = answers.into_iter().flat_map(rows_of).collect();
    let unwritten: Vec<PullRow> = images
        .iter()
        .filter(|row| !done.contains(&row.host) && row.outcome != PullOutcome::NotAttempted)
        .cloned()
        .collect();
    recorder.done(lines(&unwritten));
    let mut report = PullReport {
        verb: VERB,
        images,
        seconds: begin.elapsed().as_secs_f64(),
        interrupted: context.fleet.cancel.is_draining(),
        run: recorder.id().map(ToString::to_string),
    };
    let hint = report.run.as_ref().map(|run| format!("`mcp resume {run}` pulls the rest"));
    for trouble in report.images.iter_mut().filter_map(|row| row.error.as_mut()) {
        if trouble.kind == TroubleKind::Interrupted {
            trouble.hint.clone_from(&hint);
        }
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for row in &report.images {
        *counts.entry(word(row.outcome)).or_default() += 1;
    }
    let end = End { exit: report.exit().code(), counts, interrupted: report.interrupted, halted: None };
    let warnings = recorder.end(end).into_iter().collect();
    Ok((report, warnings))
}

/// The rows of one host, which may have given no answer.
fn rows_of((host, registered, result): Answer<'_, Vec<PullRow>>) -> Vec<PullRow> {
    let error = match result {
        Ok(rows) => return rows,
        Err(error) => error,
    };
    let trouble = Trouble::host(&error, host);
    let outcome = match trouble.kind {
        TroubleKind::Unreachable => PullOutcome::Unreachable,
        TroubleKind::Failed => PullOutcome::Failed,
        TroubleKind::Interrupted | TroubleKind::Halted => PullOutcome::NotAttempted,
    };
    let row = |image: Image| PullRow {
        host: host.name.clone(),
        image: image.image,
        servers: image.servers,
        outcome,
        previous_id: None,
        image_id: None,
        seconds: 0.0,
        error: Some(trouble.clone()),
    };
    images(&registered).into_iter().map(row).collect()
}

fn on_host(session: &mut Session<'_>, registered: &[Registered<'_>]) -> Result<Vec<PullRow>, HostError> {
    let (host, begin) = (session.host(), Instant::now());
    let images = images(registered);
    let mut script = Script::new();
    script.export(&host.env);
    let codes: Vec<String> = images.iter().map(|image| pull(image, host)).collect();
    let ids = script.side_by_side(&codes, AT_ONCE);
    let sections = session.exec(VERB, &script, PULL_ALLOWED)?;
    let rows = images.into_iter().zip(ids);
    Ok(rows.map(|(image, id)| row(host, image, sections.get(id), begin.elapsed())).collect())
}

fn row(host: &Host, image: Image, section: Option<&Section>, elapsed: Duration) -> PullRow {
    let text = section.map(Section::stdout_text).unwrap_or_default();
    let mut ids = text.lines().map(|line| Some(line.trim().to_owned()).filter(|id| !id.is_empty()));
    let (previous_id, image_id) = (ids.next().flatten(), ids.next().flatten());
    let error = match section {
        None => Some(Trouble::failed("docker's answer is missing", Some("run the same command again".to_owned()))),
        Some(section) => Trouble::docker(section.exit, &section.stderr_text()).or_else(|| {
            let cause = format!("the pull string succeeded, and there is no image {} on this host", image.image);
            let hint = "correct the image's name in `pull` or in `command` of the server".to_owned();
            image_id.is_none().then(|| Trouble::failed(cause, Some(hint)))
        }),
    };
    let outcome = match &error {
        Some(_) => PullOutcome::Failed,
        None if previous_id == image_id => PullOutcome::Unchanged,
        None => PullOutcome::Pulled,
    };
    PullRow {
        host: host.name.clone(),
        image: image.image,
        servers: image.servers,
        outcome,
        previous_id,
        image_id,
        seconds: elapsed.as_secs_f64(),
        error,
    }
}

/// The journal's lines of `rows`: one for each instance.
fn lines(rows: &[PullRow]) -> Vec<Done> {
    let lines = rows.iter().flat_map(|row| {
        row.servers.iter().map(move |server| Done {
            target: Written::Instance(Instance { server: server.clone(), host: row.host.clone() }),
            // The journal's own words: what is left of a run is told by them.
            outcome: match row.outcome {
                PullOutcome::Pulled => "changed".to_owned(),
                other => word(other),
            },
            exit_code: None,
            action: (row.outcome == PullOutcome::Pulled).then(|| "pulled".to_owned()),
            seconds: row.seconds,
            cause: row.error.as_ref().map(|error| Done::cause(&error.cause)),
        })
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::domain::{Connection, Docker, Server};

    fn server(name: &str, command: &str, pull: Option<&str>) -> Server {
        Server {
            pull: pull.map(str::to_owned),
            ..Server::new(ServerName::new(name).unwrap(), command, vec!["edge-1".to_owned()])
        }
    }

    fn host(words: &str) -> Host {
        let name = HostName::new("edge-1").unwrap();
        Host { docker: Docker::Words(words.to_owned()), ..Host::new(name, Connection::Local) }
    }

    #[test]
    fn an_image_of_several_servers_is_pulled_once_and_another_string_is_another_pull() {
        let servers = [
            server("a", "docker run -d --name aa acme/x:1", None),
            server("b", "docker run -d --name bb acme/x:1", None),
            server("c", "docker run -d --name cc acme/x:1", Some("docker login r && docker pull acme/x:1")),
            server("d", "docker run -d --name dd acme/x:2", None),
        ];
        let host = host("sudo docker");
        let targets: Vec<Target<'_>> = servers.iter().map(|server| Target { server, host: &host }).collect();
        let found = images(&Registered::all(&targets).unwrap());
        let gist: Vec<(String, String, usize)> =
            found.into_iter().map(|i| (i.image, i.command, i.servers.len())).collect();
        let expected = [
            ("acme/x:1", "sudo docker login r && sudo docker pull acme/x:1", 1),
            ("acme/x:1", "sudo docker pull acme/x:1", 2),
            ("acme/x:2", "sudo docker pull acme/x:2", 1),
        ];
        assert_eq!(gist, expected.map(|(image, command, count)| (image.to_owned(), command.to_owned(), count)));
    }

    #[test]
    fn a_row_is_told_from_the_ids_before_and_after_and_from_how_it_ended() {
        let image = Image { image: "x".into(), word: "x".into(), command: "docker pull x".into(), servers: vec![] };
        for (stdout, exit, stderr, outcome) in [
            ("\nsha256:b\n", 0, "", PullOutcome::Pulled),
            ("sha256:a\nsha256:b\n", 0, "", PullOutcome::Pulled),
            ("sha256:a\nsha256:a\n", 0, "", PullOutcome::Unchanged),
            ("\n\n", 0, "", PullOutcome::Failed),
            ("sha256:a\nsha256:a\n", 1, "Error response from daemon: manifest unknown", PullOutcome::Failed),
        ] {
            let section = Section { exit: Some(exit), stdout: stdout.into(), stderr: stderr.into() };
            let row = row(&host("docker"), image.clone(), Some(&section), Duration::ZERO);
            assert_eq!(row.outcome, outcome, "{stdout:?}");
            assert_eq!(row.error.is_some(), outcome == PullOutcome::Failed);
        }
    }
}
