#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
};

use super::*;
use crate::docker::not_up::not_settled;

/// A stand-in for docker that keeps its containers as files: `ID` holds name, state and restart policy. It fails what `fails` names.
const DOCKER: &str = r#"#!/bin/sh
here=$(dirname "$0"); echo "$*" >>"$here/calls"; cd "$here/containers" || exit 1
grep -qxF "$1" "$here/fails" 2>/dev/null && { echo "Error: $1 fails" >&2; exit 125; }
find_id() { for f in *; do read -r n s p <"$f"; if [ "$1" = "$n" ] || [ "$1" = "$f" ]; then id=$f name=$n state=$s policy=$p; return; fi; done
echo "Error: No such container: $1" >&2; exit 1; }
case $1 in
container) for last; do :; done; find_id "$last"
case $4 in *created*) [ "$state" != created ] || echo "$id";; *) echo "$id";; esac;;
rename) find_id "$2"; for f in *; do read -r n s p <"$f"; [ "$n" != "$3" ] || { echo "Error: name in use" >&2; exit 1; }; done; echo "$3 $state $policy" >"$id";;
update) find_id "$4"; echo "$name $state $3" >"$id";;
stop) find_id "$2"; echo "$name exited $policy" >"$id";;
start) find_id "$2"; echo "$name running $policy" >"$id";;
rm) for last; do :; done; find_id "$last"; rm "$id";;
run) for f in *; do read -r n s p <"$f"; [ "$n" != a ] || { echo "Error: Conflict" >&2; exit 125; }; done
echo "a $(cat "$here/run" 2>/dev/null || echo running) no" >beef; echo beef
grep -qx created "$here/run" 2>/dev/null && { echo "Error response from daemon: port is already allocated" >&2; exit 125; }; exit 0;;
esac
"#;

struct Host {
    directory: tempfile::TempDir,
    shell: &'static [&'static str],
}

impl Host {
    fn new(shell: &'static [&'static str], containers: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let docker = directory.path().join("docker");
        std::fs::write(&docker, DOCKER).unwrap();
        std::fs::set_permissions(&docker, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::create_dir(directory.path().join("containers")).unwrap();
        for (id, text) in containers {
            std::fs::write(directory.path().join("containers").join(id), format!("{text}\n")).unwrap();
        }
        Self { directory, shell }
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.directory.path().join(file), text).unwrap();
    }

    fn docker(&self) -> String {
        self.directory.path().join("docker").display().to_string()
    }

    fn run(&self, code: &str) -> Output {
        let code = format!("{}\n{code}", functions(&self.docker()));
        Command::new(self.shell[0]).args(&self.shell[1..]).args(["-c", &code]).output().unwrap()
    }

    fn begin(&self, replacement: &Replacement) -> Output {
        let docker = self.docker();
        self.run(&replacement.begin(&docker, &format!("{docker} stop {}", replacement.old), &format!("{docker} run")))
    }

    /// What follows the settle time, when the look has given `look`.
    fn finish(&self, look: &str, waits: bool, replacement: &Replacement) -> Output {
        self.run(&format!(
            "mcp_look={}\n{}\n{}\n{}",
            quote(look),
            not_settled("mcp_look", "mcp_bad", waits),
            replacement.judge("mcp_v1", "mcp_look", "mcp_bad"),
            replacement.finish(&self.docker(), "mcp_v1", "mcp_look")
        ))
    }

    /// What is there, sorted: `ID NAME STATE POLICY`.
    fn containers(&self) -> Vec<String> {
        let mut all: Vec<String> = std::fs::read_dir(self.directory.path().join("containers"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                let text = std::fs::read_to_string(entry.path()).unwrap();
                format!("{} {}", entry.file_name().to_string_lossy(), text.trim_end())
            })
            .collect();
        all.sort();
        all
    }
}

fn shells() -> Vec<&'static [&'static str]> {
    let known: [&'static [&'static str]; 3] = [&["dash"], &["bash"], &["busybox", "sh"]];
    let is_there =
        |words: &&'static [&'static str]| Command::new(words[0]).args(&words[1..]).args(["-c", ":"]).output().is_ok();
    known.into_iter().filter(is_there).collect()
}

fn replacement() -> Replacement {
    Replacement {
        name: "a".into(),
        old: "f00d".into(),
        policy: Some("always".into()),
        runs: true,
        starts: true,
        is_aside: false,
        kept: KeptContainer::None,
        remains: None,
        is_kept: false,
    }
}

#[test]
fn the_old_container_is_set_aside_and_the_registered_string_runs() {
    for shell in shells() {
        let host = Host::new(shell, &[("f00d", "a running always")]);
        let said = host.begin(&replacement());
        assert_eq!(String::from_utf8_lossy(&said.stdout), "mcp: aside\nbeef\n", "{shell:?} {said:?}");
        assert!(said.status.success() && said.stderr.is_empty(), "{said:?}");
        assert_eq!(host.containers(), ["beef a running no", "f00d a.mcp-previous exited no"], "{shell:?}");
    }
}

