//! `mcp hosts trust` through the binary, against real sshds with keys of their own.
//!
//! Boundary: what is asked, written and answered; `transport` has what a line of known_hosts means.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "the sshd has more than one user")]

#[path = "support/said.rs"]
mod said;
#[path = "transport/sshd.rs"]
mod sshd;

use std::{
    fs, io,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use said::run;
use serde_json::Value;
use sshd::{Sshd, keygen};
use tempfile::TempDir;

/// A workspace of its own, with no known hosts.
struct Place(TempDir);

impl Place {
    /// With these hosts, each with the keys of its entry.
    fn with(hosts: &[(&str, String)]) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let mut text =
            "version: 1\nssh_config: none\ndefaults: {known_hosts: known_hosts, user: nobody-here}\nhosts:\n"
                .to_owned();
        for (name, keys) in hosts {
            text.push_str(&format!("  {name}: {{{keys}}}\n"));
        }
        fs::write(place.path("hosts.yaml"), text).unwrap();
        place
    }

    /// With these sshds as `names`.
    fn of(sshds: &[(&str, &Sshd)]) -> Self {
        let entry = |sshd: &Sshd| format!("address: {}, port: {}", sshd.address, sshd.port);
        Self::with(&sshds.iter().map(|(name, sshd)| (*name, entry(sshd))).collect::<Vec<_>>())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn known(&self) -> String {
        fs::read_to_string(self.path("known_hosts")).unwrap_or_default()
    }

    /// `mcp hosts trust` in a session without a terminal.
    fn trust(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("setsid");
        command.args(["--wait", env!("CARGO_BIN_EXE_mcp"), "hosts", "trust"]).args(arguments);
        self.settle(&mut command);
        command
    }

    /// The same on a terminal on which somebody types `answer`; everything that is said comes on stdout.
    fn on_terminal(&self, arguments: &str, answer: &str) -> said::Said {
        let mut command = Command::new("script");
        let line = format!("{} hosts trust {arguments}", env!("CARGO_BIN_EXE_mcp"));
        command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        self.settle(&mut command);
        let mut child = command.spawn().unwrap();
        // What is typed early waits in the terminal until it is asked for.
        io::Write::write_all(child.stdin.as_mut().unwrap(), format!("{answer}\n").as_bytes()).unwrap();
        let stdin = child.stdin.take();
        let output = child.wait_with_output().unwrap();
        drop(stdin);
        said::Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::new(),
        }
    }

    fn settle(&self, command: &mut Command) {
        command.current_dir(self.0.path()).env("HOME", self.0.path()).env("NO_COLOR", "1");
        command.env_remove("SSH_AUTH_SOCK").env_remove("MCP_DIR");
    }
}

