//! Short answers: what was registered, what a dry run would do, what went wrong with a log.
//!
//! Boundary: values in, text out.

use super::{Format, Ui, sanitise, table::table, trouble::Subject};
use crate::{
    domain::{HostName, Instance},
    operations::{Trouble, dry_run::DryStep, register::Completed},
};

impl Ui {
    /// Prints a server as it was registered, with what was added to its string.
    pub fn registered(&mut self, completed: &Completed) {
        let completed = &*self.hidden(completed);
        let server = &completed.server;
        if self.format == Format::Name {
            self.answer(&format!("{}\n", server.name));
            return;
        }
        let value = serde_json::json!({
            "name": server.name,
            "command": server.command,
            "host": server.host,
            "port": server.port,
            "added": completed.added,
            "warnings": completed.warnings,
        });
        if !self.structured(&value) {
            self.registered_note(completed);
        }
    }

    /// Says on stderr how a server was registered.
    pub fn registered_note(&mut self, completed: &Completed) {
        let server = &completed.server;
        for added in &completed.added {
            self.note(&format!("added {added} to the command"));
        }
        self.note(&format!(
            "registered {} on {}: {}",
            server.name,
            server.host.join(","),
            sanitise::line(&server.command)
        ));
        completed.warnings.iter().for_each(|warning| self.warn(warning));
    }

    /// Prints what would run.
    pub fn dry_run(&mut self, steps: &[DryStep]) {
        let steps = &*self.hidden(steps);
        if self.structured(&steps) {
            return;
        }
        let rows = steps
            .iter()
            .map(|s| {
                vec![
                    s.host.to_string(),
                    s.instance.clone().unwrap_or_else(|| "-".to_owned()),
                    s.when.clone().unwrap_or_else(|| "always".to_owned()),
                    sanitise::line(&s.command).into_owned(),
                ]
            })
            .collect();
        // Cut strings would be of no use, so the table is as wide as it needs to be.
        let text = table(&["HOST", "INSTANCE", "WHEN", "COMMAND"], rows, None);
        self.answer(&text);
        self.note("dry run: no host was asked, nothing was touched");
    }

    /// Says which hosts would go together.
    pub fn batches(&mut self, batches: &[Vec<HostName>]) {
        for (number, hosts) in batches.iter().enumerate() {
            let hosts: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
            self.note(&format!("batch {} of {}: {}", number + 1, batches.len(), hosts.join(", ")));
        }
    }

    /// Prints why a log could not be read, or ended.
    pub fn log_trouble(&mut self, instance: &str, trouble: &Trouble) {
        let (server, host) = instance.split_once('@').unwrap_or((instance, ""));
        self.trouble_at_once(Subject::instance("cannot read the log of ", &server, &host), trouble);
    }

    /// Prints why instances could not be removed.
    pub fn remove_troubles(&mut self, troubles: &[(Instance, Trouble)]) {
        let subject = |instance: &Instance| Subject::instance("cannot remove ", &instance.server, &instance.host);
        self.troubles(troubles.iter().map(|(instance, trouble)| (subject(instance), trouble)));
    }
}
