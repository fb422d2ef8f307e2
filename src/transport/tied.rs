//! Shell text that runs a script with a given part of its own standard input, and takes the script with it when that ends.
//!
//! Boundary: pure text for any POSIX `sh`. Next: `ssh` and `local` run it and keep its standard input open until the script
//! has ended, so that a lost connection, a deadline or a killed `mcp` leaves nothing behind.

use std::time::Duration;

/// Reads `$mcp_script` line by line up to `#nonce`, so that what follows on standard input stays there. A script that was
/// cut short does not run at all.
pub(super) fn script_from_stdin(nonce: &str) -> String {
    format!(
        "mcp_script=; mcp_newline=$(printf \"\\nx\"); mcp_newline=${{mcp_newline%x}}; mcp_whole=; \
         while IFS= read -r mcp_line; do [ \"$mcp_line\" = \"#{nonce}\" ] && mcp_whole=1 && break; \
         mcp_script=$mcp_script$mcp_line$mcp_newline; done; [ \"$mcp_whole\" ] || exit 125; "
    )
}

/// Whether the process that began this shell still lives, told by the shell's own parent: one that ended has left it to another. A signal
/// to that process (`kill -0`) proves nothing, as it may be root's while the account is not (Dropbear); nor need it be seen in /proc.
const PARENT: &str = "{ if read -r mcp_p </proc/$$/stat; then mcp_p=${mcp_p##*) }; mcp_p=${mcp_p#* }; mcp_p=${mcp_p%% *}; \
     else mcp_p=$(ps -o ppid= -p $$); fi; [ $((${mcp_p:-$PPID})) -eq $PPID ]; }";

/// Runs `$mcp_script` with the next `size` bytes of standard input as its own, does `at_end` and exits with the script's code.
///
/// When standard input ends before the script does, the whole session (or process group) is told to end and killed after
/// `grace` (whole seconds). What a script that ended by itself left in the background stays: then the shell, `$$`, is gone.
///
/// The script sees the end of its input at about the time it is told to end, before or after: what it tidies up then must
/// ignore TERM, or what does it is killed at it.
/// `head -c` is in no standard but on every system with docker: GNU, busybox, toybox, BSD.
pub(super) fn run(size: u64, at_end: &str, grace: Duration) -> String {
    let watch = |until: &str| {
        let kill = format!("kill -0 $$ && {{ kill -TERM 0; sleep {}; kill -KILL 0; }}", grace.as_secs());
        // USR1 calls the watcher off, unless it has begun: who was told to end is killed too.
        format!("{{ trap \"\" TERM; {until}; trap \"\" USR1; {kill}; }} >/dev/null 2>&1 &")
    };
    // Not before the input was read: there is but one reader of a stream.
    let end = watch("cat <&3");
    let script = "(eval \"$mcp_script\") 3<&-";
    let begin = if size == 0 {
        format!("{script} & mcp_run=$!; {end}")
    } else {
        // Until then the end of sshd's (or mcp's) process is waited for: `head` does not see the end of its input while the
        // script leaves its own unread.
        let parent = watch(&format!("while kill -0 $$ && {PARENT}; do sleep 1; done"));
        // By `exec`: around a group of commands some shells keep a copy of the stream, which would hold it open.
        let feed =
            format!("exec 2>/dev/null; {parent} mcp_parent=$!; head -c {size} <&3; kill -USR1 $mcp_parent; {end}");
        format!("( {{ {feed} }} | {script} ) & mcp_run=$!;")
    };
    format!("exec 3<&0 </dev/null; {begin} exec 3<&-; wait $mcp_run; mcp_code=$?; {at_end}exit $mcp_code")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use std::{
        io::{Read, Write},
        os::unix::process::CommandExt,
        process::{Child, Command, Stdio},
    };

    use super::*;

    const SHELLS: [&[&str]; 3] = [&["dash"], &["bash"], &["busybox", "sh"]];

    const GRACE: Duration = Duration::from_secs(1);

    /// A shell that runs `script` with `size` bytes as its input, in a process group of its own.
    fn begin(shell: &[&str], script: &str, size: u64, grace: Duration) -> Child {
        let mut child = Command::new(shell[0])
            .args(&shell[1..])
            .args(["-c", &(script_from_stdin("n") + &run(size, "", grace))])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        child.stdin.as_mut().unwrap().write_all(format!("{script}\n#n\n").as_bytes()).unwrap();
        child
    }

    #[test]
    fn every_shell_gives_a_script_its_input_and_tells_its_exit_code() {
        for shell in SHELLS {
            for (script, input, said, code) in [
                ("cat; exit 3", "one\ntwo", "one\ntwo", 3),
                ("wc -c", "", "0", 0),
                ("exit 4", "unread", "", 4),
                ("read -r line; echo \"$line\"", "first\nsecond\n", "first", 0),
            ] {
                let mut child = begin(shell, script, input.len() as u64, GRACE);
                let mut stdin = child.stdin.take().unwrap();
                stdin.write_all(input.as_bytes()).unwrap();
                let mut got = String::new();
                child.stdout.take().unwrap().read_to_string(&mut got).unwrap();
                assert_eq!((got.trim(), child.wait().unwrap().code()), (said, Some(code)), "{shell:?} {script}");
                // It ended although its input was still open.
                drop(stdin);
            }
        }
    }

    #[test]
    fn every_shell_ends_the_script_when_its_input_ends_too_soon() {
        for shell in SHELLS {
            for size in [0, 100] {
                let mut child = begin(shell, "echo begun; sleep 1000 & sleep 1000", size, GRACE);
                let mut stdout = child.stdout.take().unwrap();
                stdout.read_exact(&mut [0; 6]).unwrap();
                drop(child.stdin.take());
                // The end of the output: nobody is left who holds it open.
                stdout.read_to_end(&mut vec![]).unwrap();
                assert!(!child.wait().unwrap().success(), "{shell:?} {size}");
            }
        }
    }

    #[test]
    fn every_shell_lets_a_script_that_is_told_to_end_tidy_up_for_as_long_as_its_grace() {
        for shell in SHELLS {
            for size in [0, 100] {
                // Nobody has to wait for the rest of the grace. By `wait`: a signal that comes before a command of the foreground was begun is
                // seen only after it.
                let script =
                    "trap 'trap \"\" TERM; sleep 2; echo tidied; kill -KILL 0' TERM; sleep 1000 & echo begun; wait; :";
                let mut child = begin(shell, script, size, 30 * GRACE);
                let mut stdout = child.stdout.take().unwrap();
                stdout.read_exact(&mut [0; 6]).unwrap();
                drop(child.stdin.take());
                let mut said = String::new();
                stdout.read_to_string(&mut said).unwrap();
                assert_eq!(said, "tidied\n", "{shell:?} {size}");
                child.wait().unwrap();
            }
        }
    }
}
