//! Many commands in one exec: each comes back as a section with its own exit code, stdout and stderr.
//!
//! Commands run one after another share the two streams, cut apart by marker lines; commands run side by side are each
//! captured by the shell first and printed as one short block, so that nothing interleaves and no temporary file is made.
//! Markers carry a random word per script, so that no output can pass for one.
//!
//! Boundary: text out, bytes in, no IO. Next: `ssh` and `local` run the text.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    hash::{BuildHasher, Hasher},
};

use super::{Output, Room, ShellScript, presence::CLOCK};
use crate::{docker::shell::quote, domain::secrets};

/// Most bytes kept of the standard error of a command that runs side by side with others, so that with the few bytes
/// docker prints on success a block stays below the 4096 that a pipe takes in one piece (`PIPE_BUF` on Linux, pipe(7)).
/// A longer block may be torn; its exit code still counts, because every marker names its section.
const SIDE_BY_SIDE_LIMIT: usize = 1500;

/// Has what a script runs, and what it prints, in the C locale, whatever the account's is; `LANGUAGE` does not count in it (gettext
/// manual, 2.3.3). Where the account's own is needed there is [`in_own_locale`].
pub const C_LOCALE: &str = "mcp_lu=${LC_ALL+x} mcp_lc=${LC_ALL-}; LC_ALL=C; export LC_ALL\n";

/// `code`, which runs behind [`C_LOCALE`], with the account's own value of `LC_ALL`.
#[must_use]
pub fn in_own_locale(code: &str) -> String {
    format!("if [ \"$mcp_lu\" ]; then LC_ALL=$mcp_lc; else unset LC_ALL; fi; {code}")
}

/// A script under construction.
#[derive(Debug, Clone)]
pub struct Script {
    word: String,
    head: String,
    fence: String,
    body: String,
    sections: usize,
    sensitive: bool,
}

/// Which section of a script; only meaningful for the script that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SectionId(usize);

/// What one command of a script left behind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Section {
    /// Exit code; `None` when the script was cut off before the command ended.
    pub exit: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Section {
    /// Standard output as text; bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn stdout_text(&self) -> String {
        text(&self.stdout)
    }

    /// Standard error as text; bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn stderr_text(&self) -> String {
        text(&self.stderr)
    }
}

/// Nearly always it is UTF-8, which is checked much faster than it is mended.
fn text(bytes: &[u8]) -> String {
    str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes).into_owned(), str::to_owned)
}

/// The sections of one run of a script.
#[derive(Debug, Clone, Default)]
pub struct Sections {
    sections: BTreeMap<usize, Section>,
    complete: bool,
    late: bool,
    /// That of the output they are copies of.
    _room: Room,
}

impl Sections {
    /// The section of `id`, if the script got that far.
    #[must_use]
    pub fn get(&self, id: SectionId) -> Option<&Section> {
        self.sections.get(&id.0)
    }

    /// Whether the script ran to its end.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether the script did nothing because it came too late ([`Script::begin_by`]).
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.late
    }
}

impl Default for Script {
    fn default() -> Self {
        Self::new()
    }
}

impl Script {
    /// An empty script with a marker word of its own.
    #[must_use]
    pub fn new() -> Self {
        // RandomState is seeded from the system's entropy; a marker needs to be unguessable only to output already written.
        let half = || std::collections::hash_map::RandomState::new().build_hasher().finish();
        Self::with_word(format!("mcp-{:016x}{:016x}", half(), half()))
    }

    pub(super) fn with_word(word: String) -> Self {
        Self { word, head: String::new(), fence: String::new(), body: String::new(), sections: 0, sensitive: false }
    }

    /// Exports `environment` to every command. A script with one travels on stdin.
    pub fn export(&mut self, environment: &BTreeMap<String, String>) {
        for (key, value) in environment {
            let _ = writeln!(self.head, "export {key}={}", quote(value));
            self.sensitive = true;
        }
    }

    /// Lets the script run to its end on the host when the connection is cut, so that a container is not left stopped
    /// between a stop and a start.
    pub fn outlive_connection(&mut self) {
        self.head.push_str("trap '' HUP PIPE\n");
    }

