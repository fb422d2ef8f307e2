use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixListener,
    path::Path,
    process::Command,
    thread,
};

use mcp::{
    domain::{HostKeyPolicy, SshEndpoint},
    transport::{Phase, TransportErrorKind},
};
use signature::Signer;
use ssh_key::{PrivateKey, PublicKey};

use crate::sshd::{Sshd, connect, connector, keygen, known_line, refusal};

/// Signs the host key of `kind` with `authority` of `directory`.
fn sign(directory: &Path, kind: &str, authority: &str, more: &[&str]) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-I", "host", "-h", "-s"]).arg(directory.join(authority)).args(more);
    let output = command.arg(directory.join(format!("host_{kind}.pub"))).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// An sshd that shows a certificate of its `kind` key, signed by a new `authority` key as `more` says. `NAME` is its address.
fn certified(kind: &str, authority: &str, more: &[&str]) -> Sshd {
    let configuration = format!("HostCertificate DIR/host_{kind}-cert.pub");
    Sshd::prepared(&[kind], &configuration, |directory, address| {
        keygen(&directory.join("authority"), authority, "");
        let more: Vec<String> = more.iter().map(|word| word.replace("NAME", address)).collect();
        sign(directory, kind, "authority", &more.iter().map(String::as_str).collect::<Vec<_>>());
    })
}

/// `known_hosts` with `marker` before the key in `file`, for `names`.
fn marked(sshd: &Sshd, marker: &str, names: &str, file: &str) -> String {
    let public = fs::read_to_string(sshd.path(file)).unwrap();
    format!("{marker} {names} {public}")
}

fn know(sshd: &Sshd, text: &str) {
    fs::write(sshd.path("known_hosts"), text).unwrap();
}

/// Knows the authority alone.
fn know_authority(sshd: &Sshd) {
    know(sshd, &marked(sshd, "@cert-authority", "*", "authority.pub"));
}

/// Why the certificate was not accepted.
fn reason(sshd: &Sshd) -> String {
    let error = refusal(&connector(), sshd.endpoint());
    assert_eq!(error.phase, Phase::HostKey);
    match *error.kind {
        TransportErrorKind::HostCertificate { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_certificate_of_a_known_authority_is_as_good_as_a_known_key() {
    for (kind, authority) in [("ed25519", "ed25519"), ("ecdsa", "rsa"), ("rsa", "ecdsa")] {
        let sshd = certified(kind, authority, &["-n", "other.example,NAME"]);
        let port = sshd.port;
        // Without a port, with it, and hashed, as any other line.
        for names in ["*", &sshd.address, &format!("[{}]:{port}", sshd.address)] {
            let text = marked(&sshd, "@cert-authority", names, "authority.pub");
            know(&sshd, &text);
            connect(&connector(), sshd.endpoint()).unwrap_or_else(|error| panic!("{kind} {names}: {error}"));
            assert_eq!(fs::read_to_string(sshd.path("known_hosts")).unwrap(), text, "nothing is learnt");
        }
    }
}

#[test]
fn an_alias_is_the_name_that_the_certificate_must_have() {
    let sshd = certified("ed25519", "ed25519", &["-n", "web.example"]);
    know_authority(&sshd);
    assert!(reason(&sshd).contains("it is for web.example, not for 127."));
    let endpoint = SshEndpoint { host_key_alias: Some("Web.Example".to_owned()), ..sshd.endpoint() };
    connect(&connector(), endpoint).unwrap();
}

#[test]
fn a_certificate_that_is_no_good_is_refused_with_the_reason_under_every_policy() {
    for (more, expected) in [
        (&["-n", "db.example"][..], "it is for db.example"),
        (&[], "it names no host"),
        (&["-n", "NAME", "-V", "20200101:20200201"], "it expired on 2020-0"),
        (&["-n", "NAME", "-V", "20990101:20990201"], "it is not valid before 20"),
    ] {
        let sshd = certified("ed25519", "ed25519", more);
        know_authority(&sshd);
        let text = reason(&sshd);
        assert!(text.contains(expected), "{text}");
        let accepting = SshEndpoint { host_key: HostKeyPolicy::AcceptNew, ..sshd.endpoint() };
        let error = refusal(&connector(), accepting);
        assert!(matches!(*error.kind, TransportErrorKind::HostCertificate { .. }), "{error:?}");
        // The plain key counts for itself, as in OpenSSH.
        let authority = marked(&sshd, "@cert-authority", "*", "authority.pub");
        let plain = known_line(sshd.directory.path(), "ed25519", &sshd.address, sshd.port);
        know(&sshd, &format!("{authority}{plain}"));
        connect(&connector(), sshd.endpoint()).unwrap();
    }
}

#[test]
fn another_authority_and_one_for_other_hosts_vouch_for_nothing() {
    let sshd = certified("ed25519", "ed25519", &["-n", "NAME"]);
    keygen(&sshd.path("other"), "ed25519", "");
    know(&sshd, &marked(&sshd, "@cert-authority", "*", "other.pub"));
    assert!(reason(&sshd).contains("no @cert-authority line for the host has that key"));
    know(&sshd, &marked(&sshd, "@cert-authority", "*.example,!*.77.*", "authority.pub"));
    let error = refusal(&connector(), sshd.endpoint());
    assert!(matches!(*error.kind, TransportErrorKind::HostKeyUnknown { .. }), "{error:?}");
}

#[test]
fn a_revoked_authority_and_a_revoked_key_are_refused_whatever_the_certificate_says() {
    let sshd = certified("ed25519", "ed25519", &["-n", "NAME"]);
    let authority = marked(&sshd, "@cert-authority", "*", "authority.pub");
    let plain = known_line(sshd.directory.path(), "ed25519", &sshd.address, sshd.port);
    know(&sshd, &format!("{authority}{}{plain}", marked(&sshd, "@revoked", "*", "authority.pub")));
    let error = refusal(&connector(), sshd.endpoint());
    assert!(matches!(*error.kind, TransportErrorKind::HostAuthorityRevoked { line: 2, .. }), "{error:?}");
    know(&sshd, &format!("{authority}{plain}{}", marked(&sshd, "@revoked", &sshd.address, "host_ed25519.pub")));
    let error = refusal(&connector(), sshd.endpoint());
    assert!(matches!(*error.kind, TransportErrorKind::HostKeyRevoked { line: 3, .. }), "{error:?}");
}

/// Answers at `socket` as an agent that holds the key `shown` and signs with the key `signing`.
fn agent(socket: &Path, shown: &Path, signing: &Path) {
    let listener = UnixListener::bind(socket).unwrap();
    let shown = PublicKey::read_openssh_file(shown).unwrap().to_bytes().unwrap();
    let signing = PrivateKey::read_openssh_file(signing).unwrap();
    let string = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut length = [0; 4];
            while stream.read_exact(&mut length).is_ok() {
                let mut message = vec![0; u32::from_be_bytes(length) as usize];
                stream.read_exact(&mut message).unwrap();
                let answer = match message[0] {
                    11 => [&[12, 0, 0, 0, 1][..], &string(&shown), &string(b"host")].concat(),
                    13 => {
                        let data = &message[1 + 4 + shown.len() + 4..message.len() - 4];
                        let signature: Vec<u8> = signing.try_sign(data).unwrap().try_into().unwrap();
                        [&[14][..], &string(&signature)].concat()
                    }
                    _ => vec![5],
                };
                stream.write_all(&string(&answer)).unwrap();
            }
        }
    });
}

