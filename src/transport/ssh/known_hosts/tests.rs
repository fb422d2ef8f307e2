#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use super::*;

/// A public key blob of this type with this content.
fn blob(key_type: &str, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(key_type.len()).unwrap().to_be_bytes();
    [&length, key_type.as_bytes(), content].concat()
}

fn line(names: &str, key_type: &str, content: &[u8]) -> String {
    format!("{names} {key_type} {}\n", base64::encode_block(&blob(key_type, content)))
}

/// A host that is called `name` with and without a port.
fn host(name: &str) -> Lookup {
    Lookup { name: name.to_owned(), bare: name.to_owned() }
}

fn verdict_of(text: &str, name: &str, content: &[u8]) -> String {
    let entries = parse(text);
    match judge(entries.iter(), &host(name), &blob("ssh-ed25519", content)) {
        Verdict::Known => "known".to_owned(),
        Verdict::Unknown => "unknown".to_owned(),
        Verdict::Changed(entry) => format!("changed, line {}", entry.line),
        Verdict::Revoked(entry) => format!("revoked, line {}", entry.line),
    }
}

#[test]
fn names_match_as_sshd_8_says() {
    for (names, name, matches) in [
        ("host", "host", true),
        ("HOST", "host", true),
        ("host", "[host]:2222", false),
        ("[host]:2222", "[host]:2222", true),
        ("[host]:2222", "host", false),
        ("[host]:2222", "[host]:22222", false),
        ("a,b,host", "host", true),
        ("*.example.com", "a.example.com", true),
        ("*.example.com", "example.com", false),
        ("*.example.com,!bad.example.com", "bad.example.com", false),
        ("!bad.example.com,*.example.com", "good.example.com", true),
        ("!bad.example.com", "good.example.com", false),
        ("h?st", "host", true),
        ("h?st", "hst", false),
        ("*", "[host]:2222", true),
        ("*a*b*c*", "xaxbxcx", true),
        ("*a*b*c*", "xaxcxbx", false),
        ("", "host", false),
    ] {
        let entries = parse(&line(names, "ssh-ed25519", b"k"));
        assert_eq!(entries.iter().any(|entry| entry.is_for(&host(name))), matches, "{names:?} for {name:?}");
    }
}

#[test]
fn lines_that_cannot_be_read_hide_nothing() {
    let text = format!(
        "# comment\n\n   \ngarbage\nhost ssh-ed25519\nhost ssh-ed25519 !!!!\nhost ssh-rsa {}\n@odd {}@cert-authority {}|1|x|y z\n\t{}",
        base64::encode_block(&blob("ssh-ed25519", b"k")),
        line("host", "ssh-ed25519", b"other"),
        line("host", "ssh-ed25519", b"other"),
        line("host", "ssh-ed25519", b"k"),
    );
    assert_eq!(verdict_of(&text, "host", b"k"), "known");
    assert_eq!(parse(&text).iter().filter(|entry| entry.marker == Marker::Plain).count(), 1);
}

#[test]
fn authorities_and_revocations_hold_for_every_port_and_plain_keys_for_their_own() {
    let web = Lookup { name: "[web]:2222".to_owned(), bare: "web".to_owned() };
    for (marker, expected) in [("", false), ("@revoked ", true), ("@cert-authority ", true)] {
        let entries = parse(&format!("{marker}{}", line("web", "ssh-ed25519", b"k")));
        assert_eq!(entries[0].is_for(&web), expected, "{marker:?}");
        let entries = parse(&format!("{marker}{}", line("[web]:2222", "ssh-ed25519", b"k")));
        assert!(entries[0].is_for(&web), "{marker:?}");
    }
}

#[test]
fn an_alias_is_looked_up_without_a_port() {
    let mut endpoint = SshEndpoint { port: 2222, ..SshEndpoint::new("10.0.0.1", "ops") };
    assert_eq!(Lookup::of(&endpoint).name, "[10.0.0.1]:2222");
    endpoint.host_key_alias = Some("Web-1".to_owned());
    assert_eq!(Lookup::of(&endpoint), host("web-1"));
}

#[test]
fn what_a_host_is_asked_for_follows_from_its_lines() {
    let text = format!(
        "{}{}@revoked {}@cert-authority *.example {}",
        line("a", "ssh-rsa", b"r"),
        line("a,b", "ssh-ed25519", b"k"),
        line("a", "ecdsa-sha2-nistp256", b"e"),
        line("", "ssh-ed25519", b"ca").trim_start(),
    );
    let entries = parse(&text);
    let asked = |name| expected(entries.iter(), &host(name));
    assert_eq!(asked("a").types, ["ssh-rsa", "ssh-ed25519"]);
    assert!(!asked("a").certified && asked("a.example").certified);
    assert_eq!(asked("c"), Expected::default());
}

#[test]
fn a_revocation_wins_and_a_change_names_the_key_of_the_same_type() {
    let known = line("host", "ssh-ed25519", b"k");
    let revoked = format!("@revoked {}", line("*", "ssh-ed25519", b"k"));
    assert_eq!(verdict_of(&format!("{known}{revoked}"), "host", b"k"), "revoked, line 2");
    assert_eq!(verdict_of(&format!("{known}{revoked}"), "host", b"new"), "changed, line 1");
    assert_eq!(verdict_of(&revoked, "host", b"new"), "unknown");
    let rsa = line("host", "ssh-rsa", b"r");
    assert_eq!(verdict_of(&format!("{rsa}{known}"), "host", b"new"), "changed, line 2");
    assert_eq!(verdict_of(&rsa, "host", b"new"), "changed, line 1");
    assert_eq!(verdict_of(&format!("{known}{}", line("host", "ssh-ed25519", b"new")), "host", b"new"), "known");
}

#[test]
fn a_host_is_named_with_its_port_unless_it_is_22() {
    assert_eq!(host_name("Web-1.Example.com", 22), "web-1.example.com");
    assert_eq!(host_name("::1", 2222), "[::1]:2222");
}

#[test]
fn a_short_or_lying_key_has_no_type() {
    for blob in [&b""[..], &[0, 0, 0], &[0, 0, 0, 9, b'x'], &[0xff; 8]] {
        assert_eq!(key_type_of(blob), None);
    }
}

#[test]
fn the_hash_of_a_name_is_hmac_sha1() {
    // RFC 2202, section 3, test cases 2 and 6.
    let hex = |bytes: [u8; 20]| bytes.map(|byte| format!("{byte:02x}")).concat();
    assert_eq!(hex(hmac_sha1(b"Jefe", "what do ya want for nothing?")), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    let long = "Test Using Larger Than Block-Size Key - Hash Key First";
    assert_eq!(hex(hmac_sha1(&[0xaa; 80], long)), "aa4ae5e15272d00e95705637ce8a3b55ed402112");
}
