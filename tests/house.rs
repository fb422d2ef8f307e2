//! The house holds: each floor knows only the floors below it, and what belongs in one place is in one place.
//!
//! Boundary: reads the sources as text. The table below is the one in docs/architecture.md; change both in one commit, with
//! the reason.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// A floor and the floors it may name. `domain` and `error` may be named by all.
const FLOORS: [(&str, &[&str]); 10] = [
    ("domain", &[]),
    ("error", &[]),
    ("docker", &[]),
    ("config", &[]),
    // Scripts quote with docker's one quoting function.
    ("transport", &["docker"]),
    ("fleet", &["transport"]),
    ("operations", &["config", "docker", "fleet", "transport"]),
    // Reports and events come in; YAML is written where all YAML is.
    ("render", &["operations", "fleet", "config"]),
    // The wiring of the real transport is commands::app; arguments of the command line are cli's.
    ("commands", &["operations", "render", "config", "fleet", "transport", "cli"]),
    ("cli", &["commands", "render"]),
];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(directory: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = vec![];
    walk(&root, &mut found);
    assert!(found.len() > 50, "only {} sources found", found.len());
    found.into_iter().map(|(path, text)| (path.strip_prefix(&root).unwrap().to_owned(), text)).collect()
}

fn floor(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// Code without comments: what a comment says binds nobody.
fn code(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The floors that `text` names: `crate::x`, the members of `use crate::{x::…, y}`, and the same by enough `super`s to
/// leave a file that is `depth` modules below the crate's root.
fn named(text: &str, depth: usize) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        found.extend(first_words(&text[at + "crate::".len()..]));
    }
    for (at, _) in text.match_indices("super::") {
        let mut rest = &text[at..];
        let mut steps = 0;
        while let Some(next) = rest.strip_prefix("super::") {
            (rest, steps) = (next, steps + 1);
        }
        // A chain's later `super`s are met again as chains of their own, too short to leave the file.
        if steps >= depth {
            found.extend(first_words(rest));
        }
    }
    found
}

