//! Reads what [`super::command::health_reports`] asks for: why a health check does not pass.
//!
//! Boundary: text in, the last check out. Whether that is a failure is for whoever waited for it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Most characters kept of a check's output; docker keeps 4096 bytes (Dockerfile reference, `HEALTHCHECK`).
const LONGEST: usize = 300;

/// The last check of a container (Docker Engine API v1.41, `HealthcheckResult`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastCheck {
    /// Its exit code; -1 when it did not end in time.
    pub exit_code: i64,
    /// What it printed, on one line.
    pub output: String,
}

#[derive(Deserialize)]
struct Report {
    name: String,
    log: Option<Vec<RawCheck>>,
}

#[derive(Deserialize)]
struct RawCheck {
    #[serde(rename = "ExitCode", default)]
    exit_code: i64,
    #[serde(rename = "Output", default)]
    output: String,
}

/// The last check of each container that is not healthy, by container name. What cannot be read is left out.
#[must_use]
pub fn parse(text: &str) -> BTreeMap<String, LastCheck> {
    text.lines()
        .filter_map(|line| serde_json::from_str::<Report>(line.trim()).ok())
        .filter_map(|report| {
            let last = report.log?.pop()?;
            let words: Vec<&str> = last.output.split_whitespace().collect();
            let output = words.join(" ").chars().take(LONGEST).collect();
            let name = report.name.strip_prefix('/').unwrap_or(&report.name).to_owned();
            Some((name, LastCheck { exit_code: last.exit_code, output }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::fixture;

    #[test]
    fn the_last_check_of_each_container_that_is_not_healthy_is_read() {
        let found = parse(&fixture::read("28.2/health/reports.out"));
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["says"], "one is healthy, one has no check, one was not checked yet");
        assert_eq!(found["says"], LastCheck { exit_code: 3, output: "no answer on port 8080".into() });
    }

    #[test]
    fn podman_s_checks_are_read_and_containers_without_one_are_none() {
        let found = parse(&fixture::read(&format!("{}/health/reports.out", fixture::PODMAN)));
        assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), ["failing"]);
        let starting = fixture::read(&format!("{}/health/starting.out", fixture::PODMAN));
        assert_eq!(starting.trim(), "starting", "one of three waits for its check");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(\\{\"name\":\"/x\",\"log\":\\[?)?(?s).{0,60}") {
            let _ = parse(&text);
        }
    }
}
