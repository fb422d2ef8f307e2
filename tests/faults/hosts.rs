//! A rig whose second machine has accounts and dockers that are not as they should be.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::rig::Rig;

/// Where Debian and Fedora put libfaketime.
const FAKETIME: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
];

/// The library that gives a process another clock, where it is installed.
pub(crate) fn faketime() -> Option<&'static str> {
    FAKETIME.into_iter().find(|path| Path::new(path).exists())
}

/// Whether what the account or place called `name` needs is on this machine.
pub(crate) fn has(name: &str) -> bool {
    match name {
        "fish" => Path::new("/usr/bin/fish").exists(),
        "tcsh" => Path::new("/usr/bin/tcsh").exists(),
        "ahead" | "behind" | "clock" => faketime().is_some(),
        _ => true,
    }
}

/// A rig with three machines; the second has what [`Kind::Host`](crate::fault::Kind::Host) names.
pub(crate) struct Grounds {
    pub(crate) rig: Rig,
}

impl Grounds {
    pub(crate) fn new() -> Self {
        let grounds = Self { rig: Rig::own(3) };
        fs::create_dir(grounds.shells()).unwrap();
        grounds.dockers();
        grounds.accounts();
        grounds
    }

    /// Where its programs are.
    pub(crate) fn shells(&self) -> PathBuf {
        self.rig.directory.join("shells")
    }

    fn program(&self, name: &str, text: &str) -> PathBuf {
        let path = self.shells().join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn dockers(&self) {
        // What only looks is docker's own affair; the rest goes wrong.
        let acts = |wrong: &str| {
            format!(
                "case \"$1\" in run|start|stop|restart|rm|kill|unpause) {wrong} ;; esac\n\
                 exec docker \"$@\""
            )
        };
        self.program("docker-hangs", "exec sleep 30");
        self.program("docker-slow", &acts("sleep 12"));
        self.program("docker-killed", "kill -9 $$");
        self.program("docker-acts-killed", &acts("kill -9 $$"));
        self.program("docker-endless", "exec yes 'nothing that anybody asked for'");
        self.program("docker-endless-err", "exec yes 'nothing that anybody asked for' >&2");
        self.program("docker-acts-endless", &acts("exec yes 'nothing that anybody asked for'"));
    }

    /// Accounts that are root by another shell.
    fn accounts(&self) {
        let on = |seconds: &str| {
            format!("LD_PRELOAD={} FAKETIME={seconds} DONT_FAKE_MONOTONIC=1 exec sh \"$@\"", faketime().unwrap_or(""))
        };
        let shells = [
            ("chatty", "echo 'Welcome to edge-2!'; echo 'All that you do is watched.'; exec sh \"$@\"".to_owned()),
            ("chattyerr", "echo 'stty: standard input: Inappropriate ioctl for device' >&2; exec sh \"$@\"".to_owned()),
            ("deaf", "exit 0".to_owned()),
            ("sleepy", "exec sleep 30".to_owned()),
            ("endless", "exec yes 'Welcome to edge-2!'".to_owned()),
            ("ahead", on("+5h")),
            ("behind", on("-5h")),
            ("jumpy", self.jumpy()),
        ];
        let mut passwd = String::new();
        for (name, text) in shells {
            let path = self.program(name, &text);
            let _ = writeln!(passwd, "{name}:x:0:0::/run/home:{}", path.display());
        }
        for (name, shell) in [
            ("fish", "/usr/bin/fish"),
            ("tcsh", "/usr/bin/tcsh"),
            ("nologin", "/usr/sbin/nologin"),
            ("noshell", "/nonexistent/shell"),
        ] {
            let _ = writeln!(passwd, "{name}:x:0:0::/run/home:{shell}");
        }
        fs::write(self.shells().join("passwd"), passwd).unwrap();
        self.rig.on(
            2,
            &[
                "sh",
                "-c",
                &format!(
                    "{{ cat '{0}/passwd'; cat /etc/passwd; }} >'{0}/all' && cat '{0}/all' >/etc/passwd",
                    self.shells().display()
                ),
            ],
        );
        assert!(
            Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(self.stranger())
                .status()
                .unwrap()
                .success()
        );
    }

    /// A clock that is what the file for the command that runs says: its name is in the words.
    fn jumpy(&self) -> String {
        format!(
            "for file in '{0}'/clock-*; do case \"$*\" in *\"${{file##*/clock-}}\"*) \
             FAKETIME=$(cat \"$file\"); LD_PRELOAD={1}; DONT_FAKE_MONOTONIC=1; export FAKETIME LD_PRELOAD DONT_FAKE_MONOTONIC;; esac; done; exec sh \"$@\"",
            self.shells().display(),
            faketime().unwrap_or("")
        )
    }

    /// The file that says by how much the clock is wrong for commands that name `word`.
    pub(crate) fn clock(&self, word: &str) -> PathBuf {
        self.shells().join(format!("clock-{word}"))
    }

    /// A private key that nobody lets in.
    pub(crate) fn stranger(&self) -> PathBuf {
        self.shells().join("stranger")
    }

    /// Process 1 of the second machine, as this one sees it.
    pub(crate) fn init(&self) -> u32 {
        let text = fs::read_to_string(self.rig.directory.join("machine-2/init")).unwrap();
        text.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// A file of host `number`, as this machine sees it.
    pub(crate) fn file(&self, number: usize, path: &str) -> PathBuf {
        let text = fs::read_to_string(self.rig.directory.join(format!("machine-{number}/init"))).unwrap();
        let init = text.split_whitespace().next().unwrap();
        PathBuf::from(format!("/proc/{init}/root{path}"))
    }

    /// The engine of the second machine, as this one sees it.
    pub(crate) fn daemon(&self) -> Option<u32> {
        // The number in the file is that of the machine's own process namespace.
        let data = self.rig.directory.join("machine-2/data").display().to_string();
        let named = crate::processes::naming(&data);
        named.into_iter().find(|(_, line)| line.starts_with("dockerd ")).map(|(pid, _)| pid)
    }
}
