//! Asking the hosts what runs, and remembering it for those that will not answer.
//!
//! Boundary: one exec per host; the words are `docker`'s, the wire is `fleet`'s. Next: `list` and `get` make answers of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{
    Context, Trouble, TroubleKind,
    act::images,
    change::{
        Ownership, ownership,
        replace::{self, Pair},
    },
    on_demand,
    outdated::{self, IMAGE_MOVED},
    registered::{Registered, say},
};
use crate::{
    config::{
        state::{Record, State},
        store::StoreError,
    },
    docker::{
        command,
        failure::{is_missing, is_same_warning, others},
        inspect::{Container, Image, parse, parse_images, short_id},
        replacement::{previous_name, rollback_name},
        status::{LookTime, report},
    },
    domain::{Host, Instance, InstanceState, ServerStatus, Status},
    error::Exit,
    fleet::Session,
    transport::{
        lease::{self, Taken},
        presence::{HostClock, TELL_TIME, told_time},
        script::{Script, Section, SectionId},
    },
};

/// Deadline of an exec that only looks, unless the host or the user says otherwise.
pub const LOOK_ALLOWED: Duration = Duration::from_secs(30);

/// The containers of one host, by name.
#[derive(Debug, Clone)]
pub struct Observation {
    containers: BTreeMap<String, Container>,
    clock: Option<HostClock>,
    at: LookTime,
    images: Option<Vec<Image>>,
    /// What the host's words for docker print on stderr besides: warnings.
    warnings: Vec<String>,
}

impl Observation {
    /// The container called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Container> {
        self.containers.get(name)
    }

    /// The same with the answer to [`ask_images`].
    pub(super) fn with_images(self, section: Option<&Section>) -> Self {
        let images = section.map(|section| parse_images(&section.stdout_text()));
        Self { images, ..self }
    }

    /// The images that were asked for; `None` when none were.
    pub(super) fn images(&self) -> Option<&[Image]> {
        self.images.as_deref()
    }

    /// The same without the container with this id, which has gone since.
    #[must_use]
    pub(super) fn without(mut self, id: &str) -> Self {
        self.containers.retain(|_, container| container.id != id);
        self
    }

    /// The container with this id.
    #[must_use]
    pub fn with_id(&self, id: &str) -> Option<&Container> {
        self.containers.values().find(|container| container.id == id)
    }

    /// The lines of `log`, both streams of a docker command in one, without the warnings that docker prints before them.
    pub fn without_warnings<'l>(&self, log: &'l str) -> impl Iterator<Item = &'l str> {
        log.lines().skip_while(|line| self.warnings.iter().any(|warning| is_same_warning(warning, line)))
    }

    /// The host's clock at that look, where it was asked and told.
    #[must_use]
    pub fn clock(&self) -> Option<&HostClock> {
        self.clock.as_ref()
    }

    /// When the host looked, by its clock and by this machine's.
    #[must_use]
    pub fn at(&self) -> LookTime {
        self.at
    }

    /// The time for marks that are compared with times of the host's containers: its own, where it is known.
    #[must_use]
    pub fn host_time(&self) -> Timestamp {
        self.at.host.unwrap_or(self.at.here)
    }
}

#[cfg(test)]
impl Default for Observation {
    /// A look that found nothing.
    fn default() -> Self {
        let at = LookTime { here: Timestamp::UNIX_EPOCH, host: None };
        Self { containers: BTreeMap::new(), clock: None, at, images: None, warnings: vec![] }
    }
}

/// What a look asks for besides.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wants {
    /// Who acts on the containers now.
    pub(super) leases: bool,
    /// Which images of the registered strings are missing.
    pub(super) images: bool,
}

/// Looks in one exec at the containers of `registered`, at the host's clock, and at what is wanted besides: the leases of others, and
/// the images that are missing.
pub(super) fn look<'r>(
    session: &mut Session<'_>,
    registered: &'r [Registered<'_>],
    wants: Wants,
) -> Result<(Observation, Taken, Vec<&'r str>), Trouble> {
    let mut script = Script::new();
    let clock = HostClock::ask(&mut script);
    let names: Vec<&str> = registered.iter().map(|r| r.container.as_str()).collect();
    // Before the containers: what is free then is not acted on, and what is taken later is seen when leases are taken.
    let leases = wants.leases.then(|| lease::list_on(&mut script, &names));
    let id = ask(&mut script, session, registered);
    let images = wants.images.then(|| images::ask(&mut script, session, registered));
    let asked = Instant::now();
    let sections = session.exec("look", &script, LOOK_ALLOWED).map_err(|e| Trouble::host(&e, session.host()))?;
    let clock = sections.get(clock).and_then(|section| HostClock::read(section, asked));
    let held = leases.and_then(|id| sections.get(id)).map(lease::listed).unwrap_or_default();
    let held = held.into_iter().map(|lease| (lease.container.clone(), lease)).collect();
    let missing = images.map(|id| images::read(sections.get(id), registered)).unwrap_or_default();
    let seen = Observation { clock, ..read(sections.get(id), registered, Timestamp::now())? };
    Ok((seen, Taken { held, trouble: None }, missing))
}

