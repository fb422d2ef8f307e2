//! Inventories named for one run (`--inventory`, `$MCP_INVENTORY`): files, directories, executables and lists of hosts.
//!
//! Boundary: finds out what each source is and reads it, once per run; what the texts say is `ansible`'s and `inventory`'s.
//! Next: `source/run.rs` runs executables, `source/vars.rs` finds `group_vars` and `host_vars`.

mod run;
#[cfg(test)]
mod tests;
mod vars;

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use super::{
    ansible::{self, Conversion, Data, convert, json::HostVars},
    error::{ConfigError, ConfigErrors},
    inventory::{Context, Inventory},
    registry::{Registry, placed},
    store::{SERVERS, STATE, text},
    yaml::{self, Value},
};
use crate::domain::plural;

/// How long an inventory's executable may take when nothing else is said.
pub const EXECUTABLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Endings of files that a directory of inventories may hold besides (Ansible's `INVENTORY_IGNORE_EXTS`).
const IGNORED: [&str; 12] =
    [".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry"];
/// Deepest nesting of directories.
const DEEPEST: usize = 16;

/// The inventories of this run, in the order in which they are merged.
#[derive(Debug)]
pub struct Sources {
    names: Vec<String>,
    /// Where relative names start.
    cwd: PathBuf,
    timeout: Duration,
    read: OnceLock<Result<Sourced, ConfigErrors>>,
}

/// What the sources hold.
#[derive(Debug, Clone)]
pub struct Sourced {
    /// Their hosts.
    pub inventory: Inventory,
    /// What is odd about them but does no harm.
    pub warnings: Vec<String>,
}

impl Sources {
    /// The sources called `names`, as they were typed in `cwd`; each executable gets `timeout`.
    #[must_use]
    pub fn new(names: Vec<String>, cwd: PathBuf, timeout: Duration) -> Self {
        Self { names, cwd, timeout, read: OnceLock::new() }
    }

    /// Their names as they mean the same from any directory.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let absolute = |name: &String| {
            let path = self.cwd.join(name);
            if path.exists() { path.to_string_lossy().into_owned() } else { name.clone() }
        };
        self.names.iter().map(absolute).collect()
    }

    /// What they are called, for people.
    #[must_use]
    pub fn label(&self) -> String {
        self.names.join(", ")
    }

    /// Reads all of them; the first call does, later ones get the same answer.
    ///
    /// # Errors
    /// A source that is not there or is broken, with file and line where there is one.
    pub fn load(&self, context: &Context) -> Result<Sourced, ConfigErrors> {
        self.read.get_or_init(|| self.read(context)).clone()
    }

    /// Everything the sources say, unresolved, and what they are called together.
    fn gather<'a>(&'a self, context: &'a Context) -> Result<(Reader<'a>, String), ConfigErrors> {
        let mut reader = Reader {
            context,
            timeout: self.timeout,
            cwd: &self.cwd,
            data: Data::new(),
            ansible_from: None,
            native: Vec::new(),
        };
        let mut beside = Vec::new();
        for name in &self.names {
            if name.trim().is_empty() {
                return Err(ConfigError::file("--inventory", "the name of a source is empty").into());
            }
            let path = self.path(name, context);
            if path.is_dir() {
                beside.push(path.clone());
                reader.directory(&path, name.trim_end_matches('/'), 0)?;
            } else if path.symlink_metadata().is_ok() {
                beside.extend(path.parent().map(Path::to_owned));
                reader.file(&path, name)?;
            } else if name.contains(',') {
                reader.ansible_begins();
                ansible::host_list(&mut reader.data, name)?;
            } else {
                let message =
                    "there is no such file or directory; a list of hosts has a comma, also after a single one";
                return Err(ConfigError::file(name, message).into());
            }
        }
        if reader.ansible_from.is_some() {
            vars::read(&mut reader.data, &beside, &self.cwd)?;
        }
        let shown = if self.names.len() > 1 { format!("{} inventories", self.names.len()) } else { self.label() };
        Ok((reader, shown))
    }

    fn read(&self, context: &Context) -> Result<Sourced, ConfigErrors> {
        let (mut reader, shown) = self.gather(context)?;
        let mut warnings = Vec::new();
        let mut parts = std::mem::take(&mut reader.native);
        if let Some(position) = reader.ansible_from {
            let with = Conversion { label: &shown, context, cwd: &self.cwd };
            let converted = convert(&mut reader.data, &with)?;
            warnings = converted.warnings;
            parts.insert(position, converted.inventory);
        }
        let inventory = if parts.len() == 1 { parts.remove(0) } else { Inventory::union(parts) };
        Ok(Sourced { inventory: inventory.into_named(), warnings })
    }

    fn path(&self, name: &str, context: &Context) -> PathBuf {
        match (name.strip_prefix("~/"), &context.home) {
            // From a variable nobody has put the home directory in.
            (Some(rest), Some(home)) => home.join(rest),
            _ => self.cwd.join(name),
        }
    }
}

