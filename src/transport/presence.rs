//! Whether a script is still at work on its host, and what the host's own clock says.
//!
//! A script carries its word in the words of its process ([`ShellScript::word`](super::ShellScript::word)), so another script
//! finds it in the host's process list, without a file. To be certain that it does not begin *later* (its request may lie in a
//! buffer somewhere after the connection broke), a script can be told to refuse to begin past a time on the host's clock
//! ([`Script::begin_by`]): once that is over and no process has the word, it is over.
//!
//! Boundary: shell text out, sections in, no IO; times are the host's, in seconds, and compared with nothing else.
//! Next: `script` frames the text, `operations::aftermath` asks.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::script::{Script, Section, SectionId};

/// Sets `mcp_t` to the host's seconds: since its start where that is told (proc(5), `/proc/uptime`), which no administrator and no
/// time server sets back, else since the epoch. No process is started for the former.
pub(super) const CLOCK: &str =
    "{ read -r mcp_t mcp_x </proc/uptime && mcp_t=${mcp_t%%.*}; } 2>/dev/null || mcp_t=$(date +%s)";

/// Sets `mcp_b` to a word that changes at each start of the host (random(4), `boot_id`), `-` where there is none.
pub(super) const BOOT: &str = "{ read -r mcp_b </proc/sys/kernel/random/boot_id; } 2>/dev/null || mcp_b=-";

/// Prints the host's seconds since the epoch on a line, for [`told_time`].
pub const TELL_TIME: &str = "date +%s 2>/dev/null";

/// The time that [`TELL_TIME`] printed on the first line of `text`; `None` when the host told none.
#[must_use]
pub fn told_time(text: &str) -> Option<Timestamp> {
    let line = text.lines().next()?.trim();
    if line.is_empty() || !line.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Timestamp::from_second(line.parse().ok()?).ok()
}

/// The host's clock, as read while it was asked something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostClock {
    boot: Option<String>,
    seconds: u64,
    /// When the question was sent: the host read its clock then or later.
    asked: Instant,
}

impl HostClock {
    /// Adds the question to `script`.
    pub fn ask(script: &mut Script) -> SectionId {
        script.run(&format!("{CLOCK}; {BOOT}; printf '%s %s\\n' \"$mcp_t\" \"$mcp_b\""))
    }

    /// Reads the answer to a question that was sent at `asked`; `None` when the host tells no time.
    #[must_use]
    pub fn read(section: &Section, asked: Instant) -> Option<Self> {
        let text = section.stdout_text();
        let mut words = text.split_whitespace();
        let seconds = words.next()?.parse().ok()?;
        Some(Self { boot: words.next().and_then(boot), seconds, asked })
    }

    /// The host's seconds when `allowed` from now has certainly passed here, and not before it has passed there.
    #[must_use]
    pub fn after(&self, allowed: Duration) -> u64 {
        let passed = self.asked.elapsed() + allowed;
        self.seconds.saturating_add(passed.as_secs()).saturating_add(1)
    }
}

/// What was seen of a script on its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// The host's process list can be read: a script that is at work is seen.
    pub visible: bool,
    /// The script is still at work.
    pub at_work: bool,
    /// The script was at work at one of the looks, so it had begun.
    pub was_seen: bool,
    seconds: u64,
    boot: Option<String>,
}

impl Presence {
    /// Adds the question to `script`: it waits on the host, at most `patience`, until no process has `word`, and when none has had
    /// it so far, until the host's clock is past `begin_by`. Leaves `mcp_busy` at 1 when the script is still at work.
    pub fn ask(script: &mut Script, word: &str, patience: Duration, begin_by: Option<u64>) -> SectionId {
        let (own, sought) = (pattern(script.word()), pattern(word));
        let (patience, begin_by) = ((patience.as_millis() + 500) / 1000, begin_by.unwrap_or(0));
        // Finding itself proves that this account may see its own processes. The clock is read before the list, so that what the list
        // does not show after `begin_by` refuses to begin.
        script.plain(&format!(
            "if grep -qs '{own}' /proc/[0-9]*/cmdline; then mcp_how=proc\n\
             elif ps -A -o args 2>/dev/null | grep -q '{own}'; then mcp_how=ps\n\
             else mcp_how=none; fi\n\
             {CLOCK}; mcp_end=$((mcp_t + {patience})); mcp_seen=0\n\
             while :; do\n\
             {CLOCK}\n\
             case $mcp_how in\n\
             proc) grep -qs '{sought}' /proc/[0-9]*/cmdline;;\n\
             ps) ps -A -o args 2>/dev/null | grep -q '{sought}';;\n\
             *) false;;\n\
             esac && mcp_busy=1 mcp_seen=1 || mcp_busy=0\n\
             if [ \"$mcp_t\" -ge \"$mcp_end\" ]; then break; fi\n\
             if [ $mcp_busy = 0 ] && {{ [ $mcp_seen = 1 ] || [ \"$mcp_t\" -gt {begin_by} ]; }}; then break; fi\n\
             sleep 0.1 2>/dev/null || sleep 1\n\
             done"
        ));
        script.run(&format!(
            "{BOOT}; printf '%s %s %s %s %s\\n' \"$mcp_how\" \"$mcp_busy\" \"$mcp_seen\" \"$mcp_t\" \"$mcp_b\""
        ))
    }

    /// Reads the answer; `None` when it is none.
    #[must_use]
    pub fn read(section: &Section) -> Option<Self> {
        let text = section.stdout_text();
        let words: Vec<&str> = text.split_whitespace().collect();
        let [how, busy, seen, seconds, rest] = words.as_slice() else { return None };
        Some(Self {
            visible: *how != "none",
            at_work: *busy == "1",
            was_seen: *seen == "1",
            seconds: seconds.parse().ok()?,
            boot: boot(rest),
        })
    }

