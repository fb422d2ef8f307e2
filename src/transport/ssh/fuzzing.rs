//! The fuzzing targets of `known_hosts`, of certificates, and of the mark at the end of a command.
//!
//! Boundary: bytes in; a panic when something does not hold. Built for tests and fuzzing only.

use super::{
    certificate::{Certificate, is_certificate},
    command::Mark,
    known_hosts::{Lookup, Marker, expected, fingerprint, judge, parse},
    known_index::KnownIndex,
    known_lines,
};

/// `known_hosts`: read, asked, and a host taken out of it, after which no line is about it.
pub(crate) fn known_hosts(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let lookups = ["web-1", "[10.0.0.1]:2222"].map(|name| Lookup { name: name.to_owned(), bare: "web-1".to_owned() });
    let entries = parse(&text);
    assert!(entries.len() <= text.lines().count(), "more entries than lines");
    for lookup in &lookups {
        let _ = (judge(entries.iter(), lookup, b"\0\0\0\x0bssh-ed25519"), expected(entries.iter(), lookup));
        let blobs: Vec<&Vec<u8>> = entries.iter().map(|entry| &entry.blob).take(3).collect();
        for blob in blobs {
            let _ = (judge(entries.iter(), lookup, blob), fingerprint(blob));
            if let Some(line) = known_lines::line(lookup, blob, false) {
                assert!(parse(&line).iter().any(|entry| entry.is_for(lookup) && entry.blob == *blob), "{line:?}");
            }
        }
        let about: Vec<usize> = entries.iter().filter(|entry| entry.is_for(lookup)).map(|entry| entry.line).collect();
        let index = KnownIndex::new(parse(&text));
        let mut found: Vec<usize> =
            index.about(lookup).filter(|entry| entry.is_for(lookup)).map(|entry| entry.line).collect();
        found.sort_unstable();
        assert_eq!(found, about, "the index and the lines disagree on {lookup:?}");
    }
    if let Ok(rest) = known_lines::without(&text, &lookups) {
        let is_left = |entry: &super::known_hosts::Entry| {
            entry.marker == Marker::Plain && lookups.iter().any(|l| entry.is_for(l))
        };
        assert!(!parse(&rest).iter().any(is_left), "{rest:?}");
        assert_eq!(known_lines::without(&rest, &lookups), Ok(rest.clone()));
    }
}

/// OpenSSH's certificates.
pub(crate) fn certificate(data: &[u8]) {
    let _ = is_certificate(data);
    if let Some(certificate) = Certificate::parse(data) {
        for now in [0, 1_700_000_000, u64::MAX] {
            let _ = (certificate.check_host("web-1", now), certificate.expired(now));
        }
        let _ = (certificate.is_for_user(), certificate.authority_fingerprint());
    }
}

/// The mark at the end of a command: however stderr is cut into pieces, the same bytes and the same code come out.
pub(crate) fn end_mark(data: &[u8]) {
    let read = |pieces: &[&[u8]]| {
        let (mut mark, mut out) = (Mark::new("f0"), vec![]);
        for piece in pieces {
            mark.push(piece, &mut |bytes| {
                out.extend_from_slice(bytes);
                true
            });
        }
        let said = mark.is_said();
        let (held, code) = mark.finish();
        out.extend(held);
        assert_eq!(said, code.is_some());
        (out, code)
    };
    let whole = read(&[data]);
    let cut = data.first().map_or(0, |byte| usize::from(*byte) % data.len());
    assert_eq!(read(&[&data[..cut], &data[cut..]]), whole);
    assert_eq!(read(&data.chunks(1).collect::<Vec<_>>()), whole);
}