/// Reads sources one after the other: Ansible's into one set of data, those of our own each by itself.
struct Reader<'a> {
    context: &'a Context,
    timeout: Duration,
    cwd: &'a Path,
    data: Data,
    /// How many of our own came before the first of Ansible's.
    ansible_from: Option<usize>,
    native: Vec<Inventory>,
}

impl Reader<'_> {
    fn ansible_begins(&mut self) {
        self.ansible_from.get_or_insert(self.native.len());
    }

    /// Reads every file in `path` that Ansible would, by name.
    fn directory(&mut self, path: &Path, label: &str, depth: usize) -> Result<(), ConfigErrors> {
        let failed = |source: std::io::Error| ConfigError::file(label, format!("cannot read it: {source}"));
        if depth > DEEPEST {
            return Err(ConfigError::file(label, format!("nested deeper than {DEEPEST} directories")).into());
        }
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            names.push(entry.map_err(failed)?.file_name());
        }
        names.sort();
        self.ansible_begins();
        for name in names {
            let shown = name.to_string_lossy();
            // A workspace may be a source too; what else it holds is no inventory.
            let beside = matches!(shown.as_ref(), "host_vars" | "group_vars" | "vars_plugins" | SERVERS | STATE)
                || shown.ends_with(".broken")
                || shown.ends_with(".jsonl");
            if beside || shown.starts_with('.') || IGNORED.iter().any(|ending| shown.ends_with(ending)) {
                continue;
            }
            let (path, label) = (path.join(&name), format!("{label}/{shown}"));
            if path.is_dir() {
                self.directory(&path, &label, depth + 1)?;
            } else {
                self.file(&path, &label)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, label: &str) -> Result<(), ConfigErrors> {
        if run::is_executable(path) {
            self.ansible_begins();
            return self.executable(path, label);
        }
        let text = text(path, label).map_err(super::store::into_config)?.unwrap_or_default();
        if text.starts_with(ansible::VAULT) {
            let message =
                "it is encrypted with Ansible Vault; decrypt it, or name an executable that prints the inventory";
            return Err(ConfigError::file(label, message).into());
        }
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        let tree = match ending.as_deref() {
            Some("yml" | "yaml" | "json") => Some(yaml::parse_ansible(&text, label)?),
            Some("toml") => {
                let message =
                    "TOML inventories are not read; write it as INI or YAML (`ansible-inventory -i FILE --list -y`)";
                return Err(ConfigError::file(label, message).into());
            }
            // Without an ending it is YAML if it reads as keys and values, else INI, as in Ansible.
            None => yaml::parse_ansible(&text, label).ok().filter(|tree| matches!(tree.value, Value::Mapping { .. })),
            Some(_) => None,
        };
        let own = tree.as_ref().and_then(|tree| tree.entry("version"));
        if own.is_some_and(|version| matches!(version.value.value, Value::Scalar(_))) {
            // Paths in it are relative to it, as those of the workspace's are to the workspace.
            let dir = path.parent().unwrap_or(self.cwd).to_owned();
            let context = Context { dir, ..self.context.clone() };
            self.native.push(Inventory::parse(&text, label, &context)?.coming_from(label));
            return Ok(());
        }
        self.ansible_begins();
        match tree {
            Some(tree) if !tree.is_null() => ansible::yaml::read(&mut self.data, &tree, label),
            Some(_) => Ok(()),
            None => ansible::ini::read(&mut self.data, &text, label),
        }
    }

    fn executable(&mut self, path: &Path, label: &str) -> Result<(), ConfigErrors> {
        super::store::owner::check_executable(path)
            .map_err(|source| ConfigError::file(label, format!("cannot run it: {source}")))?;
        let answer = run::run(path, label, &["--list"], self.timeout)?;
        let HostVars::Missing(mut hosts) = ansible::json::list(&mut self.data, &answer, label)? else { return Ok(()) };
        hosts.sort();
        hosts.dedup();
        for (name, answer) in run::run_each(path, label, &hosts, self.timeout) {
            ansible::json::host(&mut self.data, name, &answer?, label)?;
        }
        Ok(())
    }
}

/// Servers that no host of the sources has, said once: with `hosts.yaml` they would be an error.
pub(super) fn elsewhere(registry: &Registry, inventory: &Inventory, sources: Option<&Sources>) -> Option<String> {
    let sources = sources?;
    let names: Vec<&str> = registry
        .servers()
        .iter()
        .filter(|server| placed(server, inventory).is_ok_and(|hosts| hosts.is_empty()))
        .map(|server| server.name.as_str())
        .collect();
    let shown = names.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    let more = if names.len() > 5 { ", …" } else { "" };
    let servers = plural(names.len(), "server");
    (!names.is_empty()).then(|| format!("{servers} left out, placed on no host of {}: {shown}{more}", sources.label()))
}
