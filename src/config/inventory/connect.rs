//! How each host is reached: what `hosts.yaml` says of it, then what OpenSSH's configuration says, then the defaults.
//!
//! Boundary: a host is to `hosts.yaml` what it would be to `ssh NAME` with its values on the command line (ssh(1)); what
//! cannot be done for a host is said of that host alone. Next: `config::ssh_config` answers for one name.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use super::{Context, load::RawHost, vars::Vars};
use crate::{
    config::{
        error::ConfigError,
        ssh_config::{Config, Hop, HostKeyChecking, Request, Settings},
    },
    domain::{AgentChoice, Connection, Host, HostKeyPolicy, JumpHost, SshEndpoint},
};

/// Most jump hosts on the way to one host.
pub(super) const MOST_JUMPS: usize = 8;
/// Longest time waited for a connection, one day, as for `connect_timeout`.
const LONGEST: u64 = 24 * 60 * 60;
/// A file that holds nothing and keeps nothing, for `none` where an empty list would mean the defaults.
const NOTHING: &str = "/dev/null";

/// Why a host has no way.
#[derive(Debug, Clone)]
pub(super) enum Stop {
    /// The host asks for something that is not done.
    Refused(String),
    /// More than [`MOST_JUMPS`] jump hosts.
    TooMany,
    /// The configuration itself is wrong.
    Broken(ConfigError),
}

type Way = Vec<Arc<JumpHost>>;

/// Resolves the hosts of one inventory; jump hosts are worked out once.
pub(super) struct Connections<'a> {
    raw: &'a [RawHost],
    index: &'a HashMap<String, usize>,
    vars: &'a [Vars],
    config: Option<Config>,
    context: &'a Context,
    ways: HashMap<(Hop, bool), Way>,
    /// The jump hosts whose own way is being worked out.
    walking: Vec<Hop>,
}

/// What is known of a host before its way is.
struct Known<'a> {
    name: &'a str,
    address: Option<&'a str>,
    vars: Option<&'a Vars>,
    user: Option<&'a str>,
    port: Option<u16>,
}

impl<'a> Connections<'a> {
    pub(super) fn new(
        raw: &'a [RawHost],
        index: &'a HashMap<String, usize>,
        vars: &'a [Vars],
        config: Option<Config>,
        context: &'a Context,
    ) -> Self {
        Self { raw, index, vars, config, context, ways: HashMap::new(), walking: Vec::new() }
    }

    /// A host's connection, and the time it may take to connect.
    pub(super) fn of(&mut self, raw: &RawHost, vars: &Vars) -> Result<(Connection, Duration), Stop> {
        if vars.local == Some(true) {
            return Ok((Connection::Local, vars.connect_timeout.unwrap_or(Host::CONNECT_TIMEOUT)));
        }
        let known = self.known(raw, vars, None);
        let given = vars.jump.as_ref().map(|jump| jump.iter().map(|(name, _)| named(name)).collect());
        let (mut endpoint, timeout, hops) = self.endpoint(&known, given)?;
        endpoint.jump = self.way(&hops)?;
        if endpoint.jump.len() > MOST_JUMPS {
            return Err(Stop::TooMany);
        }
        Ok((Connection::Ssh(endpoint), timeout))
    }

