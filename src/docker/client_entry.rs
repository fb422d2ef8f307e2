//! The JSON entry of an AI client (`{"command": "docker", "args": ["run", "-i", …], "env": {…}}`) as a `docker run` string.
//!
//! Boundary: pure, text to text. Values of its `env` that are secret never enter the string: `-e NAME` stays a name, which docker
//! takes from the host's environment. Next: `operations::register` asks whether the hosts have them.

use serde_json::{Map, Value};

use super::{
    flags,
    run_string::{RunString, RunStringError},
    shell::{self, quote},
};
use crate::domain::secrets;

/// Keys below which clients keep their entries by name.
const WRAPPERS: [&str; 4] = ["mcpServers", "servers", "context_servers", "mcp"];
/// Deepest nesting of wrappers.
const DEEPEST: usize = 3;

/// A `docker run` string made of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// The string.
    pub command: String,
    /// Variables that the string hands on by name (`-e NAME`) and whose values are not in it.
    pub left_to_host: Vec<LeftToHost>,
    /// Names of the entry's `env` that the string does not hand on, so that no container sees them.
    pub dropped: Vec<String>,
}

/// A variable that the hosts have to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftToHost {
    /// Its name.
    pub name: String,
    /// The entry has no value for it but a placeholder (`<YOUR_KEY>`, `${input:key}`).
    pub is_placeholder: bool,
}

/// Why an entry is no `docker run` string.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// It is no JSON. Without the text, which may hold secrets.
    #[error("it begins like JSON and cannot be read as such (line {line}, column {column})")]
    Json {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// Something else than an entry.
    #[error("the JSON holds no entry with a `command`")]
    NoEntry,
    /// Several entries, none of them called like the server.
    #[error("the JSON holds several entries: {}", .0.join(", "))]
    Several(Vec<String>),
    /// A remote server.
    #[error("the entry has a `{0}`: the server runs elsewhere already, and there is nothing to start")]
    Remote(&'static str),
    /// Another program than docker.
    #[error("the command of the entry is `{0}`, not `docker`")]
    NotDocker(String),
    /// `args` is something else than a list of texts.
    #[error("`args` of the entry is not a list of texts")]
    Args,
    /// `env` is something else than texts by name.
    #[error("`env` of the entry is not texts by name")]
    Env,
    /// `${workspaceFolder}`, which only the client replaces.
    #[error("`{0}` in `args` is replaced by the AI client, not by a host")]
    ClientVariable(String),
    /// `DOCKER_HOST` and its like.
    #[error("`{0}` in `env` chooses an engine, and each host has its own")]
    Engine(String),
    /// What is in it is no `docker run` that can be registered.
    #[error(transparent)]
    Run(#[from] RunStringError),
}

impl EntryError {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Json { .. } => "paste the whole entry, from `{` to its `}`".to_owned(),
            Self::NoEntry => "paste the entry itself, `{\"command\": \"docker\", \"args\": [\"run\", …]}`".to_owned(),
            Self::Several(_) => "register each under its own name: `mcp add NAME` takes the entry NAME".to_owned(),
            Self::Remote(_) => "`mcp` runs servers in docker; a server at a URL needs no entry here".to_owned(),
            Self::NotDocker(_) => "register the server's image: `docker run -i --rm IMAGE`".to_owned(),
            Self::Args | Self::Env => "write `\"args\": [\"run\", …]` and `\"env\": {\"NAME\": \"value\"}`".to_owned(),
            Self::ClientVariable(_) => {
                "write the path on the host in its place; for a secret write `-e NAME` and set NAME by `env` in hosts.yaml".to_owned()
            }
            Self::Engine(_) => "leave it out; the words for docker on a host are `hosts.NAME.docker` in hosts.yaml".to_owned(),
            Self::Run(source) => source.hint(),
        }
    }
}

/// Whether `text` is meant as JSON: no shell command begins so.
#[must_use]
pub fn is_meant(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with('{') || (text.starts_with('"') && text.trim_start_matches(|c| c != ':').starts_with(':'))
}

