//! `mcp list`: the status of every selected instance, asked or remembered.
//!
//! Boundary: one exec per host. Next: `row` for what a row holds, `observe` for the question, `usage` for stats and GPUs.

mod row;
mod sort;
mod watch;

use jiff::Timestamp;

pub use self::{
    row::ListRow,
    sort::{Column, FailOn, SortKey},
    watch::{WatchOptions, watch},
};
use super::{
    Context, Trouble,
    act::understand,
    observe::{self, LOOK_ALLOWED, exit_of},
    outdated,
    registered::Registered,
    select::{StatusFilter, Target},
    usage::{UsagePlan, fill},
};
use crate::{
    config::state::{Record, State},
    domain::{ServerStatus, Status, fold::natural},
    error::{CommandError, Exit},
    fleet::{HostError, Session},
    transport::script::Script,
};

/// The answer of `mcp list`.
#[derive(Debug, Clone, Default)]
pub struct ListReport {
    /// One per instance, by name, the hosts of a name in inventory order.
    pub rows: Vec<ListRow>,
    /// Hosts without an answer.
    pub troubles: Vec<(String, Trouble)>,
    /// How many more instances there are, which [`ListReport::retain`] has left out.
    pub filtered_out: usize,
}

impl ListReport {
    /// Takes a host's answer in; hosts come in inventory order.
    pub(super) fn add(
        &mut self,
        context: &Context<'_>,
        registered: &[Registered<'_>],
        answer: HostAnswer,
    ) -> Vec<Record> {
        match answer {
            Ok(rows) => {
                let (rows, records): (Vec<ListRow>, Vec<Record>) = rows.into_iter().unzip();
                self.rows.extend(rows);
                records
            }
            Err(trouble) => {
                let now = Timestamp::now();
                for r in registered {
                    let instance = r.target.instance();
                    let status = observe::unanswered(&instance, context.state.instances.get(&instance), &trouble, now);
                    self.rows.push(ListRow::unanswered(r, status, &trouble.cause));
                }
                let host = registered.first().map(|r| r.target.host.name.to_string());
                self.troubles.extend(host.map(|host| (host, trouble)));
                vec![]
            }
        }
    }

    /// Sorts the rows by name; they come in inventory order, which stays the order within a name.
    pub(super) fn by_name(mut self) -> Self {
        self.rows.sort_by(|a, b| natural(a.status.name.as_str(), b.status.name.as_str()));
        self
    }

    /// Leaves only what `filter` accepts. Hosts without an answer stay named.
    pub fn retain(&mut self, filter: &StatusFilter) {
        let all = self.rows.len();
        self.rows.retain(|row| filter.accepts(&row.status));
        self.filtered_out += all - self.rows.len();
    }

    /// Sorts the rows by `keys`, and turns the order around with `reverse`.
    pub fn sort(&mut self, keys: &[SortKey], reverse: bool) {
        sort::sort(&mut self.rows, keys);
        if reverse {
            self.rows.reverse();
        }
    }

    /// Whether a row meets one of `conditions`.
    #[must_use]
    pub fn fails(&self, conditions: &[FailOn]) -> bool {
        self.rows.iter().any(|row| conditions.iter().any(|condition| condition.matches(row)))
    }

    /// Leaves only the rows that meet one of `conditions`.
    pub fn keep_failing(&mut self, conditions: &[FailOn]) {
        self.rows.retain(|row| conditions.iter().any(|condition| condition.matches(row)));
    }

    /// The exit code: a host without an answer is not well; a stopped server is.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.troubles.iter().fold(Exit::Ok, |exit, (_, trouble)| exit.or(exit_of(trouble)))
    }
}

/// The rows of a host, each with what is to be remembered of it; or why it gave none.
pub(super) type HostAnswer = Result<Vec<(ListRow, Record)>, Trouble>;

/// Asks the host of `session` about `registered` in one exec, with usage when `with_usage`.
pub(super) fn ask(
    context: &Context<'_>,
    session: &mut Session<'_>,
    registered: &[Registered<'_>],
    with_usage: bool,
) -> Result<HostAnswer, HostError> {
    let mut script = Script::new();
    let look = observe::ask(&mut script, session, registered);
    let images = observe::ask_images(&mut script, session.host(), registered);
    let usage = with_usage.then(|| UsagePlan::new(&mut script, session.host(), registered));
    let sections = session.exec("list", &script, LOOK_ALLOWED)?;
    Ok(observe::read(sections.get(look), registered, Timestamp::now()).map(|seen| {
        let seen = seen.with_images(images.and_then(|id| sections.get(id)));
        let (mut statuses, records): (Vec<ServerStatus>, Vec<Record>) =
            registered.iter().map(|r| observe::status_of(context, r, &seen)).unzip();
        if let Some(usage) = usage {
            fill(&usage.read(&sections), registered, statuses.iter_mut());
        }
        let row = |((r, status), record): ((&Registered<'_>, ServerStatus), Record)| {
            let published = seen.get(&r.container).map(|container| container.published.as_slice());
            let record = Record { status: status.clone(), ..record };
            (ListRow::new(r, status, published.unwrap_or_default()), record)
        };
        registered.iter().zip(statuses).zip(records).map(row).collect()
    }))
}

/// The live status of `targets`, with usage when `with_usage`.
///
/// # Errors
/// Only when nothing could be begun.
pub fn list(
    context: &Context<'_>,
    targets: &[Target<'_>],
    with_usage: bool,
) -> Result<(ListReport, Vec<String>), CommandError> {
    let answers = context.on_each_host(targets, |session, registered| ask(context, session, registered, with_usage))?;
    let mut report = ListReport::default();
    let mut records = vec![];
    for (host, registered, result) in answers {
        let answer = result.map_err(|error| Trouble::host(&error, host)).and_then(|inner| inner);
        let learnt = report.add(context, &registered, answer);
        records.extend(registered.iter().map(|r| r.target.instance()).zip(learnt));
    }
    Ok((report.by_name(), observe::remember_looks(context, records)))
}

/// What is remembered of every target, without asking any host.
///
/// # Errors
/// A registered string that cannot be used.
pub fn cached(state: &State, targets: &[Target<'_>]) -> Result<ListReport, CommandError> {
    let mut report = ListReport::default();
    for r in understand(targets)? {
        let instance = r.target.instance();
        let status = match state.instances.get(&instance) {
            Some(record) => {
                let mut status = record.status.clone();
                outdated::of_the_command(&mut status, record.command_hash.as_deref(), &r.hash());
                status
            }
            None => {
                let message = Some("never looked at".to_owned());
                let (server, host) = (instance.server, instance.host);
                ServerStatus { message, ..ServerStatus::bare(server, host, Status::Unknown, Timestamp::UNIX_EPOCH) }
            }
        };
        report.rows.push(ListRow::new(&r, status, &[]));
    }
    Ok(report.by_name())
}
