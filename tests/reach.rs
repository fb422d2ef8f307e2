//! Reaching hosts through the binary: jump hosts, hosts that hang, connections that are tried again.
//!
//! Boundary: what is on the way to a host; `transport` tests the connectors themselves, `reading` and `change` what is done there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed"
)]

#[path = "rig/mod.rs"]
mod rig;
#[path = "support/said.rs"]
mod said;
#[allow(dead_code, reason = "shared with the tests of the connectors, which use the rest")]
#[path = "transport/sshd.rs"]
mod sshd;

#[path = "reach/fleet.rs"]
mod fleet;
#[path = "reach/hang.rs"]
mod hang;
#[path = "reach/jump.rs"]
mod jump;
#[path = "reach/retry.rs"]
mod retry;
