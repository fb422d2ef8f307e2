//! Which configuration is read, and that it is read once.
//!
//! Boundary: remembers; the reading itself is [`Machine`]'s, so that without one nothing is read at all.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Machine, SshConfig};
use crate::config::error::ConfigError;

/// Which configuration is read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Choice {
    /// `~/.ssh/config`, then `/etc/ssh/ssh_config`.
    #[default]
    Default,
    /// This file and no other, as `ssh -F FILE`.
    File(PathBuf),
    /// None, as `ssh -F none`.
    Nothing,
}

/// A configuration and what it is evaluated with.
pub(crate) type Config = (Arc<SshConfig>, Arc<dyn Machine>);

/// What was read, by what was asked for.
type Memory = Mutex<HashMap<Choice, Result<Arc<SshConfig>, ConfigError>>>;

/// Reads configurations, each once.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    machine: Option<Arc<dyn Machine>>,
    memory: Arc<Memory>,
}

impl Reader {
    /// One that reads through `machine`; the default one reads nothing.
    #[must_use]
    pub fn new(machine: Arc<dyn Machine>) -> Self {
        Self { machine: Some(machine), memory: Arc::default() }
    }

    /// The configuration, and the machine to evaluate it with; `None` when nothing is to be read.
    ///
    /// # Errors
    /// Those of [`SshConfig::read`].
    pub(crate) fn read(&self, choice: &Choice) -> Result<Option<Config>, ConfigError> {
        let Some(machine) = self.machine.as_ref().filter(|_| *choice != Choice::Nothing) else { return Ok(None) };
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let config =
            memory.entry(choice.clone()).or_insert_with(|| SshConfig::read(choice, machine.as_ref()).map(Arc::new));
        Ok(Some((config.clone()?, Arc::clone(machine))))
    }
}
