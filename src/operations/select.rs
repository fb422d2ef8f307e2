//! Which instances a command is about.
//!
//! Boundary: pure; names, patterns and tags in, instances out.

mod status;

use std::collections::{BTreeSet, HashMap};

use crate::{
    config::{
        inventory::Inventory,
        pattern::{HostPattern, NamePattern},
        registry::Registry,
    },
    domain::{Host, HostName, Instance, Server},
    error::CommandError,
};

pub use status::{STATUS_WORDS, StatusFilter};

/// What the user named.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// `finance`, `finance@edge-1`, `fin*`.
    pub names: Vec<String>,
    /// Everything.
    pub all: bool,
    /// A host pattern that limits the rest.
    pub on: Option<String>,
    /// Servers with any of these tags.
    pub tags: Vec<String>,
}

impl Selection {
    /// Whether nothing limits it.
    #[must_use]
    pub fn says_nothing(&self) -> bool {
        self.names.is_empty() && self.tags.is_empty() && self.on.is_none()
    }
}

/// One selected instance.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// What is registered.
    pub server: &'a Server,
    /// Where.
    pub host: &'a Host,
}

impl Target<'_> {
    /// Its name.
    #[must_use]
    pub fn instance(&self) -> Instance {
        Instance { server: self.server.name.clone(), host: self.host.name.clone() }
    }
}

/// A pattern with the hosts it is limited to.
struct Named {
    pattern: NamePattern,
    /// `None` for all. Empty when it names a host or group that is not there.
    hosts: Option<BTreeSet<HostName>>,
}

impl Named {
    fn new(pattern: NamePattern, inventory: &Inventory) -> Self {
        let names = |hosts: Vec<&Host>| hosts.into_iter().map(|host| host.name.clone()).collect();
        let hosts = pattern.host().map(|host| inventory.select(host).map(names).unwrap_or_default());
        Self { pattern, hosts }
    }

    fn matches(&self, instance: &Instance) -> bool {
        self.pattern.matches_server(&instance.server)
            && self.hosts.as_ref().is_none_or(|hosts| hosts.contains(&instance.host))
    }
}

/// The selected instances in inventory order, then by name. With `default_all`, naming nothing means everything.
///
/// # Errors
/// Nothing named, a bad pattern, or a name or pattern that selects nothing.
pub fn select<'a>(
    selection: &Selection,
    inventory: &'a Inventory,
    registry: &'a Registry,
    default_all: bool,
) -> Result<Vec<Target<'a>>, CommandError> {
    let names_nothing = selection.names.is_empty() && selection.tags.is_empty() && !selection.all;
    if names_nothing && !default_all {
        return Err(CommandError::usage("nothing is selected")
            .hint("name servers (finance, finance@edge-1, 'web-*'), or use --tag TAG, or --all for everything"));
    }
    if selection.all && !(selection.names.is_empty() && selection.tags.is_empty()) {
        return Err(CommandError::usage("--all and names or tags contradict each other").hint("leave one of them out"));
    }
    let patterns = selection
        .names
        .iter()
        .map(|name| {
            NamePattern::parse(name).map_err(|e| CommandError::usage(format!("{name:?} selects nothing")).because(&e))
        })
        .collect::<Result<Vec<_>, _>>()?;
    for tag in &selection.tags {
        if !registry.servers().iter().any(|s| s.tags.contains(tag)) {
            return Err(CommandError::usage(format!("no server has the tag {tag:?}")).hint("see tags in servers.yaml"));
        }
    }
    if let Some(stranger) = selection.on.as_deref().and_then(|on| stranger(on, inventory)) {
        return Err(CommandError::usage(format!("no server is placed on {stranger}: it is no host of the inventory"))
            .hint("servers run on hosts of the inventory: see `mcp hosts list`, or add one with `mcp hosts add`"));
    }
    let limit = hosts(selection.on.as_deref(), inventory)?;
    let everything = registry.instances(inventory);
    let patterns: Vec<Named> = patterns.into_iter().map(|pattern| Named::new(pattern, inventory)).collect();
    for (pattern, text) in patterns.iter().zip(&selection.names) {
        if !everything.iter().any(|instance| pattern.matches(instance)) {
            return Err(unknown(text, &pattern.pattern, registry, &everything));
        }
    }

    let mut here: HashMap<&HostName, Vec<&Instance>> = HashMap::new();
    for instance in &everything {
        here.entry(&instance.host).or_default().push(instance);
    }
    let mut targets = vec![];
    for host in inventory.hosts().iter().filter(|h| limit.contains(&h.name)) {
        for instance in here.get(&host.name).into_iter().flatten() {
            let Some(server) = registry.get(&instance.server) else { continue };
            let named = patterns.iter().any(|p| p.matches(instance) && (server.enabled || !p.pattern.is_glob()));
            let tagged = server.enabled && selection.tags.iter().any(|t| server.tags.contains(t));
            let all = (selection.all || names_nothing) && (server.enabled || default_all);
            if named || tagged || all {
                targets.push(Target { server, host });
            }
        }
    }
    if targets.is_empty() && !default_all {
        let hint = if registry.servers().is_empty() {
            "no server is registered; add one with `mcp add`"
        } else {
            "see what there is with `mcp list --cached`; disabled servers must be named in full"
        };
        return Err(CommandError::usage("nothing is selected: no instance fits").hint(hint));
    }
    Ok(targets)
}

