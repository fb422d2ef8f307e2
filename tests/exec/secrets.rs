//! What the process that keeps sessions holds of the secrets that opened them: nothing.
//!
//! Its memory is read as a core dump would have it, freed memory and old stacks included.

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::fs::FileExt,
    path::Path,
    process::{Command, Stdio},
};

use memchr::memmem;
use ssh_key::{PrivateKey, private::KeypairData};

use crate::{around::on_terminal, fleet::Fleet, keeping::Keeping};

/// Far more entropy than a process could hold by chance, also in each of its parts; and long, so that text that grows is moved often.
const PASSPHRASE: &str = "Wm4tQz8Lr2Xc7Vn5Kp9Jd3Hs6Gf1BbYk0PwTe5Ru8Io2Ax6Sy9Dq4Fj7Gh1ZlCv3Nm5Mk8Bb";

/// So many bytes of a secret are one too many.
const PART: usize = 16;

const PAGE: usize = 4096;

/// A key of the fleet's directory that all hosts take, and what is secret about it.
struct Key {
    name: &'static str,
    secrets: Vec<(String, Vec<u8>)>,
}

impl Key {
    /// A key of a type that `ssh-keygen` knows; then `finish` is what it does to the file.
    fn make(fleet: &Fleet, name: &'static str, kind: &str, finish: &[&str]) -> Self {
        let mut tries = 0;
        let (path, mut secrets) = loop {
            let path = fleet.sshd.authorize(name, kind, "");
            if let Some(secrets) = numbers(&path) {
                break (path, secrets);
            }
            tries += 1;
            assert!(tries < 4, "no key of {kind} can be read");
            [path.clone(), path.with_extension("pub")].iter().for_each(|file| fs::remove_file(file).unwrap());
        };
        if !finish.is_empty() {
            let mut command = Command::new("ssh-keygen");
            assert!(command.args(["-q", "-p", "-f"]).arg(&path).args(finish).status().unwrap().success());
        }
        let text = fs::read_to_string(&path).unwrap();
        let body: String = text.lines().filter(|line| !line.contains([' ', ':'])).collect();
        secrets.extend(parts("text", body.as_bytes()));
        if finish.contains(&PASSPHRASE) {
            secrets.extend(PASSPHRASE.as_bytes().chunks_exact(8).map(|part| ("passphrase".to_owned(), part.to_vec())));
        }
        Self { name, secrets }
    }
}

/// The private numbers of a key without a passphrase, as they are written and as OpenSSL computes with them; `None` when ssh-key does
/// not read it: an ECDSA key of which the first byte is zero, one in 256.
fn numbers(path: &Path) -> Option<Vec<(String, Vec<u8>)>> {
    // ssh-key does not read the older formats.
    let copy = path.with_extension("copy");
    fs::copy(path, &copy).unwrap();
    let mut command = Command::new("ssh-keygen");
    assert!(
        command
            .args(["-q", "-p", "-P", "", "-N", "", "-f"])
            .arg(&copy)
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    let key = PrivateKey::read_openssh_file(&copy);
    fs::remove_file(copy).unwrap();
    let key = key.ok()?;
    let numbers: Vec<(&str, Vec<u8>)> = match key.key_data() {
        KeypairData::Ed25519(pair) => vec![("seed", pair.private.to_bytes().to_vec())],
        KeypairData::Ecdsa(pair) => vec![("scalar", pair.private_key_bytes().to_vec())],
        KeypairData::Rsa(pair) => {
            let positive = |number: &ssh_key::Mpint| number.as_positive_bytes().unwrap().to_vec();
            let private = &pair.private;
            vec![("d", positive(&private.d)), ("p", positive(&private.p)), ("q", positive(&private.q))]
        }
        other => panic!("{other:?}"),
    };
    let both_ways = numbers.into_iter().flat_map(|(name, number)| {
        let reversed: Vec<u8> = number.iter().rev().copied().collect();
        [parts(name, &number), parts(&format!("{name}, little-endian"), &reversed)].concat()
    });
    Some(both_ways.collect())
}

fn parts(name: &str, secret: &[u8]) -> Vec<(String, Vec<u8>)> {
    assert!(secret.len() >= PART);
    secret.chunks_exact(PART).map(|part| (name.to_owned(), part.to_vec())).collect()
}

/// All memory of a process that can be written to, but for pages that are empty.
fn memory(pid: u64) -> Vec<(String, Vec<u8>)> {
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut found = vec![];
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (range, _) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        memory.read_exact_at(&mut bytes, start).unwrap();
        let used = bytes.chunks(PAGE).filter(|page| *page != [0; PAGE]);
        found.push((line.to_owned(), used.collect::<Vec<_>>().concat()));
    }
    found
}

