//! The words a host's login shell is given so that `sh` runs a script, and the marks by which its begin and its end are known.
//!
//! Boundary: pure text. The login shell may be any shell: each line of a script travels as one argument, because csh
//! takes no newline inside quotes, and characters that fish or csh treat in quotes are quoted by themselves.
//! Next: `exec` sends the words and looks for the mark.

use std::time::Duration;

use crate::{
    docker::shell::quote_for_any_shell,
    transport::{ShellScript, tied},
};

/// The most bytes of a command that a server of this identification takes. Dropbear refuses one of more than 9000 bytes (`MAX_CMD_LEN` of
/// its `svr-chansession.c`); libssh2 sends no packet of more than 35000 (RFC 4253, section 6.1), and Linux takes 128 KiB for one argument.
pub(super) fn longest_command(identification: &str) -> usize {
    if identification.to_ascii_lowercase().contains("dropbear") { 9000 } else { 32 * 1024 }
}

/// Puts the lines given as arguments together again.
const FROM_ARGUMENTS: &str = r#"mcp_script=$(printf "%s\n" "$@"); set --; "#;

/// What a host is told to run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invocation {
    /// The command of the SSH exec request.
    pub(super) command: String,
    /// What to write to its stdin first; `None` when the script is in the command.
    pub(super) stdin: Option<Vec<u8>>,
}

/// Runs `script` once, by a command of at most `longest` bytes. Its stdin is empty; its exit code follows `nonce` on stderr (see [`Mark`]).
///
/// A script on stdin that was cut short does not run at all: its last line must be the nonce.
pub(super) fn for_exec(script: &ShellScript, nonce: &str, longest: usize) -> Invocation {
    let run = format!(
        r#"(eval "$mcp_script") </dev/null; mcp_code=$?; printf "\036{nonce}:%d\n" $mcp_code >&2; exit $mcp_code"#
    );
    let from_stdin = format!(r##"mcp_script=$(cat); case $mcp_script in *"#{nonce}") ;; *) exit 125;; esac; "##);
    invocation(script, nonce, longest, &from_stdin, &run, Place::Anywhere)
}

/// Runs `script` until it ends or its stdin does, whichever comes first, and then kills what it started.
pub(super) fn for_stream(script: &ShellScript, nonce: &str, longest: usize) -> Invocation {
    let run = format!(
        "exec 3<&0 </dev/null; \
         (eval \"$mcp_script\") 3<&- & mcp_run=$!; \
         {{ trap \"\" TERM; cat <&3; kill -TERM 0; sleep 1; kill -KILL 0; }} >/dev/null 2>&1 & \
         exec 3<&-; wait $mcp_run; mcp_code=$?; printf \"\\036{nonce}:%d\\n\" $mcp_code >&2; exit $mcp_code"
    );
    // Stdin stays open after the script, so it is read line by line up to the nonce.
    invocation(script, nonce, longest, &tied::script_from_stdin(nonce), &run, Place::OwnGroup)
}

/// Runs `script` with the `size` bytes that follow on stdin as its own; when stdin ends too soon, it is told to end, and
/// killed after `grace`.
pub(super) fn for_pipe(script: &ShellScript, nonce: &str, longest: usize, size: u64, grace: Duration) -> Invocation {
    let mark = format!("printf \"\\036{nonce}:%d\\n\" $mcp_code >&2; ");
    let run = tied::run(size, &mark, grace);
    invocation(script, nonce, longest, &tied::script_from_stdin(nonce), &run, Place::OwnGroup)
}

/// Where a script runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Wherever the server puts it.
    Anywhere,
    /// In a process group of its own, so that `kill 0` reaches all of it and nothing else.
    OwnGroup,
}

/// Runs its first argument with the others as its own, in a session of its own where the shell does not lead its process group.
///
/// OpenSSH puts every command into a session (setsid(2)); Dropbear leaves it in its own connection's group, with all other commands of that
/// connection. Only there `setsid` is run, in this process. Without /proc, or without `setsid`, it stays where it is.
const OWN_GROUP: &str = "mcp_own=$1; shift; \
     if { read -r mcp_g </proc/$$/stat; } 2>/dev/null; then mcp_g=${mcp_g##*) }; mcp_g=${mcp_g#* }; mcp_g=${mcp_g#* }; \
     [ \"${mcp_g%% *}\" = $$ ] || ! command -v setsid >/dev/null 2>&1 || exec setsid sh -c \"$mcp_own\" sh \"$@\"; fi; \
     eval \"$mcp_own\"";

