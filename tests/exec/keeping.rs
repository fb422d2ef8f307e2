//! A fleet whose runs leave their sessions to the next.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{fleet::Fleet, said::Said};

/// A fleet whose runs keep their sessions in a directory of its own.
pub(crate) struct Keeping {
    pub(crate) fleet: Fleet,
    pub(crate) runtime: PathBuf,
}

impl Keeping {
    pub(crate) fn start() -> Self {
        let fleet = Fleet::start();
        let runtime = fleet.sshd.path("runtime");
        fs::create_dir(&runtime).unwrap();
        Self { fleet, runtime }
    }

    pub(crate) fn command(&self, persist: &str, arguments: &[&str]) -> Command {
        let mut command = self.fleet.command(arguments);
        command.env("MCP_PERSIST", persist).env("XDG_RUNTIME_DIR", &self.runtime).stdin(Stdio::null());
        command
    }

    pub(crate) fn mcp(&self, arguments: &[&str]) -> Said {
        crate::said::run(self.command("60", arguments))
    }

    pub(crate) fn logins(&self) -> usize {
        self.fleet.sshd.log().matches("Accepted publickey").count()
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.mcp(&["sessions", "list", "-o", "name"]).out.lines().next().is_some()
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.mcp(&["sessions", "close", "--all"]);
    }
}
