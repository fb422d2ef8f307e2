//! A server's strings, understood: what runs for it on a given host.
//!
//! Boundary: pure. Next: `docker::run_string` for the grammar, `act` for the shell text around the strings.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    sync::Arc,
};

use sha2::{Digest, Sha256};

use super::select::Target;
use crate::{
    config::{inventory::Inventory, registry::placed},
    docker::{
        command::{self, DockerCommand, Logs},
        pull_string::PullString,
        registered,
        run_string::{RunString, with_program},
        sudo::{handing_on, is_for_the_client},
    },
    domain::{Docker, Host, HostName, Server, ServerName},
    transport::script::in_own_locale,
};

/// Hash of a registered `docker run` string: 64 hexadecimal digits of SHA-256.
#[must_use]
pub fn command_hash(command: &str) -> String {
    Sha256::digest(command.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

/// A target with its string parsed.
#[derive(Debug, Clone)]
pub struct Registered<'a> {
    /// What and where.
    pub target: Target<'a>,
    /// The parsed `docker run` string; the same for all instances of a server that are understood together.
    pub run: Arc<RunString>,
    /// The container's name.
    pub container: String,
}

impl<'a> Registered<'a> {
    /// Understands `target`.
    ///
    /// # Errors
    /// Why its string cannot be used.
    pub fn new(target: Target<'a>) -> Result<Self, String> {
        let run = RunString::parse(&target.server.command).map_err(|e| e.to_string())?;
        // A container of a single connection is called otherwise; nothing is looked for by this name.
        let nameless = run.is_on_demand().then(|| target.server.name.as_str());
        let container = run
            .container_name()
            .or(nameless)
            .ok_or_else(|| format!("servers.{}.command has no --name", target.server.name))?
            .to_owned();
        Ok(Self { target, run: Arc::new(run), container })
    }

    /// Understands `targets`, every server's string once however many hosts it runs on.
    ///
    /// # Errors
    /// The first target whose string cannot be used, and why.
    pub fn all(targets: &[Target<'a>]) -> Result<Vec<Self>, (Target<'a>, String)> {
        let mut known: HashMap<&ServerName, Self> = HashMap::new();
        let understand = |target: &Target<'a>| {
            let first = match known.entry(&target.server.name) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(Self::new(*target).map_err(|reason| (*target, reason))?),
            };
            Ok(Self { target: *target, ..first.clone() })
        };
        targets.iter().map(understand).collect()
    }

    /// The registered `docker run` string as this host runs it.
    #[must_use]
    pub fn run_command(&self) -> String {
        match &self.target.host.docker {
            Docker::Words(words) => self.run.with_program(&handing_on(words, &self.handed_on())),
            Docker::Absent => self.run.text().to_owned(),
        }
    }

    /// The variables that docker needs for the registered string: those of `env` of the host, and those that the string names by `-e NAME`.
    fn handed_on(&self) -> Vec<&str> {
        let named = self.run.env_names().iter().filter(|(_, has_value)| !has_value).map(|(name, _)| name.as_str());
        self.target.host.env.keys().map(String::as_str).chain(named).collect()
    }

    /// `code`, shell text of a script that carries the registered string out: where that may hand on `LC_ALL` it is the account's own.
    #[must_use]
    pub fn in_locale(&self, code: String) -> String {
        // An `--env-file` may name it too.
        let takes_it = !self.run.env_is_known() || self.run.text().contains("LC_ALL");
        if takes_it { in_own_locale(&code) } else { code }
    }

    /// Hash of the registered string.
    #[must_use]
    pub fn hash(&self) -> String {
        command_hash(self.run.text())
    }

    /// The registered stop string, or the derived one.
    #[must_use]
    pub fn stop_command(&self) -> String {
        on_host(&stop(self.target.server, &self.container), self.target.host)
    }

    /// The registered logs string, or the derived one.
    #[must_use]
    pub fn logs_command(&self) -> String {
        on_host(&logs(self.target.server, &self.container), self.target.host)
    }

    /// What pulls the image on this host: the registered pull string, or `docker pull IMAGE`.
    #[must_use]
    pub fn pull_command(&self) -> String {
        pull(self.target.server, &self.run, self.target.host)
    }

    /// The registered stats string, or the derived one.
    #[must_use]
    pub fn stats_command(&self) -> String {
        on_host(&stats(self.target.server, &self.container), self.target.host)
    }

    /// The same with the flags of `more`, which win over those of a registered string.
    #[must_use]
    pub fn logs_command_with(&self, more: &Logs) -> String {
        let text = match &self.target.server.logs {
            None => more.to_shell(),
            Some(text) => match registered::check(registered::Kind::Logs, text) {
                Ok(registered) => registered.with_flags(more.flags()),
                // Loading the workspace has refused it.
                Err(_) => text.clone(),
            },
        };
        on_host(&text, self.target.host)
    }

    /// Whether the stop string is the derived one.
    #[must_use]
    pub fn stops_by_default(&self) -> bool {
        self.target.server.stop.is_none()
    }

    /// Whether the registered stop string removes the container as well.
    #[must_use]
    pub fn stop_removes(&self) -> bool {
        let stop = self.target.server.stop.as_deref();
        stop.is_some_and(|text| registered::check(registered::Kind::Stop, text).is_ok_and(|stop| stop.removes))
    }

    /// What stops `container`, this one's by its id or name, so that it can be started again: the registered stop string first, unless that
    /// removes the container. A registered string may come back before the container has ended.
    #[must_use]
    pub fn stop_and_keep(&self, container: &str) -> String {
        let plain = say(&command::stop(container), self.target.host);
        if self.stops_by_default() || self.stop_removes() {
            plain
        } else {
            format!("{} && {plain}", self.stop_command())
        }
    }
}

