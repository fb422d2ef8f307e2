//! Words and options of other tools: refused with exit 2 and the command of ours that does it.

use std::process::Command;

/// What is typed, and the command or option of ours that the hint must name.
const TYPED: &[(&str, &str)] = &[
    ("ps", "mcp list"),
    ("ps -a", "mcp list"),
    ("status", "mcp list"),
    ("status finance", "mcp list"),
    ("list-servers", "mcp list"),
    ("top", "mcp list --stats"),
    ("stats", "mcp list --stats"),
    ("describe finance", "mcp get"),
    ("inspect finance", "mcp get"),
    ("up", "mcp start"),
    ("up -d", "mcp start"),
    ("start-server finance", "mcp start"),
    ("run finance", "mcp start"),
    ("apply", "mcp start"),
    ("diff", "mcp get"),
    ("plan", "--dry-run"),
    ("down", "mcp stop"),
    ("stop-server finance", "mcp stop"),
    ("restart-server finance", "mcp restart"),
    ("rollout", "--serial"),
    ("uninstall finance", "mcp remove"),
    ("delete finance", "mcp remove"),
    ("install finance", "mcp add"),
    ("version", "mcp --version"),
    ("config edit", "mcp edit"),
    ("config validate", "mcp check"),
    ("config", "mcp check"),
    ("validate", "mcp check"),
    ("host list", "mcp hosts"),
    ("inventory", "mcp hosts"),
    ("ping", "mcp hosts check"),
    ("ssh edge-1", "mcp exec"),
    ("scp a edge-1:/tmp", "mcp copy"),
    ("fetch edge-1:/etc/hostname .", "mcp exec"),
    ("events", "mcp history"),
    ("retry", "mcp resume"),
    ("completion bash", "mcp completions"),
    ("-C /tmp ps", "mcp list"),
    ("list --format json", "-o json"),
    ("list --format=json", "-o json"),
    ("list -w", "mcp list"),
    ("list --watch", "mcp list"),
    ("list -A", "mcp list"),
    ("list --sort-by name", "mcp list"),
    ("list --no-trunc", "-o wide"),
    ("list -l app=x", "--tag"),
    ("start finance --force", "--replace"),
    ("remove finance --force", "--stop"),
    ("rm finance -f", "--stop"),
    ("stop finance --force", "--yes"),
    ("start finance --daemon", "mcp start"),
    ("start finance -d", "mcp start"),
    ("start finance --mode http", "mcp edit"),
    ("add finance --image acme/finance", "--command"),
    ("start --all --limit edge-1", "--on"),
    ("start --all --check", "--dry-run"),
    ("list --context prod", "-C DIR"),
    ("start finance --pull", "mcp pull"),
    ("restart -t 5 finance", "--stop-timeout"),
    ("stop --time 5 finance", "docker stop -t"),
    ("list --filter status=running", "mcp list --status"),
    ("exec edge-1 uptime", "mcp exec edge-1 -- uptime"),
    ("exec edge-1 df -h /", "mcp exec edge-1 -- df -h /"),
    ("exec web-* uptime", "mcp exec PATTERN -- COMMAND"),
];

/// The options of ours that took one of these names since; clap takes them, so there is nothing to hint at.
fn is_taken(words: &[&str]) -> bool {
    let line = std::iter::once("mcp").chain(words.iter().copied());
    mcp::cli::command().try_get_matches_from(line).is_ok()
}

#[test]
fn each_word_of_another_tool_is_refused_with_the_command_that_does_it_here() {
    let mut refused = 0;
    for (typed, ours) in TYPED {
        let words: Vec<&str> = typed.split(' ').collect();
        if is_taken(&words) {
            continue;
        }
        let output = Command::new(env!("CARGO_BIN_EXE_mcp")).args(&words).env_clear().output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{typed}: {text}");
        let advice = text.lines().find_map(|line| line.trim().strip_prefix("tip: "));
        let advice = advice.unwrap_or_else(|| panic!("{typed}: no hint in\n{text}"));
        assert!(advice.contains(ours), "{typed}: {advice}");
        assert_eq!(text.matches("tip: ").count(), 1, "{typed}: {text}");
        for command in advice.split('`').skip(1).step_by(2).filter(|code| code.starts_with("mcp ")) {
            let taken = mcp::cli::command().try_get_matches_from(shlex::split(command).unwrap());
            let is_page = |e: &clap::Error| e.exit_code() == 0;
            assert!(taken.as_ref().map_or_else(is_page, |_| true), "{typed}: {command}\n{}", taken.unwrap_err());
        }
        refused += 1;
    }
    assert!(refused * 10 > TYPED.len() * 8, "only {refused} of {} words are still refused", TYPED.len());
}

#[test]
fn a_typing_error_keeps_the_guess_of_the_parser() {
    let output = Command::new(env!("CARGO_BIN_EXE_mcp")).arg("strat").env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("'start'"));
}
