//! The rig as integration tests see it: `mod rig;`, then [`Rig::get`] and [`Rig::scratch`].
//!
//! Boundary: starts and asks `rig.sh`, gives each test a workspace and container names of its own; asserts nothing.
//! Next: `README.md` says what the rig is; `scratch` is a test's workspace.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part of this module")]

mod scratch;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Output, Stdio},
    sync::OnceLock,
};

pub use scratch::Scratch;

/// A running rig.
pub struct Rig {
    /// Where it lives.
    pub directory: PathBuf,
    /// Its hosts; tests and `rig.sh` count them from 1.
    pub hosts: Vec<RigHost>,
    /// Port of every sshd.
    pub port: u16,
    /// Private key that root and guest are let in with.
    pub key: PathBuf,
    /// The hosts' keys.
    pub known_hosts: PathBuf,
    /// Image that every engine has; `mcp-demo:2` and `mcp-demo:health` are there too.
    pub image: String,
    /// Password of root and guest.
    pub password: String,
    /// The rig ends when this closes, which the kernel sees to however this process ends.
    tie: Option<ChildStdin>,
}

/// A host of the rig.
pub struct RigHost {
    /// As the inventory calls it: `edge-1`.
    pub name: String,
    /// Loopback address of its sshd.
    pub address: String,
    /// Socket of its engine, as seen from here.
    pub docker_socket: PathBuf,
}

