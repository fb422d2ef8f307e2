//! Finds the workspace, reads its files, and changes them under a lock.
//!
//! Boundary: the only part of `config` that touches files. Next: `store/lock.rs` keeps two `mcp` apart,
//! `store/cache.rs` reads and changes the state, `store/atomic.rs` replaces a file so that it is never half-written, `store/journal.rs` only ever appends,
//! `store/machine.rs` reads for `ssh_config`.

mod atomic;
mod cache;
pub mod draft;
mod hidden;
mod journal;
mod lock;
mod machine;
pub mod origin;
pub(super) mod owner;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

pub use machine::ThisMachine;

use super::{
    error::{ConfigError, ConfigErrors},
    inventory::{Context, Inventory},
    registry::{Check, Registry},
    source::{Sourced, Sources, elsewhere},
    ssh_config::Reader,
    state::State,
    yaml::{self, LARGEST},
};
use crate::domain::secrets::Secrets;

use cache::{Cached, Seen};
pub use journal::{Appender, JOURNAL};
pub use lock::LockHolder;

/// The inventory's file.
pub const HOSTS: &str = "hosts.yaml";
/// The registry's file.
pub const SERVERS: &str = "servers.yaml";
/// The state's file.
pub const STATE: &str = "state.yaml";
/// The lock of a workspace.
pub const LOCK: &str = ".mcp.lock";
/// How long another run is waited for unless `--lock-timeout` says otherwise.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a workspace could not be found, read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No directory can be named.
    #[error("there is no workspace: no --dir, no $MCP_DIR, and no home directory ($HOME is not set)")]
    NoWorkspace,
    /// The directory that was named is not there.
    #[error("the workspace {} is not a directory; create it with `mcp init`", dir.display())]
    NoDirectory { dir: PathBuf },
    /// Another `mcp` holds the lock.
    #[error("{} holds the workspace {}; waited {} s", holder.as_ref().map_or_else(|| "another mcp".to_owned(), ToString::to_string), dir.display(), waited.as_secs())]
    Locked {
        /// The workspace.
        dir: PathBuf,
        /// Who holds it, as the lock file says.
        holder: Option<LockHolder>,
        /// How long it was waited for.
        waited: Duration,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: `read`, `lock`, `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A file is not valid.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
}

/// What of the process decides where the workspace is.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The current directory.
    pub cwd: PathBuf,
    /// `$MCP_DIR`.
    pub mcp_dir: Option<PathBuf>,
    /// `$MCP_INVENTORY`: one source of hosts in place of `hosts.yaml`.
    pub mcp_inventory: Option<String>,
    /// `$XDG_CONFIG_HOME`.
    pub xdg_config_home: Option<PathBuf>,
    /// `$HOME`.
    pub home: Option<PathBuf>,
    /// The user's name.
    pub user: String,
}

impl Environment {
    /// This process's.
    ///
    /// # Errors
    /// When the current directory is gone.
    pub fn of_process() -> Result<Self, StoreError> {
        // The XDG Base Directory specification: an empty or relative value counts as unset.
        let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cwd =
            std::env::current_dir().map_err(|source| StoreError::Io { action: "read", path: ".".into(), source })?;
        let user = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
        Ok(Self {
            cwd,
            mcp_dir: path("MCP_DIR"),
            mcp_inventory: path("MCP_INVENTORY").map(|source| source.to_string_lossy().into_owned()),
            xdg_config_home: path("XDG_CONFIG_HOME").filter(|dir| dir.is_absolute()),
            home: path("HOME").filter(|dir| dir.is_absolute()),
            user: user.unwrap_or_else(|| origin::account().to_owned()),
        })
    }
}

/// A directory with the three files.
#[derive(Debug, Clone)]
pub struct Workspace {
    context: Context,
    /// Named by a flag or variable, so it must be there.
    named: bool,
    lock_timeout: Duration,
    /// Inventories in place of `hosts.yaml`.
    sources: Option<Arc<Sources>>,
    /// The state as it was last read or written.
    seen: Arc<Seen>,
    /// What is registered and secret.
    secrets: Arc<Mutex<Arc<Secrets>>>,
}

/// What a workspace holds.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The hosts.
    pub inventory: Inventory,
    /// The servers.
    pub registry: Registry,
    /// What was last known.
    pub state: Arc<State>,
    /// What went wrong without stopping the run, one line each.
    pub warnings: Vec<String>,
}

impl Workspace {
    /// The workspace of this run: `dir_flag`, `$MCP_DIR`, the current directory if it holds `hosts.yaml` or `servers.yaml`,
    /// `$XDG_CONFIG_HOME/mcp` (by default `~/.config/mcp`).
    ///
    /// # Errors
    /// When none of them can be named.
    pub fn locate(dir_flag: Option<&Path>, environment: &Environment) -> Result<Self, StoreError> {
        let Environment { cwd, mcp_dir, xdg_config_home, home, user, .. } = environment;
        let holds = |name: &str| cwd.join(name).symlink_metadata().is_ok();
        let (dir, named) = if let Some(dir) = dir_flag.or(mcp_dir.as_deref()) {
            (cwd.join(dir), true)
        } else if holds(HOSTS) || holds(SERVERS) {
            (cwd.clone(), true)
        } else {
            let config = xdg_config_home.clone().or_else(|| home.as_ref().map(|home| home.join(".config")));
            (config.ok_or(StoreError::NoWorkspace)?.join("mcp"), false)
        };
        let machine = ThisMachine { home: home.clone(), user: user.clone() };
        let ssh = Reader::new(Arc::new(machine));
        let context = Context { dir, home: home.clone(), user: user.clone(), ssh };
        let (seen, secrets) = (Arc::default(), Arc::default());
        Ok(Self { context, named, lock_timeout: LOCK_TIMEOUT, sources: None, seen, secrets })
    }

    /// Takes the hosts from `sources` in place of `hosts.yaml`.
    #[must_use]
    pub fn with_sources(mut self, sources: Sources) -> Self {
        self.sources = Some(Arc::new(sources));
        self
    }

    /// Where the hosts come from, when it is not `hosts.yaml`.
    #[must_use]
    pub fn sources(&self) -> Option<&Sources> {
        self.sources.as_deref()
    }

    /// The hosts: those of the sources, of `hosts.yaml`, or this machine.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn inventory(&self) -> Result<Inventory, ConfigErrors> {
        inventory(&self.context, self.sources()).map(|sourced| sourced.inventory)
    }

    /// Waits at most `timeout` for another `mcp`, instead of 30 s.
    #[must_use]
    pub fn with_lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// Whether a flag, a variable or the current directory names it; else it is the one of the account.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.named
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.context.dir
    }

    /// What relative paths in its files are resolved against.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Creates the directory, for the owner alone, if it is not there.
    ///
    /// # Errors
    /// What the system says.
    pub fn create_dir(&self) -> Result<(), StoreError> {
        use std::os::unix::fs::DirBuilderExt;
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(self.dir()).map_err(|source| self.io("create", self.dir(), source))
    }

    /// Reads all three files. Missing ones stand for `localhost`, no servers, nothing known; a broken `state.yaml` is a warning.
    ///
    /// # Errors
    /// Everything that is wrong in `hosts.yaml` and `servers.yaml`.
    pub fn load(&self, check: Check<'_>) -> Result<Loaded, StoreError> {
        if self.named && !self.dir().is_dir() {
            return Err(StoreError::NoDirectory { dir: self.dir().to_owned() });
        }
        let Files { inventory, registry, state } = read(&self.context, self.sources(), check);
        let (inventory, registry) = match (inventory, registry) {
            (Ok(inventory), Ok(registry)) => (inventory, registry),
            (inventory, registry) => {
                let errors = inventory.err().into_iter().chain(registry.err()).flat_map(|errors| errors.0);
                return Err(ConfigErrors(errors.collect()).into());
            }
        };
        let Sourced { inventory, mut warnings } = inventory;
        self.learn(&inventory, &registry);
        warnings.extend(elsewhere(&registry, &inventory, self.sources()));
        let mine = [self.dir().to_owned(), self.dir().join(HOSTS), self.dir().join(SERVERS)];
        warnings.extend(mine.iter().filter_map(|path| owner::warning(path)));
        let state = match state {
            Ok(cached) => self.seen.keep(cached),
            Err(errors) => {
                warnings.extend(errors.0.iter().map(|error| format!("{error}; going on without it")));
                Arc::default()
            }
        };
        Ok(Loaded { inventory, registry, state, warnings })
    }

    /// Changes the text of `servers.yaml` under the lock; a missing file is an empty text. Returns whether it was written.
    ///
    /// # Errors
    /// `edit`'s own, the lock's, the system's; or the new text is not YAML, and nothing is written.
    pub fn edit_registry<E: From<StoreError>>(&self, edit: impl FnOnce(&str) -> Result<String, E>) -> Result<bool, E> {
        self.edit(SERVERS, edit)
    }

    /// Changes the text of `hosts.yaml`, as [`Workspace::edit_registry`] does.
    ///
    /// # Errors
    /// As there.
    pub fn edit_inventory<E: From<StoreError>>(&self, edit: impl FnOnce(&str) -> Result<String, E>) -> Result<bool, E> {
        self.edit(HOSTS, edit)
    }

    fn edit<E: From<StoreError>>(&self, name: &str, edit: impl FnOnce(&str) -> Result<String, E>) -> Result<bool, E> {
        let _lock = self.lock(self.lock_timeout)?;
        let path = self.dir().join(name);
        let old = text(&path, name)?;
        let new = edit(old.as_deref().unwrap_or(""))?;
        if old.as_deref().unwrap_or("") == new {
            return Ok(false);
        }
        yaml::parse(&new, name).map_err(StoreError::from)?;
        // Commands and `env` may hold secrets, so a new file is the owner's alone; an old one keeps its mode.
        atomic::write(&path, &new, atomic::Mode::KeepOr(0o600)).map_err(|source| self.io("write", &path, source))?;
        Ok(true)
    }

    fn lock(&self, patience: Duration) -> Result<lock::Lock, StoreError> {
        if !self.named {
            self.create_dir()?;
        } else if !self.dir().is_dir() {
            return Err(StoreError::NoDirectory { dir: self.dir().to_owned() });
        }
        lock::Lock::acquire(self.dir(), patience)
    }

    /// Who writes to it now; `None` when nobody does.
    ///
    /// # Errors
    /// The lock cannot be looked at.
    pub fn held_by(&self) -> Result<Option<LockHolder>, StoreError> {
        lock::Lock::holder(self.dir())
    }

    fn io(&self, action: &'static str, path: &Path, source: io::Error) -> StoreError {
        StoreError::Io { action, path: path.to_owned(), source }
    }
}

/// The three files, each read or with its errors.
pub(super) struct Files {
    pub(super) inventory: Result<Sourced, ConfigErrors>,
    pub(super) registry: Result<Registry, ConfigErrors>,
    pub(super) state: Result<Cached, ConfigErrors>,
}

pub(super) fn read(context: &Context, sources: Option<&Sources>, check: Check<'_>) -> Files {
    let text = |name: &str| text(&context.dir.join(name), name).map_err(into_config);
    let inventory = inventory(context, sources);
    let registry = text(SERVERS).and_then(|text| match (text, &inventory) {
        (None, _) => Ok(Registry::default()),
        (Some(text), Ok(sourced)) => Registry::parse(&text, SERVERS, &sourced.inventory, check),
        (Some(text), Err(_)) => Registry::parse_without_hosts(&text, SERVERS, check),
    });
    let state = Cached::read(&context.dir.join(STATE)).map_err(into_config);
    Files { inventory, registry, state }
}

fn inventory(context: &Context, sources: Option<&Sources>) -> Result<Sourced, ConfigErrors> {
    if let Some(sources) = sources {
        return sources.load(context);
    }
    let inventory = match text(&context.dir.join(HOSTS), HOSTS).map_err(into_config)? {
        Some(text) => Inventory::parse(&text, HOSTS, context)?,
        None => Inventory::implicit_localhost(),
    };
    Ok(Sourced { inventory, warnings: Vec::new() })
}

pub(super) fn into_config(error: StoreError) -> ConfigErrors {
    match error {
        StoreError::Config(errors) => errors,
        StoreError::Io { action, path, source } => {
            let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            ConfigError::file(&name, format!("cannot {action} it: {source}")).into()
        }
        other => ConfigError::file("workspace", other.to_string()).into(),
    }
}

/// The text of a file; `None` when it is not there.
pub(super) fn text(path: &Path, label: &str) -> Result<Option<String>, StoreError> {
    open(path)?.map(|file| text_of(&file, path, label)).transpose()
}

/// A file; `None` when it is not there.
fn open(path: &Path) -> Result<Option<File>, StoreError> {
    match File::open(path) {
        Ok(file) => match owner::check(path, &file) {
            Ok(()) => Ok(Some(file)),
            Err(source) => Err(StoreError::Io { action: "read", path: path.to_owned(), source }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.symlink_metadata().is_err() => Ok(None),
        Err(source) => Err(StoreError::Io { action: "read", path: path.to_owned(), source }),
    }
}

fn text_of(file: &File, path: &Path, label: &str) -> Result<String, StoreError> {
    let io = |source| StoreError::Io { action: "read", path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let most = u64::try_from(LARGEST).unwrap_or(u64::MAX);
    file.take(most + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() > LARGEST {
        let message = format!("the file has more than {LARGEST} bytes");
        return Err(ConfigErrors::from(ConfigError::file(label, message)).into());
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
        let error = ConfigError::file(label, format!("not UTF-8 at byte {at}"));
        ConfigErrors::from(ConfigError { line: Some(line), ..error }).into()
    })
}
