use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use mcp::{
    domain::{HostKeyPolicy, SshEndpoint},
    transport::{Phase, TransportErrorKind, ssh::SshConnector, ssh::SshOptions},
};

use crate::sshd::{Sshd, connect, connector, keygen, known_line, refusal};

/// A key's fingerprint as ssh-keygen prints it.
fn fingerprint(public: &Path) -> String {
    let output = Command::new("ssh-keygen").arg("-lf").arg(public).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
}

fn write_known(sshd: &Sshd, text: &str) {
    fs::write(sshd.path("known_hosts"), text).unwrap();
}

fn line(sshd: &Sshd, kind: &str) -> String {
    known_line(sshd.directory.path(), kind, &sshd.address, sshd.port)
}

#[test]
fn an_unknown_host_is_refused_before_a_word_about_the_user() {
    let sshd = Sshd::start();
    write_known(&sshd, "");
    let error = refusal(&connector(), sshd.endpoint());
    assert_eq!(error.phase, Phase::HostKey);
    let expected = fingerprint(&sshd.path("host_ed25519.pub"));
    match *error.kind {
        TransportErrorKind::HostKeyUnknown { fingerprint, key_type, .. } => {
            assert_eq!((fingerprint, &*key_type), (expected, "ssh-ed25519"));
        }
        other => panic!("{other:?}"),
    }
    assert!(!sshd.log().contains(&format!("user {}", sshd.endpoint().user)), "{}", sshd.log());
}