    /// Whether the host was started since `clock` was read, or another machine answers in its place: what ran there is gone.
    #[must_use]
    pub fn is_another_start(&self, clock: &HostClock) -> bool {
        self.boot.is_some() && clock.boot.is_some() && self.boot != clock.boot
    }

    /// Whether the host's clock was past `begin_by` when it last looked.
    #[must_use]
    pub fn is_past(&self, begin_by: u64) -> bool {
        self.seconds > begin_by
    }
}

fn boot(word: &str) -> Option<String> {
    (word != "-" && word.len() <= 64).then(|| word.to_owned())
}

/// A regular expression that finds `word` and not itself: the script that holds it is in the process list as well.
fn pattern(word: &str) -> String {
    let (rest, last) = word.split_at(word.len().saturating_sub(1));
    format!("{rest}[{last}]")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::transport::{End, Output, script::Sections};

    fn spawn(script: &Script) -> Child {
        Command::new("sh")
            .arg("-c")
            .arg(script.to_shell().text)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn ended(child: Child, script: &Script) -> Sections {
        let out = child.wait_with_output().unwrap();
        script.read(&Output::whole(out.stdout, out.stderr, End::Exit(0)))
    }

    fn run(script: &Script) -> Sections {
        ended(spawn(script), script)
    }

    fn presence(word: &str, patience: Duration, begin_by: Option<u64>) -> Presence {
        let mut script = Script::new();
        let id = Presence::ask(&mut script, word, patience, begin_by);
        Presence::read(run(&script).get(id).unwrap()).unwrap()
    }

    fn clock() -> HostClock {
        let mut script = Script::new();
        let id = HostClock::ask(&mut script);
        HostClock::read(run(&script).get(id).unwrap(), Instant::now()).unwrap()
    }

    #[test]
    fn a_script_is_seen_while_it_is_at_work_and_no_longer() {
        let mut script = Script::new();
        script.run("read -r line");
        script.plain("sleep 600");
        let mut child = spawn(&script);
        // It may still be on its way from fork to exec.
        while !presence(script.word(), Duration::ZERO, None).at_work {}
        child.kill().unwrap();
        child.wait().unwrap();
        let gone = presence(script.word(), Duration::ZERO, None);
        assert!(gone.visible && !gone.at_work && !gone.was_seen, "{gone:?}");
    }

    #[test]
    fn the_look_waits_for_the_script_s_end() {
        let mut script = Script::new();
        script.plain("sleep 0.5");
        let child = spawn(&script);
        let seen = presence(script.word(), Duration::from_secs(60), None);
        assert!(!seen.at_work, "{seen:?}");
        assert!(ended(child, &script).is_complete());
    }

    #[test]
    fn the_look_waits_until_what_has_not_begun_can_begin_no_more() {
        let by = clock().after(Duration::ZERO);
        assert!(presence(Script::new().word(), Duration::from_secs(60), Some(by)).is_past(by));
        let far = clock().after(Duration::from_secs(1000));
        assert!(!presence(Script::new().word(), Duration::from_secs(1), Some(far)).is_past(far));
    }

    #[test]
    fn the_time_that_a_host_tells_is_read_and_nothing_else() {
        assert_eq!(told_time("1764326000\n{\"id\":").map(Timestamp::as_second), Some(1_764_326_000));
        for text in ["", "\n1764326000", "{\"id\":\"1\"}", "-5", "99999999999999999999", "999999999999", "12 34", "x"] {
            assert_eq!(told_time(text), None, "{text:?}");
        }
        let mut script = Script::new();
        let id = script.run(TELL_TIME);
        let told = told_time(&run(&script).get(id).unwrap().stdout_text()).unwrap();
        assert!((Timestamp::now().as_second() - told.as_second()).abs() < 60);
    }

    #[test]
    fn a_script_that_comes_too_late_does_nothing_and_says_so() {
        let (early, late) = (clock().after(Duration::from_secs(60)), 0);
        for (by, begins) in [(early, true), (late, false)] {
            let mut script = Script::new();
            script.begin_by(by);
            let id = script.run("echo ran");
            let sections = run(&script);
            assert_eq!(sections.get(id).is_some(), begins);
            assert_eq!((sections.is_complete(), sections.is_late()), (begins, !begins));
        }
    }

    #[test]
    fn a_host_without_proc_falls_back_to_ps() {
        let mut script = Script::new();
        let id = Presence::ask(&mut script, "mcp-none", Duration::ZERO, None);
        let text = script.to_shell().text.replace("/proc/", "/not-there/");
        let out = Command::new("sh").args(["-c", &text]).stdin(Stdio::null()).output().unwrap();
        let sections = script.read(&Output::whole(out.stdout, out.stderr, End::Unsaid));
        assert!(sections.get(id).unwrap().stdout_text().starts_with("ps 0 0 "), "{sections:?}");
        let presence = Presence::read(sections.get(id).unwrap()).unwrap();
        assert!(presence.visible && presence.boot.is_none() && presence.seconds > 1_700_000_000, "{presence:?}");
    }

    #[test]
    fn another_start_of_the_host_is_told_by_its_boot_id() {
        let (clock, mut presence) = (clock(), presence("mcp-none", Duration::ZERO, None));
        assert!(!presence.is_another_start(&clock), "{presence:?}");
        presence.boot = Some("other".to_owned());
        assert!(presence.is_another_start(&clock));
        presence.boot = None;
        assert!(!presence.is_another_start(&clock), "nothing is known");
    }
}
