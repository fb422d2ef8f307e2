#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{path::Path, process::Command};

use super::*;

const NOON: u64 = 1_790_000_000;

fn keygen(directory: &Path, arguments: &[&str]) {
    let output = Command::new("ssh-keygen").arg("-q").args(arguments).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn blob(directory: &Path, file: &str) -> Vec<u8> {
    let line = std::fs::read_to_string(directory.join(file)).unwrap();
    openssl::base64::decode_block(line.split(' ').nth(1).unwrap()).unwrap()
}

/// A certificate of a key of type `key` by an authority of type `authority`, with its directory.
fn certificate(key: &str, authority: &str, more: &[&str]) -> (tempfile::TempDir, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    keygen(directory.path(), &["-t", key, "-N", "", "-f", "key"]);
    keygen(directory.path(), &["-t", authority, "-N", "", "-f", "ca"]);
    keygen(directory.path(), &[&["-s", "ca", "-I", "id"], more, &["key.pub"]].concat());
    let blob = blob(directory.path(), "key-cert.pub");
    (directory, blob)
}

#[test]
fn certificates_of_every_key_type_by_authorities_of_every_type_are_read_and_verified() {
    for (key, authority) in [
        ("ed25519", "ed25519"),
        ("ecdsa", "rsa"),
        ("rsa", "ecdsa"),
        ("ed25519", "ecdsa"),
        ("rsa", "rsa"),
        ("ecdsa", "ed25519"),
    ] {
        let (directory, cert) = certificate(key, authority, &["-h", "-n", "web.example,10.0.0.1"]);
        let read = Certificate::parse(&cert).unwrap();
        assert!(is_certificate(&cert) && !is_certificate(&read.key));
        assert_eq!(read.key, blob(directory.path(), "key.pub"), "{key}");
        assert_eq!(read.authority, blob(directory.path(), "ca.pub"), "{authority}");
        assert_eq!(read.check_host("web.example", NOON), Ok(()), "{key} by {authority}");
        assert_eq!(read.check_host("10.0.0.1", NOON), Ok(()));
        assert_eq!(read.expired(NOON), None, "forever");
        assert!(!read.is_for_user());
        let refusal = read.check_host("db.example", NOON).unwrap_err();
        assert_eq!(refusal, "it is for web.example, 10.0.0.1, not for db.example");
    }
}

#[test]
fn one_changed_bit_anywhere_is_one_too_many() {
    let (_directory, cert) = certificate("ed25519", "ed25519", &["-h", "-n", "web"]);
    for at in 0..cert.len() {
        let mut changed = cert.clone();
        changed[at] ^= 1;
        let taken = Certificate::parse(&changed).is_some_and(|read| read.check_host("web", NOON).is_ok());
        assert!(!taken, "byte {at} of {}", cert.len());
    }
    for end in 0..cert.len() {
        assert_eq!(Certificate::parse(&cert[..end]), None, "cut at {end}");
    }
    assert_eq!(Certificate::parse(&[&cert[..], b"x"].concat()), None);
}

#[test]
fn the_time_the_kind_and_the_options_count() {
    let refusal = |more: &[&str], now| {
        let (_directory, cert) = certificate("ed25519", "ed25519", more);
        Certificate::parse(&cert).unwrap().check_host("web", now).unwrap_err()
    };
    // 20260101 to 20260201 as UTC; `Z` needs a newer ssh-keygen, so an hour of any time zone is left on both sides.
    let month = ["-h", "-n", "web", "-V", "20260110:20260120"];
    assert!(refusal(&month, 1_767_225_600).contains("not valid before 2026-01-"), "on January 1st");
    assert!(refusal(&month, 1_769_904_000).contains("expired on 2026-01-"), "on February 1st");
    assert!(refusal(&["-n", "web"], NOON).contains("not a certificate of a host"));
    assert!(refusal(&["-h"], NOON).contains("names no host"));
    let options = ["-h", "-n", "web", "-O", "critical:verify-required@example.com"];
    assert!(refusal(&options, NOON).contains("critical options"));
}

#[test]
fn a_principal_may_be_a_pattern() {
    let (_directory, cert) = certificate("ed25519", "ed25519", &["-h", "-n", "*.Example"]);
    let read = Certificate::parse(&cert).unwrap();
    assert_eq!(read.check_host("web.example", NOON), Ok(()));
    assert!(read.check_host("example", NOON).is_err());
}