    /// The word by which the script's process is found while it is at work (see [`super::presence`]).
    #[must_use]
    pub fn word(&self) -> &str {
        &self.word
    }

    /// Has the script do nothing at all when the host's clock is past `seconds` as it begins.
    pub fn begin_by(&mut self, seconds: u64) {
        self.fence =
            format!("{CLOCK}\nif [ \"$mcp_t\" -gt {seconds} ]; then printf '\\n%s late\\n' \"$mcp_m\"; exit 0; fi\n");
    }

    /// Shell text between sections, whose output belongs to no section and is dropped.
    pub fn plain(&mut self, code: &str) {
        let _ = writeln!(self.body, "{code}");
    }

    /// Runs `code` after what came before it. It must be a complete shell command.
    pub fn run(&mut self, code: &str) -> SectionId {
        let id = self.next();
        let n = id.0;
        let _ = writeln!(
            self.body,
            "printf '\\n%s {n} begin\\n' \"$mcp_m\"; printf '\\n%s {n} begin\\n' \"$mcp_m\" >&2\n\
             ( {code}\n) </dev/null\n\
             mcp_r=$?; printf '\\n%s {n} end %s\\n' \"$mcp_m\" \"$mcp_r\"; printf '\\n%s {n} end\\n' \"$mcp_m\" >&2"
        );
        id
    }

    /// As [`Script::run`], and keeps the standard output in the shell variable `variable`, for what comes after it.
    pub fn run_and_keep(&mut self, code: &str, variable: &str) -> SectionId {
        let id = self.next();
        let n = id.0;
        let _ = writeln!(
            self.body,
            "printf '\\n%s {n} begin\\n' \"$mcp_m\"; printf '\\n%s {n} begin\\n' \"$mcp_m\" >&2\n\
             {variable}=$( ( {code}\n) </dev/null )\n\
             mcp_r=$?; [ -z \"${variable}\" ] || printf '%s\\n' \"${variable}\"\n\
             printf '\\n%s {n} end %s\\n' \"$mcp_m\" \"$mcp_r\"; printf '\\n%s {n} end\\n' \"$mcp_m\" >&2"
        );
        id
    }

    /// Runs `codes` side by side, at most `at_once` at a time, and goes on when all have ended. Of each standard
    /// error the last 1500 bytes are kept: warnings and progress come first, what ended the command comes last.
    pub fn side_by_side(&mut self, codes: &[String], at_once: usize) -> Vec<SectionId> {
        let ids: Vec<SectionId> = codes.iter().map(|_| self.next()).collect();
        let at_once = at_once.max(1);
        // Lanes, so that nobody waits for the slowest of those that began together.
        for lane in 0..at_once.min(codes.len()) {
            self.body.push_str("{ ");
            for (code, SectionId(n)) in codes.iter().zip(&ids).skip(lane).step_by(at_once) {
                // The inner capture takes stderr, the outer one stdout (by way of descriptor 3) and then the rest of the block.
                // bash's printf writes line by line; dd gathers the block into one write (POSIX dd, `obs=`).
                let _ = writeln!(
                    self.body,
                    "mcp_o=$( {{ mcp_e=$( {{ {code}\n}} 2>&1 1>&3 3>&- </dev/null ); mcp_r=$?; }} 3>&1\n\
                     [ ${{#mcp_e}} -le {SIDE_BY_SIDE_LIMIT} ] || mcp_e=$(printf %s \"$mcp_e\" | tail -c {SIDE_BY_SIDE_LIMIT} || printf %.{SIDE_BY_SIDE_LIMIT}s \"$mcp_e\")\n\
                     printf '\\n%s {n} stderr\\n%s\\n%s {n} end %s\\n' \"$mcp_m\" \"$mcp_e\" \"$mcp_m\" \"$mcp_r\" )\n\
                     printf '\\n%s {n} begin\\n%s\\n' \"$mcp_m\" \"$mcp_o\" | dd obs=8192 2>/dev/null"
                );
            }
            self.body.push_str("} &\n");
        }
        self.body.push_str("wait\n");
        ids
    }

