#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]
use super::{super::yaml, *};
use crate::domain::{Health, HostName, ServerName, Status};
use proptest::prelude::*;

pub(crate) fn record(server: &str, host: &str) -> Record {
    let (server, host) = (ServerName::new(server).unwrap(), HostName::new(host).unwrap());
    let status = ServerStatus::bare(server, host, Status::Running, Timestamp::from_second(1_700_000_000).unwrap());
    Record { status, container_id: None, command_hash: None, stopped_by: None, container: None, left: vec![] }
}

#[test]
fn the_released_version_1_still_loads() {
    let text = include_str!("../../../fixtures/workspaces/v1/state.yaml");
    let state = State::parse(text, "state.yaml").unwrap_or_else(|error| panic!("{error}"));
    assert!(line::read(text).is_none(), "blocks are not what is written now");
    assert_eq!(State::parse(&state.to_text().unwrap(), "state.yaml").unwrap(), state);
    let record = &state.instances[&"finance@edge-1".parse::<Instance>().unwrap()];
    assert_eq!(record.status.health, Some(Health::Healthy));
    let stopped = &state.instances[&"weather@edge-2".parse::<Instance>().unwrap()];
    assert_eq!(stopped.stopped_by.as_ref().map(|by| by.who.as_str()), Some("ana"));
}

#[test]
fn a_container_with_an_earlier_name_is_remembered_and_one_that_was_replaced_is_not() {
    let with = |id: &str, name: &str| Record {
        container_id: Some(id.to_owned()),
        container: Some(name.to_owned()),
        ..record("a", "h")
    };
    let left = |record: &Record| record.left.iter().map(|l| l.container.clone()).collect::<Vec<_>>();
    let mut second = with("2", "new");
    second.inherit(&with("1", "old"));
    assert_eq!(left(&second), ["old"]);
    let mut replaced = with("3", "new");
    replaced.inherit(&second);
    assert_eq!(left(&replaced), ["old"], "2 had its name, so it is gone");
    let mut third = with("4", "newer");
    third.inherit(&replaced);
    third.inherit(&replaced);
    assert_eq!(left(&third), ["old", "new"]);
    let mut back = with("1", "old");
    back.inherit(&third);
    assert_eq!(left(&back), ["new", "newer"], "it is registered again");
    let mut gone = record("a", "h");
    gone.inherit(&with("1", "old"));
    assert!(gone.left.is_empty(), "no container is no other name");
}

#[test]
fn a_broken_file_says_that_it_may_be_deleted() {
    for text in [
        "",
        "version: 2\n",
        "version: 1\ninstances: {finance: {}}\n",
        "version: 1\nfoo: 1\n",
        "version: [",
        "version: 1\ninstances:\n  a@b: {status: {}}\n",
        "version: 1\nversion: 1\n",
        "\0",
        "- 1",
    ] {
        let error = State::parse(text, "state.yaml").unwrap_err().to_string();
        assert!(error.contains("may be deleted") && error.starts_with("state.yaml"), "{text:?}: {error}");
    }
    let deep = "[".repeat(100_000);
    assert!(State::parse(&deep, "state.yaml").is_err());
}

