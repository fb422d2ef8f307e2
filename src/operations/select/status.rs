//! Which of the instances that were looked at: `--outdated` and `--status`.
//!
//! Boundary: pure; a record in, yes or no out.

use crate::domain::ServerStatus;

/// The words that `--status` takes: those of `status`, then those of the finer `state`.
pub const STATUS_WORDS: [&str; 14] = [
    "running",
    "stopped",
    "error",
    "unknown",
    "absent",
    "created",
    "starting",
    "restarting",
    "paused",
    "stopping",
    "exited",
    "dead",
    "building",
    "on_demand",
];

/// What an instance must be like to be shown or acted on. The default lets everything through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusFilter {
    /// Only those that are not what is registered.
    pub outdated: bool,
    /// Only those whose `status` or `state` is one of these words, if there are any.
    pub words: Vec<String>,
}

impl StatusFilter {
    /// Whether `status` is meant.
    #[must_use]
    pub fn accepts(&self, status: &ServerStatus) -> bool {
        let has_word = |word: &String| word == status.status.as_str() || word == status.state.as_str();
        (!self.outdated || status.outdated == Some(true)) && (self.words.is_empty() || self.words.iter().any(has_word))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::domain::{HostName, InstanceState, ServerName, Status};

    #[test]
    fn an_instance_is_meant_by_its_status_its_state_and_whether_it_is_outdated() {
        let (name, host) = (ServerName::new("a").unwrap(), HostName::new("h").unwrap());
        let mut status = ServerStatus::bare(name, host, Status::Error, jiff::Timestamp::UNIX_EPOCH);
        (status.state, status.outdated) = (InstanceState::Restarting, Some(true));
        for (outdated, words, accepted) in [
            (false, &[][..], true),
            (true, &[], true),
            (false, &["error"], true),
            (false, &["restarting"], true),
            (false, &["running"], false),
            (true, &["running", "error"], true),
        ] {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(StatusFilter { outdated, words }.accepts(&status), accepted);
        }
        status.outdated = None;
        let filter = StatusFilter { outdated: true, words: vec![] };
        assert!(!filter.accepts(&status), "what is not known is not outdated");
    }
}
