//! `state.yaml`: what was last known of each instance, and what is needed to manage it.
//!
//! Boundary: text in, records out, and back; locking and writing are `store`'s. Written by `mcp` alone, so reading
//! it is strict: a file that cannot be read whole is set aside, as the hosts and the registry can give everything back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    error::{ConfigError, ConfigErrors},
    yaml::LARGEST,
};
use crate::domain::{Instance, ServerStatus};

/// The only version there is.
const VERSION: u32 = 1;

/// Everything remembered, sorted by instance.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// What is known of each instance.
    pub instances: BTreeMap<Instance, Record>,
}

/// What is known of one instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The last status; its `last_check` is its age.
    pub status: ServerStatus,
    /// The container that `mcp` started or adopted.
    pub container_id: Option<String>,
    /// Hash of the command that container was started with.
    pub command_hash: Option<String>,
    /// Who stopped it, when `mcp` did.
    pub stopped_by: Option<StoppedBy>,
}

/// A stop that was wanted: it makes a non-zero exit code `stopped` rather than `error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoppedBy {
    /// The user who ran `mcp stop`.
    pub who: String,
    /// When the stop was done.
    pub at: Timestamp,
}

#[derive(Serialize)]
struct FileRef<'a> {
    version: u32,
    instances: &'a BTreeMap<Instance, Record>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(default)]
    instances: BTreeMap<Instance, Record>,
}

impl State {
    /// Reads `state.yaml`.
    ///
    /// # Errors
    /// One, which says that the file may be deleted.
    pub fn parse(text: &str, label: &str) -> Result<Self, ConfigErrors> {
        const MAY_GO: &str = "the file is only a cache and may be deleted";
        let error = |line: Option<usize>, reason: &str| {
            let message = format!("{reason}; {MAY_GO}");
            ConfigErrors::from(ConfigError { line, ..ConfigError::file(label, message) })
        };
        if text.len() > LARGEST {
            return Err(error(None, &format!("the file has {} bytes; at most {LARGEST} are read", text.len())));
        }
        let file: File = serde_yaml::from_str(text)
            .map_err(|source| error(source.location().map(|at| at.line()), &source.to_string()))?;
        if file.version != VERSION {
            return Err(error(Some(1), &format!("version {} is not {VERSION}, the only one there is", file.version)));
        }
        Ok(Self { instances: file.instances })
    }

    /// The text of `state.yaml`, the same for the same state.
    ///
    /// # Errors
    /// When a value has no YAML form.
    pub fn to_text(&self) -> Result<String, ConfigError> {
        let file = FileRef { version: VERSION, instances: &self.instances };
        let text =
            serde_yaml::to_string(&file).map_err(|source| ConfigError::file("state.yaml", source.to_string()))?;
        Ok(format!("# Written by mcp; a cache. Do not edit: delete it and it comes back.\n{text}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::domain::{Health, HostName, ServerName, Status};
    use proptest::prelude::*;

    pub(crate) fn record(server: &str, host: &str) -> Record {
        let (server, host) = (ServerName::new(server).unwrap(), HostName::new(host).unwrap());
        let status = ServerStatus::bare(server, host, Status::Running, Timestamp::from_second(1_700_000_000).unwrap());
        Record { status, container_id: None, command_hash: None, stopped_by: None }
    }

    #[test]
    fn the_released_version_1_still_loads() {
        let text = include_str!("../../fixtures/workspaces/v1/state.yaml");
        let state = State::parse(text, "state.yaml").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(state.to_text().unwrap(), text);
        let record = &state.instances[&"finance@edge-1".parse::<Instance>().unwrap()];
        assert_eq!(record.status.health, Some(Health::Healthy));
        let stopped = &state.instances[&"weather@edge-2".parse::<Instance>().unwrap()];
        assert_eq!(stopped.stopped_by.as_ref().map(|by| by.who.as_str()), Some("ana"));
    }

    #[test]
    fn a_broken_file_says_that_it_may_be_deleted() {
        for text in [
            "",
            "version: 2\n",
            "version: 1\ninstances: {finance: {}}\n",
            "version: 1\nfoo: 1\n",
            "version: [",
            "version: 1\ninstances:\n  a@b: {status: {}}\n",
            "version: 1\nversion: 1\n",
            "\0",
            "- 1",
        ] {
            let error = State::parse(text, "state.yaml").unwrap_err().to_string();
            assert!(error.contains("may be deleted") && error.starts_with("state.yaml"), "{text:?}: {error}");
        }
        let deep = "[".repeat(100_000);
        assert!(State::parse(&deep, "state.yaml").is_err());
    }

    proptest! {
        #[test]
        fn any_text_survives_writing_and_reading(message in "\\PC*|[\\x00-\\x7f]*", who in ".*", id in "[0-9a-f]{1,64}|0x1f|010|1e3|~|no") {
            let mut state = State::default();
            let mut record = record("a", "010");
            record.status.message = Some(message);
            record.container_id = Some(id.clone());
            record.command_hash = Some(id);
            record.stopped_by = Some(StoppedBy { who, at: Timestamp::from_second(5).unwrap() });
            state.instances.insert("a@010".parse().unwrap(), record);
            prop_assert_eq!(State::parse(&state.to_text().unwrap(), "state.yaml").unwrap(), state);
        }
    }
}