    fn next(&mut self) -> SectionId {
        self.sections += 1;
        SectionId(self.sections)
    }

    /// The script as text. Its variables begin with `mcp_`, so that `$M` in a registered string is the host's own.
    /// The braces make the shell read all of it before it runs any of it; the first line is its [`ShellScript::word`]. Its
    /// first word says that the shell is at work, so that what hangs afterwards is not the shell.
    #[must_use]
    pub fn to_shell(&self) -> ShellScript {
        let Self { word, head, fence, body, .. } = self;
        let text = format!(
            "# {word}\n{{\n{head}{C_LOCALE}mcp_m={word}\nprintf '%s here\\n' \"$mcp_m\"\n{fence}{body}printf '\\n%s done\\n' \"$mcp_m\"\nexit 0\n}}\n"
        );
        // A registered string with a secret in it must not be seen among the words of the shell that runs it.
        let sensitive = self.sensitive || secrets::holds(body);
        ShellScript { text, sensitive }
    }

    /// Cuts the output of this script into its sections. Bytes outside any section (a login shell's banner) are dropped.
    #[must_use]
    pub fn read(&self, output: &Output) -> Sections {
        let mut sections = Sections { _room: output.room.clone(), ..Sections::default() };
        self.scan(&output.stdout, false, &mut sections);
        self.scan(&output.stderr, true, &mut sections);
        sections
    }

    fn scan(&self, bytes: &[u8], is_stderr: bool, sections: &mut Sections) {
        let mut current: Option<(usize, bool)> = None;
        let mut start = 0;
        let mut at = 0;
        while at <= bytes.len() {
            let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |i| at + i);
            if let Some(marker) = self.marker(&bytes[at..end]) {
                if let Some((id, to_stderr)) = current.take() {
                    // Each marker is printed after a newline of its own, which is not the command's.
                    let content = &bytes[start..at.saturating_sub(1).max(start)];
                    let section = sections.sections.entry(id).or_default();
                    if to_stderr { &mut section.stderr } else { &mut section.stdout }.extend_from_slice(content);
                }
                start = (end + 1).min(bytes.len());
                match marker {
                    Marker::Begin(id) => current = Some((id, is_stderr)),
                    Marker::Stderr(id) => current = Some((id, true)),
                    Marker::End(id, code) => {
                        let section = sections.sections.entry(id).or_default();
                        section.exit = code.or(section.exit);
                    }
                    Marker::Done => sections.complete = true,
                    Marker::Late => sections.late = true,
                }
            }
            at = end + 1;
        }
        // Cut off inside a section: what came is kept, without an exit code.
        if let Some((id, to_stderr)) = current {
            let section = sections.sections.entry(id).or_default();
            if to_stderr { &mut section.stderr } else { &mut section.stdout }.extend_from_slice(&bytes[start..]);
        }
    }

    fn marker(&self, line: &[u8]) -> Option<Marker> {
        let rest = line.strip_prefix(self.word.as_bytes())?.strip_prefix(b" ")?;
        let mut words = std::str::from_utf8(rest).ok()?.split(' ');
        let first = words.next()?;
        if first == "done" {
            return Some(Marker::Done);
        }
        if first == "late" {
            return Some(Marker::Late);
        }
        let id = first.parse().ok().filter(|id| (1..=self.sections).contains(id))?;
        match words.next()? {
            "begin" => Some(Marker::Begin(id)),
            "stderr" => Some(Marker::Stderr(id)),
            "end" => Some(Marker::End(id, words.next().and_then(|code| code.parse().ok()))),
            _ => None,
        }
    }
}

enum Marker {
    Begin(usize),
    Stderr(usize),
    End(usize, Option<i32>),
    Done,
    Late,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use std::process::{Command, Stdio};

    use super::*;
    use crate::transport::End;

