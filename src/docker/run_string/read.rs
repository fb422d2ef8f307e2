//! From text to [`RunString`].
//!
//! Boundary: the checks that need one string only; whether ports and names are taken already is for operations to say.

use super::{RegisteredMount, RunString, RunStringError, mounts, windows};
use crate::{
    docker::{
        flags::{self, Given},
        port::PublishedPort,
        reference,
        replacement::is_reserved,
        shell::{self, Word},
    },
    domain::secrets,
};

pub(super) fn read(text: &str) -> Result<RunString, RunStringError> {
    let text = trimmed(text);
    let words = shell::split(text).map_err(RunStringError::Shell)?;
    let run = find_run(&words)?;
    let (given, count) = flags::leading(flags::RUN, &words[run + 1..]).map_err(RunStringError::Flag)?;
    let rest = &words[run + 1 + count..];
    if given.iter().any(|g| g.flag.long == "help" && g.is_on()) {
        return Err(RunStringError::Help);
    }
    let Some(image) = rest.first().filter(|word| !word.value.is_empty()) else { return Err(RunStringError::NoImage) };
    given.iter().try_for_each(|given| windows::refuse(given, text))?;
    if !image.unresolved {
        let refused = |source| RunStringError::Image { word: secrets::mask(&image.value).into_owned(), source };
        reference::check(&image.value).map_err(refused)?;
    }
    let last = |long: &str| given.iter().rfind(|g| g.flag.long == long);
    let is_on = |long: &str| last(long).is_some_and(Given::is_on);

    // An unquoted variable for the image may be several words, or flags.
    let judged = !image.unresolved && rest.iter().all(|word| !word.unresolved);
    let mut string = RunString {
        text: text.to_owned(),
        program: words[0].span.clone(),
        after_run: words[run].span.end,
        name: last("name").map(container_name).transpose()?.flatten(),
        image: image.value.clone(),
        image_unresolved: image.unresolved,
        image_at: image.span.clone(),
        arguments: judged.then(|| rest[1..].iter().map(|word| word.value.clone()).collect()),
        detached: is_on("detach"),
        interactive: is_on("interactive"),
        tty: is_on("tty"),
        removes_itself: is_on("rm"),
        restart_policy: restart_policy(last("restart"))?,
        pull_policy: last("pull").filter(|g| !g.unresolved).map(|g| g.value.clone()),
        ports: Vec::new(),
        ports_known: true,
        publish_all: is_on("publish-all"),
        env: Vec::new(),
        env_known: true,
        env_files: Vec::new(),
        mounts: Vec::new(),
        mounts_known: true,
        entrypoint: last("entrypoint").filter(|g| !g.unresolved).map(|g| g.value.clone()),
        network: given.iter().rfind(|g| matches!(g.flag.long, "network" | "net")).map(|g| g.value.clone()),
        labels: Vec::new(),
        privileged: is_on("privileged"),
        pid: last("pid").map(|g| g.value.clone()),
        added_capabilities: given.iter().filter(|g| g.flag.long == "cap-add").map(|g| g.value.clone()).collect(),
        uses_api_socket: is_on("use-api-socket"),
    };
    for flag in &given {
        string.add(flag)?;
    }
    string.refuse_combinations(&given)?;
    Ok(string)
}

impl RunString {
    /// Whether the engine keeps the container's log in a file that grows without bound, as far as the string says: `json-file` is docker's
    /// default, and has no `max-size` of its own. The host's daemon.json may say otherwise.
    #[must_use]
    pub fn log_grows(&self) -> bool {
        let words = shell::split(&self.text).unwrap_or_default();
        let Ok(run) = find_run(&words) else { return false };
        let Ok((given, _)) = flags::leading(flags::RUN, &words[run + 1..]) else { return false };
        let driver = given.iter().rfind(|g| g.flag.long == "log-driver");
        let is_limited = |g: &Given| g.flag.long == "log-opt" && (g.unresolved || g.value.starts_with("max-size="));
        driver.is_none_or(|g| !g.unresolved && g.value == "json-file") && !given.iter().any(is_limited)
    }

    fn add(&mut self, given: &Given) -> Result<(), RunStringError> {
        let value = given.value.as_str();
        match given.flag.long {
            "publish" if given.unresolved => self.ports_known = false,
            "publish" => {
                let port = PublishedPort::parse(value);
                self.ports.push(port.map_err(|source| RunStringError::Port { given: value.to_owned(), source })?);
            }
            "env" => self.add_env(given)?,
            "env-file" => self.env_files.push(value.to_owned()),
            "label" => self.labels.push(value.split_once('=').map_or(value, |(name, _)| name).to_owned()),
            "volume" => self.add_mount(mounts::volume(given)?),
            "mount" => self.add_mount(mounts::mount(given)?),
            "tmpfs" => self.add_mount(mounts::tmpfs(given)?),
            "volumes-from" | "use-api-socket" => self.mounts_known = false,
            _ => {}
        }
        // It sets DOCKER_CONFIG in the container (docker/cli, `container/create.go`).
        self.env_known &= given.flag.long != "use-api-socket";
        Ok(())
    }

