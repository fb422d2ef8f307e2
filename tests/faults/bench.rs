//! The workspace of one pair: three hosts with one server, the second host behind a cable that may be bad.

use std::{
    fmt::Write as _,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, ToSocketAddrs as _},
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
};

use serde_json::Value;

use crate::{
    hosts::Grounds,
    proxy::{Harm, Proxy},
    rig::Scratch,
    verb::{Verb, Wanted},
};

/// What a host holds of a pair.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Holds {
    /// Containers of the pair: name, state, id, last start.
    pub(crate) containers: Vec<[String; 4]>,
    /// Files of the pair, with their text.
    pub(crate) files: Vec<(String, String)>,
}

/// A workspace.
pub(crate) struct Bench<'a> {
    pub(crate) grounds: &'a Grounds,
    pub(crate) scratch: Scratch<'a>,
    pub(crate) verb: Verb,
}

/// What `copy` sends.
const TEXT: &str = "a line of the file that is copied\n";

impl<'a> Bench<'a> {
    pub(crate) fn new(grounds: &'a Grounds, verb: Verb) -> Self {
        let bench = Self { grounds, scratch: grounds.rig.scratch(), verb };
        bench.scratch.write("known_hosts", &fs::read_to_string(&grounds.rig.known_hosts).unwrap());
        bench.hosts(&bench.straight(), "");
        let server = format!(
            "version: 1\nservers:\n  {name}:\n    command: '{}'\n    host: 'edge-*'\n",
            bench.run_string(),
            name = bench.name()
        );
        bench.scratch.write("servers.yaml", if verb == Verb::AddStart { "version: 1\nservers: {}\n" } else { &server });
        bench.scratch.write("file.txt", &TEXT.repeat(40));
        bench
    }

    /// The server of the pair, and the word that tells everything of the pair from everything else.
    pub(crate) fn name(&self) -> String {
        self.scratch.name("web")
    }

    fn run_string(&self) -> String {
        self.scratch.docker_run("web", &format!("--label pair={}", self.name()), "")
    }

    /// The address of the second host, without a cable.
    fn straight(&self) -> String {
        format!("address: {}", self.grounds.rig.host(2).address)
    }

    /// Writes `hosts.yaml`, where the second host has `address` and `lines`.
    pub(crate) fn hosts(&self, address: &str, lines: &str) {
        let rig = &self.grounds.rig;
        let mut text = format!(
            "version: 1\nssh_config: none\ndefaults:\n  user: root\n  port: {}\n  identity_file: {}\n  known_hosts: known_hosts\nhosts:\n",
            rig.port,
            rig.key.display()
        );
        for (index, host) in rig.hosts.iter().enumerate() {
            let _ = match index {
                1 => {
                    writeln!(text, "  {}: {{{address}{}{lines}}}", host.name, if lines.is_empty() { "" } else { ", " })
                }
                _ => writeln!(text, "  {}: {{address: {}}}", host.name, host.address),
            };
        }
        self.scratch.write("hosts.yaml", &text);
    }

    /// As before the fault.
    pub(crate) fn heal(&self) {
        self.hosts(&self.straight(), "");
    }

    /// The key of the second host as a line for `address`.
    pub(crate) fn known_line(&self, address: &str, port: u16) -> String {
        let rig = &self.grounds.rig;
        let known = fs::read_to_string(&rig.known_hosts).unwrap();
        let prefix = format!("[{}]:{} ", rig.host(2).address, rig.port);
        let key = known.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap();
        format!("[{address}]:{port} {key}\n")
    }

    /// Puts a cable before the second host.
    pub(crate) fn cable(&self, harm: Option<Harm>, upstream: Option<SocketAddr>, lines: &str) -> Proxy {
        let rig = &self.grounds.rig;
        let straight = || (rig.host(2).address.as_str(), rig.port).to_socket_addrs().unwrap().next().unwrap();
        let proxy = Proxy::with(upstream.unwrap_or_else(straight), harm);
        let port = proxy.address.port();
        if self.verb != Verb::Trust {
            let known = self.scratch.read("known_hosts") + &self.known_line("127.0.0.1", port);
            self.scratch.write("known_hosts", &known);
        }
        self.hosts(&format!("address: 127.0.0.1, port: {port}"), lines);
        proxy
    }

