//! `mcp` starts, stops, restarts, watches and reads MCP servers in Docker on many hosts over SSH.
//!
//! The layers, from the top; each knows only those below it:
//!
//! - [`cli`] reads argv, wires the real transport and dispatches to [`commands`], one file per verb.
//! - [`render`] is the only place that writes to a terminal.
//! - [`operations`] are the use cases: select, plan (pure), run on the fleet, report.
//! - [`fleet`] fans hosts out to workers, one session each.
//! - [`transport`] runs a script on a host: over SSH, or here.
//! - [`docker`] knows what to say to docker and how to read what it answers; pure.
//! - [`config`] reads, checks and writes the workspace's three YAML files.
//! - [`domain`] holds the words all of them use, [`error`] the exit codes.
//!
//! The road of `mcp restart --all --on @prod`: [`cli`] parses it, [`commands::restart`] loads the workspace,
//! [`operations::select`] yields instances, [`operations::act`] asks each host what runs ([`operations::observe`]), decides
//! what each instance needs ([`operations::change`]), has the host do it in one more exec and look again; outcomes come back
//! as data in inventory order, [`render`] shows them, the state is written once, and the exit code is a fold over outcomes.

pub mod cli;
pub mod commands;
pub mod config;
pub mod docker;
pub mod domain;
pub mod error;
pub mod fleet;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod operations;
pub mod render;
pub mod transport;
