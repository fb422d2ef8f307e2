//! The order of the rows of `mcp list`, and which of them make `--fail-on` fail.
//!
//! Boundary: pure.

use std::{cmp::Ordering, str::FromStr};

use super::ListRow;
use crate::domain::{Status, fold::natural};

/// A column to sort by, named as the table's head in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Name,
    Host,
    Status,
    Uptime,
    Port,
    Cpu,
    Mem,
    Gpu,
    Image,
    Health,
    Outdated,
    State,
    Age,
    Restarts,
    Container,
    Address,
    Url,
    Tags,
    Priority,
    Enabled,
    Command,
    Message,
}

/// The columns by name.
const COLUMNS: [(&str, Column); 22] = [
    ("name", Column::Name),
    ("host", Column::Host),
    ("status", Column::Status),
    ("uptime", Column::Uptime),
    ("port", Column::Port),
    ("cpu", Column::Cpu),
    ("mem", Column::Mem),
    ("gpu", Column::Gpu),
    ("image", Column::Image),
    ("health", Column::Health),
    ("outdated", Column::Outdated),
    ("state", Column::State),
    ("age", Column::Age),
    ("restarts", Column::Restarts),
    ("container", Column::Container),
    ("address", Column::Address),
    ("url", Column::Url),
    ("tags", Column::Tags),
    ("priority", Column::Priority),
    ("enabled", Column::Enabled),
    ("command", Column::Command),
    ("message", Column::Message),
];

/// A column and a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortKey {
    /// The column.
    pub column: Column,
    /// The largest first.
    pub descending: bool,
}

impl FromStr for SortKey {
    type Err = String;

    /// Reads `cpu` or `-cpu`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (descending, name) = text.strip_prefix('-').map_or((false, text), |name| (true, name));
        let known = COLUMNS.iter().find(|(column, _)| column.eq_ignore_ascii_case(name));
        let (_, column) = known.ok_or_else(|| {
            let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
            format!("{name:?} is not a column; the columns are {}", names.join(", "))
        })?;
        Ok(Self { column: *column, descending })
    }
}

impl SortKey {
    /// Whether the column is known only where usage is asked for.
    #[must_use]
    pub fn needs_usage(self) -> bool {
        matches!(self.column, Column::Cpu | Column::Mem | Column::Gpu)
    }
}

/// What a cell is compared by.
enum Value<'r> {
    Text(&'r str),
    Joined(String),
    Number(f64),
}

/// Sorts `rows` by `keys`, the first one first; rows that are equal in all of them keep their order, and what has no value stands
/// last in both directions.
pub(super) fn sort(rows: &mut [ListRow], keys: &[SortKey]) {
    rows.sort_by(|a, b| {
        let orders = keys.iter().map(|key| match (value(a, key.column), value(b, key.column)) {
            (Some(a), Some(b)) if key.descending => compare(&b, &a),
            (Some(a), Some(b)) => compare(&a, &b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        });
        orders.fold(Ordering::Equal, Ordering::then)
    });
}

fn compare(a: &Value<'_>, b: &Value<'_>) -> Ordering {
    let text = |value| match value {
        &Value::Text(text) => text.to_owned(),
        Value::Joined(text) => text.clone(),
        Value::Number(number) => number.to_string(),
    };
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.total_cmp(b),
        (Value::Text(a), Value::Text(b)) => natural(a, b),
        (a, b) => natural(&text(a), &text(b)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "uptimes and bytes are compared, and below 2^53")]
fn value(row: &ListRow, column: Column) -> Option<Value<'_>> {
    let status = &row.status;
    Some(match column {
        Column::Name => Value::Text(status.name.as_str()),
        Column::Host => Value::Text(status.host.as_str()),
        // What needs attention first.
        Column::Status => Value::Number(match status.status {
            Status::Error => 0.0,
            Status::Unknown => 1.0,
            Status::Stopped => 2.0,
            Status::Running => 3.0,
        }),
        Column::Uptime => Value::Number(status.uptime? as f64),
        Column::Port => Value::Number(f64::from(row.port?)),
        Column::Cpu => Value::Number(status.cpu_usage?),
        Column::Mem => Value::Number(status.memory_usage? as f64),
        Column::Gpu => Value::Number(status.gpu_usage?),
        Column::Image => Value::Text(status.image.as_deref()?),
        Column::Health => Value::Text(status.health?.as_str()),
        // What is outdated first.
        Column::Outdated => Value::Number(f64::from(u8::from(!status.outdated?))),
        Column::State => Value::Text(status.state.as_str()),
        // The oldest record has the highest age.
        Column::Age => Value::Number(-(status.last_check.as_second() as f64)),
        Column::Restarts => Value::Number(status.restart_count? as f64),
        Column::Container => Value::Text(status.container_id.as_deref()?),
        Column::Address => Value::Text(row.address.as_deref()?),
        Column::Url => Value::Text(row.url.as_deref()?),
        Column::Tags if row.tags.is_empty() => return None,
        Column::Tags => Value::Joined(row.tags.join(",")),
        Column::Priority => Value::Number(f64::from(row.priority)),
        Column::Enabled => Value::Number(f64::from(u8::from(row.enabled))),
        Column::Command => Value::Text(&row.command),
        Column::Message => Value::Text(status.message.as_deref()?),
    })
}

