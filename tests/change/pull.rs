//! `mcp pull` against image registries inside the rig's machines.

use std::fmt::Write as _;

use serde_json::Value;

use crate::{
    rig::Rig,
    support::{Bench, wait_until},
};

/// `open-sesame`, by bcrypt, for the account `ci`.
const ACCOUNT: &str = "ci:$2y$05$abcdefghijklmnopqrstuutXu9KzOt.1yBoZUeFWoT/914/JfszCO\n";

/// An image registry on the loopback of one machine. It ends with this value.
struct Registry<'a> {
    rig: &'a Rig,
    machine: usize,
    name: String,
    pid: String,
}

impl<'a> Registry<'a> {
    /// A registry on host `machine` that has the demo image as `demo:1`; with `locked`, for the account alone.
    fn start(bench: &Bench<'a>, machine: usize, locked: bool) -> Self {
        let (rig, port) = (bench.rig, bench.scratch.port());
        let mut config = format!(
            "version: 0.1\nstorage: {{inmemory: {{}}, delete: {{enabled: true}}}}\nhttp: {{addr: '127.0.0.1:{port}', secret: x}}\n"
        );
        if locked {
            let accounts = bench.scratch.write(&format!("accounts-{port}"), ACCOUNT);
            let _ = writeln!(config, "auth: {{htpasswd: {{realm: test, path: {}}}}}", accounts.display());
        }
        let file = bench.scratch.write(&format!("registry-{port}.yml"), &config);
        let pid = rig.on(
            machine,
            &[
                "sh",
                "-c",
                "docker-registry serve \"$1\" </dev/null >/dev/null 2>&1 & echo $!",
                "sh",
                &file.to_string_lossy(),
            ],
        );
        let registry = Self { rig, machine, name: format!("127.0.0.1:{port}"), pid };
        wait_until("the registry answers", || {
            let ask = format!("exec 3<>/dev/tcp/127.0.0.1/{port} && echo up || echo down");
            rig.on(machine, &["bash", "-c", &format!("({ask}) 2>/dev/null || true")]) == "up"
        });
        let image = registry.image("1");
        rig.docker_text(machine, &["tag", "mcp-demo:1", &image]);
        let login = if locked { registry.login(bench) } else { String::new() };
        let config = bench.scratch.path().join("docker");
        let push = format!("{login}docker --config {} push {image}", config.display());
        rig.on(machine, &["sh", "-c", &format!("{push} >/dev/null")]);
        rig.docker_text(machine, &["rmi", &image]);
        registry
    }

    fn image(&self, tag: &str) -> String {
        format!("{}/demo:{tag}", self.name)
    }

    /// The beginning of a string that logs in.
    fn login(&self, bench: &Bench<'_>) -> String {
        let config = bench.scratch.path().join("docker");
        let secret = bench.scratch.write("open", "open-sesame");
        format!(
            "cat {} | docker --config {} login -u ci --password-stdin {} && ",
            secret.display(),
            config.display(),
            self.name
        )
    }
}

impl Drop for Registry<'_> {
    fn drop(&mut self) {
        for tag in ["1", "2"] {
            self.rig.docker(self.machine, &["rmi", "-f", &self.image(tag)]);
        }
        self.rig.on(self.machine, &["sh", "-c", &format!("kill {} || true", self.pid)]);
    }
}

fn images(bench: &Bench<'_>, words: &str, code: i32) -> Vec<Value> {
    bench.report(words, code).0["images"].as_array().unwrap().clone()
}

fn outcomes(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect()
}

#[test]
fn pull_brings_each_image_once_per_host_and_says_what_was_there_already() {
    let mut bench = Bench::new();
    let registry = Registry::start(&bench, 1, false);
    for short in ["a", "b"] {
        let command = bench.scratch.docker_run(short, "", "").replace("mcp-demo:1", &registry.image("1"));
        bench.entry(short, "edge-1", &command, &[]);
    }
    let answer = bench.mcp("pull --all -v -o json");
    assert_eq!(answer.execs("edge-1"), 1, "one exec for the host: {answer:?}");
    let report: Value = serde_json::from_str(&answer.out).unwrap();
    let rows = report["images"].as_array().unwrap().clone();
    assert_eq!(outcomes(&rows), ["pulled"]);
    assert_eq!(rows[0]["servers"], serde_json::json!([bench.name("a"), bench.name("b")]));
    assert_eq!(rows[0]["previous_id"], Value::Null);
    let id = bench.rig.docker_text(1, &["image", "inspect", "-f", "{{.Id}}", &registry.image("1")]);
    assert_eq!(rows[0]["image_id"], *id);
    assert_eq!(outcomes(&images(&bench, "pull :a", 0)), ["unchanged"]);
    let runs = bench.history("");
    assert_eq!((&runs[0]["verb"], &runs[0]["exit"]), (&"pull".into(), &0.into()));
    // The tag moves: the host has another image afterwards.
    let moved = registry.image("1");
    bench.rig.docker_text(1, &["tag", "mcp-demo:2", &moved]);
    bench.rig.docker_text(1, &["push", "-q", &moved]);
    bench.rig.docker_text(1, &["tag", "mcp-demo:1", &moved]);
    let rows = images(&bench, "pull :a", 0);
    assert_eq!(outcomes(&rows), ["pulled"]);
    assert_ne!(rows[0]["previous_id"], rows[0]["image_id"]);
    bench.report("start :a --settle 0", 0);
}

