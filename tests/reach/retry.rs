//! A connection that fails for a moment is tried again; one that fails for good is not.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustix::net::sockopt::set_socket_linger;

use crate::{fleet::Fleet, said::run, sshd::wait_until};

/// What a proxy does to the connections that it spoils.
#[derive(Clone, Copy)]
enum Spoil {
    /// Takes them and says nothing.
    Silent,
    /// Resets them.
    Reset,
    /// Closes them.
    Close,
    /// Closes them in the middle of the host's offer of algorithms, of which libssh2 says what it says of one that has none of ours.
    Halfway,
}

/// A proxy before `target` that spoils the first `count` connections; and how many have come.
fn proxy(target: u16, count: usize, spoil: Spoil) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let come = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&come);
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming().flatten() {
            if counter.fetch_add(1, Ordering::SeqCst) >= count {
                let far = TcpStream::connect(("127.0.0.1", target)).unwrap();
                copy(stream.try_clone().unwrap(), far.try_clone().unwrap());
                copy(far, stream);
                continue;
            }
            match spoil {
                Spoil::Silent => kept.push(stream),
                Spoil::Close => drop(stream),
                Spoil::Halfway => {
                    let mut far = TcpStream::connect(("127.0.0.1", target)).unwrap();
                    // sshd offers its algorithms once it has been greeted.
                    far.write_all(b"SSH-2.0-nobody\r\n").unwrap();
                    let mut start = [0; 100];
                    far.read_exact(&mut start).unwrap();
                    (&stream).write_all(&start).unwrap();
                }
                Spoil::Reset => set_socket_linger(&stream, Some(std::time::Duration::ZERO)).unwrap(),
            }
        }
    });
    (port, come)
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
}

#[test]
fn a_connection_that_is_reset_closed_cut_short_or_not_answered_is_tried_again() {
    let fleet = Fleet::new("");
    for spoil in [Spoil::Reset, Spoil::Close, Spoil::Halfway, Spoil::Silent] {
        let (port, come) = proxy(fleet.sshd.port, 2, spoil);
        std::fs::write(
            fleet.sshd.path("known_hosts"),
            crate::sshd::known_line(fleet.sshd.directory.path(), "ed25519", "127.0.0.1", port),
        )
        .unwrap();
        fleet.hosts(&format!("\n  web: {{address: 127.0.0.1, port: {port}}}"));
        run(fleet.mcp(&["hosts", "check"])).code(0);
        assert_eq!(come.load(Ordering::SeqCst), 3);
        let (port, come) = proxy(fleet.sshd.port, 2, spoil);
        fleet.hosts(&format!("\n  web: {{address: 127.0.0.1, port: {port}}}"));
        run(fleet.mcp(&["hosts", "check", "--retries", "0", "--timeout", "3"])).code(4);
        // Where it failed in the key exchange, the host may be asked what it offers.
        assert!((1..=2).contains(&come.load(Ordering::SeqCst)), "it was tried again");
    }
}

#[test]
fn a_refused_connection_is_tried_again_until_somebody_listens() {
    let fleet = Fleet::new("");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    fleet.hosts(&format!("\n  web: {{address: 127.0.0.1, port: {port}}}"));
    run(fleet.mcp(&["hosts", "check", "--retries", "1"])).code(4).err("refused");
    std::fs::write(
        fleet.sshd.path("known_hosts"),
        crate::sshd::known_line(fleet.sshd.directory.path(), "ed25519", "127.0.0.1", port),
    )
    .unwrap();
    let mut child = fleet.mcp(&["hosts", "check", "--retries", "20"]).spawn().unwrap();
    // It has looked for its keys, so its first try is not far; whether that one was refused does not matter here.
    wait_until("it runs", || {
        std::fs::read_dir(format!("/proc/{}/task", child.id())).is_ok_and(|tasks| tasks.count() > 1)
    });
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let target = fleet.sshd.port;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let far = TcpStream::connect(("127.0.0.1", target)).unwrap();
            copy(stream.try_clone().unwrap(), far.try_clone().unwrap());
            copy(far, stream);
        }
    });
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_refused_login_and_an_unknown_key_are_never_tried_again() {
    let fleet = Fleet::new("");
    let logins = || fleet.sshd.log().lines().filter(|line| line.starts_with("Connection from")).count();
    // The first one is the look whether sshd listens.
    wait_until("sshd has counted to one", || logins() == 1);
    let before = logins();
    fleet.hosts(&format!(
        "\n  web: {{address: 127.0.80.1, identity_file: {}}}",
        fleet.sshd.path("host_ed25519").display()
    ));
    run(fleet.mcp(&["hosts", "check"])).code(4).err("accepted none of");
    assert_eq!(logins() - before, 1);
    std::fs::write(fleet.sshd.path("known_hosts"), "").unwrap();
    fleet.hosts("\n  web: {address: 127.0.80.1}");
    run(fleet.mcp(&["hosts", "check"])).code(4).err("is not known");
    assert_eq!(logins() - before, 2);
}
