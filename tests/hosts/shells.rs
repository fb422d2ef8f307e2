//! Accounts whose login shell is none that runs commands, or none of POSIX.

use std::fs;

use crate::place::Place;

#[test]
fn a_command_that_a_login_shell_does_not_begin_has_failed_without_an_exit_code() {
    for user in ["nologin", "false", "rbash"] {
        let place = Place::new(user, "");
        let input = place.scratch.write("input", "words");
        let input = input.to_str().unwrap();
        for options in [&[][..], &["--stdin", input], &["--script", input]] {
            let (said, row) = place.exec(options, "true");
            assert_eq!(said.code, 1, "{user} {options:?}: {said}");
            assert_eq!((&row["outcome"], row["exit_code"].is_null()), (&"failed".into(), true), "{user}: {row:#}");
            assert!(row["error"]["hint"].as_str().unwrap().contains("POSIX shell"), "{user}: {row:#}");
        }
        let copied = place.mcp(&["copy", "edge-1", input, "/tmp/never", "--json"]).code(1).json();
        assert!(copied[0]["error"]["hint"].as_str().unwrap().contains("POSIX shell"), "{user}: {copied:#}");
        let a = place.add("a", "", "", &[]);
        let started = place.mcp(&["start", &a, "-o", "json"]).code(1).json();
        let hint = started["instances"][0]["error"]["hint"].as_str().unwrap().to_owned();
        assert!(hint.contains("POSIX shell"), "{user}: {started:#}");
        place.mcp(&["log", &a]).code(1).err("POSIX shell");
        assert!(place.status(&a).starts_with("unknown "), "{user}");
        let check = place.mcp(&["hosts", "check", "-o", "json"]).code(1).json();
        assert_eq!(check[0]["broken"], "shell", "{user}: {check:#}");
    }
}

#[test]
fn shells_that_are_not_of_posix_and_shells_that_greet_run_commands_as_others_do() {
    let known = Place::new("root", "").exec(&[], "ls /usr/bin").1["stdout"].as_str().unwrap().to_owned();
    let has = |shell: &str| shell == "banner" || known.lines().any(|line| line == shell);
    for user in ["banner", "fish", "tcsh"].into_iter().filter(|user| has(user)) {
        let place = Place::new(user, "env: {WORD: it's \\ a !word}");
        let (_, row) = place.exec(&[], "printf '%s\\n' \"$WORD\" 'two\nlines'; exit 3");
        assert_eq!((&row["outcome"], &row["exit_code"]), (&"failed".into(), &3.into()), "{user}: {row:#}");
        assert!(row["stdout"].as_str().unwrap().ends_with("it's \\ a !word\ntwo\nlines\n"), "{user}: {row:#}");
        let input = place.scratch.write("input", "words\n");
        let there = format!("/tmp/{}", place.scratch.name(user));
        let (_, row) = place.exec(&["--stdin", input.to_str().unwrap()], "cat");
        assert!(row["stdout"].as_str().unwrap().ends_with("words\n"), "{user}: {row:#}");
        place.mcp(&["copy", "edge-1", input.to_str().unwrap(), &there]).code(0).out("copied");
        assert_eq!(fs::read_to_string(&there).unwrap(), "words\n", "{user}");
        fs::remove_file(there).unwrap();
        assert!(place.mcp(&["hosts", "check", "-o", "json"]).json()[0]["client"].is_string(), "{user}");
    }
}
