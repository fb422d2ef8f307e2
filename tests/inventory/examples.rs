//! Every example of docs/inventory.md is run, and prints what the page says.

use std::{fs, path::Path};

use crate::{Place, said::run};

#[test]
fn the_page_about_inventories_says_what_mcp_prints() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/inventory.md")).unwrap();
    let place = Place::new();
    let mut examples = 0;
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(head) = line.strip_prefix("```").filter(|head| !head.is_empty()) else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match head.split_once(' ') {
            Some(("sh", name)) => drop(place.executable(name, &format!("{}\n", block.join("\n")))),
            Some((_, name)) => drop(place.write(name, &format!("{}\n", block.join("\n")))),
            None => {
                assert_eq!(head, "console");
                let mut rest = block.as_slice();
                while let Some((command, after)) = rest.split_first() {
                    let words = shlex::split(command.strip_prefix("$ mcp ").expect(command)).unwrap();
                    let words: Vec<&str> = words.iter().map(String::as_str).collect();
                    let end = after.iter().position(|line| line.starts_with("$ ")).unwrap_or(after.len());
                    let printed = run(place.mcp(&words)).code(0).out;
                    let printed: Vec<&str> = printed.lines().map(str::trim_end).collect();
                    assert_eq!(printed, after[..end], "{command}");
                    rest = &after[end..];
                    examples += 1;
                }
            }
        }
    }
    assert!(examples >= 7, "only {examples} examples were found");
}
