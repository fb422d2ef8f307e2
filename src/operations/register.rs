//! Registering, changing and forgetting servers and hosts: what may be written, and the edit that writes it.
//!
//! Boundary: validates with `config` and `docker`, writes through the store; the text edits are `config::edit`'s.

use std::collections::BTreeSet;

use super::{
    check::IN_CLEAR,
    edited::{self, Edited},
    place::NewHost,
    registered::{check, conflicts},
    risks::risks,
};
use crate::{
    config::{
        edit::{self, Value},
        inventory::Inventory,
        pattern::HostPattern,
        registry::{Registry, placed},
        state::State,
        store::{StoreError, Workspace},
    },
    docker::{
        client_entry,
        run_string::{RunString, complete as complete_string},
        shell::one_line,
    },
    domain::{Connection, Host, HostName, Instance, Server, ServerName, Status, secrets},
    error::{CommandError, Exit},
};

/// What registering a server did to its string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// The server as it was written.
    pub server: Server,
    /// What was added to its command, in words.
    pub added: Vec<String>,
    /// What is open on the host or to be read there, and how to avoid it.
    pub warnings: Vec<String>,
}

/// The string that `given` stands for on `hosts`: itself, or the one of an AI client's JSON entry, with what should be said of the
/// entry.
///
/// # Errors
/// An entry that is no `docker run`, and one with secrets that a host does not have: they would have to stand in the string, which
/// every user of the host can read while docker starts it.
pub fn literal(given: &str, name: &ServerName, hosts: &[&Host]) -> Result<(String, Vec<String>), CommandError> {
    if !client_entry::is_meant(given) {
        return Ok((given.to_owned(), vec![]));
    }
    let refused = || CommandError::usage(format!("cannot register {name} from a JSON entry"));
    let entry = client_entry::convert(given, name.as_str()).map_err(|e| refused().because(&e).hint(e.hint()))?;
    let lacking = |variable: &str| hosts.iter().find(|host| !host.env.contains_key(variable));
    let mut notes = vec![];
    for client_entry::LeftToHost { name: variable, is_placeholder } in &entry.left_to_host {
        match lacking(variable) {
            None => notes.push(format!(
                "the value of {variable} is taken from `env` in hosts.yaml; the entry's own was left out"
            )),
            Some(_) if *is_placeholder => notes.push(format!(
                "{variable} has no value in the entry: give it one by `env` in hosts.yaml, or for the account on the host"
            )),
            Some(host) => {
                let mut error = refused().hint(format!(
                    "give {variable} a value under `env` of {} in hosts.yaml (or of a group, or of `defaults`) and register again; or \
                     take {variable} out of the entry's `env` where the account on the host sets it",
                    host.name
                ));
                error.causes.push(format!(
                    "its `env` holds the secret {variable}, which is not written into the string, and {} does not have it",
                    host.name
                ));
                return Err(error);
            }
        }
    }
    for variable in &entry.dropped {
        notes.push(format!(
            "{variable} of the entry's `env` was left out: no `-e {variable}` hands it on to the container"
        ));
    }
    Ok((entry.command, notes))
}

/// Completes `server`'s string (`-d`, `--name`) and takes its port from the first published one.
///
/// # Errors
/// A string that cannot be registered, with what to write instead.
pub fn complete(mut server: Server) -> Result<Completed, CommandError> {
    let refuse = |e: &crate::docker::run_string::RunStringError| {
        CommandError::usage(format!("cannot register {}", server.name)).because(e).hint(e.hint())
    };
    for text in [&mut server.stop, &mut server.logs, &mut server.stats].into_iter().flatten() {
        *text = one_line(text).into_owned();
    }
    let completed = complete_string(&server.command, &server.name).map_err(|e| refuse(&e))?;
    let run = RunString::parse(&completed.text).map_err(|e| refuse(&e))?;
    server.command = completed.text;
    server.port = server.port.or_else(|| run.first_published_port());
    if let Some((key, why)) = check(&server).into_iter().next() {
        return Err(CommandError::usage(format!("cannot register {}: {key}: {why}", server.name)));
    }
    let mut warnings: Vec<String> =
        risks(&run).into_iter().map(|risk| format!("{}; {}", risk.what, risk.fix)).collect();
    let mut secrets: Vec<String> = secrets::find(&server.command).into_iter().map(|found| found.what).collect();
    secrets.dedup();
    if !secrets.is_empty() {
        warnings.push(format!("in clear: {}; {IN_CLEAR}", secrets.join(", ")));
    }
    Ok(Completed { server, added: completed.added, warnings })
}

/// Whether the registered port is the first published one, so that it should follow a new command.
#[must_use]
pub fn port_follows_command(server: &Server) -> bool {
    RunString::parse(&server.command).is_ok_and(|run| run.first_published_port() == server.port)
}

