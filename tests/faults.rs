//! Every command that changes things under every fault: a table of pairs, run against real sshd and docker.
//!
//! `docs/faults.md` says what is injected and what is held of each pair. Next: `faults/table.rs` has the faults, `faults/verb.rs` the
//! commands, `faults/pair.rs` the course of one pair, `faults/judge.rs` what is held of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test stops at the first surprise; the figures are for whoever runs it"
)]

#[path = "support/around.rs"]
mod around;
#[path = "faults/bench.rs"]
mod bench;
#[path = "support/dice.rs"]
mod dice;
#[path = "faults/fault.rs"]
mod fault;
#[path = "faults/hosts.rs"]
mod hosts;
#[path = "faults/judge.rs"]
mod judge;
#[path = "faults/kill.rs"]
mod kill;
#[path = "faults/matrix.rs"]
mod matrix;
#[path = "faults/pair.rs"]
mod pair;
#[path = "faults/processes.rs"]
mod processes;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "rig/mod.rs"]
mod rig;
#[path = "faults/table.rs"]
mod table;
#[path = "faults/verb.rs"]
mod verb;