#[test]
fn a_string_that_fails_puts_the_old_container_back_with_its_policy_and_ends_as_it_did() {
    for shell in shells() {
        for (fails, run) in [("run", "running"), ("", "created")] {
            let host = Host::new(shell, &[("f00d", "a running always")]);
            host.write("fails", fails);
            host.write("run", run);
            let said = host.begin(&replacement());
            assert_eq!(said.status.code(), Some(125), "{shell:?} {said:?}");
            assert!(String::from_utf8_lossy(&said.stdout).ends_with("mcp: back\n"), "{said:?}");
            assert!(!said.stderr.is_empty());
            assert_eq!(host.containers(), ["f00d a running always"], "{shell:?} {fails} {run}");
        }
    }
}

#[test]
fn a_stop_or_a_rename_that_fails_leaves_the_old_container_running() {
    for shell in shells() {
        for fails in ["stop", "rename"] {
            let host = Host::new(shell, &[("f00d", "a running always")]);
            host.write("fails", fails);
            let said = host.begin(&replacement());
            assert_eq!(said.status.code(), Some(125), "{shell:?} {said:?}");
            assert!(said.stdout.is_empty() && !said.stderr.is_empty(), "{said:?}");
            assert_eq!(host.containers(), ["f00d a running always"], "{shell:?} {fails}");
        }
    }
}

#[test]
fn without_a_way_to_change_the_policy_it_stays_and_all_else_is_done() {
    for shell in shells() {
        let host = Host::new(shell, &[("f00d", "a running always")]);
        host.write("fails", "update");
        assert!(host.begin(&replacement()).status.success());
        assert_eq!(host.containers(), ["beef a running no", "f00d a.mcp-previous exited always"], "{shell:?}");
        let host = Host::new(shell, &[("f00d", "a running always")]);
        host.write("fails", "update\nrun");
        assert_eq!(host.begin(&replacement()).status.code(), Some(125));
        assert_eq!(host.containers(), ["f00d a running always"], "{shell:?}");
    }
}

#[test]
fn one_that_did_not_run_is_put_back_and_not_started() {
    for shell in shells() {
        let host = Host::new(shell, &[("f00d", "a exited always")]);
        host.write("fails", "run");
        let stopped = Replacement { runs: false, starts: false, ..replacement() };
        assert_eq!(host.begin(&stopped).status.code(), Some(125));
        assert_eq!(host.containers(), ["f00d a exited always"], "{shell:?}");
    }
}

#[test]
fn an_interrupted_replacement_goes_on_from_where_it_was() {
    for shell in shells() {
        let aside = Replacement { is_aside: true, runs: false, remains: Some("beef".into()), ..replacement() };
        let there = [("f00d", "a.mcp-previous exited no"), ("beef", "a created no")];
        let host = Host::new(shell, &there);
        assert!(host.begin(&aside).status.success());
        assert_eq!(host.containers(), ["beef a running no", "f00d a.mcp-previous exited no"], "{shell:?}");
        let host = Host::new(shell, &there);
        host.write("run", "created");
        assert_eq!(host.begin(&aside).status.code(), Some(125));
        assert_eq!(host.containers(), ["f00d a running always"], "{shell:?}");
    }
}

#[test]
fn what_was_kept_goes_only_when_the_new_one_stands() {
    for shell in shells() {
        let replacement = Replacement { kept: KeptContainer::Superseded("cafe".into()), ..replacement() };
        let there = [("f00d", "a running always"), ("cafe", "a.mcp-previous exited no")];
        let host = Host::new(shell, &there);
        assert!(host.begin(&replacement).status.success());
        let both = ["beef a running no", "cafe a.mcp-rollback exited no", "f00d a.mcp-previous exited no"];
        assert_eq!(host.containers(), both, "{shell:?}");
        for (health, expected) in [
            ("null", &["beef a running no"][..]),
            ("\"unhealthy\"", &["cafe a.mcp-previous exited no", "f00d a running always"]),
        ] {
            let host = Host::new(shell, &there);
            host.begin(&replacement);
            host.finish(&look("running", 0, health), true, &replacement);
            assert_eq!(host.containers(), expected, "{shell:?} {health}");
        }
        for fails in ["run", "stop"] {
            let host = Host::new(shell, &there);
            host.write("fails", fails);
            assert!(!host.begin(&replacement).status.success());
            assert_eq!(
                host.containers(),
                ["cafe a.mcp-previous exited no", "f00d a running always"],
                "{shell:?} {fails}"
            );
        }
    }
}

