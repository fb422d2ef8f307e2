//! INI inventories: `[group]`, `[group:children]`, `[group:vars]`, and hosts with `key=value`.
//!
//! Boundary: text into [`Data`]. Source: Ansible's `plugins/inventory/ini.py`.

use std::{collections::BTreeMap, rc::Rc};

use super::{
    Data, address,
    data::error,
    literal,
    value::{Place, Value},
    words,
};
use crate::config::error::ConfigErrors;

/// What a section holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Hosts,
    Children,
    Vars,
}

/// A group that was spoken of before it was declared.
enum Pending {
    /// `[name:vars]`.
    Vars(Place),
    /// Children of these.
    Child(Vec<usize>, Place),
}

/// Reads the INI inventory `text` into `data`.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub(crate) fn read(data: &mut Data, text: &str, label: &str) -> Result<(), ConfigErrors> {
    let mut reader = Reader { data, pending: BTreeMap::new() };
    let file: Rc<str> = label.into();
    let (mut group, mut section) = (Data::UNGROUPED, Section::Hosts);
    for (index, line) in text.lines().enumerate() {
        let place = Place { file: Rc::clone(&file), line: index + 1 };
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some((name, kind)) = header(line).map_err(|message| error(&place, &message))? {
            section = kind;
            group = reader.declare(name, kind, &place);
        } else {
            match section {
                Section::Hosts => reader.host(line, group, &place)?,
                Section::Vars => reader.variable(line, group, &place)?,
                Section::Children => reader.child(line, group, &place)?,
            }
        }
    }
    reader.finish()
}

/// The name and kind of a section, or nothing for another line.
fn header(line: &str) -> Result<Option<(&str, Section)>, String> {
    let Some(inside) = line.strip_prefix('[') else { return Ok(None) };
    let closed = inside.split_once(']').filter(|(_, after)| {
        let after = after.trim_start();
        after.is_empty() || after.starts_with('#')
    });
    let Some((inside, _)) = closed else {
        // `[2001:db8::1]:22 a=b` is a host.
        let broken = line.ends_with(']');
        return if broken { Err(format!("{line:?} is not the head of a section")) } else { Ok(None) };
    };
    let (name, kind) = inside.split_once(':').map_or((inside, None), |(name, kind)| (name, Some(kind)));
    let is_word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_');
    if name.is_empty() || name.contains(char::is_whitespace) || kind.is_some_and(|kind| !is_word(kind)) {
        return Err(format!("{line:?} is not the head of a section: a group's name has no spaces and no `:`"));
    }
    let section = match kind {
        None | Some("hosts") => Section::Hosts,
        Some("children") => Section::Children,
        Some("vars") => Section::Vars,
        Some(kind) => {
            return Err(format!("the section [{name}:{kind}] has an unknown kind; there are children, vars and hosts"));
        }
    };
    Ok(Some((name, section)))
}

struct Reader<'a> {
    data: &'a mut Data,
    pending: BTreeMap<String, Pending>,
}

impl Reader<'_> {
    fn declare(&mut self, name: &str, section: Section, place: &Place) -> usize {
        let known = self.data.find_group(name);
        if known.is_none() && section == Section::Vars && !self.pending.contains_key(name) {
            self.pending.insert(name.to_owned(), Pending::Vars(place.clone()));
        }
        let group = known.unwrap_or_else(|| self.data.group(name));
        if section != Section::Vars {
            self.declared(name, group);
        }
        group
    }

    /// Puts a group that is declared now below those that named it before, and so on upwards.
    fn declared(&mut self, name: &str, group: usize) {
        let mut ready = vec![(name.to_owned(), group)];
        while let Some((name, group)) = ready.pop() {
            let Some(Pending::Child(parents, place)) = self.pending.remove(&name) else { continue };
            for parent in parents {
                self.data.child(parent, group, &place);
                let name = &self.data.groups[parent].name;
                if matches!(self.pending.get(name), Some(Pending::Child(..))) {
                    ready.push((name.clone(), parent));
                }
            }
        }
    }

    fn host(&mut self, line: &str, group: usize, place: &Place) -> Result<(), ConfigErrors> {
        let words = words::split(line, true).map_err(|reason| error(place, reason))?;
        let Some((name, assignments)) = words.split_first() else { return Ok(()) };
        if name == "---" {
            return Err(error(place, "`---` begins a YAML file; give this file the ending .yml or .yaml"));
        }
        let (names, port) =
            address::expand(name).map_err(|reason| error(place, &format!("the host {name:?}: {reason}")))?;
        let mut vars = Vec::with_capacity(assignments.len());
        for word in assignments {
            let Some((key, value)) = word.split_once('=') else {
                // The word may be half of a secret with a space in it, so it is not shown.
                return Err(error(place, &format!("after the host {name:?}, expected key=value words")));
            };
            vars.push((key, literal::read(value)));
        }
        for name in names {
            let host = self.data.host(&name, port, place);
            self.data.join(group, host);
            for (key, value) in &vars {
                self.data.set_host(host, key, value.clone(), place);
            }
        }
        Ok(())
    }

    fn variable(&mut self, line: &str, group: usize, place: &Place) -> Result<(), ConfigErrors> {
        let Some((key, value)) = line.split_once('=') else { return Err(error(place, "expected key=value")) };
        let value: Value = literal::read(value.trim());
        self.data.set_group(group, key.trim(), value, place)
    }

    fn child(&mut self, line: &str, group: usize, place: &Place) -> Result<(), ConfigErrors> {
        let name = line.split([' ', '\t']).next().unwrap_or(line);
        let after = line[name.len()..].trim_start();
        if name.contains([':', ']']) || !(after.is_empty() || after.starts_with('#')) {
            return Err(error(place, &format!("expected the name of a group, found {line:?}")));
        }
        if let Some(child) = self.data.find_group(name) {
            self.data.child(group, child, place);
            return Ok(());
        }
        match self.pending.entry(name.to_owned()).or_insert_with(|| Pending::Child(Vec::new(), place.clone())) {
            Pending::Child(parents, _) => parents.push(group),
            // A group with variables is known, so it was found above.
            Pending::Vars(_) => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<(), ConfigErrors> {
        let place = |pending: &Pending| match pending {
            Pending::Vars(place) | Pending::Child(_, place) => place.clone(),
        };
        let Some((name, first)) = self.pending.iter().min_by_key(|(_, pending)| place(pending).line) else {
            return Ok(());
        };
        Err(match first {
            Pending::Vars(place) => {
                error(place, &format!("[{name}:vars] belongs to no group; declare it with [{name}]"))
            }
            Pending::Child(parents, place) => {
                let parent = parents.last().map_or("", |at| self.data.groups[*at].name.as_str());
                let message = format!("[{parent}:children] names the group {name:?}, which is declared nowhere");
                error(place, &message)
            }
        })
    }
}
