//! Errors of hosts and instances: one block for all that share a cause, with the hosts folded to ranges.
//!
//! Boundary: troubles in, text out. What two hosts have in common is told by `Trouble::general_cause`; here only the names that
//! a hint repeats are exchanged.

use super::{Ui, sanitise};
use crate::{
    domain::{HostName, fold::fold},
    operations::Trouble,
};

/// Stands in a hint for the name of its subject.
const NAME: &str = "\u{1}";

/// Stands in a hint for the name of its host.
const HOST: &str = "\u{2}";

/// Longest list of folded names in the first line of a block; more are counted.
const LONGEST: usize = 100;

/// What an error is about: words with a name between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    before: String,
    name: String,
    host: String,
    after: String,
}

impl Subject {
    /// `cannot start finance@edge-1`.
    pub(super) fn instance(before: impl Into<String>, server: &impl ToString, host: &impl ToString) -> Self {
        let (server, host) = (server.to_string(), host.to_string());
        Self { before: before.into(), name: format!("{server}@{host}"), host, after: String::new() }
    }

    /// `no answer from edge-1`; `edge-1: TCP connect failed`.
    pub(super) fn host(before: impl Into<String>, host: &impl ToString, after: impl Into<String>) -> Self {
        let host = host.to_string();
        Self { before: before.into(), name: host.clone(), host, after: after.into() }
    }
}

/// Subjects that share a trouble.
struct Block<'t> {
    subjects: Vec<Subject>,
    trouble: &'t Trouble,
    hint: Option<String>,
}

impl<'t> Block<'t> {
    fn new(subject: Subject, trouble: &'t Trouble) -> Self {
        let hint = trouble.hint.as_deref().map(|hint| template(hint, &subject));
        Self { subjects: vec![subject], trouble, hint }
    }

    fn takes(&self, other: &Self) -> bool {
        let (Some(one), Some(another)) = (self.subjects.first(), other.subjects.first()) else { return false };
        one.before == another.before
            && one.after == another.after
            && self.trouble.kind == other.trouble.kind
            && self.trouble.phase == other.trouble.phase
            && self.trouble.general_cause() == other.trouble.general_cause()
            && self.trouble.log == other.trouble.log
            && self.hint == other.hint
    }

    fn title(&self) -> String {
        let Some(first) = self.subjects.first() else { return String::new() };
        let names = fold(self.subjects.iter().map(|subject| subject.name.as_str()));
        let several = match self.subjects.len() {
            1 => String::new(),
            count => format!(" ({count})"),
        };
        let hosts = fold(self.subjects.iter().map(|subject| subject.host.as_str()));
        match names.len() {
            0..=LONGEST => format!("{}{names}{several}{}", first.before, first.after),
            _ if first.name == first.host => format!("{}{} hosts{}", first.before, self.subjects.len(), first.after),
            _ => format!("{}{} instances on {hosts}{}", first.before, self.subjects.len(), first.after),
        }
    }

    fn cause(&self) -> &str {
        if self.subjects.len() == 1 { &self.trouble.cause } else { self.trouble.general_cause() }
    }

    fn hint(&self) -> Option<String> {
        let (hint, first) = (self.hint.as_deref()?, self.subjects.first()?);
        let hosts = fold(self.subjects.iter().map(|subject| subject.host.as_str()));
        // A shell would read the brackets, and a key of hosts.yaml is one host's.
        let (key, hosts) =
            if self.subjects.len() == 1 { (&*first.host, hosts) } else { ("NAME", format!("'{hosts}'")) };
        let hint = hint.replace(&format!("hosts.{HOST}."), &format!("hosts.{key}."));
        Some(hint.replace(HOST, &hosts).replace(NAME, &first.name))
    }
}

/// `hint` with the names of `subject` exchanged for what stands in for them.
fn template(hint: &str, subject: &Subject) -> String {
    let named = if subject.name == subject.host { hint.to_owned() } else { exchanged(hint, &subject.name, NAME) };
    exchanged(&named, &subject.host, HOST)
}

/// `text` with `to` for every `from` that is a name of its own and no part of a longer one.
fn exchanged(text: &str, from: &str, to: &str) -> String {
    let is_name = |c: char| c.is_alphanumeric() || c == '-' || c == '_' || c == '@';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(from).filter(|_| !from.is_empty()) {
        let (before, after) = (&rest[..at], &rest[at + from.len()..]);
        let is_whole = !before.ends_with(is_name) && !after.starts_with(is_name);
        out.push_str(before);
        out.push_str(if is_whole { to } else { from });
        rest = after;
    }
    out.push_str(rest);
    out
}

