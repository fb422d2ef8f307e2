//! Ansible's hosts and groups as an [`Inventory`], by the same way that `hosts.yaml` takes.
//!
//! Boundary: a host that cannot be reached as its variables say is refused, alone; only what concerns all of them is an error.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::Path,
    rc::Rc,
    sync::Arc,
};

use super::{
    Data,
    data::{Resolved, error},
    settings,
    ssh_args::SshArgs,
    value::{Place, Value},
};
use crate::{
    config::{
        error::ConfigErrors,
        inventory::{Context, Inventory},
        target::{Target, address_alone},
        walk::{At, Fields, Walk},
        yaml::Node,
    },
    domain::{AgentChoice, Connection, GroupName, Host, HostName, JumpHost, SshEndpoint},
};

/// What hosts are made with.
pub(crate) struct Conversion<'a> {
    /// What the sources are called in errors that concern all of them.
    pub(crate) label: &'a str,
    /// What paths are relative to in `mcp_` variables, and who the user is.
    pub(crate) context: &'a Context,
    /// What ssh would find relative paths from.
    pub(crate) cwd: &'a Path,
}

/// The hosts, and what should be said about them.
#[derive(Debug)]
pub(crate) struct Converted {
    pub(crate) inventory: Inventory,
    pub(crate) warnings: Vec<String>,
}

/// Makes an inventory of `data`.
///
/// # Errors
/// Groups in a circle, a name that is none, jumps in a circle.
pub(crate) fn convert(data: &mut Data, with: &Conversion<'_>) -> Result<Converted, ConfigErrors> {
    let resolved = data.resolve()?;
    let data: &Data = data;
    let mut refused: HashMap<HostName, String> = HashMap::new();
    let mut beyond: HashMap<HostName, SshArgs> = HashMap::new();
    let mut secrets: BTreeMap<&str, usize> = BTreeMap::new();
    let mut entries = Vec::with_capacity(data.hosts.len());
    let mut names = Vec::with_capacity(data.hosts.len());
    for at in &resolved.order {
        let host = &data.hosts[*at];
        let name = HostName::new(&host.name).map_err(|wrong| error(&host.place, &wrong.to_string()))?;
        if name.as_str() == "all" {
            return Err(error(&host.place, "`all` always means every host; a host needs another name"));
        }
        let effective = data.effective(*at, &resolved);
        for (name, _) in effective.vars.iter().filter(|(_, variable)| variable.value == Value::Secret) {
            *secrets.entry(name).or_default() += 1;
        }
        let mut fields = Vec::new();
        match settings::read(&effective, with.cwd).and_then(|settings| checked(settings, with.context)) {
            Ok(settings) => {
                let own = |(key, node): (&str, Rc<Node>)| (key.to_owned(), node.at_line(host.place.line.max(1)));
                fields.extend(settings.fields.into_iter().map(own));
                beyond.insert(name.clone(), settings.ssh);
            }
            Err(reason) => {
                refused.insert(name.clone(), reason);
            }
        }
        entries.push((name.as_str().to_owned(), Node::mapping(fields).at_line(host.place.line.max(1))));
        names.push(name);
    }
    let document = [("version".to_owned(), Node::scalar("1")), ("hosts".to_owned(), Node::mapping(entries))];
    let loaded = Inventory::of_tree(Node::mapping(document.into()), with.label, with.context)?;
    let mut hosts = loaded.hosts().to_vec();
    let mut hops = Hops { inventory: &loaded, refused: &refused, with, known: HashMap::new() };
    for host in &mut hosts {
        if let Some(args) = beyond.get(&host.name) {
            match hops.apply(host, args)? {
                Ok(()) => {}
                Err(reason) => host.connection = Connection::Refused(reason),
            }
        }
        if let Some(reason) = refused.get(&host.name) {
            host.connection = Connection::Refused(reason.clone());
        }
    }
    refuse_behind_refused(&mut hosts, &refused);
    let (groups, renamed) = groups(data, &resolved, &names)?;
    for (name, members) in &groups {
        for at in members {
            hosts[*at].groups.push(name.clone());
        }
    }
    hosts.iter_mut().for_each(|host| host.groups.sort());
    let mut inventory = Inventory::assemble(hosts, groups);
    for (at, name) in resolved.order.iter().zip(&names) {
        inventory.set_source(name, &data.hosts[*at].place.file);
    }
    Ok(Converted { inventory, warnings: warnings(&secrets, &renamed) })
}

