//! A registered MCP server: the literal strings and where they run.
//!
//! Boundary: what is registered, unparsed; the grammar of a `docker run` string is `docker::run_string`'s.

use std::{sync::Arc, time::Duration};

use super::{Rollout, ServerName, Settings};

/// One entry of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name.
    pub name: ServerName,
    /// The literal `docker run …` string.
    pub command: String,
    /// Host patterns (`edge-1`, `web-*,@prod`); an instance runs on each host that they select together.
    pub host: Vec<String>,
    /// The port clients use, on the host.
    pub port: Option<u16>,
    /// What it is for, for people.
    pub description: Option<String>,
    /// Labels to select by.
    pub tags: Vec<String>,
    /// Start order on a host: lower starts first, equal ones side by side; stopped in reverse. Default 0.
    pub priority: i32,
    /// `false` leaves it out of `--all`, tags and patterns.
    pub enabled: bool,
    /// Registered `docker stop …` string; derived from the container's name when absent.
    pub stop: Option<String>,
    /// Registered `docker logs …` string; derived from the container's name when absent.
    pub logs: Option<String>,
    /// Registered `docker stats …` string; derived from the container's name when absent.
    pub stats: Option<String>,
    /// Registered string that pulls the image; derived from the image's name when absent.
    pub pull: Option<String>,
    /// What its own entry says of the keys that `defaults:` may hold too.
    pub own: Settings,
    /// `defaults:` of its servers.yaml.
    pub defaults: Arc<Settings>,
}

impl Server {
    /// A server with defaults for everything else: enabled, at priority 0.
    #[must_use]
    pub fn new(name: ServerName, command: impl Into<String>, host: Vec<String>) -> Self {
        Self {
            name,
            command: command.into(),
            host,
            port: None,
            description: None,
            tags: vec![],
            priority: 0,
            enabled: true,
            stop: None,
            logs: None,
            stats: None,
            pull: None,
            own: Settings::default(),
            defaults: Arc::default(),
        }
    }

    /// Its batches, failure limit and pause, `defaults:` included.
    #[must_use]
    pub fn rollout(&self) -> Rollout {
        self.own.over(&self.defaults).rollout
    }

    /// How long its replaced container is kept, `defaults:` included; zero: it is removed at once.
    #[must_use]
    pub fn keep_previous(&self) -> Duration {
        self.own.keep_previous.or(self.defaults.keep_previous).unwrap_or_default()
    }
}
