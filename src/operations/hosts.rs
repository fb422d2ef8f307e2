//! The hosts themselves: which there are, and how far each one answers.
//!
//! Boundary: one session per host. Next: `transport` names the phase that fails, `docker::failure` docker's own layers.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use super::{Context, Trouble, observe::exit_of, registered::say};
use crate::{
    config::{inventory::Inventory, registry::Registry},
    docker::{
        command,
        failure::{EngineFailureKind, classify, parse_version},
    },
    domain::{Connection, Docker, Host, HostName, JumpHost, SshEndpoint, fold::natural},
    error::{CommandError, Exit},
    fleet::HostError,
    transport::{
        Phase, TransportErrorKind,
        script::{Script, Section},
    },
};

/// One host of the inventory.
#[derive(Debug, Clone, Serialize)]
pub struct HostRow {
    /// Its name.
    pub name: HostName,
    /// `user@address:port`, `local`, or `refused`.
    pub target: String,
    /// The jump hosts on the way, the outermost first.
    pub jump: Vec<String>,
    /// Why it cannot be reached at all: what the configuration asks for, and where.
    pub refused: Option<String>,
    /// Its groups.
    pub groups: Vec<String>,
    /// The words for docker; null on a host without.
    pub docker: Option<String>,
    /// How many instances are placed on it.
    pub instances: usize,
    /// Where it comes from: `hosts.yaml`, another inventory's file or executable, `--on`, or `none` for the implicit localhost.
    pub source: String,
}

/// Where a host is reached, for people.
#[must_use]
pub fn target_of(host: &Host) -> String {
    match &host.connection {
        Connection::Local => "local".to_owned(),
        Connection::Refused(_) => "refused".to_owned(),
        Connection::Ssh(endpoint) => endpoint_target(endpoint),
    }
}

fn endpoint_target(endpoint: &SshEndpoint) -> String {
    let SshEndpoint { user, address, port, .. } = endpoint;
    if address.contains(':') { format!("{user}@[{address}]:{port}") } else { format!("{user}@{address}:{port}") }
}

/// The inventory's hosts among `hosts`.
#[must_use]
pub fn list(registry: &Registry, inventory: &Inventory, hosts: &[&Host]) -> Vec<HostRow> {
    let instances = registry.instances(inventory);
    let mut hosts = hosts.to_vec();
    hosts.sort_by(|a, b| natural(a.name.as_str(), b.name.as_str()));
    hosts
        .iter()
        .map(|host| HostRow {
            name: host.name.clone(),
            target: target_of(host),
            jump: match &host.connection {
                Connection::Ssh(endpoint) => endpoint.jump.iter().map(|hop| hop.name.clone()).collect(),
                Connection::Local | Connection::Refused(_) => vec![],
            },
            refused: match &host.connection {
                Connection::Refused(reason) => Some(reason.clone()),
                Connection::Local | Connection::Ssh(_) => None,
            },
            groups: host.groups.iter().map(ToString::to_string).collect(),
            docker: match &host.docker {
                Docker::Words(words) => Some(words.clone()),
                Docker::Absent => None,
            },
            instances: instances.iter().filter(|i| i.host == host.name).count(),
            source: inventory.source_of(&host.name).to_owned(),
        })
        .collect()
}

/// How far one host answers.
#[derive(Debug, Clone, Serialize)]
pub struct HostCheck {
    /// The host.
    pub host: HostName,
    /// The jump hosts on the way, the outermost first.
    pub hops: Vec<Hop>,
    /// The first layer that is broken: `configuration`, `jump host`, `DNS`, `TCP`, `key exchange`, `host key`,
    /// `authentication`, `shell`, `docker CLI`, `engine`, `permission`; null when all work.
    pub broken: Option<String>,
    /// Version of docker's CLI there.
    pub client: Option<String>,
    /// Version of the engine there.
    pub engine: Option<String>,
    /// How long the check took, in seconds.
    pub seconds: f64,
    /// What is wrong, and the fix.
    pub error: Option<Trouble>,
}

/// One jump host on the way to a host.
#[derive(Debug, Clone, Serialize)]
pub struct Hop {
    /// What the inventory or ssh_config calls it.
    pub name: String,
    /// `user@address:port`.
    pub target: String,
    /// How far it was got through.
    pub state: HopState,
    /// The layer that is broken there; null unless it is the broken one.
    pub broken: Option<String>,
}

/// What became of a hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HopState {
    /// Logged in, and it led on.
    Ok,
    /// It is where the way ends.
    Broken,
    /// The way ended before it.
    NotReached,
}

