//! Replaces a container without losing it: shell text that keeps the old container aside until the new one has settled, and that puts
//! it back otherwise.
//!
//! The steps are stop, rename to [`previous_name`], `update --restart no`, the registered string; later, in the same script,
//! [`Replacement::judge`] and [`Replacement::finish`] remove the old container or put it back. Each step leaves a state that the next
//! run can tell and finish: the name of the old container is the only mark. The rename comes before the change of the restart policy, so
//! that a container that still has its own name never lost its policy.
//!
//! Boundary: text only; what is decided is `operations::change::replace`'s. Containers are named by their ids wherever they are known.

use super::{command, shell::quote};

/// The end of the name of a container that is kept aside.
const SUFFIX: &str = ".mcp-previous";

/// The end of the name of a kept container that is about to take the other one's place, for as long as both need a name.
const ROLLBACK_SUFFIX: &str = ".mcp-rollback";

/// The name under which the container called `name` is kept while it is being replaced.
#[must_use]
pub fn previous_name(name: &str) -> String {
    format!("{name}{SUFFIX}")
}

/// The name that the kept container of `name` has while it takes the other one's place.
#[must_use]
pub fn rollback_name(name: &str) -> String {
    format!("{name}{ROLLBACK_SUFFIX}")
}

/// Whether `name` is one that only `mcp` gives.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    name.ends_with(SUFFIX) || name.ends_with(ROLLBACK_SUFFIX)
}

/// The line by which a command tells that the old container was set aside.
pub const ASIDE: &str = "mcp: aside";

/// What [`Replacement::finish`] prints when it has put the old container back.
pub const BACK: &str = "mcp: back";

/// A container that an earlier replacement has kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum KeptContainer {
    /// There is none.
    #[default]
    None,
    /// The one with this id, which goes once the new one stands.
    Superseded(String),
    /// The one with this id, which is the new one: a rollback.
    Restored(String),
}

impl KeptContainer {
    fn id(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Superseded(id) | Self::Restored(id) => Some(id),
        }
    }
}

/// What [`Replacement::finish`] prints when it has removed the old container.
pub const GONE: &str = "mcp: gone";

/// How one container is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The container's name.
    pub name: String,
    /// The id of the container that is kept aside.
    pub old: String,
    /// The restart policy that it gets back; `None` leaves it as it is.
    pub policy: Option<String>,
    /// It runs (or is paused, or waits to be restarted), so it has to be stopped.
    pub runs: bool,
    /// It is to be started when it is put back.
    pub starts: bool,
    /// An earlier replacement has set it aside already.
    pub is_aside: bool,
    /// The id of what goes first: what an interrupted replacement has left in its place.
    pub remains: Option<String>,
    /// What an earlier replacement has kept.
    pub kept: KeptContainer,
    /// The old one is kept after the new one has settled.
    pub is_kept: bool,
}

/// Defines `mcp_back OLD NAME POLICY START NEW KEPT`: removes the container NEW, gives OLD its name and policy back, starts it if START
/// is 1, and calls KEPT the previous one again. Where NEW is KEPT, it is stopped and not removed. It may be repeated, and fails when OLD
/// has not got its name or does not start. `docker` are the host's words for docker.
#[must_use]
pub fn functions(docker: &str) -> String {
    let exists = command::exists("x").to_shell_with(docker);
    let exists = exists.strip_suffix('x').unwrap_or(&exists);
    format!(
        "mcp_back() {{\n\
         if [ -n \"$5\" ] && [ \"$5\" = \"$6\" ]; then {{ {docker} update --restart no \"$5\"; {docker} stop \"$5\"; {docker} rename \"$5\" \"$2{ROLLBACK_SUFFIX}\"; }} >/dev/null 2>&1\n\
         elif [ -n \"$5\" ] && [ \"$5\" != \"$1\" ]; then {docker} rm -f -v \"$5\" >/dev/null 2>&1; fi\n\
         if [ -n \"$3\" ]; then {docker} update --restart \"$3\" \"$1\" >/dev/null 2>&1; fi\n\
         mcp_try=0\n\
         until [ \"$({exists}\"$2\" 2>/dev/null)\" = \"$1\" ] || mcp_err=$({docker} rename \"$1\" \"$2\" 2>&1); do\n\
         mcp_try=$((mcp_try+1)); if [ $mcp_try -ge 4 ]; then break; fi; sleep 0.5 2>/dev/null || sleep 1; done\n\
         mcp_ok=0; if [ $mcp_try -ge 4 ]; then mcp_ok=1; printf '%s\\n' \"$mcp_err\" >&2; fi\n\
         if [ -n \"$6\" ]; then {docker} rename \"$6\" \"$2{SUFFIX}\" >/dev/null 2>&1; fi\n\
         if [ \"$4\" = 1 ]; then\n\
         mcp_try=0\n\
         until mcp_err=$({docker} start \"$1\" 2>&1); do\n\
         mcp_try=$((mcp_try+1)); if [ $mcp_try -ge 4 ]; then mcp_ok=1; printf '%s\\n' \"$mcp_err\" >&2; break; fi; sleep 0.5 2>/dev/null || sleep 1; done\n\
         fi\n\
         [ $mcp_ok = 0 ]\n\
         }}"
    )
}

