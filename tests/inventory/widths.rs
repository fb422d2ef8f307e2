//! Tables on terminals of 40, 80 and 200 columns, whole, as they are read there.

use std::process::Stdio;

use super::{Place, around::on_terminal, said::run};

const HOSTS: &str = "version: 1
ssh_config: none
defaults: {user: ops, port: 1}
hosts:
  edge-1: {address: 127.0.0.1, groups: [prod, eu]}
  edge-2: {address: 127.0.0.2, groups: [prod, us], docker: sudo -n docker}
  edge-10: {address: 127.0.0.10, docker: podman}
  bastion: {address: 127.0.0.9, docker: none}
groups: {prod: {}, eu: {}, us: {}}
";

const SERVERS: &str = "version: 1
servers:
  finance:
    host: edge-*
    port: 8101
    tags: [prod]
    command: docker run -d --name finance -e API_KEY=sk-not-to-be-seen -p 127.0.0.1:8101:8080 registry.example.com/team/finance:1.4
  search:
    host: edge-10
    enabled: false
    command: docker run -d --name search -p 8102:80 acme/search:2
";

/// What was once seen of three instances, the same however late it is.
fn place() -> Place {
    let place = Place::new();
    place.write("hosts.yaml", HOSTS);
    place.write("servers.yaml", SERVERS);
    let line = |name: &str, host: &str, status: &str, rest: &str| {
        let nothing = "\"gpu_usage\": null, \"cpu_usage\": null, \"memory_usage\": null, \"memory_limit\": null";
        format!(
            "  {name}@{host}: {{\"status\": {{\"name\": \"{name}\", \"host\": \"{host}\", \"status\": \"{status}\", {nothing}, \
             \"container_id\": null, \"last_check\": \"1970-01-01T00:00:00Z\", {rest}}}, \"container_id\": null, \
             \"command_hash\": null, \"stopped_by\": null}}\n"
        )
    };
    let mut state = "version: 1\ninstances:\n".to_owned();
    state.push_str(&line(
        "finance",
        "edge-1",
        "running",
        "\"uptime\": 266400, \"image\": \"registry.example.com/team/finance:1.4\", \"exit_code\": null, \
         \"restart_count\": 0, \"health\": \"healthy\", \"message\": null",
    ));
    state.push_str(&line(
        "finance",
        "edge-2",
        "error",
        "\"uptime\": null, \"image\": \"registry.example.com/team/finance:1.3\", \"exit_code\": 3, \"restart_count\": 2, \
         \"health\": null, \"message\": \"exited with code 3; 設定ファイルが見つかりません: /etc/finance/config.yaml\"",
    ));
    place.write("state.yaml", &state);
    place
}

/// What `mcp` shows on a terminal of `columns`, with everything that changes from run to run made the same.
fn shown(place: &Place, columns: usize, words: &[&str]) -> String {
    let mut mcp = place.mcp(words);
    mcp.env_remove("COLUMNS").env("TERM", "xterm").env("NO_COLOR", "1").env("TZ", "UTC").env("SHELL", "/bin/sh");
    let mut script = std::process::Command::new("script");
    script.env_clear();
    // Without a terminal there it draws no progress.
    let before = format!("stty cols {columns} rows 50; exec 2>errors;");
    let mut command = on_terminal(script, &before, &mcp);
    command.stdin(Stdio::null()).stderr(Stdio::null());
    let mut said = run(command);
    said.out.push_str(&std::fs::read_to_string(place.path("here/errors")).unwrap());
    let text = said.out.replace('\r', "");
    let same = [
        (r"\d{6}-\d{6}-[a-z0-9]{4}", "991231-235959-abcd"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "9999-12-31 23:59:59"),
        (r"\b\d\.\d s", "0.1 s"),
        (r"\b\d+ ms", "1 ms"),
    ];
    same.iter().fold(text, |text, (from, to)| regex::Regex::new(from).unwrap().replace_all(&text, *to).into_owned())
}

fn shown_at_all_widths(place: &Place, words: &[&str]) -> String {
    [40, 80, 200].map(|columns| format!("--- {columns}\n{}", shown(place, columns, words))).concat()
}