impl Rig {
    /// The rig that all tests of this process share: the one of `rig.sh run`, else one that ends with this process.
    ///
    /// Tests that take things down use [`Rig::own`].
    pub fn get() -> &'static Self {
        static RIG: OnceLock<Rig> = OnceLock::new();
        RIG.get_or_init(|| {
            if std::env::var_os("RIG_ADDRESSES").is_some() {
                Self::read(&std::env::vars().collect(), None)
            } else {
                Self::start(&[])
            }
        })
    }

    /// A rig of the caller's own (under a second once the image is built), ended on drop.
    pub fn own(hosts: usize) -> Self {
        Self::start(&["--hosts", &hosts.to_string()])
    }

    /// The same with hosts that share machines, and with them engines: host 1 is on machine 1, 2 on 2, and so round.
    pub fn own_on(hosts: usize, machines: usize) -> Self {
        Self::start(&["--hosts", &hosts.to_string(), "--machines", &machines.to_string()])
    }

    fn start(options: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("mcp-rig.").tempdir().unwrap_or_else(|e| panic!("{e}"));
        let mut child = script()
            .args(["up", "--tie", "--dir"])
            .arg(directory.keep())
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot run rig.sh: {e}"));
        let tie = child.stdin.take();
        let output = child.wait_with_output().unwrap_or_else(|e| panic!("rig.sh: {e}"));
        assert!(output.status.success(), "rig.sh up failed:\n{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let variables = text
            .lines()
            .filter_map(shlex::split)
            .flatten()
            .filter_map(|word| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())))
            .collect();
        Self::read(&variables, tie)
    }

    fn read(variables: &BTreeMap<String, String>, tie: Option<ChildStdin>) -> Self {
        let value = |name: &str| variables.get(name).unwrap_or_else(|| panic!("{name} is not set")).clone();
        let words = |name: &str| value(name).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let hosts = std::iter::zip(words("RIG_HOSTS"), words("RIG_ADDRESSES"))
            .zip(words("RIG_DOCKER_SOCKETS"))
            .map(|((name, address), socket)| RigHost { name, address, docker_socket: socket.into() })
            .collect();
        Self {
            directory: value("RIG_DIR").into(),
            hosts,
            port: value("RIG_PORT").parse().unwrap_or_else(|e| panic!("RIG_PORT: {e}")),
            key: value("RIG_KEY").into(),
            known_hosts: value("RIG_KNOWN_HOSTS").into(),
            image: value("RIG_IMAGE"),
            password: value("RIG_PASSWORD"),
            tie,
        }
    }

    /// Host `number`, from 1.
    pub fn host(&self, number: usize) -> &RigHost {
        self.hosts.get(number.wrapping_sub(1)).unwrap_or_else(|| panic!("the rig has no host {number}"))
    }

    /// `mcp` with an environment that holds nothing of the developer's: no agent, no configuration, no colour.
    pub fn mcp(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp"));
        command.env_clear().env("LANG", "C.UTF-8").env("HOME", self.directory.join("nobody")).stdin(Stdio::null());
        // A session that one test leaves must not be another's.
        command.env("MCP_PERSIST", "0");
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
    }

    /// Runs `docker` against the engine of host `number`, without SSH, and waits.
    pub fn docker(&self, number: usize, arguments: &[&str]) -> Output {
        Command::new("docker")
            .arg("-H")
            .arg(format!("unix://{}", self.host(number).docker_socket.display()))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|e| panic!("cannot run docker: {e}"))
    }

    /// What `docker` prints when it succeeds, trimmed; panics when it does not.
    pub fn docker_text(&self, number: usize, arguments: &[&str]) -> String {
        text(&format!("docker {}", arguments.join(" ")), self.docker(number, arguments))
    }

    /// Runs a command on host `number`, without SSH, and gives what it prints, trimmed.
    pub fn on(&self, number: usize, arguments: &[&str]) -> String {
        let mut words = vec!["on".to_owned(), number.to_string()];
        words.extend(arguments.iter().map(|&word| word.to_owned()));
        self.control(&words)
    }

    /// `stop`, `start`, `freeze` or `thaw` the sshd of host `number`.
    pub fn sshd(&self, action: &str, number: usize) {
        self.control(&["host".to_owned(), action.to_owned(), number.to_string()]);
    }

    /// `stop`, `start`, `freeze` or `thaw` the docker engine of host `number`.
    pub fn engine(&self, action: &str, number: usize) {
        self.control(&["engine".to_owned(), action.to_owned(), number.to_string()]);
    }

    /// Gives host `number` what few tests need, `podman`, `dropbear`, `sudo` or `german`, and says what there is to know of it.
    pub fn add(&self, kind: &str, number: usize) -> String {
        self.control(&["add".to_owned(), kind.to_owned(), number.to_string()])
    }

    /// How many sessions were let in on host `number` and how many execs were run in them, since the rig is up.
    pub fn ssh_counts(&self, number: usize) -> SshCounts {
        let log = self.directory.join(&self.host(number).name).join("sshd.log");
        // Not there before the first connection.
        let log = std::fs::read_to_string(log).unwrap_or_default();
        let count = |start: &str, part: &str| log.lines().filter(|l| l.starts_with(start) && l.contains(part)).count();
        // "Accepted key … found at" is said for each key that is looked at.
        SshCounts { sessions: count("Accepted ", " for "), execs: count("Starting session: command", "") }
    }

    /// A workspace for one test.
    pub fn scratch(&self) -> Scratch<'_> {
        Scratch::new(self)
    }

    fn control(&self, arguments: &[String]) -> String {
        let output = script()
            .env("RIG_DIR", &self.directory)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|e| panic!("cannot run rig.sh: {e}"));
        text(&format!("rig.sh {}", arguments.join(" ")), output)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if self.tie.is_some() {
            let _ = script().arg("down").arg("--dir").arg(&self.directory).stdin(Stdio::null()).status();
        }
    }
}

/// What sshd's log has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SshCounts {
    /// Logins that succeeded.
    pub sessions: usize,
    /// Commands run in them.
    pub execs: usize,
}

fn script() -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rig/rig.sh"));
    // A rig of one's own must not be taken for the one around it.
    command.env_remove("RIG_DIR").env_remove("RIG_PORT").env_remove("RIG_SLOT");
    command
}

fn text(what: &str, output: Output) -> String {
    assert!(output.status.success(), "{what}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
