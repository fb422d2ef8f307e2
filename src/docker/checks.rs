//! What can be checked before a container that cannot be kept is stopped: the network, and the ports on the host.
//!
//! Boundary: shell text. It fails in docker's own words, so that [`super::failure`] reads it.

use std::net::IpAddr;

use super::{command, inspect::Container, port::PublishedPort, run_string::RunString};

/// Exits with 0 when the network of `run` exists and its ports are free, or published by `old`, which will be gone. What cannot be seen
/// is not checked: ports of UDP, and networks that the host's shell names.
#[must_use]
pub fn before_stop(docker: &str, run: &RunString, old: &Container) -> String {
    let network = run.network().and_then(|network| network_check(docker, network));
    let ports = run
        .ports()
        .iter()
        .flat_map(PublishedPort::expanded)
        .filter(|port| !is_of(port, old))
        .filter_map(|p| port_check(&p));
    let checks: Vec<String> = network.into_iter().chain(ports).collect();
    if checks.is_empty() { "true".to_owned() } else { checks.join(" && ") }
}

fn network_check(docker: &str, network: &str) -> Option<String> {
    if network.contains(['$', '`', '='])
        || matches!(network, "" | "host" | "none" | "default" | "bridge" | "private" | "pasta" | "slirp4netns")
        || network.starts_with("ns:")
    {
        return None;
    }
    let asked = match network.strip_prefix("container:") {
        Some(container) => command::exists(container),
        None => command::network_exists(network),
    };
    Some(format!("{} >/dev/null", asked.to_shell_with(docker)))
}

/// Whether `old` publishes `port` itself.
fn is_of(port: &PublishedPort, old: &Container) -> bool {
    old.published.iter().any(|other| other.host == port.host && other.protocol == port.protocol)
}

/// Looks for a listener at the port in the kernel's tables (proc(5), `/proc/net/tcp`: addresses in the order of the machine's bytes).
fn port_check(port: &PublishedPort) -> Option<String> {
    let (number, last) = port.host.filter(|_| port.protocol == "tcp")?;
    if number != last {
        return None;
    }
    let address = match port.host_ip.as_deref().map(str::parse::<IpAddr>) {
        Some(Ok(IpAddr::V4(ip))) if !ip.is_unspecified() => {
            let [a, b, c, d] = ip.octets();
            format!("({d:02X}{c:02X}{b:02X}{a:02X}|00000000|0{{32}})")
        }
        Some(Ok(IpAddr::V6(ip))) if !ip.is_unspecified() => return None,
        _ => "[0-9A-F]+".to_owned(),
    };
    let ip = port.host_ip.as_deref().unwrap_or("0.0.0.0");
    Some(format!(
        "{{ ! grep -qsE '^ *[0-9]+: {address}:{number:04X} [0-9A-F:]+ 0A ' /proc/net/tcp /proc/net/tcp6 || \
         {{ echo 'docker: Error response from daemon: Bind for {ip}:{number} failed: port is already allocated.' >&2; false; }}; }}"
    ))
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, process::Command};

    use super::*;
    use crate::docker::{fixture, inspect};

    fn holds(ports: &str) -> bool {
        let run =
            RunString::parse(&format!("docker run -d --name finance {ports} x")).unwrap_or_else(|e| panic!("{e}"));
        let old = inspect::parse(&fixture::read("28.2/inspect/plain.out")).unwrap_or_else(|e| panic!("{e}")).remove(0);
        let code = before_stop("false", &run, &old);
        Command::new("sh").args(["-c", &code]).output().is_ok_and(|output| output.status.success())
    }

    #[test]
    fn a_port_that_something_listens_at_is_taken_on_its_address_only() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|e| panic!("{e}"));
        let port = listener.local_addr().unwrap_or_else(|e| panic!("{e}")).port();
        assert!(!holds(&format!("-p 127.0.0.1:{port}:80")));
        assert!(!holds(&format!("-p {port}:80")));
        assert!(holds(&format!("-p 127.0.0.77:{port}:80")));
        drop(listener);
        assert!(holds(&format!("-p 127.0.0.1:{port}:80")));
    }

    #[test]
    fn a_network_is_asked_for_unless_every_host_has_it() {
        assert!(!holds("--network nope"));
        assert!(!holds("--network container:nope"));
        for known in ["--network host", "--network none", "--network bridge", "--network $NET", ""] {
            assert!(holds(known), "{known}");
        }
    }
}