    /// The command of the pair.
    pub(crate) fn command(&self, verb: Verb) -> Command {
        let (name, run, target) = (self.name(), self.run_string(), self.target());
        let exec = format!("sleep 0.3; echo done >{target}; echo done");
        let words: Vec<&str> = match verb {
            Verb::Start => vec!["start", &name, "--settle", "0"],
            Verb::Stop => vec!["stop", &name],
            Verb::Restart => vec!["restart", &name, "--settle", "0"],
            Verb::Recreate => vec!["restart", &name, "--recreate", "--settle", "0"],
            Verb::Remove => vec!["remove", &name, "--stop", "--yes"],
            Verb::AddStart => vec!["add", &name, "--host", "edge-*", "--start", "--command", &run],
            Verb::Resume => vec!["resume"],
            Verb::Exec => vec!["exec", "all", "--", &exec],
            Verb::Copy => vec!["copy", "all", "file.txt", &target],
            Verb::Trust => vec!["hosts", "trust", "--yes"],
            Verb::Edit => vec!["edit", &name, "--priority", "7"],
            Verb::HostsAdd => vec!["hosts", "add", "edge-9", "--address", "192.0.2.9"],
        };
        self.scratch.mcp(&[&["-o", "json", "--timeout", "8s"][..], &words].concat())
    }

    /// The file that `exec` and `copy` make.
    fn target(&self) -> String {
        format!("/run/home/{}.file", self.name())
    }

    /// What host `number` holds of the pair.
    pub(crate) fn holds(&self, number: usize) -> Holds {
        let socket = &self.grounds.rig.host(number).docker_socket;
        let filter = format!("%7B%22label%22%3A%5B%22pair%3D{}%22%5D%7D", self.name());
        let all = ask(socket, &format!("/containers/json?all=1&filters={filter}"));
        let mut containers = vec![];
        for container in all.as_array().unwrap_or_else(|| panic!("no containers: {all}")) {
            let id = container["Id"].as_str().unwrap();
            let found = ask(socket, &format!("/containers/{id}/json"));
            let texts = [&found["Name"], &found["State"]["Status"], &found["Id"], &found["State"]["StartedAt"]];
            if let [Some(name), Some(state), Some(id), Some(started)] = texts.map(Value::as_str) {
                containers.push([name.trim_start_matches('/'), state, id, started].map(str::to_owned));
            }
        }
        // The engine says them in no order.
        containers.sort();
        let mut files = vec![];
        for entry in fs::read_dir(self.grounds.file(number, "/run/home")).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.contains(&self.name()) {
                files.push((name, fs::read_to_string(entry.path()).unwrap_or_default()));
            }
        }
        Holds { containers, files }
    }

    /// What the command is to bring about.
    pub(crate) fn goal(&self) -> Goal {
        let text = if self.verb == Verb::Copy { TEXT.repeat(40) } else { "done\n".to_owned() };
        Goal { wanted: self.verb.wanted(), name: self.name(), text }
    }
}

/// What the engine behind `socket` answers, without the 50 ms that its command line takes.
fn ask(socket: &Path, path: &str) -> Value {
    let mut stream = UnixStream::connect(socket).unwrap_or_else(|e| panic!("{}: {e}", socket.display()));
    // HTTP/1.0: the answer ends with the connection and has no chunks (RFC 1945).
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {answer}"))
}

/// What a command is to bring about on a host.
pub(crate) struct Goal {
    wanted: Wanted,
    name: String,
    text: String,
}

impl Goal {
    /// Whether a host that holds this has it.
    pub(crate) fn is_met(&self, holds: &Holds) -> bool {
        let states: Vec<&str> = holds.containers.iter().map(|[_, state, ..]| state.as_str()).collect();
        holds.containers.iter().all(|[name, ..]| *name == self.name)
            && match self.wanted {
                Wanted::Running => states == ["running"],
                Wanted::Stopped => states == ["exited"],
                Wanted::Gone => states.is_empty(),
                Wanted::Nothing => true,
                Wanted::File => holds.files == [(format!("{}.file", self.name), self.text.clone())],
            }
    }
}

impl Drop for Bench<'_> {
    fn drop(&mut self) {
        for number in 1..=3 {
            let _ = fs::remove_file(self.grounds.file(number, &self.target()));
        }
    }
}