/// The `docker run` string of the entry in `text`; of several, the one called `name`.
///
/// # Errors
/// An [`EntryError`] that shows no value of `env`.
pub fn convert(text: &str, name: &str) -> Result<Converted, EntryError> {
    let text = text.trim().trim_end_matches(',');
    let text = if text.starts_with('"') { format!("{{{text}}}") } else { text.to_owned() };
    let value: Value =
        serde_json::from_str(&text).map_err(|error| EntryError::Json { line: error.line(), column: error.column() })?;
    let entry = find(&value, name, 0)?;
    for key in ["url", "serverUrl", "httpUrl", "baseUrl"] {
        if entry.contains_key(key) {
            return Err(EntryError::Remote(key));
        }
    }
    // Zed once wrote {"command": {"path": …, "args": …, "env": …}}.
    let nested = entry.get("command").and_then(Value::as_object);
    let get = |key: &str| nested.and_then(|nested| nested.get(key)).or_else(|| entry.get(key));
    let program = nested.and_then(|nested| nested.get("path")).or_else(|| entry.get("command"));
    let program = program.and_then(Value::as_str).ok_or(EntryError::NoEntry)?;
    let args = words(get("args"))?;
    let command = if args.is_empty() && program.trim().contains(' ') {
        program.trim().to_owned()
    } else {
        let file = program.rsplit(['/', '\\']).next().unwrap_or_default();
        if file != "docker" && !file.eq_ignore_ascii_case("docker.exe") {
            return Err(EntryError::NotDocker(file.to_owned()));
        }
        let quoted = args.iter().map(|word| quote(word));
        std::iter::once("docker".to_owned()).chain(quoted).collect::<Vec<_>>().join(" ")
    };
    if let Some(variable) = args.iter().find_map(|word| client_variable(word)) {
        return Err(EntryError::ClientVariable(variable.to_owned()));
    }
    with_env(command, &env(get("env"))?)
}

fn find<'a>(value: &'a Value, name: &str, depth: usize) -> Result<&'a Map<String, Value>, EntryError> {
    let object = value.as_object().ok_or(EntryError::NoEntry)?;
    let is_entry = |object: &Map<String, Value>| {
        ["command", "url", "serverUrl", "httpUrl", "baseUrl"].iter().any(|key| object.contains_key(*key))
    };
    if is_entry(object) {
        return Ok(object);
    }
    if depth < DEEPEST
        && let Some(inner) = WRAPPERS.iter().find_map(|wrapper| object.get(*wrapper))
    {
        return find(inner, name, depth + 1);
    }
    let entries: Vec<(&String, &Map<String, Value>)> = object
        .iter()
        .filter_map(|(key, value)| Some((key, value.as_object()?)))
        .filter(|(_, entry)| is_entry(entry))
        .collect();
    match (entries.iter().find(|(key, _)| *key == name), entries.as_slice()) {
        (Some((_, entry)), _) | (None, [(_, entry)]) => Ok(entry),
        (None, []) => Err(EntryError::NoEntry),
        (None, several) => Err(EntryError::Several(several.iter().map(|(key, _)| (*key).clone()).collect())),
    }
}

fn words(args: Option<&Value>) -> Result<Vec<String>, EntryError> {
    let Some(args) = args else { return Ok(Vec::new()) };
    let word = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    args.as_array().and_then(|args| args.iter().map(word).collect()).ok_or(EntryError::Args)
}

fn env(env: Option<&Value>) -> Result<Vec<(String, String)>, EntryError> {
    let Some(env) = env else { return Ok(Vec::new()) };
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null => Some(String::new()),
        _ => None,
    };
    let pairs = env.as_object().map(|env| env.iter().map(|(name, value)| Some((name.clone(), text(value)?))).collect());
    pairs.flatten().ok_or(EntryError::Env)
}

/// `${workspaceFolder}`, `${input:x}`, `${env:X}` and the like: words of clients, which a shell would take for variables of its own.
fn client_variable(word: &str) -> Option<&str> {
    word.match_indices("${").find_map(|(start, _)| {
        let end = start + word[start..].find('}')?;
        let inner = &word[start + 2..end];
        let of_client = inner.contains(':') && !inner.contains(":-")
            || ["workspaceFolder", "userHome", "workspaceRoot", "pathSeparator", "cwd"]
                .iter()
                .any(|name| inner.starts_with(name));
        of_client.then(|| &word[start..=end])
    })
}