/// A pattern of `case` for an answer that has `before` and, behind it, the container `name`: docker puts a slash before a name, podman
/// does not. With its opening parenthesis: some shells take the closing one for the end of `$(`.
fn named(before: &str, name: &str) -> String {
    format!("(*'{before}\"name\":\"/{name}\"'*|*'{before}\"name\":\"{name}\"'*")
}

impl Replacement {
    /// Puts the old container back after what has the id in the shell variable `new` (or nothing) is removed.
    fn back(&self, new: &str) -> String {
        let Self { name, old, policy, starts, kept, .. } = self;
        let (policy, kept) = (quote(policy.as_deref().unwrap_or_default()), quote(kept.id().unwrap_or_default()));
        format!("mcp_back {} {} {policy} {} \"{new}\" {kept}", quote(old), quote(name), u8::from(*starts))
    }

    /// Sets the old container aside, which `stop` stops, and runs `run`, the registered string; `docker` are the host's words for docker.
    /// When that fails the old container is put back at once. Ends as `run` does.
    #[must_use]
    pub fn begin(&self, docker: &str, stop: &str, run: &str) -> String {
        let say = |command: command::DockerCommand| command.to_shell_with(docker);
        let (old, previous) = (quote(&self.old), previous_name(&self.name));
        let remains = self.remains.as_deref().map(|id| {
            let (stop, remove) = (say(command::stop(id)), say(command::force_remove(id)));
            format!("{{ {stop}; {remove}; }} >/dev/null 2>&1\n")
        });
        // What was created but could not be started; docker prints its id first. Where that is not printed, only a container that
        // never ran can be its remains.
        let new = format!(
            "mcp_new=${{mcp_out##*'\n'}}\n\
             [ -n \"$mcp_new\" ] && [ \"$({} 2>/dev/null)\" = \"$mcp_new\" ] || mcp_new=$({} 2>/dev/null)",
            say(command::exists(&self.name)),
            say(command::id_if_created(&self.name))
        );
        // It is there for as long as the new one may fail.
        let rename_kept = |to: &str| match &self.kept {
            KeptContainer::Superseded(id) => format!("{} >/dev/null 2>&1\n", say(command::rename(id, to))),
            KeptContainer::None | KeptContainer::Restored(_) => String::new(),
        };
        let run = format!(
            "echo '{ASIDE}'\n\
             mcp_out=$( {run}\n)\n\
             mcp_end=$?; printf '%s\\n' \"$mcp_out\"\n\
             if [ $mcp_end != 0 ]; then {new}\n{} && echo '{BACK}'; fi",
            self.back("$mcp_new")
        );
        let update = format!("{} >/dev/null 2>&1", say(command::update_restart(&self.old, "no")));
        let again = if self.runs { format!("{docker} start {old} >/dev/null 2>&1\n") } else { String::new() };
        let stops = if self.runs { format!("{{ {stop}\n}} >/dev/null") } else { "true".to_owned() };
        let aside = if self.is_aside {
            // Nothing but its policy may have brought it up again.
            format!("{{ {update}; {stops}; }}")
        } else {
            let rename = format!("{} >/dev/null", say(command::rename(&self.old, &previous)));
            format!("{stops} && {rename} && {{ {update}; true; }}")
        };
        format!(
            "{}{}if {aside}; then {run}\nelse mcp_end=$?\n{again}{}fi; ( exit $mcp_end )",
            remains.unwrap_or_default(),
            rename_kept(&rollback_name(&self.name)),
            rename_kept(&previous)
        )
    }

