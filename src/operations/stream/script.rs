//! The shell text that reads a log on its host, and that waits for a container to start.
//!
//! Boundary: pure. Next: `follow` runs it and reads the lines that begin with its word.

use super::LogOptions;
use crate::{
    docker::{command, shell::quote},
    domain::{Host, Moment},
    operations::registered::{Registered, program, say},
    transport::script::C_LOCALE,
};

/// Seconds after which a container that is waited for is looked at in any case.
const GLANCE: u32 = 30;

/// Seconds between two looks where the engine does not tell of starts.
const PAUSE: u32 = 2;

/// What of a log is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Ask {
    pub(super) since: Option<Moment>,
    pub(super) until: Option<Moment>,
    pub(super) tail: Option<u64>,
    pub(super) follow: bool,
}

impl Ask {
    pub(super) fn of(options: &LogOptions) -> Self {
        Self { since: options.since, until: options.until, tail: options.tail, follow: options.follow }
    }

    fn flags(&self, container: &str) -> command::Logs {
        // With times always: they tell what docker says from what the container wrote, and a line from its parts.
        let mut flags = command::logs(container).follow(self.follow).timestamps(true);
        if let Some(tail) = self.tail {
            flags = flags.tail(tail);
        }
        if let Some(since) = self.since {
            flags = flags.since(since.to_string());
        }
        if let Some(until) = self.until {
            flags = flags.until(until.to_string());
        }
        flags
    }
}

/// The string that reads the log of `r`: the registered one or the derived one, with what is asked for.
pub(super) fn command_of(r: &Registered<'_>, ask: &Ask) -> String {
    r.logs_command_with(&ask.flags(&r.container))
}

/// Reads the log of `r` with both streams as one, in docker's order, or with `is_split` with each by itself. With a `word`, a line that
/// begins with it comes first: the host's time, the container's id and its start.
pub(super) fn read(r: &Registered<'_>, ask: &Ask, is_split: bool, word: Option<&str>) -> String {
    let host = r.target.host;
    let mut text = environment(host);
    let mut command = command_of(r, ask);
    if let Some(word) = word {
        let start = say(&command::last_start(&r.container), host);
        text.push_str(&format!(
            "mcp_start=$({start}) || exit $?\nmcp_id=${{mcp_start%% *}}\n\
             printf '%s %s %s\\n' {word} \"$(date +%s.%N)\" \"$mcp_start\"\n"
        ));
        if r.target.server.logs.is_none() {
            // Of the very container that was looked at, though its name may have gone to another one since.
            command = ask.flags(&r.container).of_variable("mcp_id", &program(host));
        }
    }
    text.push_str(&if is_split { command } else { format!("{{ {command}\n}} 2>&1") });
    text.push('\n');
    text
}

/// Says a line that begins with `word` and tells of the last start of the container whenever it was looked at, and something else when
/// the engine tells of a start. Never ends.
pub(super) fn wait(r: &Registered<'_>, word: &str) -> String {
    let host = r.target.host;
    let start = say(&command::last_start(&r.container), host);
    let until = format!("$((mcp_t+{GLANCE}))");
    let events = command::starts_between(&r.container, "$mcp_t", &until, &program(host));
    let mut text = environment(host);
    // What happens between the look and the first event is among the events since before the look.
    text.push_str(&format!(
        "while :; do\nmcp_t=$(date +%s)\nmcp_start=$({start} 2>/dev/null) && printf '%s 0 %s\\n' {word} \"$mcp_start\"\n\
         {events} 2>/dev/null\nsleep {PAUSE}\ndone\n"
    ));
    text
}

fn environment(host: &Host) -> String {
    let exports: String = host.env.iter().map(|(key, value)| format!("export {key}={}\n", quote(value))).collect();
    exports + C_LOCALE
}