/// What `ssh-keygen -lf` prints of an sshd's key.
fn printed(sshd: &Sshd, kind: &str) -> String {
    let output = Command::new("ssh-keygen").arg("-lf").arg(sshd.path(&format!("host_{kind}.pub"))).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn fingerprint(sshd: &Sshd, kind: &str) -> String {
    printed(sshd, kind).split(' ').nth(1).unwrap().to_owned()
}

fn outcomes(rows: &Value) -> Vec<&str> {
    rows.as_array().unwrap().iter().map(|row| row["outcome"].as_str().unwrap()).collect()
}

#[test]
fn new_keys_are_shown_and_written_once_and_known_from_then_on() {
    let (one, two) = (Sshd::start(), Sshd::with(&["ecdsa", "rsa"], ""));
    let place = Place::of(&[("web-1", &one), ("web-2", &two)]);
    let said = run(place.trust(&["--yes"])).code(0);
    // The kind that ssh would ask for first.
    for (sshd, kind) in [(&one, "ed25519"), (&two, "ecdsa")] {
        assert!(said.out.contains(&fingerprint(sshd, kind)), "{said}");
        let public = fs::read_to_string(sshd.path(&format!("host_{kind}.pub"))).unwrap();
        let key = public.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let line = format!("[{}]:{} {key}\n", sshd.address, sshd.port);
        assert!(place.known().contains(&line), "{line}\n{}", place.known());
        assert!(!sshd.log().contains("nobody-here"), "the host learnt who asks: {}", sshd.log());
    }
    let before = place.known();
    assert_eq!(before.lines().count(), 2);
    let said = run(place.trust(&[])).code(0).out("web-[1-2] (2)");
    assert!(!said.out.contains("SHA256:"), "there is nothing to compare: {said}");
    assert_eq!(place.known(), before);
    assert_eq!(outcomes(&run(place.trust(&["--json"])).code(0).json()), ["known", "known"]);
}

#[test]
fn without_a_terminal_nothing_is_written_and_stdin_is_no_answer() {
    let sshd = Sshd::start();
    let place = Place::of(&[("web-1", &sshd)]);
    let mut command = place.trust(&[]);
    fs::write(place.path("answers"), "y\ny\n").unwrap();
    command.stdin(fs::File::open(place.path("answers")).unwrap());
    run(command).code(2).out(&fingerprint(&sshd, "ed25519")).err("--yes").err("--expect");
    assert!(!place.path("known_hosts").exists());
    let rows = run(place.trust(&["--dry-run", "--json"])).code(0).json();
    assert_eq!(outcomes(&rows), ["new"]);
    assert!(!place.path("known_hosts").exists());
}

#[test]
fn one_question_is_asked_on_the_terminal_for_all_of_them() {
    let (one, two) = (Sshd::start(), Sshd::start());
    let place = Place::of(&[("web-1", &one), ("web-2", &two)]);
    let said = place.on_terminal("", "n").code(1).out("trust 2 new keys? [y/N]").out("nothing was written");
    assert_eq!(said.out.matches("[y/N]").count(), 1, "{said}");
    assert!(!place.path("known_hosts").exists());
    place.on_terminal("", "yes").code(0).out(&fingerprint(&one, "ed25519")).out(&fingerprint(&two, "ed25519"));
    assert_eq!(place.known().lines().count(), 2);
}

#[test]
fn a_changed_key_is_left_alone_until_it_is_to_be_replaced_and_the_new_one_beside_it_is_not() {
    let (changed, new) = (Sshd::start(), Sshd::start());
    let place = Place::of(&[("old-1", &changed), ("new-1", &new)]);
    keygen(&place.path("stale"), "ed25519", "");
    let stale = fs::read_to_string(place.path("stale.pub")).unwrap();
    let before = format!("# mine\nother,[{}]:{} {stale}", changed.address, changed.port);
    fs::write(place.path("known_hosts"), &before).unwrap();

    let said = run(place.trust(&["--yes"])).code(1).out("CHANGED").err("--replace-changed");
    assert!(said.out.contains(&fingerprint(&changed, "ed25519")) && said.out.contains("known_hosts:2"), "{said}");
    assert_eq!(place.known().lines().count(), 3, "the new one alone was added\n{}", place.known());
    assert!(place.known().starts_with(&before));
    assert!(!place.path("known_hosts.old").exists());

    let with_new = place.known();
    let rows = run(place.trust(&["old-1", "--replace-changed", "--yes", "--json"])).code(0).json();
    assert_eq!(outcomes(&rows), ["replaced"]);
    assert!(rows[0]["known"]["fingerprint"].as_str().unwrap().starts_with("SHA256:"), "{rows}");
    assert_eq!(fs::read_to_string(place.path("known_hosts.old")).unwrap(), with_new);
    assert!(place.known().starts_with(&format!("# mine\nother {stale}")), "{}", place.known());
    assert_eq!(outcomes(&run(place.trust(&["--json"])).code(0).json()), ["known", "known"]);
}

#[test]
fn revoked_and_unreachable_hosts_are_told_apart_and_stop_nobody() {
    let (revoked, new) = (Sshd::start(), Sshd::start());
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let entry = |sshd: &Sshd| format!("address: {}, port: {}", sshd.address, sshd.port);
    let place = Place::with(&[
        ("bad", entry(&revoked)),
        ("gone", format!("address: 127.0.0.1, port: {free}")),
        ("good", entry(&new)),
        ("here", "connection: local".to_owned()),
    ]);
    let public = fs::read_to_string(revoked.path("host_ed25519.pub")).unwrap();
    fs::write(place.path("known_hosts"), format!("@revoked * {public}")).unwrap();
    let said = run(place.trust(&["--yes", "--json", "--replace-changed"])).code(4);
    assert_eq!(outcomes(&said.json()), ["revoked", "unreachable", "trusted"], "{said}");
    assert_eq!(said.json()[1]["error"]["phase"], "TCP", "{said}");
    run(place.trust(&["!gone", "--yes"])).code(1).out("REVOKED");
}

#[test]
fn keys_that_somebody_vouches_for_need_no_question_and_others_are_not_taken() {
    let (one, two) = (Sshd::start(), Sshd::start());
    let place = Place::of(&[("web-1", &one), ("web-2", &two)]);
    // The second line is the first host's key under the other's name.
    let swapped = format!("web-1 {p}\nweb-2 {p}\n", p = fingerprint(&one, "ed25519"));
    fs::write(place.path("keys"), swapped).unwrap();
    let rows = run(place.trust(&["--expect", "keys", "--json"])).code(1).json();
    assert_eq!(outcomes(&rows), ["trusted", "unexpected"]);
    assert_eq!(place.known().lines().count(), 1);

    // As it is printed on the host itself, with the comment that the key has there.
    fs::write(place.path("keys"), printed(&two, "ed25519").replace(" test ", " root@web-2 ")).unwrap();
    assert_eq!(outcomes(&run(place.trust(&["--expect", "keys", "--json"])).code(0).json()), ["known", "trusted"]);

    fs::write(place.path("known_hosts"), "").unwrap();
    let print = fingerprint(&one, "ed25519");
    run(place.trust(&["--fingerprint", &print])).code(2).err("--expect FILE");
    run(place.trust(&["web-2", "--fingerprint", &print])).code(1).err("nobody vouches");
    assert_eq!(place.known(), "");
    run(place.trust(&["web-1", "--fingerprint", &print])).code(0);
    assert_eq!(place.known().lines().count(), 1);
    run(place.trust(&["web-1", "--fingerprint", "SHA256:short"])).code(2).err("43 characters");
    fs::write(place.path("keys"), "web-1 MD5:aa\n").unwrap();
    run(place.trust(&["--expect", "keys"])).code(2).err("keys:1");
}

#[test]
fn a_certified_host_is_trusted_as_it_is() {
    let sshd = Sshd::prepared(&["ed25519"], "HostCertificate DIR/host_ed25519-cert.pub", |directory, address| {
        keygen(&directory.join("authority"), "ed25519", "");
        let mut sign = Command::new("ssh-keygen");
        sign.args(["-q", "-I", "host", "-h", "-n", address, "-s"]).arg(directory.join("authority"));
        assert!(sign.arg(directory.join("host_ed25519.pub")).status().unwrap().success());
    });
    let place = Place::of(&[("web-1", &sshd)]);
    let authority = fs::read_to_string(sshd.path("authority.pub")).unwrap();
    fs::write(place.path("known_hosts"), format!("@cert-authority * {authority}")).unwrap();
    let rows = run(place.trust(&["--json"])).code(0).json();
    assert_eq!(outcomes(&rows), ["certified"]);
    assert_eq!(rows[0]["fingerprint"], fingerprint(&sshd, "ed25519"), "of the key, not of the certificate");
}

/// Has every connection to `address` end at `to`.
fn forward(address: &str, to: (String, u16)) -> u16 {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let copy = |mut from: TcpStream, mut to: TcpStream| {
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        })
    };
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Ok(there) = TcpStream::connect((&*to.0, to.1)) else { continue };
            copy(stream.try_clone().unwrap(), there.try_clone().unwrap());
            copy(there, stream);
        }
    });
    port
}

