//! Turns `docker stats` text into usage figures: docker's human table by its header, and JSON lines.
//!
//! Boundary: bytes in, values out. Asking is [`super::command::stats`]'s or a registered string's.

mod amount;
mod table;

use serde::Deserialize;

/// Usage of one container at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Usage {
    /// Its id, full or 12 digits, as docker printed it.
    pub container_id: Option<String>,
    /// Its name; empty if the registered string does not print it.
    pub name: String,
    /// Percent of one core: 200 is two cores busy.
    pub cpu: Option<f64>,
    /// Bytes.
    pub memory_used: Option<u64>,
    /// Bytes; `None` when there is none to speak of (docker prints `0B / 0B` for what does not run).
    pub memory_limit: Option<u64>,
}

impl Usage {
    /// Whether this is the container called `name` or with the full id `id`.
    #[must_use]
    pub fn is_of(&self, name: &str, id: Option<&str>) -> bool {
        let same_id = |short: &str| short.len() >= 12 && id.is_some_and(|id| id.starts_with(short));
        self.name == name || self.container_id.as_deref().is_some_and(same_id)
    }
}

/// Docker's JSON line (`docker stats --format '{{json .}}'`); the aliases are podman's (podman-stats(1)).
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "ID", alias = "id", alias = "ContainerID")]
    id: Option<String>,
    #[serde(rename = "Name", alias = "name")]
    name: Option<String>,
    #[serde(rename = "CPUPerc", alias = "cpu_percent")]
    cpu: Option<String>,
    #[serde(rename = "MemUsage", alias = "mem_usage")]
    memory: Option<String>,
}

impl From<Line> for Usage {
    fn from(line: Line) -> Self {
        usage(line.id.as_deref(), line.name.as_deref(), line.cpu.as_deref(), line.memory.as_deref())
    }
}

fn usage(id: Option<&str>, name: Option<&str>, cpu: Option<&str>, memory: Option<&str>) -> Usage {
    let present = |text: &&str| !text.is_empty() && *text != "--";
    let (used, limit) = memory.map_or((None, None), amount::pair);
    Usage {
        container_id: id.filter(present).map(str::to_owned),
        name: name.filter(present).unwrap_or_default().to_owned(),
        cpu: cpu.and_then(amount::percent),
        memory_used: used,
        memory_limit: limit.filter(|limit| *limit > 0),
    }
}

/// Reads any mix of docker's table and JSON lines, terminal escapes included. What is neither is skipped.
#[must_use]
pub fn parse(text: &str) -> Vec<Usage> {
    let text = without_escapes(text);
    let mut header: Option<table::Header> = None;
    let mut found = Vec::new();
    if let Ok(lines) = serde_json::from_str::<Vec<Line>>(text.trim()) {
        return lines.into_iter().map(Usage::from).collect();
    }
    for line in text.lines() {
        if line.trim_start().starts_with('{') {
            found.extend(serde_json::from_str::<Line>(line.trim()).ok().map(Usage::from));
        } else if let Some(new) = table::Header::read(line) {
            header = Some(new);
        } else if let Some(header) = &header {
            found.extend(header.row(line));
        }
    }
    found
}

/// `docker stats` without `--no-stream` clears the screen before every sample (CSI sequences, ECMA-48).
fn without_escapes(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\u{1b}' {
            clean.push(c);
        } else if rest.clone().next() == Some('[') {
            rest.next();
            rest.by_ref().find(|c| ('@'..='~').contains(c));
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::fixture;

    fn names(usages: &[Usage]) -> Vec<&str> {
        usages.iter().map(|u| u.name.as_str()).collect()
    }

    #[test]
    fn json_lines_and_the_table_tell_the_same() {
        for version in fixture::VERSIONS {
            for case in ["json", "table"] {
                let usages = parse(&fixture::read(&format!("{version}/stats/{case}.out")));
                assert_eq!(names(&usages), ["plain", "busy", "ports"], "{version}/{case}");
                for usage in &usages {
                    assert!(usage.memory_used.is_some_and(|m| (100_000..10_000_000).contains(&m)), "{usage:?}");
                    assert!(usage.memory_limit.is_some_and(|m| m > 1 << 30), "{usage:?}");
                    assert!(usage.container_id.as_ref().is_some_and(|id| id.len() >= 12), "{usage:?}");
                }
                assert!(usages[1].cpu.is_some_and(|c| (10.0..100.0).contains(&c)), "{usages:?}");
            }
        }
    }

    #[test]
    fn podman_s_list_and_its_table_tell_the_same() {
        for case in ["json", "table"] {
            let usages = parse(&fixture::read(&format!("{}/stats/{case}.out", fixture::PODMAN)));
            assert_eq!(names(&usages), ["plain", "env"], "{case}");
            for usage in &usages {
                assert!(usage.cpu.is_some() && usage.memory_used.is_some_and(|m| m > 100_000), "{usage:?}");
                assert!(usage.memory_limit.is_some_and(|m| m > 1 << 30), "{usage:?}");
                assert!(usage.container_id.as_ref().is_some_and(|id| id.len() >= 12), "{usage:?}");
            }
        }
    }

    #[test]
    fn tables_with_other_columns_are_read_by_their_header() {
        for version in fixture::VERSIONS {
            let usages = parse(&fixture::read(&format!("{version}/stats/custom_table.out")));
            assert_eq!(names(&usages), ["busy", "plain"]);
            assert!(usages.iter().all(|u| u.container_id.is_none() && u.cpu.is_some() && u.memory_used.is_some()));
            let usages = parse(&fixture::read(&format!("{version}/stats/table_full_ids.out")));
            assert!(usages[0].container_id.as_ref().is_some_and(|id| id.len() == 64), "{usages:?}");
        }
    }

    #[test]
    fn a_container_that_does_not_run_uses_nothing_and_has_no_limit() {
        for version in fixture::VERSIONS {
            for case in ["not_running", "not_running_table"] {
                let usages = parse(&fixture::read(&format!("{version}/stats/{case}.out")));
                let ended = &usages[1];
                assert_eq!((ended.name.as_str(), ended.memory_limit), ("exited_zero", None), "{version}/{case}");
            }
        }
    }

    #[test]
    fn what_is_not_known_is_none() {
        let usages = parse(
            "CONTAINER ID   NAME   CPU %   MEM USAGE / LIMIT   MEM %\n--             web    --      -- / --             --\n",
        );
        assert_eq!(
            usages,
            [Usage { container_id: None, name: "web".into(), cpu: None, memory_used: None, memory_limit: None }]
        );
    }

    #[test]
    fn screen_clearing_and_banners_are_skipped() {
        let table = fixture::read("20.10/stats/table.out");
        let usages = parse(&format!("Welcome!\n\u{1b}[2J\u{1b}[H{table}"));
        assert_eq!(usages, parse(&table));
        assert_eq!(parse("no such thing\n"), []);
    }

    #[test]
    fn a_short_id_finds_its_container() {
        let mut usage = parse(&fixture::read("20.10/stats/table.out")).remove(0);
        let full = parse(&fixture::read("20.10/stats/json.out")).remove(0).container_id;
        usage.name = String::new();
        assert!(usage.is_of("other", full.as_deref()));
        assert!(!usage.is_of("other", Some("ffff")));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(NAME  CPU %  MEM USAGE / LIMIT\n)?(?s).{0,80}") {
            let _ = parse(&text);
        }
    }
}
