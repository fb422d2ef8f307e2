//! Leases: who acts on which container of a host, kept on the host so that two operators do not act on one at the same time.
//!
//! A script takes its leases as it begins and drops them as it ends, in the same exec as what it does, so they cost no round trip. A
//! lease is a file `CONTAINER@WORD` in [`DIRECTORY`], where `WORD` is the script's own; it is written whole or not at all (`set -C`,
//! which is `O_EXCL`) while the directory's lock is held (flock(1), or a directory where there is none). It counts until its time on
//! the host's clock is over, as long as the host was not started anew and one of the script's processes lives, which are known by its word.
//! So a script that was killed stands in nobody's way, and one that hangs does so no longer than its time. Before each command a script looks whether it still
//! holds the container's lease: it may have been released from outside.
//!
//! The directory is open to all accounts of a host, with the sticky bit, because operators may log in as different ones; leases keep
//! honest operators apart and are no protection against an account that may use docker. One that may not can make runs wait or refuse to act by
//! what it writes there, and nothing else: nothing is written through a link, and little is read.
//!
//! Boundary: shell text out, sections in, no IO. Next: `script` frames the text, `presence` has the clock,
//! `operations::act` and `operations::locks` use it.

use std::{collections::BTreeMap, time::Duration};

use super::{
    presence::{BOOT, CLOCK},
    script::{Script, Section, SectionId},
};
use crate::docker::shell::quote;

/// Where a host's leases are. Every POSIX system has `/tmp` (hier(7)), and all accounts can write there.
pub const DIRECTORY: &str = "/tmp/.mcp-leases";

/// The longest time that a lease is believed to have left, in seconds: nobody blocks a container for ever by a wrong file.
const LONGEST: u64 = 86_400;

/// Most bytes of a lease, and most files that are read: whoever can write there can write much.
const LARGEST: usize = 1024;
const MOST: usize = 500;

/// Most characters of a word in a lease.
const LONGEST_WORD: usize = 80;

/// Who takes leases, and what for.
#[derive(Debug, Clone, Copy)]
pub struct Holder<'a> {
    /// `user@machine`.
    pub owner: &'a str,
    /// The verb.
    pub purpose: &'a str,
    /// The run's id in its journal, where it is in one.
    pub run: Option<&'a str>,
}

/// A lease that somebody holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The container's name.
    pub container: String,
    /// `user@machine` of the operator, as it was said there.
    pub owner: String,
    /// The verb.
    pub purpose: String,
    /// The run's id in the operator's journal.
    pub run: Option<String>,
    /// How long it has been held, on the host's clock.
    pub age: Duration,
    /// When it ends at the latest, from when it was asked for.
    pub left: Duration,
}

/// What came of taking leases.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Taken {
    /// The leases of others, by the container's name.
    pub held: BTreeMap<String, Lease>,
    /// Why none could be taken at all.
    pub trouble: Option<String>,
}

/// Adds the taking of the leases on `names`, each for `allowed` from when the host takes it. Commands that are to run only with their
/// container's lease go through [`guarded`]. Whatever was taken is dropped when the script ends.
pub fn take(script: &mut Script, names: &[&str], holder: &Holder<'_>, allowed: Duration) -> SectionId {
    let names: Vec<String> = names.iter().map(|name| quote(name)).collect();
    let said = [holder.owner, holder.purpose, holder.run.unwrap_or_default()].map(word).join(" ");
    let allowed = allowed.as_secs().clamp(1, LONGEST);
    script.plain(&format!(
        "{}\n{LOCK}\n\
         mcp_take() {{\n\
         {CLOCK}\n\
         mcp_until=$((mcp_t + {allowed}))\n\
         for mcp_n in {names}; do\n\
         mcp_y=\n\
         for mcp_f in \"$mcp_d/$mcp_n@\"*; do\n\
         mcp_lives \"$mcp_f\"\n\
         case $? in\n\
         0) mcp_y=1; mcp_held=\"$mcp_held$mcp_n $mcp_a $((mcp_e - mcp_t)) $mcp_o $mcp_w $mcp_i\n\
         \"; break;;\n\
         1) rm -f \"$mcp_f\" 2>/dev/null;;\n\
         esac\n\
         done\n\
         if [ -n \"$mcp_y\" ]; then continue; fi\n\
         [ -z \"$mcp_no\" ] || return\n\
         mcp_f=\"$mcp_d/$mcp_n@$mcp_m\"\n\
         set -C\n\
         if {{ printf '%s\\n' \"1 $mcp_until $mcp_t $$ $mcp_b {said} $mcp_h\" >\"$mcp_f\"; }} 2>/dev/null; then mcp_mine=\"$mcp_mine $mcp_f\"\n\
         else mcp_no=\"$mcp_d cannot be written\"; rm -f \"$mcp_f\"; fi\n\
         set +C\n\
         done\n\
         }}\n\
         mcp_may() {{\n\
         [ -z \"$mcp_no\" ] || return 1\n\
         case $mcp_mine in *\"/$1@$mcp_m\"*) ;; *) return 1;; esac\n\
         {CLOCK}\n\
         if [ \"$mcp_t\" -le \"$mcp_until\" ] && [ -e \"$mcp_d/$1@$mcp_m\" ]; then return 0; fi\n\
         echo '{ENDED}' >&2; return 1\n\
         }}\n\
         mcp_held='' mcp_mine=''\n\
         trap '[ -z \"$mcp_mine\" ] || rm -f $mcp_mine' EXIT\n\
         mcp_locked mcp_take",
        *PRELUDE,
        names = names.join(" "),
    ));
    script.run("printf '%s' \"$mcp_held\"; [ -z \"$mcp_no\" ] || printf '! %s\\n' \"$mcp_no\"")
}

