//! How a server is rolled out: sizes of batches, failure limits, pauses, and how long a replaced container is kept.
//!
//! Boundary: values and their text. Next: `fleet::rolling` plans batches with them; `config::registry` reads them from YAML.

use std::{fmt, str::FromStr, time::Duration};

/// Longest time for which a replaced container is kept: 30 days.
pub const LONGEST_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// So many hosts, or so much of all hosts that were selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// A number of hosts; at least 1.
    Hosts(usize),
    /// Percent of the selected hosts, 1 to 100.
    Percent(u8),
}

impl Amount {
    /// How many of `all` hosts a batch of this size has: percent are rounded down, to no less than 1, as Ansible's `serial`
    /// does ("Controlling playbook execution", "Setting the batch size with serial").
    #[must_use]
    pub fn of(self, all: usize) -> usize {
        match self {
            Self::Hosts(count) => count,
            Self::Percent(percent) => (all.saturating_mul(usize::from(percent)) / 100).max(1),
        }
    }

    /// Whether `failed` of `all` hosts are this many.
    #[must_use]
    pub fn is_reached(self, failed: usize, all: usize) -> bool {
        match self {
            Self::Hosts(count) => failed >= count,
            Self::Percent(percent) => failed > 0 && failed * 100 >= all * usize::from(percent),
        }
    }
}

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is neither a number of hosts from 1 on nor 1% to 100%");
        // Only digits: `+1` and `１` are no numbers people mean.
        let number = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
        match text.strip_suffix('%') {
            Some(digits) => number(digits)
                .and_then(|n: usize| u8::try_from(n).ok())
                .filter(|n| (1..=100).contains(n))
                .map(Self::Percent)
                .ok_or_else(wrong),
            None => number(text).filter(|n| *n > 0).map(Self::Hosts).ok_or_else(wrong),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hosts(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// Sizes of the batches, in their order; the last one repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serial(Vec<Amount>);

impl Serial {
    /// Batches of these sizes; without one, all hosts are one batch.
    #[must_use]
    pub fn new(sizes: Vec<Amount>) -> Self {
        Self(sizes)
    }

    /// The sizes as written.
    #[must_use]
    pub fn sizes(&self) -> &[Amount] {
        &self.0
    }

    /// The most hosts that batch `number` (from 0) of a run over `all` hosts may have.
    #[must_use]
    pub fn size(&self, number: usize, all: usize) -> usize {
        self.0.get(number).or(self.0.last()).map_or(all, |amount| amount.of(all)).max(1)
    }
}

impl FromStr for Serial {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split(',').map(|part| part.trim().parse()).collect::<Result<Vec<_>, _>>().map(Self)
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, amount) in self.0.iter().enumerate() {
            write!(f, "{}{amount}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// The `rollout` of a server: what `start` and `restart` use unless the command line names another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rollout {
    /// Sizes of the batches, in hosts.
    pub serial: Option<Serial>,
    /// The run ends once this many hosts have failed.
    pub max_fail: Option<Amount>,
    /// Pause between two batches.
    pub wait: Option<Duration>,
}

/// The keys that a server may have and that `defaults:` in servers.yaml may hold for all servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `rollout`; each of its keys has a default of its own.
    pub rollout: Rollout,
    /// `keep_previous`: how long a replaced container is kept; none without it.
    pub keep_previous: Option<Duration>,
}

impl Settings {
    /// These settings, completed from `defaults` where they have no value.
    #[must_use]
    pub fn over(&self, defaults: &Self) -> Self {
        let (own, base) = (&self.rollout, &defaults.rollout);
        Self {
            rollout: Rollout {
                serial: own.serial.clone().or_else(|| base.serial.clone()),
                max_fail: own.max_fail.or(base.max_fail),
                wait: own.wait.or(base.wait),
            },
            keep_previous: self.keep_previous.or(defaults.keep_previous),
        }
    }
}
