//! A record of `state.yaml` as one line: a flow mapping of YAML 1.2 that is JSON too.
//!
//! Boundary: lines exactly as they are written here. Any other text, however valid, is left to the YAML reader: what both take
//! means the same to both. JSON is read fifteen times faster, and a remembered fleet is read and written by nearly every command.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde::Serialize;
use serde_json::{Serializer, ser::Formatter};

use super::Record;
use crate::domain::Instance;

/// What stands above the lines.
const HEAD: &str = "# Written by mcp; a cache. Do not edit: delete it and it comes back.\nversion: 1\ninstances:";

/// The text of a file that holds `instances`.
pub(super) fn write(instances: &BTreeMap<Instance, Record>) -> serde_json::Result<String> {
    let mut bytes = HEAD.as_bytes().to_vec();
    bytes.extend_from_slice(if instances.is_empty() { b" {}\n" } else { b"\n" });
    for (instance, record) in instances {
        append(&mut bytes, instance, record)?;
        bytes.push(b'\n');
    }
    String::from_utf8(bytes).map_err(|error| serde_json::Error::io(io::Error::other(error)))
}

/// The records of `text`, when it is one that [`write`] makes.
pub(super) fn read(text: &str) -> Option<BTreeMap<Instance, Record>> {
    let lines = match text.strip_prefix(HEAD)? {
        " {}\n" => return Some(BTreeMap::new()),
        rest => rest.strip_prefix('\n')?.strip_suffix('\n')?,
    };
    let mut again = Vec::new();
    let mut records: Vec<(Instance, Record)> = Vec::new();
    for line in lines.split('\n') {
        // Neither a key nor the blanks around it hold a brace.
        let (key, record) = line.split_at_checked(line.find('{')?)?;
        let key = key.strip_prefix("  ")?.strip_suffix(": ")?;
        let instance: Instance =
            if key.starts_with('"') { serde_json::from_str(key).ok()? } else { key.parse().ok()? };
        let read: Record = serde_json::from_str(record).ok()?;
        again.clear();
        append(&mut again, &instance, &read).ok()?;
        // Two equal keys, another order or another spelling: not from here.
        if again != line.as_bytes() || records.last().is_some_and(|(last, _)| *last >= instance) {
            return None;
        }
        records.push((instance, read));
    }
    Some(records.into_iter().collect())
}

/// Adds a line, without its end.
fn append(bytes: &mut Vec<u8>, instance: &Instance, record: &Record) -> serde_json::Result<()> {
    bytes.extend_from_slice(b"  ");
    let (server, host) = (instance.server.as_str(), instance.host.as_str());
    if is_plain(server) && is_plain(host) {
        bytes.extend_from_slice(server.as_bytes());
        bytes.push(b'@');
        bytes.extend_from_slice(host.as_bytes());
    } else {
        instance.serialize(&mut Serializer::with_formatter(&mut *bytes, Flow))?;
    }
    bytes.extend_from_slice(b": ");
    record.serialize(&mut Serializer::with_formatter(bytes, Flow))
}

/// Whether a name needs no quotes. The colons of an IPv6 address would do in YAML 1.2, but not with every reader.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// JSON with blanks after its colons and commas, as flow style has them, and without the characters that YAML wants escaped.
struct Flow;

impl Formatter for Flow {
    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.begin_object_key(writer, first)
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // Nearly all of them, and looked at in blocks instead of letter by letter.
        if fragment.bytes().fold(true, |plain, byte| plain & (byte < 0x7f)) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some(at) = rest.find(is_escaped) {
            let (plain, from) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut letters = from.chars();
            if let Some(letter) = letters.next() {
                // All of them are in the basic plane: four digits, no surrogates, which YAML does not have.
                write!(writer, "\\u{:04x}", u32::from(letter))?;
            }
            rest = letters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

/// What JSON takes as it is and YAML does not print or breaks lines at (YAML 1.2.2, sections 5.1 and 5.4; YAML 1.1, section 5.4).
fn is_escaped(letter: char) -> bool {
    matches!(letter, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}
