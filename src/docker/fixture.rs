//! Reads captured fixtures in tests. `{cmd,out,err,exit}` as `fixtures/docker/capture.sh` wrote them.

use std::path::PathBuf;

/// The engines and clients there are fixtures of.
pub(crate) const VERSIONS: [&str; 2] = ["20.10", "28.2"];

/// The podman there are fixtures of; it has cases of its own.
pub(crate) const PODMAN: &str = "podman-4.3";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/docker")
}

/// One file, as text: `read("20.10/stats/json.out")`.
pub(crate) fn read(path: &str) -> String {
    let file = root().join(path);
    std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// The captured exit code: `exit("20.10/failure/name_taken")`.
pub(crate) fn exit(case: &str) -> i32 {
    read(&format!("{case}.exit")).trim().parse().unwrap_or_else(|e| panic!("{case}.exit: {e}"))
}

/// The names of the cases of a topic, sorted: `cases("20.10/failure")`.
pub(crate) fn cases(topic: &str) -> Vec<String> {
    let directory = root().join(topic);
    let mut names: Vec<String> = std::fs::read_dir(&directory)
        .unwrap_or_else(|e| panic!("{}: {e}", directory.display()))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "cmd"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}
