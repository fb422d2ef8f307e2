//! What one test has to itself on a shared rig: a workspace, container names, published ports.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU16, AtomicUsize, Ordering},
};

use super::Rig;

/// A workspace with the rig's hosts and no servers. Dropped, it takes its directory and its containers with it.
pub struct Scratch<'a> {
    rig: &'a Rig,
    directory: tempfile::TempDir,
    prefix: String,
}

impl<'a> Scratch<'a> {
    pub(super) fn new(rig: &'a Rig) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        let directory = tempfile::Builder::new().prefix("mcp-test.").tempdir().unwrap_or_else(|e| panic!("{e}"));
        let prefix = format!("t{}-{}-", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let scratch = Self { rig, directory, prefix };
        scratch.write("hosts.yaml", &scratch.hosts_yaml());
        scratch
    }

    /// The workspace's directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A name that no other test has, for a server and its container: `t4711-1-finance`.
    pub fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A port that no other test publishes.
    pub fn port(&self) -> u16 {
        static COUNT: AtomicU16 = AtomicU16::new(0);
        // Tests run side by side, each in a process of its own: each has a hundred ports, by its place among those that run, or
        // where the runner does not say it, by its process id.
        let slot = std::env::var("NEXTEST_TEST_GLOBAL_SLOT").ok().and_then(|slot| slot.parse().ok());
        let block = slot.unwrap_or_else(|| std::process::id() % 100) % 100;
        let block = u16::try_from(block).unwrap_or_default();
        20_000 + block * 100 + COUNT.fetch_add(1, Ordering::Relaxed) % 100
    }

    /// A `docker run` string for a server called [`Self::name`]`(name)`; `options` go before the image, `arguments` after.
    pub fn docker_run(&self, name: &str, options: &str, arguments: &str) -> String {
        let words = ["docker run -d --name", &self.name(name), options, &self.rig.image, arguments];
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// The inventory of the rig's hosts: `edge-1` and so on, all in group `demo`.
    pub fn hosts_yaml(&self) -> String {
        let rig = self.rig;
        let mut text = format!(
            "version: 1\nssh_config: none\ndefaults:\n  user: root\n  port: {}\n  identity_file: {}\n  known_hosts: {}\nhosts:\n",
            rig.port,
            rig.key.display(),
            rig.known_hosts.display()
        );
        for host in &rig.hosts {
            let _ = write!(text, "  {}:\n    address: {}\n    groups: [demo]\n", host.name, host.address);
        }
        text + "groups:\n  demo: {}\n"
    }

    /// Writes a file of the workspace.
    pub fn write(&self, file: &str, text: &str) -> PathBuf {
        let path = self.path().join(file);
        std::fs::write(&path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        path
    }

    /// Reads a file of the workspace.
    pub fn read(&self, file: &str) -> String {
        let path = self.path().join(file);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// `mcp --dir WORKSPACE ARGUMENTS…`, not yet run.
    pub fn mcp(&self, arguments: &[&str]) -> Command {
        let mut command = self.rig.mcp();
        command.current_dir(self.path()).arg("--dir").arg(self.path()).args(arguments);
        command
    }

    /// State of the container of [`Self::name`]`(name)` on host `number`: `running`, `exited`, …; `None` without one.
    pub fn container_state(&self, number: usize, name: &str) -> Option<String> {
        let output = self.rig.docker(number, &["inspect", "-f", "{{.State.Status}}", &self.name(name)]);
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        for number in 1..=self.rig.hosts.len() {
            let filter = format!("name=^/?{}", self.prefix);
            let left = self.rig.docker(number, &["ps", "-aq", "--filter", &filter]);
            let left = String::from_utf8_lossy(&left.stdout).into_owned();
            let left: Vec<&str> = left.split_whitespace().collect();
            if !left.is_empty() {
                self.rig.docker(number, &[&["rm", "-f", "-v"], left.as_slice()].concat());
            }
        }
    }
}