/// Holds the settings of one host against the rules of `hosts.yaml`.
fn checked(settings: settings::Settings, context: &Context) -> Result<settings::Settings, String> {
    let fields = settings.fields.iter().map(|(key, node)| ((*key).to_owned(), Rc::clone(node))).collect();
    let at = At::root(Node::mapping(fields));
    if let Some(reason) = Inventory::trouble(&Fields { at: at.clone() }, context) {
        return Err(reason);
    }
    if let Some(address) = (Fields { at }).get("address") {
        let mut walk = Walk::new("");
        let text = walk.string(&address, "a DNS name or an IP address").ok_or("the address is empty")?;
        address_alone(&text).map_err(|reason| {
            let ansible = [("`address:", "`ansible_host:"), ("`user:", "`ansible_user:"), ("`port:", "`ansible_port:")];
            ansible.iter().fold(reason, |reason, (ours, theirs)| reason.replace(ours, theirs))
        })?;
        if text.starts_with('-') || text.contains(|c: char| c.is_whitespace() || c.is_control() || "@/".contains(c)) {
            return Err(format!("address: expected a DNS name or an IP address, found {text:?}"));
        }
    }
    Ok(settings)
}

/// A host that goes through a refused one cannot be reached either.
fn refuse_behind_refused(hosts: &mut [Host], refused: &HashMap<HostName, String>) {
    for host in hosts {
        let Connection::Ssh(endpoint) = &host.connection else { continue };
        let through = endpoint.jump.iter().find_map(|jump| refused.get_key_value(&HostName::new(&jump.name).ok()?));
        if let Some((name, reason)) = through {
            host.connection = Connection::Refused(format!("it is reached through {name}: {reason}"));
        }
    }
}

/// The ways through other hosts that arguments for ssh name.
struct Hops<'a> {
    inventory: &'a Inventory,
    refused: &'a HashMap<HostName, String>,
    with: &'a Conversion<'a>,
    known: HashMap<Target, Result<Host, String>>,
}

impl Hops<'_> {
    /// Sets what the keys of `hosts.yaml` cannot say. The inner error refuses the host.
    fn apply(&mut self, host: &mut Host, args: &SshArgs) -> Result<Result<(), String>, ConfigErrors> {
        let Connection::Ssh(endpoint) = &mut host.connection else { return Ok(Ok(())) };
        if let Some(only) = args.identities_only {
            endpoint.identities_only = only;
        }
        if let Some(hash) = args.hash_known_hosts {
            endpoint.hash_known_hosts = hash;
        }
        if args.host_key_alias.is_some() {
            endpoint.host_key_alias.clone_from(&args.host_key_alias);
        }
        let absolute = |path: &String| match (path.strip_prefix("~/"), &self.with.context.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => self.with.cwd.join(path),
        };
        endpoint.certificate_files.extend(args.certificate_files.iter().map(absolute));
        match args.agent.as_deref() {
            Some("none") => endpoint.agent = AgentChoice::Off,
            Some("SSH_AUTH_SOCK") => endpoint.agent = AgentChoice::Environment,
            Some(socket) => endpoint.agent = AgentChoice::Socket(absolute(&socket.to_owned())),
            None => {}
        }
        let Some(jumps) = &args.jump else { return Ok(Ok(())) };
        let mut way: Vec<Arc<JumpHost>> = Vec::new();
        for (position, target) in jumps.iter().enumerate() {
            match self.hop(target)? {
                Ok((before, hop)) => {
                    // As `ssh -J` goes: how the first one is reached counts, the others lie behind it.
                    if position == 0 {
                        way.extend(before);
                    }
                    way.push(hop);
                }
                Err(reason) => return Ok(Err(format!("it is reached through {target}: {reason}"))),
            }
        }
        endpoint.jump = way;
        Ok(Ok(()))
    }

    /// The host of the inventory that `target` names, else one as ssh would reach it.
    #[expect(clippy::type_complexity, reason = "the way to the first hop and the hop, or why there is none")]
    fn hop(&mut self, target: &Target) -> Result<Result<(Vec<Arc<JumpHost>>, Arc<JumpHost>), String>, ConfigErrors> {
        if !self.known.contains_key(target) {
            let named = HostName::new(&target.address).ok().and_then(|name| self.inventory.get(&name));
            let host = match named {
                Some(host) => match self.refused.get(&host.name) {
                    Some(reason) => Err(reason.clone()),
                    None => Ok(crate::config::inventory::aimed(host.clone(), target)),
                },
                None => Ok(Inventory::implicit_localhost().one_shot(target, self.with.context)?),
            };
            self.known.insert(target.clone(), host);
        }
        let host = match self.known.get(target) {
            Some(Ok(host)) => host,
            Some(Err(reason)) => return Ok(Err(reason.clone())),
            None => return Ok(Err("unknown".to_owned())),
        };
        Ok(match &host.connection {
            Connection::Ssh(endpoint) => {
                let endpoint_alone = SshEndpoint { jump: Vec::new(), ..endpoint.clone() };
                let name = target.address.clone();
                let hop = JumpHost { name, endpoint: endpoint_alone, connect_timeout: host.connect_timeout };
                Ok((endpoint.jump.clone(), Arc::new(hop)))
            }
            Connection::Local => Err("its connection is local".to_owned()),
            Connection::Refused(reason) => Err(reason.clone()),
        })
    }
}

