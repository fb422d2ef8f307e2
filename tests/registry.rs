//! Registering, editing, forgetting and validating, through the binary.
//!
//! Boundary: what the files and the answers of `add`, `edit`, `remove`, `check`, `init`, `doctor`, `completions` and `man`
//! say; `reading` has the verbs that look, `change` those that act. The rig gives the hosts and their engines.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "rig/mod.rs"]
mod rig;
#[path = "support/said.rs"]
mod said;

#[path = "registry/add.rs"]
mod add;
#[path = "registry/edit.rs"]
mod edit;
#[path = "registry/machine.rs"]
mod machine;
#[path = "registry/on_demand.rs"]
mod on_demand;
#[path = "registry/paste.rs"]
mod paste;
#[path = "registry/remove.rs"]
mod remove;
#[path = "registry/workspace.rs"]
mod workspace;
