//! Finds, in shell and on the host, the containers that are not up in an answer to [`super::command::inspect`], so that docker is not
//! asked a second time: each start of its command line costs a host 20 ms of CPU.
//!
//! Boundary: shell text. The patterns hold on to keys in quotes: within a value JSON writes a quote as `\"`, so no value can pass for
//! one of them.

/// Sets `$target` to the ids and names of those that exist and do not run steadily, of the answer in `$answer`; read by
/// [`is_among`]. No process is started for it, and no file made (a here-document may be one).
#[must_use]
pub fn not_up(answer: &str, target: &str) -> String {
    filter(answer, target, "")
}

/// As [`not_up`], of those that have not settled: also those whose health check has failed, and with `health` those whose check has not
/// passed yet.
#[must_use]
pub fn not_settled(answer: &str, target: &str, health: bool) -> String {
    let checked = |word: &str| format!("*'\"state\":\"running\",'*'\"health\":\"{word}\",'*");
    let starting = if health { format!("|{}", checked("starting")) } else { String::new() };
    filter(answer, target, &format!("({}{starting}) {SHOW};; ", checked("unhealthy")))
}

/// Prints the id and the name of the container in the line `$mcp_l`.
const SHOW: &str = "mcp_l=${mcp_l%%',\"image\":'*}; printf '%s\\n' \"$mcp_l\"";

/// `first` are arms of the `case` that come before the others.
fn filter(answer: &str, target: &str, first: &str) -> String {
    format!(
        "{target}=$(IFS='\n'; set -f; for mcp_l in ${answer}; do case $mcp_l in {first}\
         (*'\"state\":\"running\",'*'\"restart_count\":0,'*|*'\"state\":\"paused\",'*'\"restart_count\":0,'*) ;; \
         ('{{\"id\":'*) {SHOW};; esac; done)"
    )
}

/// Runs `code` if the container called `name` is among those that [`not_up`] found.
#[must_use]
pub fn is_among(target: &str, name: &str, code: &str) -> String {
    // podman's names have no slash.
    format!("case ${target} in *'\"name\":\"/{name}\"'*|*'\"name\":\"{name}\"'*) {code};; esac")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::docker::{fixture, inspect};

    fn shells() -> Vec<Vec<&'static str>> {
        let is_there =
            |words: &Vec<&str>| Command::new(words[0]).args(&words[1..]).args(["-c", "exit"]).output().is_ok();
        let known = [vec!["sh"], vec!["dash"], vec!["bash"], vec!["busybox", "sh"]];
        known.into_iter().filter(is_there).collect()
    }

    /// What the shell makes of `answer`: the names of `names` that are not up.
    fn not_up_of(shell: &[&str], answer: &str, names: &[&str]) -> Vec<String> {
        let mut script = not_up("mcp_answer", "mcp_down");
        for name in names {
            script.push('\n');
            script.push_str(&is_among("mcp_down", name, &format!("echo {name}")));
        }
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).args(["-c", &script]).env("mcp_answer", answer);
        let output = command.output().unwrap_or_else(|e| panic!("{shell:?}: {e}"));
        assert!(output.stderr.is_empty(), "{shell:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_shell_finds_those_that_are_not_up_as_the_parser_does() {
        // All of one version in one answer: their names differ.
        let of_version = |version: &&str| -> String {
            let topic = format!("{version}/inspect");
            fixture::cases(&topic).iter().map(|case| fixture::read(&format!("{topic}/{case}.out"))).collect()
        };
        let answers: Vec<String> = fixture::VERSIONS.iter().chain([&fixture::PODMAN]).map(of_version).collect();
        let is_up = |c: &inspect::Container| {
            let runs = matches!(c.state, inspect::ContainerState::Running | inspect::ContainerState::Paused);
            runs && c.restart_count == 0
        };
        for shell in shells() {
            for answer in &answers {
                let containers = inspect::parse(answer).unwrap_or_else(|e| panic!("{e}"));
                let names: Vec<&str> = containers.iter().map(|c| c.name.as_str()).collect();
                let down: Vec<&str> = containers.iter().filter(|c| !is_up(c)).map(|c| c.name.as_str()).collect();
                assert!(!down.is_empty() && down.len() < names.len(), "the fixtures have both");
                assert_eq!(not_up_of(&shell, answer, &names), down, "{shell:?}");
            }
        }
    }

    #[test]
    fn no_value_passes_for_a_state_or_a_name() {
        let line = |name: &str, state: &str, restarts: u32, value: &str| {
            format!(
                r#"{{"id":"1","name":"/{name}","image":{value},"state":"{state}","error":{value},"restart_count":{restarts},"command":[{value}]}}"#
            )
        };
        let value =
            r#""x\",\"state\":\"running\",\"restart_count\":0,\"name\":\"/b\" * $(echo no) `echo no` [a-z]* \\n""#;
        let answer = [
            line("a", "exited", 0, value),
            "an ssh banner".to_owned(),
            line("b", "running", 0, value),
            line("c", "running", 2, value),
            line("d", "restarting", 0, value),
            line("e", "paused", 0, value),
        ]
        .join("\n");
        for shell in shells() {
            assert_eq!(not_up_of(&shell, &answer, &["a", "b", "c", "d", "e", "f"]), ["a", "c", "d"], "{shell:?}");
            assert!(not_up_of(&shell, "", &["a"]).is_empty(), "{shell:?}");
        }
    }
}
