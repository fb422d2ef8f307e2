//! `mcp edit`, and the bytes that `add`, `edit` and `remove` leave alone.

use crate::{
    rig::{Rig, Scratch},
    said::{Said, run},
};

const COMMENTED: &str = "\
# The fleet's servers.

version:   1   # never change

# ---- money ----
servers:

    # Quotes and statements; ask Ann before stopping.
    finance:
        command: >-
            docker run -d --name finance
            -p 8080:8080 acme/finance:1.4     
        host:   edge-1     # the big one
        tags: [ core,   'no' ]   # yes, no

    \"search\":   # by the search team
        host: [edge-2,
               edge-3]
        command: 'docker run -d --name search acme/search'
        # stop: docker stop -t 30 search
        description: \"Café — 日本\"

# ---- the end ----
";

fn editor(scratch: &Scratch<'_>, editor: &str, arguments: &[&str]) -> Said {
    let mut command = scratch.mcp(arguments);
    command.env("EDITOR", editor);
    run(command)
}

#[test]
fn comments_and_layout_survive_add_edit_and_remove() {
    let flow = "version: 1\nservers: {finance: {command: docker run -d --name finance acme/f, host: edge-1}, \
                search: {command: docker run -d --name search acme/s, host: edge-2}}  # flow\n";
    let no_end = "version: 1\nservers:\n  finance: {command: docker run -d --name finance acme/f, host: edge-1} # a\n  \
                  search:\n    command: docker run -d --name search acme/s\n    host: edge-2";
    let crlf = "# Windows\r\nversion: 1\r\nservers:\r\n  finance:\r\n    command: docker run -d --name finance acme/f \
                # one\r\n    host: edge-1\r\n  # two\r\n  search:\r\n    command: docker run -d --name search \
                acme/s\r\n    host: edge-2\r\n";
    for (layout, text) in [("block", COMMENTED), ("flow", flow), ("no line end", no_end), ("CRLF", crlf)] {
        let scratch = Rig::get().scratch();
        scratch.write("servers.yaml", text);
        run(scratch.mcp(&["check"])).code(0);
        run(scratch.mcp(&["add", "extra", "--host", "edge-3", "--command", "docker run acme/extra"])).code(0);
        let added = scratch.read("servers.yaml");
        assert_ne!(added, text, "{layout}");
        run(scratch.mcp(&["edit", "extra", "--description", "More: of # it", "--tag", "x"])).code(0);
        let edited = scratch.read("servers.yaml");
        assert_ne!(edited, added, "{layout}");
        run(scratch.mcp(&["check"])).code(0);
        run(scratch.mcp(&["remove", "extra", "--keep"])).code(0);
        let removed = scratch.read("servers.yaml");
        assert_eq!(removed.trim_end(), text.trim_end(), "{layout}: what add wrote, remove took away, and nothing else");
    }
}

#[test]
fn an_edit_touches_the_lines_of_its_field_only() {
    let scratch = Rig::get().scratch();
    scratch.write("servers.yaml", COMMENTED);
    run(scratch.mcp(&["edit", "search", "--description", "Search"])).code(0);
    assert_eq!(scratch.read("servers.yaml"), COMMENTED.replace("\"Café — 日本\"", "Search"));
    scratch.write("servers.yaml", COMMENTED);
    run(scratch.mcp(&["edit", "finance", "--host", "edge-2"])).code(0);
    let file = scratch.read("servers.yaml");
    let changed: Vec<&str> = file.lines().filter(|line| !COMMENTED.lines().any(|old| old == *line)).collect();
    assert_eq!(changed.len(), 1, "{changed:?}\n{file}");
    assert!(changed[0].contains("edge-2") && changed[0].contains("# the big one"), "{changed:?}");
}

#[test]
fn removing_one_entry_leaves_every_other_line() {
    let scratch = Rig::get().scratch();
    scratch.write("servers.yaml", COMMENTED);
    run(scratch.mcp(&["remove", "search", "--keep"])).code(0);
    let file = scratch.read("servers.yaml");
    assert!(!file.contains("acme/search"), "{file}");
    let before = COMMENTED.split("    \"search\"").next().unwrap();
    assert!(file.starts_with(before.trim_end()), "{file}");
    assert!(file.contains("# ---- the end ----"), "{file}");
    run(scratch.mcp(&["check"])).code(0);
}

