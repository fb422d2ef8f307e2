//! What `mcp sessions` asks the keepers of this user.
//!
//! Boundary: questions and answers; how they look is `render`'s. Next: `keeper` answers.

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{Directory, frame::Kind, talk::Talk};
use crate::domain::{fold::natural, glob};

/// How long a keeper may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// A kept session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// What the inventory of the run that opened it called the host.
    pub host: String,
    /// `user@address:port`.
    pub target: String,
    /// The names of the jump hosts on the way, from the outermost in.
    pub jump: Vec<String>,
    /// Whether a run uses it now.
    pub state: SessionState,
    /// How long it has been open, in seconds.
    pub open_seconds: u64,
    /// When it ends if nobody uses it, in seconds; `None` while it is used.
    pub ends_in_seconds: Option<u64>,
    /// The process id of the one that holds it.
    pub keeper: u32,
}

impl SessionRow {
    /// Whether one of `patterns` (`*` and `?`) means its host; all are meant without any.
    #[must_use]
    pub fn is_meant_by(&self, patterns: &[String]) -> bool {
        patterns.is_empty() || patterns.iter().any(|pattern| glob(pattern, &self.host))
    }
}

/// Whether a session is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionState {
    /// It waits for a run.
    Idle,
    /// A run uses it.
    Busy,
}

/// All kept sessions of this user, by host, and why that may not be all: keepers that do not answer, a directory that is
/// not used.
#[must_use]
pub fn list(directory: &Directory) -> (Vec<SessionRow>, Vec<String>) {
    ask_all(directory, Kind::List, &[])
}

/// Closes the sessions that `patterns` mean (see [`SessionRow::is_meant_by`]), and says which those were. One that is in use is closed
/// when its run ends.
#[must_use]
pub fn close(directory: &Directory, patterns: &[String]) -> (Vec<SessionRow>, Vec<String>) {
    ask_all(directory, Kind::Close, serde_json::json!(patterns).to_string().as_bytes())
}

fn ask_all(directory: &Directory, kind: Kind, payload: &[u8]) -> (Vec<SessionRow>, Vec<String>) {
    let (mut rows, mut troubles) = (vec![], vec![]);
    match directory.check() {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            troubles.push(format!("no session is kept, because {} is not used: {error}", directory.path().display()));
        }
        _ => {}
    }
    for keeper in directory.keepers() {
        match ask(&keeper, kind, payload) {
            Ok(found) => rows.extend(found),
            Err(error) if has_ended(&error) => {}
            Err(error) => troubles.push(no_answer(&keeper, &error)),
        }
    }
    let rest = |row: &SessionRow| (row.target.clone(), row.keeper);
    rows.sort_by(|a, b| natural(&a.host, &b.host).then_with(|| rest(a).cmp(&rest(b))));
    (rows, troubles)
}

/// Whether a keeper that answers so was killed, or ends just now: it holds nothing any more.
fn has_ended(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound, UnexpectedEof};
    matches!(error.kind(), ConnectionRefused | NotFound | ConnectionReset | BrokenPipe | UnexpectedEof)
}

fn no_answer(keeper: &Path, error: &io::Error) -> String {
    let process = keeper.file_name().and_then(|name| name.to_str()?.strip_prefix("k-")).unwrap_or("?");
    let why = match error.kind() {
        io::ErrorKind::TimedOut => format!("it has not answered within {} s", PATIENCE.as_secs()),
        io::ErrorKind::WouldBlock => "it is stopped or busy, and others wait for it already".to_owned(),
        _ => error.to_string(),
    };
    format!(
        "process {process}, which keeps sessions, cannot be asked: {why}; `kill -9 {process}` ends it with its sessions"
    )
}

fn ask(keeper: &Path, kind: Kind, payload: &[u8]) -> io::Result<Vec<SessionRow>> {
    let mut talk = Talk::with_keeper(keeper)?;
    talk.say(kind, payload)?;
    let (_, answer) = talk.hear(Instant::now() + PATIENCE)?;
    Ok(serde_json::from_slice(&answer)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keeper_that_cannot_be_asked_is_named_with_what_to_do() {
        let said = no_answer(Path::new("/run/k-12"), &io::ErrorKind::TimedOut.into());
        assert!(said.contains("process 12,") && said.contains("within 2 s") && said.contains("`kill -9 12`"), "{said}");
    }
}
