use std::{
    fs,
    io::Read,
    os::unix::net::UnixListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use mcp::{
    domain::SshEndpoint,
    transport::{
        Phase, TransportErrorKind,
        ssh::{SshConnector, SshOptions},
    },
};
use zeroize::Zeroizing;

use crate::sshd::{Sshd, connect, connect_within, connector, exec, keygen, refusal, set_mode, wait_until};

/// The list of what was tried, as the error gives it.
pub(crate) fn tried(connector: &SshConnector, endpoint: SshEndpoint) -> String {
    let error = refusal(connector, endpoint);
    assert_eq!(error.phase, Phase::Authentication);
    match *error.kind {
        TransportErrorKind::Authentication { tried, .. } => tried.join(", "),
        other => panic!("{other:?}"),
    }
}

/// A connector that answers passphrase prompts and counts them.
fn answering(answer: &'static str) -> (SshConnector, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let passphrase = move |_: &Path| {
        counter.fetch_add(1, Ordering::SeqCst);
        Some(Zeroizing::new(answer.to_owned()))
    };
    let options = SshOptions { passphrase: Some(Arc::new(passphrase)), ..SshOptions::default() };
    (SshConnector::new(options), asked)
}

pub(crate) struct Agent {
    child: Child,
    pub(crate) socket: std::path::PathBuf,
}

impl Agent {
    pub(crate) fn start(directory: &Path) -> Self {
        let socket = directory.join("agent");
        let child = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
        wait_until("the agent listens", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
        Self { child, socket }
    }

    pub(crate) fn add(&self, key: &Path) {
        let mut command = Command::new("ssh-add");
        assert!(command.arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket).status().unwrap().success());
    }

    pub(crate) fn connector(&self) -> SshConnector {
        SshConnector::new(SshOptions { agent: Some(self.socket.clone()), ..SshOptions::default() })
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn keys_of_every_kind_and_format_log_in() {
    let sshd = Sshd::start();
    for kind in ["ed25519", "ecdsa", "rsa", "ecdsa-pem", "rsa-pem"] {
        let key = sshd.authorize(&format!("key_{kind}"), kind, "");
        let connector = connector();
        for with_public in [true, false] {
            if !with_public {
                fs::remove_file(key.with_extension("pub")).unwrap();
            }
            let endpoint = SshEndpoint { identity_files: vec![key.clone()], ..sshd.endpoint() };
            let mut remote = connect(&connector, endpoint).unwrap_or_else(|error| panic!("{kind}: {error}"));
            assert_eq!(exec(&mut *remote, "echo in").stdout, b"in\n");
        }
    }
}

#[test]
fn an_encrypted_key_is_asked_for_and_decrypted_once_for_many_hosts() {
    let sshd = Sshd::start();
    for kind in ["ed25519", "rsa", "rsa-pem", "ecdsa-pem"] {
        let key = sshd.authorize(&format!("locked_{kind}"), kind, "open sesame");
        let (connector, asked) = answering("open sesame");
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    let endpoint = SshEndpoint { identity_files: vec![key.clone()], ..sshd.endpoint() };
                    connect(&connector, endpoint).unwrap_or_else(|error| panic!("{kind}: {error}"));
                });
            }
        });
        assert_eq!(asked.load(Ordering::SeqCst), 1, "{kind}");
        assert_eq!((connector.counts().decryptions(), connector.counts().sessions()), (1, 6), "{kind}");
    }
}

#[test]
fn a_wrong_passphrase_is_asked_for_three_times_and_then_no_more() {
    let sshd = Sshd::start();
    for kind in ["ed25519", "rsa-pem"] {
        let key = sshd.authorize(&format!("locked_{kind}"), kind, "open sesame");
        let (connector, asked) = answering("wrong");
        let endpoint = SshEndpoint { identity_files: vec![key], ..sshd.endpoint() };
        assert!(tried(&connector, endpoint.clone()).contains("wrong passphrase"));
        assert!(tried(&connector, endpoint).contains("wrong passphrase"));
        assert_eq!(asked.load(Ordering::SeqCst), 3);
    }
}