fn invocation(
    script: &ShellScript,
    nonce: &str,
    longest: usize,
    from_stdin: &str,
    run: &str,
    place: Place,
) -> Invocation {
    // First, so that it is there for a `ps` that shows no more than a line.
    let word = script.word().map(|word| format!(": {word}; ")).unwrap_or_default();
    let begin = |read: &str| {
        let inner = format!("{word}printf \"\\036{nonce}>\\n\" >&2; {read}{run}");
        match place {
            Place::Anywhere => format!("exec sh -c {} sh", quote_for_any_shell(&inner)),
            Place::OwnGroup => {
                format!("exec sh -c {} sh {}", quote_for_any_shell(OWN_GROUP), quote_for_any_shell(&inner))
            }
        }
    };
    if !script.sensitive {
        let lines = script.text.split('\n').map(|line| format!(" {}", quote_for_any_shell(line)));
        let command = lines.fold(begin(FROM_ARGUMENTS), |command, line| command + &line);
        if command.len() <= longest {
            return Invocation { command, stdin: None };
        }
    }
    Invocation { command: begin(from_stdin), stdin: Some(format!("{}\n#{nonce}\n", script.text).into_bytes()) }
}

/// Finds the marks of one exec in its stderr and takes them out: `RS nonce ">" LF` as the shell begins, `RS nonce ":" code LF` as the
/// script ends.
///
/// libssh2 reads a missing exit status as 0, so only the mark tells a script that succeeded from one that was cut short; and a login shell
/// that runs no commands (nologin) has an exit code too.
pub(super) struct Mark {
    prefix: Vec<u8>,
    held: Vec<u8>,
    begun: bool,
    code: Option<i32>,
}

impl Mark {
    pub(super) fn new(nonce: &str) -> Self {
        Self { prefix: format!("\u{1e}{nonce}").into_bytes(), held: Vec::new(), begun: false, code: None }
    }

    /// Takes the next bytes of stderr and hands on what is not a mark.
    pub(super) fn push(&mut self, bytes: &[u8], sink: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        if self.held.is_empty() && !bytes.contains(&0x1e) {
            return sink(bytes);
        }
        self.held.extend_from_slice(bytes);
        let mut rest = 0;
        while let Some(at) = self.held[rest..].iter().position(|byte| *byte == 0x1e).map(|at| rest + at) {
            match self.parse(at) {
                Found::Mark { code, end } => {
                    self.begun = true;
                    self.code = code.or(self.code);
                    self.held.drain(at..end);
                    rest = at;
                }
                Found::Other => rest = at + 1,
                Found::Partial => {
                    let kept = self.held.split_off(at);
                    let passed = std::mem::replace(&mut self.held, kept);
                    return passed.is_empty() || sink(&passed);
                }
            }
        }
        let passed = std::mem::take(&mut self.held);
        passed.is_empty() || sink(&passed)
    }

    /// Whether the shell has begun.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether the script has ended.
    pub(super) fn is_said(&self) -> bool {
        self.code.is_some()
    }

    /// What was held back as a possible mark and the exit code, if one was said.
    pub(super) fn finish(self) -> (Vec<u8>, Option<i32>) {
        (self.held, self.code)
    }

    fn parse(&self, at: usize) -> Found {
        let candidate = &self.held[at..];
        let common = candidate.len().min(self.prefix.len());
        if candidate[..common] != self.prefix[..common] {
            return Found::Other;
        }
        match &candidate[common..] {
            [] | b">" | b":" => Found::Partial,
            [b'>', b'\n', ..] => Found::Mark { code: None, end: at + common + 2 },
            [b':', digits @ ..] => {
                let Some(length) = digits.iter().take(4).position(|byte| *byte == b'\n') else {
                    return if digits.len() < 4 { Found::Partial } else { Found::Other };
                };
                match str::from_utf8(&digits[..length]).ok().and_then(|digits| digits.parse::<u8>().ok()) {
                    Some(code) => Found::Mark { code: Some(code.into()), end: at + common + length + 2 },
                    None => Found::Other,
                }
            }
            _ => Found::Other,
        }
    }
}

enum Found {
    Mark { code: Option<i32>, end: usize },
    Partial,
    Other,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use std::{
        io::{Read as _, Write as _},
        process::{Command, Output, Stdio},
    };

    use super::*;

    /// More bytes than any command here has.
    const MANY: usize = 32 * 1024;

    fn script(text: &str, sensitive: bool) -> ShellScript {
        ShellScript { text: text.to_owned(), sensitive }
    }

