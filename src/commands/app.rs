//! What a command runs in: the global flags, the workspace, the real transport and the signals.
//!
//! Boundary: wiring only. Next: `operations::Context`.

use std::{
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use zeroize::Zeroizing;

use super::{Interrupt, interrupts::Interrupts};
use crate::{
    cli::Global,
    config::{
        pattern::HostPattern,
        source::{EXECUTABLE_TIMEOUT, Sources},
        store::{Environment, LOCK_TIMEOUT, Loaded, StoreError, Workspace, origin::Origin},
    },
    domain::{HostName, Server},
    error::CommandError,
    fleet::{DEFAULT_FORKS, DEFAULT_RETRIES, Fleet, Listener, NO_LIMIT},
    operations::{Context, registered},
    render::{Ui, ask_secret, suspended},
    transport::{
        Cancel, Connectors, core_dump,
        local::LocalConnector,
        ssh::{SshConnector, SshOptions, kept::Keep},
    },
};

/// What a command runs in.
pub struct App {
    /// The global flags.
    pub global: Global,
    cancel: OnceLock<Arc<Cancel>>,
    interrupts: Arc<Interrupts>,
    keep: Option<Keep>,
}

impl App {
    /// An application with these flags. Nothing is read or started yet. With `keep`, sessions are taken from earlier runs and left
    /// for later ones.
    #[must_use]
    pub fn new(global: Global, interrupts: Arc<Interrupts>, keep: Option<Keep>) -> Self {
        Self { global, cancel: OnceLock::new(), interrupts, keep }
    }

    /// Finds the workspace.
    ///
    /// # Errors
    /// There is none, or it is no directory.
    pub fn workspace(&self) -> Result<Workspace, CommandError> {
        let environment = Environment::of_process().map_err(|e| store_error(&e))?;
        let workspace = Workspace::locate(self.global.dir.as_deref(), &environment)
            .map_err(|e| store_error(&e))?
            .with_lock_timeout(self.global.lock_timeout.unwrap_or(LOCK_TIMEOUT));
        let mut names = self.global.inventory.clone();
        if names.is_empty() {
            names.extend(environment.mcp_inventory);
        }
        if names.is_empty() {
            return Ok(workspace);
        }
        let timeout = match self.global.timeout {
            Some(Duration::ZERO) => NO_LIMIT,
            timeout => timeout.unwrap_or(EXECUTABLE_TIMEOUT),
        };
        Ok(workspace.with_sources(Sources::new(names, environment.cwd, timeout)))
    }

    /// A file of the workspace as messages name it: alone in the current directory and in one that was named, else with its path.
    pub(super) fn shown_path(&self, workspace: &Workspace, file: &str) -> String {
        if workspace.is_named() { file.to_owned() } else { workspace.dir().join(file).display().to_string() }
    }

    /// Loads the workspace, every registered string understood.
    ///
    /// # Errors
    /// All that is wrong in its files.
    pub fn load(&self, workspace: &Workspace) -> Result<Loaded, CommandError> {
        workspace.load(&check_server).map_err(|e| store_error(&e))
    }

    /// Finds and loads the workspace; what is odd about it but does no harm is said.
    ///
    /// # Errors
    /// Those of [`App::workspace`] and [`App::load`].
    pub fn open(&self, ui: &mut Ui) -> Result<(Workspace, Loaded), CommandError> {
        let workspace = self.workspace()?;
        let loaded = self.load(&workspace)?;
        let secrets = workspace.secrets();
        if !secrets.is_empty() {
            core_dump::forbid();
        }
        ui.guard(secrets);
        loaded.warnings.iter().for_each(|w| ui.warn(w));
        Ok((workspace, loaded))
    }

    /// As [`App::open`], with the hosts that `on` names by address (`root@10.0.0.5:2222`) among those of the inventory.
    ///
    /// # Errors
    /// Those of [`App::open`], a pattern that is none, defaults that cannot hold for such a host.
    pub fn open_on(&self, ui: &mut Ui, on: Option<&str>) -> Result<(Workspace, Loaded), CommandError> {
        let (workspace, mut loaded) = self.open(ui)?;
        if let Some(text) = on {
            let pattern =
                HostPattern::parse(text).map_err(|e| CommandError::usage(format!("--on {text}")).because(&e))?;
            loaded.inventory = loaded
                .inventory
                .with_one_shots(&pattern, workspace.context())
                .map_err(|e| store_error(&StoreError::Config(e)))?;
        }
        Ok((workspace, loaded))
    }

    /// Adds the hosts that an earlier run was told by address.
    ///
    /// # Errors
    /// Defaults that cannot hold for such a host.
    pub(super) fn add_addresses(
        &self,
        workspace: &Workspace,
        loaded: &mut Loaded,
        names: &[HostName],
    ) -> Result<(), CommandError> {
        if !names.is_empty() {
            let added = loaded.inventory.clone().with_addresses(names, workspace.context());
            loaded.inventory = added.map_err(|e| store_error(&StoreError::Config(e)))?;
        }
        Ok(())
    }

    /// Runs `body` with everything an operation needs. Signals are caught from here on.
    ///
    /// # Errors
    /// Those of `body`.
    pub fn with_fleet<T>(
        &self,
        workspace: &Workspace,
        loaded: &Loaded,
        interrupt: Interrupt,
        listener: &Listener<'_>,
        body: impl FnOnce(&Context<'_>) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let cancel = self.cancel(interrupt);
        let options = SshOptions { keep: self.keep.clone(), ..ssh_options(self.global.ask_pass) };
        let connector = Connectors { local: LocalConnector, ssh: SshConnector::new(options) };
        let context = Context {
            workspace,
            inventory: &loaded.inventory,
            registry: &loaded.registry,
            state: &loaded.state,
            fleet: Fleet {
                connector: &connector,
                cancel: &cancel,
                listener,
                forks: self.global.forks.map_or(DEFAULT_FORKS, usize::from),
                retries: self.global.retries.unwrap_or(DEFAULT_RETRIES),
                timeout: self.global.timeout,
            },
            actor: Origin::of_process().who.to_string(),
            patience: (!self.global.no_lock).then(|| self.global.lock_timeout.unwrap_or(LOCK_TIMEOUT)),
        };
        body(&context)
    }

    /// The switch that Ctrl-C, SIGTERM and SIGHUP fire. The first call decides what the first of them does.
    pub fn cancel(&self, interrupt: Interrupt) -> Arc<Cancel> {
        Arc::clone(self.cancel.get_or_init(|| {
            let cancel = Arc::new(Cancel::new());
            self.interrupts.fire(Arc::clone(&cancel), interrupt);
            cancel
        }))
    }
}

/// What is wrong with a server's strings, for the path `servers.NAME.KEY`.
pub(super) fn check_server(server: &Server) -> Vec<(&'static str, String)> {
    registered::check(server)
}

/// A store's error as a command's.
pub(super) fn store_error(error: &StoreError) -> CommandError {
    match error {
        StoreError::Config(errors) if errors.0.len() > 1 => {
            let mut text = format!("{} errors in the workspace", errors.0.len());
            for error in &errors.0 {
                text.push_str(&format!("\n{error}"));
            }
            CommandError::usage(text).hint("nothing was done; `mcp check` looks again")
        }
        StoreError::Config(errors) => CommandError::usage(errors.to_string()),
        StoreError::Locked { .. } => CommandError::failed("the workspace is locked")
            .because(error)
            .hint("wait longer with --lock-timeout, or look what that process does"),
        StoreError::NoWorkspace | StoreError::NoDirectory { .. } => {
            CommandError::usage("no workspace").because(error).hint("use --dir DIR, or make one with `mcp init DIR`")
        }
        StoreError::Io { source, .. } => CommandError::usage(error.to_string())
            .because(source)
            .hint("check the permissions and the free space of the workspace"),
    }
}

/// Asks on the terminal, one question at a time, and never reads stdin, so that a pipe cannot answer.
fn ask(prompt: &str) -> Option<Zeroizing<String>> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    core_dump::forbid();
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    suspended(|| ask_secret(prompt)).ok()
}

fn ssh_options(ask_pass: bool) -> SshOptions {
    let mut options = SshOptions::from_environment();
    if std::fs::File::open("/dev/tty").is_ok() {
        options.passphrase = Some(Arc::new(|key: &Path| ask(&format!("Passphrase for {}: ", key.display()))));
        if ask_pass {
            options.password = Some(Arc::new(|| ask("SSH password: ")));
        }
    }
    options
}
