//! What is held of a pair: every broken promise is a line.

use serde_json::Value;

use crate::{
    bench::Holds,
    fault::{Expect, Fault},
    pair::{Course, LONGEST, Ran},
    verb::Verb,
};

/// What the answer says of a host.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) host: String,
    pub(crate) outcome: String,
    pub(crate) kind: String,
    pub(crate) phase: String,
    pub(crate) cause: String,
    pub(crate) hint: String,
}

impl Row {
    fn of(value: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let error = &value["error"];
        Self {
            host: text(&value["host"]),
            outcome: text(&value["outcome"]),
            kind: text(&error["kind"]),
            phase: text(&error["phase"]),
            cause: text(&error["cause"]),
            hint: text(&error["hint"]),
        }
    }

    fn is_done(&self) -> bool {
        matches!(self.outcome.as_str(), "changed" | "unchanged" | "ok" | "copied" | "trusted" | "known" | "removed")
    }

    /// Whether it says that the host is as it was.
    fn is_untouched(&self) -> bool {
        matches!(self.outcome.as_str(), "unreachable" | "not_done" | "not_attempted")
    }

    pub(crate) fn show(&self) -> String {
        match self.phase.as_str() {
            "" => format!("{}: {}", self.outcome, self.cause),
            phase => format!("{} ({phase}): {}", self.outcome, self.cause),
        }
    }
}

/// The rows of an answer; `None` when it is not what the command promises.
pub(crate) fn rows(verb: Verb, ran: &Ran) -> Option<Vec<Row>> {
    let array = |value: Value| value.as_array().map(|rows| rows.iter().map(Row::of).collect());
    match verb {
        Verb::Remove => Some(removal(ran)),
        // Resuming what is done already says nothing.
        Verb::Resume if ran.out.trim().is_empty() => Some(vec![]),
        Verb::Start | Verb::Stop | Verb::Restart | Verb::Recreate | Verb::AddStart | Verb::Resume => {
            array(serde_json::from_str::<Value>(&ran.out).ok()?["instances"].take())
        }
        Verb::Exec => ran.out.lines().map(|line| serde_json::from_str(line).ok().map(|row| Row::of(&row))).collect(),
        Verb::Copy | Verb::Trust => array(serde_json::from_str(&ran.out).ok()?),
        Verb::Edit | Verb::HostsAdd => Some(vec![]),
    }
}

/// `remove` answers in words.
fn removal(ran: &Ran) -> Vec<Row> {
    let row = |host: &str, outcome: &str, cause: &str, hint: &str| Row {
        host: host.to_owned(),
        outcome: outcome.to_owned(),
        kind: String::new(),
        phase: String::new(),
        cause: cause.to_owned(),
        hint: hint.to_owned(),
    };
    let mut all = vec![];
    let lines: Vec<&str> = ran.err.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let after =
            |prefix: &str| line.strip_prefix(prefix).and_then(|rest| rest.split_once('@')).map(|(_, host)| host);
        let follows = |number: usize, prefix: &str| {
            lines.get(index + number).and_then(|line| line.trim_start().strip_prefix(prefix)).unwrap_or_default()
        };
        if let Some(host) = after("removed the container of ") {
            all.push(row(host, "removed", "", ""));
        } else if let Some(hosts) = after("error: cannot remove ") {
            for host in unfolded(hosts) {
                all.push(row(&host, "trouble", follows(1, "cause: ").trim(), follows(2, "hint:").trim()));
            }
        }
    }
    all
}

/// The hosts of `edge-1`, or of `edge-[1-2,4] (3)`.
fn unfolded(text: &str) -> Vec<String> {
    let text = text.split(" (").next().unwrap_or(text);
    let Some((before, numbers)) = text.strip_suffix(']').and_then(|text| text.split_once('[')) else {
        return vec![text.to_owned()];
    };
    let ends = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<u32>().ok()?..=last.parse().ok()?)
    };
    numbers.split(',').filter_map(ends).flatten().map(|number| format!("{before}{number}")).collect()
}

