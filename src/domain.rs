//! The words everything else is written in: hosts, servers, instances and what is known of them.
//!
//! Boundary: values and their validation only; no files, sockets, clocks or terminals.
//! Next: `docker` reads and writes docker's language in these words; `config` loads them from YAML.

pub mod fold;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod glob;
mod host;
pub mod moment;
mod name;
mod rollout;
pub mod secrets;
mod server;
mod status;
mod words;

pub use glob::glob;
pub use host::{
    AddressFamily, AgentChoice, Algorithms, Audit, Connection, Docker, Host, HostKeyPolicy, JumpHost, SshEndpoint,
};
pub use moment::Moment;
pub use name::{GroupName, HostName, Instance, NameError, ServerName};
pub use rollout::{Amount, LONGEST_KEPT, Rollout, Serial, Settings};
pub use server::Server;
pub use status::{Health, InstanceState, ServerStatus, Status};
pub use words::plural;
