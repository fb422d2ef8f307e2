use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use mcp::domain::{AgentChoice, SshEndpoint};

use crate::{
    auth::{Agent, tried},
    sshd::{Sshd, connect, connector, exec, keygen},
};

/// An sshd that lets in who has a certificate of `authority` in its directory, and nobody else.
fn certifying() -> Sshd {
    let sshd = Sshd::start();
    keygen(&sshd.path("authority"), "ed25519", "");
    let public = fs::read_to_string(sshd.path("authority.pub")).unwrap();
    fs::write(sshd.path("authorized_keys"), format!("cert-authority {public}")).unwrap();
    sshd
}

/// A new key with its certificate beside it.
fn certified(sshd: &Sshd, name: &str, kind: &str, more: &[&str]) -> PathBuf {
    let key = sshd.path(name);
    keygen(&key, kind, "");
    let mut sign = Command::new("ssh-keygen");
    sign.args(["-q", "-I", "test", "-n", &sshd.endpoint().user, "-s"]).arg(sshd.path("authority")).args(more);
    assert!(sign.arg(sshd.path(&format!("{name}.pub"))).status().unwrap().success());
    key
}

fn beside(key: &Path) -> PathBuf {
    key.with_file_name(format!("{}-cert.pub", key.file_name().unwrap().display()))
}

fn offering(sshd: &Sshd, keys: &[&Path]) -> SshEndpoint {
    SshEndpoint { identity_files: keys.iter().map(|key| key.to_path_buf()).collect(), ..sshd.endpoint() }
}

#[test]
fn a_certificate_logs_in_from_beside_its_key_and_from_elsewhere() {
    let sshd = certifying();
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let key = certified(&sshd, &format!("key_{kind}"), kind, &[]);
        connect(&connector(), offering(&sshd, &[&key])).unwrap_or_else(|error| panic!("{kind}: {error}"));
        let elsewhere = sshd.path(&format!("elsewhere_{kind}"));
        fs::rename(beside(&key), &elsewhere).unwrap();
        assert!(tried(&connector(), offering(&sshd, &[&key])).contains("(refused)"));
        let endpoint = SshEndpoint { certificate_files: vec![elsewhere], ..offering(&sshd, &[&key]) };
        let mut remote = connect(&connector(), endpoint).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(exec(&mut *remote, "echo in").stdout, b"in\n");
    }
}

#[test]
fn a_certificate_in_the_agent_logs_in() {
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let sshd = certifying();
        let agent = Agent::start(sshd.directory.path());
        let key = certified(&sshd, "key", kind, &[]);
        // ssh-add takes the certificate along.
        agent.add(&key);
        for file in [key.clone(), beside(&key), key.with_extension("pub")] {
            fs::remove_file(file).unwrap();
        }
        let endpoint = offering(&sshd, &[&sshd.path("absent")]);
        connect(&agent.connector(), endpoint).unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[test]
fn a_certificate_in_a_file_logs_in_with_the_key_in_the_agent() {
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let sshd = certifying();
        let agent = Agent::start(sshd.directory.path());
        let key = certified(&sshd, "key", kind, &[]);
        let elsewhere = sshd.path("elsewhere");
        fs::rename(beside(&key), &elsewhere).unwrap();
        agent.add(&key);
        fs::remove_file(&key).unwrap();
        let absent = offering(&sshd, &[&sshd.path("absent")]);
        let text = tried(&agent.connector(), absent.clone());
        assert!(text.contains("agent key"), "the key alone is not enough: {text}");
        for identities_only in [false, true] {
            let certificate_files = vec![elsewhere.clone()];
            let endpoint = SshEndpoint { certificate_files, identities_only, ..absent.clone() };
            connect(&agent.connector(), endpoint).unwrap_or_else(|error| panic!("{kind}: {error}"));
        }
        // The same with what is left beside the key: only its public half and the certificate are here.
        fs::rename(&elsewhere, beside(&key)).unwrap();
        connect(&agent.connector(), offering(&sshd, &[&key])).unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[test]
fn an_expired_certificate_is_named_and_the_next_identity_is_tried() {
    let sshd = certifying();
    let expired = certified(&sshd, "expired", "ed25519", &["-V", "20200101:20200201"]);
    let text = tried(&connector(), offering(&sshd, &[&expired]));
    assert!(text.contains("expired-cert.pub, which expired on 2020-0") && text.contains("(refused)"), "{text}");
    let good = certified(&sshd, "good", "ed25519", &[]);
    connect(&connector(), offering(&sshd, &[&expired, &good])).unwrap();
}

#[test]
fn a_certificate_that_cannot_be_used_is_named_with_the_reason() {
    let sshd = certifying();
    let key = sshd.path("id_ed25519");
    let host = certified(&sshd, "host", "ed25519", &["-h"]);
    fs::write(sshd.path("garbage"), "ssh-ed25519 AAAA\n").unwrap();
    let certificate_files = vec![beside(&host), sshd.path("garbage"), sshd.path("absent")];
    let text = tried(&connector(), SshEndpoint { certificate_files, ..offering(&sshd, &[&key]) });
    for reason in ["host-cert.pub (not a certificate of a user)", "garbage (not a certificate)", "absent (No such file"]
    {
        assert!(text.contains(reason), "{reason:?} in {text}");
    }
}

#[test]
fn with_identities_only_the_agent_offers_what_is_configured_and_nothing_else() {
    let sshd = Sshd::with(&["ed25519"], "MaxAuthTries 2");
    let agent = Agent::start(sshd.directory.path());
    for name in ["other_1", "other_2", "other_3"] {
        keygen(&sshd.path(name), "ed25519", "");
        agent.add(&sshd.path(name));
    }
    agent.add(&sshd.path("id_ed25519"));
    let only = SshEndpoint { identities_only: true, ..sshd.endpoint() };
    connect(&agent.connector(), only.clone()).unwrap();
    // The public half is all that is here: beside the name that is configured, or under it.
    fs::remove_file(sshd.path("id_ed25519")).unwrap();
    connect(&agent.connector(), only.clone()).unwrap();
    let public = SshEndpoint { identity_files: vec![sshd.path("id_ed25519.pub")], ..only.clone() };
    connect(&agent.connector(), public).unwrap();
    let absent = SshEndpoint { identity_files: vec![sshd.path("absent")], ..only };
    let text = tried(&agent.connector(), absent);
    assert!(!text.contains("agent key"), "{text}");
}

#[test]
fn a_host_has_the_agent_it_was_given_or_none() {
    let sshd = Sshd::start();
    let agent = Agent::start(sshd.directory.path());
    agent.add(&sshd.path("id_ed25519"));
    let absent = SshEndpoint { identity_files: vec![sshd.path("absent")], ..sshd.endpoint() };
    connect(&agent.connector(), absent.clone()).unwrap();
    let off = SshEndpoint { agent: AgentChoice::Off, ..absent.clone() };
    assert!(tried(&agent.connector(), off).contains("no agent (none is to be asked for this host)"));
    let other = SshEndpoint { agent: AgentChoice::Socket(agent.socket.clone()), ..absent };
    connect(&connector(), other).unwrap();
}
