//! The keys that say how a host is reached; they stand under `defaults`, a group or a host, and the nearest wins.
//!
//! Boundary: reading and layering one set of them; whose they are is `load`'s.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::Context;
use crate::{
    config::walk::{At, Fields, Walk, boolean, found, kind},
    config::yaml::Value,
    domain::{Audit, Docker, HostKeyPolicy},
};

/// Keys of [`Vars`]. `address` belongs to one host and is not among them.
pub(super) const KEYS: [&str; 14] = [
    "user",
    "port",
    "identity_file",
    "jump",
    "connection",
    "docker",
    "env",
    "connect_timeout",
    "timeout",
    "persist",
    "audit",
    "in_all",
    "host_key",
    "known_hosts",
];

/// Values said at one place; what is `None` was not said there.
#[derive(Clone, Default)]
pub(super) struct Vars {
    pub(super) user: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) identity_files: Option<Vec<PathBuf>>,
    /// The place of an identity file that is a public key by its name, and what is wrong.
    pub(super) public_key: Option<(At, String)>,
    /// Names of hosts with the place they were written, for errors.
    pub(super) jump: Option<Vec<(String, At)>>,
    pub(super) local: Option<bool>,
    pub(super) docker: Option<Docker>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) timeout: Option<Duration>,
    pub(super) persist: Option<Duration>,
    pub(super) audit: Option<Audit>,
    pub(super) in_all: Option<bool>,
    pub(super) host_key: Option<HostKeyPolicy>,
    pub(super) known_hosts: Option<Vec<PathBuf>>,
}

impl Vars {
    pub(super) fn read(walk: &mut Walk<'_>, fields: &Fields, context: &Context) -> Self {
        let paths = |walk: &mut Walk<'_>, key: &str| {
            let at = fields.get(key)?;
            let items = walk.items(&at);
            Some(items.iter().filter_map(|at| walk.path(at, &context.dir, context.home.as_deref())).collect())
        };
        let identity_files: Option<Vec<PathBuf>> = paths(walk, "identity_file");
        Self {
            public_key: fields.get("identity_file").and_then(|at| Some((at, public_key(identity_files.as_ref()?)?))),
            identity_files,
            known_hosts: paths(walk, "known_hosts"),
            user: fields.get("user").and_then(|at| user(walk, &at)),
            port: fields.get("port").and_then(|at| walk.port(&at)),
            jump: fields.get("jump").map(|at| jump(walk, &at)),
            local: fields
                .get("connection")
                .and_then(|at| walk.word(&at, &["ssh", "local"]))
                .map(|word| word == "local"),
            docker: fields.get("docker").and_then(|at| docker(walk, &at)),
            env: fields.get("env").map(|at| env(walk, &at)).unwrap_or_default(),
            connect_timeout: fields.get("connect_timeout").and_then(|at| walk.duration(&at)),
            timeout: fields.get("timeout").and_then(|at| walk.duration_or_zero(&at)),
            persist: fields.get("persist").and_then(|at| walk.duration_or_zero(&at)),
            audit: fields
                .get("audit")
                .and_then(|at| walk.word(&at, &["syslog", "none"]))
                .map(|word| if word == "none" { Audit::None } else { Audit::Syslog }),
            in_all: fields.get("in_all").and_then(|at| walk.boolean(&at)),
            host_key: fields
                .get("host_key")
                .and_then(|at| walk.word(&at, &["strict", "accept-new"]))
                .map(|word| if word == "strict" { HostKeyPolicy::Strict } else { HostKeyPolicy::AcceptNew }),
        }
    }

    /// Puts `nearer` on top. `env` is merged variable by variable, everything else is replaced whole.
    pub(super) fn overlay(&mut self, nearer: &Self) {
        fn put<T: Clone>(mine: &mut Option<T>, nearer: &Option<T>) {
            if nearer.is_some() {
                mine.clone_from(nearer);
            }
        }
        put(&mut self.user, &nearer.user);
        put(&mut self.port, &nearer.port);
        if nearer.identity_files.is_some() {
            self.public_key.clone_from(&nearer.public_key);
        }
        put(&mut self.identity_files, &nearer.identity_files);
        put(&mut self.jump, &nearer.jump);
        put(&mut self.local, &nearer.local);
        put(&mut self.docker, &nearer.docker);
        put(&mut self.connect_timeout, &nearer.connect_timeout);
        put(&mut self.timeout, &nearer.timeout);
        put(&mut self.persist, &nearer.persist);
        put(&mut self.audit, &nearer.audit);
        put(&mut self.in_all, &nearer.in_all);
        put(&mut self.host_key, &nearer.host_key);
        put(&mut self.known_hosts, &nearer.known_hosts);
        self.env.extend(nearer.env.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
}

fn public_key(files: &[PathBuf]) -> Option<String> {
    let file = files.iter().find(|file| file.extension().is_some_and(|extension| extension == "pub"))?;
    let private = file.with_extension("");
    Some(format!("{} is the public key; write `identity_file: {}`", file.display(), private.display()))
}

fn user(walk: &mut Walk<'_>, at: &At) -> Option<String> {
    let user = walk.string(at, "a user name")?;
    if user.starts_with('-') || user.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@') {
        walk.error(at, format!("expected a user name, found {user:?}"));
        return None;
    }
    Some(user)
}

