//! What the verbs are about, and what they say when it is nothing.

use super::{entry, register};
use crate::{
    rig::{Rig, Scratch},
    said::run,
};

fn three(scratch: &Scratch<'_>) {
    let entries = [
        entry(scratch, "a", "edge-1", &scratch.docker_run("a", "", ""), "    tags: [night]\n"),
        entry(scratch, "b", "@demo", &scratch.docker_run("b", "", ""), ""),
        entry(scratch, "c", "edge-2", &scratch.docker_run("c", "", ""), "    enabled: false\n"),
    ];
    register(scratch, &entries);
}

#[test]
fn nothing_selected_is_an_error_and_all_must_be_said() {
    let scratch = Rig::get().scratch();
    three(&scratch);
    for verb in ["start", "stop", "restart"] {
        run(scratch.mcp(&[verb])).code(2).err("nothing is selected").err("--all");
        run(scratch.mcp(&[verb, "--all", &scratch.name("a")])).code(2);
        run(scratch.mcp(&[verb, &scratch.name("aa")])).code(2).err("did you mean");
        run(scratch.mcp(&[verb, "--all", "--on", "edge-9"])).code(2).err("edge-9");
    }
}

#[test]
fn names_tags_patterns_and_disabled_servers_select_as_documented() {
    let scratch = Rig::get().scratch();
    three(&scratch);
    let planned = |arguments: &[&str]| -> Vec<String> {
        let said = run(scratch.mcp(&[&["stop", "--dry-run", "--json"], arguments].concat())).code(0);
        let steps = said.json();
        let names = steps.as_array().unwrap().iter().filter_map(|s| s["instance"].as_str());
        names.map(|n| n.trim_start_matches(&scratch.name("")).to_owned()).collect()
    };
    assert_eq!(planned(&["--all"]), ["a@edge-1", "b@edge-1", "b@edge-2", "b@edge-3"]);
    assert_eq!(planned(&["--tag", "night"]), ["a@edge-1"]);
    assert_eq!(planned(&["--all", "--on", "@demo,!edge-1"]), ["b@edge-2", "b@edge-3"]);
    assert_eq!(planned(&[&scratch.name("c")]), ["c@edge-2"]);
    assert_eq!(planned(&[&format!("{}@edge-3", scratch.name("b"))]), ["b@edge-3"]);
    assert_eq!(planned(&[&scratch.name("*"), "--on", "edge-2"]), ["b@edge-2"]);
}