/// Groups and their members by position in the new order.
type Groups = Vec<(GroupName, BTreeSet<usize>)>;

/// The groups with members. Characters that no group's name has become `_`, as Ansible's `force_valid_group_names` does.
fn groups(data: &Data, resolved: &Resolved, names: &[HostName]) -> Result<(Groups, Vec<String>), ConfigErrors> {
    let mut position = vec![0; names.len()];
    for (new, old) in resolved.order.iter().enumerate() {
        position[*old] = new;
    }
    let mut groups = Groups::new();
    let mut renamed = Vec::new();
    let mut seen: HashSet<String> = data.groups.iter().map(|group| group.name.clone()).collect();
    for (at, group) in data.groups.iter().enumerate().filter(|(at, _)| *at != Data::ALL) {
        let members: BTreeSet<usize> = resolved.members[at].iter().map(|host| position[*host]).collect();
        if members.is_empty() {
            continue;
        }
        let name = match GroupName::new(&group.name) {
            Ok(name) => name,
            Err(_) => {
                let valid = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
                let safe: String = group.name.chars().map(|c| if valid(c) { c } else { '_' }).collect();
                let safe = safe.trim_start_matches(['.', '_', '-']).to_owned();
                let new = seen.insert(safe.clone());
                let Some(name) = GroupName::new(safe).ok().filter(|_| new) else {
                    let place = Place { file: "groups".into(), line: 0 };
                    let message =
                        format!("{:?} is not a group's name, and what it could be called is taken", group.name);
                    return Err(error(&place, &message));
                };
                renamed.push(format!("{:?} is @{name}", group.name));
                name
            }
        };
        groups.push((name, members));
    }
    Ok((groups, renamed))
}

fn warnings(secrets: &BTreeMap<&str, usize>, renamed: &[String]) -> Vec<String> {
    let mut warnings = Vec::new();
    if !secrets.is_empty() {
        let listed: Vec<String> =
            secrets.iter().map(|(name, hosts)| format!("{name} ({})", crate::domain::plural(*hosts, "host"))).collect();
        warnings.push(format!(
            "the inventory has passwords or keys that are not used: {}; log in with an agent, identity files or --ask-pass",
            listed.join(", ")
        ));
    }
    if !renamed.is_empty() {
        warnings.push(format!("groups whose names have other characters than patterns take: {}", renamed.join(", ")));
    }
    warnings
}
