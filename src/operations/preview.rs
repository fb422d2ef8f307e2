//! The plan of a change: what each instance needs now, asked of the hosts and not carried out.
//!
//! Boundary: one exec per host that only reads; no lease, no state, no journal. The decisions are `change`'s, the strings the same as
//! those that run. Next: `dry_run` for the strings without asking a host.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    Context, Trouble, Verb,
    act::images,
    change::{
        Decision, Options, Ownership, ownership,
        replace::{self, Pair},
    },
    forget::{Force, Forgotten},
    observe::{self, LOOK_ALLOWED, exit_of},
    on_demand, pull,
    registered::{Registered, say},
    select::Target,
    twins,
};
use crate::{
    config::state::Record,
    docker::{
        command,
        inspect::{Container, ContainerState},
    },
    domain::{HostName, Instance, ServerName, ServerStatus},
    error::{CommandError, Exit},
    transport::script::Script,
};

/// What would be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedAction {
    /// Run the registered string.
    Create,
    /// Start the stopped container.
    Start,
    /// Stop and start the container.
    Restart,
    /// Remove the container and run the registered string.
    Replace,
    /// Stop the container.
    Stop,
    /// Give the previous container its place again.
    RollBack,
    /// Remove the container.
    Remove,
    /// Pull the image.
    Pull,
    /// Nothing.
    Nothing,
    /// Nothing, because it would do harm.
    Refuse,
    /// The host gave no answer.
    Unknown,
}

impl PlannedAction {
    /// The word shown for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Start => "start",
            Self::Restart => "restart",
            Self::Replace => "replace",
            Self::Stop => "stop",
            Self::RollBack => "roll back",
            Self::Remove => "remove",
            Self::Pull => "pull",
            Self::Nothing => "nothing",
            Self::Refuse => "refuse",
            Self::Unknown => "unknown",
        }
    }
}

/// One instance's row of a [`PlanReport`].
#[derive(Debug, Clone, Serialize)]
pub struct PlanRow {
    /// The server; of a pull, the first one that uses the image.
    pub name: ServerName,
    /// The host.
    pub host: HostName,
    /// What would be done.
    pub action: PlannedAction,
    /// Why.
    pub reason: String,
    /// Whether the image is missing, so that it has to be pulled first.
    pub pulls: bool,
    /// The string that would run; null when none would.
    pub command: Option<String>,
    /// The status now; null where it was not asked or not learnt.
    pub status: Option<ServerStatus>,
    /// Why it would be refused, or why the host gave no answer.
    pub error: Option<Trouble>,
}

/// What a run would do.
#[derive(Debug, Clone, Serialize)]
pub struct PlanReport {
    /// The verb.
    pub verb: &'static str,
    /// In inventory order, then by name.
    pub instances: Vec<PlanRow>,
    /// The hosts of each batch; one batch without batches.
    pub batches: Vec<Vec<HostName>>,
}

impl PlanReport {
    /// The exit code: that of the refusals and of the hosts that gave no answer.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.instances.iter().filter_map(|row| row.error.as_ref()).fold(Exit::Ok, |exit, error| exit.or(exit_of(error)))
    }
}

