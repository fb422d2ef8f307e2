//! Whether this machine and the workspace are fit for work, each finding with its fix.
//!
//! Boundary: looks at local files and the agent's socket; asks no host (`hosts::check` does).

use std::{
    fs,
    os::unix::{fs::MetadataExt, fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
};

use super::{check::check, hosts::Finding};
use crate::{
    config::{
        state::MAY_BE_DELETED,
        store::{STATE, StoreError, Workspace},
    },
    domain::{Connection, Host},
    operations::registered,
};

fn well(what: impl Into<String>) -> Finding {
    Finding { ok: true, what: what.into(), fix: None }
}

fn wrong(what: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { ok: false, what: what.into(), fix: Some(fix.into()) }
}

/// Examines this machine and `workspace`.
#[must_use]
pub fn examine(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = vec![];
    let hosts = match workspace.load(&registered::check) {
        Ok(loaded) => loaded.inventory.hosts().to_vec(),
        Err(StoreError::Config(_)) => vec![],
        Err(error) => {
            findings.push(wrong(error.to_string(), "make one with `mcp init`"));
            vec![]
        }
    };
    findings.extend(check(workspace).into_iter().map(|finding| with_fix(finding, workspace.dir())));
    findings.extend(directory(workspace.dir()));
    for file in ["hosts.yaml", "servers.yaml", "state.yaml"] {
        findings.extend(file_mode(&workspace.dir().join(file)));
    }
    let ssh: Vec<&Host> = hosts.iter().filter(|h| matches!(h.connection, Connection::Ssh(_))).collect();
    if !ssh.is_empty() {
        let agent = agent();
        let keys = keys(&ssh);
        // Keys do without an agent, and an agent without keys: only neither is trouble.
        if agent.ok || !keys.iter().any(|k| k.ok) {
            findings.push(agent);
        }
        findings.extend(keys);
        findings.extend(known_hosts(&ssh));
    }
    if hosts.iter().any(|h| h.connection == Connection::Local) {
        findings.push(local_docker());
    }
    findings
}

/// What is wrong with the state, with its fix: a file that cannot be read is not broken, and one that is broken can go.
fn with_fix(finding: Finding, dir: &Path) -> Finding {
    if finding.ok || finding.fix.is_some() || !finding.what.starts_with(STATE) {
        return finding;
    }
    let path = dir.join(STATE);
    let fix = if !finding.what.contains(MAY_BE_DELETED) {
        format!(
            "have it owned and readable by you (see `ls -ld {}`); it is a cache, so it can also be moved away",
            path.display()
        )
    } else {
        format!("delete {}; it is a cache, and the hosts give it back", path.display())
    };
    Finding { fix: Some(fix), ..finding }
}

fn directory(dir: &Path) -> Vec<Finding> {
    let Ok(meta) = fs::metadata(dir) else { return vec![] };
    if meta.mode() & 0o022 != 0 {
        let what =
            format!("{} can be written by others: they could have mcp run anything on your hosts", dir.display());
        return vec![wrong(what, format!("chmod go-w {}", dir.display()))];
    }
    if rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_err() {
        let what = format!("{} cannot be written: no state will be kept", dir.display());
        return vec![wrong(what, "give yourself write permission, or use another --dir")];
    }
    vec![well(format!("{} can be written by you alone", dir.display()))]
}

fn file_mode(path: &Path) -> Option<Finding> {
    let mode = fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o022 != 0).then(|| {
        let what =
            format!("{} can be written by others: they could have mcp run anything on your hosts", path.display());
        wrong(what, format!("chmod go-w {}", path.display()))
    })
}

fn agent() -> Finding {
    let fix = "eval \"$(ssh-agent)\" && ssh-add";
    match std::env::var_os("SSH_AUTH_SOCK").filter(|v| !v.is_empty()) {
        None => wrong("no SSH agent ($SSH_AUTH_SOCK is not set)", fix),
        Some(socket) => match UnixStream::connect(&socket) {
            Ok(_) => well(format!("the SSH agent answers at {}", Path::new(&socket).display())),
            Err(error) => {
                wrong(format!("the SSH agent at {} does not answer: {error}", Path::new(&socket).display()), fix)
            }
        },
    }
}

fn unique(paths: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut seen = vec![];
    for path in paths {
        if !seen.contains(&path) {
            seen.push(path);
        }
    }
    seen
}

fn home(rest: &[&str]) -> Vec<PathBuf> {
    let Some(home) = std::env::var_os("HOME").map(PathBuf::from) else { return vec![] };
    rest.iter().map(|r| home.join(r)).collect()
}

fn keys(hosts: &[&Host]) -> Vec<Finding> {
    let configured = unique(
        hosts
            .iter()
            .flat_map(|h| match &h.connection {
                Connection::Ssh(endpoint) => endpoint.identity_files.clone(),
                Connection::Local | Connection::Refused(_) => vec![],
            })
            .filter(|path| path != Path::new("/dev/null")),
    );
    let mut findings = vec![];
    for path in &configured {
        findings.push(key(path));
    }
    if configured.is_empty() {
        let defaults = home(&[".ssh/id_ed25519", ".ssh/id_ecdsa", ".ssh/id_rsa"]);
        findings.extend(defaults.iter().filter(|p| p.exists()).map(|p| key(p)));
    }
    findings
}

fn key(path: &Path) -> Finding {
    match fs::metadata(path) {
        Err(error) => wrong(
            format!("the identity file {} cannot be read: {error}", path.display()),
            "correct identity_file in hosts.yaml, or IdentityFile in ssh_config, or make the key with ssh-keygen -t ed25519",
        ),
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => wrong(
            format!("the identity file {} can be read by others, so it is not used", path.display()),
            format!("chmod 600 {}", path.display()),
        ),
        Ok(_) => well(format!("the identity file {} is yours alone", path.display())),
    }
}

fn known_hosts(hosts: &[&Host]) -> Vec<Finding> {
    let configured = unique(hosts.iter().flat_map(|h| match &h.connection {
        Connection::Ssh(endpoint) => endpoint.known_hosts.clone(),
        Connection::Local | Connection::Refused(_) => vec![],
    }));
    let mut files = if configured.is_empty() { home(&[".ssh/known_hosts"]) } else { configured };
    // Of many usual places some are always empty.
    if files.iter().any(|path| path.exists()) {
        files.retain(|path| path.exists());
    }
    files
        .iter()
        .filter(|path| *path != Path::new("/dev/null"))
        .map(|path| match fs::read(path) {
            Ok(text) => {
                let entries = text.split(|b| *b == b'\n').filter(|l| !l.is_empty() && l[0] != b'#').count();
                well(format!("{} holds {entries} host keys", path.display()))
            }
            Err(error) => wrong(
                format!("{} cannot be read: {error}", path.display()),
                "look at the keys of the hosts and trust them with `mcp hosts trust`, or set host_key: accept-new",
            ),
        })
        .collect()
}

fn local_docker() -> Finding {
    let output = std::process::Command::new("docker").arg("--version").output();
    match output {
        Ok(output) if output.status.success() => well(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        _ => {
            wrong("a host is local, but there is no docker on this machine", "install docker, or set hosts.NAME.docker")
        }
    }
}
