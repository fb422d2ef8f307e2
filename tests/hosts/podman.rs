//! Hosts that run podman: the whole life of a server.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use crate::place::Place;

/// A server's whole life on a host where podman is run as `docker` says.
fn lives(user: &str, docker: &str) {
    let place = Place::new(user, &format!("docker: {docker}"));
    place.rig.add("podman", 1);
    place.rig.add("sudo", 1);
    let check = place.mcp(&["hosts", "check", "-o", "json"]).code(0).json();
    assert!(check[0]["broken"].is_null() && check[0]["client"].is_string(), "{check:#}");

    let port = place.scratch.port();
    let options = format!("-p 127.0.0.1:{port}:8080 -e MODE=fast -v /tmp:/data:ro --restart always -l version=1");
    let a = place.add("a", &options, "--log-lines 120", &[]);
    let logs = format!("docker logs {}", place.scratch.name("b"));
    let b = place.add("b", "", "--log-lines 9", &["--logs", &logs]);
    let bad = place.add("bad", "", "--exit 3", &[]);

    // A container that is not there says nothing of the host and of the others.
    assert_eq!(place.status(&a), "stopped no container");
    assert_eq!(place.act(&["start", &a, "--settle", "0s"]), "changed created");
    assert_eq!(place.status(&a), "running -");
    assert_eq!(place.status(&b), "stopped no container");
    assert_eq!(place.act(&["start", &a, "--settle", "0s"]), "unchanged -");
    assert_eq!(place.act(&["start", &b, "--settle", "0s"]), "changed created");
    let failed = place.mcp(&["start", &bad, "-o", "json"]).code(1);
    let log = failed.json()["instances"][0]["error"]["log"].to_string();
    assert!(log.contains("ending with code"), "{failed}");
    assert!(place.status(&bad).starts_with("error exited with code 3"), "{}", place.status(&bad));

    let row = place.listed(&a, &["--stats"]);
    assert!(row["memory_usage"].as_u64().is_some_and(|bytes| bytes > 0) && row["cpu_usage"].is_number(), "{row:#}");
    let page = place.mcp(&["get", &a, "-o", "json"]).code(0);
    assert!(page.out.contains("line 120") && page.json()[0]["drift"].as_array().unwrap().is_empty(), "{page}");

    // podman shows a line that was written in pieces, as the server's first is, as several, and among others.
    let lines = |name: &str, options: &[&str]| {
        let said = place.mcp(&[&["log", name, "--grep", "^line "], options].concat()).code(0);
        said.out.lines().count()
    };
    assert!((20..=31).contains(&lines(&a, &["-n", "30"])), "{}", lines(&a, &["-n", "30"]));
    assert!((3..=6).contains(&lines(&b, &["-n", "5"])), "{}", lines(&b, &["-n", "5"]));
    assert_eq!((lines(&a, &[]), lines(&a, &["--since", "1h"])), (120, 120));
    let whole = place.mcp(&["log", &a]).code(0);
    assert!(whole.out.contains("listens on port 8080 at /mcp"), "a line that was written in pieces: {whole}");
    let mut follows = place.command(&["log", &a, "-f", "--grep", "^line"]);
    let mut child = follows.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().take(120).map(Result::unwrap);
    assert_eq!(lines.last().as_deref(), Some("line 120"));
    child.kill().unwrap();
    child.wait().unwrap();

    assert_eq!(place.act(&["restart", &a, "--settle", "0s"]), "changed restarted");
    assert_eq!(place.act(&["stop", &a]), "changed stopped");
    assert!(place.status(&a).starts_with("stopped "), "{}", place.status(&a));
    assert_eq!(place.act(&["start", &a, "--settle", "0s"]), "changed started");
    // Another string makes another container.
    let command = place.scratch.docker_run("a", &options.replace("version=1", "version=2"), "");
    place.mcp(&["edit", &a, "--command", &command]).code(0);
    assert_eq!(place.act(&["restart", &a, "--settle", "0s"]), "changed replaced");
    let version = ["podman", "container", "inspect", "-f", "{{.Config.Labels.version}}", &a];
    assert_eq!(place.rig.on(1, &version), "2");
    assert_eq!(place.status(&a), "running -");
    place.mcp(&["remove", &a, "--stop", "--yes"]).code(0);
    assert!(!place.rig.on(1, &["podman", "ps", "-a", "--format", "{{.Names}}"]).lines().any(|name| name == a));
}

#[test]
fn podman_serves_the_whole_life_of_a_server() {
    lives("root", "podman");
}

#[test]
fn podman_behind_sudo_serves_the_whole_life_of_a_server() {
    lives("deputy", "sudo -n podman");
}
