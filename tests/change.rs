//! `mcp start`, `stop` and `restart` through the binary, against real sshd and docker.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops at the first surprise and says what mcp said"
)]

#[path = "support/around.rs"]
mod around;
#[path = "change/audit.rs"]
mod audit;
#[path = "change/docker_words.rs"]
mod docker_words;
#[path = "change/dry_run.rs"]
mod dry_run;
#[path = "change/failure.rs"]
mod failure;
#[path = "change/foreign.rs"]
mod foreign;
#[path = "change/interrupt.rs"]
mod interrupt;
#[path = "change/journal.rs"]
mod journal;
#[path = "change/leaks.rs"]
mod leaks;
#[path = "change/loops.rs"]
mod loops;
#[path = "change/operators.rs"]
mod operators;
#[path = "change/orphans.rs"]
mod orphans;
#[path = "change/outage.rs"]
mod outage;
#[path = "change/outdated.rs"]
mod outdated;
#[path = "change/plan.rs"]
mod plan;
#[path = "change/pull.rs"]
mod pull;
#[path = "change/replace.rs"]
mod replace;
#[path = "change/report.rs"]
mod report;
#[path = "change/restart.rs"]
mod restart;
#[path = "change/resume.rs"]
mod resume;
#[path = "rig/mod.rs"]
mod rig;
#[path = "change/rolling.rs"]
mod rolling;
#[path = "change/selection.rs"]
mod selection;
#[path = "change/start.rs"]
mod start;
#[path = "change/state.rs"]
mod state;
#[path = "change/stop.rs"]
mod stop;
#[path = "change/support.rs"]
mod support;
#[path = "change/twins.rs"]
mod twins;
