//! The one script that carries a host's decisions out, lower priorities first, and looks again.
//!
//! Boundary: pure; shell text around the strings of `change`. Next: `judge` reads what came of it.

use std::{collections::BTreeMap, time::Duration};

use super::health;
use crate::{
    docker::{
        command,
        not_up::{is_among, not_up},
    },
    domain::Host,
    operations::{
        Verb,
        audit::Stamp,
        change::{Decision, Options},
        observe::{self, Observation},
        registered::{Registered, say},
    },
    transport::{
        lease::{self, Holder},
        script::{Script, SectionId},
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
}

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
        let mut steps: Vec<(i64, &Registered<'_>, String)> = registered
            .iter()
            .zip(decisions)
            .filter_map(|(r, d)| {
                let priority = i64::from(r.target.server.priority);
                let code = r.in_locale(d.code(r, before.get(&r.container).map(|c| c.id.as_str()))?);
                let code = stamp.around(host, verb.as_str(), r, code);
                let code = if wish.is_some() { lease::guarded(&r.container, &code) } else { code };
                Some((if verb == Verb::Stop { -priority } else { priority }, r, code))
            })
            .collect();
        let (jobs, logs) = (BTreeMap::new(), BTreeMap::new());
        let mut plan = Self { script: None, jobs, logs, health: None, look: None, leases: None };
        if steps.is_empty() && options.health.is_none() {
            return plan;
        }
        steps.sort_by_key(|(priority, ..)| *priority);
        let mut script = Script::new();
        script.export(&host.env);
        script.outlive_connection();
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
        if let Some(settle) = settle(options).filter(|_| !started.is_empty()) {
            script.plain(&settle);
        }
        if let Some(allowed) = options.health {
            plan.health = Some(health::wait(&mut script, host, &meant_to_run(registered, decisions), allowed));
        }
        let (look, logs) = look(&mut script, host, registered, &started);
        (plan.look, plan.logs) = (Some(look), logs);
        plan.script = Some(script);
        plan
    }
}

/// Those that are to run afterwards.
pub(super) fn started<'a, 'r>(registered: &'a [Registered<'r>], decisions: &[Decision]) -> Vec<&'a Registered<'r>> {
    registered.iter().zip(decisions).filter(|(_, d)| d.applies_registered()).map(|(r, _)| r).collect()
}

/// Waits for the settle time, if there is any.
pub(super) fn settle(options: Options) -> Option<String> {
    let settle = options.settle.as_secs_f64();
    (settle > 0.0).then(|| format!("sleep {settle} 2>/dev/null || sleep {}", settle.ceil()))
}

/// Looks at the containers of `registered`, and reads the last log lines of those among `started` that are not up. One look serves both,
/// and docker is asked for a log only when there is one to read.
pub(super) fn look(
    script: &mut Script,
    host: &Host,
    registered: &[Registered<'_>],
    started: &[&Registered<'_>],
) -> (SectionId, BTreeMap<String, SectionId>) {
    let names: Vec<&str> = registered.iter().map(|r| r.container.as_str()).collect();
    let inspect = observe::question(&names, host);
    if started.is_empty() {
        return (script.run(&inspect), BTreeMap::new());
    }
    let look = script.run_and_keep(&inspect, "mcp_look");
    script.plain(&not_up("mcp_look", "mcp_down"));
    let log = |r: &&Registered<'_>| {
        let last = say(&command::logs(&r.container).tail(LAST_LINES).command(), host);
        let id = script.run(&is_among("mcp_down", &r.container, &format!("{last} 2>&1")));
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
