//! A workspace whose hosts are all one sshd, each by a loopback address of its own.

use std::{fs, path::PathBuf, process::Command};

use crate::{
    said::Said,
    sshd::{Sshd, known_line, user},
};

pub(crate) struct Fleet {
    pub(crate) sshd: Sshd,
    workspace: PathBuf,
}

impl Fleet {
    /// Hosts `h-[0001:1000]` and `gone`, which nobody listens for.
    pub(crate) fn start() -> Self {
        let sshd = Sshd::with(&["ed25519"], "ListenAddress 0.0.0.0\nMaxStartups 1000");
        fs::write(sshd.path("known_hosts"), known_line(sshd.directory.path(), "ed25519", "127.*", sshd.port)).unwrap();
        let workspace = sshd.path("workspace");
        fs::create_dir(&workspace).unwrap();
        let hosts = format!(
            "version: 1\ndefaults: {{user: {user}, port: {port}, identity_file: ../id_ed25519, known_hosts: ../known_hosts}}\n\
             hosts:\n  \"h-[0001:1000]\": {{address: \"127.1.[0:3].[1:250]\"}}\n  gone: {{port: 9, address: 127.0.0.9}}\n  \
             here: {{connection: local}}\n  told: {{address: 127.2.0.1, env: {{WORD: \"it's told\"}}}}\n",
            user = user(),
            port = sshd.port,
        );
        fs::write(workspace.join("hosts.yaml"), hosts).unwrap();
        Self { sshd, workspace }
    }

    /// `mcp` with these arguments in this workspace.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp"));
        command.args(arguments).current_dir(&self.workspace).env("MCP_DIR", &self.workspace);
        command
            .env("HOME", self.sshd.path("home"))
            .env_remove("SSH_AUTH_SOCK")
            .env("NO_COLOR", "1")
            .env("MCP_PERSIST", "0");
        command
    }

    pub(crate) fn mcp(&self, arguments: &[&str]) -> Said {
        crate::said::run(self.command(arguments))
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.sshd.path(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}
