//! The workspace's three YAML files and its journal: schema, validation, edits, and the store that reads and writes them.
//!
//! Boundary: everything but [`store`], [`source`] and [`check`] is pure, text in and values or text out. No YAML type leaves
//! this module.
//! Next: [`inventory`] (`hosts.yaml`), [`source`] (other inventories, read by `ansible`), [`registry`] (`servers.yaml`),
//! [`state`] (`state.yaml`); [`pattern`] selects hosts and servers by name; [`edit`] changes text and keeps its formatting;
//! [`store`] finds, locks, reads and replaces the files.

mod ansible;
mod check;
pub mod edit;
pub mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod graph;
pub mod inventory;
pub mod journal;
pub mod pattern;
mod range;
pub mod registry;
pub mod source;
pub mod ssh_config;
pub mod state;
pub mod store;
pub mod target;
mod walk;

mod yaml;

pub use check::check;

/// Any serialisable value as YAML.
///
/// # Errors
/// When a value has no YAML form.
pub fn to_yaml(value: &impl serde::Serialize) -> Result<String, error::ConfigError> {
    serde_yaml::to_string(value).map_err(|source| error::ConfigError::file("answer", source.to_string()))
}
