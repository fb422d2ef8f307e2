//! Hosts: the inventory's list, the layers of `hosts check`, and lists of findings.
//!
//! Boundary: reports in, text out.

use super::{Format, Ui, sanitise, table::table};
use crate::operations::hosts::{Finding, HostCheck, HostRow};

impl Ui {
    /// Prints the inventory.
    pub fn hosts(&mut self, rows: &[HostRow]) {
        if self.format == Format::Name {
            let names: String = rows.iter().map(|r| format!("{}\n", r.name)).collect();
            self.answer(&names);
        } else if !self.structured(&rows) {
            let cells = rows
                .iter()
                .map(|r| {
                    vec![
                        r.name.to_string(),
                        r.refused.as_ref().map_or_else(
                            || r.target.clone(),
                            |reason| sanitise::line(&format!("refused: {reason}")).into_owned(),
                        ),
                        r.groups.join(","),
                        r.docker.clone().unwrap_or_else(|| "-".to_owned()),
                        r.instances.to_string(),
                    ]
                })
                .collect();
            self.answer(&table(&["NAME", "TARGET", "GROUPS", "DOCKER", "INSTANCES"], cells, self.width()));
        }
    }

    /// Prints how far each host answers.
    pub fn host_checks(&mut self, checks: &[HostCheck]) {
        if self.format == Format::Name {
            let names: String = checks.iter().filter(|c| c.broken.is_none()).map(|c| format!("{}\n", c.host)).collect();
            self.answer(&names);
        } else if !self.structured(&checks) {
            let cells = checks
                .iter()
                .map(|c| {
                    let result = match &c.broken {
                        None => self.paint("ok", |s| s.green()),
                        Some(layer) => self.paint(&format!("broken: {layer}"), |s| s.red()),
                    };
                    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
                    vec![
                        c.host.to_string(),
                        result,
                        sanitise::line(&text(&c.client)).into_owned(),
                        sanitise::line(&text(&c.engine)).into_owned(),
                        format!("{:.0} ms", c.seconds * 1000.0),
                    ]
                })
                .collect();
            self.answer(&table(&["HOST", "RESULT", "CLIENT", "ENGINE", "TIME"], cells, self.width()));
        }
        self.troubles(checks.iter().filter_map(|c| {
            Some((format!("{}: {}", c.host, c.broken.as_deref().unwrap_or("trouble")), c.error.as_ref()?))
        }));
    }

    /// Prints findings of `check` and `doctor`, one line each, with the fix.
    pub fn findings(&mut self, findings: &[Finding]) {
        if self.structured(&findings) {
            return;
        }
        let mut text = String::new();
        for finding in findings.iter().filter(|f| !(self.quiet && f.ok)) {
            let mark = if finding.ok { self.paint("ok  ", |s| s.green()) } else { self.paint("FAIL", |s| s.red()) };
            text.push_str(&format!("{mark} {}\n", sanitise::line(&finding.what)));
            if let Some(fix) = &finding.fix {
                text.push_str(&format!("     fix: {}\n", sanitise::line(fix)));
            }
        }
        self.answer(&text);
    }
}
