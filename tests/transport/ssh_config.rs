use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use crate::sshd::{Sshd, user};

/// `mcp hosts check` of `fleet`, which only `~/.ssh/config` knows how to reach.
fn check(sshd: &Sshd, ssh_config: &str) -> (Option<i32>, String) {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join(".ssh")).unwrap();
    let path = home.path().join(".ssh/config");
    fs::write(&path, ssh_config).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(home.path().join("hosts.yaml"), "version: 1\nhosts:\n  fleet: {docker: false}\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_mcp"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home.path())
        .env("USER", "nobody-here")
        .env("KEYS", sshd.directory.path())
        .arg("-C")
        .arg(home.path())
        .args(["hosts", "check", "-o", "json"])
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn a_host_is_reached_by_what_only_ssh_config_says_of_it() {
    let sshd = Sshd::start();
    let all = format!(
        "Host fleet\n  HostName {}\n  Port {}\n  User {}\n  IdentityFile ${{KEYS}}/id_%%ed25519\n  IdentityFile ${{KEYS}}/id_ed25519\n  \
         UserKnownHostsFile ${{KEYS}}/known_hosts\n",
        sshd.address,
        sshd.port,
        user()
    );
    let (code, said) = check(&sshd, &all);
    assert_eq!(code, Some(0), "{said}");
    // Each of the lines is needed, so each of them takes effect. What port 22 is here, nobody knows.
    for (keyword, broken) in [
        ("Port", ""),
        ("User ", "authentication"),
        ("IdentityFile ${KEYS}/id_ed", "authentication"),
        ("UserKnown", "host key"),
    ] {
        let without: String =
            all.lines().filter(|line| !line.contains(keyword)).map(|line| format!("{line}\n")).collect();
        assert_ne!(without, all, "{keyword}");
        let (code, said) = check(&sshd, &without);
        assert_eq!(code, Some(4), "{keyword}: {said}");
        assert!(said.contains(&format!("\"broken\": \"{broken}")), "{keyword}: {said}");
    }
}

#[test]
fn an_unknown_host_key_is_taken_and_thrown_away_where_ssh_config_says_so() {
    let sshd = Sshd::start();
    let config = format!(
        "Host fleet\n  HostName {}\n  Port {}\n  User {}\n  IdentityFile ${{KEYS}}/id_ed25519\n  StrictHostKeyChecking no\n  \
         UserKnownHostsFile /dev/null\n",
        sshd.address,
        sshd.port,
        user()
    );
    let (code, said) = check(&sshd, &config);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = check(&sshd, &config.replace("StrictHostKeyChecking no", "StrictHostKeyChecking ask"));
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("\"broken\": \"host key\""), "{said}");
}
