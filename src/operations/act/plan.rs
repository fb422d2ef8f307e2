//! The one script that carries a host's decisions out, lower priorities first, and looks again.
//!
//! Boundary: pure; shell text around the strings of `change`. Next: `judge` reads what came of it.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::health;
use crate::{
    docker::{
        checks, command,
        not_up::{is_among, not_settled},
        replacement::{self, GONE, KeptContainer, Replacement, previous_name},
    },
    domain::Host,
    operations::{
        Verb,
        audit::Stamp,
        change::{
            Decision, Options, if_still,
            replace::{self, Pair},
        },
        observe::{self, Observation},
        registered::{Registered, program, say},
    },
    transport::{
        lease::{self, Holder},
        script::{Script, SectionId, Sections},
    },
};

/// Most containers of one host that are worked on at once: each takes a docker command line of its own on the host. The host's cores do
/// not bound it further: what ends slowly is waited for, not computed, and also what ends at once goes faster so on two cores.
const AT_ONCE: usize = 10;

/// Log lines shown of a container that did not stay up.
const LAST_LINES: u64 = 20;

/// The script that acts on one host, and where its answers will be.
pub(super) struct Plan {
    pub(super) script: Option<Script>,
    pub(super) jobs: BTreeMap<String, SectionId>,
    pub(super) logs: BTreeMap<String, SectionId>,
    pub(super) health: Option<SectionId>,
    pub(super) look: Option<SectionId>,
    /// What came of taking the leases.
    pub(super) leases: Option<SectionId>,
    /// What is replaced, by the server's name.
    pub(super) replacements: BTreeMap<String, Replacement>,
    /// Whether the containers that were set aside were removed or put back.
    pub(super) finishes: BTreeMap<String, SectionId>,
    /// A second look, when one of them was put back.
    pub(super) again: Option<SectionId>,
}

/// The shell variables of the look, and of those in it that have not settled.
const LOOK: &str = "mcp_look";
const DOWN: &str = "mcp_down";

/// Who takes leases on the host, and for how long.
pub(super) type Wish<'a> = (Holder<'a>, Duration);

