//! What a removal came to.
//!
//! Boundary: decisions in, text out.

use super::Ui;
use crate::{
    domain::{HostName, Instance},
    error::CommandError,
    operations::forget::{Fate, Forgotten},
};

impl Ui {
    /// Prints what a removal came to for one server.
    pub fn removed(&mut self, fate: &Fate) {
        let server = &fate.server;
        for host in &fate.removed {
            self.note(&format!("removed the container of {server}@{host}"));
        }
        let those = |which: fn(&Forgotten) -> bool| {
            let those = fate.refused.iter().filter(|(_, found)| which(found));
            those.map(|(host, _)| host.as_str()).collect::<Vec<_>>().join(", ")
        };
        let (running, foreign) = (those(|f| matches!(f, Forgotten::Runs)), those(|f| matches!(f, Forgotten::Foreign)));
        if !running.is_empty() {
            let error = CommandError::failed(format!("{server} was not removed: {server} runs on {running}"));
            self.error(
                &error.hint(format!("`mcp remove {server} --stop` stops and deletes it, --keep leaves it running")),
            );
        }
        if !foreign.is_empty() {
            let error = CommandError::failed(format!(
                "{server} was not removed: its container on {foreign} was not created by mcp and differs from the \
                 registered command"
            ));
            self.error(&error.hint(format!(
                "`mcp remove {server} --keep` unregisters it and leaves that container, --foreign deletes it"
            )));
        }
        if !fate.troubles.is_empty() {
            let instance = |host: &HostName| Instance { server: server.clone(), host: host.clone() };
            let troubles: Vec<_> =
                fate.troubles.iter().map(|(host, trouble)| (instance(host), trouble.clone())).collect();
            self.remove_troubles(&troubles);
        }
        if fate.gone {
            self.note(&format!("{server} is unregistered"));
        } else if fate.stays.is_empty() {
            self.note(&format!("{server} stays registered; --keep unregisters it without asking its hosts"));
        } else {
            let on = fate.stays.iter().map(HostName::as_str).collect::<Vec<_>>().join(", ");
            self.note(&format!(
                "{server} stays registered on {on}; remove it again when they can be reached, --keep unregisters it \
                 without asking them"
            ));
        }
    }
}
