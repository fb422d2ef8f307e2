//! Reads `nvidia-smi` and maps what it says to containers, by the process ids of `docker top`.
//!
//! Boundary: text in, percents out. No GPU was at hand: the fixtures are written after NVIDIA's documentation, not captured
//! (`fixtures/docker/nvidia-smi/README.md` says which).

use std::collections::{BTreeMap, BTreeSet};

/// Percent of GPU time per process, as `nvidia-smi pmon -c 1 -s u` shows it; a process on several GPUs has their sum, so 200 is
/// two GPUs busy. `None` for a process that has no figure (`-`).
#[must_use]
pub fn parse_processes(text: &str) -> BTreeMap<u32, Option<f64>> {
    // Newer drivers add columns (`jpg`, `ofa`), so the header says which one is `sm`.
    let (mut pid_at, mut sm_at) = (1, 3);
    let mut found: BTreeMap<u32, Option<f64>> = BTreeMap::new();
    for line in text.lines() {
        if let Some(header) = line.trim_start().strip_prefix('#') {
            let names: Vec<&str> = header.split_whitespace().collect();
            let place = |name: &str| names.iter().position(|found| *found == name);
            if let (Some(pid), Some(sm)) = (place("pid"), place("sm")) {
                (pid_at, sm_at) = (pid, sm);
            }
            continue;
        }
        let cells: Vec<&str> = line.split_whitespace().collect();
        let Some(pid) = cells.get(pid_at).and_then(|cell| cell.parse().ok()) else { continue };
        let busy = cells.get(sm_at).and_then(|cell| percent(cell));
        let sum = found.entry(pid).or_default();
        *sum = match (*sum, busy) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
    }
    found
}

/// Which processes compute on which GPU: lines of `gpu_uuid, pid`.
#[must_use]
pub fn parse_pids_by_gpu(text: &str) -> BTreeMap<String, BTreeSet<u32>> {
    let mut found: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for (gpu, pid) in text.lines().filter_map(|line| line.split_once(',')) {
        if let Ok(pid) = pid.trim().parse() {
            found.entry(gpu.trim().to_owned()).or_default().insert(pid);
        }
    }
    found
}

/// Percent of time each GPU was busy: lines of `uuid, utilization.gpu`; GPUs without a figure (`[N/A]`) are left out.
#[must_use]
pub fn parse_utilization(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter_map(|line| line.split_once(','));
    lines.filter_map(|(gpu, busy)| Some((gpu.trim().to_owned(), percent(busy)?))).collect()
}

/// The process ids of `docker top NAME -eo pid`.
#[must_use]
pub fn parse_pids(text: &str) -> BTreeSet<u32> {
    text.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

/// Percent of GPU per container; containers without a process on a GPU are absent. `containers` gives each one's process ids.
///
/// Where `processes` has no figure for any of a container's processes, a GPU that this container alone computes on lends it its
/// own utilisation; one shared between containers cannot be divided and counts for none of them.
#[must_use]
pub fn per_container<'a>(
    containers: &BTreeMap<&'a str, BTreeSet<u32>>,
    processes: &BTreeMap<u32, Option<f64>>,
    pids_by_gpu: &BTreeMap<String, BTreeSet<u32>>,
    utilization: &BTreeMap<String, f64>,
) -> BTreeMap<&'a str, f64> {
    let mut found = BTreeMap::new();
    for (name, pids) in containers {
        let own = sum(pids.iter().filter_map(|pid| processes.get(pid).copied().flatten()));
        let lent = || {
            let exclusive = pids_by_gpu.iter().filter(|(_, users)| !users.is_empty() && users.is_subset(pids));
            sum(exclusive.filter_map(|(gpu, _)| utilization.get(gpu).copied()))
        };
        if let Some(percent) = own.or_else(lent) {
            found.insert(*name, percent);
        }
    }
    found
}

fn sum(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.fold(None, |sum, value| Some(sum.unwrap_or_default() + value))
}

fn percent(text: &str) -> Option<f64> {
    let number: f64 = text.trim().trim_end_matches('%').trim_end().parse().ok()?;
    (number.is_finite() && (0.0..=100.0).contains(&number)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::fixture;

    fn read(name: &str) -> String {
        fixture::read(&format!("nvidia-smi/{name}"))
    }

    #[test]
    fn processes_are_read_by_the_header_of_their_driver() {
        let expected = BTreeMap::from([(4242, Some(57.0)), (4243, Some(12.0)), (5151, None)]);
        assert_eq!(parse_processes(&read("pmon.out")), expected);
        assert_eq!(parse_processes(&read("pmon_more_columns.out")), expected);
        assert_eq!(parse_processes(&read("pmon_idle.out")), BTreeMap::new());
    }

    #[test]
    fn percents_are_summed_per_container() {
        let containers = BTreeMap::from([
            ("both", BTreeSet::from([1, 4242, 4243])),
            ("silent", BTreeSet::from([5151])),
            ("none", BTreeSet::from([7])),
        ]);
        let processes = parse_processes(&read("pmon.out"));
        let found = per_container(&containers, &processes, &BTreeMap::new(), &BTreeMap::new());
        assert_eq!(found, BTreeMap::from([("both", 69.0)]));
    }

    #[test]
    fn a_gpu_lends_its_figure_only_to_the_container_that_has_it_alone() {
        let by_gpu = parse_pids_by_gpu(&read("compute_apps.out"));
        let busy = parse_utilization(&read("utilization.out"));
        assert_eq!(by_gpu.len(), 2);
        assert_eq!(busy.len(), 2, "a GPU that says [N/A] has no figure");
        let containers = BTreeMap::from([
            ("alone", BTreeSet::from([5151])),
            ("shares", BTreeSet::from([4242])),
            ("also", BTreeSet::from([4243])),
        ]);
        let found = per_container(&containers, &BTreeMap::new(), &by_gpu, &busy);
        assert_eq!(found, BTreeMap::from([("alone", 31.0)]));
    }

    #[test]
    fn process_ids_come_from_docker_top() {
        for version in fixture::VERSIONS {
            assert_eq!(parse_pids(&fixture::read(&format!("{version}/top/busy.out"))).len(), 1);
            assert_eq!(parse_pids(&fixture::read(&format!("{version}/top/several.out"))).len(), 2);
            assert!(parse_pids(&fixture::read(&format!("{version}/top/not_running.out"))).is_empty());
        }
    }

    #[test]
    fn messages_instead_of_figures_give_nothing() {
        for text in [
            "No devices were found\n",
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n",
            "nan, nan",
            "\u{1b}[2J,%,",
        ] {
            assert!(
                parse_processes(text).is_empty()
                    && parse_pids_by_gpu(text).is_empty()
                    && parse_utilization(text).is_empty()
            );
        }
    }
}