#[test]
fn what_was_tried_is_listed_with_reasons() {
    let sshd = Sshd::start();
    let (wrong, locked, open) = (sshd.path("wrong"), sshd.path("locked"), sshd.path("open"));
    let (garbage, absent) = (sshd.path("garbage"), sshd.path("absent"));
    // Whoever opens one waits for its other end.
    let (pipe, bytes) = (sshd.path("pipe"), sshd.path("bytes"));
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(&pipe).status().unwrap().success());
    fs::write(&bytes, [0x30, 0x82, 0xff, 0xfe]).unwrap();
    set_mode(&bytes, 0o600);
    keygen(&wrong, "ed25519", "");
    keygen(&locked, "ed25519", "secret");
    keygen(&open, "ed25519", "");
    set_mode(&open, 0o644);
    fs::write(&garbage, "not a key").unwrap();
    set_mode(&garbage, 0o600);
    let identity_files = [&wrong, &locked, &open, &garbage, &absent, &pipe, &bytes].map(Clone::clone).to_vec();
    let text = tried(&connector(), SshEndpoint { identity_files, ..sshd.endpoint() });
    for expected in [
        "no agent (SSH_AUTH_SOCK is not set)".to_owned(),
        format!("{} (refused)", wrong.display()),
        format!("{} (it needs a passphrase and there is no terminal to ask on)", locked.display()),
        format!("{} (permissions 0644 are too open", open.display()),
        format!("{} (not a private key)", garbage.display()),
        format!("{} (No such file", absent.display()),
        format!("{} (not a regular file)", pipe.display()),
        format!("{} (not text", bytes.display()),
    ] {
        assert!(text.contains(&expected), "{expected:?} in {text:?}");
    }
}

#[test]
fn default_identities_are_found_in_the_home_directory() {
    let sshd = Sshd::start();
    let ssh = sshd.path("user/.ssh");
    fs::create_dir_all(&ssh).unwrap();
    fs::copy(sshd.path("id_ed25519"), ssh.join("id_ed25519")).unwrap();
    let connector = SshConnector::new(SshOptions { home: Some(sshd.path("user")), ..SshOptions::default() });
    connect(&connector, SshEndpoint { identity_files: Vec::new(), ..sshd.endpoint() }).unwrap();
}

#[test]
fn every_identity_of_the_agent_is_tried() {
    let sshd = Sshd::start();
    let agent = Agent::start(sshd.directory.path());
    for (name, kind) in [("other_1", "ed25519"), ("other_2", "rsa"), ("other_3", "ecdsa")] {
        keygen(&sshd.path(name), kind, "");
        agent.add(&sshd.path(name));
    }
    agent.add(&sshd.path("id_ed25519"));
    let endpoint = SshEndpoint { identity_files: vec![sshd.path("absent")], ..sshd.endpoint() };
    let mut remote = connect(&agent.connector(), endpoint).unwrap();
    assert_eq!(exec(&mut *remote, "echo in").stdout, b"in\n");
}

#[test]
fn the_configured_identity_is_the_first_the_agent_offers() {
    let sshd = Sshd::with(&["ed25519"], "MaxAuthTries 2");
    let agent = Agent::start(sshd.directory.path());
    for name in ["other_1", "other_2", "other_3", "other_4"] {
        keygen(&sshd.path(name), "ed25519", "");
        agent.add(&sshd.path(name));
    }
    agent.add(&sshd.path("id_ed25519"));
    // Its public half is all that is here, as on a machine whose agent is forwarded.
    fs::remove_file(sshd.path("id_ed25519")).unwrap();
    connect(&agent.connector(), sshd.endpoint()).unwrap();
    let unconfigured = SshEndpoint { identity_files: vec![sshd.path("absent")], ..sshd.endpoint() };
    let text = tried(&agent.connector(), unconfigured);
    assert!(text.contains("too many authentication failures"), "{text}");
}

#[test]
fn too_many_keys_are_named_as_the_reason() {
    let sshd = Sshd::with(&["ed25519"], "MaxAuthTries 3");
    let names = ["key_1", "key_2", "key_3", "key_4"].map(|name| sshd.path(name));
    names.iter().for_each(|path| keygen(path, "ed25519", ""));
    let identity_files = names.into_iter().chain([sshd.path("id_ed25519")]).collect();
    let text = tried(&connector(), SshEndpoint { identity_files, ..sshd.endpoint() });
    assert!(text.contains("too many authentication failures"), "{text}");
}

