//! Hosts from other sources than `hosts.yaml`, through the binary: Ansible's inventories, executables, hosts by address.
//!
//! Boundary: what is read and reached; Ansible's own answers are held against in `config::source`. A private sshd is the host.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    dead_code,
    reason = "a test stops at the first surprise and says what sshd said; each test binary uses its own part of the helpers"
)]

#[path = "support/around.rs"]
mod around;
#[path = "support/said.rs"]
mod said;
#[path = "transport/sshd.rs"]
mod sshd;

#[path = "inventory/examples.rs"]
mod examples;
#[path = "inventory/executables.rs"]
mod executables;
#[path = "inventory/reached.rs"]
mod reached;
#[path = "inventory/widths.rs"]
mod widths;
#[path = "inventory/workspace.rs"]
mod workspace;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// A home and a directory to be in, both empty.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        fs::create_dir_all(place.path("home/.ssh")).unwrap();
        fs::create_dir(place.path("here")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file into the current directory.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path("here").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn executable(&self, name: &str, text: &str) -> PathBuf {
        let path = self.write(name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// `mcp` of a user called ana, who has nothing but this place.
    fn mcp(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp"));
        command
            .env_clear()
            .env("HOME", self.path("home"))
            .env("USER", "ana")
            .env("COLUMNS", "400")
            .env("MCP_PERSIST", "0");
        command.env("PATH", std::env::var_os("PATH").unwrap()).current_dir(self.path("here")).args(arguments);
        command
    }
}

/// Lines of a counter that a script appends to.
fn lines(path: &Path) -> usize {
    fs::read_to_string(path).map(|text| text.lines().count()).unwrap_or(0)
}
