//! Warnings that docker prints on stderr of every command, here for a configuration that it cannot read.

use crate::place::Place;

const WARNING: &str = "WARNING: Error ";

#[test]
fn a_warning_of_docker_is_neither_a_failure_nor_an_id_nor_a_line_of_a_log() {
    let place = Place::new("root", "env: {DOCKER_CONFIG: /run/home/broken}");
    place.rig.on(1, &["sh", "-c", "mkdir -p /run/home/broken && echo '{' >/run/home/broken/config.json"]);
    assert!(place.exec(&[], "docker ps").1["stderr"].as_str().unwrap().contains(WARNING));

    let a = place.add("a", "-l version=1", "--log-lines 3", &[]);
    let stopped = format!("docker stop -t 1 {}", place.scratch.name("b"));
    let b = place.add("b", "", "", &["--stop", &stopped]);
    let absent = place.add("absent", "", "", &[]);
    let bad = place.add("bad", "", "--exit 3", &[]);
    for name in [&a, &b] {
        assert_eq!(place.act(&["start", name, "--settle", "0s"]), "changed created");
        assert_eq!(place.status(name), "running -");
    }
    assert!(place.status(&absent).starts_with("stopped "));
    // By its name and not by its id: the container is looked at once more before.
    assert_eq!(place.act(&["restart", &b, "--settle", "0s"]), "changed restarted");
    assert_eq!(place.act(&["restart", &a, "--recreate", "--settle", "0s"]), "changed replaced");
    assert_eq!(place.act(&["stop", &b]), "changed stopped");

    let page = place.mcp(&["get", &a, "-o", "json"]).code(0);
    assert!(page.out.contains("line 3") && !page.out.contains(WARNING), "{page}");
    let failed = place.mcp(&["start", &bad, "-o", "json"]).code(1);
    assert!(failed.out.contains("ending with code 3") && !failed.out.contains(WARNING), "{failed}");
    place.mcp(&["remove", &b, "--yes"]).code(0);
    assert_eq!(place.scratch.container_state(1, "b"), None);
    let check = place.mcp(&["hosts", "check", "-o", "json"]).code(0).json();
    assert!(check[0]["broken"].is_null() && check[0]["engine"].is_string(), "{check:#}");
}

#[test]
fn what_failed_is_told_and_not_what_was_printed_before_it() {
    let place = Place::new("root", "docker: 'echo \"WARNING: nothing\" >&2; docker -H unix:///nonexistent.sock'");
    let a = place.add("a", "", "", &[]);
    let status = place.status(&a);
    assert!(status.starts_with("unknown ") && status.contains("Cannot connect to the Docker daemon"), "{status}");
}