/// What is wrong with the course of a pair; empty when all is well.
pub(crate) fn judge(verb: Verb, fault: &Fault, course: &Course) -> Vec<String> {
    let is_done = |holds: &Holds| course.wanted.is_met(holds);
    let mut wrong = vec![];
    let ran = &course.ran;
    if !course.struck {
        wrong.push("the fault never came about".to_owned());
    }
    if ran.hung || ran.elapsed > LONGEST {
        wrong.push(format!("it took {:.0} s", ran.elapsed.as_secs_f64()));
    }
    if ran.err.contains("panicked") {
        wrong.push("it panicked".to_owned());
    }
    if !ran.children.is_empty() {
        wrong.push(format!("it left processes: {:?}", ran.children));
    }
    if !course.left.is_empty() {
        wrong.push(format!("a host still runs {:?}", course.left));
    }
    answer(verb, fault, course, &is_done, &mut wrong);
    for (what, ran) in &course.loads {
        let doubtful =
            ["going on without it", "cannot be read", "is not valid"].iter().any(|part| ran.err.contains(part));
        if ran.code != Some(0) || doubtful {
            wrong.push(format!("{what} afterwards: {:?} {} {}", ran.code, ran.out.trim(), ran.err.trim()));
        }
    }
    // A file that a killed run did not finish is known by its name, and swept away by the next write.
    let is_known = |name: &&String| {
        let known =
            ["yaml", "jsonl", "journal.head", ".lock", "known_hosts", "other_hosts", "file.txt", ".old", ".mcp-tmp"];
        known.iter().any(|end| name.ends_with(end)) && !name.contains("broken")
    };
    for name in course.files.iter().filter(|name| !is_known(name)) {
        wrong.push(format!("it left {name} in the workspace"));
    }
    again(verb, course, &is_done, &mut wrong);
    wrong
}

/// The answer of the run under the fault.
fn answer(verb: Verb, fault: &Fault, course: &Course, is_done: &impl Fn(&Holds) -> bool, wrong: &mut Vec<String>) {
    let ran = &course.ran;
    let says = |parts: &[&str]| parts.iter().any(|part| ran.err.contains(part) || ran.out.contains(part));
    match fault.expect {
        Expect::Killed => return,
        // What is to be written is what a removal is for.
        Expect::RefusedOrWarned(parts) | Expect::Warned(parts)
            if ran.code != Some(0) && (verb == Verb::Remove || matches!(fault.expect, Expect::RefusedOrWarned(_))) =>
        {
            if !says(parts) {
                wrong.push(format!("it does not say why: {:?} {}", ran.code, ran.err.trim()));
            }
            return;
        }
        Expect::Warned(parts) if !says(parts) => wrong.push(format!("it does not warn: {}", ran.err.trim())),
        _ => {}
    }
    let Some(rows) = rows(verb, ran) else {
        wrong.push(format!("the answer cannot be read: {:?} {:?} {}", ran.code, ran.out, ran.err.trim()));
        return;
    };
    if !verb.logs_in() && verb != Verb::Trust {
        if ran.code != Some(0) {
            wrong.push(format!("exit code {:?}: {}", ran.code, ran.err.trim()));
        }
        return;
    }
    for (index, (before, after)) in std::iter::zip(&course.before, &course.after).enumerate() {
        let host = format!("edge-{}", index + 1);
        let Some(row) = rows.iter().find(|row| row.host == host) else {
            // A removal looks at all hosts first and then removes everywhere, or nowhere.
            if verb != Verb::Remove {
                wrong.push(format!("no row for {host}: {}", ran.err.trim()));
            } else if before != after && ran.code == Some(0) {
                wrong.push(format!("{host} was changed and is not named"));
            }
            continue;
        };
        // An engine that is taken away at work takes its containers with it, after the answer as well as before.
        let is_excused = index == 1 && fault.takes_the_machine() && course.struck;
        truth(verb, row, before, after, &|holds| is_excused || is_done(holds), wrong);
        if index == 1 {
            faulty(verb, fault.expect, row, wrong);
        } else if !row.is_done() {
            wrong.push(format!("{host} was to be done: {}", row.show()));
        }
    }
    let code = exit_code(&rows);
    // `remove` says in words what kind its trouble is.
    let is_right = if verb == Verb::Remove { (ran.code == Some(0)) == (code == 0) } else { ran.code == Some(code) };
    if !is_right {
        wrong.push(format!("exit code {:?} where the rows give {code}", ran.code));
    }
}

