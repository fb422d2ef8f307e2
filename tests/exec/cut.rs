//! What is half done on a host when `mcp` is killed in the middle, on hosts whose tools stand still where it matters.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    fleet::Fleet,
    sshd::{kill, user, wait_until},
};

/// What can stand for `sh` on a host, as far as it finds tools in PATH: a busybox may be built so that its shell runs its own `rm`.
fn shells() -> Vec<&'static str> {
    let takes_tools_from_path = |shell: &&str| {
        let arguments: &[&str] = if *shell == "busybox" { &["sh", "-c", "rm --help"] } else { &["-c", "rm --help"] };
        let output = Command::new(Path::new("/usr/bin").join(shell)).args(arguments).env("PATH", "/nowhere").output();
        output.unwrap().status.code() == Some(127)
    };
    ["dash", "bash", "busybox"].into_iter().filter(takes_tools_from_path).collect()
}

/// Hosts whose scripts find tools of their own before those of the system: `far` over SSH, `here` without.
struct Bench {
    fleet: Fleet,
    /// What scripts find, and they alone.
    bin: PathBuf,
    /// The `sh` of `here`.
    shells: PathBuf,
    workspace: PathBuf,
}

impl Bench {
    fn start() -> Self {
        let fleet = Fleet::start();
        let [bin, shells, workspace] = ["bin", "shells", "bench"].map(|name| fleet.sshd.path(name));
        for directory in [&bin, &shells, &workspace] {
            fs::create_dir(directory).unwrap();
        }
        let hosts = format!(
            "version: 1\ndefaults: {{env: {{PATH: \"{bin}:/usr/bin:/bin\"}}}}\nhosts:\n  far: {{address: 127.1.0.1, \
             user: {user}, port: {port}, identity_file: ../id_ed25519, known_hosts: ../known_hosts}}\n  \
             here: {{connection: local}}\n",
            user = user(),
            port = fleet.sshd.port,
            bin = bin.display(),
        );
        fs::write(workspace.join("hosts.yaml"), hosts).unwrap();
        Self { fleet, bin, shells, workspace }
    }

    /// Puts a script in the place of `name`.
    fn tool(&self, name: &str, text: &str) {
        let path = self.bin.join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A tool `rm` before which all of the script's processes, itself among them, are told to end.
    fn rm_that_is_told_to_end(&self) {
        // The shell's own kill, of its own group: kill(1) of procps 4.0.2 takes a group's number for -1, which is everybody.
        self.tool("rm", "kill -TERM 0\nexec /bin/rm \"$@\"");
    }

    /// A directory with an old file.
    fn place(&self) -> PathBuf {
        let place = self.fleet.sshd.path("place");
        fs::create_dir(&place).unwrap();
        fs::write(place.join("there"), "old").unwrap();
        place
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.fleet.command(arguments);
        command.env("MCP_DIR", &self.workspace).env("PATH", format!("{}:/usr/bin:/bin", self.shells.display()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Begins `mcp` and kills it when `then` is so.
    fn cut_when(&self, arguments: &[&str], what: &str, then: impl Fn() -> bool) {
        let mut child = self.command(arguments).spawn().unwrap();
        wait_until(what, then);
        kill("-KILL", &child.id().to_string());
        child.wait().unwrap();
    }
}

/// Each way to a host with each shell there; the shell of an account is not chosen here.
fn each_way(test: impl Fn(&Bench, &str, &str)) {
    test(&Bench::start(), "far", "sh");
    for shell in shells() {
        // One of its own: a host may still be at work when it has done what is waited for.
        let bench = Bench::start();
        symlink(Path::new("/usr/bin").join(shell), bench.shells.join("sh")).unwrap();
        test(&bench, "here", shell);
    }
}

/// The names in a directory, hidden ones too.
fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn wait_until_only_the_old_is_there(place: &Path, way: &str) {
    wait_until(&format!("{way}: what was half done is gone"), || names(place) == ["there"]);
    assert_eq!(fs::read(place.join("there")).unwrap(), b"old", "{way}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_copy_that_is_cut_off_leaves_the_old_file_and_no_other() {
    // `late` is a host with too much to do, as seen from here.
    for (speed, rm) in [("soon", ""), ("late", "sleep 2\n")] {
        each_way(|bench, host, shell| {
            // More than the pipes and windows on the way hold.
            let file = bench.fleet.file("file", vec![b'x'; 20_000_000]);
            // The rest not before the other end is gone, so that the copy is met on its way however fast it is.
            let go = bench.fleet.sshd.path("go");
            bench.tool(
                "cat",
                &format!("head -c 1000; while [ ! -e {} ]; do sleep 0.02; done; exec /bin/cat", go.display()),
            );
            bench.tool("rm", &format!("{rm}exec /bin/rm \"$@\""));
            let place = bench.place();
            bench.cut_when(&["copy", host, &file, text(&place.join("there"))], "it is on its way", || {
                names(&place)
                    .iter()
                    .any(|name| name.starts_with(".mcp-") && fs::metadata(place.join(name)).is_ok_and(|m| m.len() > 0))
            });
            fs::write(&go, "").unwrap();
            wait_until_only_the_old_is_there(&place, &format!("{host} {shell} {speed}"));
        });
    }
}

#[test]
fn what_removes_half_a_copy_is_not_killed_by_the_word_to_end() {
    each_way(|bench, host, shell| {
        let file = bench.fleet.file("file", "new");
        // What arrives is wrong, so the script removes it by itself.
        bench.tool("cat", "/bin/cat >/dev/null; echo wrong");
        bench.rm_that_is_told_to_end();
        let place = bench.place();
        let status = bench.command(&["copy", host, &file, text(&place.join("there"))]).status().unwrap();
        assert!(!status.success(), "{host} {shell}");
        wait_until_only_the_old_is_there(&place, &format!("{host} {shell}"));
    });
}

#[test]
fn half_a_backup_does_not_stay() {
    each_way(|bench, host, shell| {
        let file = bench.fleet.file("file", "new");
        let half = bench.fleet.sshd.path("half");
        // `cp -p -- FROM TO`, which stands still in the middle.
        bench.tool("cp", &format!("head -c 1 \"$3\" >\"$4\"\n: >{}\nexec sleep 1000", half.display()));
        let place = bench.place();
        let there = place.join("there");
        bench.cut_when(&["copy", host, &file, text(&there), "--backup"], "half a backup", || half.exists());
        wait_until_only_the_old_is_there(&place, &format!("{host} {shell}"));
    });
}

#[test]
fn what_removes_a_script_is_not_killed_by_the_word_to_end() {
    each_way(|bench, host, shell| {
        let [ran, temporary] = ["ran", "temporary"].map(|name| bench.fleet.sshd.path(name));
        fs::create_dir(&temporary).unwrap();
        let script = bench.fleet.file("script", format!("ls {} >{}", temporary.display(), ran.display()));
        bench.tool("mktemp", &format!("exec /usr/bin/mktemp {}/mcp-XXXXXXXXXX", temporary.display()));
        bench.rm_that_is_told_to_end();
        bench.command(&["exec", host, "--script", &script]).status().unwrap();
        assert!(fs::read_to_string(ran).unwrap().starts_with("mcp-"), "{host} {shell}");
        wait_until(&format!("{host} {shell}: its file is gone"), || names(&temporary).is_empty());
    });
}
