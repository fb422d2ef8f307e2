//! Conducts a change from its plan to its last line in the journal.
//!
//! Boundary: wires the planner, the journal and `act` together. Next: `act` for what happens on a host, `resume` for what is done
//! again.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{
    ChangeReport, Context, InstanceReport, Outcome, Verb, act,
    change::Options,
    context::understood,
    observe,
    recorder::{Recorder, word},
    registered::Registered,
    rollout,
    select::Target,
    twins::{self, Twin},
};
use crate::{
    config::{
        inventory::Inventory,
        journal::{Begin, End, RunId, RunOptions, Targets},
        registry::Registry,
        state::Record,
        store::origin::Origin,
    },
    domain::{Host, HostName, Instance, ServerName},
    error::{CommandError, Exit},
    fleet::{Rolling, Spread},
};

/// What is to be done, and how.
#[derive(Debug, Clone)]
pub struct Order {
    /// What.
    pub verb: Verb,
    /// How, on a host.
    pub options: Options,
    /// How, over the fleet.
    pub rolling: Rolling,
    /// `--forks`, where it was given.
    pub forks: Option<u16>,
    /// `--timeout`, where it was given.
    pub timeout: Option<Duration>,
    /// The run whose rest this is.
    pub parent: Option<RunId>,
    /// Who asks for it.
    pub origin: Origin,
}

/// How a change goes over the fleet, and who is told.
pub(super) struct Course<'a> {
    pub(super) rolling: &'a Rolling,
    pub(super) batches: &'a [Vec<usize>],
    pub(super) recorder: &'a Recorder<'a>,
    pub(super) keeper: Keeper<'a>,
}

