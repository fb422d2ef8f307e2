//! The flags themselves, as both helps list them (`fixtures/docker/*/help`), with those that docker hides.
//!
//! Boundary: data. A flag that a newer docker brings is added here, with its help as a fixture.

use super::{Arity, Flag};

const fn switch(long: &'static str, short: Option<char>) -> Flag {
    Flag { long, short, arity: Arity::Switch }
}

const fn value(long: &'static str, short: Option<char>) -> Flag {
    Flag { long, short, arity: Arity::Value }
}

/// Flags of `docker run`.
pub const RUN: &[Flag] = &[
    value("add-host", None),
    value("annotation", None),
    value("attach", Some('a')),
    value("blkio-weight", None),
    value("blkio-weight-device", None),
    value("cap-add", None),
    value("cap-drop", None),
    value("cgroup-parent", None),
    value("cgroupns", None),
    value("cidfile", None),
    value("cpu-count", None),
    value("cpu-percent", None),
    value("cpu-period", None),
    value("cpu-quota", None),
    value("cpu-rt-period", None),
    value("cpu-rt-runtime", None),
    value("cpu-shares", Some('c')),
    value("cpus", None),
    value("cpuset-cpus", None),
    value("cpuset-mems", None),
    switch("detach", Some('d')),
    value("detach-keys", None),
    value("device", None),
    value("device-cgroup-rule", None),
    value("device-read-bps", None),
    value("device-read-iops", None),
    value("device-write-bps", None),
    value("device-write-iops", None),
    switch("disable-content-trust", None),
    value("dns", None),
    value("dns-opt", None),
    value("dns-option", None),
    value("dns-search", None),
    value("domainname", None),
    value("entrypoint", None),
    value("env", Some('e')),
    value("env-file", None),
    value("expose", None),
    value("gpus", None),
    value("group-add", None),
    value("health-cmd", None),
    value("health-interval", None),
    value("health-retries", None),
    value("health-start-interval", None),
    value("health-start-period", None),
    value("health-timeout", None),
    switch("help", None),
    value("hostname", Some('h')),
    switch("init", None),
    switch("interactive", Some('i')),
    value("io-maxbandwidth", None),
    value("io-maxiops", None),
    value("ip", None),
    value("ip6", None),
    value("ipc", None),
    value("isolation", None),
    value("kernel-memory", None),
    value("label", Some('l')),
    value("label-file", None),
    value("link", None),
    value("link-local-ip", None),
    value("log-driver", None),
    value("log-opt", None),
    value("mac-address", None),
    value("memory", Some('m')),
    value("memory-reservation", None),
    value("memory-swap", None),
    value("memory-swappiness", None),
    value("mount", None),
    value("name", None),
    value("net", None),
    value("net-alias", None),
    value("network", None),
    value("network-alias", None),
    switch("no-healthcheck", None),
    switch("oom-kill-disable", None),
    value("oom-score-adj", None),
    value("pid", None),
    value("pids-limit", None),
    value("platform", None),
    switch("privileged", None),
    value("publish", Some('p')),
    switch("publish-all", Some('P')),
    value("pull", None),
    switch("quiet", Some('q')),
    switch("read-only", None),
    value("restart", None),
    switch("rm", None),
    value("runtime", None),
    value("security-opt", None),
    value("shm-size", None),
    switch("sig-proxy", None),
    value("stop-signal", None),
    value("stop-timeout", None),
    value("storage-opt", None),
    value("sysctl", None),
    value("tmpfs", None),
    switch("tty", Some('t')),
    value("ulimit", None),
    switch("use-api-socket", None),
    value("user", Some('u')),
    value("userns", None),
    value("uts", None),
    value("volume", Some('v')),
    value("volume-driver", None),
    value("volumes-from", None),
    value("workdir", Some('w')),
];

/// Flags of `docker` itself, before the command.
pub const GLOBAL: &[Flag] = &[
    value("config", None),
    value("context", Some('c')),
    switch("debug", Some('D')),
    switch("help", None),
    value("host", Some('H')),
    value("log-level", Some('l')),
    switch("tls", None),
    value("tlscacert", None),
    value("tlscert", None),
    value("tlskey", None),
    switch("tlsverify", None),
    switch("version", Some('v')),
];

/// Flags of `docker stop`.
pub const STOP: &[Flag] =
    &[switch("help", None), value("signal", Some('s')), value("time", Some('t')), value("timeout", Some('t'))];

/// Flags of `docker kill`.
pub const KILL: &[Flag] = &[switch("help", None), value("signal", Some('s'))];

/// Flags of `docker rm`.
pub const REMOVE: &[Flag] =
    &[switch("force", Some('f')), switch("help", None), switch("link", Some('l')), switch("volumes", Some('v'))];

/// Flags of `docker logs`.
pub const LOGS: &[Flag] = &[
    switch("details", None),
    switch("follow", Some('f')),
    switch("help", None),
    value("since", None),
    value("tail", Some('n')),
    switch("timestamps", Some('t')),
    value("until", None),
];

/// Flags of `docker stats`.
pub const STATS: &[Flag] = &[
    switch("all", Some('a')),
    value("format", None),
    switch("help", None),
    switch("no-stream", None),
    switch("no-trunc", None),
];

/// Flags of `docker login`.
pub const LOGIN: &[Flag] =
    &[switch("help", None), value("password", Some('p')), switch("password-stdin", None), value("username", Some('u'))];

/// Flags of `docker pull`.
pub const PULL: &[Flag] = &[
    switch("all-tags", Some('a')),
    switch("disable-content-trust", None),
    switch("help", None),
    value("platform", None),
    switch("quiet", Some('q')),
];