/// A condition under which `mcp list --fail-on` ends with exit code 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailOn {
    /// The status of an enabled server is error.
    Error,
    /// The status is unknown.
    Unknown,
    /// An enabled server's container is not what is registered.
    Outdated,
}

impl FromStr for FailOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "error" => Ok(Self::Error),
            "unknown" => Ok(Self::Unknown),
            "outdated" => Ok(Self::Outdated),
            _ => Err(format!("{text:?} is not a condition; the conditions are error, unknown, outdated")),
        }
    }
}

impl FailOn {
    /// Whether `row` meets it. A disabled server is meant not to run, so how it ended is no failure.
    #[must_use]
    pub fn matches(self, row: &ListRow) -> bool {
        match self {
            Self::Error => row.enabled && row.status.status == Status::Error,
            Self::Unknown => row.status.status == Status::Unknown,
            Self::Outdated => row.enabled && row.status.outdated == Some(true),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use jiff::Timestamp;

    use super::*;
    use crate::domain::{HostName, ServerName, ServerStatus};

    fn row(name: &str, host: &str, status: Status, uptime: Option<u64>) -> ListRow {
        let (name, host) = (ServerName::new(name).unwrap(), HostName::new(host).unwrap());
        let status = ServerStatus { uptime, ..ServerStatus::bare(name, host, status, Timestamp::UNIX_EPOCH) };
        ListRow {
            status,
            address: None,
            port: None,
            ports: vec![],
            url: None,
            description: None,
            tags: vec![],
            priority: 0,
            enabled: true,
            command: String::new(),
            stop: String::new(),
            logs: String::new(),
            stats: String::new(),
            known: None,
            unanswered: false,
        }
    }

    fn order(keys: &[&str]) -> Vec<String> {
        let mut rows = vec![
            row("b", "h10", Status::Running, Some(5)),
            row("b", "h2", Status::Stopped, None),
            row("a", "h1", Status::Running, Some(30)),
            row("c", "h1", Status::Error, None),
        ];
        let keys: Vec<SortKey> = keys.iter().map(|key| key.parse().unwrap()).collect();
        sort(&mut rows, &keys);
        rows.iter().map(|row| format!("{}@{}", row.status.name, row.status.host)).collect()
    }

    #[test]
    fn rows_are_sorted_naturally_in_either_direction_and_what_has_no_value_stands_last() {
        for (keys, expected) in [
            (&[][..], ["b@h10", "b@h2", "a@h1", "c@h1"]),
            (&["name"], ["a@h1", "b@h10", "b@h2", "c@h1"]),
            (&["host"], ["a@h1", "c@h1", "b@h2", "b@h10"]),
            (&["-host"], ["b@h10", "b@h2", "a@h1", "c@h1"]),
            (&["status"], ["c@h1", "b@h2", "b@h10", "a@h1"]),
            (&["uptime"], ["b@h10", "a@h1", "b@h2", "c@h1"]),
            (&["-uptime"], ["a@h1", "b@h10", "b@h2", "c@h1"]),
            (&["host", "-name"], ["c@h1", "a@h1", "b@h2", "b@h10"]),
            (&["CPU"], ["b@h10", "b@h2", "a@h1", "c@h1"]),
        ] {
            assert_eq!(order(keys), expected, "{keys:?}");
        }
    }

    #[test]
    fn every_column_is_taken_and_another_is_refused_with_all_of_them() {
        for (name, column) in COLUMNS {
            assert_eq!(name.parse(), Ok(SortKey { column, descending: false }));
        }
        let refused = "colour".parse::<SortKey>().unwrap_err();
        assert!(COLUMNS.iter().all(|(name, _)| refused.contains(name)), "{refused}");
    }

    #[test]
    fn a_disabled_server_that_ended_badly_fails_nothing() {
        let broken = row("a", "h1", Status::Error, None);
        assert!(FailOn::Error.matches(&broken) && !FailOn::Unknown.matches(&broken));
        assert!(!FailOn::Error.matches(&ListRow { enabled: false, ..broken }));
        assert!(FailOn::Unknown.matches(&row("a", "h1", Status::Unknown, None)));
        let mut old = row("a", "h1", Status::Running, None);
        assert!(!FailOn::Outdated.matches(&old));
        old.status.outdated = Some(true);
        assert!(FailOn::Outdated.matches(&old));
    }
}
