//! Servers for single connections over standard input and output (`docker run -i --rm IMAGE`): there is no container to start, so a
//! start checks that the image is there, and nothing is looked for by name.
//!
//! Boundary: what a change means for them, and their status. Making connections is not done yet.

use jiff::Timestamp;

use super::{
    InstanceReport, Outcome, Trouble, Verb,
    act::images,
    registered::{Registered, say},
    select::Target,
};
use crate::{
    config::state::Record,
    docker::{command, run_string::RunString},
    domain::{Docker, InstanceState, ServerStatus, Status},
    fleet::{HostError, Session},
};

/// Said of one that is ready.
const READY: &str = "on demand: one container for each connection; connections come with a later version";

/// The command that fails where the image of `r` is missing; `None` where the host's shell decides the image.
#[must_use]
pub(super) fn image_check(r: &Registered<'_>) -> Option<String> {
    (!r.run.image_is_unresolved()).then(|| say(&command::images_exist([r.run.image()]), r.target.host))
}

/// The status of `r` as far as it is known without a connection.
#[must_use]
pub(super) fn status(r: &Registered<'_>) -> ServerStatus {
    let instance = r.target.instance();
    let mut status = ServerStatus::bare(instance.server, instance.host, Status::Stopped, Timestamp::now());
    status.image = (!r.run.image_is_unresolved()).then(|| r.run.image().to_owned());
    status.state = InstanceState::OnDemand;
    status.message = Some("on demand: one container for each connection".to_owned());
    status
}

/// The targets that have a log, and the names of those on demand that were left out, unless there are only such.
#[must_use]
pub fn with_logs(targets: Vec<Target<'_>>) -> (Vec<Target<'_>>, Vec<String>) {
    let is_on_demand =
        |target: &Target<'_>| RunString::parse(&target.server.command).is_ok_and(|run| run.is_on_demand());
    if targets.iter().all(is_on_demand) {
        return (targets, vec![]);
    }
    let (out, kept): (Vec<_>, Vec<_>) = targets.into_iter().partition(is_on_demand);
    (kept, out.iter().map(|target| target.instance().to_string()).collect())
}

/// What is remembered of `status`.
#[must_use]
pub(super) fn record(status: ServerStatus) -> Record {
    Record { status, container_id: None, command_hash: None, stopped_by: None, container: None, left: vec![] }
}

/// Carries `verb` out for `registered`, all of them on demand and on one host, in one exec; a stop needs none.
pub(super) fn change(
    session: &mut Session<'_>,
    registered: &[Registered<'_>],
    verb: Verb,
) -> Result<Vec<(InstanceReport, Option<Record>)>, HostError> {
    let host = session.host();
    if verb == Verb::Stop || host.docker == Docker::Absent {
        return Ok(registered
            .iter()
            .map(|r| row(r, Ok("on demand: no container runs without a connection")))
            .collect());
    }
    let lacking = images::look(session, "look for images", registered)?;
    let found = registered.iter().map(|r| match &lacking {
        Err(trouble) => row(r, Err(trouble.clone())),
        Ok(lacking) if lacking.contains(&r.run.image()) => row(r, Err(missing(r))),
        Ok(_) => row(r, Ok(READY)),
    });
    Ok(found.collect())
}

/// The image of `r` is not on its host.
pub(super) fn missing(r: &Registered<'_>) -> Trouble {
    let (image, name) = (r.run.image(), &r.target.server.name);
    Trouble::failed(
        format!("the image {image} is not on {}", r.target.host.name),
        Some(format!("pull it with `mcp pull {name}`")),
    )
}

fn row(r: &Registered<'_>, done: Result<&str, Trouble>) -> (InstanceReport, Option<Record>) {
    let status = status(r);
    let record = record(status.clone());
    let (outcome, note, error) = match done {
        Ok(note) => (Outcome::Unchanged, Some(note.to_owned()), None),
        Err(trouble) => (Outcome::Failed, None, Some(trouble)),
    };
    let report = InstanceReport {
        name: status.name.clone(),
        host: status.host.clone(),
        outcome,
        action: None,
        note,
        status: Some(status),
        error,
    };
    (report, Some(record))
}
