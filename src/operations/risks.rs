//! What a registered string opens on its host: ports on every address, the host's root, its engine.
//!
//! Boundary: pure; warnings, never refusals. What the host's shell decides is not judged.

use crate::docker::run_string::{MountKind, RunString};

/// Directories that hold the engine's socket, and its usual names (docker, podman, containerd).
const SOCKETS: [&str; 3] = ["docker.sock", "podman.sock", "containerd.sock"];
const SOCKET_DIRECTORIES: [&str; 5] = ["/run", "/var/run", "/var", "/run/podman", "/run/containerd"];

/// A risk, and how to avoid it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Risk {
    /// What is open, and to whom.
    pub what: String,
    /// What to write instead.
    pub fix: String,
}

/// What `run` opens on the host, in the order of the flags' weight.
#[must_use]
pub fn risks(run: &RunString) -> Vec<Risk> {
    let mut found = Vec::new();
    let mut risk = |what: String, fix: &str| found.push(Risk { what, fix: fix.to_owned() });
    if run.privileged() {
        risk(
            "--privileged gives the container root's rights on the host".to_owned(),
            "leave it out, or add the one capability it needs (--cap-add)",
        );
    }
    for capability in run.added_capabilities() {
        let name = capability.to_ascii_uppercase();
        if matches!(name.trim_start_matches("CAP_"), "ALL" | "SYS_ADMIN" | "SYS_PTRACE" | "SYS_MODULE") {
            risk(format!("--cap-add {capability} is enough to leave the container"), "leave it out");
        }
    }
    if run.pid() == Some("host") {
        risk("--pid host shows the container every process of the host".to_owned(), "leave it out");
    }
    if run.uses_api_socket() {
        risk(
            "--use-api-socket gives the container the host's engine, and with it root's rights".to_owned(),
            "leave it out",
        );
    }
    for mount in run.mounts().iter().filter(|mount| mount.mount.kind == MountKind::Bind && !mount.source_unresolved) {
        let Some(source) = mount.mount.source.as_deref() else { continue };
        let file = source.rsplit('/').next().unwrap_or_default();
        if source == "/" {
            risk(
                format!("the mount {} gives the container the host's whole disk", mount.mount),
                "mount the directory that it needs",
            );
        } else if SOCKETS.contains(&file) || SOCKET_DIRECTORIES.contains(&source) {
            risk(
                format!("the mount {} gives the container the host's engine, and with it root's rights", mount.mount),
                "leave it out, or put a proxy before the socket that allows only what it needs",
            );
        }
    }
    if run.network() == Some("host") {
        risk(
            "--network host opens every port of the container on every address of the host".to_owned(),
            "publish its port: `-p 127.0.0.1:PORT:PORT`",
        );
    } else if run.publishes() {
        let everywhere = |ip: Option<&str>| ip.is_none_or(|ip| matches!(ip, "0.0.0.0" | "::"));
        let open: Vec<_> = run.ports().iter().filter(|port| everywhere(port.host_ip.as_deref())).collect();
        if let Some(first) = open.first() {
            let ports: Vec<String> = open.iter().map(|port| port.to_string()).collect();
            let mut narrow = (*first).clone();
            narrow.host_ip = Some("127.0.0.1".to_owned());
            let what =
                format!("-p {} is open on every address of the host, to everybody who reaches it", ports.join(", -p "));
            risk(what, &format!("write `-p {narrow}`, unless a proxy or a firewall stands before it"));
        }
        if run.publishes_all() {
            risk(
                "-P opens every port of the image on every address of the host".to_owned(),
                "publish its port: `-p 127.0.0.1:PORT:PORT`",
            );
        }
    }
    if run.is_on_demand() {
        if !run.removes_itself() {
            risk(
                "`-i` without `--rm` leaves a stopped container behind for each connection".to_owned(),
                "write `-i --rm`",
            );
        }
        if !run.ports().is_empty() || run.publishes_all() {
            risk("`-i` without `-d` is a container for one connection over standard input and output, and it publishes a port".to_owned(), "write `-d` in place of `-i` if clients connect to the port");
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn of(flags: &str) -> Vec<String> {
        risks(&RunString::parse(&format!("docker run {flags} acme/x")).unwrap())
            .into_iter()
            .map(|risk| risk.what)
            .collect()
    }

    #[test]
    fn what_opens_the_host_is_named_whatever_flag_says_it() {
        for (flags, words) in [
            ("-d -p 8080:80", "-p 8080:80 is open on every address"),
            ("-d -p 80", "-p 80 is open"),
            ("-d -p 0.0.0.0:8080:80 -p 127.0.0.1:1:1 -p [::]:2:2", "-p 0.0.0.0:8080:80, -p [::]:2:2 is open"),
            ("-d --publish published=8080,target=80", "-p 8080:80 is open"),
            ("-d -P", "-P opens"),
            ("-d --privileged", "--privileged"),
            ("-d --privileged=true", "--privileged"),
            ("-d --cap-add=cap_sys_admin", "--cap-add cap_sys_admin"),
            ("-d --cap-add ALL", "--cap-add ALL"),
            ("-d --pid=host", "--pid host"),
            ("-d --net host -p 8080:80", "--network host opens"),
            ("-d --use-api-socket", "engine"),
            ("-d -v /:/host", "whole disk"),
            ("-d -v //:/host:ro", "whole disk"),
            ("-d --volume=/var/run/docker.sock:/var/run/docker.sock", "engine"),
            ("-d --mount type=bind,source=/run/docker.sock,target=/x", "engine"),
            ("-d --mount type=bind,src=/var/run/,dst=/x,readonly", "engine"),
            ("-d -v /run/user/1000/podman/podman.sock:/x", "engine"),
            ("-i", "without `--rm`"),
            ("-i --rm -p 127.0.0.1:1:1", "it publishes a port"),
        ] {
            let found = of(flags);
            assert!(found.len() == 1 && found[0].contains(words), "{flags}: {found:?}");
        }
    }

    #[test]
    fn what_stays_within_the_host_is_no_risk() {
        for flags in [
            "-d",
            "-d -p 127.0.0.1:8080:80 -p [::1]:8080:80",
            "-d -p $PORT:80",
            "-d --privileged=false --pid container:x --cap-add NET_BIND_SERVICE",
            "-d -v /srv/data:/data -v data:/ -v /runs:/x --tmpfs /run --mount type=volume,src=x,dst=/y",
            "-d --network none -p 8080:80",
            "-i --rm",
        ] {
            assert_eq!(of(flags), Vec::<String>::new(), "{flags}");
        }
    }
}