/// The plan of `verb` for `targets`, which are in inventory order.
///
/// # Errors
/// Only when nothing could be begun; a host that gives no answer is rows.
pub fn change(
    context: &Context<'_>,
    targets: &[Target<'_>],
    (verb, options): (Verb, Options),
    batches: Vec<Vec<HostName>>,
) -> Result<PlanReport, CommandError> {
    let (kept, twins) = twins::split(targets);
    let answers = context.on_each_host(&kept, |session, registered| {
        let mut script = Script::new();
        let look = observe::ask(&mut script, session, registered);
        let images = (verb != Verb::Stop).then(|| images::ask(&mut script, session, registered));
        let sections = session.exec("plan", &script, LOOK_ALLOWED)?;
        let missing = images.map(|id| images::read(sections.get(id), registered)).unwrap_or_default();
        Ok(observe::read(sections.get(look), registered, Timestamp::now()).map(|seen| {
            let row = |r: &Registered<'_>| {
                if r.run.is_on_demand() {
                    let row = nothing(&r.target.instance(), "on demand; no container is started".to_owned());
                    let status = Some(observe::status_of(context, r, &seen).0);
                    let lacks = missing.contains(&r.run.image());
                    let error = lacks.then(|| on_demand::missing(r));
                    let action = if lacks { PlannedAction::Refuse } else { row.action };
                    return PlanRow { action, status, error, ..row };
                }
                let container = seen.get(&r.container);
                let record = context.state.instances.get(&r.target.instance());
                let decision = replace::decide(verb, options, r, record, Pair::of_verb(verb, &seen, r), seen.at().host);
                let never = images::never_pulled(r, &missing).filter(|_| images::is_needed(&decision));
                let decision = never.map_or(decision, Decision::Refuse);
                let mut row = planned(r, &decision, reason(verb, options, r, record, container, &decision));
                row.status = Some(observe::status_of(context, r, &seen).0);
                row.pulls = images::is_needed(&decision) && images::is_pulled(r, &missing);
                row
            };
            registered.iter().map(row).collect::<Vec<_>>()
        }))
    })?;
    let mut instances = vec![];
    for (host, registered, result) in answers {
        match result.map_err(|error| Trouble::host(&error, host)).and_then(|inner| inner) {
            Ok(rows) => instances.extend(rows),
            Err(trouble) => instances.extend(registered.iter().map(|r| unanswered(&r.target.instance(), &trouble))),
        }
    }
    instances.extend(twins.iter().map(|twin| nothing(&twin.target.instance(), twin.note())));
    let place = |row: &PlanRow| context.inventory.hosts().iter().position(|host| host.name == row.host);
    instances.sort_by_cached_key(|row| (place(row), row.name.clone()));
    Ok(PlanReport { verb: verb.as_str(), instances, batches })
}

/// The plan of a pull for `targets`.
///
/// # Errors
/// As [`change`].
pub fn pull(context: &Context<'_>, targets: &[Target<'_>]) -> Result<PlanReport, CommandError> {
    let answers = context.on_each_host(targets, |session, registered| {
        let missing = images::look(session, "plan", registered)?;
        Ok(missing.map(|missing| missing.into_iter().map(str::to_owned).collect::<Vec<_>>()))
    })?;
    let mut instances = vec![];
    for (host, registered, result) in answers {
        let missing = result.map_err(|error| Trouble::host(&error, host)).and_then(|inner| inner);
        for image in pull::images(&registered) {
            let Some(first) = registered.iter().find(|r| image.servers.first() == Some(&r.target.server.name)) else {
                continue;
            };
            match &missing {
                Err(trouble) => instances.push(unanswered(&first.target.instance(), trouble)),
                Ok(missing) => {
                    let is_missing = missing.iter().any(|image| image == first.run.image());
                    let what = if is_missing { "missing on this host" } else { "the registry may have a newer one" };
                    instances.push(PlanRow {
                        action: PlannedAction::Pull,
                        reason: format!("{}: {what}", image.image),
                        pulls: is_missing,
                        command: Some(first.pull_command()),
                        ..nothing(&first.target.instance(), String::new())
                    });
                }
            }
        }
    }
    Ok(PlanReport { verb: pull::VERB, instances, batches: vec![] })
}

