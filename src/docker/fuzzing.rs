//! The fuzzing targets of what docker answers and of the strings that people register.
//!
//! Boundary: text in; a panic when something does not hold. Built for tests and fuzzing only.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    drift::drift,
    failure, gpu as reader, health,
    inspect::{self as inspected, parse_images},
    registered::{Kind, check},
    run_string::{self, RunString},
    shell, stats as usage,
    status::status_of,
};
use crate::domain::ServerName;

/// `docker container inspect` and `docker image inspect`, and what is made of them.
pub(crate) fn inspect(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(registered) =
        RunString::parse("docker run -d --name finance -p 80:80 -v /a:/b -e A=1 --restart always x:1 serve")
    else {
        panic!("the string of this test is wrong")
    };
    match inspected::parse(&text) {
        Ok(containers) => {
            for container in &containers {
                assert!(!container.id.is_empty() && container.id.is_ascii(), "{:?}", container.id);
                for stopped in [false, true] {
                    let _ = status_of(container, stopped, Some(Timestamp::MIN));
                    let _ = status_of(container, stopped, Some(Timestamp::MAX));
                }
                let _ = drift(&registered, container, None);
                let _ = drift(&registered, container, Some(&container.env_names));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty(), "an error without a word"),
    }
    let _ = parse_images(&text);
}

/// `docker stats`, as JSON lines and as a table.
pub(crate) fn stats(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let rows = usage::parse(&text);
    assert!(rows.len() <= text.lines().count(), "more rows than lines");
    for row in &rows {
        let _ = row.is_of("finance", Some("0123456789ab"));
    }
}

/// `nvidia-smi` and `docker top`.
pub(crate) fn gpu(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (processes, by_gpu) = (reader::parse_processes(&text), reader::parse_pids_by_gpu(&text));
    let utilization = reader::parse_utilization(&text);
    let containers = BTreeMap::from([("a", reader::parse_pids(&text)), ("b", processes.keys().copied().collect())]);
    for percent in reader::per_container(&containers, &processes, &by_gpu, &utilization).values() {
        assert!(percent.is_finite() && *percent >= 0.0, "{percent}");
    }
}

/// Failures, versions, health checks.
pub(crate) fn answers(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for exit in [0, 1, 125, 126, 127, 255, -1] {
        if let Some(found) = failure::classify(exit, &text) {
            assert!(!found.hint().is_empty(), "{found:?}");
        }
    }
    let _ = (failure::parse_version(&text), health::parse(&text));
    for line in text.lines().take(100) {
        let _ = failure::is_complaint(line);
    }
}

/// `docker run` strings: what is read is read alike again, and completing one that is complete adds nothing.
pub(crate) fn run_string(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(name) = ServerName::new("finance") else { return };
    let run = match RunString::parse(&text) {
        Ok(run) => run,
        Err(error) => {
            assert!(!error.to_string().is_empty() && !error.hint().is_empty(), "{error:?}");
            return assert!(run_string::complete(&text, &name).is_err(), "completed what cannot be read: {text:?}");
        }
    };
    assert!(text.contains(run.text()), "what runs is not what was registered: {text:?}");
    let again = RunString::parse(run.text()).unwrap_or_else(|error| panic!("{:?}: {error}", run.text()));
    assert_eq!(shape(&again), shape(&run), "{text:?}");
    assert!(!run.container_name().is_some_and(|name| name.starts_with('-')), "{text:?}");
    let _ = (run.chooses_an_engine(), run.conflicts(&run), run.first_published_port());
    assert!(run.with_program("sudo -n docker").starts_with("sudo -n docker"), "{text:?}");
    if let Ok(completed) = run_string::complete(&text, &name) {
        let whole = RunString::parse(&completed.text).unwrap_or_else(|error| panic!("{:?}: {error}", completed.text));
        assert!(whole.detached() && whole.container_name().is_some(), "{:?}", completed.text);
        assert_eq!(whole.image(), run.image(), "{:?}", completed.text);
        let twice = run_string::complete(&completed.text, &name).map(|completed| completed.added);
        assert!(twice.as_ref().is_ok_and(Vec::is_empty), "{:?}: {twice:?}", completed.text);
    }
}

fn shape(run: &RunString) -> impl PartialEq + std::fmt::Debug + use<> {
    let (ports, labels) = (format!("{:?}", run.ports()), run.labels().to_vec());
    (run.image().to_owned(), run.container_name().map(str::to_owned), run.arguments().map(<[_]>::to_vec), ports, labels)
}

/// `docker stop`, `logs`, `stats` strings: with more flags they still name the same containers.
pub(crate) fn registered(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for kind in [Kind::Stop, Kind::Logs, Kind::Stats] {
        match check(kind, &text) {
            Ok(found) => {
                let flags: &[&str] = match kind {
                    Kind::Logs => &["--tail", "5"],
                    _ => &[],
                };
                let more = found.with_flags(flags);
                let again = check(kind, &more).unwrap_or_else(|error| panic!("{more:?}: {error}"));
                assert_eq!(again.containers, found.containers, "{more:?}");
            }
            Err(error) => assert!(!error.to_string().is_empty() && !error.hint().is_empty(), "{error:?}"),
        }
    }
}

/// Splitting into words; and a quoted text is one word with that text.
pub(crate) fn shell_words(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Err(error) = shell::split(&text) {
        assert!(!error.to_string().is_empty(), "{error:?}");
    }
    let words = shell::split(&shell::quote(&text)).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!(words.len(), 1, "{text:?}");
    assert_eq!(words[0].value, text.replace('\0', "\u{fffd}"));
    assert!(!words[0].unresolved, "{text:?}");
}