#[test]
fn flags_change_an_entry_and_the_rest_of_it_stays() {
    let scratch = Rig::get().scratch();
    scratch.write("servers.yaml", COMMENTED);
    run(scratch.mcp(&[
        "edit",
        "finance",
        "--command",
        "docker run -p 9090:8080 --name finance acme/finance:2",
        "--no-tags",
        "--tag",
        "new",
        "--disable",
        "--priority",
        "7",
    ]))
    .code(0)
    .err("-d");
    let page = run(scratch.mcp(&["get", "finance", "--json"])).code(0).json();
    let page = &page[0];
    assert_eq!(page["tags"], serde_json::json!(["new"]));
    assert_eq!(page["enabled"], false);
    assert_eq!(page["priority"], 7);
    assert_eq!(page["host"], "edge-1");
    assert!(page["command"].as_str().unwrap().contains("-p 9090:8080"), "{page}");
    run(scratch.mcp(&["edit", "finance", "--enable"])).code(0);
    assert_eq!(run(scratch.mcp(&["get", "finance", "--json"])).json()[0]["enabled"], true);
}

#[test]
fn a_wrong_edit_by_flags_is_refused_and_writes_nothing() {
    let scratch = Rig::get().scratch();
    scratch.write("servers.yaml", COMMENTED);
    for (arguments, why) in [
        (["edit", "finance", "--command", "docker run -it acme/a"], "without `-d`"),
        (["edit", "finance", "--host", "edge-9"], "edge-9"),
        (["edit", "finance", "--stop", "docker rmi x"], "stop"),
        (["edit", "finanse", "--host", "edge-1"], "did you mean"),
    ] {
        run(scratch.mcp(&arguments)).code(2).err(why);
        assert_eq!(scratch.read("servers.yaml"), COMMENTED, "{arguments:?}");
    }
    run(scratch.mcp(&["edit", "finance"])).code(2).err("$EDITOR");
}

#[test]
fn the_editor_changes_the_file_as_it_is_written() {
    let scratch = Rig::get().scratch();
    scratch.write("servers.yaml", COMMENTED);
    editor(&scratch, "sed -i s/finance:1.4/finance:1.5/", &["edit", "finance"]).code(0).err("mcp restart finance");
    assert_eq!(scratch.read("servers.yaml"), COMMENTED.replace("finance:1.4", "finance:1.5"));
    editor(&scratch, "true", &["edit", "finance"]).code(0).err("nothing was changed");
    editor(&scratch, "false", &["edit", "finance"]).code(1).err("nothing was changed");
}

#[test]
fn an_invalid_draft_leaves_the_file_as_it_was() {
    let scratch = Rig::get().scratch();
    scratch.write("servers.yaml", COMMENTED);
    for script in ["s/edge-1/edge-11/", "s/command:/comand:/", "s/^servers:/servers: [/", "s/docker run/docker stop/"] {
        editor(&scratch, &format!("sed -i '{script}'"), &["edit", "finance"]).code(2).err("not changed");
        assert_eq!(scratch.read("servers.yaml"), COMMENTED, "{script}");
    }
}

/// The drafts that lie in the workspace.
fn drafts(scratch: &Scratch<'_>) -> Vec<String> {
    let names = std::fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.retain(|name| name.contains("draft"));
    names.sort();
    names
}

/// The path of the draft that an answer names as kept.
fn kept(said: &Said) -> String {
    let path = said.err.lines().find_map(|line| line.split("the draft is kept: ").nth(1));
    path.unwrap_or_else(|| panic!("no draft is named\n{said}")).to_owned()
}

