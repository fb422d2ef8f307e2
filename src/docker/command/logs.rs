//! The derived `docker logs …`.
//!
//! Boundary: the flags `mcp log` needs; a registered logs string is [`crate::docker::registered`]'s.

use super::DockerCommand;

/// `docker logs`, being built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logs {
    name: String,
    follow: bool,
    since: Option<String>,
    until: Option<String>,
    tail: Option<u64>,
    timestamps: bool,
}

/// The logs of a container.
#[must_use]
pub fn logs(name: &str) -> Logs {
    Logs { name: name.to_owned(), follow: false, since: None, until: None, tail: None, timestamps: false }
}

impl Logs {
    /// Goes on as lines come.
    #[must_use]
    pub fn follow(mut self, yes: bool) -> Self {
        self.follow = yes;
        self
    }

    /// From a time on: RFC 3339, a Unix time, or how long ago (`10m`), as docker takes it.
    #[must_use]
    pub fn since(mut self, time: impl Into<String>) -> Self {
        self.since = Some(time.into());
        self
    }

    /// Up to a time, written like [`Logs::since`].
    #[must_use]
    pub fn until(mut self, time: impl Into<String>) -> Self {
        self.until = Some(time.into());
        self
    }

    /// The last `lines` only.
    #[must_use]
    pub fn tail(mut self, lines: u64) -> Self {
        self.tail = Some(lines);
        self
    }

    /// With docker's time in front of each line.
    #[must_use]
    pub fn timestamps(mut self, yes: bool) -> Self {
        self.timestamps = yes;
        self
    }

    /// The flags alone, as words: what a registered logs string is given.
    #[must_use]
    pub fn flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        // A flag that takes a value takes the next word whatever it looks like, so a leading dash does no harm.
        for (flag, value) in
            [("--since", &self.since), ("--until", &self.until), ("--tail", &self.tail.map(|n| n.to_string()))]
        {
            flags.extend(value.iter().flat_map(|value| [flag.to_owned(), value.clone()]));
        }
        flags.extend(self.timestamps.then(|| "--timestamps".to_owned()));
        flags.extend(self.follow.then(|| "--follow".to_owned()));
        flags
    }

    /// The command.
    #[must_use]
    pub fn command(&self) -> DockerCommand {
        DockerCommand::new(["logs"]).with(self.flags()).with([&self.name])
    }

    /// The command for the container whose name or id is in the shell variable `variable`, with the host's words for docker.
    #[must_use]
    pub fn of_variable(&self, variable: &str, program: &str) -> String {
        format!("{} \"${variable}\"", DockerCommand::new(["logs"]).with(self.flags()).to_shell_with(program))
    }

    /// As [`DockerCommand::to_shell`].
    #[must_use]
    pub fn to_shell(&self) -> String {
        self.command().to_shell()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_before_the_name() {
        assert_eq!(logs("a1b2c3").to_shell(), "docker logs a1b2c3");
        assert_eq!(
            logs("a1b2c3").tail(50).since("10m").until("2024-01-01T00:00:00Z").timestamps(true).follow(true).to_shell(),
            "docker logs --since 10m --until 2024-01-01T00:00:00Z --tail 50 --timestamps --follow a1b2c3"
        );
    }

    #[test]
    fn the_container_can_be_what_the_host_s_shell_knows() {
        let command = logs("a").tail(5).of_variable("mcp_id", "sudo -n docker");
        assert_eq!(command, "sudo -n docker logs --tail 5 \"$mcp_id\"");
    }

    #[test]
    fn hostile_times_stay_values() {
        assert_eq!(logs("a").since("-1; reboot").to_shell(), "docker logs --since '-1; reboot' a");
    }
}