/// The first word of a path, or of each member of a group in braces.
fn first_words(path: &str) -> Vec<String> {
    let word = |text: &str| text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let Some(group) = path.strip_prefix('{') else { return vec![word(path)] };
    let (mut depth, mut start, mut words) = (0, 0, vec![]);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                words.push(word(&group[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                words.push(word(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    // A trailing comma ends in a member without a name.
    words.retain(|word: &String| !word.is_empty());
    words
}

#[test]
fn each_floor_knows_only_the_floors_below_it() {
    let floors: BTreeSet<&str> = FLOORS.iter().map(|(name, _)| *name).collect();
    let mut wrong = vec![];
    for (path, text) in sources() {
        let own = floor(&path);
        let Some((_, allowed)) = FLOORS.iter().find(|(name, _)| *name == own) else {
            assert!(matches!(own.as_str(), "lib" | "main" | "fuzzing"), "{} stands on no floor", path.display());
            continue;
        };
        for other in named(&code(&text), path.components().count()) {
            let known = other == own || other == "domain" || other == "error" || allowed.contains(&other.as_str());
            if floors.contains(other.as_str()) && !known {
                wrong.push(format!("{} uses {other}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_reader_of_imports_sees_groups_and_paths() {
    let text = "use crate::{\n    docker::{command, inspect::Container},\n    domain::Host,\n};\nfn f() { crate::fleet::run() }";
    assert_eq!(named(text, 1), ["docker", "domain", "fleet"].map(str::to_owned).into());
}

#[test]
fn the_reader_of_imports_sees_the_last_member_of_a_group_on_one_line() {
    assert_eq!(named("use crate::{config::a_b, fleet};", 1), ["config", "fleet"].map(str::to_owned).into());
}

#[test]
fn the_reader_of_imports_sees_who_leaves_a_floor_by_super() {
    // In src/docker/port.rs the first `super` is docker, the second is the crate.
    let text = "use super::shell; use super::super::{fleet::Fleet, render};";
    assert_eq!(named(text, 2), ["fleet", "render"].map(str::to_owned).into());
    assert_eq!(named("use super::transport::Remote;", 1), ["transport".to_owned()].into());
}

#[test]
fn the_table_in_the_documentation_is_the_one_that_is_tested() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md")).unwrap();
    for (name, allowed) in FLOORS {
        let row = text.lines().find(|l| l.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/architecture.md has no row for {name}"));
        let cell = row.split('|').nth(2).unwrap().trim();
        let documented: BTreeSet<&str> = cell.split(", ").filter(|w| *w != "–").collect();
        assert_eq!(documented, allowed.iter().copied().collect(), "{row}");
    }
}

/// `needle` stands in code only below one of `places`.
fn only_in(needle: &str, places: &[&str]) {
    let found: Vec<String> = sources()
        .into_iter()
        .filter(|(path, text)| code(text).contains(needle) && !places.iter().any(|p| path.starts_with(p)))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(found.is_empty(), "{needle} stands in {found:#?}");
}

#[test]
fn only_render_writes_to_the_terminal() {
    for needle in ["println!", "eprintln!", " print!(", "io::stdout", "io::stderr", "Term::std"] {
        only_in(needle, &["render"]);
    }
}

#[test]
fn bytes_meet_ssh_in_one_place() {
    only_in("ssh2::", &["transport/ssh.rs", "transport/ssh"]);
}

#[test]
fn unsafe_code_stays_in_one_small_file_and_says_why_it_is_sound() {
    let place = "transport/ssh/signing/callback.rs";
    for needle in ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "(unsafe_code", "(unsafe("] {
        only_in(needle, &[place]);
    }
    let (_, text) = sources().into_iter().find(|(path, _)| path.ends_with(place)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() < 150, "{place} is to stay small");
    for (number, line) in lines.iter().enumerate().filter(|(_, line)| line.contains("unsafe {")) {
        let before = lines[..number].iter().rev().take_while(|line| line.trim_start().starts_with("//"));
        let reason = before.into_iter().any(|line| line.contains("// SAFETY: "));
        assert!(reason, "{place}:{}: no reason stands before {line:?}", number + 1);
    }
}

#[test]
fn yaml_stays_behind_config() {
    for needle in ["serde_yaml::", "yaml_edit::", "saphyr_parser::"] {
        only_in(needle, &["config.rs", "config"]);
    }
}

#[test]
fn words_are_quoted_in_one_file() {
    for needle in ["try_quote", "try_join", "Quoter", "fn quote("] {
        only_in(needle, &["docker/shell.rs", "docker/shell"]);
    }
}

#[test]
fn clap_stays_at_the_command_line() {
    // Format is an argument and what render obeys; a second enum would only repeat it.
    only_in("clap::", &["cli.rs", "cli", "commands.rs", "commands", "render/ui.rs"]);
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<PathBuf> = sources()
        .into_iter()
        // A file of tests is named by the file it tests.
        .filter(|(path, _)| !path.ends_with("tests.rs"))
        .filter(|(_, text)| !text.lines().take(3).any(|l| l.starts_with("//! ")))
        .map(|(path, _)| path)
        .collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn the_tests_that_the_security_page_goes_by_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let is_name =
        |word: &&str| word.contains('_') && word.chars().all(|c| c.is_ascii_lowercase() || "_0123456789".contains(c));
    // Keys of files have an underscore as well, but not three.
    let named: BTreeSet<&str> =
        page.split('`').skip(1).step_by(2).filter(is_name).filter(|word| word.matches('_').count() > 2).collect();
    assert!(named.len() > 30, "{named:?}");
    let mut code: String = sources().into_iter().map(|(_, text)| text).collect();
    let mut directories = vec![root.join("tests")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                directories.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                code += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    let missing: Vec<&str> = named.into_iter().filter(|name| !code.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