/// The plan of a removal from `results`, which were looked at and not carried out.
#[must_use]
pub fn removal(targets: &[Target<'_>], force: Force, results: &[(Instance, Forgotten)]) -> PlanReport {
    let row = |(instance, forgotten): &(Instance, Forgotten)| {
        let registered = targets.iter().find(|t| t.instance() == *instance).and_then(|t| Registered::new(*t).ok());
        let command = registered.map(|r| {
            let remove = say(&command::force_remove(&r.container), r.target.host);
            if force.stop { format!("{} && {remove}", r.stop_command()) } else { remove }
        });
        let refused = |cause: &str, hint: &str| PlanRow {
            action: PlannedAction::Refuse,
            error: Some(Trouble::failed(cause, Some(hint.to_owned()))),
            ..nothing(instance, cause.to_owned())
        };
        match forgotten {
            Forgotten::NoContainer => PlanRow {
                action: PlannedAction::Remove,
                ..nothing(instance, "no container; the server is unregistered".to_owned())
            },
            Forgotten::Removed => PlanRow {
                action: PlannedAction::Remove,
                command,
                ..nothing(instance, "the server is unregistered".to_owned())
            },
            Forgotten::Runs => refused("it runs", "--stop stops and removes it, --keep leaves it running"),
            Forgotten::Foreign => refused(
                "its container was made by others and differs from the registered string",
                "--keep leaves it as it is, --foreign removes it",
            ),
            Forgotten::Kept => nothing(instance, "its server is refused on another host".to_owned()),
            Forgotten::Trouble(trouble) => unanswered(instance, trouble),
        }
    };
    PlanReport { verb: "remove", instances: results.iter().map(row).collect(), batches: vec![] }
}

fn nothing(instance: &Instance, reason: String) -> PlanRow {
    PlanRow {
        name: instance.server.clone(),
        host: instance.host.clone(),
        action: PlannedAction::Nothing,
        reason,
        pulls: false,
        command: None,
        status: None,
        error: None,
    }
}

fn unanswered(instance: &Instance, trouble: &Trouble) -> PlanRow {
    let row = nothing(instance, trouble.cause.clone());
    PlanRow { action: PlannedAction::Unknown, error: Some(trouble.clone()), ..row }
}

fn planned(r: &Registered<'_>, decision: &Decision, reason: String) -> PlanRow {
    let (action, error) = match decision {
        Decision::Leave(_) => (PlannedAction::Nothing, None),
        Decision::Create => (PlannedAction::Create, None),
        Decision::Start | Decision::Unpause => (PlannedAction::Start, None),
        Decision::Replace | Decision::StopAndReplace | Decision::Complete => (PlannedAction::Replace, None),
        Decision::Finish(_) => (PlannedAction::Remove, None),
        Decision::RollBack | Decision::PutBack { .. } => (PlannedAction::RollBack, None),
        Decision::Stop => (PlannedAction::Stop, None),
        Decision::Restart => (PlannedAction::Restart, None),
        Decision::Refuse(trouble) => (PlannedAction::Refuse, Some(trouble.clone())),
    };
    PlanRow { action, command: decision.shown(r), error, ..nothing(&r.target.instance(), reason) }
}

/// Why `decision` was made.
fn reason(
    verb: Verb,
    options: Options,
    r: &Registered<'_>,
    record: Option<&Record>,
    container: Option<&Container>,
    decision: &Decision,
) -> String {
    match decision {
        Decision::Complete | Decision::Finish(_) => return "a replacement was interrupted".to_owned(),
        Decision::RollBack | Decision::PutBack { .. } => return "the previous container is there".to_owned(),
        _ => {}
    }
    let Some(container) = container else { return "no container".to_owned() };
    match decision {
        Decision::Leave(Some(note)) => return note.clone(),
        Decision::Refuse(trouble) => return trouble.cause.clone(),
        _ => {}
    }
    let state = state(container.state);
    if verb == Verb::Stop || matches!(decision, Decision::Leave(None)) {
        return state.to_owned();
    }
    let why = match ownership(r, record, container) {
        Ownership::Changed => "the registered string has changed".to_owned(),
        Ownership::Foreign(_) => "made by others, --replace".to_owned(),
        Ownership::Same if options.recreate => "--recreate".to_owned(),
        Ownership::Same if r.run.removes_itself() => "made with --rm".to_owned(),
        Ownership::Same => return state.to_owned(),
    };
    format!("{state}; {why}")
}

fn state(state: ContainerState) -> &'static str {
    match state {
        ContainerState::Running => "running",
        ContainerState::Restarting => "restarting",
        ContainerState::Paused => "paused",
        ContainerState::Dead => "dead",
        _ => "stopped",
    }
}
