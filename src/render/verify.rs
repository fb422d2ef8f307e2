//! What `mcp history verify` says.
//!
//! Boundary: a report in, text out. Everything of the journal is shown through `sanitise`: files can be written to by others.

use super::{Format, Ui, history::when, sanitise, table::table};
use crate::{
    config::journal::verify::{Finding, Place, Verification},
    domain::plural,
};

impl Ui {
    /// Prints what came of verifying a journal: the last hash, or what is wrong.
    pub fn verification(&mut self, report: &Verification) {
        if self.format == Format::Name {
            if let Some(head) = report.head.as_ref().filter(|_| report.intact) {
                self.answer(&format!("{}\n", head.hash));
            }
        } else if self.structured(report) {
            return;
        } else if report.intact {
            self.answer(&intact(report));
        }
        if !report.intact {
            let rows = report.findings.iter().map(|finding| self.finding(finding)).collect();
            let text = table(&["FOUND", "FILE", "LINE", "NUMBER", "WHAT"], rows, self.width());
            if self.format == Format::Name { self.story(text.trim_end()) } else { _ = self.answer(&text) }
        }
        for line in story(report) {
            self.note(&line);
        }
    }

    fn finding(&self, finding: &Finding) -> Vec<String> {
        let number = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
        vec![
            self.paint(finding.kind.as_str(), |s| s.red()),
            sanitise::line(&finding.file).into_owned(),
            if finding.line == 0 { "end".to_owned() } else { finding.line.to_string() },
            number(finding.seq),
            sanitise::line(&finding.what).into_owned(),
        ]
    }
}

fn intact(report: &Verification) -> String {
    let (Some(begins), Some(head)) = (&report.begins, &report.head) else {
        return "ok: no line has a hash yet\n".to_owned();
    };
    let span = format!("number {} to {}, {} to {}", begins.seq, head.seq, when(begins.at), when(head.at));
    let (lines, files) = (plural(report.lines, "line"), plural(report.files.len(), "file"));
    format!("ok: {lines} in {files}, {span}\nhead: {}\n", head.hash)
}

fn story(report: &Verification) -> Vec<String> {
    let mut story = vec![];
    if !report.intact {
        let all = report.findings.len() + report.more_findings;
        let shown =
            if report.more_findings > 0 { format!(", {} not shown", report.more_findings) } else { String::new() };
        story.push(format!("the journal was altered: {}{shown}", plural(all, "finding")));
    }
    if let Some(Place { file, seq, .. }) = report.begins.as_ref().filter(|_| report.continues) {
        story.push(format!(
            "begins at number {seq}, in {file}: what was written before it was in a file that has been dropped"
        ));
    }
    if report.unhashed > 0 {
        let lines = plural(report.unhashed, "line");
        story.push(format!(
            "{lines} before that have no hash: they were written before there were hashes, and nothing is known of them"
        ));
    }
    if report.torn > 0 {
        let pieces = plural(report.torn, "piece");
        story.push(format!("{pieces} of lines that processes did not finish were passed over"));
    }
    for noted in &report.noted {
        if let Some(after) = noted.after {
            story.push(format!("the line that {} notes is there, with {} after it", noted.by, plural(after, "line")));
        }
    }
    if report.noted.is_empty() && report.lines > 0 {
        story.push("there is no journal.head and no --head: that the end was cut off would not show".to_owned());
    }
    story
}
