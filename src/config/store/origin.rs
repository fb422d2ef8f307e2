//! Who runs this process, and whether a process that is written down still lives.
//!
//! Boundary: environment and `/proc`; what is made of it is the journal's.

use std::{net::IpAddr, sync::OnceLock};

use crate::{
    config::journal::{Begin, Process, RunId, RunOptions, Targets, Who},
    domain::secrets::mask_words,
};

/// Where a run comes from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Who.
    pub who: Who,
    /// This process.
    pub process: Process,
    /// The command line after the program's name, secrets masked.
    pub command: Vec<String>,
}

impl Origin {
    /// This process's.
    #[must_use]
    pub fn of_process() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let who = Who {
            user: account().to_owned(),
            actor: variable("MCP_ACTOR").and_then(|name| label(&name)),
            uid: Some(rustix::process::getuid().as_raw()),
            machine: machine(),
            sudo_user: variable("SUDO_USER").and_then(|name| label(&name)),
            // ssh(1), ENVIRONMENT: it begins with the client's address, as the older SSH_CLIENT does. Anybody may set either, so only an
            // address is taken.
            from: variable("SSH_CONNECTION")
                .or_else(|| variable("SSH_CLIENT"))
                .and_then(|text| text.split(' ').next().and_then(|address| address.parse::<IpAddr>().ok()))
                .map(|address| address.to_string()),
        };
        let pid = std::process::id();
        let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
        Self { who, process: Process { pid, started: started(pid) }, command: mask_words(words) }
    }

    /// How the journal says that a run of `verb` from here begins: in one batch, with nothing that was asked for beyond that.
    #[must_use]
    pub fn begin(self, verb: &str, parent: Option<RunId>, targets: Targets) -> Begin {
        Begin {
            verb: verb.to_owned(),
            command: self.command,
            who: self.who,
            process: self.process,
            directory: None,
            sources: vec![],
            version: env!("CARGO_PKG_VERSION").to_owned(),
            parent,
            options: RunOptions::default(),
            targets,
            batches: vec![],
            addresses: vec![],
            again: None,
        }
    }
}

/// Whether the process of a run lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It does.
    Lives,
    /// It does not.
    Ended,
    /// It ran on another machine, or there is no way to see.
    Unknown,
}

/// Whether the process that `who` ran lives.
#[must_use]
pub fn life(who: &Who, process: Process) -> Life {
    if who.machine != machine() {
        return Life::Unknown;
    }
    let pid = i32::try_from(process.pid).ok().and_then(rustix::process::Pid::from_raw);
    let Some(pid) = pid else { return Life::Ended };
    match (rustix::process::test_kill_process(pid), process.started) {
        (Err(rustix::io::Errno::SRCH), _) => Life::Ended,
        // The number may have been given to another process since.
        (_, Some(then)) => match stat(process.pid) {
            Some(stat) if stat.has_ended => Life::Ended,
            Some(stat) if stat.started == then => Life::Lives,
            Some(_) => Life::Ended,
            None => Life::Unknown,
        },
        (_, None) => Life::Unknown,
    }
}

/// Longest name of a person, in characters.
const LONGEST_NAME: usize = 64;

/// The name of the process's real user in the passwd database, else `uid1000`. Looked up once: the database may be on the network.
pub(super) fn account() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let uid = nix::unistd::getuid();
        let entry = nix::unistd::User::from_uid(uid).ok().flatten();
        entry.and_then(|user| label(&user.name)).unwrap_or_else(|| format!("uid{uid}"))
    })
}

/// `text` as the name of a person on one line; `None` when nothing is left of it.
fn label(text: &str) -> Option<String> {
    let name: String = text.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

fn machine() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// What `/proc/PID/stat` tells (proc_pid_stat(5)).
struct Stat {
    /// A zombie: it has ended, and its parent has not asked how. Field 3.
    has_ended: bool,
    /// When it started, in clock ticks since boot. Field 22.
    started: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name, in parentheses, may hold spaces and parentheses itself.
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_whitespace();
    Some(Stat { has_ended: matches!(fields.next()?, "Z" | "X"), started: fields.nth(18)?.parse().ok()? })
}

fn started(pid: u32) -> Option<u64> {
    stat(pid).map(|stat| stat.started)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn the_acting_person_is_mcp_actor_else_sudos_user_else_the_passwd_entry() {
        let who = |actor: Option<&str>, sudo: Option<&str>| Who {
            user: "root".into(),
            actor: actor.map(str::to_owned),
            sudo_user: sudo.map(str::to_owned),
            machine: "laptop".into(),
            ..Who::default()
        };
        for (actor, sudo, label) in [
            (Some("ci-bot"), Some("ana"), "ci-bot@laptop"),
            (None, Some("ana"), "ana@laptop"),
            (None, None, "root@laptop"),
        ] {
            assert_eq!(who(actor, sudo).to_string(), label);
        }
        let id = std::process::Command::new("id").args(["-un"]).output().unwrap();
        assert_eq!(account(), String::from_utf8(id.stdout).unwrap().trim());
    }

    #[test]
    fn a_persons_name_is_one_short_line() {
        assert_eq!(label(" Ana Li \n").as_deref(), Some("Ana Li"));
        assert_eq!(label("a\u{1b}[2J\nrun=1").as_deref(), Some("a[2Jrun=1"));
        assert_eq!(label(" \t"), None);
        assert_eq!(label(&"x".repeat(500)).map(|name| name.len()), Some(LONGEST_NAME));
    }

    #[test]
    fn a_process_is_told_from_one_that_got_its_number_later() {
        let me = Origin::of_process();
        assert_eq!(life(&me.who, me.process), Life::Lives);
        let later = Process { started: me.process.started.map(|ticks| ticks + 1), ..me.process };
        assert_eq!(life(&me.who, later), Life::Ended);
        assert_eq!(life(&Who { machine: "elsewhere".into(), ..me.who.clone() }, me.process), Life::Unknown);
        assert_eq!(life(&me.who, Process { pid: 0, started: None }), Life::Ended);
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert_eq!(life(&me.who, Process { pid, started: Some(1) }), Life::Ended);
    }

    #[test]
    fn a_process_that_has_ended_and_was_not_waited_for_is_over() {
        let me = Origin::of_process();
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let process = Process { pid: child.id(), started: started(child.id()) };
        assert_eq!(life(&me.who, process), Life::Lives);
        drop(child.stdin.take());
        let wait = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
        rustix::process::waitid(rustix::process::WaitId::Pid(pid), wait).unwrap();
        assert_eq!(life(&me.who, process), Life::Ended, "a zombie");
        child.wait().unwrap();
    }
}
