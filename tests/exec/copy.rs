use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;

use crate::fleet::Fleet;

/// A directory for what arrives.
fn place(fleet: &Fleet) -> PathBuf {
    let place = fleet.sshd.path("place");
    fs::create_dir(&place).unwrap();
    place
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

/// The names in a directory, hidden ones too.
fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_file_arrives_whole_with_its_mode_and_the_second_time_nothing_is_sent() {
    let fleet = Fleet::start();
    let place = place(&fleet);
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect();
    let file = fleet.file("file", &bytes);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    for host in ["h-0001", "here"] {
        let there = place.join(host);
        fleet.mcp(&["copy", host, &file, text(&there)]).code(0).out("copied").err("copy: 1 copied · 0 unchanged in ");
        assert!(fs::read(&there).unwrap() == bytes);
        assert_eq!(mode_of(&there), 0o640);
        let inode = fs::metadata(&there).unwrap().ino();
        fleet
            .mcp(&["copy", host, &file, text(&there)])
            .code(0)
            .out("unchanged")
            .err("copy: 0 copied · 1 unchanged in ");
        assert_eq!(fs::metadata(&there).unwrap().ino(), inode);
        // Another mode or another byte is a change.
        fleet.mcp(&["copy", host, &file, text(&there), "--mode", "0604"]).code(0).out("copied");
        assert_eq!(mode_of(&there), 0o604);
        fs::write(&there, bytes.iter().rev().copied().collect::<Vec<_>>()).unwrap();
        fleet.mcp(&["copy", host, &file, text(&there), "--mode", "0604"]).code(0).out("copied");
        assert!(fs::read(&there).unwrap() == bytes);
    }
    assert_eq!(names(&place), ["h-0001", "here"]);
}

#[test]
fn odd_names_are_names_and_nothing_else() {
    let fleet = Fleet::start();
    let place = place(&fleet);
    let file = fleet.file("it's a $(file) `x`", "content");
    for name in ["a b", "it's", "new\nline", "end\n", "$(touch hacked)", "-rf", "*", "\"q\"", "back\\slash", "ü"] {
        let there = place.join(name);
        let said = fleet.mcp(&["copy", "h-0001", &file, text(&there)]).code(0);
        assert_eq!(fs::read(&there).unwrap_or_else(|e| panic!("{name:?}: {e}\n{said}")), b"content");
    }
    assert_eq!(names(&place).len(), 10);
    // Into a directory, by its name here; and beside where commands begin, which is the home.
    fleet.mcp(&["copy", "h-0001", &file, text(&place), "--mode", "600"]).code(0);
    assert_eq!(mode_of(&place.join("it's a $(file) `x`")), 0o600);
    let said = fleet.mcp(&["copy", "h-0001", &file, "~/-in home", "--json"]).code(0);
    let home = said.json()[0]["path"].as_str().unwrap().to_owned();
    assert!(home.ends_with("/-in home"), "{said}");
    fs::remove_file(home).unwrap();
}

#[test]
fn a_missing_directory_is_made_on_demand_and_named_otherwise() {
    let fleet = Fleet::start();
    let place = place(&fleet);
    let file = fleet.file("file", "content");
    let deep = place.join("a/b/");
    fleet.mcp(&["copy", "h-0001", &file, text(&deep)]).code(1).err("there is no directory for").err("--parents");
    fleet.mcp(&["copy", "h-0001", &file, &format!("{}/", text(&deep)), "--parents"]).code(0);
    assert_eq!(fs::read(place.join("a/b/file")).unwrap(), b"content");
    fs::create_dir(place.join("dir")).unwrap();
    fs::create_dir(place.join("dir/file")).unwrap();
    fleet.mcp(&["copy", "h-0001", &file, text(&place.join("dir"))]).code(1).err("is a directory");
}

#[test]
fn a_link_stays_and_what_it_points_to_is_replaced() {
    let fleet = Fleet::start();
    let place = place(&fleet);
    let file = fleet.file("file", "new");
    fs::write(place.join("real"), "old").unwrap();
    symlink("real", place.join("link")).unwrap();
    fleet.mcp(&["copy", "h-0001", &file, text(&place.join("link")), "--backup"]).code(0);
    assert_eq!(fs::read(place.join("real")).unwrap(), b"new");
    assert!(fs::symlink_metadata(place.join("link")).unwrap().is_symlink());
    let kept = names(&place).into_iter().find(|name| name.ends_with('~')).unwrap();
    assert!(kept.starts_with("real."), "{kept}");
    assert_eq!(fs::read(place.join(kept)).unwrap(), b"old");
}

#[test]
fn a_full_disk_leaves_the_old_file_and_no_other() {
    let fleet = Fleet::start();
    let file = fleet.file("file", vec![b'x'; 4_000_000]);
    let place = place(&fleet);
    fs::write(place.join("there"), "old").unwrap();
    // A file size limit stops the write as a full disk does.
    let wrapper = fleet.file("sh-with-limit", "#!/bin/sh\nulimit -f 100\nexec /bin/sh \"$@\"\n");
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let bin = fleet.sshd.path("bin");
    fs::create_dir(&bin).unwrap();
    symlink(&wrapper, bin.join("sh")).unwrap();
    let mut command = fleet.command(&["copy", "here", &file, text(&place.join("there")), "--json"]);
    command.env("PATH", format!("{}:{}", text(&bin), std::env::var("PATH").unwrap()));
    let said = crate::said::run(command).code(1);
    let row = &said.json()[0];
    assert_eq!(row["outcome"], "failed", "{said}");
    assert!(row["error"]["cause"].as_str().unwrap().starts_with("cannot write beside "), "{said}");
    assert_eq!(names(&place), ["there"]);
    assert_eq!(fs::read(place.join("there")).unwrap(), b"old");
}

#[test]
fn many_hosts_get_it_and_the_rest_is_counted() {
    let fleet = Fleet::start();
    let place = place(&fleet);
    let input = "from standard input\n";
    // One machine stands for all hosts, so each has a name of its own by its address there.
    let mut command = fleet.command(&["copy", "h-00[01:20],gone", "-", &format!("{}/f", text(&place)), "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows.len(), 21);
    let there = rows.iter().filter(|row| row["outcome"] == "copied" || row["outcome"] == "unchanged").count();
    assert_eq!(there, 20, "{rows:#?}");
    assert_eq!(rows[20]["outcome"], "unreachable");
    assert_eq!(names(&place), ["f"]);
    assert_eq!(fs::read_to_string(place.join("f")).unwrap(), input);
    assert_eq!(mode_of(&place.join("f")), 0o644);
}

#[test]
fn a_host_without_sha256_is_checked_by_cksum() {
    let fleet = Fleet::start();
    let place = place(&fleet);
    let file = fleet.file("file", "content\n");
    let bin = fleet.sshd.path("bin");
    fs::create_dir(&bin).unwrap();
    for tool in
        ["sh", "cat", "wc", "stat", "cksum", "rm", "mv", "cp", "chmod", "head", "sleep", "readlink", "mkdir", "id"]
    {
        let found = ["/usr/bin", "/bin"].map(|d| Path::new(d).join(tool)).into_iter().find(|p| p.exists()).unwrap();
        symlink(found, bin.join(tool)).unwrap();
    }
    for word in ["copied", "unchanged"] {
        let mut command = fleet.command(&["copy", "here", &file, text(&place.join("there"))]);
        command.env("PATH", &bin);
        crate::said::run(command).code(0).out(word);
    }
    assert_eq!(fs::read(place.join("there")).unwrap(), b"content\n");
}

#[test]
fn what_cannot_be_copied_is_refused_before_any_host_is_asked() {
    let fleet = Fleet::start();
    let file = fleet.file("file", "x");
    for arguments in [
        &["copy", "h-0001", "/", "/tmp/"][..],
        &["copy", "h-0001", "/no/such/file"],
        &["copy", "nobody", &file],
        &["copy", "h-0001", "-"],
        &["copy", "h-0001", &file, ""],
        &["copy", "h-0001", &file, "--mode", "9"],
        &["copy", "h-0001", &file, "--owner", "a b"],
        &["copy", "h-0001", &file, "--owner=-R"],
    ] {
        let said = fleet.mcp(arguments);
        assert_eq!(said.code, 2, "{arguments:?}\n{said}");
    }
    fleet.mcp(&["copy", "h-0001", &file, "/tmp/x", "--dry-run"]).code(0).out("to /tmp/x, mode");
    assert!(!fleet.sshd.log().contains("Accepted"));
}
