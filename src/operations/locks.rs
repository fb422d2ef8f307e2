//! What other runs hold: words for a lease that is in the way, and the leases of hosts for `mcp lock`.
//!
//! Boundary: who holds what; taking leases is `act`'s and `forget`'s. Next: `transport::lease` for how they are kept.

use std::time::{self, Duration};

use serde::{Serialize, Serializer};

use super::{
    Context, Trouble,
    observe::{LOOK_ALLOWED, exit_of},
    registered::Registered,
    select::Target,
};
use crate::{
    config::store::LockHolder,
    docker::run_string::RunString,
    domain::{Host, HostName, Instance, ServerName},
    error::{CommandError, Exit},
    fleet::{HostError, Session},
    transport::{
        lease::{self, Lease, Taken},
        script::{Script, Section, SectionId},
    },
};

/// How much longer than its exec a lease lasts: the host begins later than it is told to.
pub(super) const LEASE_MARGIN: Duration = Duration::from_secs(30);

/// The pause before it is looked again whether another run is done; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What a round gives: an answer for each, and which of them somebody else holds.
pub(super) type Round<T> = (Vec<T>, Vec<usize>);

/// Repeats `round` for those of `registered` that somebody else holds, until nobody does, patience ends or there is no reason to go on.
/// Each round looks and decides anew, because the other run has changed what was seen before. What ends a later round is the answer of
/// those it was for, worded by `failed`.
pub(super) fn until_free<'a, T>(
    context: &Context<'_>,
    registered: &[Registered<'a>],
    goes_on: impl Fn() -> bool,
    mut round: impl FnMut(&[Registered<'a>]) -> Result<Round<T>, HostError>,
    failed: impl Fn(&Registered<'a>, &HostError) -> T,
) -> Result<Vec<T>, HostError> {
    let until = time::Instant::now() + context.patience.unwrap_or_default();
    let cancel = context.fleet.cancel;
    let goes_on = || !cancel.is_draining() && goes_on();
    let (mut answers, mut held) = round(registered)?;
    let mut pause = FIRST_PAUSE;
    while !held.is_empty() && goes_on() && time::Instant::now() + pause <= until && cancel.sleep(pause) && goes_on() {
        pause = (pause * 2).min(LONGEST_PAUSE);
        let again: Vec<Registered<'a>> = held.iter().map(|index| registered[*index].clone()).collect();
        let (later, later_held) = match round(&again) {
            Ok(answer) => answer,
            // What was said of them before still holds: another run acts there.
            Err(HostError::NotAttempted | HostError::Halted(_)) => break,
            Err(error) => (again.iter().map(|r| failed(r, &error)).collect(), vec![]),
        };
        held.iter().zip(later).for_each(|(index, answer)| answers[*index] = answer);
        held = later_held.into_iter().map(|index| held[index]).collect();
    }
    Ok(answers)
}

/// Why a container cannot be acted on, if somebody holds it or no lease could be taken.
pub(super) fn refusal(leases: &Taken, container: &str) -> Option<Trouble> {
    if let Some(trouble) = &leases.trouble {
        let hint = "mend that, or act without asking who else does with --no-lock".to_owned();
        return Some(Trouble::failed(format!("no lease could be taken on the host: {trouble}"), Some(hint)));
    }
    let lease = leases.held.get(container)?;
    let hint = "wait longer with --lock-timeout; `mcp lock list` shows what is held, `mcp lock release` takes it away"
        .to_owned();
    Some(Trouble::failed(words(lease), Some(hint)))
}

/// Who holds a lease, what for and until when.
#[must_use]
pub fn words(lease: &Lease) -> String {
    let Lease { owner, purpose, run, age, left, .. } = lease;
    let run = run.as_ref().map(|run| format!(", run {run}")).unwrap_or_default();
    format!("{owner} holds it ({purpose}, since {} s{run}), for at most {} s more", age.as_secs(), left.as_secs())
}

/// A lease on a host.
#[derive(Debug, Clone, Serialize)]
pub struct LeaseRow {
    /// The host.
    pub host: HostName,
    /// The container.
    pub container: String,
    /// The server that is registered with that container here; null when none is.
    pub name: Option<ServerName>,
    /// `user@machine` of the operator.
    pub owner: String,
    /// The verb.
    pub purpose: String,
    /// The run's id in the operator's journal.
    pub run: Option<String>,
    /// How long it has been held, in seconds.
    pub held_seconds: u64,
    /// When it ends at the latest, in seconds from now.
    pub ends_in_seconds: u64,
}

/// What is held.
#[derive(Debug, Default, Serialize)]
pub struct LockReport {
    /// By host in inventory order, then by container.
    pub leases: Vec<LeaseRow>,
    /// Who writes to this workspace now.
    pub workspace: Option<LockHolder>,
    /// Hosts that could not be asked.
    pub troubles: Vec<HostTrouble>,
}

/// Why a host could not be asked.
#[derive(Debug, Serialize)]
pub struct HostTrouble {
    /// The host.
    pub host: HostName,
    /// Why.
    pub error: Trouble,
}

/// A lease that could not be taken away.
#[derive(Debug, Serialize)]
pub struct Kept {
    /// On what.
    #[serde(serialize_with = "as_text")]
    pub instance: Instance,
    /// The account of the host that it belongs to.
    pub account: String,
}

/// What was released.
#[derive(Debug, Default, Serialize)]
pub struct ReleaseReport {
    /// Leases that are gone, by instance.
    #[serde(serialize_with = "as_texts")]
    pub released: Vec<Instance>,
    /// Leases that are still there.
    pub kept: Vec<Kept>,
    /// Hosts that could not be asked.
    pub troubles: Vec<HostTrouble>,
}

impl LockReport {
    /// The exit code of the whole.
    #[must_use]
    pub fn exit(&self) -> Exit {
        exit(&self.troubles)
    }
}

impl ReleaseReport {
    /// The exit code of the whole.
    #[must_use]
    pub fn exit(&self) -> Exit {
        exit(&self.troubles).or(if self.kept.is_empty() { Exit::Ok } else { Exit::Failed })
    }
}

fn exit(troubles: &[HostTrouble]) -> Exit {
    troubles.iter().fold(Exit::Ok, |exit, trouble| exit.or(exit_of(&trouble.error)))
}

/// Asks `hosts` what is held there.
///
/// # Errors
/// Only when nothing could be begun.
pub fn list(context: &Context<'_>, hosts: &[&Host]) -> Result<LockReport, CommandError> {
    let work: Vec<(&Host, ())> = hosts.iter().map(|host| (*host, ())).collect();
    let outcomes = context
        .fleet
        .run(&work, |session, ()| ask(session, lease::list, lease::listed))
        .map_err(|e| CommandError::failed("cannot start the workers").because(&e).hint("use fewer --forks"))?;
    let mut report = LockReport::default();
    for (host, outcome) in hosts.iter().zip(outcomes) {
        match outcome.result {
            Ok(leases) => report.leases.extend(leases.into_iter().map(|lease| LeaseRow {
                host: host.name.clone(),
                name: registered_as(context, host, &lease.container),
                container: lease.container,
                owner: lease.owner,
                purpose: lease.purpose,
                run: lease.run,
                held_seconds: lease.age.as_secs(),
                ends_in_seconds: lease.left.as_secs(),
            })),
            Err(error) => report.troubles.push(trouble(host, &error)),
        }
    }
    Ok(report)
}

/// Takes the leases on the containers of `targets` away from whoever holds them.
///
/// # Errors
/// Only when nothing could be begun.
pub fn release(context: &Context<'_>, targets: &[Target<'_>]) -> Result<ReleaseReport, CommandError> {
    let answers = context.on_each_host(targets, |session, registered| {
        let names: Vec<&str> = registered.iter().map(|r| r.container.as_str()).collect();
        ask(session, |script| lease::release(script, &names), lease::released)
    })?;
    let mut report = ReleaseReport::default();
    for (host, registered, result) in answers {
        let (gone, kept) = match result {
            Ok(answer) => answer,
            Err(error) => {
                report.troubles.push(trouble(host, &error));
                continue;
            }
        };
        for r in registered {
            let is_it = |name: &String| *name == r.container;
            report.released.extend(gone.iter().filter(|name| is_it(name)).map(|_| r.target.instance()));
            let kept = kept.iter().filter(|(name, _)| is_it(name));
            report
                .kept
                .extend(kept.map(|(_, account)| Kept { instance: r.target.instance(), account: account.clone() }));
        }
    }
    Ok(report)
}

fn ask<T>(
    session: &mut Session<'_>,
    question: impl FnOnce(&mut Script) -> SectionId,
    read: impl FnOnce(&Section) -> T,
) -> Result<T, HostError> {
    let mut script = Script::new();
    script.export(&session.host().env);
    let id = question(&mut script);
    let sections = session.exec("lock", &script, LOOK_ALLOWED)?;
    sections.get(id).map(read).ok_or_else(|| HostError::Answer("the host did not say what is held there".to_owned()))
}

fn trouble(host: &Host, error: &HostError) -> HostTrouble {
    HostTrouble { host: host.name.clone(), error: Trouble::host(error, host) }
}

fn registered_as(context: &Context<'_>, host: &Host, container: &str) -> Option<ServerName> {
    let here = context.registry.instances(context.inventory).into_iter().filter(|instance| instance.host == host.name);
    here.map(|instance| instance.server).find(|name| {
        let run = context.registry.get(name).and_then(|server| RunString::parse(&server.command).ok());
        run.is_some_and(|run| run.container_name() == Some(container))
    })
}

fn as_text<S: Serializer>(instance: &Instance, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(instance)
}

fn as_texts<S: Serializer>(instances: &[Instance], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(instances.iter().map(ToString::to_string))
}
