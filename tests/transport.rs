//! The connectors against a real sshd and a real shell.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test stops at the first surprise and says what sshd said"
)]

#[path = "transport/algorithms.rs"]
mod algorithms;
#[path = "transport/auth.rs"]
mod auth;
#[path = "transport/exec.rs"]
mod exec;
#[path = "transport/host_certificates.rs"]
mod host_certificates;
#[path = "transport/host_keys.rs"]
mod host_keys;
#[path = "transport/jump.rs"]
mod jump;
#[path = "transport/kept.rs"]
mod kept;
#[path = "transport/local.rs"]
mod local;
#[path = "transport/pipe.rs"]
mod pipe;
#[path = "transport/ssh_config.rs"]
mod ssh_config;
#[path = "transport/sshd.rs"]
mod sshd;
#[path = "transport/user_certificates.rs"]
mod user_certificates;