/// `words` for docker on `host`, which hand on those of its variables that docker's command line goes by.
fn client(words: &str, host: &Host) -> String {
    let names: Vec<&str> = host.env.keys().map(String::as_str).filter(|name| is_for_the_client(name)).collect();
    handing_on(words, &names)
}

/// What stands for `docker` on `host`.
#[must_use]
pub fn program(host: &Host) -> String {
    match &host.docker {
        Docker::Words(words) => client(words, host),
        Docker::Absent => "docker".to_owned(),
    }
}

/// `text` with the host's words for docker.
#[must_use]
pub fn on_host(text: &str, host: &Host) -> String {
    // A YAML block scalar ends with a newline, which would end the shell's command too early.
    let text = text.trim();
    match &host.docker {
        Docker::Words(words) => with_program(text, &client(words, host)),
        Docker::Absent => text.to_owned(),
    }
}

/// A command of our own, said with the host's words for docker.
#[must_use]
pub fn say(command: &DockerCommand, host: &Host) -> String {
    match &host.docker {
        Docker::Words(words) => command.to_shell_with(&client(words, host)),
        Docker::Absent => command.to_shell(),
    }
}

/// What pulls the image of `server` on `host`: the registered pull string, or `docker pull IMAGE`.
#[must_use]
pub fn pull(server: &Server, run: &RunString, host: &Host) -> String {
    let own = server.pull.as_ref().and_then(|text| PullString::parse(text).ok());
    match (own, &host.docker) {
        (Some(own), Docker::Words(words)) => own.with_program(&client(words, host)),
        (Some(own), Docker::Absent) => own.text().to_owned(),
        // The host's shell has a part in it, so the word goes to it as it was registered.
        (None, _) if run.image_is_unresolved() => {
            format!("{} {}", say(&command::pull(None), host), run.image_word())
        }
        (None, _) => say(&command::pull(Some(run.image())), host),
    }
}

/// The stop string of a server.
#[must_use]
pub fn stop(server: &Server, container: &str) -> String {
    server.stop.clone().unwrap_or_else(|| command::stop(container).to_shell())
}

/// The logs string of a server.
#[must_use]
pub fn logs(server: &Server, container: &str) -> String {
    server.logs.clone().unwrap_or_else(|| command::logs(container).to_shell())
}

/// The stats string of a server.
#[must_use]
pub fn stats(server: &Server, container: &str) -> String {
    server.stats.clone().unwrap_or_else(|| command::stats([container]).to_shell())
}

/// What is wrong with a server's strings: the key and why, with what to write instead.
#[must_use]
pub fn check(server: &Server) -> Vec<(&'static str, String)> {
    let mut wrong = vec![];
    match RunString::parse(&server.command) {
        Err(error) => wrong.push(("command", format!("{}; {}", whole(&error), error.hint()))),
        Ok(run) if run.chooses_an_engine() => wrong.push((
            "command",
            "it chooses an engine, which only this string would ask; leave out what stands between `docker` and `run`, and \
             write it into hosts.NAME.docker"
                .to_owned(),
        )),
        Ok(run) if run.container_name().is_none() && !run.is_on_demand() => {
            wrong.push(("command", format!("it has no --name; add --name {}", server.name)));
        }
        Ok(_) => {}
    }
    for (key, kind, text) in [
        ("stop", registered::Kind::Stop, &server.stop),
        ("logs", registered::Kind::Logs, &server.logs),
        ("stats", registered::Kind::Stats, &server.stats),
    ] {
        if let Some(Err(error)) = text.as_ref().map(|text| registered::check(kind, text)) {
            wrong.push((key, format!("{}; {}", whole(&error), error.hint())));
        }
    }
    if let Some(Err(error)) = server.pull.as_deref().map(PullString::parse) {
        wrong.push(("pull", format!("{}; {}", whole(&error), error.hint())));
    }
    wrong
}

/// An error with all its causes, on one line.
fn whole(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}

/// Two instances on one host that cannot both run: the later server, and why.
#[must_use]
pub fn conflicts(servers: &[Server], inventory: &Inventory) -> Vec<(ServerName, String)> {
    let mut found = vec![];
    let parsed: Vec<(&Server, RunString)> =
        servers.iter().filter_map(|s| Some((s, RunString::parse(&s.command).ok()?))).collect();
    let on =
        |server: &Server| -> BTreeSet<HostName> { placed(server, inventory).unwrap_or_default().into_iter().collect() };
    for (index, (later, run)) in parsed.iter().enumerate() {
        let hosts = on(later);
        for (earlier, other) in &parsed[..index] {
            let Some(host) = on(earlier).intersection(&hosts).next().cloned() else { continue };
            if run.container_name().is_some() && run.container_name() == other.container_name() {
                let name = run.container_name().unwrap_or_default();
                found.push((
                    later.name.clone(),
                    format!(
                        "the container name {name} is already used on {host} by {}; give it another --name",
                        earlier.name
                    ),
                ));
            }
            if let Some((port, _)) = run.conflicts(other).first() {
                found.push((
                    later.name.clone(),
                    format!("port {port} is already published on {host} by {}; publish another with -p", earlier.name),
                ));
            }
        }
    }
    found
}