/// Instances of `before` that run, as far as is remembered, and that `after` no longer names: it gives their container another name, or
/// is not placed on their host.
#[must_use]
pub fn left_behind(before: &Server, after: &Server, inventory: &Inventory, state: &State) -> Vec<String> {
    let name = |server: &Server| RunString::parse(&server.command).ok()?.container_name().map(str::to_owned);
    let renamed = name(before) != name(after);
    let [was, stays] = [before, after].map(|server| placed(server, inventory).unwrap_or_default());
    let instances = state.instances.iter().filter(|(instance, record)| {
        instance.server == before.name
            && record.status.status == Status::Running
            && was.contains(&instance.host)
            && (renamed || !stays.contains(&instance.host))
    });
    instances.map(|(instance, _)| instance.to_string()).collect()
}

/// Writes a new server into `servers.yaml`.
///
/// # Errors
/// It exists, its host pattern selects nothing, it conflicts with another server, or the file cannot be written.
pub fn add(workspace: &Workspace, inventory: &Inventory, server: &Server) -> Result<(), CommandError> {
    write(workspace, inventory, server, |text, registry| {
        if registry.get(&server.name).is_some() {
            return Err(registered_already(&server.name));
        }
        edit::add_server(text, server).map_err(|e| edit_error(&e))
    })
}

/// The error of a name that is taken.
#[must_use]
pub fn registered_already(name: &ServerName) -> CommandError {
    CommandError::usage(format!("a server called {name} is registered already"))
        .hint(format!("change it with `mcp edit {name}`, or remove it with `mcp remove {name}`"))
}

/// Writes a changed server into `servers.yaml`.
///
/// # Errors
/// As [`add`].
pub fn update(workspace: &Workspace, inventory: &Inventory, server: &Server) -> Result<(), CommandError> {
    write(workspace, inventory, server, |text, _| {
        edit::update_server(text, &server.name, server).map_err(|e| edit_error(&e))
    })
}

fn write(
    workspace: &Workspace,
    inventory: &Inventory,
    server: &Server,
    change: impl FnOnce(&str, &Registry) -> Result<String, CommandError>,
) -> Result<(), CommandError> {
    // Here a host that a source of this run does not have is a typing error.
    let strict = HostPattern::join(&server.host).and_then(|pattern| inventory.select(&pattern).map(|_| ()));
    strict.and_then(|()| placed(server, inventory)).map_err(|e| {
        CommandError::usage(format!("cannot place {}", server.name)).because(&e).hint("see `mcp hosts list`")
    })?;
    workspace
        .edit_registry(|text| {
            // Read again under the lock: another mcp may have registered something since.
            let before = parse(text, inventory)?;
            let new = change(text, &before)?;
            let after = parse(&new, inventory)?;
            // Of two servers the later one is named; what was wrong before is not this change's.
            let known = conflicts(before.servers(), inventory);
            let new_ones =
                conflicts(after.servers(), inventory).into_iter().filter(|conflict| !known.contains(conflict));
            let mut new_ones =
                new_ones.map(|(name, why)| if name == server.name { why } else { format!("{name}: {why}") });
            if let Some(why) = new_ones.next() {
                let mut error = CommandError::usage(format!("cannot register {}", server.name));
                error.causes.push(why);
                return Err(error.into());
            }
            Ok::<_, EditFailure>(new)
        })
        .map(|_| ())
        .map_err(|e| e.0)
}

/// Checks a whole `servers.yaml` text as it would be loaded.
///
/// # Errors
/// Everything that is wrong in it.
pub fn validate(text: &str, inventory: &Inventory) -> Result<(), CommandError> {
    let registry = parse(text, inventory)?;
    let found = conflicts(registry.servers(), inventory);
    if found.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> =
        found.iter().map(|(server, why)| format!("servers.yaml: servers.{server}.command: {why}")).collect();
    Err(CommandError::usage(lines.join("\n")))
}

fn parse(text: &str, inventory: &Inventory) -> Result<Registry, CommandError> {
    // A file that is not there yet is an empty text, and no error before the first server is written.
    let text = if text.is_empty() { "version: 1\n" } else { text };
    Registry::parse(text, "servers.yaml", inventory, &check).map_err(|e| CommandError::usage(e.to_string()))
}

/// Checks a whole `servers.yaml` text and compares it with what was loaded.
///
/// # Errors
/// Everything that is wrong in it.
pub fn edited(before: &Registry, text: &str, inventory: &Inventory, state: &State) -> Result<Edited, CommandError> {
    validate(text, inventory)?;
    Ok(edited::compare(before, &parse(text, inventory)?, inventory, state))
}

