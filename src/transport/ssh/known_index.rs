//! Finds the lines of a `known_hosts` file that are about a host without reading all of them for each host.
//!
//! Boundary: pure; which lines those are is decided by [`Entry::is_for`] alone, this only leaves out lines that cannot be. Next:
//! `known_files` keeps one of these per file.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::known_hosts::{Entry, Lookup};

/// The usable lines of a file, by name.
#[derive(Debug, Default)]
pub(super) struct KnownIndex {
    entries: Vec<Entry>,
    /// The lines that write their names out.
    by_name: HashMap<String, Vec<usize>>,
    /// All others: hashed names and patterns, which have to be tried one by one.
    others: Vec<usize>,
    /// What was found before: a host is looked up before and after it shows its key, and hashed names are dear.
    found: Mutex<HashMap<Lookup, Arc<[usize]>>>,
}

impl KnownIndex {
    pub(super) fn new(entries: Vec<Entry>) -> Self {
        let mut index = Self { entries, ..Self::default() };
        for (at, entry) in index.entries.iter().enumerate() {
            match entry.plain_names() {
                Some(names) => names.iter().for_each(|name| index.by_name.entry(name.clone()).or_default().push(at)),
                None => index.others.push(at),
            }
        }
        index
    }

    /// The lines about the host, in their order.
    pub(super) fn about(&self, lookup: &Lookup) -> impl Iterator<Item = &Entry> {
        let numbers = self.numbers(lookup);
        (0..numbers.len()).map(move |at| &self.entries[numbers[at]])
    }

    /// Whether `entry` is a line of this very file.
    pub(super) fn holds(&self, entry: &Entry) -> bool {
        self.entries.iter().any(|own| std::ptr::eq(own, entry))
    }

    fn numbers(&self, lookup: &Lookup) -> Arc<[usize]> {
        if let Some(found) = self.found.lock().unwrap_or_else(PoisonError::into_inner).get(lookup) {
            return Arc::clone(found);
        }
        let named = [&lookup.name, &lookup.bare].into_iter().filter_map(|name| self.by_name.get(name)).flatten();
        let mut numbers: Vec<usize> = named.chain(&self.others).copied().collect();
        numbers.retain(|at| self.entries[*at].is_for(lookup));
        numbers.sort_unstable();
        numbers.dedup();
        let numbers: Arc<[usize]> = numbers.into();
        self.found.lock().unwrap_or_else(PoisonError::into_inner).insert(lookup.clone(), Arc::clone(&numbers));
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::ssh::{known_hosts::parse, known_lines};

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJolJ+q9ocbsKTKkrVWV3hApnN5th9S1bQeHuc4RfL9R";

    #[test]
    fn it_finds_the_lines_that_reading_all_of_them_finds() {
        let host = |name: &str, bare: &str| Lookup { name: name.to_owned(), bare: bare.to_owned() };
        let blob = parse(&format!("x {KEY}")).remove(0).blob;
        let hashed = known_lines::line(&host("[web-1]:2222", "web-1"), &blob, true).unwrap_or_default();
        let text = format!(
            "web-1 {KEY}\nWEB-1,10.0.0.1,web-1 {KEY}\n[web-1]:2222 {KEY}\nweb-* {KEY}\n!web-1,* {KEY}\n{hashed}\
             @revoked web-1 {KEY}\n@cert-authority *,!db {KEY}\n[web-1]:* {KEY}\ndb {KEY}\n"
        );
        let (entries, index) = (parse(&text), KnownIndex::new(parse(&text)));
        for (name, bare) in
            [("web-1", "web-1"), ("[web-1]:2222", "web-1"), ("10.0.0.1", "10.0.0.1"), ("db", "db"), ("[db]:2222", "db")]
        {
            let lookup = host(name, bare);
            let expected: Vec<usize> = entries.iter().filter(|e| e.is_for(&lookup)).map(|e| e.line).collect();
            for _ in 0..2 {
                assert_eq!(index.about(&lookup).map(|entry| entry.line).collect::<Vec<_>>(), expected, "{name}");
            }
        }
        let lookup = host("[web-1]:2222", "web-1");
        assert!(index.about(&lookup).any(|entry| entry.line == 6), "the hashed line is found");
    }
}