/// The hosts that `--on` leaves.
///
/// # Errors
/// A pattern that cannot be read or has a term that matches nothing.
pub fn hosts(on: Option<&str>, inventory: &Inventory) -> Result<BTreeSet<HostName>, CommandError> {
    let Some(text) = on else { return Ok(inventory.hosts().iter().map(|h| h.name.clone()).collect()) };
    let wrong = |e: &(dyn std::error::Error + 'static)| CommandError::usage(format!("--on {text}")).because(e);
    let pattern = HostPattern::parse(text).map_err(|e| wrong(&e))?;
    let selected: BTreeSet<HostName> =
        inventory.select(&pattern).map_err(|e| wrong(&e))?.into_iter().map(|h| h.name.clone()).collect();
    if selected.is_empty() {
        return Err(CommandError::usage(format!("--on {text} leaves no host")));
    }
    Ok(selected)
}

/// The first host that `on` names by address (`root@10.0.0.5:2222`) and the inventory does not have.
fn stranger(on: &str, inventory: &Inventory) -> Option<String> {
    let pattern = HostPattern::parse(on).ok()?;
    let is_known = |name: &String| HostName::one_shot(name).is_ok_and(|name| inventory.get(&name).is_some());
    pattern.targets().map(ToString::to_string).find(|name| !is_known(name))
}

fn unknown(text: &str, pattern: &NamePattern, registry: &Registry, everything: &[Instance]) -> CommandError {
    let server_exists = registry.servers().iter().any(|s| pattern.matches_server(&s.name));
    let error = if server_exists && pattern.host().is_some() {
        CommandError::usage(format!("{text} does not exist: {} is not placed on that host", pattern.server()))
    } else {
        CommandError::usage(format!("no server is called {text:?}"))
    };
    let names: BTreeSet<String> = everything
        .iter()
        .flat_map(|i| if pattern.host().is_some() { vec![i.to_string()] } else { vec![i.server.to_string()] })
        .collect();
    let near = names.iter().map(|n| (strsim::damerau_levenshtein(n, text), n)).min();
    // A third of the letters may be wrong; more, and it is another word.
    let near = near.filter(|(distance, name)| *distance <= 3 && distance * 3 <= name.len());
    match near {
        Some((_, name)) => error.hint(format!("did you mean {name}?")),
        None => error.hint("see the names with `mcp list --cached`"),
    }
}

/// Targets of each host together, hosts in the order they came.
#[must_use]
pub fn by_host<'a>(targets: &[Target<'a>]) -> Vec<(&'a Host, Vec<Target<'a>>)> {
    let mut grouped: Vec<(&'a Host, Vec<Target<'a>>)> = vec![];
    for target in targets {
        match grouped.last_mut() {
            Some((host, list)) if host.name == target.host.name => list.push(*target),
            _ => grouped.push((target.host, vec![*target])),
        }
    }
    grouped
}

#[cfg(test)]
mod tests;