impl Plan {
    pub(super) fn new(
        host: &Host,
        verb: Verb,
        options: Options,
        (registered, decisions): (&[Registered<'_>], &[Decision]),
        before: &Observation,
        wish: Option<Wish<'_>>,
        stamp: &Stamp,
    ) -> Self {
        let mut replacements = BTreeMap::new();
        let mut steps: Vec<(i64, &Registered<'_>, String)> = registered
            .iter()
            .zip(decisions)
            .filter_map(|(r, d)| {
                let priority = i64::from(r.target.server.priority);
                let replacement = replace::replacement(d, r, Pair::of_verb(verb, before, r));
                let code = r.in_locale(code(host, (verb, d), r, before, replacement.as_ref())?);
                let code = stamp.around(host, verb.as_str(), r, code);
                let code = if wish.is_some() { lease::guarded(&r.container, &code) } else { code };
                replacements.extend(replacement.map(|replacement| (r.target.server.name.to_string(), replacement)));
                Some((if verb == Verb::Stop { -priority } else { priority }, r, code))
            })
            .collect();
        let (jobs, logs) = (BTreeMap::new(), BTreeMap::new());
        let (finishes, again) = (BTreeMap::new(), None);
        let mut plan =
            Self { script: None, jobs, logs, health: None, look: None, leases: None, replacements, finishes, again };
        if steps.is_empty() && options.health.is_none() {
            return plan;
        }
        steps.sort_by_key(|(priority, ..)| *priority);
        let mut script = Script::new();
        script.export(&host.env);
        script.outlive_connection();
        if !plan.replacements.is_empty() {
            script.plain(&replacement::functions(&program(host)));
        }
        if let Some((holder, allowed)) = wish.filter(|_| !steps.is_empty()) {
            let names: Vec<&str> = steps.iter().map(|(_, r, _)| r.container.as_str()).collect();
            plan.leases = Some(lease::take(&mut script, &names, &holder, allowed));
        }
        for group in steps.chunk_by(|a, b| a.0 == b.0) {
            let codes: Vec<String> = group.iter().map(|(_, _, code)| code.clone()).collect();
            let ids = script.side_by_side(&codes, AT_ONCE);
            plan.jobs.extend(group.iter().map(|(_, r, _)| r.target.server.name.to_string()).zip(ids));
        }
        let started = started(registered, decisions);
        if !started.is_empty()
            && let Some(settle) = settle(options, host, &started, !plan.replacements.is_empty())
        {
            script.plain(&settle);
        }
        if let Some(allowed) = options.health {
            plan.health = Some(health::wait(&mut script, host, &meant_to_run(registered, decisions), allowed));
        }
        let keeps = !plan.replacements.is_empty();
        let (look, logs) = look(&mut script, host, registered, &started, (options, keeps));
        (plan.look, plan.logs) = (Some(look), logs);
        if keeps {
            plan.finish(&mut script, host, registered, wish.is_some());
        }
        plan.script = Some(script);
        plan
    }

    /// What is there in the end, when the look has shown `seen`: what was put back was looked for again, and what was removed is gone.
    pub(super) fn last(&self, sections: &Sections, seen: &Observation, registered: &[Registered<'_>]) -> Observation {
        // It is empty where nothing was put back.
        let again = self.again.and_then(|id| sections.get(id)).filter(|section| !section.stdout.is_empty());
        let again = again.and_then(|section| observe::read(Some(section), registered, Timestamp::now()).ok());
        let is_gone = |name: &str| {
            let finish = self.finishes.get(name).and_then(|id| sections.get(*id));
            finish.is_some_and(|section| section.stdout_text().lines().any(|line| line == GONE))
        };
        let gone = self.replacements.iter().filter(|(name, _)| is_gone(name)).map(|(_, replacement)| &replacement.old);
        gone.fold(again.unwrap_or_else(|| seen.clone()), |seen, id| seen.without(id))
    }

    /// Removes what was set aside, or puts it back, by what the look has shown, and looks again if something was put back.
    fn finish(&mut self, script: &mut Script, host: &Host, registered: &[Registered<'_>], leases: bool) {
        let (mut codes, mut names, mut verdicts) = (vec![], vec![], String::new());
        for r in registered {
            let name = r.target.server.name.as_str();
            let Some(replacement) = self.replacements.get(name) else { continue };
            let variable = format!("mcp_v{}", codes.len());
            script.plain(&replacement.judge(&variable, LOOK, DOWN));
            let code = replacement.finish(&program(host), &variable, LOOK);
            codes.push(if leases { lease::guarded(&r.container, &code) } else { code });
            verdicts.push_str(&format!("${variable}"));
            names.push(name.to_owned());
        }
        let ids = script.side_by_side(&codes, AT_ONCE);
        self.finishes = names.into_iter().zip(ids).collect();
        let inspect = observe::question(observe::names(registered), host);
        self.again = Some(script.run(&format!("case {verdicts} in *back*) {inspect};; esac")));
    }
}

/// The shell text that carries out `decision`; `None` when nothing is to be done. A previous container that nobody needs any more goes
/// with it.
fn code(
    host: &Host,
    (verb, decision): (Verb, &Decision),
    r: &Registered<'_>,
    before: &Observation,
    replacement: Option<&Replacement>,
) -> Option<String> {
    let (pair, keep) = (Pair::of_verb(verb, before, r), replace::keep(r));
    let code = code_of(host, r, decision, pair, replacement);
    let stopped = pair.interrupted(keep).filter(|_| *decision == Decision::Stop);
    let expired = || pair.expired(keep, before.host_time());
    // A replacement sees to the one that is kept itself.
    let is_part = replacement.is_some_and(|replacement| replacement.kept != KeptContainer::None);
    let gone = stopped.or_else(expired).filter(|_| !is_part);
    let quietly = |command| format!("{} >/dev/null 2>&1; ", say(&command, host));
    let mut first: String =
        pair.leftover.into_iter().chain(gone).map(|c| quietly(command::force_remove(&c.id))).collect();
    if let Some(previous) = pair.previous.filter(|_| pair.is_misnamed && gone.is_none()) {
        first.push_str(&quietly(command::rename(&previous.id, &previous_name(&r.container))));
    }
    match code {
        Some(code) => Some(first + &code),
        // Nothing else is to be done.
        None if matches!(decision, Decision::Leave(_)) && verb != Verb::Stop && !first.is_empty() => {
            Some(first + "true")
        }
        None => None,
    }
}

fn code_of(
    host: &Host,
    r: &Registered<'_>,
    decision: &Decision,
    pair: Pair<'_>,
    replacement: Option<&Replacement>,
) -> Option<String> {
    let current = pair.current;
    let (docker, id) = (&program(host), current.map(|c| c.id.as_str()));
    match (decision, replacement) {
        (Decision::Replace | Decision::StopAndReplace, Some(replacement)) => {
            let stop = r.stop_and_keep(&replacement.old);
            Some(if_still(r, &replacement.old, &replacement.begin(docker, &stop, &r.run_command())))
        }
        (Decision::Complete, Some(replacement)) => {
            let stop = say(&command::stop(&replacement.old), host);
            Some(replacement.begin(docker, &stop, &r.run_command()))
        }
        (Decision::RollBack, Some(replacement)) => {
            let kept = replace::replacement(&Decision::PutBack { start: true }, r, pair)?;
            let stop = r.stop_and_keep(&replacement.old);
            Some(if_still(r, &replacement.old, &replacement.swap(docker, &stop, &kept)))
        }
        (Decision::Finish(_), Some(_)) => Some(":".to_owned()),
        (Decision::PutBack { .. }, Some(replacement)) => Some(replacement.put_back(docker, id)),
        // It cannot be kept, so what can be known beforehand is asked before it is stopped.
        (Decision::StopAndReplace, None) => {
            let (code, checks) = (decision.code(r, id)?, checks::before_stop(docker, &r.run, current?));
            Some(format!("{checks} && {{ {code}\n}}"))
        }
        _ => decision.code(r, id),
    }
}

/// Those that are to run afterwards.
pub(super) fn started<'a, 'r>(registered: &'a [Registered<'r>], decisions: &[Decision]) -> Vec<&'a Registered<'r>> {
    registered.iter().zip(decisions).filter(|(_, d)| d.is_to_run()).map(|(r, _)| r).collect()
}

/// How often it is looked whether all containers have settled, in seconds.
const GLANCE: f64 = 0.5;

/// Waits for the settle time of the containers of `started`, if there is any: less when docker's health checks have passed or failed, or
/// all have ended. With `polls` that is asked all the time, because a server is away while its new container does not come up.
pub(super) fn settle(options: Options, host: &Host, started: &[&Registered<'_>], polls: bool) -> Option<String> {
    let settle = options.settle.as_secs_f64();
    let sleep = |seconds: f64| format!("sleep {seconds} 2>/dev/null || sleep {}", seconds.ceil());
    if settle < 1.0 {
        return (settle > 0.0).then(|| sleep(settle));
    }
    let ask = say(&command::unsettled(started.iter().map(|r| r.container.as_str())), host);
    let (turns, all) = ((settle / GLANCE).ceil(), sleep(settle));
    // Without a health check the whole time is waited for, which needs no questions.
    let at_once = if polls { String::new() } else { format!("case $mcp_n$mcp_u in 0*n*) {all}; break;; esac\n") };
    // The host's own clock bounds it as well: docker may take long to answer.
    Some(format!(
        "mcp_n=0; mcp_end=$(( $(date +%s) + {} ))\n\
         while mcp_u=$({ask} 2>/dev/null) || mcp_u=n$mcp_u; [ -n \"$mcp_u\" ]; do\n\
         {at_once}\
         if [ $mcp_n -ge {turns} ] || [ \"$(date +%s)\" -gt $mcp_end ]; then break; fi\n\
         mcp_n=$((mcp_n+1)); {}\n\
         done",
        settle.ceil(),
        sleep(GLANCE)
    ))
}

/// Looks at the containers of `registered`, and reads the last log lines of those among `started` that have not settled. One look serves
/// both, and what follows it where it `keeps` containers aside; docker is asked for a log only when there is one to read.
pub(super) fn look(
    script: &mut Script,
    host: &Host,
    registered: &[Registered<'_>],
    started: &[&Registered<'_>],
    (options, keeps): (Options, bool),
) -> (SectionId, BTreeMap<String, SectionId>) {
    let inspect = observe::question(observe::names(registered), host);
    if started.is_empty() && !keeps {
        return (script.run(&inspect), BTreeMap::new());
    }
    let look = script.run_and_keep(&inspect, LOOK);
    script.plain(&not_settled(LOOK, DOWN, options.health.is_some()));
    let log = |r: &&Registered<'_>| {
        let last = say(&command::logs(&r.container).tail(LAST_LINES).command(), host);
        let id = script.run(&is_among(DOWN, &r.container, &format!("{last} 2>&1")));
        (r.target.server.name.to_string(), id)
    };
    (look, started.iter().map(log).collect())
}

/// The containers whose health counts afterwards.
pub(super) fn meant_to_run<'a>(registered: &'a [Registered<'_>], decisions: &[Decision]) -> Vec<&'a str> {
    let meant = registered.iter().zip(decisions).filter(|(_, d)| !matches!(d, Decision::Refuse(_)));
    meant.map(|(r, _)| r.container.as_str()).collect()
}

#[cfg(test)]
mod tests;
