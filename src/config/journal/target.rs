//! What a run is about: instances, or hosts.
//!
//! Boundary: values and their form in a line. A host may be one that only a command line names.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::domain::{HostName, Instance};

/// One of the things a run is about. Its key in a line says which kind it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// A server on a host.
    Instance(Instance),
    /// A host.
    #[serde(deserialize_with = "host")]
    Host(HostName),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(instance) => instance.fmt(f),
            Self::Host(host) => host.fmt(f),
        }
    }
}

/// All of the things a run is about, of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Targets {
    /// Servers on hosts.
    Instances(Vec<Instance>),
    /// Hosts.
    #[serde(deserialize_with = "hosts")]
    Hosts(Vec<HostName>),
}

impl Targets {
    /// One by one, in their order.
    #[must_use]
    pub fn list(&self) -> Vec<Target> {
        match self {
            Self::Instances(instances) => instances.iter().cloned().map(Target::Instance).collect(),
            Self::Hosts(hosts) => hosts.iter().cloned().map(Target::Host).collect(),
        }
    }

    /// How many they are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Instances(instances) => instances.len(),
            Self::Hosts(hosts) => hosts.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first version of a line that can name them.
    pub(super) fn version(&self) -> u32 {
        match self {
            Self::Instances(_) => 1,
            Self::Hosts(_) => 2,
        }
    }
}

fn name<E: Error>(text: String) -> Result<HostName, E> {
    // `::` is a name of an inventory and no other one.
    HostName::new(text.clone()).or_else(|_| HostName::one_shot(text)).map_err(E::custom)
}

fn host<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HostName, D::Error> {
    name(String::deserialize(deserializer)?)
}

/// Names of hosts, those of a command line (`root@10.0.0.5:2222`) among them.
pub(super) fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<HostName>, D::Error> {
    Vec::<String>::deserialize(deserializer)?.into_iter().map(name).collect()
}

/// As [`hosts`], for batches.
pub(super) fn batches<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<HostName>>, D::Error> {
    let batches = Vec::<Vec<String>>::deserialize(deserializer)?;
    batches.into_iter().map(|batch| batch.into_iter().map(name).collect()).collect()
}
