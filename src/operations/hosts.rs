//! The hosts themselves: which there are, and how far each one answers.
//!
//! Boundary: one session per host. Next: `transport` names the phase that fails, `docker::failure` docker's own layers.

use std::time::Duration;

use serde::Serialize;

use super::{Context, Trouble, observe::exit_of, registered::say};
use crate::{
    config::{inventory::Inventory, registry::Registry},
    docker::{
        command,
        failure::{EngineFailureKind, classify, parse_version},
    },
    domain::{Connection, Docker, Host, HostName},
    error::{CommandError, Exit},
    fleet::HostError,
    transport::script::{Script, Section},
};

/// One host of the inventory.
#[derive(Debug, Clone, Serialize)]
pub struct HostRow {
    /// Its name.
    pub name: HostName,
    /// `user@address:port`, or `local`.
    pub target: String,
    /// Its groups.
    pub groups: Vec<String>,
    /// The words for docker; null on a host without.
    pub docker: Option<String>,
    /// How many instances are placed on it.
    pub instances: usize,
}

/// Where a host is reached, for people.
#[must_use]
pub fn target_of(host: &Host) -> String {
    match &host.connection {
        Connection::Local => "local".to_owned(),
        Connection::Refused(_) => "refused".to_owned(),
        Connection::Ssh(endpoint) => format!("{}@{}:{}", endpoint.user, endpoint.address, endpoint.port),
    }
}

/// The inventory's hosts among `hosts`.
#[must_use]
pub fn list(registry: &Registry, inventory: &Inventory, hosts: &[&Host]) -> Vec<HostRow> {
    let instances = registry.instances(inventory);
    hosts
        .iter()
        .map(|host| HostRow {
            name: host.name.clone(),
            target: target_of(host),
            groups: host.groups.iter().map(ToString::to_string).collect(),
            docker: match &host.docker {
                Docker::Words(words) => Some(words.clone()),
                Docker::Absent => None,
            },
            instances: instances.iter().filter(|i| i.host == host.name).count(),
        })
        .collect()
}

/// How far one host answers.
#[derive(Debug, Clone, Serialize)]
pub struct HostCheck {
    /// The host.
    pub host: HostName,
    /// The first layer that is broken: `DNS`, `TCP`, `key exchange`, `host key`, `authentication`, `shell`, `docker CLI`,
    /// `engine`, `permission`; null when all work.
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
                        HostError::Transport(e) if e.phase == crate::transport::Phase::Exec => "shell".to_owned(),
                        HostError::Transport(e) => e.phase.to_string(),
                        HostError::Answer(_) => "shell".to_owned(),
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
    /// Whether it is well.
    pub ok: bool,
    /// What was looked at, and what was found.
    pub what: String,
    /// What to do.
    pub fix: Option<String>,
}
