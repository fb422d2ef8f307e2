use std::time::{Duration, Instant};

use mcp::transport::{
    Cancel, Connector, End, Limits, OUTPUT_LIMIT, Output, Phase, Remote, ShellScript, TransportError,
    TransportErrorKind, local::LocalConnector,
};

use crate::sshd::{AMPLE, Sshd, host, is_running, script, unique, wait_until};

fn remote() -> Box<dyn Remote> {
    // The connector runs here whatever the host's entry says.
    let endpoint = mcp::domain::SshEndpoint::new("", "");
    LocalConnector.connect(&host(endpoint), &Limits::new(AMPLE, &Cancel::new(), &|_| {})).unwrap()
}

fn run(text: &str, sensitive: bool, allowed: Duration) -> Result<Output, TransportError> {
    let script = ShellScript { text: text.to_owned(), sensitive };
    remote().exec(&script, &Limits::new(allowed, &Cancel::new(), &|_| {}))
}

#[test]
fn both_connectors_give_the_same_answers() {
    let sshd = Sshd::start();
    let mut far = sshd.connect();
    let scripts = [
        "true",
        "exit 1",
        "exit 255",
        "no_such_command_here 2>/dev/null",
        "kill -TERM $$",
        "echo out; echo err >&2; cat; printf '%s|' \"$#\" 'it'\\''s' 'a\\b' '!'; exit 7",
        "cat <<'E'\n$HOME `x` \\n\nE",
        "set -e; false; echo unreached",
    ];
    for text in scripts {
        for sensitive in [false, true] {
            let script = ShellScript { text: text.to_owned(), sensitive };
            let cancel = Cancel::new();
            let limits = Limits::new(AMPLE, &cancel, &|_| {});
            let here = remote().exec(&script, &limits).unwrap();
            let there = far.exec(&script, &limits).unwrap();
            assert_eq!(here, there, "{text} ({sensitive})");
        }
    }
}

#[test]
fn a_sensitive_script_stays_out_of_the_process_list() {
    let output = run("tr '\\0' ' ' </proc/$$/cmdline; v=s3cret; echo ${#v}", true, AMPLE).unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(!stdout.contains("s3cret") && stdout.ends_with("6\n"), "{stdout}");
    let long = format!("wc -c <<'E'\n{}\nE", "x".repeat(3_000_000));
    assert_eq!(run(&long, true, AMPLE).unwrap().stdout, b"3000001\n");
}

#[test]
fn a_flood_on_both_streams_is_drained_and_bounded() {
    let flood = "head -c 52428800 /dev/zero >&2 & head -c 52428800 /dev/zero; wait; exit 7";
    let output = run(flood, false, AMPLE).unwrap();
    assert_eq!((output.stdout.len(), output.stderr.len()), (OUTPUT_LIMIT, OUTPUT_LIMIT));
    assert!(output.truncated);
    assert_eq!(output.end, End::Exit(7));
}

#[test]
fn the_deadline_takes_everything_the_script_started() {
    for tail in ["wait", "exec >&- 2>&-; wait", "while echo x; do sleep 0.05; done"] {
        let mark = unique();
        let text = format!("sh -c 'trap \"\" TERM HUP; sleep {mark}; :' & sleep {mark} & {tail}");
        let start = Instant::now();
        let error = run(&text, false, Duration::from_secs(1)).unwrap_err();
        assert!(matches!(*error.kind, TransportErrorKind::Timeout { phase: Phase::Exec, .. }), "{error:?}");
        assert!(start.elapsed() < Duration::from_secs(10));
        wait_until("the group is gone", || !is_running(&mark));
    }
}

#[test]
fn a_cancel_and_a_full_sink_end_a_stream_and_its_processes() {
    for cancels in [false, true] {
        let (mark, cancel) = (unique(), Cancel::new());
        let text = format!("echo started; sleep {mark} & sleep {mark}");
        let end = remote().stream(&script(&text), &Limits::new(Duration::ZERO, &cancel, &|_| {}), &mut |_, _| {
            if cancels {
                cancel.abandon();
            }
            cancels
        });
        assert_eq!(end.unwrap(), End::Stopped);
        wait_until("the group is gone", || !is_running(&mark));
    }
}

#[test]
fn a_script_that_ends_leaves_what_it_put_in_the_background() {
    let mark = unique();
    let output = run(&format!("sleep {mark} >/dev/null 2>&1 & echo $!"), false, AMPLE).unwrap();
    assert_eq!(output.end, End::Exit(0));
    assert!(is_running(&mark));
    crate::sshd::kill("-KILL", String::from_utf8(output.stdout).unwrap().trim());
}
