//! `mcp exec` and `mcp copy` through the binary, against a real sshd that stands for many hosts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test stops at the first surprise and says what sshd said"
)]

#[path = "support/around.rs"]
mod around;
#[path = "exec/copy.rs"]
mod copy;
#[path = "exec/core_dump.rs"]
mod core_dump;
#[path = "exec/cut.rs"]
mod cut;
#[path = "exec/fleet.rs"]
mod fleet;
#[path = "exec/keeping.rs"]
mod keeping;
#[path = "exec/refused.rs"]
mod refused;
#[path = "exec/rolling.rs"]
mod rolling;
#[path = "exec/run.rs"]
mod run;
#[path = "support/said.rs"]
mod said;
#[path = "exec/secrets.rs"]
mod secrets;
#[path = "exec/sessions.rs"]
mod sessions;
#[allow(dead_code, reason = "another test binary uses the rest")]
#[path = "transport/sshd.rs"]
mod sshd;
