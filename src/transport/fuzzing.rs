//! The fuzzing targets of what scripts leave on their streams.
//!
//! Boundary: bytes in; a panic when something does not hold. Built for tests and fuzzing only.

use std::time::{Duration, Instant};

use super::{
    End, Output, ShellScript, lease,
    presence::{HostClock, Presence},
    script::{Script, Section},
};

const WORD: &str = "mcp-0f";

/// The framing of a script's sections. Bytes up to the first NUL are its stdout, the rest its stderr.
pub(crate) fn sections(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0).map(<[u8]>::to_vec);
    let (stdout, stderr) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut script = Script::with_word(WORD.to_owned());
    let ids = [script.run("a"), script.run("b"), script.run("c")];
    let is_marked = |bytes: &[u8]| memchr::memmem::find(bytes, WORD.as_bytes()).is_some();
    let marked = is_marked(&stdout) || is_marked(&stderr);
    let read = script.read(&Output::whole(stdout, stderr, End::Exit(0)));
    let found = ids.iter().filter_map(|id| read.get(*id));
    let taken: usize = found.clone().map(|section| section.stdout.len() + section.stderr.len()).sum();
    assert!(taken <= data.len(), "sections have {taken} bytes of {}", data.len());
    if !marked {
        assert!(
            found.count() == 0 && !read.is_complete() && !read.is_late(),
            "output without the word passed for a marker"
        );
    }
}

/// What a host says of a script that was cut off, and of its clock; and the word of a script.
pub(crate) fn presence(data: &[u8]) {
    let section = Section { exit: Some(0), stdout: data.to_vec(), stderr: vec![] };
    let clock = HostClock::read(&section, Instant::now());
    if let Some(clock) = &clock {
        assert!(clock.after(Duration::from_secs(10)) > 10 || clock.after(Duration::ZERO) == u64::MAX, "{clock:?}");
    }
    if let Some(presence) = Presence::read(&section) {
        let _ = (presence.is_past(u64::MAX), clock.map(|clock| presence.is_another_start(&clock)));
    }
    let script = ShellScript { text: String::from_utf8_lossy(data).into_owned(), sensitive: false };
    if let Some(word) = script.word() {
        assert!(word.starts_with("mcp-") && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{word:?}");
    }
}

/// What a host says of the leases on it, which anybody there may have written.
pub(crate) fn leases(data: &[u8]) {
    let section = Section { exit: Some(0), stdout: data.to_vec(), stderr: vec![] };
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"@._+:-".contains(&b));
    for lease in lease::listed(&section) {
        let words = [&lease.container, &lease.owner, &lease.purpose];
        assert!(words.into_iter().chain(&lease.run).all(|word| plain(word)), "{lease:?}");
    }
    let taken = lease::taken(&section);
    assert!(taken.held.len() <= data.len(), "more leases than bytes");
    let (gone, kept) = lease::released(&section);
    assert!(gone.len() + kept.len() <= data.len(), "more answers than bytes");
}