/// Puts the values of `env` that are no secrets behind their `-e NAME`.
fn with_env(command: String, env: &[(String, String)]) -> Result<Converted, EntryError> {
    const ENGINE: [&str; 5] =
        ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"];
    if let Some((name, _)) = env.iter().find(|(name, _)| ENGINE.contains(&name.as_str())) {
        return Err(EntryError::Engine(name.clone()));
    }
    RunString::parse(&command)?;
    let mut converted = Converted { command, left_to_host: Vec::new(), dropped: Vec::new() };
    for (name, value) in env {
        let Some((span, word)) = handed_on(&converted.command, name) else {
            converted.dropped.push(name.clone());
            continue;
        };
        let is_placeholder = is_placeholder(value);
        if is_placeholder || secrets::holds(&format!("docker run -e {} x", quote(&format!("{name}={value}")))) {
            converted.left_to_host.push(LeftToHost { name: name.clone(), is_placeholder });
            continue;
        }
        // The word ends with the name, whether it is `NAME`, `-eNAME` or `--env=NAME`.
        let word = quote(&format!("{word}={value}"));
        converted.command.replace_range(span, &word);
    }
    RunString::parse(&converted.command)?;
    Ok(converted)
}

/// The word, and where it stands, that hands `name` on without a value, if there is one and none gives it a value.
fn handed_on(command: &str, name: &str) -> Option<(std::ops::Range<usize>, String)> {
    let words = shell::split(command).ok()?;
    let run = words.iter().position(|word| word.value == "run")?;
    let (given, _) = flags::leading(flags::RUN, &words[run + 1..]).ok()?;
    let last = given.iter().rfind(|given| {
        given.flag.long == "env" && (given.value == name || given.value.split('=').next() == Some(name))
    })?;
    let word = words.iter().find(|word| word.span == last.span)?;
    (last.value == name && word.value.ends_with(name)).then(|| (word.span.clone(), word.value.clone()))
}