#[test]
fn a_certificate_without_its_key_lets_nobody_in() {
    for honest in [true, false] {
        let configuration = "HostCertificate DIR/host_ed25519-cert.pub\nHostKeyAgent DIR/host_agent";
        let sshd = Sshd::prepared(&["ed25519"], configuration, |directory, address| {
            let path = |name: &str| directory.join(name);
            keygen(&path("authority"), "ed25519", "");
            keygen(&path("stolen_nothing"), "ed25519", "");
            sign(directory, "ed25519", "authority", &["-n", address]);
            // sshd has the certificate and leaves signing to an agent, which has another key unless it is honest.
            fs::rename(path("host_ed25519"), path("kept")).unwrap();
            let signing = if honest { "kept" } else { "stolen_nothing" };
            agent(&path("host_agent"), &path("host_ed25519.pub"), &path(signing));
        });
        know_authority(&sshd);
        match connect(&connector(), sshd.endpoint()) {
            Ok(_) => assert!(honest, "a host without the certified key was let in"),
            Err(error) => assert!(!honest && error.phase == Phase::KeyExchange, "{error:?}"),
        }
    }
}

#[test]
fn a_host_without_a_certificate_is_known_by_its_key_beside_an_authority() {
    let sshd = Sshd::with(&["ecdsa", "ed25519"], "");
    keygen(&sshd.path("authority"), "ed25519", "");
    let authority = marked(&sshd, "@cert-authority", "*", "authority.pub");
    for kind in ["ecdsa", "ed25519"] {
        let plain = known_line(sshd.directory.path(), kind, &sshd.address, sshd.port);
        know(&sshd, &format!("{authority}{plain}"));
        connect(&connector(), sshd.endpoint()).unwrap();
    }
    know(&sshd, &authority);
    let learning = SshEndpoint { host_key: HostKeyPolicy::AcceptNew, ..sshd.endpoint() };
    connect(&connector(), learning).unwrap();
    assert_eq!(fs::read_to_string(sshd.path("known_hosts")).unwrap().lines().count(), 2);
}
