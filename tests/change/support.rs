//! A workspace with servers in it, and the answers of `mcp` taken apart.

use std::{
    fmt::Write as _,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    around::around,
    rig::{Rig, Scratch},
};

/// A workspace on a rig, with the servers that a test registers.
pub(crate) struct Bench<'a> {
    pub(crate) rig: &'a Rig,
    pub(crate) scratch: Scratch<'a>,
    servers: Vec<(String, String)>,
}

impl Bench<'static> {
    /// A workspace on the rig that all tests share.
    pub(crate) fn new() -> Self {
        Self::on(Rig::get())
    }
}

impl<'a> Bench<'a> {
    pub(crate) fn on(rig: &'a Rig) -> Self {
        Self { rig, scratch: rig.scratch(), servers: vec![] }
    }

    /// The full name of server `short`.
    pub(crate) fn name(&self, short: &str) -> String {
        self.scratch.name(short)
    }

    /// Registers `short` on `host`; `options` go before the image, `arguments` after. Again: changes it.
    pub(crate) fn server(&mut self, short: &str, host: &str, options: &str, arguments: &str) -> String {
        let command = self.scratch.docker_run(short, options, arguments);
        self.entry(short, host, &command, &[]);
        command
    }

    /// Registers `command` as it is, with further keys (`stop: docker stop x`).
    pub(crate) fn entry(&mut self, short: &str, host: &str, command: &str, more: &[&str]) {
        let name = self.name(short);
        let mut text = format!("    command: '{}'\n    host: '{host}'\n", command.replace('\'', "''"));
        for line in more {
            let _ = writeln!(text, "    {line}");
        }
        match self.servers.iter_mut().find(|(other, _)| *other == name) {
            Some((_, entry)) => *entry = text,
            None => self.servers.push((name, text)),
        }
        let all: String = self.servers.iter().map(|(name, text)| format!("  {name}:\n{text}")).collect();
        self.scratch.write("servers.yaml", &format!("version: 1\nservers:\n{all}"));
    }

    /// `mcp` with these words, not yet run; `:finance` stands for the full name of `finance`.
    pub(crate) fn command(&self, words: &str) -> Command {
        let words: Vec<String> = words
            .split_whitespace()
            .map(|word| word.strip_prefix(':').map_or_else(|| word.to_owned(), |short| self.name(short)))
            .collect();
        self.scratch.mcp(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Runs `mcp` with these words.
    pub(crate) fn mcp(&self, words: &str) -> Answer {
        Answer::of(self.command(words).output().unwrap())
    }

    /// Runs `mcp` with these words and `-o json`, and holds its exit code against `code`.
    pub(crate) fn report(&self, words: &str, code: i32) -> Report {
        let answer = self.mcp(&format!("{words} -o json"));
        assert_eq!(answer.code, Some(code), "{words}: {answer:?}");
        Report(serde_json::from_str(&answer.out).unwrap_or_else(|e| panic!("{words}: {e}: {answer:?}")))
    }

    /// Begins `mcp` with these words, its output kept. It hears hang-ups even where these tests run under `nohup`.
    pub(crate) fn spawn(&self, words: &str) -> Child {
        let told = self.command(words);
        let mut command = around(Command::new("env"), &told);
        command.arg("--default-signal=HUP").arg(told.get_program()).args(told.get_args());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// A `docker run` string of the image with a health check, which passes when the server listens on port 8080.
    pub(crate) fn with_health(&self, short: &str, options: &str, arguments: &str) -> String {
        self.scratch.docker_run(short, options, arguments).replace("mcp-demo:1", "mcp-demo:health")
    }

    /// What `mcp history` says with these words, as JSON.
    pub(crate) fn history(&self, words: &str) -> Value {
        let answer = self.mcp(&format!("history {words} -o json"));
        assert_eq!(answer.code, Some(0), "{answer:?}");
        serde_json::from_str(&answer.out).unwrap_or_else(|e| panic!("{e}: {answer:?}"))
    }

    /// What `docker inspect -f FORMAT` says of the container of `short` on host `number`.
    pub(crate) fn inspect(&self, number: usize, short: &str, format: &str) -> String {
        self.rig.docker_text(number, &["inspect", "-f", format, &self.name(short)])
    }

    pub(crate) fn id(&self, number: usize, short: &str) -> String {
        self.inspect(number, short, "{{.Id}}")
    }

    pub(crate) fn started_at(&self, number: usize, short: &str) -> String {
        self.inspect(number, short, "{{.State.StartedAt}}")
    }

    /// Runs a `docker …` string on host `number`, as somebody else would.
    pub(crate) fn by_hand(&self, number: usize, string: &str) -> String {
        self.rig.on(number, &["sh", "-c", string])
    }

    /// State of the container of `short` on host `number`.
    pub(crate) fn state(&self, number: usize, short: &str) -> String {
        self.scratch.container_state(number, short).unwrap_or_else(|| "none".to_owned())
    }

    /// The status that `mcp list` shows for `short`.
    pub(crate) fn listed(&self, short: &str) -> Value {
        let answer = self.mcp(&format!("list :{short} -o json"));
        let mut rows: Vec<Value> = serde_json::from_str(&answer.out).unwrap_or_else(|e| panic!("{e}: {answer:?}"));
        assert_eq!(rows.len(), 1, "{answer:?}");
        rows.remove(0)
    }
}

/// What `mcp` said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// How many remote commands ran on `host`, by what `--verbose` shows.
    pub(crate) fn execs(&self, host: &str) -> usize {
        self.err.lines().filter(|line| line.starts_with(&format!("{host}: ")) && line.contains(" in ")).count()
    }

    /// Asserts the exit code and that `parts` stand on stderr.
    pub(crate) fn says(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for part in parts {
            assert!(self.err.contains(part), "no {part:?} in {self:?}");
        }
    }
}

/// The JSON of a change.
#[derive(Debug)]
pub(crate) struct Report(pub(crate) Value);

impl Report {
    pub(crate) fn rows(&self) -> &[Value] {
        self.0["instances"].as_array().unwrap()
    }

    /// The only row.
    pub(crate) fn row(&self) -> &Value {
        assert_eq!(self.rows().len(), 1, "{self:?}");
        &self.rows()[0]
    }

    /// The row of server `name` on `host`.
    pub(crate) fn of(&self, name: &str, host: &str) -> &Value {
        self.rows()
            .iter()
            .find(|row| row["name"] == name && row["host"] == host)
            .unwrap_or_else(|| panic!("no row {name}@{host}: {self:?}"))
    }
}

/// Outcome, action and status of a row: `changed created running`.
pub(crate) fn gist(row: &Value) -> String {
    let words = [&row["outcome"], &row["action"], &row["status"]["status"]];
    words.map(|word| word.as_str().unwrap_or("-").to_owned()).join(" ")
}

/// A text of a row's error.
pub(crate) fn error<'v>(row: &'v Value, key: &str) -> &'v str {
    row["error"][key].as_str().unwrap_or_else(|| panic!("no error.{key}: {row}"))
}

pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