/// `code`, to be run only while the lease on the container `name` is held; else it ends with [`REFUSED`] and does nothing.
#[must_use]
pub fn guarded(name: &str, code: &str) -> String {
    format!("if mcp_may {}; then {code}\nelse (exit {REFUSED}); fi", quote(name))
}

/// How [`guarded`] code ends without the lease: `EX_TEMPFAIL` of sysexits.h(3head).
pub const REFUSED: i32 = 75;

/// What [`guarded`] code says when the lease ended before its turn came.
pub const ENDED: &str = "mcp: its lease ended before its turn came";

/// Reads what came of [`take`].
#[must_use]
pub fn taken(section: &Section) -> Taken {
    let text = section.stdout_text();
    let held = leases(&text).map(|lease| (lease.container.clone(), lease)).collect();
    let trouble = text.lines().find_map(|line| line.strip_prefix("! ")).map(str::to_owned);
    Taken { held, trouble: trouble.or_else(|| (section.exit.is_none()).then(|| "the host did not say".to_owned())) }
}

/// Adds the question which leases there are.
pub fn list(script: &mut Script) -> SectionId {
    list_of(script, "\"$mcp_d\"/*@*")
}

/// Adds the question which leases there are on the containers `names`.
pub fn list_on(script: &mut Script, names: &[&str]) -> SectionId {
    let files: Vec<String> = names.iter().map(|name| format!("\"$mcp_d\"/{}@*", quote(name))).collect();
    list_of(script, &files.join(" "))
}

fn list_of(script: &mut Script, files: &str) -> SectionId {
    script.run(&format!(
        "{}\n\
         for mcp_f in {files}; do\n\
         if mcp_lives \"$mcp_f\"; then mcp_n=${{mcp_f##*/}}; \
         printf '%s\\n' \"${{mcp_n%@*}} $mcp_a $((mcp_e - mcp_t)) $mcp_o $mcp_w $mcp_i\"; fi\n\
         done",
        *PRELUDE
    ))
}

/// Reads the answer to [`list`], by container.
#[must_use]
pub fn listed(section: &Section) -> Vec<Lease> {
    let mut found: Vec<Lease> = leases(&section.stdout_text()).collect();
    found.sort_by(|a, b| a.container.cmp(&b.container));
    found
}

/// Adds the release of all leases on the containers `names`, whoever holds them.
pub fn release(script: &mut Script, names: &[&str]) -> SectionId {
    let names: Vec<String> = names.iter().map(|name| quote(name)).collect();
    script.run(&format!(
        "{}\n\
         for mcp_n in {}; do for mcp_f in \"$mcp_d/$mcp_n@\"*; do\n\
         mcp_lives \"$mcp_f\"\n\
         case $? in 0|1) rm -f \"$mcp_f\" 2>/dev/null\n\
         if [ -e \"$mcp_f\" ]; then printf 'kept %s %s\\n' \"$mcp_n\" \"$(ls -ld \"$mcp_f\" | awk '{{print $3}}')\"; \
         else printf 'gone %s\\n' \"$mcp_n\"; fi;;\n\
         esac\n\
         done; done",
        *PRELUDE,
        names.join(" ")
    ))
}

/// Reads the answer to [`release`]: which are gone, and which could not be removed, with the account that they belong to.
#[must_use]
pub fn released(section: &Section) -> (Vec<String>, Vec<(String, String)>) {
    let (mut gone, mut kept) = (vec![], vec![]);
    for line in section.stdout_text().lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["gone", name] => gone.push(name.to_owned()),
            ["kept", name, account] => kept.push((name.to_owned(), account.to_owned())),
            _ => {}
        }
    }
    (gone, kept)
}