#[test]
fn two_hundred_hosts_with_one_key_are_one_row_and_one_append() {
    let sshd = Sshd::start();
    let hosts: Vec<(String, String)> = (1..=200)
        .map(|number| {
            let address = format!("127.77.0.{number}");
            let port = forward(&address, (sshd.address.clone(), sshd.port));
            (format!("web-{number:03}"), format!("address: {address}, port: {port}"))
        })
        .collect();
    let hosts: Vec<(&str, String)> = hosts.iter().map(|(name, keys)| (name.as_str(), keys.clone())).collect();
    let place = Place::with(&hosts);
    let said = run(place.trust(&["--yes", "--timeout", "60"])).code(0);
    said.out("web-[001-200] (200)").err("200 hosts have their keys in");
    assert_eq!(place.known().lines().count(), 200);
    let said = run(place.trust(&["--timeout", "60"])).code(0).out("web-[001-200] (200)");
    assert_eq!(said.out.lines().count(), 2, "{said}");
    assert_eq!(place.known().lines().count(), 200);
}

#[test]
fn the_answer_has_every_key_of_every_row() {
    let sshd = Sshd::start();
    let place = Place::of(&[("web-1", &sshd)]);
    let rows = run(place.trust(&["--yes", "--json"])).code(0).json();
    let file = Path::new(rows[0]["file"].as_str().unwrap());
    assert_eq!(file.file_name().unwrap(), "known_hosts");
    let expected = serde_json::json!([{
        "host": "web-1",
        "target": format!("{}:{}", sshd.address, sshd.port),
        "jump_host": false,
        "outcome": "trusted",
        "key_type": "ssh-ed25519",
        "fingerprint": fingerprint(&sshd, "ed25519"),
        "known": null,
        "file": rows[0]["file"],
        "error": null,
    }]);
    assert_eq!(rows, expected);
    assert_eq!(run(place.trust(&["-o", "name"])).code(0).out, "web-1\n");
}

