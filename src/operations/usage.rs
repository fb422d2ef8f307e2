//! CPU, memory and GPU usage of a host's containers, asked for in the exec that looks at them.
//!
//! Boundary: what to ask and where the answers go; reading them is `docker::stats`' and `docker::gpu`'s.

use std::collections::BTreeMap;

use super::registered::{Registered, on_host, say};
use crate::{
    docker::{
        command, gpu,
        stats::{self, Usage},
    },
    domain::{Host, ServerStatus, Status},
    transport::script::{Script, Section, SectionId, Sections},
};

/// Where the answers of one host will be.
pub(super) struct UsagePlan {
    stats: Vec<SectionId>,
    gpu: GpuSections,
    top: BTreeMap<String, SectionId>,
}

struct GpuSections {
    processes: SectionId,
    pids: SectionId,
    utilization: SectionId,
}

/// What was learnt of one host.
pub(super) struct UsageAnswer {
    usage: Vec<Usage>,
    gpu: BTreeMap<String, f64>,
}

impl UsagePlan {
    /// Adds the questions to `script`.
    pub(super) fn new(script: &mut Script, host: &Host, registered: &[Registered<'_>]) -> Self {
        // docker gives no answer at all when one of the names does not exist, so it is asked for those that run.
        let default: Vec<&str> =
            registered.iter().filter(|r| r.target.server.stats.is_none()).map(|r| r.container.as_str()).collect();
        let mut samples = vec![];
        if !default.is_empty() {
            script.plain(&format!("mcp_up=$({} 2>/dev/null)", say(&command::names_up(&default), host)));
            samples.push(format!("[ -z \"$mcp_up\" ] || {} $mcp_up", say(&command::stats(Vec::<&str>::new()), host)));
        }
        samples.extend(
            registered
                .iter()
                .filter_map(|r| Some(on_host(r.target.server.stats.as_deref()?, host)))
                // A registered string without --no-stream would never end.
                .map(|text| if text.contains("--no-stream") { text } else { format!("{text} --no-stream") }),
        );
        // Each call takes docker two seconds: side by side they take two seconds together.
        let stats =
            if let [one] = samples.as_slice() { vec![script.run(one)] } else { script.side_by_side(&samples, 10) };
        let if_there = |text: &str| format!("command -v nvidia-smi >/dev/null 2>&1 || exit 0; {text}");
        let gpu = GpuSections {
            processes: script.run(&if_there(command::gpu_processes())),
            pids: script.run(&if_there(command::gpu_pids())),
            utilization: script.run(&if_there(command::gpu_utilization())),
        };
        let top = registered
            .iter()
            .map(|r| {
                let text = if_there(&format!("{} 2>/dev/null", say(&command::top(&r.container), host)));
                (r.container.clone(), script.run(&text))
            })
            .collect();
        Self { stats, gpu, top }
    }

    /// Reads the answers.
    pub(super) fn read(&self, sections: &Sections) -> UsageAnswer {
        let text = |id: SectionId| sections.get(id).map(Section::stdout_text).unwrap_or_default();
        let usage = self.stats.iter().flat_map(|id| stats::parse(&text(*id))).collect();
        let containers = self.top.iter().map(|(name, id)| (name.as_str(), gpu::parse_pids(&text(*id)))).collect();
        let gpu = gpu::per_container(
            &containers,
            &gpu::parse_processes(&text(self.gpu.processes)),
            &gpu::parse_pids_by_gpu(&text(self.gpu.pids)),
            &gpu::parse_utilization(&text(self.gpu.utilization)),
        );
        let gpu = gpu.into_iter().map(|(name, percent)| (name.to_owned(), percent)).collect();
        UsageAnswer { usage, gpu }
    }
}

/// Puts what was learnt into the statuses, which stand in the order of `registered`.
pub(super) fn fill<'s>(
    answer: &UsageAnswer,
    registered: &[Registered<'_>],
    statuses: impl Iterator<Item = &'s mut ServerStatus>,
) {
    for (r, status) in registered.iter().zip(statuses) {
        if status.status == Status::Stopped {
            continue;
        }
        if let Some(usage) = answer.usage.iter().find(|u| u.is_of(&r.container, status.container_id.as_deref())) {
            status.cpu_usage = usage.cpu;
            status.memory_usage = usage.memory_used;
            status.memory_limit = usage.memory_limit;
        }
        status.gpu_usage = answer.gpu.get(&r.container).copied();
    }
}