    /// As [`Replacement::begin`], with `kept`, a container that was set aside and kept, in place of a new one. It gives up its name only
    /// when the other one has stopped; if everything ends there, [`rollback_name`] tells the next run what was meant.
    #[must_use]
    pub fn swap(&self, docker: &str, stop: &str, kept: &Self) -> String {
        let (previous, between) = (previous_name(&self.name), rollback_name(&self.name));
        let say = |command: command::DockerCommand| command.to_shell_with(docker);
        let rename = |name: &str| format!("{} >/dev/null", say(command::rename(&kept.old, name)));
        let policy = kept
            .policy
            .as_deref()
            .map(|policy| format!("{} >/dev/null 2>&1; ", say(command::update_restart(&kept.old, policy))));
        let run = format!(
            "{} && {{ {}{} >/dev/null && echo {}; }} || {{ mcp_end=$?; {} 2>&1; ( exit $mcp_end ); }}",
            rename(&self.name),
            policy.unwrap_or_default(),
            say(command::start(&kept.old)),
            quote(&kept.old),
            rename(&between)
        );
        let leave = rename(&between);
        let (first, stop) =
            if self.runs { (String::new(), format!("{stop} && {leave}")) } else { (leave + " && ", stop.to_owned()) };
        let begin = self.begin(docker, &stop, &run);
        format!("{first}{{ {begin}\n}} || {{ mcp_end=$?; {} 2>&1; ( exit $mcp_end ); }}", rename(&previous))
    }

    /// Sets `$VARIABLE` to `keep`, `back` or nothing: what has to be done with the old container, by `$look`, an answer to
    /// [`command::inspect`] about both names, and `$bad`, those in it that have not settled (see [`super::not_up::not_settled`]).
    #[must_use]
    pub fn judge(&self, variable: &str, look: &str, bad: &str) -> String {
        let Self { name, old, .. } = self;
        let previous = previous_name(name);
        format!(
            "{variable}=''\n\
             case ${look} in {aside}) {variable}=back\n\
             case ${look} in {new}) {variable}=keep;; esac\n\
             case ${bad} in {new}) {variable}=back;; esac;;\n\
             esac",
            aside = named(&format!("{{\"id\":\"{old}\","), &previous),
            new = named("", name)
        )
    }

    /// Does what [`Replacement::judge`] has found, with the same `variable` and `look`. The new container goes by the id that was seen.
    #[must_use]
    pub fn finish(&self, docker: &str, variable: &str, look: &str) -> String {
        let name = &self.name;
        let say = |command: command::DockerCommand| format!("{} >/dev/null", command.to_shell_with(docker));
        let superseded = match &self.kept {
            KeptContainer::Superseded(id) => format!("{} 2>&1; ", say(command::force_remove(id))),
            KeptContainer::None | KeptContainer::Restored(_) => String::new(),
        };
        let keep = match (self.is_kept, self.is_aside && self.runs) {
            (false, _) => format!("{} && echo '{GONE}'", say(command::force_remove(&self.old))),
            (true, false) => "true".to_owned(),
            // What was to stop it was ended, or its restart policy has brought it up again.
            (true, true) => {
                format!("{} 2>&1; {}", say(command::update_restart(&self.old, "no")), say(command::stop(&self.old)))
            }
        };
        format!(
            "case ${variable} in\n\
             (keep) {superseded}{keep};;\n\
             (back) mcp_new=''\n\
             case ${look} in {new}) mcp_new=${{{look}%%'\",\"name\":\"/{name}\"'*}}; mcp_new=${{mcp_new%%'\",\"name\":\"{name}\"'*}}; mcp_new=${{mcp_new##*'{{\"id\":\"'}};; esac\n\
             {} && echo '{BACK}';;\n\
             esac",
            self.back("$mcp_new"),
            new = named("", name)
        )
    }

    /// Puts the old container back without a look: `new`, an id, goes.
    #[must_use]
    pub fn put_back(&self, docker: &str, new: Option<&str>) -> String {
        let stop = match (self.runs, self.starts) {
            (true, false) => format!("{} >/dev/null 2>&1; ", command::stop(&self.old).to_shell_with(docker)),
            _ => String::new(),
        };
        format!("{stop}{} && echo '{BACK}'", self.back(new.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests;
