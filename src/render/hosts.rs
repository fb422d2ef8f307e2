//! Hosts: the inventory's list, the layers of `hosts check`, and lists of findings.
//!
//! Boundary: reports in, text out.

use super::{Format, Ui, sanitise, table::table, trouble::Subject};
use crate::{
    domain::fold::fold,
    operations::hosts::{Finding, Hop, HopState, HostCheck, HostRow},
};

impl Ui {
    /// Prints the inventory.
    pub fn hosts(&mut self, rows: &[HostRow]) {
        let rows = &*self.hidden(rows);
        if self.format == Format::Name {
            let names: String = rows.iter().map(|r| format!("{}\n", r.name)).collect();
            self.answer(&names);
        } else if !self.structured(&rows) {
            let cells = rows
                .iter()
                .map(|r| {
                    vec![
                        r.name.to_string(),
                        match (&r.refused, r.jump.as_slice()) {
                            // Why stands below the table.
                            (Some(_), _) => self.paint("refused", |s| s.red()),
                            (None, []) => sanitise::line(&r.target).into_owned(),
                            (None, jump) => {
                                sanitise::line(&format!("{} via {}", r.target, jump.join(","))).into_owned()
                            }
                        },
                        r.groups.join(","),
                        sanitise::line(r.docker.as_deref().unwrap_or("-")).into_owned(),
                        r.instances.to_string(),
                    ]
                })
                .collect();
            self.answer(&table(&["NAME", "TARGET", "GROUPS", "DOCKER", "INSTANCES"], cells, self.width()));
            let mut refused: Vec<(&String, Vec<&str>)> = vec![];
            for (reason, row) in rows.iter().filter_map(|row| Some((row.refused.as_ref()?, row))) {
                match refused.iter_mut().find(|(other, _)| *other == reason) {
                    Some((_, names)) => names.push(row.name.as_str()),
                    None => refused.push((reason, vec![row.name.as_str()])),
                }
            }
            for (reason, names) in refused {
                self.warn(&format!("{}: {reason}", fold(names)));
            }
        }
    }

    /// Prints how far each host answers.
    pub fn host_checks(&mut self, checks: &[HostCheck]) {
        let checks = &*self.hidden(checks);
        if self.format == Format::Name {
            let names: String = checks.iter().filter(|c| c.broken.is_none()).map(|c| format!("{}\n", c.host)).collect();
            self.answer(&names);
        } else if !self.structured(&checks) {
            let any_way = checks.iter().any(|c| !c.hops.is_empty());
            let cells = checks
                .iter()
                .map(|c| {
                    let result = match &c.broken {
                        None => self.paint("ok", |s| s.green()),
                        Some(layer) => self.paint(&format!("broken: {layer}"), |s| s.red()),
                    };
                    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
                    let way: Vec<String> = c.hops.iter().map(|hop| self.hop(hop)).collect();
                    let mut cells = vec![c.host.to_string()];
                    cells.extend(any_way.then(|| if way.is_empty() { "-".to_owned() } else { way.join(" → ") }));
                    cells.extend([
                        result,
                        sanitise::line(&text(&c.client)).into_owned(),
                        sanitise::line(&text(&c.engine)).into_owned(),
                        format!("{:.0} ms", c.seconds * 1000.0),
                    ]);
                    cells
                })
                .collect();
            let mut heads = vec!["HOST"];
            heads.extend(any_way.then_some("VIA"));
            heads.extend(["RESULT", "CLIENT", "ENGINE", "TIME"]);
            self.answer(&table(&heads, cells, self.width()));
        }
        self.troubles(checks.iter().filter_map(|c| {
            let after = format!(": {}", failed_layer(c.broken.as_deref().unwrap_or_default()));
            Some((Subject::host("", &c.host, after), c.error.as_ref()?))
        }));
    }

    fn hop(&self, hop: &Hop) -> String {
        let name = sanitise::line(&hop.name).into_owned();
        match hop.state {
            HopState::Ok => self.paint(&name, |s| s.green()),
            HopState::Broken => {
                self.paint(&format!("{name} (broken: {})", hop.broken.as_deref().unwrap_or("jump host")), |s| s.red())
            }
            HopState::NotReached => format!("{name} (not reached)"),
        }
    }

    /// Prints findings of `check` and `doctor`, one line each, with the fix.
    pub fn findings(&mut self, findings: &[Finding]) {
        let findings = &*self.hidden(findings);
        if self.structured(&findings) {
            return;
        }
        let mut text = String::new();
        for finding in findings.iter().filter(|f| !(self.quiet && f.ok && f.fix.is_none())) {
            let mark = match (finding.ok, &finding.fix) {
                (true, None) => self.paint("ok  ", |s| s.green()),
                (true, Some(_)) => self.paint("warn", |s| s.yellow()),
                (false, _) => self.paint("FAIL", |s| s.red()),
            };
            text.push_str(&format!("{mark} {}\n", sanitise::line(&finding.what)));
            if let Some(fix) = &finding.fix {
                text.push_str(&format!("     fix: {}\n", sanitise::line(fix)));
            }
        }
        self.answer(&text);
    }
}

/// What went wrong, told from the name of the layer that is broken.
fn failed_layer(layer: &str) -> String {
    match layer {
        "" => "check failed".to_owned(),
        "not attempted" => layer.to_owned(),
        "TCP" => "TCP connect failed".to_owned(),
        "DNS" => "DNS lookup failed".to_owned(),
        "host key" => "host key check failed".to_owned(),
        "permission" => "no permission to use docker".to_owned(),
        "configuration" => "configuration not supported".to_owned(),
        layer => format!("{layer} failed"),
    }
}