#[test]
fn a_draft_that_is_not_valid_is_kept_and_the_next_edit_continues_with_it() {
    let scratch = Rig::get().scratch();
    scratch.write("servers.yaml", COMMENTED);
    let said = editor(&scratch, "sed -i -e s/1.4/1.5/ -e 's/command:/comand:/'", &["edit", "finance"]).code(2);
    let draft = std::fs::read_to_string(kept(&said)).unwrap();
    assert_eq!(draft, COMMENTED.replace("1.4", "1.5").replace("command:", "comand:"));
    // Without a terminal it is offered by --yes alone; an edit that is begun anew leaves it.
    editor(&scratch, "true", &["edit", "finance"]).code(0).err("--yes").err("nothing was changed");
    assert_eq!(std::fs::read_to_string(kept(&said)).unwrap(), draft);
    editor(&scratch, "sed -i s/comand:/command:/", &["edit", "finance", "--yes"]).code(0).err("mcp restart finance");
    assert_eq!(scratch.read("servers.yaml"), COMMENTED.replace("1.4", "1.5"));
    assert_eq!(drafts(&scratch), Vec::<String>::new(), "what is written leaves no draft");
}

#[test]
fn a_draft_survives_the_end_of_the_editor_and_of_mcp() {
    let scratch = Rig::get().scratch();
    for (editing, code) in [
        ("f() { sed -i s/1.4/1.5/ \"$1\"; kill -9 $$; }; f", Some(1)),
        ("f() { sed -i s/1.4/1.5/ \"$1\"; exit 3; }; f", Some(1)),
        ("f() { sed -i s/1.4/1.5/ \"$1\"; kill -9 $PPID; }; f", None),
    ] {
        scratch.write("servers.yaml", COMMENTED);
        let mut command = scratch.mcp(&["edit", "finance"]);
        let output = command.env("EDITOR", editing).output().unwrap();
        assert_eq!(output.status.code(), code, "{editing}: {output:?}");
        assert_eq!(scratch.read("servers.yaml"), COMMENTED, "{editing}");
        assert_eq!(drafts(&scratch).len(), 2, "{editing}: the draft and its base");
        editor(&scratch, "true", &["edit", "finance", "--yes"]).code(0);
        assert_eq!(scratch.read("servers.yaml"), COMMENTED.replace("1.4", "1.5"), "{editing}");
        assert_eq!(drafts(&scratch), Vec::<String>::new(), "{editing}");
    }
}

#[test]
fn a_change_of_other_lines_made_meanwhile_is_merged() {
    let scratch = Rig::get().scratch();
    scratch.write("servers.yaml", COMMENTED);
    let file = scratch.path().join("servers.yaml");
    let meanwhile = format!("echo '# theirs' >> {}; sed -i s/1.4/1.5/", file.display());
    editor(&scratch, &meanwhile, &["edit", "finance"]).code(0).err("both changes");
    assert_eq!(scratch.read("servers.yaml"), format!("{}# theirs\n", COMMENTED.replace("1.4", "1.5")));
    assert_eq!(drafts(&scratch), Vec::<String>::new());
}

#[test]
fn a_change_of_the_same_line_made_meanwhile_keeps_the_draft_and_the_next_edit_has_both() {
    let scratch = Rig::get().scratch();
    scratch.write("servers.yaml", COMMENTED);
    let file = scratch.path().join("servers.yaml");
    let meanwhile = format!("sed -i s/1.4/1.6/ {}; sed -i s/1.4/1.5/", file.display());
    let said = editor(&scratch, &meanwhile, &["edit", "finance"]).code(1);
    assert!(std::fs::read_to_string(kept(&said)).unwrap().contains("finance:1.5"));
    assert_eq!(scratch.read("servers.yaml"), COMMENTED.replace("1.4", "1.6"));
    // Both between markers, which are not YAML: it cannot be written by mistake.
    editor(&scratch, "true", &["edit", "finance", "--yes"]).code(2).err("<<<<<<<");
    let both = "f() { grep -q finance:1.5 \"$1\" && grep -q finance:1.6 \"$1\" && \
                sed -i -e '/^<<<<<<</d' -e '/^=======/,/^>>>>>>>/d' \"$1\"; }; f";
    editor(&scratch, both, &["edit", "finance", "--yes"]).code(0);
    assert_eq!(scratch.read("servers.yaml"), COMMENTED.replace("1.4", "1.5"));
}