/// `bastion`, `outer,inner`, or a list; the outermost first. An empty list means none.
fn jump(walk: &mut Walk<'_>, at: &At) -> Vec<(String, At)> {
    let texts = walk.strings(at, "the name of a host");
    let split =
        |(text, at): (String, At)| text.split(',').map(|name| (name.trim().to_owned(), at.clone())).collect::<Vec<_>>();
    texts.into_iter().flat_map(split).collect()
}

fn docker(walk: &mut Walk<'_>, at: &At) -> Option<Docker> {
    match boolean(&at.node) {
        Some(true) => return Some(Docker::default()),
        Some(false) => return Some(Docker::Absent),
        None => {}
    }
    if let Value::Scalar(scalar) = &at.node.value
        && scalar.plain
        && matches!(scalar.text.as_str(), "no" | "No" | "off" | "Off" | "yes" | "Yes" | "on" | "On")
    {
        let meant = if scalar.text.to_ascii_lowercase().starts_with(['n']) || scalar.text.eq_ignore_ascii_case("off") {
            "false"
        } else {
            "true"
        };
        walk.suggest(
            at,
            format!("expected the words for docker, or false, found {}", found(&at.node)),
            Some(meant.to_owned()),
        );
        return None;
    }
    let words = walk.string(at, "the words that stand in for docker, or false")?;
    if words.contains(char::is_control) || shlex::split(&words).is_none_or(|words| words.is_empty()) {
        walk.error(
            at,
            "expected shell words on one line (`sudo -n docker`), found an open quote or a control character",
        );
        return None;
    }
    Some(Docker::Words(words))
}

/// Environment variables. Values may be secret, so no error shows one.
fn env(walk: &mut Walk<'_>, at: &At) -> BTreeMap<String, String> {
    let Some(fields) = walk.mapping(at) else { return BTreeMap::new() };
    let mut env = BTreeMap::new();
    for (name, at) in fields.iter() {
        let mut letters = name.chars();
        let valid = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && letters.all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !valid {
            walk.error(&at, "not a variable name: letters, digits and `_`, not beginning with a digit");
            continue;
        }
        match &at.node.value {
            Value::Scalar(scalar) if !at.node.is_null() && !scalar.text.contains('\0') => {
                env.insert(name, scalar.text.clone());
            }
            Value::Scalar(_) if !at.node.is_null() => walk.error(&at, "the value holds a NUL character"),
            _ if at.node.is_null() => {
                walk.error(&at, "expected a string, found nothing; write \"\" for an empty value")
            }
            _ => walk.error(&at, format!("expected a string, found {}", kind(&at.node))),
        }
    }
    env
}
