//! The flags of `mcp log --save`.

use std::path::PathBuf;

use clap::Args;

use crate::{
    error::CommandError,
    operations::save::{Keep, SaveOptions},
};

/// Smallest limit of a file, in bytes: with less there would be a file for each line.
const SMALLEST: u64 = 4096;

/// Where the lines go instead of stdout.
#[derive(Debug, Args)]
pub(super) struct SavingArgs {
    /// Append the lines to DIR/DATE/NAME@HOST.log, each with docker's time, and print none; the next run goes on behind the last one
    #[arg(long, value_name = "DIR", conflicts_with_all = ["raw", "timestamps"])]
    save: Option<PathBuf>,
    /// With --save: keep the last N files of each instance, or with `d` the files of the last N days (14d)
    #[arg(long, value_name = "N|DAYS", requires = "save", value_parser = keep)]
    keep: Option<Keep>,
    /// With --save: begin another file when one has so many bytes (100m; k, m, g)
    #[arg(long, value_name = "SIZE", requires = "save", value_parser = size)]
    max_size: Option<u64>,
}

impl SavingArgs {
    /// What was asked for; `None` when lines are printed.
    pub(super) fn options(&self) -> Result<Option<SaveOptions>, CommandError> {
        let Some(directory) = self.save.clone() else { return Ok(None) };
        if directory.as_os_str().is_empty() {
            return Err(CommandError::usage("log: --save names no directory").hint("`--save .` is the current one"));
        }
        Ok(Some(SaveOptions { directory, keep: self.keep, max_size: self.max_size }))
    }
}

fn keep(text: &str) -> Result<Keep, String> {
    let wrong = || "expected a number of files (10) or of days (14d), at least 1".to_owned();
    let at_least_one = |number: &str| number.parse::<u16>().ok().filter(|n| *n > 0).ok_or_else(wrong);
    match text.strip_suffix('d') {
        Some(days) => at_least_one(days).map(|days| Keep::Days(days.into())),
        None => at_least_one(text).map(|files| Keep::Files(files.into())),
    }
}

/// As docker's `max-size`: a number of bytes, or with k, m or g, which are 1024 of the one before.
fn size(text: &str) -> Result<u64, String> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
    let factor: u64 = match &lower[digits..] {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return Err("expected bytes, or a number with k, m or g (100m)".to_owned()),
    };
    let bytes = lower[..digits].parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    bytes.filter(|bytes| *bytes >= SMALLEST).ok_or_else(|| "expected at least 4k".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_counted_in_files_or_days() {
        assert_eq!((keep("3"), keep("14d")), (Ok(Keep::Files(3)), Ok(Keep::Days(14))));
        for text in ["", "0", "0d", "d", "-1", "2w", "1.5d", "99999999d"] {
            assert!(keep(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_docker_s() {
        for (text, bytes) in [("4096", 4096), ("100m", 100 << 20), ("1G", 1 << 30), ("64kb", 64 << 10), ("5000b", 5000)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "0", "1k", "m", "10x", "1.5g", "-4k", "99999999999999g"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