/// Takes servers out of `servers.yaml`, or leaves them on the hosts that are named with them, in one write; the instances that go are
/// taken out of the state. With `keep` their containers stay where they are, and the state remembers them ([`super::orphans`]).
///
/// # Errors
/// The file cannot be changed.
pub fn remove(workspace: &Workspace, servers: &[(&Server, &[HostName])], keep: bool) -> Result<(), CommandError> {
    let change = |text: String, (server, stays): &(&Server, &[HostName])| match stays {
        [] => edit::remove_server(&text, &server.name),
        [host] => edit::replace_server_key(&text, &server.name, "host", Some(&Value::Text(host.to_string()))),
        hosts => {
            let hosts = hosts.iter().map(ToString::to_string).collect();
            edit::replace_server_key(&text, &server.name, "host", Some(&Value::List(hosts)))
        }
    };
    workspace
        .edit_registry(|text| servers.iter().try_fold(text.to_owned(), change).map_err(|e| EditFailure(edit_error(&e))))
        .map_err(|e| e.0)?;
    let stays = |instance: &Instance| {
        let mut those = servers.iter().filter(|(server, _)| instance.server == server.name);
        those.all(|(_, hosts)| hosts.contains(&instance.host))
    };
    let container = |instance: &Instance| {
        let (server, _) = servers.iter().find(|(server, _)| instance.server == server.name)?;
        RunString::parse(&server.command).ok()?.container_name().map(str::to_owned)
    };
    workspace
        .update_state(|state| {
            // The container that was removed is the one that was registered; one with an earlier name is still there.
            for (instance, record) in state.instances.iter_mut().filter(|(instance, _)| !stays(instance) && !keep) {
                if record.container != container(instance) {
                    record.leave();
                }
                record.container_id = None;
            }
            state.instances.retain(|instance, record| {
                let is_kept = keep && record.container_id.is_some() || !record.left.is_empty();
                stays(instance) || is_kept
            });
        })
        .map_err(|e| EditFailure::from(e).0)?;
    Ok(())
}

/// Writes a new host into `hosts.yaml`.
///
/// # Errors
/// It exists, a value is wrong, or the file cannot be changed.
pub fn add_host(workspace: &Workspace, name: &str, fields: &[(&str, Value)]) -> Result<(), CommandError> {
    edit_inventory(workspace, |text| edit::add_host(text, name, fields).map_err(|e| edit_error(&e)))
}

/// The inventory as it would be with `new` in `hosts.yaml`. Nothing is written.
///
/// # Errors
/// The file cannot be read, or would not be valid.
pub fn with_hosts(workspace: &Workspace, new: &[NewHost]) -> Result<Inventory, CommandError> {
    let mut text = match std::fs::read_to_string(workspace.dir().join("hosts.yaml")) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(CommandError::usage("cannot read hosts.yaml").because(&error)),
    };
    for host in new {
        text = edit::add_host(&text, host.name.as_str(), &host.fields).map_err(|e| edit_error(&e))?;
    }
    Inventory::parse(&text, "hosts.yaml", workspace.context())
        .map_err(|e| CommandError::usage(format!("hosts.yaml would not be valid:\n{e}")))
}

/// Changes `hosts.yaml` under the lock, so that it and `servers.yaml` stay valid.
pub(super) fn edit_inventory(
    workspace: &Workspace,
    change: impl FnOnce(&str) -> Result<String, CommandError>,
) -> Result<(), CommandError> {
    let registry = workspace.dir().join("servers.yaml");
    workspace
        .edit_inventory(|text| {
            let new = change(text)?;
            let inventory = Inventory::parse(&new, "hosts.yaml", workspace.context())
                .map_err(|e| CommandError::usage(format!("hosts.yaml would not be valid:\n{e}")))?;
            // A host that is refused already is no obstacle to a change of another one.
            let before = Inventory::parse(text, "hosts.yaml", workspace.context()).ok();
            let known =
                |host: &Host| before.as_ref().and_then(|before| before.get(&host.name)).map(|host| &host.connection);
            let newly = inventory.hosts().iter().filter(|host| known(host) != Some(&host.connection));
            let spoiled = newly.filter_map(|host| match &host.connection {
                Connection::Refused(reason) if reason.contains("hosts.yaml:") => Some(reason.as_str()),
                _ => None,
            });
            let spoiled: BTreeSet<&str> = spoiled.collect();
            if !spoiled.is_empty() {
                let reasons: Vec<&str> = spoiled.into_iter().collect();
                let text = format!("hosts.yaml would not be valid:\n{}", reasons.join("\n"));
                return Err(CommandError::usage(text).into());
            }
            // A server that is placed on the host would be left without one.
            if let Ok(servers) = std::fs::read_to_string(&registry) {
                Registry::parse(&servers, "servers.yaml", &inventory, &check)
                    .map_err(|e| CommandError::usage(format!("servers.yaml would not be valid:\n{e}")))?;
            }
            Ok::<_, EditFailure>(new)
        })
        .map(|_| ())
        .map_err(|e| e.0)
}

fn edit_error(error: &edit::EditError) -> CommandError {
    CommandError::usage("the file was not changed").because(error)
}

/// Lets the store's errors and a command's travel through one edit.
#[derive(Debug)]
pub struct EditFailure(pub CommandError);

impl From<CommandError> for EditFailure {
    fn from(error: CommandError) -> Self {
        Self(error)
    }
}

impl From<StoreError> for EditFailure {
    fn from(error: StoreError) -> Self {
        let mut command = CommandError::failed("the workspace was not changed").because(&error);
        match error {
            StoreError::Config(_) => command.exit = Exit::Usage,
            StoreError::Locked { .. } => {
                command = command.hint("wait longer with --lock-timeout, or look what that process does")
            }
            _ => {}
        }
        Self(command)
    }
}
