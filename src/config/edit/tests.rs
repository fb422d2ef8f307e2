#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]

use proptest::prelude::*;

use super::*;
use crate::config::inventory::Inventory;
use crate::config::registry::Registry;
use crate::domain::{Rollout, Settings};

fn server(name: &str) -> Server {
    Server::new(ServerName::new(name).unwrap(), "docker run -d --name new acme/new:1", vec!["edge-1".into()])
}

fn name(text: &str) -> ServerName {
    ServerName::new(text).unwrap()
}

/// The commented file of the issue's promise, in one layout after the other.
const FILES: [&str; 14] = [
    "# head\nversion: 1\n\nservers:\n  # about a\n  a:\n    command: docker run a   # c1\n    port:   80\n    # inside a\n\n  # about b\n  b:\n    command: 'docker run b'\n# end\n",
    "version: 1\nservers: {a: {command: x}, b: {command: y}} # c\n",
    "version: 1\nservers:\n  a: {command: x} # ca\n  b: { command: y }\n",
    "version: 1\nservers:\n  a:\n    command: x\n  b:\n    command: y",
    "version: 1\nservers:\n    a:\n        command: x\n\n    b:\n        command: y\n",
    "version: 1\nservers:\n  a: &a\n    command: x\n  b:\n    <<: *a\n    port: 1\n",
    "version: 1\nservers:\n  a:\n    command: >-\n      docker run\n      x\n\n  # b\n  b:\n    command: |\n      y\n\n\n",
    "version: 1\nservers:\n  a:\n    command: x\n  b: {}\n\n# other\n",
    "servers:\n  \"a\":\n    tags:\n    - x # first\n    - y\n    command: x\n  'b': # b\n    command: \"y\"\n\n\nversion: 1\n# end",
    "---\nversion: 1\nservers:\n  a:\n    command: é # ü\n  b:\n    command: x\n...\n",
    "version: 1\nservers:\n  a: {\n    command: x, # why\n    port: 80,\n  }\n  b:\n    command: x\n",
    "version: 1\nservers:\n  a:\n    command: x\n\n  b:\n    command: x\n    # trailing inside\n  # trailing outside\n",
    "version: 1\nservers:\n  a:\n\n    # first\n    command: x\n  b:\n    command: |+\n      x\n\n\n",
    "\u{feff}version: 1\nservers:\n  a:\n    command: x\n  b:\n    command: x\n",
];

fn layouts() -> Vec<String> {
    FILES.iter().flat_map(|text| [(*text).to_owned(), text.replace('\n', "\r\n")]).collect()
}

#[test]
fn a_server_added_and_removed_again_leaves_the_original_bytes() {
    for text in layouts() {
        let added = add_server(&text, &server("new")).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_ne!(added, text);
        let removed = remove_server(&added, &name("new")).unwrap_or_else(|error| panic!("{added:?}: {error}"));
        assert_eq!(removed, text, "through {added:?}");
    }
}

#[test]
fn an_edit_of_one_key_leaves_every_other_line_alone() {
    for text in layouts() {
        let edited = replace_server_key(&text, &name("b"), "description", Some(&Value::Text("no".into())));
        let edited = edited.unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let back = replace_server_key(&edited, &name("b"), "description", None);
        let back = back.unwrap_or_else(|error| panic!("{edited:?}: {error}"));
        // A blank inside the touched entry's own braces may go.
        assert_eq!(
            back.replace("command: y}\r", "command: y }\r").replace("command: y}\n", "command: y }\n"),
            text,
            "through {edited:?}"
        );
    }
}

#[test]
fn every_comment_outside_a_removed_entry_survives() {
    let text = FILES[0];
    let expected = text.replace("  a:\n    command: docker run a   # c1\n    port:   80\n", "");
    assert_eq!(remove_server(text, &name("a")).unwrap(), expected);
    let expected = text.replace("  b:\n    command: 'docker run b'\n", "");
    assert_eq!(remove_server(text, &name("b")).unwrap(), expected);
    let crlf = text.replace('\n', "\r\n");
    assert_eq!(remove_server(&crlf, &name("b")).unwrap(), expected.replace('\n', "\r\n"));
}

