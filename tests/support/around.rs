//! Programs around a run of `mcp`: a terminal, `env`, a shell.

#![allow(dead_code, reason = "each test binary uses its own part of this module")]

use std::process::{Command, Stdio};

/// `wrapper`, run where `told` was to run and with its environment: for a program that runs `told` in its turn.
pub(crate) fn around(mut wrapper: Command, told: &Command) -> Command {
    for (name, value) in told.get_envs() {
        match value {
            Some(value) => wrapper.env(name, value),
            None => wrapper.env_remove(name),
        };
    }
    told.get_current_dir().map(|directory| wrapper.current_dir(directory));
    wrapper
}

/// `told` on a terminal of its own, by the program script(1), whose command `script` is so far; `before` is shell text that runs there
/// first. Its standard input is what is typed.
pub(crate) fn on_terminal(mut script: Command, before: &str, told: &Command) -> Command {
    let words = std::iter::once(told.get_program()).chain(told.get_args());
    let line: Vec<String> = words.map(|word| shlex::try_quote(word.to_str().unwrap()).unwrap().into_owned()).collect();
    script.args(["-qefc", &format!("{before} exec {}", line.join(" ")), "/dev/null"]);
    script.stdin(Stdio::piped()).stdout(Stdio::piped());
    around(script, told)
}
