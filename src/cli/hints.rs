//! Directed hints: what a word or an option of another tool is called here.
//!
//! Boundary: pure; the words typed and what clap refused to a line of advice. clap prints it in place of its guesses.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Words that docker, kubectl, Ansible, Kamal, ToolHive and systemctl have in the place of a verb.
const VERBS: &[(&[&str], &str)] = &[
    (&["ps", "status", "list-servers", "servers", "ls-servers"], "`mcp list` shows the status of every instance"),
    (&["top", "stats", "usage"], "`mcp list --stats` shows CPU and memory of every instance"),
    (&["describe", "inspect", "show", "info"], "`mcp get NAME` shows the details of a server"),
    (
        &["up", "start-server", "run", "apply", "create", "deploy", "launch", "boot"],
        "`mcp start NAME` starts what is registered (`mcp start --all` everything); `mcp check` validates the files",
    ),
    (&["diff", "drift"], "`mcp get NAME` shows drift: where the container differs from what is registered"),
    (&["plan"], "`mcp start NAME --dry-run` shows what would be done"),
    (&["down", "stop-server", "kill", "halt"], "`mcp stop NAME` stops a server (`mcp stop --all` everything)"),
    (&["restart-server", "reload", "bounce", "recreate"], "`mcp restart NAME` restarts a server"),
    (&["rollout"], "`mcp restart NAME --serial 1` restarts one host after the other"),
    (
        &["uninstall", "delete", "destroy", "unregister", "del"],
        "`mcp remove NAME --stop` stops a server, deletes its containers and unregisters it",
    ),
    (&["install", "register", "new"], "`mcp add NAME --host HOST --command 'docker run …'` registers a server"),
    (&["version"], "`mcp --version` shows the version"),
    (&["validate", "lint", "verify"], "`mcp check` validates the files of the workspace"),
    (&["config"], "`mcp edit NAME` changes a server's entry, `mcp check` validates the files of the workspace"),
    (&["host", "inventory", "nodes", "machines"], "`mcp hosts list` shows the hosts"),
    (&["ping", "test", "check-hosts"], "`mcp hosts check` names the first broken layer of each host"),
    (&["trust"], "`mcp hosts trust` reviews the hosts' keys"),
    (&["ssh", "shell", "sh", "command", "cmd", "attach"], "`mcp exec HOST -- COMMAND` runs a command on hosts"),
    (&["scp", "put", "push", "upload", "rsync", "sync"], "`mcp copy HOSTS FILE [DEST]` sends a file to hosts"),
    (
        &["fetch", "download", "slurp"],
        "there is no fetch; `mcp exec HOST -- cat FILE > FILE` prints a file of one host",
    ),
    (&["tail"], "`mcp log NAME -f` follows a log"),
    (&["events", "runs", "audit", "journal"], "`mcp history` shows past runs"),
    (&["retry", "continue"], "`mcp resume` continues an interrupted or partly failed run"),
    (&["unlock"], "`mcp lock release NAME` releases leases on containers"),
    (&["completion", "autocomplete"], "`mcp completions bash` prints a completion script"),
];

/// Options of other tools.
const OPTIONS: &[(&[&str], &str)] = &[
    (&["--format"], "`-o json|yaml|wide|name` chooses the output format"),
    (&["-w", "--watch"], "`mcp list --watch` repeats a list"),
    (&["-A", "--all-namespaces"], "`mcp list` shows all servers by default; start, stop and restart take `--all`"),
    (&["--sort-by"], "`mcp list --sort name` sorts by a column, `mcp list --sort -uptime` in descending order"),
    (&["--no-trunc"], "`-o wide` shows every column uncut"),
    (&["-d", "--daemon", "--detach"], "servers always run in the background: `mcp start NAME`"),
    (
        &["--mode", "--image", "-p", "--publish", "-e", "--env", "--volume", "--network"],
        "it belongs into the registered string: `mcp edit NAME --command 'docker run …'`",
    ),
    (
        &["--pull"],
        "`mcp pull NAME` pulls the image first; `docker run --pull always` in the registered string pulls it at each start",
    ),
    (&["--limit", "-l", "--hosts"], "`--on PATTERN` limits to hosts, `--tag TAG` to servers with a tag"),
    (
        &["--selector", "--label", "--labels", "--filter"],
        "`--tag TAG` selects servers, `--on PATTERN` hosts; `mcp list --status error` those in a state",
    ),
    (&["--check", "--diff", "--noop", "--plan"], "`--dry-run` shows what would be done"),
    (&["--namespace", "--context", "--kubeconfig", "--config"], "`-C DIR` names the workspace"),
    (&["--tail", "--lines"], "`mcp log NAME -n 50` shows the last lines"),
    (&["--follow"], "`mcp log NAME -f` follows a log"),
    (&["-t", "-it", "-ti", "--tty", "--interactive"], "there is no terminal on the host; use `ssh HOST` for one"),
    (
        &["-u", "--user", "--become"],
        "the account is the host's `user` in hosts.yaml, `docker: sudo -n docker` the words for docker",
    ),
    (&["-P", "--parallel", "--concurrency"], "`--forks N` is the number of hosts at once"),
    (&["--debug", "--trace"], "`-v` shows every remote command with its duration"),
];