#[test]
fn the_first_server_goes_into_every_kind_of_empty_file() {
    for text in [
        "",
        "# mine\n",
        "version: 1\n",
        "version: 1",
        "version: 1\nservers:\n",
        "version: 1\nservers: {}\n",
        "version: 1\nservers: {} # none yet\n# end\n",
        "version: 1\nservers: # none yet\n# end\n",
        "version: 1\nservers: ~\n",
        "servers:\n\nversion: 1\n",
        "version: 1\r\nservers:\r\n",
        "version: 1\nservers:\n  # a: {command: x}\n",
    ] {
        let added = add_server(text, &server("new")).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let inventory = Inventory::implicit_localhost();
        let server = Server { host: vec!["localhost".into()], ..server("new") };
        let added_local = add_server(text, &server).unwrap();
        let registry =
            Registry::parse(&added_local, "s", &inventory, &|_| vec![]).unwrap_or_else(|e| panic!("{added:?}: {e}"));
        assert_eq!(registry.servers(), [server]);
        for comment in ["# mine", "# none yet", "# end", "# a: {command: x}"] {
            assert_eq!(text.contains(comment), added.contains(comment), "{added:?}");
        }
        let removed = remove_server(&added, &name("new")).unwrap_or_else(|error| panic!("{added:?}: {error}"));
        let empty =
            Registry::parse(&removed, "s", &inventory, &|_| vec![]).unwrap_or_else(|e| panic!("{removed:?}: {e}"));
        assert!(empty.servers().is_empty());
        add_server(&removed, &server_again()).unwrap_or_else(|error| panic!("{removed:?}: {error}"));
    }
}

fn server_again() -> Server {
    server("again")
}

#[test]
fn an_added_server_looks_as_a_person_would_write_it() {
    let full = Server {
        description: Some("no".into()),
        tags: vec!["prod".into(), "010".into()],
        host: vec!["@edge".into(), "!edge-3".into()],
        port: Some(80),
        priority: -1,
        enabled: false,
        stop: Some("docker stop new".into()),
        ..server("new")
    };
    let expected = "version: 1

servers:
  new:
    description: 'no'
    command: docker run -d --name new acme/new:1
    host:
    - '@edge'
    - '!edge-3'
    port: 80
    tags:
    - prod
    - '010'
    priority: -1
    enabled: false
    stop: docker stop new
";
    assert_eq!(add_server("", &full).unwrap(), expected);
}

#[test]
fn an_update_touches_only_the_keys_that_differ() {
    let text = "version: 1
servers:
  a: # the first
    command: >- # long
      docker run -d --name new
      acme/new:1
    host: [edge-1] # here
    port: 80 # http
    priority: 0
";
    let same = Server { port: Some(80), ..server("a") };
    assert_eq!(update_server(text, &name("a"), &same).unwrap(), text);
    let other = Server { port: Some(81), tags: vec!["x".into()], ..server("a") };
    let expected = text.replace("80 #", "81 #") + "    tags:\n      - x\n";
    assert_eq!(update_server(text, &name("a"), &other).unwrap(), expected);
    let bare = Server { port: None, ..server("a") };
    assert_eq!(update_server(text, &name("a"), &bare).unwrap(), text.replace("    port: 80 # http\n", ""));
    let command = Server { command: "docker run other".into(), ..same };
    let changed = update_server(text, &name("a"), &command).unwrap();
    assert!(
        changed.contains("command: docker run other") && changed.contains("# here") && changed.contains("# the first")
    );
}

