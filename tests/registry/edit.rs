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
    editor(&scratch, "sed -i s/finance:1.4/finance:1.5/", &["edit", "finance"]).code(0).err("mcp restart");
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

#[test]
fn a_change_by_somebody_else_meanwhile_is_not_overwritten() {
    let scratch = Rig::get().scratch();
    scratch.write("servers.yaml", COMMENTED);
    let file = scratch.path().join("servers.yaml");
    let meanwhile = format!("echo '# theirs' >> {}; sed -i s/1.4/1.5/", file.display());
    editor(&scratch, &meanwhile, &["edit", "finance"]).code(1).err("somebody else").err("edit again");
    assert_eq!(scratch.read("servers.yaml"), format!("{COMMENTED}# theirs\n"));
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
    run(scratch.mcp(&["stop", &name])).code(0);
    run(scratch.mcp(&refused[1])).code(0);
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
