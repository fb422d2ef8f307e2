//! What is known of one instance at one moment.
//!
//! Boundary: the record and its JSON shape; which docker state gives which status is `docker::status`'s.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{HostName, ServerName};

/// The state of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The container runs.
    Running,
    /// It is not there, or ended well, or `mcp` stopped it.
    Stopped,
    /// It ended with a non-zero code, was killed for memory, cannot start, or restarts in a loop.
    Error,
    /// The host or its engine gave no answer.
    Unknown,
}

impl Status {
    /// The word used in tables and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Error => "error",
            Self::Unknown => "unknown",
        }
    }
}

/// What an instance is doing, finer than [`Status`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// There is no container: it was never started, or was removed.
    Absent,
    /// The container was made and has not run.
    Created,
    /// It runs, and docker's health check has neither passed nor failed yet.
    Starting,
    /// It runs.
    Running,
    /// It is in a crash loop, up or down.
    Restarting,
    /// It is frozen.
    Paused,
    /// It is being stopped or removed.
    Stopping,
    /// It ended.
    Exited,
    /// Docker could not remove it.
    Dead,
    /// Its image is being built.
    Building,
    /// It runs for each connection and not by itself (stdio).
    OnDemand,
    /// The host or its engine gave no answer.
    #[default]
    Unknown,
}

impl InstanceState {
    /// The word used in tables and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Created => "created",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Paused => "paused",
            Self::Stopping => "stopping",
            Self::Exited => "exited",
            Self::Dead => "dead",
            Self::Building => "building",
            Self::OnDemand => "on_demand",
            Self::Unknown => "unknown",
        }
    }
}

/// Docker's own health of a container (`HEALTHCHECK`, Dockerfile reference).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Inside its start period.
    Starting,
    /// The last checks passed.
    Healthy,
    /// The last checks failed.
    Unhealthy,
}

impl Health {
    /// The word used in tables and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// The status record of one instance. Every field is always present in JSON; what is not known is `null`, or an empty list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// The server's name.
    pub name: ServerName,
    /// The host's name.
    pub host: HostName,
    /// The state.
    pub status: Status,
    /// Docker's full container id, 64 hexadecimal digits.
    pub container_id: Option<String>,
    /// Seconds since the container started; null when it does not run.
    pub uptime: Option<u64>,
    /// Percent of one core: 200 is two cores busy. Only when usage was asked for.
    pub cpu_usage: Option<f64>,
    /// Percent, from `nvidia-smi`; null where there is none.
    pub gpu_usage: Option<f64>,
    /// Bytes in use. Only when usage was asked for.
    pub memory_usage: Option<u64>,
    /// Bytes at most.
    pub memory_limit: Option<u64>,
    /// When this was learnt from the host (RFC 3339, UTC).
    pub last_check: Timestamp,
    /// The image the container was made from, as it was named then.
    pub image: Option<String>,
    /// Exit code of the last end; null while it runs.
    pub exit_code: Option<i64>,
    /// How often docker restarted it by its restart policy.
    pub restart_count: Option<u64>,
    /// Docker's health; null without a health check.
    pub health: Option<Health>,
    /// Why the status is what it is, in one line.
    pub message: Option<String>,
    /// What it is doing, finer than `status`.
    #[serde(default)]
    pub state: InstanceState,
    /// When the container last started, by the host's clock (RFC 3339, UTC).
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// Whether what is there is not what is registered; null without a container or an answer.
    #[serde(default)]
    pub outdated: Option<bool>,
    /// Why it is outdated: `command`, `image_moved`, or what differs (`image`, `ports`, `environment`, …).
    #[serde(default)]
    pub outdated_reasons: Vec<String>,
}

impl ServerStatus {
    /// A record that knows nothing yet but `status`; the other fields are filled by whoever learnt them.
    #[must_use]
    pub fn bare(name: ServerName, host: HostName, status: Status, last_check: Timestamp) -> Self {
        Self {
            name,
            host,
            status,
            container_id: None,
            uptime: None,
            cpu_usage: None,
            gpu_usage: None,
            memory_usage: None,
            memory_limit: None,
            last_check,
            image: None,
            exit_code: None,
            restart_count: None,
            health: None,
            message: None,
            state: InstanceState::Unknown,
            started_at: None,
            outdated: None,
            outdated_reasons: vec![],
        }
    }
}
