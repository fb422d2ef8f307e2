//! Where in a report stands text that may quote a secret: strings that run, what hosts and files said.
//!
//! Boundary: names the places; what a secret is is `domain::secrets`'s, and whether it is shown `render`'s. Names of servers, hosts
//! and images are none of these places, so that programs find them as they are.

use super::{
    ChangeReport, Trouble,
    copy::CopyReport,
    dry_run::DryStep,
    edited::ServerChange,
    exec::report::ExecReport,
    get::GetReport,
    hosts::{Finding, HostCheck, HostRow},
    list::{ListReport, ListRow},
    orphans::OrphanReport,
    preview::PlanReport,
    pull::PullReport,
    register::Completed,
};
use crate::domain::{Server, ServerStatus};

/// What a text of a report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string that runs, or words about one.
    Said,
    /// What a container logged: only what is registered as a secret is hidden there.
    Logged,
}

/// A report that may quote secrets.
pub trait Quotes {
    /// Hands every text in which a secret may stand to `each`.
    fn texts(&mut self, each: &mut dyn FnMut(Kind, &mut String));
}

fn said<'a>(texts: impl IntoIterator<Item = &'a mut String>, each: &mut dyn FnMut(Kind, &mut String)) {
    texts.into_iter().for_each(|text| each(Kind::Said, text));
}

fn logged(lines: &mut [String], each: &mut dyn FnMut(Kind, &mut String)) {
    lines.iter_mut().for_each(|line| each(Kind::Logged, line));
}

impl<T: Quotes> Quotes for [T] {
    fn texts(&mut self, each: &mut dyn FnMut(Kind, &mut String)) {
        self.iter_mut().for_each(|one| one.texts(each));
    }
}

impl<T: Quotes> Quotes for Vec<T> {
    fn texts(&mut self, each: &mut dyn FnMut(Kind, &mut String)) {
        self.as_mut_slice().texts(each);
    }
}

impl<T: Quotes> Quotes for Option<T> {
    fn texts(&mut self, each: &mut dyn FnMut(Kind, &mut String)) {
        self.iter_mut().for_each(|one| one.texts(each));
    }
}

impl Quotes for Trouble {
    fn texts(&mut self, each: &mut dyn FnMut(Kind, &mut String)) {
        said([&mut self.cause].into_iter().chain(&mut self.hint), each);
        logged(&mut self.log, each);
    }
}

impl Quotes for ServerStatus {
    fn texts(&mut self, each: &mut dyn FnMut(Kind, &mut String)) {
        said(&mut self.message, each);
    }
}

impl Quotes for Server {
    fn texts(&mut self, each: &mut dyn FnMut(Kind, &mut String)) {
        let others = [&mut self.stop, &mut self.logs, &mut self.stats, &mut self.pull].into_iter().flatten();
        said([&mut self.command].into_iter().chain(others), each);
    }
}

impl Quotes for PullReport {
    fn texts(&mut self, each: &mut dyn FnMut(Kind, &mut String)) {
        self.images.iter_mut().for_each(|row| row.error.texts(each));
    }
}

impl Quotes for PlanReport {
    fn texts(&mut self, each: &mut dyn FnMut(Kind, &mut String)) {
        for row in &mut self.instances {
            said([&mut row.reason].into_iter().chain(&mut row.command), each);
            row.status.texts(each);
            row.error.texts(each);
        }
    }
}

impl Quotes for Completed {
    fn texts(&mut self, each: &mut dyn FnMut(Kind, &mut String)) {
        self.server.texts(each);
        said(&mut self.warnings, each);
    }
}

impl Quotes for ServerChange {
    fn texts(&mut self, each: &mut dyn FnMut(Kind, &mut String)) {
        said(self.keys.iter_mut().flat_map(|key| [&mut key.before, &mut key.after]).flatten(), each);
    }
}

impl Quotes for GetReport {
    fn texts(&mut self, each: &mut dyn FnMut(Kind, &mut String)) {
        said([&mut self.command, &mut self.stop, &mut self.logs, &mut self.stats, &mut self.pull], each);
        said(&mut self.description, each);
        for drift in &mut self.drift {
            said([&mut drift.registered, &mut drift.running], each);
        }
        self.status.texts(each);
        logged(&mut self.log, each);
        self.error.texts(each);
    }
}

impl Quotes for ListRow {
    fn texts(&mut self, each: &mut dyn FnMut(Kind, &mut String)) {
        self.status.texts(each);
        said([&mut self.command, &mut self.stop, &mut self.logs, &mut self.stats], each);
        said(&mut self.description, each);
        said(&mut self.known, each);
    }
}

impl Quotes for ListReport {
    fn texts(&mut self, each: &mut dyn FnMut(Kind, &mut String)) {
        self.rows.iter_mut().for_each(|row| row.texts(each));
        self.troubles.iter_mut().for_each(|(_, trouble)| trouble.texts(each));
    }
}

impl Quotes for OrphanReport {
    fn texts(&mut self, each: &mut dyn FnMut(Kind, &mut String)) {
        self.rows.iter_mut().for_each(|row| row.status.texts(each));
        self.troubles.iter_mut().for_each(|(_, trouble)| trouble.texts(each));
    }
}

impl Quotes for ChangeReport {
    fn texts(&mut self, each: &mut dyn FnMut(Kind, &mut String)) {
        for row in &mut self.instances {
            said(&mut row.note, each);
            row.status.texts(each);
            row.error.texts(each);
        }
        said(&mut self.halted, each);
    }
}

impl Quotes for DryStep {
    fn texts(&mut self, each: &mut dyn FnMut(Kind, &mut String)) {
        said([&mut self.command], each);
    }
}

impl Quotes for HostRow {
    fn texts(&mut self, each: &mut dyn FnMut(Kind, &mut String)) {
        said(self.docker.iter_mut().chain(&mut self.refused), each);
    }
}

impl Quotes for HostCheck {
    fn texts(&mut self, each: &mut dyn FnMut(Kind, &mut String)) {
        self.error.texts(each);
    }
}

impl Quotes for Finding {
    fn texts(&mut self, each: &mut dyn FnMut(Kind, &mut String)) {
        said([&mut self.what].into_iter().chain(&mut self.fix), each);
    }
}

impl Quotes for CopyReport {
    fn texts(&mut self, each: &mut dyn FnMut(Kind, &mut String)) {
        self.error.texts(each);
    }
}

impl Quotes for ExecReport {
    /// What the command printed is the answer, as it is.
    fn texts(&mut self, each: &mut dyn FnMut(Kind, &mut String)) {
        self.error.texts(each);
    }
}