    fn known<'k>(&self, raw: &'k RawHost, vars: &'k Vars, hop: Option<&'k Hop>) -> Known<'k> {
        Known {
            name: raw.name.as_str(),
            address: raw.address.as_deref(),
            vars: Some(vars),
            user: hop.and_then(|hop| hop.user.as_deref()).or(vars.user.as_deref()),
            port: hop.and_then(|hop| hop.port).or(vars.port),
        }
    }

    /// The way through `hops`, the outermost first. The first one's own way comes before it, as `ssh -J a,b` goes (ssh(1)).
    fn way(&mut self, hops: &[Hop]) -> Result<Way, Stop> {
        let mut way = Vec::new();
        for (index, hop) in hops.iter().enumerate() {
            way.extend(self.hop(hop, index == 0)?);
        }
        Ok(way)
    }

    /// One jump host, with its own way before it when it is the first.
    fn hop(&mut self, hop: &Hop, first: bool) -> Result<Way, Stop> {
        let key = (hop.clone(), first);
        if let Some(way) = self.ways.get(&key) {
            return Ok(way.clone());
        }
        if first && let Some(start) = self.walking.iter().position(|other| other == hop) {
            let circle = self.walking.iter().skip(start).chain([hop]).map(ToString::to_string).collect::<Vec<_>>();
            return Err(Stop::Refused(format!("the jump hosts go round in a circle: {}", circle.join(" → "))));
        }
        if self.walking.len() >= MOST_JUMPS {
            return Err(Stop::TooMany);
        }
        let inventory = self.index.get(&hop.host).and_then(|at| Some((self.raw.get(*at)?, self.vars.get(*at)?)));
        let known = match inventory {
            Some((_, vars)) if vars.local == Some(true) => {
                return Err(Stop::Refused(format!("cannot jump through {:?}: its connection is local", hop.host)));
            }
            Some((raw, vars)) => self.known(raw, vars, Some(hop)),
            None => Known { name: &hop.host, address: None, vars: None, user: hop.user.as_deref(), port: hop.port },
        };
        let given = if first {
            known
                .vars
                .and_then(|vars| vars.jump.as_ref())
                .map(|jump| jump.iter().map(|(name, _)| named(name)).collect())
        } else {
            Some(Vec::new())
        };
        let (endpoint, connect_timeout, hops) = self.endpoint(&known, given).map_err(|stop| match stop {
            Stop::Refused(reason) => Stop::Refused(format!("jump host {hop}: {reason}")),
            stop => stop,
        })?;
        self.walking.push(hop.clone());
        let way = self.way(&hops);
        self.walking.pop();
        let mut way = way?;
        way.push(Arc::new(JumpHost { name: hop.host.clone(), endpoint, connect_timeout }));
        self.ways.insert(key, way.clone());
        Ok(way)
    }

    /// Everything but the way itself, of which the names come back.
    fn endpoint(&self, known: &Known<'_>, given: Option<Vec<Hop>>) -> Result<(SshEndpoint, Duration, Vec<Hop>), Stop> {
        let request = Request {
            name: known.name,
            host_name: known.address,
            user: known.user,
            port: known.port,
            way_is_given: given.is_some(),
        };
        let settings = match &self.config {
            Some((config, machine)) => config.evaluate(&request, machine.as_ref()).map_err(Stop::Broken)?,
            None => Settings::of(&request),
        };
        if !settings.refusals.is_empty() {
            let reasons: Vec<String> = settings.refusals.iter().map(ToString::to_string).collect();
            return Err(Stop::Refused(reasons.join("; ")));
        }
        let paths = |paths: Vec<String>| paths.into_iter().map(PathBuf::from);
        let refused = |refusal: crate::config::ssh_config::Refusal| Stop::Refused(refusal.to_string());
        let vars = known.vars;
        let mut identity_files = vars.and_then(|vars| vars.identity_files.clone()).unwrap_or_default();
        let mut certificate_files = Vec::new();
        let mut hops = given.unwrap_or_default();
        if let Some((_, machine)) = &self.config {
            for path in paths(settings.identity_paths(machine.as_ref()).map_err(refused)?) {
                if !identity_files.contains(&path) {
                    identity_files.push(path);
                }
            }
            if identity_files.is_empty() && !settings.identity_files.is_empty() {
                identity_files.push(NOTHING.into());
            }
            certificate_files.extend(paths(settings.certificate_paths(machine.as_ref()).map_err(refused)?));
            if !request.way_is_given {
                hops = settings.hops(machine.as_ref()).map_err(refused)?;
            }
        }
        let connect_timeout = vars.and_then(|vars| vars.connect_timeout).unwrap_or_else(|| {
            // To OpenSSH 0 is no limit, and everything here has one.
            let said = settings.connect_timeout.map(u64::from).filter(|seconds| *seconds > 0);
            said.map_or(Host::CONNECT_TIMEOUT, |seconds| Duration::from_secs(seconds.min(LONGEST)))
        });
        let user = settings.user.clone().unwrap_or_else(|| self.context.user.clone());
        let endpoint = SshEndpoint {
            port: settings.port.unwrap_or(22),
            identity_files,
            certificate_files,
            identities_only: settings.identities_only.unwrap_or_default(),
            agent: self.agent(settings.identity_agent.as_deref()),
            host_key: vars.and_then(|vars| vars.host_key).unwrap_or_else(|| policy(settings.host_key_checking)),
            host_key_alias: settings.host_key_alias.clone(),
            known_hosts: vars.and_then(|vars| vars.known_hosts.clone()).unwrap_or_else(|| self.known_hosts(&settings)),
            hash_known_hosts: settings.hash_known_hosts.unwrap_or_default(),
            algorithms: Arc::new(settings.algorithms.clone()),
            address_family: settings.address_family.unwrap_or_default(),
            ..SshEndpoint::new(settings.host_name, user)
        };
        Ok((endpoint, connect_timeout, hops))
    }

    fn agent(&self, said: Option<&str>) -> AgentChoice {
        let machine = self.config.as_ref().map(|(_, machine)| machine);
        match said {
            None | Some("SSH_AUTH_SOCK") => AgentChoice::Environment,
            Some("none") => AgentChoice::Off,
            Some(text) => match text.strip_prefix('$').filter(|name| !name.starts_with('{')) {
                // The older form: the name of a variable, and no agent where it is not set.
                Some(name) => machine
                    .and_then(|machine| machine.variable(name))
                    .filter(|path| !path.is_empty())
                    .map_or(AgentChoice::Off, |path| AgentChoice::Socket(path.into())),
                None => AgentChoice::Socket(text.into()),
            },
        }
    }

    /// The user's files, then the system's; empty where neither is said.
    fn known_hosts(&self, settings: &Settings) -> Vec<PathBuf> {
        let (user, global) = (&settings.user_known_hosts, &settings.global_known_hosts);
        if user.is_none() && global.is_none() {
            return Vec::new();
        }
        let said = |files: &Vec<String>| -> Vec<PathBuf> {
            files.iter().map(|file| if file.eq_ignore_ascii_case("none") { NOTHING } else { file }.into()).collect()
        };
        let home = self.context.home.clone().unwrap_or_else(|| "~".into()).join(".ssh");
        let mut files = match user {
            Some(files) => said(files),
            None => vec![home.join("known_hosts"), home.join("known_hosts2")],
        };
        files.extend(match global {
            Some(files) => said(files),
            None => vec!["/etc/ssh/ssh_known_hosts".into(), "/etc/ssh/ssh_known_hosts2".into()],
        });
        files
    }
}

/// A name of `jump`.
fn named(name: &str) -> Hop {
    Hop { user: None, host: name.to_owned(), port: None }
}

/// `no` lets OpenSSH go on even when a key has changed, which is never done here: it is `accept-new`.
fn policy(said: Option<HostKeyChecking>) -> HostKeyPolicy {
    match said {
        // Nobody is asked while many hosts are worked on at once.
        None | Some(HostKeyChecking::Yes | HostKeyChecking::Ask) => HostKeyPolicy::Strict,
        Some(HostKeyChecking::AcceptNew | HostKeyChecking::Off) => HostKeyPolicy::AcceptNew,
    }
}
