//! `mcp start`, `stop` and `restart` through the binary, against real sshd and docker.
//!
//! Boundary: what happens to containers and what the answer says of it; pure decisions are tested beside
//! `operations::change`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "rig/mod.rs"]
mod rig;
#[path = "support/said.rs"]
mod said;

#[path = "change/faults.rs"]
mod faults;
#[path = "change/restart.rs"]
mod restart;
#[path = "change/select.rs"]
mod select;
#[path = "change/start.rs"]
mod start;
#[path = "change/stop.rs"]
mod stop;

use rig::Scratch;

/// One entry of `servers.yaml`.
fn entry(scratch: &Scratch<'_>, name: &str, host: &str, command: &str, more: &str) -> String {
    format!("  {}:\n    command: {command:?}\n    host: {host:?}\n{more}", scratch.name(name))
}

/// Writes `servers.yaml` with these entries.
fn register(scratch: &Scratch<'_>, entries: &[String]) {
    scratch.write("servers.yaml", &format!("version: 1\nservers:\n{}", entries.concat()));
}

/// Writes one server on edge-1.
fn register_one(scratch: &Scratch<'_>, name: &str, options: &str, arguments: &str) {
    let run = scratch.docker_run(name, options, arguments);
    register(scratch, &[entry(scratch, name, "edge-1", &run, "")]);
}

/// The full id of the container of `name` on edge-1.
fn id(scratch: &Scratch<'_>, name: &str) -> String {
    rig::Rig::get().docker_text(1, &["inspect", "-f", "{{.Id}}", &scratch.name(name)])
}
