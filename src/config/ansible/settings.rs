//! What a host's variables say about reaching it: `ansible_host`, `ansible_port`, `ansible_ssh_common_args`, `mcp_docker`, …
//!
//! Boundary: variables to the keys of a host in `hosts.yaml`; what decides something and cannot be read refuses the host.
//! Source of names and precedence: the documentation of Ansible's connection plugin `ssh`, where of two names for one thing the
//! later in its list wins.

use std::{path::Path, rc::Rc};

use super::{
    data::{Effective, Variable},
    ssh_args::{self, SshArgs},
    value::Value,
};
use crate::config::{target::is_address, yaml::Node};

/// What a host's variables come to.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// Keys of a host as `hosts.yaml` has them.
    pub(super) fields: Vec<(&'static str, Rc<Node>)>,
    /// What these keys cannot say.
    pub(super) ssh: SshArgs,
}

/// `mcp_` variables that are keys of `hosts.yaml` without the prefix.
const OWN: [(&str, &str); 14] = [
    ("mcp_address", "address"),
    ("mcp_user", "user"),
    ("mcp_port", "port"),
    ("mcp_identity_file", "identity_file"),
    ("mcp_jump", "jump"),
    ("mcp_connection", "connection"),
    ("mcp_docker", "docker"),
    ("mcp_env", "env"),
    ("mcp_connect_timeout", "connect_timeout"),
    ("mcp_timeout", "timeout"),
    ("mcp_persist", "persist"),
    ("mcp_audit", "audit"),
    ("mcp_host_key", "host_key"),
    ("mcp_known_hosts", "known_hosts"),
];

/// Reads the variables of one host; `cwd` is where ssh would find relative paths.
///
/// Errors: why the host cannot be reached as its variables say, in words with the variable and its place.
pub(super) fn read(effective: &Effective<'_>, cwd: &Path) -> Result<Settings, String> {
    let vars = Vars { effective };
    if let Some(place) = effective.encrypted
        && vars.text(&["mcp_vault"])?.is_none_or(|(text, _)| text != "ignore")
    {
        return Err(format!(
            "{place} is encrypted with Ansible Vault, so nobody can tell what it sets for this host; when it holds nothing \
             that mcp needs, set mcp_vault: ignore in a file that can be read"
        ));
    }
    let mut settings = Settings::default();
    let is_local = vars.local()?;
    if is_local {
        settings.put("connection", Node::scalar("local"));
    } else {
        settings.ssh = vars.ssh_args()?;
        settings.ssh_fields(cwd);
    }
    for (variable, key) in OWN {
        if key == "connection" {
            continue;
        }
        if let Some(found) = vars.find(variable) {
            let node = node(&found.value, variable, found)?;
            settings.put(key, node);
        }
    }
    if settings.fields.iter().any(|(key, _)| *key == "jump") {
        settings.ssh.jump = None;
    }
    Ok(settings)
}

impl Settings {
    fn put(&mut self, key: &'static str, node: Rc<Node>) {
        self.fields.retain(|(known, _)| *known != key);
        self.fields.push((key, node));
    }

    fn ssh_fields(&mut self, cwd: &Path) {
        let absolute = |path: &String| {
            let text = if path.starts_with('~') { path.clone() } else { cwd.join(path).to_string_lossy().into_owned() };
            Node::text(&text)
        };
        let SshArgs { host_name, user, port, connect_timeout, host_key, .. } = self.ssh.clone();
        for (key, value) in
            [("user", user), ("port", port), ("connect_timeout", connect_timeout), ("address", host_name)]
        {
            if let Some(value) = value {
                self.put(key, Node::scalar(&value));
            }
        }
        if let Some(policy) = host_key {
            self.put("host_key", Node::scalar(policy));
        }
        if !self.ssh.identity_files.is_empty() {
            self.put("identity_file", Node::list(self.ssh.identity_files.iter().map(absolute).collect()));
        }
        let known_hosts = match (&self.ssh.known_hosts, &self.ssh.global_known_hosts) {
            (None, None) => return,
            (users, global) => {
                let usual = |path: &str| Some(vec![path.to_owned()]);
                let users = users.clone().or_else(|| usual("~/.ssh/known_hosts"));
                let global = global.clone().or_else(|| usual("/etc/ssh/ssh_known_hosts"));
                users.into_iter().chain(global).flatten().collect::<Vec<_>>()
            }
        };
        self.put("known_hosts", Node::list(known_hosts.iter().map(absolute).collect()));
    }
}

struct Vars<'a, 'b> {
    effective: &'b Effective<'a>,
}