/// What `--force` means, by verb.
fn force(verb: Option<&str>) -> &'static str {
    match verb {
        Some("start" | "restart") => "`--replace` replaces a container that mcp did not create",
        Some("remove" | "rm") => {
            "`--stop` stops and deletes the containers, `--keep` leaves them, `--yes` does not ask"
        }
        Some("lock") => "`--yes` does not ask",
        _ => "there is no --force; `--yes` answers questions, `mcp start --replace` replaces a container of others",
    }
}

fn acts(verb: &str) -> bool {
    matches!(verb, "start" | "stop" | "restart" | "remove" | "rm")
}

/// The advice on what clap refused, if this is a known word of another tool.
fn advice(kind: ErrorKind, refused: &str, typed: &[String], verbs: &[String]) -> Option<String> {
    let at = typed.iter().position(|word| word == refused || word.starts_with(&format!("{refused}=")))?;
    let verb = typed[..at].iter().find(|word| verbs.contains(word)).map(String::as_str);
    let known = |table: &[(&[&str], &'static str)]| {
        table.iter().find(|(words, _)| words.contains(&refused)).map(|(_, advice)| (*advice).to_owned())
    };
    match kind {
        ErrorKind::InvalidSubcommand if refused == "config" => match typed.get(at + 1).map(String::as_str) {
            Some("edit" | "set") => Some("`mcp edit NAME` changes a server's entry".to_owned()),
            Some("validate" | "check" | "test") => Some("`mcp check` validates the files of the workspace".to_owned()),
            _ => known(VERBS),
        },
        // `mcp hosts show`: clap's own guesses know the verbs of hosts.
        ErrorKind::InvalidSubcommand if verb.is_none() => known(VERBS),
        ErrorKind::UnknownArgument if !refused.starts_with('-') => (verb == Some("exec")).then(|| before(typed, at)),
        ErrorKind::UnknownArgument if refused == "--force" || (refused == "-f" && verb.is_some_and(acts)) => {
            Some(force(verb).to_owned())
        }
        ErrorKind::UnknownArgument if matches!(refused, "-t" | "--time") && verb.is_some_and(acts) => Some(
            "the time to stop is in the registered string: `--stop-timeout 5` of docker run, or `stop: docker stop -t 5 NAME`".to_owned(),
        ),
        ErrorKind::UnknownArgument => known(OPTIONS),
        _ => None,
    }
}

/// `mcp exec h1 uptime`: where `--` goes.
fn before(typed: &[String], at: usize) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+:,./_-".contains(c);
    let is_plain = typed.iter().all(|word| !word.is_empty() && word.chars().all(plain));
    if !is_plain {
        return "put `--` before the command: `mcp exec PATTERN -- COMMAND`".to_owned();
    }
    let (head, command) = (typed[..at].join(" "), typed[at..].join(" "));
    format!("put `--` before the command: `mcp {head} -- {command}`")
}

/// `error` with directed advice in the place of clap's guesses, where there is one. `typed` are the words after the program's name.
pub(super) fn direct(mut error: clap::Error, typed: &[String], command: &clap::Command) -> clap::Error {
    let context = match error.kind() {
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        _ => return error,
    };
    let Some(ContextValue::String(refused)) = error.get(context) else { return error };
    let refused = refused.split(['=', ' ']).next().unwrap_or_default().to_owned();
    let verbs: Vec<String> = command
        .get_subcommands()
        .flat_map(|verb| std::iter::once(verb.get_name()).chain(verb.get_all_aliases()))
        .map(str::to_owned)
        .collect();
    if let Some(advice) = advice(error.kind(), &refused, typed, &verbs) {
        error.remove(ContextKind::SuggestedSubcommand);
        error.remove(ContextKind::SuggestedArg);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![advice.into()]));
    }
    error
}
