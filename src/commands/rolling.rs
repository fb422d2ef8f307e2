//! The arguments that say how a run goes over the fleet, shared by the verbs that do something there.
//!
//! Boundary: clap; what they mean is `fleet`'s and `operations::resume`'s.

use std::time::Duration;

use clap::Args;

use crate::{
    cli::parse_duration,
    error::CommandError,
    fleet::{Amount, Rolling, Serial},
};

/// Batches and limits.
#[derive(Debug, Args)]
#[command(next_help_heading = "Rolling options")]
pub(super) struct RollingArgs {
    /// Hosts per batch, one batch after the other: 1, 25%, or 1,10%,50% (the last repeats; percent of the selected hosts,
    /// rounded down, at least 1). A batch that starts, stops or restarts never has all instances of a server
    #[arg(long, value_name = "SPEC")]
    serial: Option<Serial>,
    /// Attempt no further host once N hosts, or P percent of the selected ones, have failed: looked at after each batch, without
    /// --serial after each host [default: with --serial, a batch in which every host failed ends the run]
    #[arg(long, value_name = "N|P%")]
    max_fail: Option<Amount>,
    /// Attempt no further host once one has failed
    #[arg(long)]
    fail_fast: bool,
    /// Pause between two batches
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    wait: Option<Duration>,
}

impl RollingArgs {
    /// Whether there are batches.
    #[must_use]
    pub(super) fn is_serial(&self) -> bool {
        self.serial.is_some()
    }

    /// The arguments over `base`, the options of an earlier run or none.
    ///
    /// # Errors
    /// A pause between batches where there is one batch only.
    pub(super) fn over(self, base: Rolling) -> Result<Rolling, CommandError> {
        let said_wait = self.wait.is_some();
        let rolling = self.of_change(base);
        if said_wait && rolling.serial.is_none() { Err(one_batch()) } else { Ok(rolling) }
    }

    /// As [`RollingArgs::over`], for verbs whose batches may come from the servers' own `rollout`.
    #[must_use]
    pub(super) fn of_change(self, base: Rolling) -> Rolling {
        Rolling {
            serial: self.serial.or(base.serial),
            max_fail: self.max_fail.or(base.max_fail),
            fail_fast: self.fail_fast || base.fail_fast,
            wait: self.wait.unwrap_or(base.wait),
            at_once: base.at_once,
        }
    }
}

/// The refusal of a pause between batches where there is one batch only.
pub(super) fn one_batch() -> CommandError {
    CommandError::usage("--wait is a pause between batches, and there is one batch")
        .hint("set the size of batches with --serial, such as --serial 25%")
}

/// Only what an earlier run left.
#[derive(Debug, Args)]
pub(super) struct RetryArgs {
    /// Only instances that failed, were unreachable or unknown, or were not attempted in the last run of this verb
    #[arg(long)]
    pub(super) retry_failed: bool,
}
