//! The bounded, deterministic run: each target is given its corpus, mutations of it, and shapes that are known to hurt readers.
//!
//! Boundary: tests only; no clock is read, a target that never ends is ended by whoever runs the tests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::path::PathBuf;

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::{TARGETS, Target};

/// Mutated inputs per target, where `MCP_FUZZ_CASES` does not set another number.
const CASES: u32 = 200;

fn cases() -> u32 {
    std::env::var("MCP_FUZZ_CASES").map_or(CASES, |number| number.parse().unwrap())
}

/// Words that mean something to at least one reader.
const WORDS: [&str; 48] = [
    "\n",
    "\0",
    "\r\n",
    "\t",
    " ",
    ":",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "[1:9]",
    "[a-c]",
    "*a",
    "&a ",
    "<<: ",
    "!!binary ",
    "'",
    "\"",
    "\\",
    "`",
    "$(",
    "${A}",
    "#",
    ",",
    "=",
    "%h",
    "%",
    "~",
    "|1|",
    "@revoked ",
    "-----BEGIN ",
    "Include *",
    "Match host ",
    "\u{1b}[31m",
    "\u{202e}",
    "\u{feff}",
    "\u{0}\u{0}\u{0}\u{1}",
    "mcp-0f 1 begin\n",
    "mcp-0f 1 end 0\n",
    "mcp-0f done",
    "\u{1e}f0:0\n",
    "9223372036854775808",
    "-1",
    "1e999",
    "null",
    "--",
    "é\u{301}🙂",
];

/// One change of an input.
#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Insert(Index, &'static str),
    Remove(Index, usize),
    Repeat(Index, usize, usize),
    Splice(Index, Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), 1..=255u8).prop_map(|(at, bits)| Change::Flip(at, bits)),
        (any::<Index>(), select(&WORDS[..])).prop_map(|(at, word)| Change::Insert(at, word)),
        (any::<Index>(), 1..40usize).prop_map(|(at, count)| Change::Remove(at, count)),
        (any::<Index>(), 1..40usize, 1..20usize).prop_map(|(at, count, times)| Change::Repeat(at, count, times)),
        (any::<Index>(), any::<Index>(), 1..200usize).prop_map(|(at, from, count)| Change::Splice(at, from, count)),
    ]
}

fn changed(mut input: Vec<u8>, changes: &[Change], all: &[u8]) -> Vec<u8> {
    for change in changes {
        let part = |bytes: &[u8], at: &Index, count: usize| {
            let begin = at.index(bytes.len() + 1);
            begin..(begin + count).min(bytes.len())
        };
        match change {
            Change::Flip(at, bits) if !input.is_empty() => {
                let at = at.index(input.len());
                input[at] ^= bits;
            }
            Change::Flip(..) => {}
            Change::Insert(at, word) => {
                let at = at.index(input.len() + 1);
                input.splice(at..at, word.bytes());
            }
            Change::Remove(at, count) => {
                input.drain(part(&input, at, *count));
            }
            Change::Repeat(at, count, times) => {
                let range = part(&input, at, *count);
                let more = input[range.clone()].repeat(*times);
                input.splice(range.end..range.end, more);
            }
            Change::Splice(at, from, count) => {
                let other = all[part(all, from, *count)].to_vec();
                let at = at.index(input.len() + 1);
                input.splice(at..at, other);
            }
        }
    }
    input
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let files = std::fs::read_dir(&directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} has no input", directory.display());
    files.into_iter().map(|file| (file.clone(), std::fs::read(file).unwrap())).collect()
}

fn target(name: &str) -> Target {
    TARGETS.iter().find(|(known, _)| *known == name).unwrap().1
}

fn replay(name: &str) {
    let (target, corpus) = (target(name), corpus(name));
    for (file, input) in &corpus {
        // A panic alone would not say which input it was.
        let held = std::panic::catch_unwind(|| target(input));
        assert!(held.is_ok(), "{} does not hold", file.display());
    }
    let all = corpus.iter().flat_map(|(_, input)| input.clone()).collect::<Vec<u8>>();
    let seeds: Vec<Vec<u8>> = corpus.into_iter().map(|(_, input)| input).collect();
    let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let held = runner.run(&(select(seeds), vec(change(), 1..6)), |(seed, changes)| {
        target(&changed(seed, &changes, &all));
        Ok(())
    });
    held.unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// Shapes of 64 KiB that make a reader slow, deep or large when it has no bound.
fn hurtful() -> Vec<Vec<u8>> {
    const SIZE: usize = 64 * 1024;
    let filled = |unit: &str| unit.bytes().cycle().take(SIZE).collect::<Vec<u8>>();
    let units = [
        "a",
        " ",
        "\n",
        "\0",
        "[",
        "{",
        "- ",
        "? ",
        "'",
        "\"",
        "\\",
        "*",
        "&a ",
        "!",
        "a: ",
        "a:\n ",
        "[1:9]",
        "a,",
        ",",
        "#",
        "%h",
        "$(",
        "${",
        "\u{1b}",
        "\u{202e}",
        "\u{ff}",
        "\u{301}",
        "{\"a\":",
        "[[",
        "a=",
        "-",
        "--a ",
        "a b ",
        "Host a\n",
        "Include *\n",
        "\u{1e}f0:",
        "|1|",
        "a@",
        "!a:",
        "&",
        "mcp-0f 1 begin\n",
        "a: &a [*a]\n",
        "9",
    ];
    let mut all: Vec<Vec<u8>> = units.iter().map(|unit| filled(unit)).collect();
    let long = "a".repeat(SIZE - 100);
    all.push(format!("version: 1\nhosts: {{'{long}[1:99999]': {{}}}}\n").into_bytes());
    all.push(format!("version: 1\nhosts: {{'[{}1:99999]': {{}}}}\n", "0".repeat(SIZE - 100)).into_bytes());
    all.push(format!("[a]\n{long}[1:99999]\n").into_bytes());
    all.push(format!("{long}[1:99999]").into_bytes());
    all.push(format!("docker run {} x", "-v ".repeat(SIZE / 4)).into_bytes());
    let bomb: String = (1..60).map(|n| format!("a{n}: &a{n} [*a{m},*a{m},*a{m},*a{m}]\n", m = n - 1)).collect();
    all.push(format!("version: 1\na0: &a0 [x]\n{bomb}hosts: {{}}\n").into_bytes());
    all
}

macro_rules! replays {
    ($($name:ident)*) => {
        /// The targets that have a test below.
        const REPLAYED: &[&str] = &[$(stringify!($name)),*];
        $(
            mod $name {
                #[test]
                fn holds_for_its_corpus_and_mutations_of_it() {
                    super::replay(stringify!($name));
                }

                #[test]
                fn ends_on_what_hurts_readers_without_bounds() {
                    for input in super::hurtful() {
                        super::target(stringify!($name))(&input);
                    }
                }
            }
        )*
    };
}

replays! {
    ansible_ini ansible_json ansible_yaml certificate docker_answers docker_gpu docker_inspect docker_stats edit_hosts edit_servers end_mark
    hosts_yaml journal kept_frames known_hosts leases patterns presence private_keys registered run_string sanitise secrets sections servers_yaml shell_words
    ssh_config state_yaml
}

#[test]
fn every_target_is_replayed() {
    let targets: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(targets, REPLAYED);
}