    fn shells() -> Vec<Vec<&'static str>> {
        [vec!["dash"], vec!["bash"], vec!["busybox", "sh"]]
            .into_iter()
            .filter(|words| {
                Command::new(words[0]).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
                    || words[0] == "dash"
            })
            .collect()
    }

    fn run(shell: &[&str], script: &Script) -> Sections {
        let out = Command::new(shell[0])
            .args(&shell[1..])
            .arg("-c")
            .arg(script.to_shell().text)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|e| panic!("{shell:?}: {e}"));
        script.read(&Output::whole(out.stdout, out.stderr, End::Exit(0)))
    }

    #[test]
    fn sections_keep_exit_code_stdout_and_stderr_apart() {
        for shell in shells() {
            let mut script = Script::new();
            let plain = script.run("echo out; echo err >&2; exit 3");
            let silent = script.run("true");
            let unterminated = script.run("printf 'no newline'");
            let sections = run(&shell, &script);
            assert_eq!(
                sections.get(plain),
                Some(&Section { exit: Some(3), stdout: b"out\n".to_vec(), stderr: b"err\n".to_vec() }),
                "{shell:?}"
            );
            assert_eq!(sections.get(silent), Some(&Section { exit: Some(0), ..Section::default() }), "{shell:?}");
            assert_eq!(sections.get(unterminated).unwrap().stdout, b"no newline", "{shell:?}");
            assert!(sections.is_complete());
        }
    }

    #[test]
    fn a_section_that_is_kept_is_a_section_like_any_other_and_there_for_what_follows() {
        for shell in shells() {
            let mut script = Script::new();
            let kept = script.run_and_keep("printf 'one\\ntwo * \\$x'; echo err >&2; exit 3", "mcp_kept");
            let empty = script.run_and_keep("cat", "mcp_empty");
            let after = script.run("printf %s \"<$mcp_kept|$mcp_empty>\"");
            let sections = run(&shell, &script);
            assert_eq!(
                sections.get(kept),
                Some(&Section { exit: Some(3), stdout: b"one\ntwo * \\$x\n".to_vec(), stderr: b"err\n".to_vec() }),
                "{shell:?}"
            );
            assert_eq!(sections.get(empty), Some(&Section { exit: Some(0), ..Section::default() }), "{shell:?}");
            assert_eq!(sections.get(after).unwrap().stdout, b"<one\ntwo * \\$x|>", "{shell:?}");
        }
    }

    #[test]
    fn commands_side_by_side_do_not_mix() {
        for shell in shells() {
            let mut script = Script::new();
            let codes: Vec<String> = (0..25)
                .map(|n| {
                    format!("i=0; while [ $i -lt 50 ]; do echo out-{n}; echo err-{n} >&2; i=$((i+1)); done; exit {n}")
                })
                .collect();
            let ids = script.side_by_side(&codes, 10);
            let after = script.run("echo after");
            let sections = run(&shell, &script);
            for (n, id) in ids.iter().enumerate() {
                let section = sections.get(*id).unwrap_or_else(|| panic!("{shell:?}: section {n} is missing"));
                assert_eq!(section.exit, Some(i32::try_from(n).unwrap()), "{shell:?}");
                assert!(section.stdout_text().lines().all(|l| l == format!("out-{n}")), "{shell:?}: {section:?}");
                assert!(section.stderr_text().lines().all(|l| l == format!("err-{n}")), "{shell:?}: {section:?}");
                assert_eq!(section.stdout_text().lines().count(), 50, "{shell:?}");
            }
            assert_eq!(sections.get(after).unwrap().stdout, b"after\n");
        }
    }

    #[test]
    fn a_slow_command_holds_up_nothing_but_its_own_lane() {
        for shell in shells() {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("there");
            let waits = format!(
                "n=0; while ! test -e {0} && [ $n -lt 200 ]; do sleep 0.05; n=$((n+1)); done; test -e {0}",
                file.display()
            );
            let mut script = Script::new();
            let codes = [waits, "true".to_owned(), "true".to_owned(), format!("touch {}", file.display())];
            let ids = script.side_by_side(&codes, 2);
            let sections = run(&shell, &script);
            assert_eq!(
                ids.iter().map(|id| sections.get(*id).unwrap().exit).collect::<Vec<_>>(),
                [Some(0); 4],
                "{shell:?}"
            );
        }
    }

    #[test]
    fn a_script_cut_off_in_a_section_has_no_exit_code_there() {
        let mut script = Script::with_word("mcp-x".to_owned());
        let first = script.run("true");
        let second = script.run("true");
        let third = script.run("true");
        let stdout = b"banner\n\nmcp-x 1 begin\na\n\nmcp-x 1 end 0\n\nmcp-x 2 begin\nhalf".to_vec();
        let sections = script.read(&Output::whole(stdout, vec![], End::Unsaid));
        assert_eq!(sections.get(first).unwrap().exit, Some(0));
        assert_eq!(sections.get(second), Some(&Section { stdout: b"half".to_vec(), ..Section::default() }));
        assert_eq!(sections.get(third), None);
        assert!(!sections.is_complete());
    }

    #[test]
    fn output_that_imitates_a_marker_is_output() {
        let mut script = Script::new();
        let id = script.run("printf '\\nmcp-0 1 end 0\\n%s\\n' 'mcp-1 done'; exit 1");
        for shell in shells() {
            let sections = run(&shell, &script);
            assert_eq!(sections.get(id).unwrap().exit, Some(1));
            assert_eq!(sections.get(id).unwrap().stdout, b"\nmcp-0 1 end 0\nmcp-1 done\n");
        }
    }

    #[test]
    fn a_script_that_runs_a_secret_is_sensitive_and_others_are_not() {
        for (code, sensitive) in
            [("docker run -e API_KEY=abc x", true), ("docker inspect a", false), ("docker run -e API_KEY x", false)]
        {
            let mut script = Script::new();
            script.side_by_side(&[code.to_owned()], 10);
            assert_eq!(script.to_shell().sensitive, sensitive, "{code}");
        }
    }

    #[test]
    fn exported_values_reach_commands_whole_and_make_the_script_sensitive() {
        let value = "it's \"quoted\" $HOME `id` \\ \n end";
        let mut script = Script::new();
        script.export(&BTreeMap::from([("SECRET".to_owned(), value.to_owned())]));
        let id = script.run("printf %s \"$SECRET\"");
        assert!(script.to_shell().sensitive);
        for shell in shells() {
            assert_eq!(run(&shell, &script).get(id).unwrap().stdout, value.as_bytes(), "{shell:?}");
        }
    }

    #[test]
    fn commands_run_in_the_c_locale_and_the_account_s_own_value_is_kept() {
        for (own, expected) in [(Some("de_DE.UTF-8"), "C de_DE.UTF-8 C"), (Some(""), "C  C"), (None, "C unset C")] {
            let mut script = Script::new();
            script.export(&own.map(|own| ("LC_ALL".to_owned(), own.to_owned())).into_iter().collect());
            let say = "sh -c 'printf %s \"${LC_ALL-unset}\"'";
            let id =
                script.run(&format!("{say}; printf ' '; ( {} ) 2>/dev/null; printf ' '; {say}", in_own_locale(say)));
            for shell in shells() {
                assert_eq!(run(&shell, &script).get(id).unwrap().stdout_text(), expected, "{shell:?}");
            }
        }
    }

    #[test]
    fn a_host_s_variables_are_its_own_whatever_their_names() {
        let names = ["M", "e", "o", "r", "n", "D", "U"];
        let mut script = Script::new();
        script.export(&names.iter().map(|n| ((*n).to_owned(), format!("value of {n}"))).collect());
        let code = "echo \"$M|$e|$o|$r|$n|$D|$U\"";
        let one = script.run(code);
        let beside = script.side_by_side(&[code.to_owned(), code.to_owned()], 2);
        let expected = names.map(|n| format!("value of {n}")).join("|");
        for shell in shells() {
            let sections = run(&shell, &script);
            for id in [one, beside[0], beside[1]] {
                assert_eq!(sections.get(id).unwrap().stdout_text().trim_end(), expected, "{shell:?}");
            }
        }
    }
}