#[test]
fn what_cannot_be_pulled_fails_by_itself_and_resume_pulls_it_after_the_repair() {
    let mut bench = Bench::new();
    let registry = Registry::start(&bench, 1, true);
    let command = |bench: &Bench<'_>, short: &str, image: &str| {
        bench.scratch.docker_run(short, "", "").replace("mcp-demo:1", image)
    };
    let (good, absent) = (registry.image("1"), registry.image("2"));
    let login = registry.login(&bench);
    let config = bench.scratch.path().join("docker");
    let pull = |image: &str| {
        format!("pull: {}", serde_json::json!(format!("{login}docker --config {} pull {image}", config.display())))
    };
    bench.entry("good", "edge-1", &command(&bench, "good", &good), &[&pull(&good)]);
    bench.entry("absent", "edge-1", &command(&bench, "absent", &absent), &[&pull(&absent)]);
    bench.entry("locked", "edge-1", &command(&bench, "locked", &good), &[]);
    bench.entry("down", "edge-1", &command(&bench, "down", "127.0.0.1:1/demo:1"), &[]);
    // The string succeeds and brings another image than the registered one.
    bench.entry("other", "edge-1", &command(&bench, "other", "nowhere/x:1"), &[&pull(&good)]);
    let rows = images(&bench, "pull --all", 1);
    let of = |rows: &[Value], short: &str| {
        let is_it = |row: &&Value| row["servers"] == serde_json::json!([bench.name(short)]);
        let row = rows.iter().find(is_it).unwrap_or_else(|| panic!("{short}: {rows:?}"));
        (row["outcome"].as_str().unwrap().to_owned(), row["error"]["cause"].as_str().unwrap_or_default().to_owned())
    };
    for (short, cause) in
        [("absent", "manifest unknown"), ("locked", "no basic auth"), ("down", "refused"), ("other", "no image")]
    {
        let (outcome, said) = of(&rows, short);
        assert_eq!(outcome, "failed", "{short}: {said}");
        assert!(said.contains(cause), "{short}: {said}");
    }
    assert!(matches!(of(&rows, "good").0.as_str(), "pulled" | "unchanged"), "{rows:?}");
    let page = bench.history(bench.history("")[0]["run"].as_str().unwrap()).to_string();
    assert!(!page.contains("open-sesame"), "{page}");

    bench.rig.docker_text(1, &["tag", "mcp-demo:2", &absent]);
    let push = format!("docker --config {} push -q {absent}", config.display());
    bench.rig.on(1, &["sh", "-c", &push]);
    bench.rig.docker_text(1, &["rmi", &absent]);
    let rows = images(&bench, "resume", 1);
    assert_eq!(of(&rows, "absent").0, "pulled");
    assert!(rows.iter().all(|row| row["servers"] != serde_json::json!([bench.name("good")])), "{rows:?}");
}

#[test]
fn a_plan_of_a_pull_names_what_is_missing_and_pulls_nothing() {
    let mut bench = Bench::new();
    bench.server("here", "edge-1", "", "");
    let gone = bench.scratch.docker_run("gone", "", "").replace("mcp-demo:1", "127.0.0.1:1/demo:1");
    bench.entry("gone", "edge-1", &gone, &[]);
    let plan = bench.report("pull --all --dry-run", 0);
    assert_eq!(
        (&plan.of(&bench.name("here"), "edge-1")["pulls"], &plan.of(&bench.name("gone"), "edge-1")["pulls"]),
        (&false.into(), &true.into())
    );
    let answer = bench.mcp("pull --all --offline");
    assert!(answer.out.contains("docker pull 127.0.0.1:1/demo:1"), "{answer:?}");
    assert_eq!(bench.history("").as_array().unwrap().len(), 0);
}
