use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::Arc,
};

use mcp::{
    domain::{AddressFamily, Algorithms, SshEndpoint},
    transport::{Phase, TransportErrorKind},
};

use crate::sshd::{Sshd, connect, connector, refusal};

fn list(set: fn(&mut Algorithms, String), text: &str) -> Arc<Algorithms> {
    let mut algorithms = Algorithms::default();
    set(&mut algorithms, text.to_owned());
    Arc::new(algorithms)
}

#[test]
fn a_list_of_algorithms_decides_what_is_offered() {
    // No MAC is negotiated beside a cipher that has its own.
    let limits =
        "Ciphers aes128-ctr\nMACs hmac-sha2-256\nKexAlgorithms ecdh-sha2-nistp256\nHostKeyAlgorithms ssh-ed25519";
    let sshd = Sshd::with(&["ed25519", "ecdsa"], limits);
    let ciphers: fn(&mut Algorithms, String) = |algorithms, text| algorithms.ciphers = Some(text);
    let macs: fn(&mut Algorithms, String) = |algorithms, text| algorithms.macs = Some(text);
    let key_exchange: fn(&mut Algorithms, String) = |algorithms, text| algorithms.key_exchange = Some(text);
    let host_keys: fn(&mut Algorithms, String) = |algorithms, text| algorithms.host_keys = Some(text);
    for (set, allowed, excluded) in [
        (ciphers, "aes128-ctr", "aes256-ctr"),
        (ciphers, "+aes128-cbc", "-aes128-ctr"),
        (ciphers, "^aes256-ctr", "-aes*"),
        (macs, "unknown,hmac-sha2-256", "hmac-sha2-512"),
        (macs, "-hmac-sha1*", "-hmac-sha2-256"),
        (key_exchange, "ecdh-sha2-nistp256", "curve25519-sha256"),
        (key_exchange, "-curve*", "-ecdh-*"),
        (host_keys, "ssh-ed25519", "ecdsa-sha2-nistp256"),
        (host_keys, "+ssh-rsa", "-ssh-ed25519*"),
    ] {
        let endpoint = |text: &str| SshEndpoint { algorithms: list(set, text), ..sshd.endpoint() };
        assert!(connect(&connector(), endpoint(allowed)).is_ok(), "{allowed}");
        refusal(&connector(), endpoint(excluded));
    }
    let error = refusal(&connector(), SshEndpoint { algorithms: list(ciphers, "moonshine"), ..sshd.endpoint() });
    assert!(error.to_string().contains("Ciphers moonshine"), "{error}");
}

#[test]
fn strict_key_exchange_is_announced_whatever_the_list() {
    for list in ["curve25519-sha256", "-ecdh-*", "^ecdh-sha2-nistp256"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // All that a client says before it hears of algorithms: its own.
        let heard = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"SSH-2.0-test\r\n").unwrap();
            let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
            // The languages are the last lists of the packet, both empty, after `none`.
            while !String::from_utf8_lossy(&heard).contains("none") {
                let count = stream.read(&mut buffer).unwrap();
                assert!(count > 0, "the client has hung up: {heard:?}");
                heard.extend_from_slice(&buffer[..count]);
            }
            String::from_utf8_lossy(&heard).into_owned()
        });
        let algorithms = Arc::new(Algorithms { key_exchange: Some(list.to_owned()), ..Algorithms::default() });
        let endpoint = SshEndpoint { port, algorithms, ..SshEndpoint::new("127.0.0.1", "nobody") };
        refusal(&connector(), endpoint);
        let heard = heard.join().unwrap();
        assert!(heard.contains(",kex-strict-c-v00@openssh.com"), "{list}: {heard}");
        assert_eq!(heard.contains("ecdh-sha2-nistp256"), list.starts_with('^'), "{list}: {heard}");
    }
}

#[test]
fn a_key_exchange_without_a_common_algorithm_lists_both_sides() {
    let sshd = Sshd::with(&["ed25519"], "Ciphers aes128-ctr\nKexAlgorithms ecdh-sha2-nistp256");
    let refused = |algorithms: Algorithms| {
        let error = refusal(&connector(), SshEndpoint { algorithms: Arc::new(algorithms), ..sshd.endpoint() });
        assert_eq!(error.phase, Phase::KeyExchange);
        match *error.kind {
            TransportErrorKind::NoCommonAlgorithm { what, theirs, ours, .. } => {
                (what, theirs.join(","), ours.join(","))
            }
            other => panic!("{other:?}"),
        }
    };
    let kex = refused(Algorithms { key_exchange: Some("curve25519-sha256".into()), ..Algorithms::default() });
    assert_eq!(kex, ("key exchange method", "ecdh-sha2-nistp256".into(), "curve25519-sha256".into()));
    let cipher = refused(Algorithms { ciphers: Some("aes256-ctr".into()), ..Algorithms::default() });
    assert_eq!(cipher, ("cipher", "aes128-ctr".into(), "aes256-ctr".into()));
    let host_key = refused(Algorithms { host_keys: Some("rsa-sha2-512".into()), ..Algorithms::default() });
    assert_eq!(host_key, ("host key type", "ssh-ed25519".into(), "rsa-sha2-512".into()));
}

#[test]
fn an_rsa_key_with_too_few_bits_is_refused() {
    let sshd = Sshd::with(&["rsa"], "");
    let endpoint = |bits| {
        let algorithms = Arc::new(Algorithms { required_rsa_bits: Some(bits), ..Algorithms::default() });
        SshEndpoint { algorithms, ..sshd.endpoint() }
    };
    assert!(connect(&connector(), endpoint(2048)).is_ok());
    let error = refusal(&connector(), endpoint(8192));
    assert!(error.to_string().contains("RequiredRSASize asks for 8192"), "{error}");
}

#[test]
fn only_addresses_of_the_family_that_is_asked_for_are_dialled() {
    let sshd = Sshd::start();
    let endpoint = |address_family| SshEndpoint { address_family, ..sshd.endpoint() };
    assert!(connect(&connector(), endpoint(AddressFamily::Inet)).is_ok());
    let error = refusal(&connector(), endpoint(AddressFamily::Inet6));
    assert!(format!("{error:?}").contains("AddressFamily inet6"), "{error:?}");
}