#[test]
fn a_jump_host_comes_first_and_the_hosts_behind_it_when_it_is_trusted() {
    let (outer, inner) = (Sshd::start(), Sshd::start());
    let key = |sshd: &Sshd| {
        let (user, key) = (sshd::user(), sshd.path("id_ed25519"));
        format!("address: {}, port: {}, user: {user}, identity_file: {}", sshd.address, sshd.port, key.display())
    };
    let place = Place::with(&[("bastion", key(&outer)), ("web-1", format!("{}, jump: bastion", key(&inner)))]);
    let rows = run(place.trust(&["web-1", "--dry-run", "--json"])).code(1).json();
    let of = |name: &str, rows: &Value| {
        let row = rows.as_array().unwrap().iter().find(|row| row["host"] == name).unwrap().clone();
        (row["outcome"].as_str().unwrap().to_owned(), row["jump_host"].as_bool().unwrap())
    };
    assert_eq!(of("bastion", &rows), ("new".to_owned(), true));
    assert_eq!(of("web-1", &rows), ("not_attempted".to_owned(), false));
    let said = place.on_terminal("web-1", "y\ny").code(0);
    assert_eq!(said.out.matches("trust 1 new key? [y/N]").count(), 2, "{said}");
    assert!(said.out.contains(&fingerprint(&inner, "ed25519")), "{said}");
    assert_eq!(place.known().lines().count(), 2);
    assert!(!inner.log().contains("Accepted"), "nobody logs in to the host itself: {}", inner.log());
    assert_eq!(outcomes(&run(place.trust(&["--json"])).code(0).json()), ["known", "known"]);
}

#[test]
fn what_was_known_before_the_run_is_kept_also_when_a_jump_host_makes_it_two_steps() {
    let (gate, far) = (Sshd::start(), Sshd::start());
    let entry = |sshd: &Sshd, more: &str| {
        let key = sshd.path("id_ed25519");
        format!(
            "address: {}, port: {}, user: {}, identity_file: {}{more}",
            sshd.address,
            sshd.port,
            sshd::user(),
            key.display()
        )
    };
    let place = Place::with(&[("gate", entry(&gate, "")), ("far", entry(&far, ", jump: gate"))]);
    keygen(&place.path("stale"), "ed25519", "");
    let stale = fs::read_to_string(place.path("stale.pub")).unwrap();
    let before = format!("[{}]:{} {stale}[{}]:{} {stale}", gate.address, gate.port, far.address, far.port);
    fs::write(place.path("known_hosts"), &before).unwrap();
    let rows = run(place.trust(&["--replace-changed", "--yes", "--json"])).code(0).json();
    assert_eq!(outcomes(&rows), ["replaced", "replaced"]);
    assert_eq!(fs::read_to_string(place.path("known_hosts.old")).unwrap(), before);
}

#[test]
fn a_known_key_that_is_not_the_one_expected_is_no_success() {
    let sshd = Sshd::start();
    let place = Place::of(&[("web-1", &sshd)]);
    run(place.trust(&["--yes"])).code(0);
    let other = "SHA256:uNiVztksCsDhcc0u9e8BrmXVUlgvsHVGPbvNdJWnXqE";
    let rows = run(place.trust(&["web-1", "--fingerprint", other, "--json"])).code(1).json();
    assert_eq!(outcomes(&rows), ["unexpected"]);
    let rows = run(place.trust(&["web-1", "--fingerprint", &fingerprint(&sshd, "ed25519"), "--json"])).code(0).json();
    assert_eq!(outcomes(&rows), ["known"]);
}

#[test]
fn a_key_that_cannot_be_replaced_is_named_with_its_line_and_keeps_no_new_one_out() {
    let (changed, new) = (Sshd::start(), Sshd::start());
    let place = Place::of(&[("old-1", &changed), ("new-1", &new)]);
    keygen(&place.path("stale"), "ed25519", "");
    let stale = fs::read_to_string(place.path("stale.pub")).unwrap();
    let before = format!("[{}]:* {stale}", changed.address);
    fs::write(place.path("known_hosts"), &before).unwrap();
    let said = run(place.trust(&["--replace-changed", "--yes"])).code(1);
    said.err("known_hosts:1 names the host by a pattern").err("old-1: not written");
    assert!(place.known().starts_with(&before) && place.known().lines().count() == 2, "{}", place.known());
}