#[test]
fn what_cannot_be_changed_alone_is_refused() {
    let aliased = "version: 1\nservers:\n  a: &a {command: x}\n  b: *a\n";
    assert!(matches!(remove_server(aliased, &name("a")), Err(EditError::Layout { .. })));
    let port = Value::Number(1);
    assert!(matches!(replace_server_key(aliased, &name("b"), "port", Some(&port)), Err(EditError::Layout { .. })));
    assert!(matches!(add_server(aliased, &server("a")), Err(EditError::Exists { .. })));
    assert!(matches!(add_server("a: [", &server("a")), Err(EditError::Config(_))));
    let missing = remove_server("version: 1\nservers:\n  finance: {command: x}\n", &name("finanse")).unwrap_err();
    assert_eq!(missing.to_string(), "servers.yaml has no \"finanse\"; did you mean \"finance\"?");
}

#[test]
fn hosts_are_added_and_removed_and_ranges_are_left_whole() {
    let text = "# fleet\nversion: 1\nhosts:\n  edge-[1:3]: # three\n    port: 2222\n  db:\ngroups: {}\n";
    let fields = [
        ("address", Value::Text("10.0.0.7".into())),
        ("port", Value::Number(22)),
        ("env", Value::Map(vec![("A".into(), "no".into())])),
    ];
    let added = add_host(text, "gpu-1", &fields).unwrap();
    let expected =
        text.replace("  db:\n", "  db:\n  gpu-1:\n    address: '10.0.0.7'\n    port: 22\n    env:\n      A: 'no'\n");
    assert_eq!(added, expected);
    assert_eq!(remove_host(&added, "gpu-1").unwrap(), text);
    let error = remove_host(text, "edge-2").unwrap_err().to_string();
    assert!(error.contains("one of the range edge-[1:3]"), "{error}");
    assert!(matches!(add_host("version: 1\nhosts: [a]\n", "b", &fields), Err(EditError::Layout { .. })));
    let bare = add_host("version: 1\nhosts:\n  a:\n", "b", &[]).unwrap();
    assert!(
        Inventory::parse(
            &bare,
            "h",
            &crate::config::inventory::Context {
                dir: "/".into(),
                home: None,
                user: "x".into(),
                ssh: Default::default()
            }
        )
        .is_ok(),
        "{bare}"
    );
}

#[test]
fn a_rollout_is_set_changed_and_taken_away_and_left_alone_when_it_is_written_otherwise() {
    let text = "version: 1
servers:
  new:
    command: x
    host: h
    rollout: {serial: [1, 25%], wait: 60}  # slowly
    keep_previous: 120s
  flow: {command: x, host: h}
";
    let with = |name_: &str, own: Settings| Server { own, ..Server::new(name(name_), "x", vec!["h".into()]) };
    let rollout = Rollout { serial: "1,25%".parse().ok(), max_fail: None, wait: Some(Duration::from_secs(60)) };
    let as_it_is = Settings { rollout: rollout.clone(), keep_previous: Some(Duration::from_secs(120)) };
    assert_eq!(update_server(text, &name("new"), &with("new", as_it_is.clone())).unwrap(), text);
    let other = Rollout { serial: "2".parse().ok(), max_fail: "10%".parse().ok(), wait: None };
    for server in ["new", "flow"] {
        let changed = Settings { rollout: other.clone(), keep_previous: Some(Duration::from_millis(1500)) };
        let changed = update_server(text, &name(server), &with(server, changed)).unwrap();
        let value: serde_yaml::Value = serde_yaml::from_str(&changed).unwrap();
        let entry = &value["servers"][server];
        assert_eq!(entry["rollout"]["serial"].as_u64(), Some(2), "{changed}");
        assert_eq!(entry["rollout"]["max_fail"].as_str(), Some("10%"), "{changed}");
        assert!(entry["rollout"]["wait"].is_null(), "{changed}");
        assert_eq!(entry["keep_previous"].as_str(), Some("1500ms"), "{changed}");
        let away = update_server(&changed, &name(server), &with(server, Settings::default())).unwrap();
        assert!(!away.contains("10%") && !away.contains("1500ms"), "{away}");
    }
}