    fn add_env(&mut self, given: &Given) -> Result<(), RunStringError> {
        let (name, has_value) =
            given.value.split_once('=').map_or((given.value.as_str(), false), |(name, _)| (name, true));
        if name.is_empty() {
            return Err(RunStringError::EnvironmentName);
        }
        // `-e $ALL` may be any name, while `-e NAME=$VALUE` is known by name.
        if given.unresolved && (!has_value || name.contains('$')) {
            self.env_known = false;
        } else {
            self.env.retain(|(known, _)| known != name);
            self.env.push((name.to_owned(), has_value));
        }
        Ok(())
    }

    fn add_mount(&mut self, mount: RegisteredMount) {
        self.mounts_known &= !mount.target_unresolved;
        self.mounts.push(mount);
    }

    fn refuse_combinations(&self, given: &[Given]) -> Result<(), RunStringError> {
        if given.iter().any(|g| g.flag.long == "attach") {
            return Err(RunStringError::Attached);
        }
        if self.is_on_demand() {
            return match self.restart_policy.as_deref() {
                Some("no") | None => Ok(()),
                Some(policy) => Err(RunStringError::OnDemandRestart { policy: policy.to_owned() }),
            };
        }
        if !self.detached {
            if self.tty {
                return Err(RunStringError::Terminal { flags: if self.interactive { "-it" } else { "-t" } });
            }
            if given.iter().any(|g| g.flag.long == "detach") {
                return Err(RunStringError::Foreground);
            }
        }
        match self.restart_policy.as_deref() {
            Some(policy) if self.removes_itself && policy != "no" => {
                Err(RunStringError::RemoveAndRestart { policy: policy.to_owned() })
            }
            _ => Ok(()),
        }
    }
}

/// White space around the string is nobody's; but a backslash at the end keeps the space it escapes.
pub(in crate::docker) fn trimmed(text: &str) -> &str {
    let trimmed = text.trim_matches([' ', '\t', '\n', '\r']);
    let backslashes = trimmed.len() - trimmed.trim_end_matches('\\').len();
    if backslashes % 2 == 1 { text.trim_start_matches([' ', '\t', '\n', '\r']) } else { trimmed }
}

/// The place of `run` in `docker [FLAGS] [container] run`.
fn find_run(words: &[Word]) -> Result<usize, RunStringError> {
    let refused = |found: &str| Err(RunStringError::NotADockerRun { found: found.to_owned() });
    match words.first() {
        None => return refused("it is empty"),
        Some(first) if first.value != "docker" => {
            // `DOCKER_HOST=…` may hold a secret, so only the part before the `=` is repeated.
            let word = first.value.split('=').next().unwrap_or_default();
            return refused(&format!("it begins with `{word}`"));
        }
        Some(_) => {}
    }
    let (_, count) = flags::leading(flags::GLOBAL, &words[1..]).map_err(RunStringError::Flag)?;
    let at = 1 + count;
    let verb = |at: usize| words.get(at).map(|word| word.value.as_str());
    match (verb(at), verb(at + 1)) {
        (Some("run"), _) => Ok(at),
        (Some("container"), Some("run")) => Ok(at + 1),
        (Some("container"), Some(other)) => refused(&format!("it is a `docker container {other}`")),
        (Some(other), _) => refused(&format!("it is a `docker {other}`")),
        (None, _) => refused("no command follows `docker`"),
    }
}

/// Docker's rule (`daemon/names`): `[a-zA-Z0-9][a-zA-Z0-9_.-]+`, with a slash in front tolerated; an empty name is none.
fn container_name(given: &Given) -> Result<Option<String>, RunStringError> {
    if given.unresolved {
        return Err(RunStringError::NameUnresolved(given.value.clone()));
    }
    let name = given.value.strip_prefix('/').unwrap_or(&given.value);
    if given.value.is_empty() {
        return Ok(None);
    }
    let mut characters = name.chars();
    let first = characters.next().is_some_and(|c| c.is_ascii_alphanumeric());
    let rest = name.len() > 1 && characters.all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    match first && rest {
        true if is_reserved(name) => Err(RunStringError::NameReserved(given.value.clone())),
        true => Ok(Some(name.to_owned())),
        false => Err(RunStringError::Name(given.value.clone())),
    }
}

/// `no` when not given; `None` when the host's shell decides.
fn restart_policy(given: Option<&Given>) -> Result<Option<String>, RunStringError> {
    let Some(given) = given else { return Ok(Some("no".to_owned())) };
    if given.unresolved {
        return Ok(None);
    }
    let (name, count) = given.value.split_once(':').map_or((given.value.as_str(), None), |(n, c)| (n, Some(c)));
    match (name, count.map(str::parse::<u32>)) {
        ("" | "no", None) => Ok(Some("no".to_owned())),
        ("always" | "unless-stopped" | "on-failure", None) => Ok(Some(name.to_owned())),
        ("on-failure", Some(Ok(0))) => Ok(Some(name.to_owned())),
        ("on-failure", Some(Ok(count))) => Ok(Some(format!("on-failure:{count}"))),
        _ => Err(RunStringError::RestartPolicy(given.value.clone())),
    }
}