#[test]
fn a_full_disk_keeps_the_draft() {
    let scratch = Rig::get().scratch();
    let disk = scratch.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mount = |words: &[&str]| {
        assert!(std::process::Command::new(words[0]).args(&words[1..]).arg(&disk).status().unwrap().success());
    };
    mount(&["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs"]);
    let big = format!("{COMMENTED}{}", "# padding\n".repeat(800));
    std::fs::write(disk.join("hosts.yaml"), scratch.hosts_yaml()).unwrap();
    std::fs::write(disk.join("servers.yaml"), &big).unwrap();
    let edit = |editing: &str, more: &[&str]| {
        let mut command = Rig::get().mcp();
        run({
            command.arg("-C").arg(&disk).args(["edit", "finance"]).args(more).env("EDITOR", editing);
            command
        })
    };
    let fills =
        format!("f() {{ sed -i s/1.4/1.5/ \"$1\"; cat /dev/zero >{}/fill 2>/dev/null; :; }}; f", disk.display());
    let said = edit(&fills, &[]);
    let (left, draft) = (std::fs::read_to_string(disk.join("servers.yaml")), std::fs::read_to_string(kept(&said)));
    std::fs::remove_file(disk.join("fill")).unwrap();
    let again = edit("true", &["--yes"]);
    let written = std::fs::read_to_string(disk.join("servers.yaml"));
    mount(&["umount"]);
    assert_eq!(said.code(1).err("No space left").code, 1);
    assert_eq!((left.unwrap(), draft.unwrap()), (big.clone(), big.replace("1.4", "1.5")));
    again.code(0);
    assert_eq!(written.unwrap(), big.replace("1.4", "1.5"));
}

/// `mcp` on a terminal of its own, with `typed` as what is typed at it.
fn on_a_terminal(scratch: &Scratch<'_>, editing: &str, typed: &str, arguments: &[&str]) -> String {
    let mcp = scratch.mcp(arguments);
    let words: Vec<String> = std::iter::once(mcp.get_program())
        .chain(mcp.get_args())
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let mut command = std::process::Command::new("script");
    command.args(["-qec", &words.join(" "), "/dev/null"]).current_dir(scratch.path()).env("EDITOR", editing);
    command.env("TERM", "dumb").stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), typed.as_bytes()).unwrap();
    String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned()
}

#[test]
fn a_no_at_the_question_keeps_the_draft_and_a_no_to_the_draft_leaves_it() {
    let scratch = Rig::get().scratch();
    scratch.write("servers.yaml", COMMENTED);
    let wrong = "sed -i s/command:/comand:/";
    let said = on_a_terminal(&scratch, wrong, "n\n", &["edit", "finance"]);
    assert!(said.contains("edit again?") && said.contains("the draft is kept: "), "{said}");
    assert_eq!(drafts(&scratch), [".servers.draft-1.base", ".servers.draft-1.yaml"]);
    let said = on_a_terminal(&scratch, "true", "n\n", &["edit", "finance"]);
    assert!(said.contains("continue with it?") && said.contains("nothing was changed"), "{said}");
    assert_eq!(drafts(&scratch), [".servers.draft-1.yaml"], "it stays, and is not offered again");
    let said = on_a_terminal(&scratch, "true", "", &["edit", "finance"]);
    assert!(!said.contains("continue with it?"), "{said}");
    assert_eq!(scratch.read("servers.yaml"), COMMENTED);
}

#[test]
fn an_edit_by_flags_prints_what_it_changed_and_asks_for_a_restart_only_when_the_command_is_another() {
    let scratch = Rig::get().scratch();
    scratch.write("servers.yaml", COMMENTED);
    let json =
        |arguments: &[&str]| run(scratch.mcp(&[&["edit", "finance", "--json"], arguments].concat())).code(0).json();
    let said = json(&["--priority", "5"]);
    assert_eq!((&said["changed"], &said["restart"]), (&serde_json::json!(["priority"]), &false.into()));
    let said = json(&["--command", "docker run -d --name finance acme/finance:2", "--priority", "5"]);
    assert_eq!((&said["changed"], &said["restart"]), (&serde_json::json!(["command"]), &true.into()));
    assert_eq!(json(&["--priority", "5"])["changed"], serde_json::json!([]));
    let said = run(scratch.mcp(&["edit", "finance", "--priority", "6"])).code(0).err("priority: 5 → 6");
    assert!(!said.err.contains("restart"), "{said}");
}