/// The hops to `host`, given how connecting to it ended.
fn hops(host: &Host, error: Option<&HostError>) -> Vec<Hop> {
    let Connection::Ssh(endpoint) = &host.connection else { return vec![] };
    let culprit = match error {
        Some(HostError::Transport(error)) => match &*error.kind {
            TransportErrorKind::Jump { jump, cause } => Some((jump.as_str(), cause.phase.to_string())),
            TransportErrorKind::Forward { jump, .. } if endpoint.jump.iter().any(|hop| hop.name == *jump) => None,
            // It gave up or was called off before it came to the host itself.
            _ if error.phase <= Phase::Jump => Some(("", String::new())),
            _ => None,
        },
        Some(HostError::NotAttempted) => Some(("", String::new())),
        _ => None,
    };
    let at = culprit.as_ref().map(|(name, _)| endpoint.jump.iter().position(|hop| hop.name == *name).unwrap_or(0));
    let state = |index: usize| match (at, &culprit) {
        (Some(at), Some((name, _))) if index == at && !name.is_empty() => HopState::Broken,
        (Some(at), _) if index >= at => HopState::NotReached,
        _ => HopState::Ok,
    };
    let hop = |(index, jump): (usize, &Arc<JumpHost>)| Hop {
        name: jump.name.clone(),
        target: endpoint_target(&jump.endpoint),
        state: state(index),
        broken: culprit.as_ref().filter(|_| state(index) == HopState::Broken).map(|(_, phase)| phase.clone()),
    };
    endpoint.jump.iter().enumerate().map(hop).collect()
}

/// The exit code of a check.
#[must_use]
pub fn exit(checks: &[HostCheck]) -> Exit {
    checks.iter().filter_map(|c| c.error.as_ref()).fold(Exit::Ok, |exit, trouble| exit.or(exit_of(trouble)))
}

const CHECK_ALLOWED: Duration = Duration::from_secs(15);

/// Checks `hosts`, layer by layer.
///
/// # Errors
/// Only when nothing could be begun.
pub fn check(context: &Context<'_>, hosts: &[&Host]) -> Result<Vec<HostCheck>, CommandError> {
    let work: Vec<(&Host, ())> = hosts.iter().map(|host| (*host, ())).collect();
    let outcomes = context
        .fleet
        .run(&work, |session, ()| {
            let host = session.host();
            session.connect()?;
            let mut script = Script::new();
            script.export(&host.env);
            let shell = script.run("echo ok");
            let docker = (host.docker != Docker::Absent).then(|| {
                (script.run(&say(&command::client_version(), host)), script.run(&say(&command::version(), host)))
            });
            let sections = session.exec("check", &script, CHECK_ALLOWED)?;
            if sections.get(shell).map(|s| s.stdout.as_slice()) != Some(b"ok\n") {
                return Err(HostError::Answer("the login shell does not run commands".to_owned()));
            }
            Ok(docker.map(|(client, engine)| {
                (sections.get(client).cloned().unwrap_or_default(), sections.get(engine).cloned().unwrap_or_default())
            }))
        })
        .map_err(|e| CommandError::failed("cannot start the workers").because(&e).hint("use fewer --forks"))?;
    Ok(hosts
        .iter()
        .zip(outcomes)
        .map(|(host, outcome)| {
            let mut check = HostCheck {
                host: host.name.clone(),
                hops: hops(host, outcome.result.as_ref().err()),
                broken: None,
                client: None,
                engine: None,
                seconds: outcome.elapsed.as_secs_f64(),
                error: None,
            };
            match outcome.result {
                Ok(None) => {}
                Ok(Some((client, engine))) => docker_layers(&mut check, &client, &engine),
                Err(error) => {
                    check.broken = Some(match &error {
                        HostError::Transport(e) if matches!(*e.kind, TransportErrorKind::Jump { .. }) => {
                            Phase::Jump.to_string()
                        }
                        HostError::Transport(e) if e.phase == Phase::Exec => "shell".to_owned(),
                        HostError::Transport(e) if e.phase == Phase::Docker => "engine".to_owned(),
                        HostError::Transport(e) => e.phase.to_string(),
                        HostError::Answer(_) | HostError::Late => "shell".to_owned(),
                        HostError::NotAttempted | HostError::Halted(_) => "not attempted".to_owned(),
                    });
                    check.error = Some(Trouble::host(&error, host));
                }
            }
            check
        })
        .collect())
}

fn docker_layers(check: &mut HostCheck, client: &Section, engine: &Section) {
    let versions = parse_version(&engine.stdout_text());
    check.client = versions.as_ref().map(|v| v.client.clone());
    check.engine = versions.and_then(|v| v.server);
    let failure = if client.exit == Some(0) {
        classify(engine.exit.unwrap_or(-1), &engine.stderr_text())
    } else {
        classify(client.exit.unwrap_or(-1), &client.stderr_text())
    };
    let Some(failure) = failure else { return };
    check.broken = Some(
        match failure.kind {
            EngineFailureKind::NoCli => "docker CLI",
            EngineFailureKind::Permission => "permission",
            _ if client.exit != Some(0) => "docker CLI",
            _ => "engine",
        }
        .to_owned(),
    );
    check.error = Some(Trouble::engine(&failure));
}

/// One finding of `mcp check` or `mcp doctor`.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// Whether it is well. What is well and has a fix all the same is a warning.
    pub ok: bool,
    /// What was looked at, and what was found.
    pub what: String,
    /// What to do.
    pub fix: Option<String>,
}