impl<'a> Vars<'a, '_> {
    /// A variable that says something.
    fn find(&self, name: &str) -> Option<&'a Variable> {
        self.effective.vars.get(name).copied().filter(|variable| variable.value != Value::Null)
    }

    /// The text of the first variable of `names` that is set, and its name.
    fn text(&self, names: &[&'static str]) -> Result<Option<(String, &'static str)>, String> {
        for name in names {
            let Some(found) = self.find(name) else { continue };
            let text = text(&found.value, name, found)?;
            // Ansible's templates make an empty text to say nothing.
            if !text.trim().is_empty() {
                return Ok(Some((text, name)));
            }
        }
        Ok(None)
    }

    fn local(&self) -> Result<bool, String> {
        let Some((text, name)) = self.text(&["mcp_connection", "ansible_connection"])? else { return Ok(false) };
        match text.strip_prefix("ansible.builtin.").unwrap_or(&text) {
            "local" => Ok(true),
            "ssh" | "smart" | "paramiko" | "paramiko_ssh" | "ansible.netcommon.libssh" | "libssh" => Ok(false),
            _ => Err(format!(
                "{name} is {text:?}{}; mcp reaches hosts by ssh and local",
                self.find(name).map(|found| format!(" ({})", found.place)).unwrap_or_default()
            )),
        }
    }

    /// Everything for ssh, in the order in which Ansible puts it on ssh's command line, where the first value counts.
    fn ssh_args(&self) -> Result<SshArgs, String> {
        let mut args = SshArgs::default();
        self.arguments("ansible_ssh_args", &mut args)?;
        let checking = self.text(&["ansible_ssh_host_key_checking", "ansible_host_key_checking"])?;
        if checking.is_some_and(|(text, _)| is_false(&text)) {
            args.host_key.get_or_insert("accept-new");
        }
        let mut put = |mine: fn(&mut SshArgs) -> &mut Option<String>, names: &[&'static str]| {
            let value = self.text(names)?;
            if let (mine @ None, Some((text, _))) = (mine(&mut args), value) {
                *mine = Some(text);
            }
            Ok::<_, String>(())
        };
        put(|args| &mut args.port, &["ansible_ssh_port", "ansible_port"])?;
        put(|args| &mut args.user, &["ansible_ssh_user", "ansible_user"])?;
        put(|args| &mut args.connect_timeout, &["ansible_ssh_timeout", "ansible_timeout"])?;
        if let Some((path, _)) = self.text(&["ansible_ssh_private_key_file", "ansible_private_key_file"])? {
            args.identity_files.push(path);
        }
        self.arguments("ansible_ssh_common_args", &mut args)?;
        self.arguments("ansible_ssh_extra_args", &mut args)?;
        if args.host_name.is_none()
            && let Some((address, _)) = self.text(&["ansible_ssh_host", "ansible_host"])?
        {
            let inside = address.strip_prefix('[').and_then(|address| address.strip_suffix(']'));
            let address = inside.filter(|inside| is_address(inside)).unwrap_or(&address).to_owned();
            args.host_name = Some(address);
        }
        for name in ["ansible_ssh_pkcs11_provider", "ansible_ssh_executable"] {
            let is_ssh = |text: &str| Path::new(text).file_name().is_some_and(|name| name == "ssh");
            if let Some((_, name)) =
                self.text(&[name])?.filter(|(text, name)| !name.ends_with("executable") || !is_ssh(text))
            {
                return Err(format!("{name} is not supported"));
            }
        }
        Ok(args)
    }

    fn arguments(&self, name: &'static str, args: &mut SshArgs) -> Result<(), String> {
        let Some((text, _)) = self.text(&[name])? else { return Ok(()) };
        let place = self.find(name).map(|found| format!(" ({})", found.place)).unwrap_or_default();
        ssh_args::read(&text, args).map_err(|reason| format!("{name}: {reason}{place}"))
    }
}

/// What Ansible takes for false (`module_utils/parsing/convert_bool.py`).
fn is_false(text: &str) -> bool {
    matches!(text.trim().to_ascii_lowercase().as_str(), "no" | "n" | "off" | "0" | "false" | "f" | "0.0")
}

fn text(value: &Value, name: &str, variable: &Variable) -> Result<String, String> {
    let place = &variable.place;
    let text = match value {
        Value::Vault => return Err(format!("{name} is encrypted with Ansible Vault ({place})")),
        Value::Null => String::new(),
        value => value.shown().ok_or_else(|| format!("{name}: expected one value ({place})"))?,
    };
    if ["{{", "{%", "{#"].iter().any(|open| text.contains(open)) {
        return Err(format!("{name} is a template, which mcp does not evaluate ({place}); write the value itself"));
    }
    Ok(text)
}

/// The value as `hosts.yaml` would have it.
fn node(value: &Value, name: &str, variable: &Variable) -> Result<Rc<Node>, String> {
    match value {
        Value::List(items) => {
            Ok(Node::list(items.iter().map(|item| node(item, name, variable)).collect::<Result<_, _>>()?))
        }
        Value::Map(entries) => {
            let entry = |(key, value): &(String, Value)| Ok::<_, String>((key.clone(), node(value, name, variable)?));
            Ok(Node::mapping(entries.iter().map(entry).collect::<Result<_, _>>()?))
        }
        // In `hosts.yaml` true and false are written in small letters.
        Value::Bool(value) => Ok(Node::scalar(if *value { "true" } else { "false" })),
        value => {
            let text = text(value, name, variable)?;
            // Only what stands for a number or a switch is written without quotes: `~` is a text here, and so is an empty one.
            let is_plain = matches!(text.as_str(), "true" | "false")
                || (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
            Ok(if is_plain { Node::scalar(&text) } else { Node::text(&text) })
        }
    }
}