#[test]
fn a_changed_key_is_refused_with_both_fingerprints_and_the_line() {
    let sshd = Sshd::start();
    keygen(&sshd.path("host_old"), "ed25519", "");
    for policy in [HostKeyPolicy::Strict, HostKeyPolicy::AcceptNew] {
        let text = format!("# comment\n\nother.example ssh-ed25519 garbage\n{}", line(&sshd, "old"));
        write_known(&sshd, &text);
        let error = refusal(&connector(), SshEndpoint { host_key: policy, ..sshd.endpoint() });
        match *error.kind {
            TransportErrorKind::HostKeyChanged { fingerprint: shown, line, known_fingerprint, file, .. } => {
                assert_eq!(shown, fingerprint(&sshd.path("host_ed25519.pub")));
                assert_eq!(known_fingerprint, fingerprint(&sshd.path("host_old.pub")));
                assert_eq!((line, file), (4, sshd.path("known_hosts").display().to_string()));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(fs::read_to_string(sshd.path("known_hosts")).unwrap(), text);
    }
}

#[test]
fn a_revoked_key_is_refused_whatever_else_is_known() {
    let sshd = Sshd::start();
    for text in [
        format!("{}@revoked {}", line(&sshd, "ed25519"), line(&sshd, "ed25519")),
        format!("@revoked {}{}", line(&sshd, "ed25519"), line(&sshd, "ed25519")),
        format!("@revoked * {}", line(&sshd, "ed25519").split_once(' ').unwrap().1),
    ] {
        write_known(&sshd, &text);
        for policy in [HostKeyPolicy::Strict, HostKeyPolicy::AcceptNew] {
            let error = refusal(&connector(), SshEndpoint { host_key: policy, ..sshd.endpoint() });
            assert!(matches!(*error.kind, TransportErrorKind::HostKeyRevoked { .. }), "{error:?}");
        }
    }
}

#[test]
fn hashed_and_wildcard_lines_and_those_beside_a_certificate_authority_are_honoured() {
    let sshd = Sshd::start();
    let key = line(&sshd, "ed25519").split_once(' ').unwrap().1.to_owned();
    write_known(&sshd, &line(&sshd, "ed25519"));
    let hash = Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(sshd.path("known_hosts")).output().unwrap();
    assert!(hash.status.success());
    assert!(fs::read_to_string(sshd.path("known_hosts")).unwrap().starts_with("|1|"));
    connect(&connector(), sshd.endpoint()).unwrap();
    keygen(&sshd.path("authority"), "ed25519", "");
    let authority = fs::read_to_string(sshd.path("authority.pub")).unwrap();
    for text in [
        format!("[127.0.77.*]:{} {key}", sshd.port),
        format!("@cert-authority * {authority}{}", line(&sshd, "ed25519")),
    ] {
        write_known(&sshd, &text);
        connect(&connector(), sshd.endpoint()).unwrap();
    }
    for text in [
        format!("{} {key}", sshd.address),
        format!("*,![{}]:{} {key}", sshd.address, sshd.port),
        format!("@cert-authority * {key}"),
    ] {
        write_known(&sshd, &text);
        let error = refusal(&connector(), sshd.endpoint());
        assert!(matches!(*error.kind, TransportErrorKind::HostKeyUnknown { .. }), "{text}: {error:?}");
    }
}

#[test]
fn a_host_with_several_keys_is_asked_for_the_one_that_is_known() {
    let sshd = Sshd::with(&["ed25519", "ecdsa", "rsa"], "");
    for kind in ["rsa", "ecdsa", "ed25519"] {
        write_known(&sshd, &line(&sshd, kind));
        connect(&connector(), sshd.endpoint()).unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[test]
fn accept_new_writes_one_line_however_many_workers_race_for_it() {
    let sshd = Sshd::start();
    fs::create_dir(sshd.path("new")).unwrap();
    // The last line has no newline, as an editor may leave it.
    let (file, before) = (sshd.path("known_hosts"), "other.example ssh-ed25519 AAAA");
    fs::write(&file, before).unwrap();
    let connectors = [connector(), connector()];
    std::thread::scope(|scope| {
        for worker in 0..20 {
            let (sshd, connector) = (&sshd, &connectors[worker % 2]);
            scope.spawn(move || {
                let endpoint = SshEndpoint { host_key: HostKeyPolicy::AcceptNew, ..sshd.endpoint() };
                connect(connector, endpoint).unwrap();
            });
        }
    });
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, before), "{text}");
    assert!(text.ends_with('\n'));
    let known = line(&sshd, "ed25519");
    assert!(known.starts_with(lines[1]), "{text}");
    connect(&connector(), sshd.endpoint()).unwrap();
}

#[test]
fn accept_new_makes_the_file_and_its_directory_private() {
    let sshd = Sshd::start();
    let connector = SshConnector::new(SshOptions { home: Some(sshd.path("user")), ..SshOptions::default() });
    let endpoint = SshEndpoint { host_key: HostKeyPolicy::AcceptNew, known_hosts: Vec::new(), ..sshd.endpoint() };
    connect(&connector, endpoint).unwrap();
    let mode = |name: &str| fs::metadata(sshd.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("user/.ssh"), mode("user/.ssh/known_hosts")), (0o700, 0o600));
}

#[test]
fn an_alias_is_looked_up_and_written_in_place_of_the_address() {
    let sshd = Sshd::start();
    write_known(&sshd, "");
    let alias = SshEndpoint { host_key_alias: Some("Web-1".to_owned()), ..sshd.endpoint() };
    connect(&connector(), SshEndpoint { host_key: HostKeyPolicy::AcceptNew, ..alias.clone() }).unwrap();
    assert!(fs::read_to_string(sshd.path("known_hosts")).unwrap().starts_with("web-1 ssh-ed25519 "));
    connect(&connector(), alias).unwrap();
    let error = refusal(&connector(), sshd.endpoint());
    assert!(matches!(*error.kind, TransportErrorKind::HostKeyUnknown { .. }), "{error:?}");
}

#[test]
fn hashed_names_are_written_and_openssh_finds_them() {
    let sshd = Sshd::start();
    write_known(&sshd, "");
    let accepting = SshEndpoint { host_key: HostKeyPolicy::AcceptNew, hash_known_hosts: true, ..sshd.endpoint() };
    connect(&connector(), accepting).unwrap();
    let text = fs::read_to_string(sshd.path("known_hosts")).unwrap();
    assert!(text.starts_with("|1|") && !text.contains(&sshd.address), "{text}");
    connect(&connector(), sshd.endpoint()).unwrap();
    let name = format!("[{}]:{}", sshd.address, sshd.port);
    let found = Command::new("ssh-keygen").args(["-F", &name, "-f"]).arg(sshd.path("known_hosts")).output().unwrap();
    assert!(found.status.success(), "{text}");
}

#[test]
fn a_revocation_without_a_port_holds_for_every_port() {
    let sshd = Sshd::start();
    let known = line(&sshd, "ed25519");
    let key = known.split_once(' ').unwrap().1;
    write_known(&sshd, &format!("{known}@revoked {} {key}", sshd.address));
    let error = refusal(&connector(), sshd.endpoint());
    assert!(matches!(*error.kind, TransportErrorKind::HostKeyRevoked { .. }), "{error:?}");
}