/// Whether a value stands for one that the reader is to put in.
fn is_placeholder(value: &str) -> bool {
    let lower = value.trim().to_ascii_lowercase();
    lower.is_empty()
        || lower.contains("${")
        || (lower.starts_with('<') && lower.ends_with('>'))
        || ["your", "xxx", "..."].iter().any(|start| lower.starts_with(start))
        || lower.chars().all(|c| c == '*')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    const GITHUB: &str = r#"{"command":"docker","args":["run","-i","--rm","-e","GITHUB_TOKEN","-e","LOG","ghcr.io/github/github-mcp-server"],
        "env":{"GITHUB_TOKEN":"ghp_0123456789abcdefghijklmnopqrstuvwxyzAB","LOG":"very loud"}}"#;

    #[test]
    fn an_entry_becomes_a_string_in_every_wrapping() {
        for text in [
            GITHUB.to_owned(),
            format!("{{\"mcpServers\":{{\"github\":{GITHUB}}}}}"),
            format!("{{\"servers\":{{\"gh\":{GITHUB}}}, \"inputs\":[]}}"),
            format!("{{\"mcp\":{{\"servers\":{{\"gh\":{GITHUB}}}}}}}"),
            format!("{{\"context_servers\":{{\"gh\":{GITHUB}}}}}"),
            format!("{{\"gh\":{GITHUB}}}"),
            format!("\"gh\": {GITHUB},\n"),
            format!("{{\"mcpServers\":{{\"other\":{{\"command\":\"npx\"}},\"github\":{GITHUB}}}}}"),
        ] {
            assert!(is_meant(&text), "{text}");
            let found = convert(&text, "github").unwrap();
            assert_eq!(
                found.command, "docker run -i --rm -e GITHUB_TOKEN -e 'LOG=very loud' ghcr.io/github/github-mcp-server",
                "{text}"
            );
            assert_eq!(found.left_to_host, [LeftToHost { name: "GITHUB_TOKEN".into(), is_placeholder: false }]);
        }
        assert!(!is_meant("docker run x") && !is_meant("\"docker\" run x"));
    }

    #[test]
    fn a_secret_of_the_entry_never_enters_the_string_and_a_placeholder_is_no_value() {
        let entry = |flags: &str, env: &str| {
            format!(r#"{{"command":"/usr/bin/docker","args":["run","-i",{flags},"acme/x"],"env":{env}}}"#)
        };
        for (flags, env, command, left, dropped) in [
            (r#""-e","API_KEY""#, r#"{"API_KEY":"s3cr3t-hunter2"}"#, "docker run -i -e API_KEY acme/x", "API_KEY", ""),
            (r#""-eAPI_KEY""#, r#"{"API_KEY":"s3cr3t-hunter2"}"#, "docker run -i -eAPI_KEY acme/x", "API_KEY", ""),
            (
                r#""--env=API_KEY""#,
                r#"{"API_KEY":"<YOUR_API_KEY>"}"#,
                "docker run -i '--env=API_KEY' acme/x",
                "API_KEY",
                "",
            ),
            (r#""-e","API_KEY""#, r#"{"API_KEY":"${input:key}"}"#, "docker run -i -e API_KEY acme/x", "API_KEY", ""),
            (r#""--env=MODE""#, r#"{"MODE":"a b"}"#, "docker run -i '--env=MODE=a b' acme/x", "", ""),
            (r#""-eMODE""#, r#"{"MODE":1}"#, "docker run -i '-eMODE=1' acme/x", "", ""),
            (r#""-e","MODE=2""#, r#"{"MODE":"1"}"#, "docker run -i -e 'MODE=2' acme/x", "", "MODE"),
            (r#""--init""#, r#"{"OTHER":"s3cr3t-hunter2"}"#, "docker run -i --init acme/x", "", "OTHER"),
        ] {
            let found = convert(&entry(flags, env), "x").unwrap();
            assert_eq!(found.command, command);
            let names: Vec<&str> = found.left_to_host.iter().map(|left| left.name.as_str()).collect();
            assert_eq!((names.join(","), found.dropped.join(",")), (left.to_owned(), dropped.to_owned()), "{command}");
            assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
        }
    }

    #[test]
    fn what_is_no_docker_entry_is_refused_without_showing_values() {
        for (text, cause) in [
            ("{\"command\": \"docker\",", "line 1"),
            ("{}", "no entry"),
            ("{\"a\": 1}", "no entry"),
            (
                "{\"mcpServers\": {\"a\": {\"command\": \"npx\"}, \"b\": {\"command\": \"npx\"}}}",
                "several entries: a, b",
            ),
            ("{\"type\": \"http\", \"url\": \"https://h/mcp\"}", "`url`"),
            ("{\"command\": \"npx\", \"args\": [\"-y\", \"x\"]}", "`npx`, not `docker`"),
            ("{\"command\": \"docker\", \"args\": \"run x\"}", "`args`"),
            ("{\"command\": \"docker\", \"args\": [\"run\", [\"x\"]]}", "`args`"),
            ("{\"command\": \"docker\", \"args\": [\"run\", \"x\"], \"env\": [\"hunter2\"]}", "`env`"),
            ("{\"command\": \"docker\", \"args\": [\"ps\"]}", "`docker ps`"),
            (
                "{\"command\": \"docker\", \"args\": [\"run\", \"-v\", \"${workspaceFolder}:/w\", \"x\"]}",
                "${workspaceFolder}",
            ),
            ("{\"command\": \"docker\", \"args\": [\"run\", \"x\", \"${input:a}\"]}", "${input:a}"),
            (
                "{\"command\": \"docker\", \"args\": [\"run\", \"x\"], \"env\": {\"DOCKER_HOST\": \"tcp://hunter2\"}}",
                "DOCKER_HOST",
            ),
        ] {
            let error = convert(text, "x").unwrap_err();
            assert!(error.to_string().contains(cause), "{text}: {error}");
            assert!(!error.hint().is_empty() && !format!("{error}{}", error.hint()).contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn hostile_words_stay_single_words() {
        let text = r#"{"command":"docker","args":["run","-i","acme/x","; rm -rf ~","$(id)","it's","a\nb"]}"#;
        assert_eq!(convert(text, "x").unwrap().command, "docker run -i acme/x '; rm -rf ~' '$(id)' \"it's\" 'a\nb'");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(\\{|\")(?s).{0,80}") {
            let _ = (is_meant(&text), convert(&text, "x").map_err(|error| error.hint()));
        }
    }
}