/// The shell text of a look at `containers`: the host's clock on a line of its own, then docker's answer; read by [`read`].
pub(super) fn question<S: AsRef<str>>(containers: impl IntoIterator<Item = S>, host: &Host) -> String {
    let containers: Vec<S> = containers.into_iter().collect();
    // Docker refuses to look at none, which happens where all servers of a host are on demand.
    let look = if containers.is_empty() { ":".to_owned() } else { say(&command::inspect(containers), host) };
    format!("{TELL_TIME}; {look}")
}

/// Adds the question that [`read`] reads the answer of.
pub(super) fn ask(script: &mut Script, session: &Session<'_>, registered: &[Registered<'_>]) -> SectionId {
    script.export(&session.host().env);
    script.run(&question(names(registered), session.host()))
}

/// The names under which the containers of `registered` may be: their own, and those of what was set aside for them. That there is no
/// container of a name costs docker next to nothing.
pub(super) fn names(registered: &[Registered<'_>]) -> impl Iterator<Item = String> {
    let own = || containers(registered);
    own().map(str::to_owned).chain(own().map(previous_name)).chain(own().map(rollback_name))
}

/// The names of the containers of `registered`; a server on demand has none.
fn containers<'r>(registered: &'r [Registered<'_>]) -> impl Iterator<Item = &'r str> {
    registered.iter().filter(|r| !r.run.is_on_demand()).map(|r| r.container.as_str())
}

/// Adds the question which images the registered names stand for on that host now, read by [`Observation::with_images`]; none where no
/// name is known before the host's shell runs. What is not there is left out.
pub(super) fn ask_images(script: &mut Script, host: &Host, registered: &[Registered<'_>]) -> Option<SectionId> {
    let names = image_names(registered);
    let ask = || script.run(&format!("{} 2>/dev/null", say(&command::inspect_images(&names), host)));
    (!names.is_empty()).then(ask)
}

/// The names of the registered images, each once; not those that the host's shell makes.
pub(super) fn image_names<'r>(registered: &'r [Registered<'_>]) -> BTreeSet<&'r str> {
    registered.iter().filter(|r| !r.run.image_is_unresolved()).map(|r| r.run.image()).collect()
}

/// Reads the answer to [`question`] about the containers of `registered`, as [`read_of`].
///
/// # Errors
/// As [`read_of`].
pub(super) fn read(
    section: Option<&Section>,
    registered: &[Registered<'_>],
    here: Timestamp,
) -> Result<Observation, Trouble> {
    read_of(section, containers(registered), here)
}

/// Reads the answer to [`question`] about the containers `asked` for, by name or id, which came at `here` by this machine's clock. Values
/// come from stdout; stderr counts only for those that stdout lacks: a container that does not exist is no failure, whatever else is
/// printed there.
///
/// # Errors
/// Docker failed: a container is neither shown nor said to be missing; or what it shows cannot be read.
pub(super) fn read_of<'a>(
    section: Option<&Section>,
    asked: impl IntoIterator<Item = &'a str>,
    here: Timestamp,
) -> Result<Observation, Trouble> {
    let Some(section) = section else {
        return Err(Trouble::failed("docker's answer is missing", None));
    };
    let (stdout, stderr) = (section.stdout_text(), section.stderr_text());
    let parsed = parse(&stdout);
    let shows = |word: &str| parsed.as_ref().is_ok_and(|all| all.iter().any(|c| c.name == word || c.id == word));
    let lacks = |word: &str| !shows(word) && !is_missing(&stderr, word);
    if section.exit != Some(0)
        && (section.exit.is_none() || asked.into_iter().any(lacks))
        && let Some(trouble) = Trouble::docker(section.exit, &others(&stderr).collect::<Vec<_>>().join("\n"))
    {
        return Err(trouble);
    }
    let at = LookTime { here, host: told_time(&stdout) };
    let containers = parsed.map_err(|e| {
        let reason = format!("{e}: {}", e.source);
        Trouble::failed(reason, Some("see what it says with `mcp hosts check`".to_owned()))
    })?;
    let containers: BTreeMap<String, Container> = containers.into_iter().map(|c| (c.name.clone(), c)).collect();
    let warnings = others(&stderr).map(str::to_owned).collect();
    Ok(Observation { containers, clock: None, at, images: None, warnings })
}

/// Whether the last end of `container` was `mcp`'s doing.
#[must_use]
pub fn stopped_by_mcp(record: Option<&Record>, container: &Container) -> bool {
    record.is_some_and(|record| {
        record.container_id.as_deref() == Some(container.id.as_str())
            && record.stopped_by.as_ref().is_some_and(|by| container.started_at.is_none_or(|started| started < by.at))
    })
}

/// The exit code that a trouble gives.
#[must_use]
pub fn exit_of(trouble: &Trouble) -> Exit {
    match trouble.kind {
        TroubleKind::Unreachable => Exit::Unreachable,
        TroubleKind::Failed | TroubleKind::Halted => Exit::Failed,
        TroubleKind::Interrupted => Exit::Interrupted,
    }
}

/// The port clients use: the registered one, else the first published one.
#[must_use]
pub fn port(r: &Registered<'_>) -> Option<u16> {
    r.target.server.port.or_else(|| r.run.first_published_port())
}

/// The status of one instance as seen, and what to remember of it.
pub(super) fn status_of(context: &Context<'_>, r: &Registered<'_>, seen: &Observation) -> (ServerStatus, Record) {
    if r.run.is_on_demand() {
        let status = on_demand::status(r);
        return (status.clone(), on_demand::record(status));
    }
    let instance = r.target.instance();
    let previous = context.state.instances.get(&instance);
    let container = seen.get(&r.container);
    let by_mcp = container.is_some_and(|c| stopped_by_mcp(previous, c));
    let mut status = report(&instance.server, &instance.host, container, by_mcp, seen.at);
    let known = previous.and_then(|p| p.container_id.as_deref());
    let elsewhere = match (known, container) {
        // A container that removes itself is gone when it ends.
        (Some(id), None) if renamed_from(r, previous).is_some() => Some(format!(
            "its container had the name {} before ({}); see `mcp list --orphans`",
            renamed_from(r, previous).unwrap_or_default(),
            short_id(id)
        )),
        (Some(id), None) if !r.run.removes_itself() => {
            Some(format!("the one that mcp knew ({}) was removed or renamed", short_id(id)))
        }
        (Some(id), Some(c)) if id != c.id && matches!(ownership(r, previous, c), Ownership::Foreign(_)) => {
            Some("somebody else's, it differs from what is registered".to_owned())
        }
        _ => None,
    };
    if let Some(note) = replace::note(r, previous, Pair::of(seen, r), seen.at().host) {
        status.message = Some(status.message.map_or_else(|| note.clone(), |message| format!("{message}; {note}")));
    }
    // Its replacement is not done with: what was known of it is needed for that.
    let is_aside = Pair::of(seen, r).previous.is_some_and(|c| known == Some(c.id.as_str()));
    // What made the container is only known while it is the same container; that it is gone is said until it is made anew.
    let same =
        previous.filter(|_| elsewhere.is_some() || is_aside || container.is_some_and(|c| known == Some(c.id.as_str())));
    if let Some(container) = container {
        let made = previous.filter(|_| known == Some(container.id.as_str()));
        judge_outdated(&mut status, r, (made.and_then(|p| p.command_hash.as_deref()), previous), container, seen);
    }
    if let Some(what) = &elsewhere {
        status.message = Some(status.message.map_or_else(|| what.clone(), |message| format!("{message}; {what}")));
    }
    let record = Record {
        status: status.clone(),
        container_id: known
            .filter(|_| elsewhere.is_some() || is_aside)
            .or(container.map(|c| c.id.as_str()))
            .map(str::to_owned),
        command_hash: same.and_then(|p| p.command_hash.clone()),
        stopped_by: same.and_then(|p| p.stopped_by.clone()),
        container: previous
            .filter(|_| elsewhere.is_some())
            .map_or_else(|| Some(r.container.clone()), |p| p.container.clone()),
        left: vec![],
    };
    (status, record)
}

/// The name that the container of `r` had, where another is registered now.
fn renamed_from<'p>(r: &Registered<'_>, previous: Option<&'p Record>) -> Option<&'p str> {
    previous.and_then(|p| p.container.as_deref()).filter(|name| *name != r.container)
}

/// Fills in whether `container` is outdated. `made_from` is the hash of the command that it was made with, `previous` what was known
/// before this look.
pub(super) fn judge_outdated(
    status: &mut ServerStatus,
    r: &Registered<'_>,
    (made_from, previous): (Option<&str>, Option<&Record>),
    container: &Container,
    seen: &Observation,
) {
    let same = previous.filter(|p| p.status.container_id.as_deref() == Some(container.id.as_str()));
    let was_moved = same.is_some_and(|p| p.status.outdated_reasons.iter().any(|reason| reason == IMAGE_MOVED));
    let reasons = outdated::reasons(r, made_from, container, seen.images(), was_moved);
    (status.outdated, status.outdated_reasons) = (Some(!reasons.is_empty()), reasons);
}

/// The record of an instance whose host gave no answer by `now` (this machine's clock): unknown, with the cause and what was last known.
#[must_use]
pub fn unanswered(instance: &Instance, record: Option<&Record>, trouble: &Trouble, now: Timestamp) -> ServerStatus {
    let mut status = match record {
        Some(record) => record.status.clone(),
        None => ServerStatus::bare(instance.server.clone(), instance.host.clone(), Status::Unknown, now),
    };
    let last = record.filter(|r| r.status.status != Status::Unknown).map(|r| {
        let seconds = now.as_second().saturating_sub(r.status.last_check.as_second()).max(0);
        format!("; last known {} {seconds} s ago", r.status.status.as_str())
    });
    status.status = Status::Unknown;
    status.state = InstanceState::Unknown;
    status.outdated = None;
    status.outdated_reasons = vec![];
    status.uptime = None;
    status.cpu_usage = None;
    status.gpu_usage = None;
    status.memory_usage = None;
    status.message = Some(format!("{}{}", trouble.cause, last.unwrap_or_default()));
    status
}

/// The status of an instance that was not asked about: what was last known, and how long ago by `now` (this machine's clock); unknown
/// without a record.
#[must_use]
pub fn last_known(instance: &Instance, record: Option<&Record>, trouble: &Trouble, now: Timestamp) -> ServerStatus {
    let Some(record) = record.filter(|r| r.status.status != Status::Unknown) else {
        return unanswered(instance, record, trouble, now);
    };
    let seconds = now.as_second().saturating_sub(record.status.last_check.as_second()).max(0);
    let mut status =
        ServerStatus { uptime: None, cpu_usage: None, gpu_usage: None, memory_usage: None, ..record.status.clone() };
    let known = format!("last known {seconds} s ago");
    status.message = Some(status.message.map_or_else(|| known.clone(), |message| format!("{message}; {known}")));
    status
}

/// Writes what was only looked at into the state: another `mcp` may have changed the same container since this one began, so what
/// it wrote of its making and its stop is kept, and a newer look wins.
pub(super) fn remember_looks(context: &Context<'_>, records: Vec<(Instance, Record)>) -> Vec<String> {
    if records.is_empty() {
        return vec![];
    }
    let now = Timestamp::now();
    let put = |state: &mut State, instance: Instance, mut record: Record| {
        if let Some(fresh) = state.instances.get(&instance) {
            record.inherit(fresh);
            // What is from the future was written while a clock was wrong, and would win until that future comes.
            if fresh.status.last_check > record.status.last_check && fresh.status.last_check <= now {
                return;
            }
            if fresh.container_id == record.container_id {
                record.command_hash.clone_from(&fresh.command_hash);
                record.stopped_by.clone_from(&fresh.stopped_by);
            }
        }
        state.instances.insert(instance, record);
    };
    // Nobody waits for a cache: the next look remembers as much.
    let written = context.workspace.update_state_if_free(|state| {
        hidden(context, records).into_iter().for_each(|(instance, record)| put(state, instance, record));
    });
    warning(written)
}

/// Writes `records` into the state. The hosts are the truth, so trouble with the file is a warning.
pub(super) fn remember(context: &Context<'_>, records: Vec<(Instance, Record)>) -> Vec<String> {
    if records.is_empty() {
        return vec![];
    }
    let put = |state: &mut State, instance: Instance, mut record: Record| {
        if let Some(earlier) = state.instances.get(&instance) {
            record.inherit(earlier);
        }
        state.instances.insert(instance, record);
    };
    warning(context.workspace.update_state(|state| {
        hidden(context, records).into_iter().for_each(|(instance, record)| put(state, instance, record));
    }))
}

/// `records` without secrets: what docker says of a container may quote its command line.
fn hidden(context: &Context<'_>, records: Vec<(Instance, Record)>) -> Vec<(Instance, Record)> {
    let secrets = context.workspace.secrets();
    let hide = |(instance, mut record): (Instance, Record)| {
        record.status.message = record.status.message.map(|message| secrets.hide(&message).into_owned());
        (instance, record)
    };
    records.into_iter().map(hide).collect()
}

pub(super) fn warning<T>(written: Result<T, StoreError>) -> Vec<String> {
    let text = |error: StoreError| {
        let why = std::error::Error::source(&error).map_or_else(String::new, |source| format!(": {source}"));
        format!("the state was not written: {error}{why}")
    };
    written.err().map(text).into_iter().collect()
}