#[test]
fn the_main_tables_fit_their_terminals_and_lose_no_name_host_status_or_cause() {
    let place = place();
    run(place.mcp(&["start", "finance", "--retries", "0"])).code(4);
    for (name, words) in [
        ("list", &["list", "--cached"][..]),
        ("hosts-list", &["hosts", "list"]),
        ("hosts-check", &["hosts", "check", "--retries", "0"]),
        ("history", &["history"]),
        ("start", &["start", "--all", "--retries", "0"]),
    ] {
        let text = shown_at_all_widths(&place, words);
        for part in text.split("--- ").skip(1) {
            let (columns, table) = part.split_once('\n').unwrap();
            let columns: usize = columns.parse().unwrap();
            let rows = table.lines().take_while(|line| !line.starts_with("error:") && !line.contains(": 0 ok"));
            for line in rows {
                assert!(console::measure_text_width(line) <= columns, "{name} at {columns}: {line}\n{table}");
            }
        }
        // The name of this machine stands there, which makes a column wider or narrower.
        if name != "history" {
            insta::assert_snapshot!(name, text);
        }
    }
}

#[test]
fn a_table_in_a_pipe_is_whole_at_any_width() {
    let place = place();
    let said = run(place.mcp(&["list", "--cached"])).code(0);
    assert_eq!(said.out.lines().count(), 5, "{said}");
    said.out("registry.example.com/team/finance:1.4")
        .out("設定ファイルが見つかりません: /etc/finance/config.yaml")
        .out("(disabled)");
    let wide = run(place.mcp(&["list", "--cached", "-o", "wide"])).code(0).nowhere("sk-not-to-be-seen");
    wide.out("-e API_KEY=*** -p 127.0.0.1:8101:8080")
        .out("127.0.0.1:8101:8080")
        .out("COMMAND")
        .out("MESSAGE")
        .out("設定ファイルが見つかりません: /etc/finance/config.yaml");
}

#[test]
fn one_cause_of_many_hosts_is_one_block() {
    let place = Place::new();
    place.write(
        "hosts.yaml",
        "version: 1\nssh_config: none\ndefaults: {port: 1}\nhosts:\n  h[1-12]: {address: \"127.0.0.[1-12]\"}\n",
    );
    place.write("servers.yaml", "version: 1\nservers:\n  aa: {host: h*, command: docker run -d --name aa acme/a}\n");
    for words in [
        &["list"][..],
        &["start", "aa"],
        &["hosts", "check"],
        &["get", "aa"],
        &["remove", "aa", "--yes"],
        &["exec", "all", "--", "true"],
        &["copy", "all", "hosts.yaml", "/tmp/x"],
        &["lock", "list"],
    ] {
        let mut all = words.to_vec();
        let at = all.iter().position(|word| *word == "--").unwrap_or(all.len());
        all.splice(at..at, ["--retries", "0"]);
        let said = run(place.mcp(&all)).code(4);
        let both = format!("{}{}", said.out, said.err);
        assert_eq!(both.matches("Connection refused").count(), 1, "{words:?}\n{said}");
        assert_eq!(said.err.matches("error: ").count(), 1, "{words:?}\n{said}");
        assert!(said.err.contains("h[1-12]") && said.err.contains("(12)"), "{words:?}\n{said}");
        assert_eq!(said.err.matches("hint:").count(), 1, "{words:?}\n{said}");
    }
}

