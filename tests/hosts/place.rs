//! A workspace whose first host is reached as a test says.

use std::process::Command;

use serde_json::Value;

use crate::{
    rig::{Rig, Scratch},
    said::{Said, run},
};

/// A workspace with the one host `edge-1` of the shared rig, and what a test registers.
pub(crate) struct Place {
    pub(crate) rig: &'static Rig,
    pub(crate) scratch: Scratch<'static>,
    podman: bool,
}

impl Place {
    /// `edge-1` as `user`, with further keys of a host (`docker: podman`), one a line.
    pub(crate) fn new(user: &str, keys: &str) -> Self {
        let rig = Rig::get();
        let place = Self { rig, scratch: rig.scratch(), podman: keys.contains("podman") };
        place.host(user, rig.port, &rig.known_hosts.display().to_string(), keys);
        place
    }

    /// Writes the entry of `edge-1`.
    pub(crate) fn host(&self, user: &str, port: u16, known_hosts: &str, keys: &str) {
        let (address, key) = (&self.rig.host(1).address, self.rig.key.display());
        let mut text = format!(
            "version: 1\nssh_config: none\nhosts:\n  edge-1:\n    address: {address}\n    port: {port}\n    user: {user}\n    \
             identity_file: {key}\n    known_hosts: {known_hosts}\n"
        );
        for line in keys.lines() {
            text.push_str(&format!("    {line}\n"));
        }
        self.scratch.write("hosts.yaml", &text);
    }

    /// Registers the rig's image as `short`; `options` go before the image, `arguments` after, `more` are keys of the server.
    pub(crate) fn add(&self, short: &str, options: &str, arguments: &str, more: &[&str]) -> String {
        let (name, command) = (self.scratch.name(short), self.scratch.docker_run(short, options, arguments));
        let mut words = vec!["add", &name, "--host", "edge-1", "--command", &command];
        words.extend(more);
        run(self.scratch.mcp(&words)).code(0);
        name
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        self.scratch.mcp(words)
    }

    pub(crate) fn mcp(&self, words: &[&str]) -> Said {
        run(self.command(words))
    }

    /// Outcome and action of the only instance that a verb acted on: `changed created`.
    pub(crate) fn act(&self, words: &[&str]) -> String {
        let said = self.mcp(&[words, &["-o", "json"]].concat());
        let json = said.json();
        let row = &json["instances"][0];
        assert_eq!(json["instances"].as_array().map(Vec::len), Some(1), "{said}");
        let word = |key: &str| row[key].as_str().unwrap_or("-").to_owned();
        if row["error"].is_null() { format!("{} {}", word("outcome"), word("action")) } else { format!("{row:#}") }
    }

    /// The status that `mcp list` shows of `name`, with its message.
    pub(crate) fn status(&self, name: &str) -> String {
        let row = self.listed(name, &[]);
        format!("{} {}", row["status"].as_str().unwrap(), row["message"].as_str().unwrap_or("-"))
    }

    /// The row of `name` in `mcp list`.
    pub(crate) fn listed(&self, name: &str, more: &[&str]) -> Value {
        let said = self.mcp(&[&["list", name, "-o", "json"], more].concat());
        said.json().as_array().and_then(|rows| rows.first().cloned()).unwrap_or_else(|| panic!("{said}"))
    }

    /// The only answer of `mcp exec`.
    pub(crate) fn exec(&self, options: &[&str], command: &str) -> (Said, Value) {
        let said = self.mcp(&[&["exec", "edge-1", "--json"], options, &["--", command]].concat());
        let row = serde_json::from_str(said.out.trim()).unwrap_or_else(|e| panic!("{e}: {said}"));
        (said, row)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.podman {
            let filter = format!("name={}", self.scratch.name(""));
            let script = format!("podman ps -aq --filter {filter} | xargs -r podman rm -f -t 0");
            self.rig.on(1, &["sh", "-c", &script]);
        }
    }
}
