//! `mcp`: start, stop, restart, watch and read MCP servers in Docker on many hosts over SSH.

pub mod config;
pub mod docker;
pub mod domain;
pub mod fleet;
pub mod transport;