/// Carries `order` out on `targets`, which are in inventory order, and writes it into the journal as it goes.
///
/// # Errors
/// Only when nothing could be begun; what happens on hosts is in the report.
pub fn run(
    context: &Context<'_>,
    targets: &[Target<'_>],
    order: &Order,
) -> Result<(ChangeReport, Vec<String>), CommandError> {
    let (kept, twins) = twins::split(targets);
    let work = understood(&kept)?;
    let batches = rollout::batches(context.inventory, context.registry, &work, &order.rolling, order.verb);
    let recorder = Recorder::begin(context.workspace, begin(order, (&work, &twins), &batches));
    let keeper = Keeper::new(context, &work, &batches);
    let course = Course { rolling: &order.rolling, batches: &batches, recorder: &recorder, keeper };
    match act::change(context, &work, order.verb, order.options, &course) {
        Ok((mut report, mut warnings)) => {
            warnings.extend(add_twins(context, &mut report, &twins, &recorder));
            report.run = recorder.id().map(ToString::to_string);
            advise(&mut report);
            warnings.extend(recorder.end(end(&report)));
            Ok((report, warnings))
        }
        Err(error) => {
            let end = End { exit: error.exit.code(), counts: BTreeMap::new(), interrupted: false, halted: None };
            let _ = recorder.end(end);
            Err(error)
        }
    }
}

/// Adds the rows of instances whose container is that of another one, writes them into the journal, and remembers the container for
/// them as well.
fn add_twins(
    context: &Context<'_>,
    report: &mut ChangeReport,
    twins: &[Twin<'_>],
    recorder: &Recorder<'_>,
) -> Vec<String> {
    if twins.is_empty() {
        return vec![];
    }
    let of = |rows: &[InstanceReport], twin: &Twin<'_>| {
        let is_it = |row: &&InstanceReport| row.name == twin.first.server && row.host == twin.first.host;
        rows.iter().find(is_it).map(|first| twin.row(first))
    };
    let rows: Vec<InstanceReport> = twins.iter().filter_map(|twin| of(&report.instances, twin)).collect();
    recorder.results(&rows, Duration::ZERO);
    report.instances.extend(rows);
    let place = |row: &InstanceReport| context.inventory.hosts().iter().position(|host| host.name == row.host);
    report.instances.sort_by_cached_key(|row| (place(row), row.name.clone()));
    let written = context.workspace.update_state(|state| {
        for twin in twins {
            if let Some(record) = state.instances.get(&twin.first).cloned() {
                let mut record = record;
                record.status.host = twin.target.host.name.clone();
                state.instances.insert(twin.target.instance(), record);
            }
        }
    });
    observe::warning(written)
}

/// Says of what was not attempted how to go on with just this run.
fn advise(report: &mut ChangeReport) {
    let hint = match &report.run {
        Some(run) if report.halted.is_some() => {
            format!("mend what failed, then `mcp resume {run}` goes on with the rest")
        }
        Some(run) => format!("`mcp resume {run}` goes on with the rest"),
        None => "this run is in no journal: run the command again for what is left".to_owned(),
    };
    for row in report.instances.iter_mut().filter(|row| row.outcome == Outcome::NotAttempted) {
        if let Some(trouble) = &mut row.error {
            trouble.hint = Some(hint.clone());
        }
    }
}

pub(super) fn names(work: &[(&Host, Vec<Registered<'_>>)], batch: &[usize]) -> Vec<HostName> {
    batch.iter().map(|host| work[*host].0.name.clone()).collect()
}

/// Which hosts have instances of one server. All that are placed count, not only those selected: an instance that the run leaves
/// alone goes on as it is. With `by_rollout`, the sizes of batches are those of the servers.
pub(super) fn spread(
    inventory: &Inventory,
    registry: &Registry,
    work: &[(&Host, Vec<Registered<'_>>)],
    by_rollout: bool,
) -> Spread {
    let mut numbers: BTreeMap<ServerName, usize> = BTreeMap::new();
    let mut members: Vec<usize> = vec![];
    for instance in registry.instances(inventory) {
        let number = *numbers.entry(instance.server).or_insert_with(|| {
            members.push(0);
            members.len() - 1
        });
        members[number] += 1;
    }
    let groups = work
        .iter()
        .map(|(_, registered)| registered.iter().filter_map(|r| numbers.get(&r.target.server.name).copied()).collect())
        .collect();
    let mut serials = vec![None; members.len()];
    for (name, number) in numbers.iter().filter(|_| by_rollout) {
        serials[*number] = registry.get(name).and_then(|server| server.rollout().serial);
    }
    Spread { groups, members, serials }
}

fn begin(
    order: &Order,
    (work, twins): (&[(&Host, Vec<Registered<'_>>)], &[Twin<'_>]),
    batches: &[Vec<usize>],
) -> Begin {
    let Order { options, rolling, origin, .. } = order;
    let instances = work.iter().flat_map(|(_, registered)| registered.iter().map(|r| r.target.instance()));
    let instances = instances.chain(twins.iter().map(|twin| twin.target.instance())).collect();
    Begin {
        options: RunOptions {
            settle_ms: milliseconds(options.settle),
            health_ms: options.health.map(milliseconds),
            replace: options.replace,
            recreate: options.recreate,
            foreign: options.foreign,
            ..options_of(rolling, order.forks, order.timeout)
        },
        batches: if batches.len() > 1 { batches.iter().map(|batch| names(work, batch)).collect() } else { vec![] },
        ..origin.clone().begin(order.verb.as_str(), order.parent.clone(), Targets::Instances(instances))
    }
}

/// What every run over hosts has been told, for the journal.
pub(super) fn options_of(rolling: &Rolling, forks: Option<u16>, timeout: Option<Duration>) -> RunOptions {
    RunOptions {
        serial: rolling.serial.as_ref().map(ToString::to_string),
        max_fail: rolling.max_fail.map(|limit| limit.to_string()),
        fail_fast: rolling.fail_fast,
        wait_ms: milliseconds(rolling.wait),
        forks,
        timeout_ms: timeout.map(milliseconds),
        at_once: rolling.at_once,
        ..RunOptions::default()
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn end(report: &ChangeReport) -> End {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for row in &report.instances {
        *counts.entry(word(row.outcome)).or_default() += 1;
    }
    let exit: Exit = report.exit();
    End { exit: exit.code(), counts, interrupted: report.interrupted, halted: report.halted.clone() }
}

/// Remembers what was learnt of instances: at the end, and in a run with several batches after each of them, so that a run which is
/// killed has not forgotten whose containers those are that it made.
pub(super) struct Keeper<'a> {
    context: &'a Context<'a>,
    batch_of: HashMap<&'a HostName, usize>,
    left: Vec<AtomicUsize>,
    pending: Mutex<Vec<(Instance, Record)>>,
    warnings: Mutex<Vec<String>>,
}

impl<'a> Keeper<'a> {
    fn new(context: &'a Context<'a>, work: &[(&'a Host, Vec<Registered<'_>>)], batches: &[Vec<usize>]) -> Self {
        let numbered = batches.iter().enumerate();
        Self {
            context,
            batch_of: numbered.flat_map(|(n, batch)| batch.iter().map(move |host| (&work[*host].0.name, n))).collect(),
            left: batches.iter().map(|batch| AtomicUsize::new(batch.len())).collect(),
            pending: Mutex::default(),
            warnings: Mutex::default(),
        }
    }

    /// Takes the records of a host that is done.
    pub(super) fn keep(&self, host: &Host, records: impl Iterator<Item = (Instance, Record)>) {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).extend(records);
        let left = self.batch_of.get(&host.name).and_then(|batch| self.left.get(*batch));
        let batch_is_done = left.is_some_and(|left| left.fetch_sub(1, Ordering::SeqCst) == 1);
        if batch_is_done && self.left.len() > 1 {
            self.write();
        }
    }

    /// Writes what is left, and gives what went wrong.
    pub(super) fn flush(&self) -> Vec<String> {
        self.write();
        let mut warnings = std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner));
        warnings.dedup();
        warnings
    }

    fn write(&self) {
        let records = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        let warnings = observe::remember(self.context, records);
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).extend(warnings);
    }
}
