//! Values for shell completion: servers, instances, hosts, groups, tags and runs of the workspace that the words name.
//!
//! Boundary: reads the workspace's files and prints candidates; asks no host, runs no inventory executable and never prints an
//! error, which would stand in the middle of a command line.

use std::{ffi::OsStr, path::PathBuf};

use clap_complete::{
    CompleteEnv,
    engine::{ArgValueCompleter, CompletionCandidate},
};

use crate::{
    config::{
        edit,
        inventory::Inventory,
        registry::Registry,
        store::{Environment, HOSTS, SERVERS, Workspace},
    },
    operations::resume,
};

/// The variable by which a completion script asks; its value is the shell's name.
pub const VARIABLE: &str = "MCP_COMPLETE";

/// Most runs that are offered.
const MOST_RUNS: usize = 50;

/// Answers a completion script, if one asks.
#[must_use]
pub fn answered() -> bool {
    if std::env::var_os(VARIABLE).is_none() {
        return false;
    }
    let asked = CompleteEnv::with_factory(command).var(VARIABLE).bin("mcp").completer("mcp");
    // Words that cannot be completed have no candidates; that is all a shell can show.
    let _ = asked.try_complete(std::env::args_os(), std::env::current_dir().ok().as_deref());
    true
}

/// The command line with a completer at each value that the workspace knows.
fn command() -> clap::Command {
    dress(crate::cli::command(), "")
}

fn dress(command: clap::Command, above: &str) -> clap::Command {
    let path = format!("{above} {}", command.get_name());
    let path = path.trim().to_owned();
    let below = path.clone();
    command
        .mut_args(move |argument| match completer(&path, &argument) {
            Some(completer) => argument.add(completer),
            None => argument,
        })
        .mut_subcommands(move |verb| dress(verb, &below))
}

/// What completes the values of `argument` of the command `path`, by the name that help gives them.
fn completer(path: &str, argument: &clap::Arg) -> Option<ArgValueCompleter> {
    let name = argument.get_value_names()?.first()?.as_str();
    let find: fn(&Known, &str) -> Vec<String> = match (path, name) {
        // New names.
        ("mcp add" | "mcp hosts add", "NAME") => return None,
        ("mcp hosts remove", "NAME") => |known, _| known.host_entries(),
        ("mcp edit" | "mcp remove", "NAME") => |known, _| known.servers(),
        (_, "NAME") => Known::instances,
        (_, "PATTERN") => Known::pattern,
        (_, "HOST") => |known, _| known.hosts(),
        (_, "TAG") => |known, _| known.tags(),
        (_, "GROUP") => |known, _| known.groups(),
        (_, "RUN") => |known, _| known.runs(),
        _ => return None,
    };
    Some(ArgValueCompleter::new(move |current: &OsStr| {
        let current = current.to_string_lossy();
        let known = Known::of_words(std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()));
        let found = known.map(|known| find(&known, &current)).unwrap_or_default();
        let fits = found.into_iter().filter(|text| text.starts_with(&*current));
        fits.map(CompletionCandidate::new).collect::<Vec<_>>()
    }))
}

/// What the workspace knows.
struct Known {
    workspace: Workspace,
    inventory: Option<Inventory>,
    registry: Option<Registry>,
}

impl Known {
    /// The workspace that the words of an unfinished command line are about.
    fn of_words(words: impl Iterator<Item = String>) -> Option<Self> {
        let (dir, elsewhere) = named(words);
        let environment = Environment::of_process().ok()?;
        let home = environment.home.clone();
        // The shell has not expanded it yet.
        let dir = dir.map(|dir| match (dir.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(dir),
        });
        let workspace = Workspace::locate(dir.as_deref(), &environment).ok()?;
        // Another source may be an executable that takes its time.
        let own = !elsewhere && environment.mcp_inventory.is_none();
        let inventory = workspace.inventory().ok().filter(|_| own);
        let text = workspace.registry_text().ok().filter(|text| !text.is_empty());
        let registry = text
            .zip(inventory.as_ref())
            .and_then(|(text, inventory)| Registry::parse(&text, SERVERS, inventory, &|_| vec![]).ok());
        Some(Self { workspace, inventory, registry })
    }