impl Ui {
    /// Prints each trouble once with its subjects, cause, hint and log lines.
    pub(super) fn troubles<'t>(&mut self, troubles: impl Iterator<Item = (Subject, &'t Trouble)>) {
        for line in self.trouble_lines(troubles) {
            self.story(&line);
        }
    }

    /// The lines of [`Ui::troubles`].
    pub(super) fn trouble_lines<'t>(&self, troubles: impl Iterator<Item = (Subject, &'t Trouble)>) -> Vec<String> {
        let mut blocks: Vec<Block<'_>> = vec![];
        for (subject, trouble) in troubles {
            let new = Block::new(subject, trouble);
            match blocks.iter_mut().find(|block| block.takes(&new)) {
                Some(block) => block.subjects.extend(new.subjects),
                None => blocks.push(new),
            }
        }
        blocks.iter().flat_map(|block| self.block_lines(block)).collect()
    }

    /// Prints a trouble that `hosts` share; it is the first one's.
    pub(super) fn shared_trouble(&mut self, before: &str, hosts: &[HostName], trouble: &Trouble) {
        let mut subjects = hosts.iter().map(|host| Subject::host(before, host, ""));
        let Some(first) = subjects.next() else { return };
        let mut block = Block::new(first, trouble);
        block.subjects.extend(subjects);
        for line in self.block_lines(&block) {
            self.story(&line);
        }
    }

    /// Prints a trouble as soon as it comes. What shares the cause of an earlier one takes a line: to fold them, the first would have
    /// to wait for the last.
    pub(super) fn trouble_at_once(&mut self, subject: Subject, trouble: &Trouble) {
        let block = Block::new(subject, trouble);
        let told = (trouble.general_cause().to_owned(), block.hint.clone(), trouble.log.clone());
        let mut lines = self.block_lines(&block);
        if self.told.contains(&told) {
            lines.truncate(1);
            lines.iter_mut().for_each(|line| line.push_str(": the same cause"));
        } else {
            self.told.push(told);
        }
        lines.iter().for_each(|line| self.story(line));
    }

    fn block_lines(&self, block: &Block<'_>) -> Vec<String> {
        let label = self.paint_err("error:", |s| s.red().bold());
        let mut lines = vec![
            format!("{label} {}", sanitise::line(&block.title())),
            format!("  cause: {}", sanitise::line(&self.hide(block.cause()))),
        ];
        let log = &self.hidden(block.trouble).log;
        lines.extend(log.iter().map(|line| format!("  log:   {}", sanitise::line(line))));
        lines.extend(block.hint().map(|hint| format!("  hint:  {}", sanitise::line(&self.hide(&hint)))));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{ColorChoice, Format};

    fn ui() -> Ui {
        Ui::new(Format::Table, false, false, ColorChoice::Never)
    }

    fn untrusted(number: usize) -> (Subject, Trouble) {
        let host = format!("h{number}");
        let hint = format!("trust it with `mcp hosts trust {host}`, or set hosts.{host}.host_key");
        let trouble = Trouble::failed(format!("the key of 10.0.0.{number} is not known (SHA256:{number})"), Some(hint));
        (Subject::host("no answer from ", &host, ""), trouble.in_general("the key is not known"))
    }

    fn lines(troubles: &[(Subject, Trouble)]) -> Vec<String> {
        ui().trouble_lines(troubles.iter().map(|(subject, trouble)| (subject.clone(), trouble)))
    }

    #[test]
    fn twelve_hosts_that_are_not_trusted_are_one_block_with_one_hint() {
        let all: Vec<_> = (1..=12).map(untrusted).collect();
        assert_eq!(
            lines(&all),
            [
                "error: no answer from h[1-12] (12)",
                "  cause: the key is not known",
                "  hint:  trust it with `mcp hosts trust 'h[1-12]'`, or set hosts.NAME.host_key",
            ]
        );
    }

    #[test]
    fn one_host_is_told_with_all_that_is_its_own() {
        assert_eq!(
            lines(&[untrusted(1)]),
            [
                "error: no answer from h1",
                "  cause: the key of 10.0.0.1 is not known (SHA256:1)",
                "  hint:  trust it with `mcp hosts trust h1`, or set hosts.h1.host_key",
            ]
        );
    }

    #[test]
    fn hosts_of_different_causes_stay_apart() {
        let cannot = |number: usize, why: &str| {
            let trouble = Trouble::failed(format!("10.0.0.{number}: {why}"), None).in_general(why);
            (Subject::host("", &format!("h{number}"), ": TCP connect failed"), trouble)
        };
        let lines = lines(&[cannot(1, "refused"), cannot(2, "reset"), cannot(3, "refused")]);
        let titles: Vec<&String> = lines.iter().filter(|line| line.starts_with("error:")).collect();
        assert_eq!(titles, ["error: h[1,3] (2): TCP connect failed", "error: h2: TCP connect failed"], "{lines:#?}");
    }

    #[test]
    fn a_cause_that_was_changed_afterwards_is_not_told_in_general() {
        let changed = |number| {
            let (subject, trouble) = untrusted(number);
            (subject, Trouble { cause: format!("{}; nothing was done", trouble.cause), ..trouble })
        };
        let lines = lines(&[changed(1), changed(2)]);
        assert_eq!(lines.iter().filter(|line| line.contains("nothing was done")).count(), 2, "{lines:#?}");
    }

    #[test]
    fn instances_that_end_alike_are_one_block_and_the_hint_names_one_of_them() {
        let dies = |number: usize| {
            let instance = format!("dies@h{number}");
            let hint = Some(format!("read more with `mcp log {instance}`"));
            let trouble = Trouble::failed("exited with code 3", hint);
            (Subject::instance("cannot start ", &"dies", &format!("h{number}")), trouble)
        };
        let all: Vec<_> = (1..=3).map(dies).collect();
        let lines = lines(&all);
        assert_eq!(lines[0], "error: cannot start dies@h[1-3] (3)");
        assert_eq!(lines[2], "  hint:  read more with `mcp log dies@h1`");
    }

    #[test]
    fn what_comes_one_by_one_has_its_cause_once() {
        let mut ui = ui();
        for number in 1..=3 {
            let (subject, trouble) = untrusted(number);
            ui.trouble_at_once(subject, &trouble);
        }
        assert_eq!(ui.told.len(), 1, "{:?}", ui.told);
    }

    #[test]
    fn a_name_within_a_longer_name_is_not_taken_for_it() {
        assert_eq!(exchanged("h1 h10 xh1 (h1), hosts.h1.port", "h1", "_"), "_ h10 xh1 (_), hosts._.port");
    }
}