#[test]
fn an_agent_that_hangs_costs_the_deadline_and_no_more() {
    let sshd = Sshd::start();
    let socket = sshd.path("hung");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let connector = SshConnector::new(SshOptions { agent: Some(socket), ..SshOptions::default() });
    let start = Instant::now();
    let error = connect_within(&connector, sshd.endpoint(), Duration::from_secs(1)).err().unwrap();
    assert!(matches!(*error.kind, TransportErrorKind::Timeout { phase: Phase::Authentication, .. }), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn an_agent_that_is_gone_does_not_keep_the_files_from_being_tried() {
    let sshd = Sshd::start();
    let options = SshOptions { agent: Some(sshd.path("no-agent-here")), ..SshOptions::default() };
    connect(&SshConnector::new(options), sshd.endpoint()).unwrap();
}

#[test]
fn a_password_is_asked_for_once_and_only_after_the_keys() {
    let sshd = Sshd::with(&["ed25519"], "PasswordAuthentication yes");
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let password = move || {
        counter.fetch_add(1, Ordering::SeqCst);
        Some(Zeroizing::new("surely not this one".to_owned()))
    };
    let options = SshOptions { password: Some(Arc::new(password)), ..SshOptions::default() };
    let connector = SshConnector::new(options);
    connect(&connector, sshd.endpoint()).unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    for _ in 0..2 {
        let endpoint = SshEndpoint { identity_files: vec![sshd.path("absent")], ..sshd.endpoint() };
        let text = tried(&connector, endpoint);
        assert!(text.contains("password (refused)"), "{text}");
        assert!(!text.contains("surely"), "{text}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_user_certificate_beside_the_key_logs_in() {
    let sshd = Sshd::start();
    let (authority, key) = (sshd.path("authority"), sshd.path("certified"));
    keygen(&authority, "ed25519", "");
    keygen(&key, "ed25519", "");
    let mut sign = Command::new("ssh-keygen");
    sign.args(["-q", "-I", "test", "-n", &sshd.endpoint().user, "-s"]).arg(&authority);
    assert!(sign.arg(key.with_extension("pub")).status().unwrap().success());
    let public = fs::read_to_string(authority.with_extension("pub")).unwrap();
    fs::write(sshd.path("authorized_keys"), format!("cert-authority {public}")).unwrap();
    connect(&connector(), SshEndpoint { identity_files: vec![key], ..sshd.endpoint() }).unwrap();
}

#[test]
fn a_named_file_goes_before_keys_that_the_agent_happens_to_hold_and_after_its_copy_of_the_file_s() {
    let sshd = Sshd::with(&["ed25519"], "MaxAuthTries 2");
    let agent = Agent::start(sshd.directory.path());
    for name in ["other_1", "other_2", "other_3", "other_4", "other_5", "other_6"] {
        keygen(&sshd.path(name), "ed25519", "");
        agent.add(&sshd.path(name));
    }
    // The file is here, and the agent does not have its key.
    connect(&agent.connector(), sshd.endpoint()).unwrap();
    // The agent has the key of a file with a passphrase: nobody is asked for it.
    let locked = sshd.authorize("locked", "ed25519", "");
    agent.add(&locked);
    let mut command = Command::new("ssh-keygen");
    assert!(command.args(["-q", "-p", "-P", "", "-N", "open sesame", "-f"]).arg(&locked).status().unwrap().success());
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let passphrase = move |_: &Path| {
        counter.fetch_add(1, Ordering::SeqCst);
        None
    };
    let options = SshOptions {
        agent: Some(agent.socket.clone()),
        passphrase: Some(Arc::new(passphrase)),
        ..SshOptions::default()
    };
    let endpoint = SshEndpoint { identity_files: vec![locked.clone()], ..sshd.endpoint() };
    connect(&SshConnector::new(options), endpoint).unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    // A public key is called what it is.
    let public = SshEndpoint { identity_files: vec![sshd.path("other_1.pub")], ..sshd.endpoint() };
    assert!(tried(&connector(), public).contains("this is the public key"));
}