#[test]
fn strings_that_yaml_would_misread_are_quoted() {
    for text in [
        "no",
        "22:22",
        "010",
        "0x1f",
        "1e3",
        "*x",
        "&x",
        "# c",
        "a # b",
        "a: b",
        "a:",
        " x",
        "x ",
        "~",
        "2024-01-01",
        "y",
        "-",
        "=",
        "@x",
        "%x",
        "!x",
    ] {
        let new = replace_server_key(FILES[0], &name("b"), "stop", Some(&Value::Text(text.into()))).unwrap();
        let line = new.lines().find(|line| line.contains("stop:")).unwrap();
        assert!(line.contains(&format!("stop: '{text}'")), "{line}");
    }
}

fn any_server() -> impl Strategy<Value = Server> {
    let text = || {
        "\\PC{1,20}|[ -~]{1,40}|no|22:22|010|0x1f|1e3|[\\x00-\\x7f]{1,10}"
            .prop_filter("blank", |t| !t.trim().is_empty() && !t.contains('\0'))
    };
    (
        "[a-rt-z0-9][a-z0-9]{0,2}",
        text(),
        prop::collection::vec(text(), 1..3),
        prop::option::of(1..u16::MAX),
        prop::option::of(text()),
        -5..5i32,
        any::<bool>(),
        any::<u16>(),
    )
        .prop_map(|(name, command, host, port, description, priority, enabled, keep)| Server {
            name: ServerName::new(name).unwrap(),
            command,
            host,
            port,
            description,
            tags: vec![],
            priority,
            enabled,
            stop: None,
            logs: None,
            stats: None,
            pull: None,
            own: Settings { keep_previous: Some(Duration::from_millis(keep.into())), ..Settings::default() },
            defaults: Default::default(),
        })
}

