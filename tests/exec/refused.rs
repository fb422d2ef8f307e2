//! Hosts that are not who they were, and keys that are not let in any more: no byte of a command is sent, by the word of sshd itself.

use std::{
    fs,
    process::{Command, Stdio},
};

use crate::{
    said::{Said, run},
    sshd::{Sshd, keygen, known_line, user},
};

/// An sshd that says each message of the protocol that it takes.
fn talkative() -> Sshd {
    Sshd::prepared(&["ed25519"], "LogLevel DEBUG2\nRevokedKeys DIR/revoked", |directory, _| {
        fs::write(directory.join("revoked"), "").unwrap();
    })
}

/// `mcp exec` to one host at `to`, with these keys known and these keys of the host's entry.
fn exec(to: &Sshd, known: &str, entry: &str) -> Said {
    let workspace = tempfile::tempdir().unwrap();
    fs::write(workspace.path().join("known_hosts"), known).unwrap();
    let key = to.path("id_ed25519");
    let hosts = format!(
        "version: 1\nssh_config: none\ndefaults: {{user: {}, identity_file: {}, known_hosts: known_hosts}}\nhosts:\n  \
         target: {{address: {}, port: {}{entry}}}\n",
        user(),
        key.display(),
        to.address,
        to.port
    );
    fs::write(workspace.path().join("hosts.yaml"), hosts).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp"));
    command
        .args(["exec", "target", "--", "echo planted-words"])
        .env("MCP_DIR", workspace.path())
        .env("MCP_PERSIST", "0");
    command.env("HOME", workspace.path()).env_remove("SSH_AUTH_SOCK").stdin(Stdio::null());
    run(command)
}

/// What an sshd says of users, of logins and of commands.
const HEARD: [&str; 4] = ["userauth-request", "Accepted publickey", "channel 0: new", "Starting session"];

/// That `sshd` was spoken to, and heard of no user and of no command.
#[track_caller]
fn heard_of_nobody(sshd: &Sshd) {
    let log = sshd.log();
    assert!(log.contains("SSH2_MSG_KEXINIT sent"), "it says too little to show anything: {log}");
    for word in HEARD {
        assert!(!log.contains(word), "it heard {word:?}: {log}");
    }
}

#[test]
fn a_host_that_is_what_it_was_hears_all_that_the_others_do_not() {
    let sshd = talkative();
    let known = known_line(sshd.directory.path(), "ed25519", &sshd.address, sshd.port);
    exec(&sshd, &known, "").code(0).out("planted-words");
    let log = sshd.log();
    for word in HEARD {
        assert!(log.contains(word), "{word:?} is no sign of anything: {log}");
    }
}

#[test]
fn a_host_with_another_key_than_the_known_one_hears_of_no_user_and_no_command() {
    let sshd = talkative();
    keygen(&sshd.path("host_old"), "ed25519", "");
    let known = known_line(sshd.directory.path(), "old", &sshd.address, sshd.port);
    for entry in ["", ", host_key: accept-new"] {
        exec(&sshd, &known, entry).code(4).err("CHANGED");
        heard_of_nobody(&sshd);
    }
}

#[test]
fn a_host_with_a_revoked_key_hears_of_no_user_and_no_command() {
    let sshd = talkative();
    let line = known_line(sshd.directory.path(), "ed25519", &sshd.address, sshd.port);
    exec(&sshd, &format!("{line}@revoked {line}"), "").code(4).err("revoked");
    heard_of_nobody(&sshd);
}

#[test]
fn the_wrong_host_behind_a_jump_host_hears_of_no_user_and_no_command() {
    let (jump, meant, other) = (Sshd::start(), Sshd::start(), talkative());
    let of_jump = known_line(jump.directory.path(), "ed25519", &jump.address, jump.port);
    // The way leads to another machine than the one that is known by that name.
    let known = of_jump + &known_line(meant.directory.path(), "ed25519", &other.address, other.port);
    let entry = format!(
        ", jump: hop}}\n  hop: {{address: {}, port: {}, identity_file: {}, docker: false",
        jump.address,
        jump.port,
        jump.path("id_ed25519").display()
    );
    exec(&other, &known, &entry).code(4).err("CHANGED");
    heard_of_nobody(&other);
    assert!(jump.log().contains("Accepted publickey"), "the jump host was passed: {}", jump.log());
}

#[test]
fn a_login_with_a_revoked_key_sends_no_command() {
    let sshd = talkative();
    fs::copy(sshd.path("id_ed25519.pub"), sshd.path("revoked")).unwrap();
    let known = known_line(sshd.directory.path(), "ed25519", &sshd.address, sshd.port);
    exec(&sshd, &known, "").code(4).err("accepted none of").nowhere("planted-words in");
    let log = sshd.log();
    assert!(log.contains("userauth-request"), "{log}");
    for word in &HEARD[1..] {
        assert!(!log.contains(word), "it heard {word:?}: {log}");
    }
}
