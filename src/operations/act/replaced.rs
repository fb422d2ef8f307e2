//! The rows of instances whose container was replaced, or was to be: which of the two containers has the place in the end.
//!
//! Boundary: a judgement over what was seen and said; asks nobody. Next: `judge` makes the row of the new container.

use super::judge::Row;
use crate::{
    config::state::Record,
    docker::{
        inspect::Container,
        replacement::{ASIDE, BACK, KeptContainer, Replacement, previous_name},
        status::{LookTime, report},
    },
    domain::Status,
    operations::{
        Context, InstanceReport, Outcome, Trouble,
        change::replace::Pair,
        observe::{Observation, stopped_by_mcp},
        registered::{Registered, command_hash},
    },
    transport::script::Section,
};

/// What a host has said and shown of a replacement.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    /// How the command ended that set the old container aside and ran the registered string.
    pub(super) job: Option<&'a Section>,
    /// How the removal of the old container ended, or its return.
    pub(super) finish: Option<&'a Section>,
    /// What is there in the end.
    pub(super) last: &'a Observation,
}

/// `row`, which tells of the new container, as it is after `replacement` has come to its end.
pub(super) fn finished(
    context: &Context<'_>,
    r: &Registered<'_>,
    replacement: &Replacement,
    row: Row,
    said: Said<'_>,
) -> Row {
    let Said { job, finish, last } = said;
    let pair = Pair::of(last, r);
    let has = |section: Option<&Section>, line: &str| {
        section.is_some_and(|section| section.stdout_text().lines().any(|text| text == line))
    };
    let is_old = |c: Option<&Container>| c.is_some_and(|c| c.id == replacement.old);
    let was_aside = replacement.is_aside || has(job, ASIDE) || has(finish, BACK);
    if let Some(old) = pair.current.filter(|c| c.id == replacement.old && was_aside) {
        let mut trouble = row.0.error.unwrap_or_else(|| Trouble::failed("the new container did not settle", None));
        if has(finish, BACK) {
            let server = &r.target.server.name;
            trouble.hint = Some(match replacement.kept {
                KeptContainer::Restored(_) => {
                    format!("the kept container is {} again, with its log", previous_name(&r.container))
                }
                _ => format!("the new container is removed; correct the string with `mcp edit {server}`, then restart"),
            });
        }
        return put_back(context, r, replacement, (old, last.at()), trouble);
    }
    let (mut row, record) = row;
    if is_old(pair.previous) {
        let why = finish.or(job).map(Section::stderr_text).unwrap_or_default();
        let why = Trouble::docker(Some(1), &why).map(|trouble| trouble.cause).unwrap_or_default();
        let name = &r.target.server.name;
        match &mut row.error {
            Some(trouble) => {
                trouble.cause.push_str(&format!(
                    "; the previous container could not be put back ({why}) and is kept as {}",
                    previous_name(&r.container)
                ));
                trouble.hint = Some(format!("`mcp rollback {name}` puts it back"));
            }
            None if !replacement.is_kept => {
                row.note = Some(format!("the previous container could not be removed yet: {why}"));
            }
            None => {}
        }
    }
    (row, record)
}

/// The row of an instance whose old container has its place again.
pub(super) fn put_back(
    context: &Context<'_>,
    r: &Registered<'_>,
    replacement: &Replacement,
    (old, at): (&Container, LookTime),
    mut trouble: Trouble,
) -> Row {
    let instance = r.target.instance();
    let record = record(context, r, (old, at), replacement.is_aside);
    let by_mcp = stopped_by_mcp(Some(&record), old);
    let status = report(&instance.server, &instance.host, Some(old), by_mcp, at);
    let runs = status.status == Status::Running;
    let is_well = runs || !replacement.starts;
    trouble.cause.push_str(match (is_well, runs) {
        (true, true) => "; the previous container was put back and runs",
        (true, false) => "; the previous container was put back, stopped as it was",
        (false, _) => "; the previous container was put back, but does not run",
    });
    let outcome = if is_well { Outcome::RolledBack } else { Outcome::Failed };
    let record = Record { status: status.clone(), ..record };
    let (name, host) = (instance.server, instance.host);
    let row =
        InstanceReport { name, host, outcome, action: None, note: None, status: Some(status), error: Some(trouble) };
    (row, Some(record))
}

/// What is remembered of a container that was put back: what was before. One that was found aside is of `mcp`'s making, as its name has
/// told; where no record tells of which string, it counts as that of an earlier one.
pub(super) fn record(
    context: &Context<'_>,
    r: &Registered<'_>,
    (old, at): (&Container, LookTime),
    was_found_aside: bool,
) -> Record {
    let instance = r.target.instance();
    let known = context.state.instances.get(&instance);
    let same = known.filter(|record| record.container_id.as_deref() == Some(old.id.as_str()));
    let hash = same.and_then(|record| record.command_hash.clone());
    Record {
        status: report(&instance.server, &instance.host, Some(old), false, at),
        container_id: Some(old.id.clone()),
        command_hash: hash.or_else(|| was_found_aside.then(|| command_hash(""))),
        stopped_by: same.and_then(|record| record.stopped_by.clone()),
        container: Some(r.container.clone()),
        left: known.map(|record| record.left.clone()).unwrap_or_default(),
    }
}
