//! What an edit of `servers.yaml` changed.
//!
//! Boundary: values in, text out.

use super::{Format, Ui, sanitise};
use crate::operations::{
    edited::{Change, Edited, KeyChange, ServerChange},
    register::Completed,
};

impl Ui {
    /// Prints what an edit in the editor changed.
    pub fn edited(&mut self, edited: &Edited) {
        if self.format == Format::Name {
            let names: String = edited.servers.iter().map(|server| format!("{}\n", server.name)).collect();
            self.answer(&names);
            return;
        }
        let servers = &*self.hidden(edited.servers.as_slice());
        if self.structured(&servers) {
            return;
        }
        if servers.is_empty() {
            self.note("servers.yaml is changed; every server is as it was");
        }
        servers.iter().for_each(|server| self.server_change(server));
    }

    /// Prints what an edit by flags changed; `None` when the entry is as it was.
    pub fn edited_server(&mut self, completed: &Completed, change: Option<&ServerChange>) {
        if self.format == Format::Name {
            self.answer(&format!("{}\n", completed.server.name));
            return;
        }
        let completed = &*self.hidden(completed);
        let server = &completed.server;
        let keys: Vec<&str> = change.iter().flat_map(|change| change.keys.iter().map(|key| key.key)).collect();
        let value = serde_json::json!({
            "name": server.name,
            "command": server.command,
            "host": server.host,
            "port": server.port,
            "added": completed.added,
            "changed": keys,
            "restart": change.is_some_and(|change| change.restart),
        });
        if self.structured(&value) {
            return;
        }
        for added in &completed.added {
            self.note(&format!("added {added} to the command"));
        }
        match change {
            Some(change) => self.server_change(change),
            None => self.note(&format!("{}: nothing was changed", server.name)),
        }
    }

    fn server_change(&mut self, server: &ServerChange) {
        let name = &server.name;
        match server.change {
            Change::Added => self.note(&format!("added {name}; `mcp start {name}` starts it")),
            Change::Removed => self.note(&format!("removed {name}")),
            Change::Changed => {
                let keys: Vec<String> = server.keys.iter().map(key).collect();
                self.note(&format!("changed {name}: {}", keys.join(", ")));
            }
        }
        if server.restart {
            self.note(&format!("running containers keep the old command until `mcp restart {name}`"));
        }
        if server.keys.iter().any(|key| key.key == "host") {
            self.note(&format!("`mcp start {name}` starts it on hosts where it does not run yet"));
        }
    }
}

fn key(change: &KeyChange) -> String {
    let text =
        |value: &Option<String>| value.as_deref().map_or("none".into(), |text| sanitise::line(text).into_owned());
    let KeyChange { key, before, after } = change;
    match *key {
        // Two of these on a line cannot be read.
        "command" | "stop" | "logs" | "stats" | "description" | "pull" => format!("{key}: {}", text(after)),
        _ => format!("{key}: {} → {}", text(before), text(after)),
    }
}