#[test]
fn an_edit_does_not_orphan_what_runs() {
    let scratch = Rig::get().scratch();
    let name = scratch.name("it");
    let first = scratch.docker_run("it", "", "");
    run(scratch.mcp(&["add", &name, "--host", "edge-1", "--start", "--command", &first])).code(0);
    let before = scratch.read("servers.yaml");
    let renamed = scratch.docker_run("other", "", "");
    let refused = [vec!["edit", &name, "--command", &renamed], vec!["edit", &name, "--host", "edge-2"]];
    for words in &refused {
        run(scratch.mcp(words)).code(1).err(&format!("{name}@edge-1")).err("mcp stop").err("--yes");
        assert_eq!(scratch.read("servers.yaml"), before);
    }
    run(scratch.mcp(&["edit", &name, "--host", "edge-2", "--yes"])).code(0);
    // What was left behind then is not left behind by the next edit.
    run(scratch.mcp(&["edit", &name, "--priority", "3"])).code(0);
    run(scratch.mcp(&["edit", &name, "--host", "edge-1"])).code(0);
    run(scratch.mcp(&["stop", &name])).code(0);
    run(scratch.mcp(&refused[1])).code(0);
}

#[test]
fn a_clash_is_refused_whichever_of_the_two_stands_first() {
    let scratch = Rig::get().scratch();
    let [first, last] = ["first", "last"].map(|name| scratch.name(name));
    let port = scratch.port();
    let publish = format!("-p 127.0.0.1:{port}:8080");
    for (name, short, host) in [(&first, "first", "edge-1"), (&last, "last", "edge-2")] {
        run(scratch.mcp(&["add", name, "--host", host, "--command", &scratch.docker_run(short, &publish, "")])).code(0);
    }
    for (name, host) in [(&first, "edge-2"), (&last, "edge-1")] {
        run(scratch.mcp(&["edit", name, "--host", host])).code(2).err(&port.to_string());
    }
    let taken = scratch.docker_run("last", "", "");
    run(scratch.mcp(&["edit", &last, "--host", "edge-1", "--command", &taken])).code(0);
    run(scratch.mcp(&["edit", &first, "--command", &taken])).code(2).err(&last);
    run(scratch.mcp(&["check"])).code(0);
    // A file that has a clash already can still be edited, and mended.
    let text = scratch.read("servers.yaml");
    scratch.write("servers.yaml", &text.replace(&format!("--name {first}"), &format!("--name {last}")));
    run(scratch.mcp(&["check"])).code(2);
    let good = scratch.docker_run("first", "", "");
    run(scratch.mcp(&["edit", &first, "--command", &good])).code(0);
    run(scratch.mcp(&["check"])).code(0);
}

#[test]
fn a_value_that_is_taken_away_leaves_its_default() {
    let scratch = Rig::get().scratch();
    let command = "docker run -d --name finance -p 7010:80 acme/finance";
    let more = ["--stop", "docker kill finance", "--port", "9000", "--priority", "4"];
    run(scratch.mcp(&[&["add", "finance", "--host", "edge-1", "--command", command][..], &more].concat())).code(0);
    run(scratch.mcp(&["edit", "finance", "--unset", "stop", "--unset", "port", "--unset", "priority"])).code(0);
    let file = scratch.read("servers.yaml");
    assert!(!file.contains("stop:") && !file.contains("port:") && !file.contains("priority:"), "{file}");
    let page = run(scratch.mcp(&["get", "finance", "--json"])).code(0).json();
    assert_eq!((&page[0]["stop"], &page[0]["port"]), (&"docker stop finance".into(), &7010.into()));
}
