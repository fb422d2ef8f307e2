//! A connection that is lost while the host is at work: what `mcp` says became of it is what became of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test stops at the first surprise and says what mcp said"
)]

#[path = "support/around.rs"]
mod around;
#[path = "lost/bench.rs"]
mod bench;
#[path = "support/dice.rs"]
mod dice;
#[path = "lost/points.rs"]
mod points;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "lost/random.rs"]
mod random;
#[path = "lost/replacing.rs"]
mod replacing;
#[path = "rig/mod.rs"]
mod rig;
#[allow(dead_code, reason = "shared with the tests of changes, which use more of it")]
#[path = "change/support.rs"]
mod support;