/// Sets the clock, the start of the host and what this host calls its engine, and defines `mcp_lives FILE`: 0 for a lease that counts, 1 for
/// one that is over, 2 for none, or one of another engine (hosts may share their `/tmp`). It leaves what it read in `mcp_e`, `mcp_s`,
/// `mcp_o`, `mcp_w` and `mcp_i`, and the age in `mcp_a`.
static PRELUDE: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
    format!(
        "mcp_d={DIRECTORY} mcp_z=0 mcp_no=''\n\
         {CLOCK}\n{BOOT}\n\
         {{ read -r mcp_h </proc/sys/kernel/hostname; }} 2>/dev/null || mcp_h=$(uname -n)\n\
         mcp_h=\"$mcp_h|$DOCKER_HOST\"\n\
         mcp_lives() {{\n\
         [ -f \"$1\" ] && [ ! -L \"$1\" ] || return 2\n\
         mcp_z=$((mcp_z + 1))\n\
         if [ $mcp_z -gt {MOST} ]; then mcp_no=\"there are more than {MOST} files in $mcp_d\"; return 2; fi\n\
         mcp_q=${{1##*@}}; set -f; set -- $(head -c {LARGEST} \"$1\" 2>/dev/null); set +f\n\
         [ $# -ge 9 ] || return 2\n\
         mcp_v=$1 mcp_e=$2 mcp_s=$3 mcp_p=$4 mcp_k=$5 mcp_o=$6 mcp_w=$7 mcp_i=$8; shift 8; mcp_x=$*\n\
         if [ \"$mcp_v\" != 1 ] || [ \"$mcp_x\" != \"$mcp_h\" ]; then return 2; fi\n\
         case $mcp_e in ''|*[!0-9]*|0?*) return 1;; esac\n\
         case $mcp_s in ''|*[!0-9]*|0?*) return 1;; esac\n\
         case $mcp_p in ''|*[!0-9]*) return 1;; esac\n\
         {{ [ \"$mcp_k\" = \"$mcp_b\" ] && [ \"$mcp_e\" -ge \"$mcp_t\" ] && [ \"$mcp_e\" -le $((mcp_t + {LONGEST})) ]; }} 2>/dev/null || return 1\n\
         mcp_a=0; [ \"$mcp_s\" -ge \"$mcp_t\" ] 2>/dev/null || mcp_a=$((mcp_t - mcp_s))\n\
         [ -d /proc/1 ] || return 0\n\
         if {{ read -r mcp_g <\"/proc/$mcp_p/stat\"; }} 2>/dev/null; then case ${{mcp_g##*)}} in ' Z'*|' X'*) ;; *) return 0;; esac; fi\n\
         if grep -qs -e \"[m]${{mcp_q#m}}\" /proc/[0-9]*/cmdline; then return 0; fi\n\
         return 1\n\
         }}"
    )
});

/// Defines `mcp_locked COMMAND`, which runs it while no other script is in here, and leaves in `mcp_no` why that could not be. Ten seconds are
/// far more than anybody takes; a directory that is older was left by a script that was killed.
const LOCK: &str = "\
mcp_locked() {\n\
mcp_c=0 mcp_u=$(umask)\n\
if [ -L \"$mcp_d\" ]; then mcp_no=\"$mcp_d is a symbolic link\"; return; fi\n\
[ -d \"$mcp_d\" ] || mkdir -m 1777 \"$mcp_d\" 2>/dev/null\n\
if [ ! -d \"$mcp_d\" ] || [ ! -k \"$mcp_d\" ]; then mcp_no=\"$mcp_d is not a directory with mode 1777, as it was made; remove it\"; return; fi\n\
umask 022\n\
if command -v flock >/dev/null 2>&1; then\n\
set -C\n\
[ -e \"$mcp_d/lock\" ] || { true >\"$mcp_d/lock\"; } 2>/dev/null\n\
set +C\n\
if [ -f \"$mcp_d/lock\" ] && [ ! -L \"$mcp_d/lock\" ] && [ -r \"$mcp_d/lock\" ]; then {\n\
until flock -n 9; do mcp_c=$((mcp_c+1)); [ $mcp_c -lt 100 ] || break; sleep 0.1 2>/dev/null || sleep 1; done\n\
if [ $mcp_c -lt 100 ]; then \"$1\"; else mcp_no=\"another process holds $mcp_d/lock\"; fi\n\
} 9<\"$mcp_d/lock\"; else mcp_no=\"$mcp_d/lock cannot be made, or is no file\"; fi\n\
else\n\
until mkdir \"$mcp_d/busy\" 2>/dev/null; do mcp_c=$((mcp_c+1)); [ $mcp_c -lt 100 ] || break; sleep 0.1 2>/dev/null || sleep 1; done\n\
if [ -d \"$mcp_d/busy\" ]; then \"$1\"; rmdir \"$mcp_d/busy\" 2>/dev/null; else mcp_no=\"$mcp_d cannot be written\"; fi\n\
fi\n\
umask \"$mcp_u\"\n\
}";

/// `text` as one word of a lease, with nothing in it that a shell, a terminal or the format would take for something else.
fn word(text: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || "@._+:-".contains(c) { c } else { '_' };
    let word: String = text.chars().take(LONGEST_WORD).map(kept).collect();
    if word.is_empty() { "-".to_owned() } else { word }
}

fn leases(text: &str) -> impl Iterator<Item = Lease> {
    text.lines().filter_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let [container, age, left, owner, purpose, run] = words[..] else { return None };
        let seconds = |text: &str| text.parse().ok().map(Duration::from_secs);
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        // What others have written there is theirs to choose, but not what it can look like here.
        Some(Lease {
            container: Some(container).filter(|name| name.chars().all(is_name))?.to_owned(),
            owner: word(owner),
            purpose: word(purpose),
            run: Some(word(run)).filter(|run| run != "-"),
            age: seconds(age)?,
            left: seconds(left)?,
        })
    })
}

#[cfg(test)]
mod tests;