#[test]
fn an_instance_is_a_line_of_its_own_under_a_head() {
    let mut state = State::default();
    let empty = "# Written by mcp; a cache. Do not edit: delete it and it comes back.\nversion: 1\ninstances: {}\n";
    assert_eq!(state.to_text().unwrap(), empty);
    for (server, host) in [("b", "edge-1"), ("a", "fe80::"), ("a", "edge-2")] {
        let instance = Instance { server: ServerName::new(server).unwrap(), host: HostName::new(host).unwrap() };
        state.instances.insert(instance, record(server, host));
    }
    let record = state.instances.values_mut().next().unwrap();
    record.status.message = Some("docker: \"no\"\n\u{7f}\u{2028}\u{feff}é🙂".to_owned());
    record.stopped_by = Some(StoppedBy { who: "ana".to_owned(), at: Timestamp::from_second(5).unwrap() });
    let text = state.to_text().unwrap();
    let lines: Vec<&str> = text.lines().skip(3).collect();
    let starts =
        ["  a@edge-2: {\"status\": {\"name\": \"a\", ", "  \"a@fe80::\": {\"status\": {", "  b@edge-1: {\"status\": {"];
    assert_eq!(lines.len(), starts.len(), "{text}");
    assert!(lines.iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{text}");
    let end = r#", "health": null, "message": "docker: \"no\"\n\u007f\u2028\ufeffé🙂", "state": "unknown", "started_at": null, "outdated": null, "outdated_reasons": []}, "container_id": null, "command_hash": null, "stopped_by": {"who": "ana", "at": "1970-01-01T00:00:05Z"}, "container": null}"#;
    assert!(lines[0].ends_with(end), "{text}");
}

#[test]
fn what_another_hand_changed_is_read_as_yaml() {
    let mut state = State::default();
    for host in ["h1", "h2"] {
        state.instances.insert(format!("a@{host}").parse().unwrap(), record("a", host));
    }
    let text = state.to_text().unwrap();
    let [first, second]: [&str; 2] = text.lines().skip(3).collect::<Vec<_>>().try_into().unwrap();
    assert!(line::read(&text).is_some());
    for changed in [
        format!("{text}# a comment\n"),
        text.trim_end().to_owned(),
        text.replace('\n', "\r\n"),
        text.replace("{\"status\": {", "{status: {"),
        text.replace("null", "~"),
        text.replace("a@h1:", "\"a@h1\":"),
        text.replace("\": ", "\" : "),
        format!("version: 1\ninstances:\n{second}\n{first}\n"),
        text.replace(&format!("{first}\n{second}"), &format!("{second}\n{first}")),
        text.replace(second, &format!("{second}\n{second}")),
    ] {
        assert!(line::read(&changed).is_none(), "{changed}");
        assert_eq!(State::parse(&changed, "state.yaml").unwrap(), state, "{changed}");
    }
    // JSON that is no YAML, or no record to its reader.
    for broken in [
        text.replacen("\"running\"", "{\"running\": null}", 1),
        text.replacen("\"message\": null", "\"message\": \"\\ud83d\\ude42\"", 1),
        text.replacen("\"a\"", "\"a\u{7f}\"", 1),
    ] {
        assert!(line::read(&broken).is_none(), "{broken}");
        let error = State::parse(&broken, "state.yaml").unwrap_err().to_string();
        assert!(error.starts_with("state.yaml:"), "{error}: {broken}");
    }
}

/// Text as a host could send it: any, and often what YAML or JSON treat apart.
fn text() -> impl Strategy<Value = String> {
    let odd = proptest::sample::select(
        "\"\\'{}[],:#&*!|>%@`-?~ \t\r\n\u{0}\u{1b}\u{7f}\u{85}\u{9f}\u{a0}\u{2028}\u{2029}\u{d7ff}\u{e000}\u{feff}\u{fffe}\u{ffff}\u{1fffe}\u{10ffff}"
            .chars()
            .collect::<Vec<_>>(),
    );
    prop_oneof![
        "no|~|null|010|0x1f|1e3|<<|- a|a: b",
        "\\PC{0,20}",
        proptest::collection::vec(prop_oneof![odd, any::<char>()], 0..20).prop_map(String::from_iter),
        (1usize..3000).prop_map(|length| "x ".repeat(length)),
    ]
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0i64..4_000_000_000, 0i32..1_000_000_000).prop_map(|(second, nano)| Timestamp::new(second, nano).unwrap())
}

fn finite() -> impl Strategy<Value = f64> {
    prop_oneof![0.0..400.0f64, proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO]
}

