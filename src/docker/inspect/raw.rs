//! The lines of `inspect.tmpl` as they are written, before they mean anything.
//!
//! Boundary: tolerance lives here (null for empty, podman's shapes); everything above sees [`Container`] only.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};

use crate::domain::Health;

use super::{Container, ContainerState};
use crate::docker::{
    mount::{Mount, MountKind, clean_path},
    port::{self, PublishedPort},
};

/// Docker's zero time, "never".
const NEVER: &str = "0001-01-01T00:00:00Z";

#[derive(Deserialize)]
pub(super) struct Raw {
    #[serde(deserialize_with = "id")]
    id: String,
    name: String,
    image: String,
    image_id: String,
    created: Option<String>,
    state: State,
    exit_code: i64,
    oom_killed: bool,
    error: Option<String>,
    pid: i64,
    started_at: Option<String>,
    finished_at: Option<String>,
    health: Option<String>,
    restart_count: u64,
    restart_policy: Option<String>,
    restart_maximum: Option<i64>,
    auto_remove: bool,
    port_bindings: Option<Ports>,
    published: Option<Ports>,
    env_names: Vec<String>,
    mounts: Vec<RawMount>,
    tmpfs: Vec<Option<String>>,
    command: Words,
    entrypoint: Words,
    network: Option<String>,
}

/// `{"80/tcp": [{"HostIp": "", "HostPort": "8080"}], "90/tcp": null}`
type Ports = BTreeMap<String, Option<Vec<RawPort>>>;

#[derive(Deserialize)]
struct RawPort {
    #[serde(rename = "HostIp", alias = "HostIP", default)]
    ip: String,
    #[serde(rename = "HostPort", default)]
    port: String,
}

#[derive(Deserialize)]
struct RawMount {
    kind: String,
    name: Option<String>,
    source: Option<String>,
    target: String,
    writable: bool,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum State {
    #[serde(alias = "configured", alias = "initialized")]
    Created,
    #[serde(alias = "stopping")]
    Running,
    Paused,
    Restarting,
    Removing,
    #[serde(alias = "stopped")]
    Exited,
    Dead,
}

/// Nothing, one word or several.
struct Words(Vec<String>);

impl<'de> Deserialize<'de> for Words {
    /// By hand, because an untagged enum first makes a copy of what it reads.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Words;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("null, a word or a list of words")
            }

            fn visit_unit<E>(self) -> Result<Words, E> {
                Ok(Words(Vec::new()))
            }

            fn visit_str<E>(self, word: &str) -> Result<Words, E> {
                Ok(Words(vec![word.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> Result<Words, A::Error> {
                let mut all = Vec::new();
                while let Some(word) = words.next_element()? {
                    all.push(word);
                }
                Ok(Words(all))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// An id is remembered, shown in part and said to docker: what is none, and could pass for an option, is refused.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let is_one = !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_one { Ok(text) } else { Err(serde::de::Error::custom("a container's id is letters and digits")) }
}

impl From<Raw> for Container {
    fn from(raw: Raw) -> Self {
        let mut mounts: Vec<Mount> = raw.mounts.into_iter().map(Mount::from).collect();
        mounts.extend(raw.tmpfs.into_iter().flatten().map(|target| Mount {
            target: clean_path(&target),
            kind: MountKind::Tmpfs,
            source: None,
            read_only: false,
        }));
        mounts.sort();
        mounts.dedup_by(|a, b| a.target == b.target && a.kind == b.kind);
        Self {
            id: raw.id,
            name: raw.name.strip_prefix('/').map(str::to_owned).unwrap_or(raw.name),
            image: raw.image,
            image_id: raw.image_id,
            created_at: time(raw.created),
            state: match raw.state {
                State::Created => ContainerState::Created,
                State::Running => ContainerState::Running,
                State::Paused => ContainerState::Paused,
                State::Restarting => ContainerState::Restarting,
                State::Removing => ContainerState::Removing,
                State::Exited => ContainerState::Exited,
                State::Dead => ContainerState::Dead,
            },
            exit_code: raw.exit_code,
            oom_killed: raw.oom_killed,
            error: raw.error.unwrap_or_default(),
            pid: u32::try_from(raw.pid).ok().filter(|pid| *pid != 0),
            started_at: time(raw.started_at),
            finished_at: time(raw.finished_at),
            health: match raw.health.as_deref() {
                Some("starting") => Some(Health::Starting),
                Some("healthy") => Some(Health::Healthy),
                Some("unhealthy") => Some(Health::Unhealthy),
                _ => None,
            },
            restart_count: raw.restart_count,
            restart_policy: restart_policy(raw.restart_policy.as_deref(), raw.restart_maximum),
            auto_remove: raw.auto_remove,
            ports: ports(raw.port_bindings),
            published: ports(raw.published),
            env_names: raw.env_names,
            mounts,
            command: raw.command.0,
            entrypoint: raw.entrypoint.0,
            network: raw.network.unwrap_or_default(),
        }
    }
}

impl From<RawMount> for Mount {
    fn from(raw: RawMount) -> Self {
        let kind = MountKind::from_word(&raw.kind);
        let source = match kind {
            MountKind::Volume => raw.name.filter(|name| !is_anonymous(name)),
            _ => raw.source.filter(|source| !source.is_empty()).map(|source| clean_path(&source)),
        };
        Self { target: clean_path(&raw.target), kind, source, read_only: !raw.writable }
    }
}

/// Docker names a volume nobody named by 64 random hexadecimal digits.
fn is_anonymous(name: &str) -> bool {
    name.is_empty() || (name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn time(text: Option<String>) -> Option<Timestamp> {
    text.filter(|text| text != NEVER)?.parse().ok()
}

fn restart_policy(name: Option<&str>, maximum: Option<i64>) -> String {
    match (name.unwrap_or_default(), maximum.unwrap_or_default()) {
        ("", _) => "no".to_owned(),
        ("on-failure", maximum) if maximum > 0 => format!("on-failure:{maximum}"),
        (name, _) => name.to_owned(),
    }
}

/// Entries that are no ports are left out: they cannot be compared with anything.
fn ports(raw: Option<Ports>) -> Vec<PublishedPort> {
    let mut ports: Vec<PublishedPort> = raw
        .unwrap_or_default()
        .into_iter()
        .flat_map(|(key, bindings)| {
            let (container, protocol) = key.split_once('/').unwrap_or((&key, "tcp"));
            let container = port::range(container).ok();
            let protocol = protocol.to_owned();
            bindings.unwrap_or_default().into_iter().filter_map(move |binding| {
                Some(PublishedPort {
                    host_ip: port::host_ip(&binding.ip).ok()?,
                    host: if matches!(binding.port.as_str(), "" | "0") {
                        None
                    } else {
                        Some(port::range(&binding.port).ok()?)
                    },
                    container: container?,
                    protocol: protocol.clone(),
                })
            })
        })
        .collect();
    ports.sort();
    ports
}
