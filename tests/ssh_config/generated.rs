//! Generated files, held against `ssh -G` as the fixtures are.

use std::{cell::Cell, fs};

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::compare::{self, Asked, Outcome};

/// How many files; each is asked for two hosts.
const FILES: u32 = 250;

/// A line that may stand anywhere. A comment after `ProxyJump none` is left out: to OpenSSH 9.2 it makes a host of `none`. Of what is refused there is one kind only, since the order of refusals is not `ssh -G`'s.
fn line() -> impl Strategy<Value = String> {
    let name = "(web|db|web-1|Web|10\\.0\\.0\\.1|w\\*|\\*|!db|w?b|!web-1|\"web\"|db,web)";
    let argument = |pattern: &str| proptest::string::string_regex(pattern).unwrap();
    let keyword = prop_oneof![
        (Just("Host"), argument(&format!("{name}( {name}){{0,2}}"))),
        (
            Just("Match"),
            argument(&format!(
                "(all|final|!final|canonical|host {name}|originalhost {name}|!host {name}|user (ann|\\*|!ann,\\*)|host {name} user ann|\
                 final host {name}|localuser (root|x)|!localuser x)( # note)?"
            ))
        ),
        (Just("HostName"), argument("(%h|x-%h|A\\.example\\.org|10\\.0\\.0\\.2|%%)(\\.org)?")),
        (Just("User"), argument("(ann|bob|\"c d\"|e\\\\ f)")),
        (Just("Port"), argument("[1-9][0-9]{0,3}|0|70000")),
        (Just("IdentityFile"), argument("(~/k|/k1|none|\"/k 2\"|/k%h)")),
        (Just("CertificateFile"), argument("(~/c|/c1|'/c 2')")),
        (Just("IdentitiesOnly"), argument("(yes|no|True)")),
        (Just("IdentityAgent"), argument("(none|~/agent|/a-%h|SSH_AUTH_SOCK)")),
        (Just("ProxyJump"), argument("(none|(gate|u@gate:22|a,b|ssh://u@gate:2|\\[::1\\]:22)( # note)?)")),
        (Just("UserKnownHostsFile"), argument("(none|/u1 /u2|~/u-%n|\"/u 3\")")),
        (Just("GlobalKnownHostsFile"), argument("(none|/g1 /g2)")),
        (Just("StrictHostKeyChecking"), argument("(yes|no|ask|accept-new|OFF)")),
        (Just("ConnectTimeout"), argument("(none|[1-9]{1,2}|1m|2h5s)")),
        (Just("HostKeyAlias"), argument("(Alias|other)")),
        (Just("HashKnownHosts"), argument("(yes|no)")),
        (Just("ProxyCommand"), argument("(none|nc %h %p)")),
        (Just("LogLevel"), argument("(ERROR|INFO)")),
        (Just("IgnoreUnknown"), argument("(odd|o\\*)")),
    ];
    let between = argument("( |=|  |\t| = )");
    let written = (argument("( |  |\t)?"), keyword, between, argument("( ?|\r)")).prop_map(
        |(before, (keyword, argument), between, after)| format!("{before}{keyword}{between}{argument}{after}"),
    );
    prop_oneof![
        40 => written,
        1 => Just("# note".to_owned()),
        1 => Just(String::new()),
        1 => Just("Odd yes".to_owned()),
    ]
}

#[test]
fn generated_files_mean_what_they_mean_to_ssh() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config");
    let (same, refused, broken) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let count = |figure: &Cell<u32>| figure.set(figure.get() + 1);
    // The same files every time: what fails here fails for everybody.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = Config { cases: FILES, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new_with_rng(config, rng).run(&prop::collection::vec(line(), 1..14), |lines| {
        fs::write(&path, lines.join("\n")).unwrap();
        for asked in ["web", "ann@db:9"].map(Asked::parse) {
            match compare::compare_files(&path, &path, &asked, false) {
                Ok(Outcome::Same | Outcome::NotKnownToThisSsh) => count(&same),
                Ok(Outcome::Refused) => count(&refused),
                Ok(Outcome::Broken) => count(&broken),
                Err(difference) => return Err(TestCaseError::fail(format!("{asked:?}\n{difference}"))),
            }
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}\n{}", fs::read_to_string(&path).unwrap());
    }
    let (same, refused, broken) = (same.get(), refused.get(), broken.get());
    println!("{FILES} files: {same} the same, {refused} refused, {broken} broken");
    assert!(same > 150, "only {same} were the same: the rest tells little");
}
