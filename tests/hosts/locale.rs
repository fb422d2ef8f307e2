//! Accounts whose locale is German, and sudo and bash that know German.

use crate::place::Place;

const GERMAN: &str = "env: {LC_ALL: de_DE.UTF-8, LANGUAGE: de}";

#[test]
fn what_mcp_reads_is_in_the_c_locale_and_what_the_account_runs_is_in_its_own() {
    let place = Place::new("guest", &format!("docker: sudo -n env docker\n{GERMAN}"));
    place.rig.add("sudo", 1);
    place.rig.add("german", 1);
    let (_, own) = place.exec(&[], "echo $LC_ALL; sudo -n true");
    assert_eq!(own["stdout"], "de_DE.UTF-8\n");
    assert!(
        own["stderr"].as_str().unwrap().contains("Ein Passwort ist notwendig"),
        "this host knows no German: {own:#}"
    );
    let check = place.mcp(&["hosts", "check", "-o", "json"]).code(1).json();
    assert_eq!(check[0]["broken"], "permission", "{check:#}");
    let a = place.add("a", "", "", &[]);
    assert!(place.status(&a).contains("a password is required"), "{}", place.status(&a));
    let log = place.mcp(&["log", &a]).code(1);
    assert!(log.err.contains("a password is required"), "{log}");
}

#[test]
fn a_container_gets_the_account_s_own_locale_where_its_string_hands_it_on() {
    let place = Place::new("root", GERMAN);
    let a = place.add("a", "-e LC_ALL -e LANGUAGE", "", &[]);
    assert_eq!(place.act(&["start", &a, "--settle", "0s"]), "changed created");
    let env = place.rig.docker_text(1, &["inspect", "-f", "{{range .Config.Env}}{{println .}}{{end}}", &a]);
    for variable in ["LC_ALL=de_DE.UTF-8", "LANGUAGE=de"] {
        assert!(env.lines().any(|line| line == variable), "{env}");
    }
}
