//! The page of `mcp get`.
//!
//! Boundary: a report in, text out.

use super::{Format, Ui, sanitise, status::age, trouble::Subject, words};
use crate::operations::get::GetReport;

impl Ui {
    /// Prints what is known of each instance.
    pub fn get(&mut self, reports: &[GetReport]) {
        let reports = &*self.hidden(reports);
        if self.format == Format::Name {
            let names: String = reports.iter().map(|r| format!("{}@{}\n", r.name, r.host)).collect();
            self.answer(&names);
        } else if !self.structured(&reports) {
            for (index, report) in reports.iter().enumerate() {
                if index > 0 {
                    self.answer("\n");
                }
                let text = self.page(report);
                self.answer(&text);
            }
        }
        let troubles =
            reports.iter().filter_map(|r| Some((Subject::host("no answer from ", &r.host, ""), r.error.as_ref()?)));
        self.troubles(troubles);
    }

    fn page(&self, report: &GetReport) -> String {
        let mut text = format!("{}\n", self.paint(&format!("{}@{}", report.name, report.host), |s| s.bold()));
        let mut line = |label: &str, value: &str| {
            text.push_str(&format!("  {label:<12} {}\n", sanitise::line(value)));
        };
        if let Some(description) = &report.description {
            line("description", description);
        }
        line("command", &report.command);
        let strings =
            [("stop", &report.stop), ("logs", &report.logs), ("stats", &report.stats), ("pull", &report.pull)];
        for (label, value) in strings {
            line(label, value);
        }
        let rollout = &report.rollout;
        let mut parts: Vec<String> = vec![];
        parts.extend(rollout.serial.as_ref().map(|serial| format!("serial {serial}")));
        parts.extend(rollout.max_fail.as_ref().map(|amount| format!("max_fail {amount}")));
        parts.extend(rollout.wait.map(|wait| format!("wait {wait}s")));
        if !parts.is_empty() {
            line("rollout", &parts.join(", "));
        }
        if report.keep_previous > 0.0 {
            line("keeps", &format!("the previous container for {}s after a replacement", report.keep_previous));
        }
        if let Some(port) = report.port {
            line("port", &port.to_string());
        }
        if !report.tags.is_empty() {
            line("tags", &report.tags.join(", "));
        }
        line("priority", &report.priority.to_string());
        if !report.enabled {
            line("enabled", "false");
        }
        let status = &report.status;
        let mut state = status.status.as_str().to_owned();
        if let Some(uptime) = status.uptime {
            state.push_str(&format!(", up {}", words::duration(uptime)));
        }
        if report.error.is_some() {
            state.push_str(&format!(", last known {} ago", age(status, jiff::Timestamp::now())));
        }
        line("status", &state);
        // Without an answer the message is the cause, which stands below.
        if let Some(message) = status.message.as_ref().filter(|_| report.error.is_none()) {
            line("message", message);
        }
        if status.outdated == Some(true) {
            line("outdated", &status.outdated_reasons.join(", "));
        }
        if let Some(health) = status.health {
            line("health", health.as_str());
        }
        if let Some(image) = &status.image {
            line("image", image);
        }
        if let Some(id) = &status.container_id {
            line("container", id);
        }
        if let Some(code) = status.exit_code {
            line("exit code", &code.to_string());
        }
        if let Some(count) = status.restart_count {
            line("restarts", &count.to_string());
        }
        if let Some(cpu) = status.cpu_usage {
            line("cpu", &format!("{cpu:.1}% of one core"));
        }
        if let Some(used) = status.memory_usage {
            let limit = status.memory_limit.map_or(String::new(), |l| format!(" of {}", words::bytes(l)));
            line("memory", &format!("{}{limit}", words::bytes(used)));
        }
        if let Some(gpu) = status.gpu_usage {
            line("gpu", &format!("{gpu:.0}%"));
        }
        for drift in &report.drift {
            line("drift", &format!("{}: registered {}, running {}", drift.field, drift.registered, drift.running));
        }
        if let Some(why) = &report.log_error {
            line("log", &format!("cannot be read: {why}"));
        }
        if !report.log.is_empty() {
            text.push_str("  last log lines\n");
            for log in &report.log {
                text.push_str(&format!("    {}\n", sanitise::line(log)));
            }
        }
        text
    }
}
