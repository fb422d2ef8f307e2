//! Hosts where docker is run by sudo, with and without the right to hand on variables; sudo complains of the host's name each time.

use crate::place::Place;

const VALUE: &str = "it's $deep \"blue\"";

fn place(user: &str) -> Place {
    let keys = format!("docker: sudo -n docker\nenv:\n  TOKEN: {VALUE}");
    let place = Place::new(user, &keys);
    place.rig.add("sudo", 1);
    place
}

#[test]
fn the_variables_that_a_string_names_pass_through_sudo_and_their_values_are_shown_nowhere() {
    let place = place("deputy");
    let a = place.add("a", "-e TOKEN -e MCP_TEST_UNSET", "", &[]);
    let dry = place.mcp(&["start", &a, "--dry-run", "-v"]).nowhere("deep");
    dry.out("sudo --preserve-env=MCP_TEST_UNSET,TOKEN -n docker run");
    assert_eq!(place.act(&["start", &a, "--settle", "0s"]), "changed created");
    let env = place.rig.docker_text(1, &["inspect", "-f", "{{range .Config.Env}}{{println .}}{{end}}", &a]);
    assert!(env.lines().any(|line| line == format!("TOKEN={VALUE}")), "{env}");
    assert!(!env.contains("MCP_TEST_UNSET="), "{env}");
    assert_eq!(place.status(&a), "running -");
    assert_eq!(place.act(&["restart", &a, "--recreate", "--settle", "0s"]), "changed replaced");
    assert_eq!(place.act(&["stop", &a]), "changed stopped");
    assert!(!place.scratch.read("state.yaml").contains("deep"));
}

#[test]
fn a_sudo_that_hands_on_no_variables_fails_the_row_that_needs_them_and_no_other() {
    let place = place("guest");
    let a = place.add("a", "-e TOKEN", "", &[]);
    let said = place.mcp(&["start", &a, "-o", "json"]).code(1).nowhere("deep");
    let row = said.json()["instances"][0].clone();
    assert_eq!(row["outcome"], "failed", "{row:#}");
    let text = |key: &str| row["error"][key].as_str().unwrap().to_owned();
    assert!(text("cause").contains("not allowed to set the following environment variables: TOKEN"), "{row:#}");
    assert!(text("hint").contains("SETENV"), "{row:#}");
    assert_eq!(place.status(&a), "stopped no container");

    // Without variables the same account runs it.
    let place = Place::new("guest", "docker: sudo -n docker");
    let a = place.add("a", "", "", &[]);
    assert_eq!(place.act(&["start", &a, "--settle", "0s"]), "changed created");
    assert_eq!(place.status(&a), "running -");
}
