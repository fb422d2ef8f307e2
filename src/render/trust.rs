//! The review of host keys: hosts with the same key, and those of which nothing has to be compared, in one row.
//!
//! Boundary: rows in, text out. A fingerprint is there to be compared: it is never cut.

use super::{Format, Ui, sanitise, table::table, trouble::Subject};
use crate::{
    domain::{fold::fold, plural},
    operations::trust::{TrustOutcome, TrustRow},
};

impl Ui {
    /// Shows what hosts have shown. To be asked about it, people need it also where the answer goes to a program: then it is part
    /// of the story.
    pub fn trust_review(&mut self, rows: &[TrustRow], is_question: bool) {
        let text = table(&["RESULT", "HOSTS", "KEY", "FINGERPRINT", "NOTE"], self.review(rows), self.width());
        match self.format {
            Format::Table | Format::Wide if is_question || !self.quiet => {
                self.answer(&text);
            }
            Format::Json | Format::Yaml | Format::Name if is_question => self.story(text.trim_end()),
            _ => {}
        }
        let failed = rows.iter().filter_map(|row| Some((row, row.error.as_ref()?)));
        self.troubles(
            failed.map(|(row, trouble)| (Subject::host("", &row.host, format!(": {}", row.outcome.as_str())), trouble)),
        );
    }

    /// Says why keys that were agreed to are not written.
    pub fn not_written<'a>(&mut self, rows: impl Iterator<Item = &'a TrustRow>) {
        let failed = rows.filter_map(|row| Some((Subject::host("", &row.host, ": not written"), row.error.as_ref()?)));
        self.troubles(failed);
    }

    /// Prints the rows for programs. For people the review was the answer.
    pub fn trust(&mut self, rows: &[TrustRow]) {
        if self.format == Format::Name {
            let names = rows.iter().filter(|row| row.outcome.is_trusted()).map(|row| format!("{}\n", row.host));
            let names: String = names.collect();
            self.answer(&names);
        } else {
            self.structured(&rows);
        }
    }

    fn review(&self, rows: &[TrustRow]) -> Vec<Vec<String>> {
        let mut groups: Vec<(Vec<String>, Vec<&TrustRow>)> = vec![];
        for row in rows {
            let cells = cells(row);
            match groups.iter_mut().find(|(other, _)| *other == cells) {
                Some((_, members)) => members.push(row),
                None => groups.push((cells, vec![row])),
            }
        }
        groups
            .into_iter()
            .map(|(cells, members)| {
                let names = fold(members.iter().map(|row| row.host.as_str()));
                let hosts = match members.len() {
                    1 => names,
                    count => format!("{names} ({count})"),
                };
                let outcome = members[0].outcome;
                let result = self.paint(outcome.as_str(), |style| match outcome {
                    TrustOutcome::Known | TrustOutcome::Certified => style,
                    TrustOutcome::Trusted | TrustOutcome::Replaced => style.green(),
                    TrustOutcome::New | TrustOutcome::NotAttempted => style.yellow(),
                    TrustOutcome::Unreachable => style.magenta(),
                    TrustOutcome::Changed
                    | TrustOutcome::Revoked
                    | TrustOutcome::Refused
                    | TrustOutcome::Unexpected => style.red().bold(),
                });
                let mut line = vec![result, sanitise::line(&hosts).into_owned()];
                line.extend(cells.into_iter().skip(1).map(|cell| sanitise::line(&cell).into_owned()));
                line
            })
            .collect()
    }
}

/// What a host has to have in common with another to share its row: the outcome, the key, its fingerprint and the note.
fn cells(row: &TrustRow) -> Vec<String> {
    let settled = matches!(row.outcome, TrustOutcome::Known | TrustOutcome::Certified);
    let shown = |text: Option<String>| text.filter(|_| !settled).unwrap_or_else(|| "-".to_owned());
    let mut notes = vec![];
    if row.jump_host {
        notes.push("jump host".to_owned());
    }
    if let Some(known) = &row.known {
        let kind = short_type(&known.key_type);
        notes.push(format!("known as {kind} {}, {}:{}", known.fingerprint, known.file, known.line));
    } else if let Some(trouble) = &row.error {
        notes.push(match (&trouble.phase, row.outcome) {
            // The cause names the host; it is below, and would keep every host in a row of its own.
            (Some(phase), TrustOutcome::Unreachable) => phase.clone(),
            _ => String::new(),
        });
    }
    notes.retain(|note| !note.is_empty());
    let key_type = row.key_type.as_deref().map(short_type);
    vec![row.outcome.as_str().to_owned(), shown(key_type), shown(row.fingerprint.clone()), notes.join("; ")]
}

/// A key type as `ssh-keygen -l` calls it.
fn short_type(key_type: &str) -> String {
    match key_type.strip_prefix("ssh-").or_else(|| key_type.strip_prefix("ecdsa").map(|_| "ecdsa")) {
        Some(short) => short.to_ascii_uppercase(),
        None => key_type.to_owned(),
    }
}

/// The question of a review: how many keys are to be written.
#[must_use]
pub fn trust_question(new: usize, changed: usize) -> String {
    match (new, changed) {
        (new, 0) => format!("trust {}?", plural(new, "new key")),
        (0, changed) => format!("replace {}?", plural(changed, "changed key")),
        (new, changed) => format!("trust {} and replace {}?", plural(new, "new key"), plural(changed, "changed key")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(host: &str, outcome: TrustOutcome, fingerprint: &str) -> TrustRow {
        TrustRow {
            host: host.to_owned(),
            target: String::new(),
            jump_host: false,
            outcome,
            key_type: Some("ssh-ed25519".to_owned()),
            fingerprint: Some(fingerprint.to_owned()),
            known: None,
            file: None,
            error: None,
        }
    }

    #[test]
    fn hosts_with_the_same_key_and_known_ones_share_a_row() {
        let ui = Ui::new(Format::Table, false, false, crate::render::ColorChoice::Never);
        let rows = [
            row("web-01", TrustOutcome::New, "SHA256:a"),
            row("db-1", TrustOutcome::New, "SHA256:b"),
            row("web-02", TrustOutcome::New, "SHA256:a"),
            row("c-1", TrustOutcome::Known, "SHA256:c"),
            row("c-2", TrustOutcome::Known, "SHA256:d"),
        ];
        let text: Vec<String> = ui.review(&rows).iter().map(|cells| cells.join(" ").trim().to_owned()).collect();
        let expected = ["new web-[01-02] (2) ED25519 SHA256:a", "new db-1 ED25519 SHA256:b", "known c-[1-2] (2) - -"];
        assert_eq!(text, expected);
    }

    #[test]
    fn key_types_are_called_what_ssh_keygen_calls_them() {
        let pairs = [("ssh-ed25519", "ED25519"), ("ssh-rsa", "RSA"), ("ecdsa-sha2-nistp256", "ECDSA"), ("odd", "odd")];
        for (long, short) in pairs {
            assert_eq!(short_type(long), short);
        }
    }

    #[test]
    fn the_question_counts_what_would_be_written() {
        assert_eq!(trust_question(1, 0), "trust 1 new key?");
        assert_eq!(trust_question(2, 1), "trust 2 new keys and replace 1 changed key?");
    }
}