    fn hosts(&self) -> Vec<String> {
        self.inventory.iter().flat_map(|inventory| inventory.hosts().iter().map(|host| host.name.to_string())).collect()
    }

    fn groups(&self) -> Vec<String> {
        self.inventory
            .iter()
            .flat_map(|inventory| inventory.groups().iter().map(|group| group.name.to_string()))
            .collect()
    }

    fn host_entries(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.workspace.dir().join(HOSTS)).unwrap_or_default();
        edit::host_entries(&text).unwrap_or_default()
    }

    /// Names of servers, also of those in a file that is not valid: it is being mended.
    fn servers(&self) -> Vec<String> {
        match &self.registry {
            Some(registry) => registry.servers().iter().map(|server| server.name.to_string()).collect(),
            None => self
                .workspace
                .registry_text()
                .ok()
                .and_then(|text| edit::server_entries(&text).ok())
                .unwrap_or_default(),
        }
    }

    /// Servers, and behind an `@` their instances.
    fn instances(&self, current: &str) -> Vec<String> {
        match (&self.registry, &self.inventory) {
            (Some(registry), Some(inventory)) if current.contains('@') => {
                registry.instances(inventory).iter().map(ToString::to_string).collect()
            }
            _ => self.servers(),
        }
    }

    fn tags(&self) -> Vec<String> {
        let servers = self.registry.iter().flat_map(|registry| registry.servers());
        let mut tags: Vec<String> = servers.flat_map(|server| server.tags.clone()).collect();
        tags.sort();
        tags.dedup();
        tags
    }

    /// The last term of a host pattern, behind what stands before it.
    fn pattern(&self, current: &str) -> Vec<String> {
        let (before, term) = current.rfind(',').map_or(("", current), |comma| current.split_at(comma + 1));
        let sign = if term.starts_with(['!', '&']) { &term[..1] } else { "" };
        let groups = self.groups().into_iter().map(|group| format!("@{group}"));
        let names = ["all".to_owned()].into_iter().filter(|_| before.is_empty()).chain(self.hosts()).chain(groups);
        names.map(|name| format!("{before}{sign}{name}")).collect()
    }

    /// The newest runs first.
    fn runs(&self) -> Vec<String> {
        let Ok(runs) = resume::read(&self.workspace) else { return vec![] };
        runs.runs.iter().rev().take(MOST_RUNS).map(|run| run.id.to_string()).collect()
    }
}

/// The directory that `-C` names in `words`, and whether the hosts come from somewhere else.
fn named(mut words: impl Iterator<Item = String>) -> (Option<String>, bool) {
    let (mut dir, mut elsewhere) = (None, false);
    while let Some(word) = words.next() {
        match word.as_str() {
            "-C" | "--dir" => dir = words.next(),
            "-i" | "--inventory" => elsewhere = true,
            _ => {
                let attached = word.strip_prefix("--dir=").or_else(|| word.strip_prefix("-C"));
                dir = attached.map(str::to_owned).or(dir);
                elsewhere |= word.starts_with("--inventory=");
            }
        }
    }
    (dir, elsewhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_found_in_an_unfinished_command_line() {
        for (words, dir, elsewhere) in [
            ("-- mcp -C /a start fi", Some("/a"), false),
            ("-- mcp --dir=/a list", Some("/a"), false),
            ("-- mcp start -C/a x", Some("/a"), false),
            ("-- mcp start -C", None, false),
            ("-- mcp -i hosts.ini start x", None, true),
        ] {
            let found = named(words.split(' ').map(str::to_owned));
            assert_eq!((found.0.as_deref(), found.1), (dir, elsewhere), "{words}");
        }
    }
}
