//! What `mcp sessions` asks the keepers of this user.
//!
//! Boundary: questions and answers; how they look is `render`'s. Next: `keeper` answers.

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{
    Directory,
    directory::{dial, wait_readable},
    frame::{Filled, Inbox, Kind, Outbox},
    left,
    link::is_of_this_user,
};

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

/// Whether a session is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionState {
    /// It waits for a run.
    Idle,
    /// A run uses it.
    Busy,
}

/// All kept sessions of this user, by host, and what is wrong with keepers that do not answer.
#[must_use]
pub fn list(directory: &Directory) -> (Vec<SessionRow>, Vec<String>) {
    ask_all(directory, Kind::List, &[])
}

/// Closes the sessions with `hosts`, or all of them, and says which those were. One that is in use is closed when its run ends.
#[must_use]
pub fn close(directory: &Directory, hosts: Option<&[String]>) -> (Vec<SessionRow>, Vec<String>) {
    let payload = hosts.and_then(|hosts| serde_json::to_vec(hosts).ok()).unwrap_or_default();
    ask_all(directory, Kind::Close, &payload)
}

fn ask_all(directory: &Directory, kind: Kind, payload: &[u8]) -> (Vec<SessionRow>, Vec<String>) {
    let (mut rows, mut troubles) = (vec![], vec![]);
    for keeper in directory.keepers() {
        match ask(&keeper, kind, payload) {
            Ok(found) => rows.extend(found),
            // It was killed, or ended just now.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {}
            Err(error) => troubles.push(format!("{} does not answer: {error}", keeper.display())),
        }
    }
    rows.sort_by(|a, b| (&a.host, &a.target, a.keeper).cmp(&(&b.host, &b.target, b.keeper)));
    (rows, troubles)
}

fn ask(keeper: &Path, kind: Kind, payload: &[u8]) -> io::Result<Vec<SessionRow>> {
    let stream = dial(keeper)?;
    if !is_of_this_user(&stream) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"));
    }
    let mut outbox = Outbox::default();
    outbox.push(kind, payload);
    outbox.flush(&stream)?;
    let (mut inbox, until) = (Inbox::default(), Instant::now() + PATIENCE);
    loop {
        if let Some((_, payload)) = inbox.next()? {
            return Ok(serde_json::from_slice(payload)?);
        }
        if !wait_readable(&stream, left(until)) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if inbox.fill(&stream)? == Filled::HungUp {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
