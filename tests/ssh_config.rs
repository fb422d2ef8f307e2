//! Reading OpenSSH's configuration, held against the real `ssh -G` and `ssh -v`, file by file and host by host.
//!
//! Boundary: `fixtures/ssh_config/*.conf`, each with its hosts in its first line, and generated files. A host gives the same
//! answer as `ssh`, or is refused by the name of what is in effect; a file that `ssh` does not take is not taken here.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "the figures of the comparison are its answer")]

#[path = "ssh_config/compare.rs"]
mod compare;
#[path = "ssh_config/generated.rs"]
mod generated;
#[path = "ssh_config/product.rs"]
mod product;

use std::{fs, path::Path};

use compare::{Asked, Corpus, Outcome};

#[test]
fn every_fixture_means_what_it_means_to_ssh() {
    let corpus = Corpus::new();
    let mut files: Vec<_> = fs::read_dir(corpus.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    files.sort();
    assert!(files.len() >= 80, "only {} files", files.len());
    let (mut pairs, mut same, mut refused, mut broken) = (0, 0, 0, 0);
    let mut wrong = vec![];
    for file in &files {
        for asked in hosts_of(file) {
            pairs += 1;
            match compare::compare(file, &asked) {
                Ok(Outcome::Same) => same += 1,
                Ok(Outcome::Refused) => refused += 1,
                Ok(Outcome::Broken) => broken += 1,
                Ok(Outcome::NotKnownToThisSsh) => {}
                Err(difference) => {
                    let name = file.file_name().unwrap().to_string_lossy().into_owned();
                    wrong.push(format!("{name}, {asked:?}:\n{difference}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {pairs} differ\n{}", wrong.len(), wrong.join("\n"));
    // What is counted is what makes the comparison worth something.
    let figures = format!("{pairs} hosts: {same} the same, {refused} refused, {broken} broken");
    assert!(same > 150 && refused > 10 && broken > 20, "{figures}");
    println!("{} files, {figures}", files.len());
}

#[test]
fn the_comparison_sees_a_difference_in_every_option() {
    for (option, ours, theirs) in [
        ("hostname", "HostName one", "HostName two"),
        ("user", "User one", "User two"),
        ("port", "Port 1", "Port 2"),
        ("identityfile", "IdentityFile one", "IdentityFile two"),
        ("identityfile", "IdentityFile one", "IdentityFile one\nIdentityFile two"),
        ("certificatefile", "CertificateFile one", "CertificateFile two"),
        ("identitiesonly", "IdentitiesOnly yes", "IdentitiesOnly no"),
        ("identityagent", "IdentityAgent /one", "IdentityAgent /two"),
        ("userknownhostsfile", "UserKnownHostsFile /one", "UserKnownHostsFile /two"),
        ("globalknownhostsfile", "GlobalKnownHostsFile /one", "GlobalKnownHostsFile /two"),
        ("stricthostkeychecking", "StrictHostKeyChecking no", "StrictHostKeyChecking accept-new"),
        ("connecttimeout", "ConnectTimeout 1", "ConnectTimeout 2"),
        ("hostkeyalias", "HostKeyAlias one", "HostKeyAlias two"),
        ("hashknownhosts", "HashKnownHosts yes", "HashKnownHosts no"),
        ("proxyjump", "ProxyJump one", "ProxyJump two"),
        ("proxyjump", "ProxyJump one", "ProxyJump none"),
        ("ProxyCommand", "ProxyCommand nc", "ProxyCommand none"),
        ("ProxyCommand", "ProxyCommand none", "ProxyCommand nc"),
        ("BindAddress", "BindAddress ::1", "User one"),
        ("KnownHostsCommand", "User one", "KnownHostsCommand /x"),
        ("no answer", "User one", "Nonsense one"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let (ours, theirs) = (write("ours", ours), write("theirs", theirs));
        let asked = Asked::parse("a");
        let difference = compare::compare_files(&ours, &theirs, &asked, false).unwrap_err();
        assert!(difference.contains(option), "{option}: {difference}");
        assert!(compare::compare_files(&ours, &ours, &asked, false).is_ok(), "{option}");
    }
}

/// The hosts in a fixture's first line.
fn hosts_of(file: &Path) -> Vec<Asked> {
    let text = fs::read_to_string(file).unwrap();
    let line = text.lines().next().unwrap().trim_end();
    line.strip_prefix("# hosts: ").unwrap().split_whitespace().map(Asked::parse).collect()
}
