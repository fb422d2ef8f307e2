//! A workspace whose host is reached through a bad cable.

use std::{net::ToSocketAddrs as _, sync::OnceLock};

use crate::{
    proxy::{Cut, Proxy},
    rig::Rig,
    support::Bench,
};

/// The one host that the tests of this process share.
pub(crate) fn rig() -> &'static Rig {
    static RIG: OnceLock<Rig> = OnceLock::new();
    RIG.get_or_init(|| Rig::own(1))
}

/// A workspace with `edge-1` and nobody in between yet.
pub(crate) fn bench() -> Bench<'static> {
    Bench::on(rig())
}

/// Puts a proxy before `edge-1`.
pub(crate) fn through(bench: &Bench<'_>, cut: Option<Cut>) -> Proxy {
    let rig = bench.rig;
    let upstream = (rig.host(1).address.as_str(), rig.port).to_socket_addrs().unwrap().next().unwrap();
    let proxy = Proxy::new(upstream, cut);
    let port = proxy.address.port();
    let known = std::fs::read_to_string(&rig.known_hosts).unwrap();
    let key = known.lines().find_map(|line| line.strip_prefix(&format!("[{}]:{} ", rig.host(1).address, rig.port)));
    let file = bench.scratch.write("known_hosts", &format!("[127.0.0.1]:{port} {}\n", key.unwrap()));
    bench.scratch.write(
        "hosts.yaml",
        &format!(
            "version: 1\nhosts:\n  edge-1:\n    address: 127.0.0.1\n    port: {port}\n    user: root\n    identity_file: {}\n    known_hosts: {}\n",
            rig.key.display(),
            file.display()
        ),
    );
    proxy
}

/// The same for a host with this environment, whose scripts travel on standard input.
pub(crate) fn with_environment(bench: &Bench<'_>, environment: &str) {
    let hosts = bench.scratch.read("hosts.yaml");
    bench
        .scratch
        .write("hosts.yaml", &hosts.replace("    user: root\n", &format!("    user: root\n    env: {environment}\n")));
}

/// Takes the proxy away again.
pub(crate) fn straight(bench: &Bench<'_>) {
    bench.scratch.write("hosts.yaml", &bench.scratch.hosts_yaml());
}
