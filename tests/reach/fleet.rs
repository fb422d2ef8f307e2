//! A workspace whose hosts are one private sshd under many loopback addresses: a fleet of any size for the price of one.

use std::{path::Path, process::Command};

use tempfile::TempDir;

use crate::sshd::{Sshd, known_line, user};

/// The sshd and the workspace.
pub(crate) struct Fleet {
    pub(crate) sshd: Sshd,
    pub(crate) directory: TempDir,
}

impl Fleet {
    /// An sshd on every loopback address, with these further lines of configuration, and a workspace without hosts.
    pub(crate) fn new(configuration: &str) -> Self {
        let sshd = Sshd::with(&["ed25519"], &format!("ListenAddress 0.0.0.0\nMaxStartups 1000\n{configuration}"));
        let known = known_line(sshd.directory.path(), "ed25519", "127.*", sshd.port);
        std::fs::write(sshd.path("known_hosts"), known).unwrap();
        let fleet = Self { sshd, directory: tempfile::tempdir().unwrap() };
        fleet.hosts("{}");
        fleet
    }

    /// Writes `hosts.yaml` with this below `hosts:`.
    pub(crate) fn hosts(&self, hosts: &str) {
        let head = format!(
            "version: 1\nssh_config: none\ndefaults: {{user: {}, port: {}, identity_file: {}, known_hosts: {}, docker: false}}\nhosts: {hosts}\n",
            user(),
            self.sshd.port,
            self.sshd.path("id_ed25519").display(),
            self.sshd.path("known_hosts").display(),
        );
        std::fs::write(self.path().join("hosts.yaml"), head).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn mcp(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp"));
        command.current_dir(self.path()).env("HOME", self.path()).env_remove("SSH_AUTH_SOCK").env("MCP_PERSIST", "0");
        command.arg("--dir").arg(self.path()).args(arguments);
        command
    }
}