/// A row says what is so.
fn truth(
    verb: Verb,
    row: &Row,
    before: &Holds,
    after: &Holds,
    is_done: &dyn Fn(&Holds) -> bool,
    wrong: &mut Vec<String>,
) {
    let held = || format!("{:?} -> {:?}", before, after);
    if row.is_done() && !is_done(after) {
        wrong.push(format!("{} says {}, and it is not so: {}", row.host, row.show(), held()));
    }
    if row.outcome == "changed" && before == after {
        wrong.push(format!("{} says changed, and all is as before: {}", row.host, held()));
    }
    if row.is_untouched() && before != after {
        wrong.push(format!("{} says {}, and it was changed: {}", row.host, row.show(), held()));
    }
    if !row.is_done() && row.cause.is_empty() && !(verb == Verb::Exec && row.outcome == "failed") {
        wrong.push(format!("{} has no cause: {}", row.host, row.outcome));
    }
    if !row.is_done() && row.hint.is_empty() && verb.uses_docker() {
        wrong.push(format!("{} has no hint: {}", row.host, row.show()));
    }
}

/// The row of the second host is one of those that the fault may give.
fn faulty(verb: Verb, expect: Expect, row: &Row, wrong: &mut Vec<String>) {
    let names = |parts: &[&str]| parts.iter().any(|part| row.cause.contains(part));
    // `remove` has no word for it, and its causes are those of the others.
    let outcome = |words: &[&str]| words.contains(&row.outcome.as_str()) || row.outcome == "trouble";
    let phase = |words: &[&str]| words.contains(&row.phase.as_str()) || verb == Verb::Remove;
    let is_right = match expect {
        Expect::Fine | Expect::Warned(_) | Expect::RefusedOrWarned(_) => row.is_done(),
        // A command may have run wherever the shell may have begun.
        Expect::Unreachable(phases, causes) if matches!(verb, Verb::Exec | Verb::Copy) && phases.contains(&"exec") => {
            outcome(&["unreachable", "unknown", "timed_out"]) && names(causes)
        }
        // Its answer is what the account's shell said and ended with.
        Expect::Failed(_) if verb == Verb::Exec => outcome(&["failed"]),
        Expect::Unreachable(phases, causes) => outcome(&["unreachable"]) && phase(phases) && names(causes),
        Expect::Lost => {
            row.is_done() || outcome(&["unreachable", "not_done", "unknown", "failed", "timed_out", "interrupted"])
        }
        Expect::Failed(causes) => outcome(&["failed"]) && names(causes),
        Expect::FailedOrLost => outcome(&["unreachable", "failed", "unknown", "timed_out"]),
        Expect::FineOr(phases) => row.is_done() || (outcome(&["unreachable", "unknown"]) && phase(phases)),
        Expect::Killed => true,
    };
    if !is_right {
        wrong.push(format!("{} says {}, where {expect:?} is right", row.host, row.show()));
    }
}

/// The fold of `docs/commands.md`.
fn exit_code(rows: &[Row]) -> i32 {
    let of = |row: &Row| match row.outcome.as_str() {
        _ if row.is_done() => 0,
        "unreachable" | "not_done" => 4,
        "unknown" if row.kind == "failed" => 1,
        "unknown" => 4,
        _ => 1,
    };
    rows.iter().map(of).max().unwrap_or(0)
}

/// The same command without the fault.
fn again(verb: Verb, course: &Course, is_done: &impl Fn(&Holds) -> bool, wrong: &mut Vec<String>) {
    let ran = &course.again;
    let is_over = match verb {
        Verb::Remove => ran.err.contains("no server is called"),
        Verb::HostsAdd => ran.err.contains("already") || ran.err.contains("is there") || ran.err.contains("exists"),
        _ => false,
    };
    if ran.code != Some(0) && !is_over {
        wrong.push(format!("repeated: exit code {:?}: {} {}", ran.code, ran.out.trim(), ran.err.trim()));
    }
    for (index, holds) in course.finally.iter().enumerate() {
        if !is_done(holds) {
            wrong.push(format!("repeated: edge-{} holds {holds:?}", index + 1));
        }
    }
}
