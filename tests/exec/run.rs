use std::{
    cell::RefCell,
    fs,
    io::{BufRead, BufReader, Read, Write},
    process::Stdio,
};

use serde_json::Value;

use crate::{
    fleet::Fleet,
    sshd::{is_running, kill, pids_of, unique, wait_until},
};

/// The JSON lines of an answer by host.
fn rows(text: &str) -> Vec<(String, Value)> {
    let mut rows: Vec<(String, Value)> = text
        .lines()
        .map(|line| {
            let row: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
            (row["host"].as_str().unwrap().to_owned(), row)
        })
        .collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows
}

#[test]
fn a_thousand_hosts_with_three_answers_are_three_groups() {
    let fleet = Fleet::start();
    let command = "set -- $SSH_CONNECTION; case $3 in 127.1.0.*) echo first;; 127.1.2.7) echo odd >&2; exit 3;; *) echo other;; esac";
    let said = fleet.mcp(&["exec", "h-*", "-b", "--timeout", "120", "--", command]).code(1);
    assert_eq!(
        said.out,
        "--- h-[0001-0250] (250)\nfirst\n--- h-[0251-0506,0508-1000] (749)\nother\n--- h-0507 (1) · exit 3\nstderr: odd\n"
    );
    said.err("failed: h-0507 (1): exit 3").err("exec: 999 ok · 1 failed (exit 3) in ");
}

#[test]
fn lines_come_with_their_host_and_on_their_stream() {
    let fleet = Fleet::start();
    let said = fleet.mcp(&["exec", "h-[0001:0003]", "--", "echo out; echo err >&2; printf last"]).code(0);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines.join("\n")
    };
    let expected = (1..4).flat_map(|n| [format!("h-000{n}: last"), format!("h-000{n}: out")]).collect::<Vec<_>>();
    assert_eq!(sorted(&said.out), expected.join("\n"));
    for n in 1..4 {
        assert!(said.err.contains(&format!("h-000{n}: err\n")), "{said}");
    }
    said.err("exec: 3 ok in ");
}