#[test]
fn a_rollback_that_does_not_stay_up_keeps_the_kept_container() {
    for shell in shells() {
        let replacement = Replacement { kept: KeptContainer::Restored("cafe".into()), ..replacement() };
        let kept = Replacement { old: "cafe".into(), policy: Some("always".into()), ..replacement.clone() };
        let host = Host::new(shell, &[("f00d", "a running always"), ("cafe", "a.mcp-previous exited no")]);
        let docker = host.docker();
        let said = host.run(&replacement.swap(&docker, &format!("{docker} stop f00d"), &kept));
        assert!(said.status.success(), "{said:?}");
        assert_eq!(host.containers(), ["cafe a running always", "f00d a.mcp-previous exited no"], "{shell:?}");
        let answer = look("running", 3, "null").replace("beef", "cafe");
        host.finish(&answer, false, &replacement);
        assert_eq!(host.containers(), ["cafe a.mcp-previous exited no", "f00d a running always"], "{shell:?}");
    }
}

#[test]
fn a_previous_one_that_is_kept_and_runs_is_stopped() {
    for shell in shells() {
        let replacement = Replacement { is_aside: true, is_kept: true, ..replacement() };
        let host = Host::new(shell, &[("f00d", "a.mcp-previous running always"), ("beef", "a running no")]);
        host.finish(&look("running", 0, "null"), false, &replacement);
        assert_eq!(host.containers(), ["beef a running no", "f00d a.mcp-previous exited no"], "{shell:?}");
    }
}

#[test]
fn what_a_string_prints_is_no_container_to_remove() {
    for shell in shells() {
        let host = Host::new(shell, &[("f00d", "a running always"), ("dead", "other running no")]);
        let docker = host.docker();
        let said = host.run(&replacement().begin(&docker, &format!("{docker} stop f00d"), "echo dead; false"));
        assert!(!said.status.success());
        assert_eq!(host.containers(), ["dead other running no", "f00d a running always"], "{shell:?}");
    }
}

/// The answer of a look at the new container, in `state`, and at the old one.
fn look(state: &str, restarts: u32, health: &str) -> String {
    let line = |id: &str, name: &str, state: &str, health: &str| {
        format!(
            "{{\"id\":\"{id}\",\"name\":\"/{name}\",\"image\":\"x\",\"state\":\"{state}\",\"health\":{health},\"restart_count\":{restarts},\"end\":1}}\n"
        )
    };
    let old = line("f00d", "a.mcp-previous", "exited", "null");
    if state.is_empty() { old } else { line("beef", "a", state, health) + &old }
}

fn finished(
    shell: &'static [&'static str],
    look: &str,
    waits: bool,
    replacement: &Replacement,
) -> (Output, Vec<String>) {
    let new = look.contains("beef").then_some(("beef", "a running no"));
    let there: Vec<_> = [("f00d", "a.mcp-previous exited no")].into_iter().chain(new).collect();
    let host = Host::new(shell, &there);
    (host.finish(look, waits, replacement), host.containers())
}

#[test]
fn the_old_container_goes_when_the_new_one_has_settled_and_comes_back_when_not() {
    for shell in shells() {
        for (state, restarts, health, waits, is_well) in [
            ("running", 0, "null", false, true),
            ("running", 0, "\"healthy\"", true, true),
            ("running", 0, "\"starting\"", false, true),
            ("paused", 0, "null", false, true),
            ("running", 0, "\"starting\"", true, false),
            ("running", 0, "\"unhealthy\"", false, false),
            ("running", 1, "null", false, false),
            ("restarting", 2, "null", false, false),
            ("exited", 0, "null", false, false),
            ("created", 0, "null", false, false),
            ("", 0, "null", false, false),
        ] {
            let (said, there) = finished(shell, &look(state, restarts, health), waits, &replacement());
            let case = format!("{shell:?} {state} {restarts} {health} {waits} {said:?}");
            assert!(said.status.success(), "{case}");
            assert_eq!(
                String::from_utf8_lossy(&said.stdout),
                if is_well { "mcp: gone\n" } else { "mcp: back\n" },
                "{case}"
            );
            let expected = if is_well { "beef a running no" } else { "f00d a running always" };
            assert_eq!(there, [expected], "{case}");
        }
    }
}

#[test]
fn without_an_answer_nothing_is_removed() {
    for shell in shells() {
        let (said, there) = finished(shell, "Cannot connect to the Docker daemon\n", false, &replacement());
        assert!(said.status.success() && said.stdout.is_empty(), "{said:?}");
        assert_eq!(there, ["f00d a.mcp-previous exited no"]);
    }
}

#[test]
fn one_that_is_to_be_kept_is_kept() {
    for shell in shells() {
        let kept = Replacement { is_kept: true, ..replacement() };
        let (_, there) = finished(shell, &look("running", 0, "null"), false, &kept);
        assert_eq!(there, ["beef a running no", "f00d a.mcp-previous exited no"], "{shell:?}");
    }
}

#[test]
fn putting_back_may_be_repeated() {
    for shell in shells() {
        let host = Host::new(shell, &[("f00d", "a.mcp-previous exited no"), ("beef", "a exited no")]);
        let code = replacement().put_back(&host.docker(), Some("beef"));
        for _ in 0..2 {
            assert!(host.run(&code).status.success());
            assert_eq!(host.containers(), ["f00d a running always"], "{shell:?}");
        }
    }
}