#[test]
fn hosts_are_listed_as_people_count_and_chosen_by_several_patterns() {
    let place = Place::new();
    place.write("hosts.yaml", "version: 1\nssh_config: none\nhosts: {h1: {}, h2: {}, h10: {}, h11: {}}\n");
    place.write("servers.yaml", "version: 1\nservers:\n  aa: {host: h*, command: docker run -d --name aa acme/a}\n");
    let names = |words: &[&str]| run(place.mcp(words)).code(0).out;
    assert_eq!(names(&["hosts", "list", "-o", "name"]), "h1\nh2\nh10\nh11\n");
    assert_eq!(names(&["hosts", "list", "h10", "h2", "-o", "name"]), "h2\nh10\n");
    assert_eq!(names(&["hosts", "list", "--on", "h1*", "--on", "!h11", "-o", "name"]), "h1\nh10\n");
    assert_eq!(names(&["list", "--cached", "-o", "name"]), "aa@h1\naa@h2\naa@h10\naa@h11\n");
    let nothing = run(place.mcp(&["list", "--cached", "--status", "running"])).code(0);
    assert!(nothing.err.contains("none of 4 instances") && !nothing.err.contains("mcp add"), "{nothing}");
    assert_eq!(names(&["list", "--cached", "--on", "h10", "--on", "h2", "-o", "name"]), "aa@h2\naa@h10\n");
    assert_eq!(names(&["list", "--cached", "--sort", "-host", "-o", "name"]), "aa@h11\naa@h10\naa@h2\naa@h1\n");
    assert_eq!(names(&["list", "--cached", "--reverse", "-o", "name"]), "aa@h11\naa@h10\naa@h2\naa@h1\n");
    run(place.mcp(&["list", "--cached", "--sort", "colour"])).code(2).err("uptime").err("restarts");
    run(place.mcp(&["list", "--cached", "--fail-on", "unknown"])).code(1);
    run(place.mcp(&["list", "--cached", "--fail-on", "error"])).code(0);
    run(place.mcp(&["list", "--cached", "--fail-on", "broken"])).code(2).err("unknown");
}

#[test]
fn hosts_are_listed_in_natural_order_whatever_the_order_of_the_file() {
    let place = Place::new();
    place.write("hosts.yaml", "version: 1\nssh_config: none\nhosts: {h10: {}, b: {}, h2: {}, h1: {}, a: {}}\n");
    assert_eq!(run(place.mcp(&["hosts", "list", "-o", "name"])).code(0).out, "a\nb\nh1\nh2\nh10\n");
}

#[test]
fn colour_is_decided_by_the_flag_then_by_the_environment() {
    let place = place();
    let colored = |words: &[&str], variables: &[(&str, &str)]| {
        let mut command = place.mcp(words);
        command.envs(variables.iter().copied());
        let said = run(command);
        (said.out.contains('\u{1b}'), said.err.contains('\u{1b}'))
    };
    let list = ["list", "--cached"];
    assert_eq!(colored(&list, &[]), (false, false));
    assert_eq!(colored(&list, &[("CLICOLOR_FORCE", "1")]), (true, false));
    assert_eq!(colored(&list, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]), (false, false));
    assert_eq!(colored(&["list", "--cached", "--color", "always"], &[("NO_COLOR", "1")]), (true, false));
    assert_eq!(colored(&["list", "--cached", "--color=never"], &[("CLICOLOR_FORCE", "1")]), (false, false));
    // Errors of a command, of the command line, and help.
    assert_eq!(colored(&["list", "nobody", "--color", "always"], &[]), (false, true));
    assert_eq!(colored(&["lsit", "--color", "always"], &[]), (false, true));
    assert_eq!(colored(&["lsit", "--color", "never"], &[("CLICOLOR_FORCE", "1")]), (false, false));
    assert_eq!(colored(&["list", "--help", "--color", "always"], &[]), (true, false));
    let dead = ["exec", "edge-1", "--retries", "0", "--color", "always", "--", "true"];
    assert_eq!(colored(&dead, &[]), (false, true));
}

/// The examples with jq on the page about `list`, each run by a shell.
#[test]
fn every_jq_line_of_the_documentation_gives_an_answer() {
    let place = place();
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    let page = std::fs::read_to_string(page).unwrap();
    let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("mcp list") && line.contains("| jq ")).collect();
    assert!(lines.len() >= 4, "{lines:?}");
    for line in lines {
        let mut shell = std::process::Command::new("sh");
        let text = format!("mcp() {{ \"$MCP\" \"$@\" --cached; }}; set -e; {line}");
        shell.arg("-c").arg(&text).env("MCP", env!("CARGO_BIN_EXE_mcp")).env("HOME", place.path("home"));
        shell.current_dir(place.path("here")).env_remove("MCP_DIR").env("MCP_PERSIST", "0");
        let said = run(shell).code(0);
        assert!(!said.out.trim().is_empty() && said.err.is_empty(), "{line}\n{said}");
    }
}