fn any_record() -> impl Strategy<Value = Record> {
    use proptest::option::of;
    let instance = ("[a-zA-Z0-9][a-zA-Z0-9._-]{0,8}", "[a-zA-Z0-9][a-zA-Z0-9._-]{0,8}|fe80::|::1|2001:db8::7");
    let numbers = (of(any::<u64>()), of(finite()), of(finite()), of(any::<u64>()), of(any::<u64>()));
    let end = (of(any::<i64>()), of(any::<u64>()), of(Just(Health::Unhealthy)), of(text()));
    let rest = (of(text()), of(text()), of((text(), time())));
    (instance, time(), numbers, of(text()), of(text()), end, rest).prop_map(
        |((server, host), at, numbers, id, image, (exit_code, restart_count, health, message), rest)| {
            let record = record(&server, &host);
            let (uptime, cpu_usage, gpu_usage, memory_usage, memory_limit) = numbers;
            let status = ServerStatus {
                container_id: id,
                uptime,
                cpu_usage,
                gpu_usage,
                memory_usage,
                memory_limit,
                last_check: at,
                image,
                exit_code,
                restart_count,
                health,
                message,
                ..record.status
            };
            let (container_id, command_hash, stopped_by) = rest;
            let stopped_by = stopped_by.map(|(who, at)| StoppedBy { who, at });
            let left = container_id
                .iter()
                .map(|id: &String| LeftBehind { container_id: id.clone(), container: "x".to_owned() })
                .collect();
            Record { status, container: container_id.clone(), container_id, command_hash, stopped_by, left }
        },
    )
}

fn any_state(most: usize) -> impl Strategy<Value = State> {
    proptest::collection::vec(any_record(), 0..most).prop_map(|records| {
        let named = |record: Record| {
            let ServerStatus { name, host, .. } = record.status.clone();
            (Instance { server: name, host }, record)
        };
        State { instances: records.into_iter().map(named).collect() }
    })
}

#[derive(Serialize)]
struct Blocks<'a> {
    version: u32,
    instances: &'a BTreeMap<Instance, Record>,
}

proptest! {
    #[test]
    fn every_reader_finds_what_was_written(state in any_state(6)) {
        let text = state.to_text().unwrap();
        prop_assert_eq!(line::read(&text), Some(state.instances.clone()));
        prop_assert_eq!(of_yaml(&text).unwrap().instances, state.instances.clone());
        prop_assert_eq!(State::parse(&text, "state.yaml").unwrap(), state.clone());
        prop_assert_eq!(text.lines().count(), 3 + state.instances.len());
        // A second YAML library, the one that hosts.yaml is read with.
        let tree = yaml::parse(&text, "state.yaml").map_err(|error| TestCaseError::fail(error.to_string()))?;
        for (instance, record) in &state.instances {
            let found = tree.entry("instances").and_then(|all| all.value.entry(&instance.to_string()));
            let message = found.and_then(|one| one.value.entry("status")?.value.entry("message"));
            let yaml::Value::Scalar(found) = &message.unwrap().value.value else { panic!("{text}") };
            prop_assert_eq!(&found.text, record.status.message.as_deref().unwrap_or("null"));
        }
    }

    #[test]
    fn blocks_of_earlier_versions_still_load(state in any_state(4)) {
        let text = serde_yaml::to_string(&Blocks { version: VERSION, instances: &state.instances }).unwrap();
        prop_assert_eq!(State::parse(&text, "state.yaml").unwrap(), state);
    }

    #[test]
    fn a_changed_text_is_never_read_as_something_that_yaml_does_not_say(
        state in any_state(3),
        at in any::<proptest::sample::Index>(),
        length in 0usize..4,
        new in "[\"\\\\{}\\[\\],:0-9a-u \t\r\n\u{7f}\u{2028}]{0,3}",
    ) {
        let mut letters: Vec<char> = state.to_text().unwrap().chars().collect();
        let at = at.index(letters.len());
        letters.splice(at..(at + length).min(letters.len()), new.chars());
        let text = String::from_iter(letters);
        if let Some(found) = line::read(&text) {
            prop_assert_eq!(of_yaml(&text).unwrap().instances, found);
        }
    }
}