    fn run(shell: &str, invocation: &Invocation) -> Output {
        let mut child = Command::new(shell)
            .args(["-c", &invocation.command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(invocation.stdin.as_deref().unwrap_or_default()).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap()
    }

    const HOSTILE: &str = "a='it'\\''s'\nprintf '%s|' \"$a\" \"$#\" 'back\\slash \\n' 'bang!x' \"\\$HOME `echo tick`\"\n\n\
                           cat <<'EOF'\n; rm -rf ~ 'x' \\\\ \"y\" !! $(no)\nEOF\nexit 37";

    #[test]
    fn every_script_reaches_sh_as_it_was_written() {
        let expected = Command::new("sh").args(["-c", HOSTILE]).output().unwrap();
        for shell in ["sh", "bash"] {
            for sensitive in [false, true] {
                let output = run(shell, &for_exec(&script(HOSTILE, sensitive), "nonce", MANY));
                assert_eq!(String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&expected.stdout));
                assert_eq!(output.stderr, b"\x1enonce>\n\x1enonce:37\n");
                assert_eq!(output.status.code(), Some(37));
            }
        }
    }

    #[test]
    fn a_script_is_in_the_command_as_long_as_the_server_takes_it() {
        let script = script("echo 'it is'\nexit 3", false);
        let whole = for_exec(&script, "n", MANY);
        assert_eq!(whole.stdin, None);
        assert_eq!(for_exec(&script, "n", whole.command.len()), whole);
        let short = for_exec(&script, "n", whole.command.len() - 1);
        assert_eq!(short.stdin.as_deref(), Some(&b"echo 'it is'\nexit 3\n#n\n"[..]));
        assert_eq!(run("sh", &short).status.code(), Some(3));
    }

    #[test]
    fn a_dropbear_is_known_by_its_identification() {
        for (identification, longest) in [
            ("SSH-2.0-dropbear_2022.83", 9000),
            ("SSH-2.0-dropbear", 9000),
            ("SSH-2.0-OpenSSH_9.2p1", MANY),
            ("", MANY),
        ] {
            assert_eq!(longest_command(identification), longest, "{identification}");
        }
    }

    #[test]
    fn a_sensitive_script_is_not_in_the_command() {
        for invocation in
            [for_exec(&script("echo s3cret", true), "n", MANY), for_stream(&script("echo s3cret", true), "n", MANY)]
        {
            assert!(!invocation.command.contains("s3cret"));
            assert!(invocation.stdin.unwrap().ends_with(b"echo s3cret\n#n\n"));
        }
    }

    #[test]
    fn a_script_s_word_is_in_the_command_however_the_script_travels() {
        for sensitive in [false, true] {
            for (text, shown) in [("# mcp-1\necho x", true), ("# a;b\necho x", false), ("echo\n# mcp-1", false)] {
                let command = for_exec(&script(text, sensitive), "n", MANY).command;
                assert_eq!(command.starts_with("exec sh -c ': mcp-1; "), shown, "{command}");
            }
        }
    }

    #[test]
    fn a_script_that_is_cut_short_on_its_way_does_not_run() {
        for mut invocation in
            [for_exec(&script("echo ran", true), "n", MANY), for_stream(&script("echo ran", true), "n", MANY)]
        {
            let stdin = invocation.stdin.as_mut().unwrap();
            stdin.truncate(stdin.len() - 3);
            let output = run("sh", &invocation);
            assert!(output.stdout.is_empty());
            assert_eq!(output.status.code(), Some(125));
        }
    }

    #[test]
    fn a_command_holds_no_newline_for_csh_to_trip_over() {
        assert!(!for_exec(&script(HOSTILE, false), "n", MANY).command.contains('\n'));
        assert!(!for_stream(&script(HOSTILE, false), "n", MANY).command.contains('\n'));
    }

    #[test]
    fn a_shell_that_does_not_lead_its_group_runs_the_script_in_a_session_of_its_own() {
        let text = "cut -d' ' -f5,6 /proc/self/stat; echo $$";
        for sensitive in [false, true] {
            let script = script(text, sensitive);
            for invocation in [for_stream(&script, "n", MANY), for_pipe(&script, "n", MANY, 0, Duration::from_secs(1))]
            {
                // As Dropbear has it: another process leads the group, and waits.
                let mut child = Command::new("sh")
                    .args(["-c", "sh -c \"$1\"; exit", "sh", &invocation.command])
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap();
                let mut stdin = child.stdin.take().unwrap();
                stdin.write_all(invocation.stdin.as_deref().unwrap_or_default()).unwrap();
                let mut said = String::new();
                child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
                drop(stdin);
                assert!(child.wait().unwrap().success());
                let words: Vec<&str> = said.split_whitespace().collect();
                let [group, session, shell] = words[..] else { panic!("{said}") };
                assert_eq!((group, session), (shell, shell), "{sensitive}");
            }
        }
    }

    #[test]
    fn the_mark_is_found_wherever_the_stream_is_cut() {
        let text = b"before\x1enonc\x1e\x1enonce>\x1enonce:12345\nmid\x1enonce>\ndle\x1enonce:255\nafter\x1enon";
        for cut in 0..text.len() {
            let mut mark = Mark::new("nonce");
            let mut seen = Vec::new();
            let mut sink = |bytes: &[u8]| {
                seen.extend_from_slice(bytes);
                true
            };
            mark.push(&text[..cut], &mut sink);
            mark.push(&text[cut..], &mut sink);
            assert!(mark.has_begun(), "cut at {cut}");
            let (held, code) = mark.finish();
            seen.extend(held);
            assert_eq!(code, Some(255), "cut at {cut}");
            assert_eq!(seen, b"before\x1enonc\x1e\x1enonce>\x1enonce:12345\nmiddleafter\x1enon", "cut at {cut}");
        }
    }
}