#[test]
fn one_host_by_name_gives_its_bytes_as_they_are() {
    let fleet = Fleet::start();
    let mut command = fleet.command(&["exec", "h-0001", "-q", "--", r"printf 'a\tb\033[1m\377\0c'"]);
    let output = command.output().unwrap();
    assert_eq!(output.stdout, b"a\tb\x1b[1m\xff\0c");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn without_prefixes_lines_of_several_hosts_stay_whole() {
    let fleet = Fleet::start();
    let text = "for n in 1 2 3 4 5 6 7 8; do printf 'be'; sleep 0.01; printf 'gun\\t\\n'; done";
    let output = fleet.command(&["exec", "h-00[01:20]", "--no-prefix", "-q", "--", text]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "begun\t\n".repeat(160));
}

#[test]
fn a_lost_connection_is_unknown_and_no_success() {
    let fleet = Fleet::start();
    // The parent of the command's shell is sshd's process for this session.
    let said = fleet.mcp(&["exec", "h-0001", "--json", "--", "kill -9 $PPID; sleep 20"]).code(4);
    assert_eq!(rows(&said.out)[0].1["outcome"], "unknown", "{said}");
}

#[test]
fn a_reader_that_leaves_ends_the_commands_and_that_is_no_success() {
    let fleet = Fleet::start();
    let mark = unique();
    let mut command = fleet.command(&["exec", "h-000[1:3]", "--", &format!("yes & sleep {mark}")]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the commands run", || pids_of(&mark).len() == 3);
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(141));
    wait_until("nothing is left", || !is_running(&mark));
}

#[test]
fn a_reader_that_leaves_when_all_is_done_takes_nothing_from_the_success() {
    let fleet = Fleet::start();
    let mut command = fleet.command(&["exec", "h-0001", "--", "echo one; exec >&- 2>&-; sleep 0.2"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = [0; 4];
    child.stdout.take().unwrap().read_exact(&mut line).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn hostile_output_is_made_visible_among_others() {
    let fleet = Fleet::start();
    let text = r"printf 'x\033]0;title\007\r\033[2Jy\nh-0002: forged\n'; printf '\033[31m' >&2";
    let said = fleet.mcp(&["exec", "h-0001,h-0002", "--", text]).code(0);
    assert!(!said.out.contains(['\u{1b}', '\u{7}', '\r']) && !said.err.contains('\u{1b}'), "{said}");
    assert!(said.out.contains("h-0001: h-0002: forged"), "{said}");
    let said = fleet.mcp(&["exec", "h-0001,h-0002", "-b", "--", text]).code(0);
    assert!(!said.out.contains(['\u{1b}', '\u{7}', '\r']), "{said}");
}

#[test]
fn several_words_are_arguments_and_one_is_shell_text() {
    let fleet = Fleet::start();
    let odd = ["printf", "<%s>", "$HOME; exit 9", "it's", "two\nlines", "-x", ""];
    let said = fleet.mcp(&[&["exec", "h-0001", "--"][..], &odd].concat()).code(0);
    assert_eq!(said.out, "<$HOME; exit 9><it's><two\nlines><-x><>");
    assert_eq!(fleet.mcp(&["exec", "h-0001", "--", "echo $((6*7)) | cat"]).code(0).out, "42\n");
    assert_eq!(fleet.mcp(&["exec", "--on", "h-0001", "--", "echo", "on"]).code(0).out, "on\n");
}

#[test]
fn a_host_s_env_is_there_and_in_no_process_list() {
    let fleet = Fleet::start();
    let said = fleet.mcp(&["exec", "told", "--", "echo \"$WORD\"; tr '\\0' ' ' </proc/$$/cmdline | grep -c told"]);
    assert_eq!(said.out, "it's told\n0\n", "{said}");
}

#[test]
fn exit_codes_tell_failed_from_unreachable_and_one_host_s_code_is_had_on_demand() {
    let fleet = Fleet::start();
    fleet.mcp(&["exec", "h-0001", "--", "exit 7"]).code(1).err("failed: h-0001 (1): exit 7");
    fleet.mcp(&["exec", "h-0001", "--propagate", "--", "exit 7"]).code(7);
    fleet.mcp(&["exec", "h-0001", "--propagate", "--", "kill -TERM $$"]).code(143).err("signal TERM");
    fleet.mcp(&["exec", "h-0001,h-0002", "--propagate", "--", "true"]).code(2);
    let said = fleet.mcp(&["exec", "h-0001,h-0002,gone", "--", "exit 3"]).code(4);
    said.err("unreachable: gone").err("Connection refused").err("exec: 0 ok · 2 failed (exit 3) · 1 unreachable in ");
    fleet.mcp(&["exec", "gone", "--propagate", "--", "true"]).code(4);
    for arguments in [&["exec", "--", "true"][..], &["exec", "h-0001"], &["exec", "nobody", "--", "true"]] {
        fleet.mcp(arguments).code(2);
    }
}

#[test]
fn every_row_is_one_line_of_json_whatever_the_host_says() {
    let fleet = Fleet::start();
    let text = r#"printf '\033[31m"\n\377\0{' ; printf 'e\r\n' >&2; [ "${SSH_CONNECTION#*127.1.0.2 }" = "$SSH_CONNECTION" ] || kill -KILL $$"#;
    let said = fleet.mcp(&["exec", "h-000[1:3],gone,here", "--json", "--", text]).code(4);
    let rows = rows(&said.out);
    let names: Vec<&str> = rows.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["gone", "h-0001", "h-0002", "h-0003", "here"], "{said}");
    let keys: Vec<&str> = rows[0].1.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected =
        vec!["host", "outcome", "exit_code", "signal", "stdout", "stderr", "truncated", "seconds", "error"];
    expected.sort_unstable();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    for (name, row) in &rows[1..] {
        if name == "h-0002" {
            assert_eq!(
                (&row["outcome"], &row["exit_code"], &row["signal"]),
                (&"failed".into(), &Value::Null, &"KILL".into())
            );
            continue;
        }
        assert_eq!((&row["outcome"], &row["exit_code"]), (&"ok".into(), &0.into()), "{row}");
        assert_eq!(row["stdout"], "\u{1b}[31m\"\n\u{fffd}\0{", "{row}");
        assert_eq!(row["stderr"], "e\r\n");
    }
    assert_eq!(rows[0].1["outcome"], "unreachable");
    assert_eq!(rows[0].1["error"]["phase"], "TCP");
}

#[test]
fn kept_output_past_the_limit_is_dropped_and_said() {
    let fleet = Fleet::start();
    let flood = "head -c 20000000 /dev/zero | tr '\\0' x & head -c 20000000 /dev/zero | tr '\\0' y >&2; wait";
    let said = fleet.mcp(&["exec", "h-0001,h-0002", "--json", "--", flood]).code(0);
    assert!(said.err.contains("cut: h-[0001-0002] (2): more output than is kept (8.0MiB of a stream"), "{}", said.err);
    for (_, row) in rows(&said.out) {
        assert_eq!(row["truncated"], true);
        assert_eq!(row["stdout"].as_str().unwrap().len(), 8 * 1024 * 1024);
        assert_eq!(row["stderr"].as_str().unwrap().len(), 8 * 1024 * 1024);
    }
    let output = fleet.command(&["exec", "h-0001", "-q", "--", flood]).output().unwrap();
    assert_eq!((output.stdout.len(), output.stderr.len()), (20_000_000, 20_000_000));
    let said = fleet.mcp(&["exec", "h-0001,h-0002", "-b", "-q", "--", flood]).code(0);
    assert!(said.out.ends_with("y\n… (cut: there was more output than is kept)\n"), "no mark at the end");
    assert_eq!(said.out.matches("---").count(), 1, "one answer, one group");
    assert!(said.err.contains("cut: h-[0001-0002] (2)"), "{}", said.err);
}

#[test]
fn what_is_shown_by_name_only_is_not_held_and_nothing_of_it_is_cut() {
    let fleet = Fleet::start();
    let flood = "head -c 20000000 /dev/zero";
    let said = fleet.mcp(&["exec", "h-0001,h-0002", "-o", "name", "--", flood]).code(0);
    assert_eq!(said.out.lines().count(), 2, "{}", said.out);
    assert!(!said.err.contains("cut:"), "{}", said.err);
}

#[test]
fn standard_input_is_replayed_to_every_host() {
    let fleet = Fleet::start();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect();
    let path = fleet.file("input", &bytes);
    let sum = "cksum; cat | wc -c";
    let from_file = fleet.mcp(&["exec", "h-00[01:20],here", "-b", "--stdin", &path, "--", sum]).code(0);
    assert!(from_file.out.starts_with("--- h-[0001-0020],here (21)\n"), "{from_file}");
    assert!(from_file.out.contains(" 3000000\n0\n"), "{from_file}");
    let mut command = fleet.command(&["exec", "h-00[01:20],here", "-b", "--stdin", "-", "--", sum]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), from_file.out);
    // Without --stdin nothing of ours is read.
    assert_eq!(fleet.mcp(&["exec", "h-0001", "--", "wc -c"]).code(0).out.trim(), "0");
}

#[test]
fn a_script_runs_with_its_interpreter_and_arguments_and_leaves_no_file() {
    let fleet = Fleet::start();
    let script = fleet.file("script", "#!/usr/bin/perl -w\nprint \"$0|@ARGV|\"; print <STDIN>; exit 5;");
    let input = fleet.file("input", "in\n");
    let said = fleet.mcp(&["exec", "h-0001", "--script", &script, "--stdin", &input, "--", "a b", "$c"]).code(1);
    let (name, rest) = said.out.split_once('|').unwrap();
    assert_eq!(rest, "a b $c|in\n", "{said}");
    assert!(name.starts_with("/tmp/mcp-") && !fs::exists(name).unwrap(), "{said}");
    let binary = fleet.file("binary", b"\x7fELF\0");
    fleet.mcp(&["exec", "h-0001", "--script", &binary]).code(2).err("it is not UTF-8 text");
}

#[test]
fn a_command_past_its_deadline_is_killed_with_all_it_started() {
    let fleet = Fleet::start();
    let mark = unique();
    let text = format!("echo begun; sh -c 'trap \"\" TERM HUP; sleep {mark}; :' & sleep {mark}");
    let said = fleet.mcp(&["exec", "h-0001,here", "--json", "--timeout", "2", "--", &text]).code(1);
    for (_, row) in rows(&said.out) {
        assert_eq!((&row["outcome"], &row["error"]["phase"]), (&"timed_out".into(), &"exec".into()), "{row}");
        assert_eq!(row["stdout"], "begun\n");
    }
    said.err("exec: 0 ok · 2 timed out in ");
    wait_until("nothing is left", || !is_running(&mark));
}

#[test]
fn an_interrupt_kills_what_runs_and_begins_no_more() {
    let fleet = Fleet::start();
    let mark = unique();
    let mut command =
        fleet.command(&["exec", "h-[0001:0002]", "--forks", "1", "--json", "--", &format!("sleep {mark}")]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the command runs", || is_running(&mark));
    kill("-INT", &child.id().to_string());
    // Two that are pending at once are one: the second is sent when the first was heard.
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("interrupted")));
    // One that comes at once would count as the same.
    let child = RefCell::new(child);
    wait_until("the second was heard", || {
        let mut child = child.borrow_mut();
        kill("-INT", &child.id().to_string());
        child.try_wait().unwrap().is_some()
    });
    let output = child.into_inner().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let rows = rows(&String::from_utf8(output.stdout).unwrap());
    let outcomes: Vec<&str> = rows.iter().map(|(_, row)| row["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["interrupted", "not_attempted"]);
    wait_until("nothing is left", || !is_running(&mark));
}

#[test]
fn a_killed_mcp_leaves_no_command() {
    let fleet = Fleet::start();
    let mark = unique();
    let mut command = fleet.command(&["exec", "h-0001,here", "--", &format!("sleep {mark} & sleep {mark}")]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the commands run", || pids_of(&mark).len() == 4);
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("nothing is left", || !is_running(&mark));
}

#[test]
fn a_dry_run_asks_nobody() {
    let fleet = Fleet::start();
    let said = fleet.mcp(&["exec", "h-0001,gone", "--dry-run", "--", "echo", "a b"]).code(0);
    said.out("h-0001").out("gone").out("echo 'a b'").err("no host was asked");
    assert!(!fleet.sshd.log().contains("Accepted"));
}

#[test]
fn the_other_formats_have_one_document_or_one_name_per_host() {
    let fleet = Fleet::start();
    let said = fleet.mcp(&["exec", "h-0001,gone", "-o", "name", "--", "echo x"]).code(4);
    assert_eq!(said.out, "h-0001\n");
    let said = fleet.mcp(&["exec", "h-0001", "-o", "yaml", "--", "echo x"]).code(0);
    assert!(said.out.starts_with("---\nhost: h-0001\noutcome: ok\n"), "{said}");
    fleet.mcp(&["exec", "h-0001", "-b", "--json", "--", "true"]).code(2);
}