fn any_registry() -> impl Strategy<Value = String> {
    let comment =
        || prop::option::of("[a-z:'\"{}&*-]{0,9}").prop_map(|c| c.map(|c| format!("# {c}")).unwrap_or_default());
    let entry = (comment(), comment(), comment(), 0..6usize, prop::bool::ANY);
    (prop::collection::vec(entry, 0..5), comment(), prop::bool::ANY, prop::bool::ANY, 1..5usize).prop_map(
        |(entries, end, crlf, newline, step)| {
            let (one, two) = (" ".repeat(step), " ".repeat(step * 2));
            let mut text = "# head\nversion: 1 # v\n\nservers:\n".to_owned();
            for (index, (above, beside, inside, kind, blank)) in entries.iter().enumerate() {
                if !above.is_empty() {
                    text.push_str(&format!("{one}{above}\n"));
                }
                let body = match kind {
                    0 => format!("{one}s{index}: {{command: 'x', port: 1}} {beside}\n"),
                    1 => format!("{one}s{index}: {beside}\n{two}command: >-\n{two} docker run\n{two} x\n"),
                    2 => format!("{one}s{index}:\n{two}tags:\n{two}- a {beside}\n{two}- b\n{two}command: \"x\"\n"),
                    3 => format!("{one}\"s{index}\":   {beside}\n{two}command:   x\n"),
                    4 => format!("{one}s{index}:\n{two}command: |\n{two} x\n{two} y\n"),
                    _ => format!("{one}s{index}: {beside}\n\n{two}command: x\n"),
                };
                text.push_str(&body);
                if !inside.is_empty() {
                    text.push_str(&format!("{two}{inside}\n"));
                }
                if *blank {
                    text.push('\n');
                }
            }
            if !end.is_empty() {
                text.push_str(&format!("{end}\n"));
            }
            if !newline {
                text.truncate(text.trim_end().len());
            }
            if crlf { text.replace('\n', "\r\n") } else { text }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_server_in_any_registry_comes_and_goes_without_a_trace(text in any_registry(), server in any_server()) {
        // A literal block that ends without a line end gains one from any line after it; that is refused, as it must be.
        prop_assume!(text.ends_with('\n') || !text.lines().rev().nth(2).is_some_and(|line| line.ends_with(" |")));
        let had_entries = text.contains("command");
        let added = add_server(&text, &server).map_err(|error| TestCaseError::fail(format!("{text:?}: {error}")))?;
        // Another parser reads the same strings back.
        let value: serde_yaml::Value = serde_yaml::from_str(&added).map_err(|error| TestCaseError::fail(format!("{added:?}: {error}")))?;
        let entry = &value["servers"][server.name.as_str()];
        prop_assert_eq!(entry["command"].as_str(), Some(server.command.as_str()), "{}", added);
        prop_assert_eq!(entry["description"].as_str(), server.description.as_deref());
        let removed = remove_server(&added, &server.name).map_err(|error| TestCaseError::fail(format!("{added:?}: {error}")))?;
        if had_entries {
            prop_assert_eq!(removed, text, "through {:?}", added);
        }
    }

    #[test]
    fn any_text_is_edited_or_refused_but_never_panics(text in "\\PC*|[ \\n:a{}\\[\\]#&*'\"|>-]{0,60}") {
        let whole = format!("version: 1\nservers:\n{text}");
        for text in [&text, &whole] {
            let _ = add_server(text, &server("new"));
            let _ = remove_server(text, &name("a"));
            let _ = replace_server_key(text, &name("a"), "port", Some(&Value::Number(1)));
        }
    }
}

#[test]
fn bare_names_are_added_to_a_list_of_hosts_and_taken_away() {
    for (text, name, with) in [
        ("version: 1\nhosts: [a, b] # two\n", "c", "version: 1\nhosts: [a, b, c] # two\n"),
        ("version: 1\nhosts: [a, b,]\n", "::1", "version: 1\nhosts: [a, b, '::1',]\n"),
        (
            "version: 1\nhosts:\n  - a # one\n  - b # two\ngroups: {}\n",
            "c",
            "version: 1\nhosts:\n  - a # one\n  - b # two\n  - c\ngroups: {}\n",
        ),
        ("version: 1\r\nhosts:\r\n- 'a'\r\n", "w-[1:2]", "version: 1\r\nhosts:\r\n- 'a'\r\n- 'w-[1:2]'\r\n"),
        ("version: 1\nhosts:\n  - a", "no", "version: 1\nhosts:\n  - a\n  - 'no'"),
    ] {
        let added = add_host(text, name, &[]).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(added, with);
        assert!(matches!(add_host(&added, name, &[]), Err(EditError::Exists { .. })), "{text}");
        let removed = remove_host(&added, name).unwrap();
        assert_eq!(removed.trim_end(), text.trim_end(), "{added}");
        let missing = remove_host(text, "nobody").unwrap_err();
        assert!(matches!(missing, EditError::Missing { .. }), "{missing}");
    }
    assert_eq!(add_host("version: 1\nhosts: []\n", "a", &[]).unwrap(), "version: 1\nhosts: [a]\n");
    assert_eq!(remove_host("version: 1\nhosts: [a, b, c]\n", "a").unwrap(), "version: 1\nhosts: [b, c]\n");
    assert_eq!(remove_host("version: 1\nhosts: [a]\n", "a").unwrap(), "version: 1\nhosts: []\n");
    assert_eq!(remove_host("version: 1\nhosts:\n  - a\n  - b\n", "a").unwrap(), "version: 1\nhosts:\n  - b\n");
    assert!(matches!(remove_host("version: 1\nhosts:\n  - a\n", "a"), Err(EditError::Layout { .. })));
    assert!(matches!(add_host("version: 1\nhosts: [[a]]\n", "b", &[]), Err(EditError::Layout { .. })));
}
