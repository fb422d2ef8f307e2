//! `state.yaml`: what was last known of each instance, and what is needed to manage it.
//!
//! Boundary: text in, records out, and back; locking and writing are `store`'s. Written by `mcp` alone, so reading
//! it is strict: a file that cannot be read whole is set aside, as the hosts and the registry can give everything back.
//! Next: `state/line.rs` for the lines that `mcp` writes; whatever else YAML allows, such as the blocks of earlier versions, is read too.

mod line;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    error::{ConfigError, ConfigErrors},
    yaml::LARGEST,
};
use crate::domain::{Instance, InstanceState, ServerStatus};

/// The only version there is.
const VERSION: u32 = 1;

/// Ends the error of a state that is broken, unlike one that cannot be read.
pub const MAY_BE_DELETED: &str = "the file is only a cache and may be deleted";

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
    /// The name of that container, or the one that was registered when it was looked for.
    #[serde(default)]
    pub container: Option<String>,
    /// Containers of this instance with earlier names that were not seen to be gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<LeftBehind>,
}

/// A container that `mcp` made and that is registered no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftBehind {
    /// Docker's full id.
    pub container_id: String,
    /// Its name, as it was last seen.
    pub container: String,
}

impl Record {
    /// Counts its container, if its name is known, among those that are registered no more.
    pub fn leave(&mut self) {
        if let (Some(container_id), Some(container)) = (self.container_id.take(), self.container.clone()) {
            self.left.push(LeftBehind { container_id, container });
        }
    }

    /// Takes over from `earlier` what is still to be known of containers with other names: under its own name a container has taken the
    /// earlier one's place, under another both may be there.
    pub fn inherit(&mut self, earlier: &Self) {
        let is_another = |left: &LeftBehind| self.container_id.as_ref() != Some(&left.container_id);
        let mut earlier = earlier.clone();
        // One that is on demand has no container of its own any more.
        let has_another = self.container.is_some() || self.status.state == InstanceState::OnDemand;
        if has_another && self.container != earlier.container {
            earlier.leave();
        }
        let mut left = earlier.left;
        left.extend(std::mem::take(&mut self.left));
        left.retain(is_another);
        let mut seen = BTreeSet::new();
        left.retain(|one| seen.insert(one.container_id.clone()));
        self.left = left;
    }
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
        let error = |line: Option<usize>, reason: &str| {
            let message = format!("{reason}; {MAY_BE_DELETED}");
            ConfigErrors::from(ConfigError { line, ..ConfigError::file(label, message) })
        };
        if text.len() > LARGEST {
            return Err(error(None, &format!("the file has {} bytes; at most {LARGEST} are read", text.len())));
        }
        if let Some(instances) = line::read(text) {
            return Ok(Self { instances });
        }
        let file = of_yaml(text).map_err(|source| error(source.location().map(|at| at.line()), &source.to_string()))?;
        if file.version != VERSION {
            return Err(error(Some(1), &format!("version {} is not {VERSION}, the only one there is", file.version)));
        }
        Ok(Self { instances: file.instances })
    }

    /// The text of `state.yaml`, the same for the same state: a line for each instance, sorted.
    ///
    /// # Errors
    /// When a value has no YAML form.
    pub fn to_text(&self) -> Result<String, ConfigError> {
        line::write(&self.instances).map_err(|source| ConfigError::file("state.yaml", source.to_string()))
    }
}

/// Reads any YAML.
fn of_yaml(text: &str) -> Result<File, serde_yaml::Error> {
    serde_yaml::from_str(text)
}
