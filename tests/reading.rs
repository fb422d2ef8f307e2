//! The verbs that look: `list`, `get`, `log`, `hosts list` and `hosts check`, through the binary.
//!
//! Boundary: what is asked of hosts and what the answers say; `change` has the verbs that act, `registry` those that write.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "rig/mod.rs"]
mod rig;
#[path = "support/said.rs"]
mod said;

#[path = "reading/answers.rs"]
mod answers;
#[path = "support/around.rs"]
mod around;
#[path = "reading/get.rs"]
mod get;
#[path = "reading/hosts.rs"]
mod hosts;
#[path = "reading/list.rs"]
mod list;
#[path = "reading/log.rs"]
mod log;
#[path = "reading/log_end.rs"]
mod log_end;
#[path = "reading/log_save.rs"]
mod log_save;
#[path = "reading/watch.rs"]
mod watch;

use rig::Scratch;

/// Registers `name` on the hosts of `pattern`: the rig's image with `options` before it and `arguments` after it.
fn register(scratch: &Scratch<'_>, name: &str, pattern: &str, options: &str, arguments: &str) -> String {
    let server = scratch.name(name);
    let command = scratch.docker_run(name, options, arguments);
    said::run(scratch.mcp(&["add", &server, "--host", pattern, "--command", &command])).code(0);
    server
}

/// Registers it and starts it.
fn started(scratch: &Scratch<'_>, name: &str, pattern: &str, options: &str, arguments: &str) -> String {
    let server = register(scratch, name, pattern, options, arguments);
    said::run(scratch.mcp(&["start", &server, "--settle", "0s"])).code(0);
    server
}
