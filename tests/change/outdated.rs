//! What is not as it is registered: how `list` shows it, and how `restart --outdated` applies it.

use serde_json::{Value, json};

use crate::support::{Answer, Bench, gist};

fn rows(bench: &Bench<'_>, words: &str) -> Vec<Value> {
    let answer = bench.mcp(&format!("list {words} -o json"));
    assert_eq!(answer.code, Some(0), "{words}: {answer:?}");
    serde_json::from_str(&answer.out).unwrap_or_else(|e| panic!("{e}: {answer:?}"))
}

#[test]
fn a_changed_value_of_a_variable_makes_a_container_outdated_and_restart_outdated_applies_it() {
    let mut bench = Bench::new();
    bench.server("env", "edge-1", "-e MODE=one", "");
    bench.server("plain", "edge-1", "", "");
    let never = bench.name("never");
    bench.server("never", "edge-1", "", "");
    bench.report("start :env :plain --settle 0", 0);
    let row = |name: &str| rows(&bench, "").into_iter().find(|row| row["name"] == name).unwrap();
    assert_eq!((&row(&bench.name("env"))["outdated"], &row(&never)["outdated"]), (&json!(false), &Value::Null));
    assert_eq!((&row(&never)["state"], &row(&never)["status"]), (&json!("absent"), &json!("stopped")));
    assert_eq!(row(&bench.name("env"))["state"], "running");
    assert_eq!(rows(&bench, "--outdated"), [] as [Value; 0]);

    bench.server("env", "edge-1", "-e MODE=two", "");
    assert_eq!(rows(&bench, "--cached --outdated").len(), 1, "also before a host is asked");
    let outdated = rows(&bench, "--outdated");
    assert_eq!(outdated.len(), 1, "{outdated:?}");
    assert_eq!(
        (&outdated[0]["name"], &outdated[0]["outdated_reasons"]),
        (&bench.name("env").into(), &json!(["command"]))
    );
    assert!(rows(&bench, "--cached --outdated").len() == 1, "it is remembered");
    let table = bench.mcp("list --outdated");
    assert!(table.out.contains("OUTDATED") && table.out.contains("command"), "{table:?}");
    let page = bench.mcp("get :env");
    assert!(page.out.contains("outdated"), "{page:?}");
    assert!(!page.out.contains("MODE=one") && !table.out.contains("one"), "values are not read: {page:?}");

    let plain = bench.started_at(1, "plain");
    let report = bench.report("restart --outdated --settle 0", 0);
    assert_eq!(gist(report.row()), "changed replaced running");
    assert_eq!(report.row()["status"]["outdated"], false);
    assert!(bench.inspect(1, "env", "{{.Config.Env}}").contains("MODE=two"));
    assert_eq!(bench.started_at(1, "plain"), plain, "what is as registered is left alone");
    assert!(bench.report("restart --outdated", 0).rows().is_empty(), "nothing is left");
}

#[test]
fn a_tag_that_moved_makes_a_container_outdated_and_restart_outdated_applies_it() {
    let mut bench = Bench::new();
    let tag = format!("{}:latest", bench.name("image"));
    bench.rig.docker_text(1, &["tag", "mcp-demo:1", &tag]);
    let command = format!("docker run -d --name {} {tag}", bench.name("moved"));
    bench.entry("moved", "edge-1", &command, &[]);
    bench.report("start :moved --settle 0", 0);
    assert_eq!(bench.listed("moved")["outdated"], false);
    bench.rig.docker_text(1, &["tag", "mcp-demo:2", &tag]);
    assert_eq!(bench.listed("moved")["outdated_reasons"], json!(["image_moved"]));
    let old = bench.id(1, "moved");
    assert_eq!(gist(bench.report("restart :moved --settle 0", 0).row()), "changed restarted running");
    assert_eq!(bench.id(1, "moved"), old, "a restart alone keeps the container");
    assert_eq!(gist(bench.report("restart --outdated --settle 0", 0).row()), "changed replaced running");
    let image = |reference: &str| bench.rig.docker_text(1, &["image", "inspect", "-f", "{{.Id}}", reference]);
    assert_eq!(bench.inspect(1, "moved", "{{.Image}}"), image("mcp-demo:2"));
    assert_eq!(bench.listed("moved")["outdated"], false);
    bench.rig.docker_text(1, &["rm", "-f", &bench.name("moved")]);
    bench.rig.docker_text(1, &["rmi", &tag]);
}

#[test]
fn what_somebody_changed_in_a_container_is_a_reason_of_its_own() {
    let mut bench = Bench::new();
    bench.server("policy", "edge-1", "--restart no", "");
    bench.report("start :policy --settle 0", 0);
    bench.rig.docker_text(1, &["update", "--restart", "always", &bench.name("policy")]);
    assert_eq!(bench.listed("policy")["outdated_reasons"], json!(["restart_policy"]));
}

#[test]
fn list_selects_by_status_and_by_state() {
    let mut bench = Bench::new();
    bench.server("up", "edge-1", "", "");
    bench.server("bad", "edge-1", "", "--exit 3");
    bench.server("never", "edge-1", "", "");
    bench.mcp("start :up :bad --settle 300ms");
    let names = |words: &str| -> Vec<String> {
        rows(&bench, words).iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("--status running"), [bench.name("up")]);
    assert_eq!(names("--status error"), [bench.name("bad")]);
    assert_eq!(names("--status exited,absent"), [bench.name("bad"), bench.name("never")]);
    assert_eq!(names("--status stopped --cached"), [bench.name("never")]);
    Answer::of(bench.command("list --status broken").output().unwrap()).says(2, &["broken"]);
}