/// Where `secrets` are found in `memory`.
fn found(memory: &[(String, Vec<u8>)], secrets: &[(String, Vec<u8>)]) -> Vec<String> {
    let mut found = vec![];
    for (name, part) in secrets {
        let finder = memmem::Finder::new(part);
        for (line, bytes) in memory {
            found.extend(finder.find_iter(bytes).map(|at| format!("{name} in used page {} of {line}", at / PAGE)));
        }
    }
    found
}

/// The process that keeps the sessions of a run that logged in with `key`, on several hosts at once.
fn keeper(keeping: &Keeping, key: &Key) -> u64 {
    keeping.mcp(&["sessions", "close", "--all"]);
    let hosts = keeping.fleet.sshd.path("workspace/hosts.yaml");
    let text = fs::read_to_string(&hosts).unwrap();
    let (before, rest) = text.split_once("identity_file: ../").unwrap();
    let (_, after) = rest.split_once(',').unwrap();
    fs::write(&hosts, format!("{before}identity_file: ../{},{after}", key.name)).unwrap();
    let run = keeping.command("60", &["exec", "h-000[1:6]", "--", "true"]);
    if key.secrets.iter().any(|(name, _)| name == "passphrase") {
        answer(&run)
    } else {
        drop(crate::said::run(run).code(0))
    };
    let rows = keeping.mcp(&["sessions", "list", "-o", "json"]).code(0).json();
    assert_eq!(rows.as_array().unwrap().len(), 6, "{}", key.name);
    rows[0]["keeper"].as_u64().unwrap()
}

/// Runs a command on a terminal and types the passphrase.
fn answer(run: &Command) {
    let mut child = on_terminal(Command::new("script"), "", run).spawn().unwrap();
    let (mut input, mut out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut seen, mut byte) = (vec![], [0]);
    while out.read(&mut byte).unwrap_or(0) == 1 {
        seen.push(byte[0]);
        if seen.ends_with(b"Passphrase for ") {
            // Taken for the wrong one, changed and corrected: what is typed is seen by nobody but the process that is looked at.
            input.write_all(format!("{PASSPHRASE}\x7f\x7fBb\n").as_bytes()).unwrap();
        }
    }
    assert!(child.wait().unwrap().success(), "{}", String::from_utf8_lossy(&seen));
}

#[test]
fn a_keeper_holds_nothing_of_what_its_sessions_were_opened_with() {
    let keeping = Keeping::start();
    let fleet = &keeping.fleet;
    let keys = [
        Key::make(fleet, "plain_ed25519", "ed25519", &[]),
        Key::make(fleet, "plain_ecdsa", "ecdsa", &[]),
        Key::make(fleet, "plain_rsa", "rsa", &[]),
        Key::make(fleet, "pem_ecdsa", "ecdsa-pem", &[]),
        Key::make(fleet, "pem_rsa", "rsa-pem", &[]),
        Key::make(fleet, "pkcs8_rsa", "rsa", &["-m", "PKCS8", "-N", ""]),
        Key::make(fleet, "locked_ed25519", "ed25519", &["-N", PASSPHRASE]),
        Key::make(fleet, "locked_pem_rsa", "rsa-pem", &["-m", "PEM", "-N", PASSPHRASE]),
        Key::make(fleet, "locked_pkcs8_ecdsa", "ecdsa", &["-m", "PKCS8", "-N", PASSPHRASE]),
    ];
    let mut troubles = vec![];
    for key in &keys {
        let keeper = keeper(&keeping, key);
        let memory = memory(keeper);
        let known = [("its directory".to_owned(), keeping.runtime.to_str().unwrap().as_bytes().to_vec())];
        assert!(!found(&memory, &known).is_empty(), "what is there is found");
        troubles.extend(found(&memory, &key.secrets).into_iter().map(|found| format!("{}: {found}", key.name)));
    }
    assert!(troubles.is_empty(), "{troubles:#?}");
}
