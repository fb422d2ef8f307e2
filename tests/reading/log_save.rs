//! `mcp log --save`: files that go on where they ended, however that was.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use crate::{
    register,
    rig::Rig,
    said::{run, wait_until},
    started,
};

/// The files of `container` on edge-1, oldest first.
fn files(directory: &Path, server: &str) -> Vec<PathBuf> {
    let mut found = vec![];
    for date in fs::read_dir(directory).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()) {
        found.extend(fs::read_dir(date.path()).unwrap().map(|entry| entry.unwrap().path()));
    }
    let name = format!("{server}@edge-1.log");
    let number = |path: &PathBuf| {
        let file = path.file_name().unwrap().to_str().unwrap().strip_prefix(&name)?;
        if file.is_empty() { Some(u32::MAX) } else { file.strip_prefix('.')?.parse().ok() }
    };
    let mut numbered: Vec<_> =
        found.into_iter().filter_map(|path| Some((path.parent()?.to_owned(), number(&path)?, path))).collect();
    numbered.sort();
    numbered.into_iter().map(|(_, _, path)| path).collect()
}

fn saved(directory: &Path, server: &str) -> Vec<String> {
    // A file may get its next name between the two.
    let texts = || files(directory, server).iter().map(fs::read_to_string).collect::<Result<String, _>>();
    let texts = std::iter::repeat_with(texts).take(100).find_map(Result::ok).unwrap();
    texts.lines().map(str::to_owned).collect()
}

#[test]
fn logs_that_are_saved_have_each_line_once_through_kills_and_a_restart() {
    let rig = Rig::get();
    let scratch = rig.scratch();
    let server = started(&scratch, "it", "edge-1", "", "--tick 10");
    let directory = scratch.path().join("saved");
    let to = directory.to_str().unwrap();
    for round in 0..4 {
        let before = saved(&directory, &server).len();
        let mut mcp = scratch.mcp(&["log", &server, "--follow", "--save", to, "--max-size", "4k"]);
        let mut child = mcp.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("lines are saved", || saved(&directory, &server).len() > before + 80);
        if round == 1 {
            rig.docker_text(1, &["restart", "-t", "0", &server]);
            let restarts = || saved(&directory, &server).iter().filter(|line| line.contains("listens")).count();
            wait_until("the next start is saved", || restarts() == 2);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // As a kill in the middle of a write on a full disk leaves it.
        let mut last = fs::OpenOptions::new().append(true).open(files(&directory, &server).last().unwrap()).unwrap();
        std::io::Write::write_all(&mut last, b"2026-11-28T10:5").unwrap();
    }
    rig.docker_text(1, &["stop", "-t", "0", &server]);
    let said = run(scratch.mcp(&["log", &server, "--save", to, "--max-size", "4k"])).code(0);
    assert_eq!(said.out, "");
    // Once more, with nothing new.
    run(scratch.mcp(&["log", &server, "--save", to, "--max-size", "4k"])).code(0).err("0 lines saved");
    let output = rig.docker(1, &["logs", "-t", &server]);
    let real = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let mut real: Vec<&str> = real.lines().collect();
    let mut kept = saved(&directory, &server);
    real.sort_unstable();
    kept.sort_unstable();
    assert_eq!(kept, real);
    let files = files(&directory, &server);
    assert!(files.len() > 2, "{files:?}");
    for path in files {
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777, 0o600);
        assert!(metadata.len() <= 4096, "{}: {}", path.display(), metadata.len());
    }
}

#[test]
fn what_is_not_kept_goes_and_flags_that_do_not_fit_are_refused() {
    let scratch = Rig::get().scratch();
    let server = started(&scratch, "it", "edge-1", "", "--log-lines 500");
    let missing = register(&scratch, "missing", "edge-1", "", "");
    let directory = scratch.path().join("saved");
    let to = directory.to_str().unwrap();
    run(scratch.mcp(&["log", &server, "--save", to, "--max-size", "4k", "--keep", "2"])).code(0);
    assert_eq!(files(&directory, &server).len(), 2);
    assert!(saved(&directory, &server).last().unwrap().contains("listens") || saved(&directory, &server).len() > 50);
    let old = directory.join("2020-01-01");
    fs::create_dir(&old).unwrap();
    fs::write(old.join("gone@edge-9.log"), "x").unwrap();
    run(scratch.mcp(&["log", &server, "--save", to, "--keep", "7d"])).code(0);
    assert!(!old.exists());
    // A log that cannot be read is a failure and leaves no file.
    run(scratch.mcp(&["log", &missing, "--save", to])).code(1).err("No such container");
    assert!(files(&directory, &missing).is_empty());
    for flags in [
        &["--keep", "2"][..],
        &["--max-size", "1m"],
        &["--save", to, "--keep", "0"],
        &["--save", to, "--max-size", "many"],
        &["--save", to, "--raw"],
        &["--save", to, "-t"],
        &["--save", to, "--json"],
        &["--save", ""],
    ] {
        run(scratch.mcp(&[&["log", &server], flags].concat())).code(2);
    }
    run(scratch.mcp(&["log", &server, "--save", "/dev/null/x"])).code(1).err("/dev/null/x");
}
