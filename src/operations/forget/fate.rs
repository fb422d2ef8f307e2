//! What a removal comes to for each server: gone, refused, or still registered on the hosts that gave no answer.
//!
//! Boundary: pure; the results of `forget` in, decisions out.

use std::collections::BTreeSet;

use super::{Forgotten, Target};
use crate::{
    domain::{HostName, Instance, ServerName},
    error::Exit,
    operations::{Trouble, observe::exit_of},
};

/// What a removal comes to for one server.
#[derive(Debug, Clone)]
pub struct Fate {
    /// The server.
    pub server: ServerName,
    /// Hosts whose container was deleted.
    pub removed: Vec<HostName>,
    /// Hosts where it runs, or has a container that is not its own: nothing of it was touched.
    pub refused: Vec<(HostName, Forgotten)>,
    /// Hosts where it could not be deleted.
    pub troubles: Vec<(HostName, Trouble)>,
    /// Hosts that it stays registered on. Empty when it goes, or when it stays as it was.
    pub stays: Vec<HostName>,
    /// Whether it is out of servers.yaml.
    pub gone: bool,
}

impl Fate {
    /// Its exit code.
    #[must_use]
    pub fn exit(&self) -> Exit {
        let troubles = self.troubles.iter().fold(Exit::Ok, |exit, (_, trouble)| exit.or(exit_of(trouble)));
        if self.refused.is_empty() { troubles } else { troubles.or(Exit::Failed) }
    }
}

/// Marks what would go of servers that are refused on some host as kept; these servers.
pub fn keep_refused(results: &mut [(Instance, Forgotten)]) -> BTreeSet<ServerName> {
    let refused = results.iter().filter(|(_, found)| found.is_refused()).map(|(instance, _)| instance.server.clone());
    let refused: BTreeSet<ServerName> = refused.collect();
    for (instance, found) in results.iter_mut() {
        if refused.contains(&instance.server) && matches!(found, Forgotten::Removed | Forgotten::NoContainer) {
            *found = Forgotten::Kept;
        }
    }
    refused
}

/// What `results` come to for each server of `targets`, in their order; without results, no host was asked.
#[must_use]
pub fn fates(targets: &[Target<'_>], results: &[(Instance, Forgotten)]) -> Vec<Fate> {
    let mut fates: Vec<Fate> = vec![];
    for target in targets {
        let (server, host) = (&target.server.name, &target.host.name);
        let at = fates.iter().position(|fate| fate.server == *server).unwrap_or_else(|| {
            fates.push(Fate {
                server: server.clone(),
                removed: vec![],
                refused: vec![],
                troubles: vec![],
                stays: vec![],
                gone: true,
            });
            fates.len() - 1
        });
        let Some(fate) = fates.get_mut(at) else { continue };
        let result = results.iter().find(|(instance, _)| *instance == target.instance()).map(|(_, result)| result);
        match result {
            Some(Forgotten::Removed) => fate.removed.push(host.clone()),
            Some(refused @ (Forgotten::Runs | Forgotten::Foreign)) => {
                fate.refused.push((host.clone(), refused.clone()))
            }
            Some(Forgotten::Trouble(trouble)) => fate.troubles.push((host.clone(), trouble.clone())),
            Some(Forgotten::NoContainer) => {}
            Some(Forgotten::Kept) | None => {}
        }
    }
    for fate in &mut fates {
        let instances = targets.iter().filter(|target| target.server.name == fate.server).count();
        fate.gone = fate.refused.is_empty() && fate.troubles.is_empty();
        if fate.refused.is_empty() && !fate.gone && fate.troubles.len() < instances {
            fate.stays = fate.troubles.iter().map(|(host, _)| host.clone()).collect();
        }
    }
    fates
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::domain::{Connection, Host, Server};

    #[test]
    fn a_dead_host_keeps_only_its_own_instance_registered() {
        let hosts: Vec<Host> =
            ["h1", "h2", "h3"].map(|name| Host::new(HostName::new(name).unwrap(), Connection::Local)).into();
        let server = Server::new(ServerName::new("a").unwrap(), "docker run -d --name a x", vec![]);
        let targets: Vec<Target<'_>> = hosts.iter().map(|host| Target { server: &server, host }).collect();
        let dead = || Forgotten::Trouble(Trouble::failed("no answer", None));
        for (results, gone, stays, exit) in [
            (vec![Forgotten::Removed, Forgotten::NoContainer, Forgotten::Removed], true, vec![], 0),
            (vec![Forgotten::Removed, dead(), Forgotten::NoContainer], false, vec!["h2"], 1),
            (vec![dead(), dead(), dead()], false, vec![], 1),
            (vec![Forgotten::Runs, Forgotten::Kept, Forgotten::Kept], false, vec![], 1),
            (vec![Forgotten::Runs, dead(), Forgotten::Kept], false, vec![], 1),
        ] {
            let results: Vec<_> = targets.iter().map(Target::instance).zip(results).collect();
            let fate = &fates(&targets, &results)[0];
            let on: Vec<&str> = fate.stays.iter().map(HostName::as_str).collect();
            assert_eq!((fate.gone, on, fate.exit().code()), (gone, stays, exit), "{results:?}");
        }
        // With --keep no host is asked.
        assert!(fates(&targets, &[])[0].gone);
    }
}
