//! What to say to docker and how to read what it answers. Pure: bytes in, values out.
//!
//! Reading order: [`shell`] (words and quoting), [`flags`] (docker's option grammar), [`run_string`] and [`registered`]
//! (what people register), [`command`] (what `mcp` says by itself; [`replacement`] for several steps), then the readers: [`inspect`] (in shell: [`not_up`]), [`stats`], [`gpu`],
//! [`health`], [`failure`], [`sudo`] (a host's words for docker), and the judgements made from them: [`status`] and [`drift`].
//!
//! Boundary: no files, sockets, clocks or terminals. Everything a host says is untrusted: readers skip what they cannot
//! read and never panic. Formats are pinned by `fixtures/docker`, captured from real engines.

pub mod checks;
pub mod client_entry;
pub mod command;
pub mod drift;
pub mod failure;
pub mod flags;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub mod gpu;
pub mod health;
pub mod inspect;
pub mod mount;
pub mod not_up;
pub mod port;
pub mod pull_string;
pub mod reference;
pub mod registered;
pub mod replacement;
pub mod run_string;
pub mod shell;
pub mod stats;
pub mod status;
pub mod sudo;

#[cfg(test)]
pub(crate) mod fixture;
