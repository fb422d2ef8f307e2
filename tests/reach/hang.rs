//! One host of many hangs: it is reported at its own deadline, with the phase it hung in, and the others do not wait.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use crate::{fleet::Fleet, said::run};

/// A port that takes connections, sends `greeting` and nothing else, until the test ends.
pub(crate) fn mute(greeting: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let kept: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = (&stream).write_all(greeting.as_bytes());
            let reader = stream.try_clone().unwrap();
            kept.lock().unwrap().push(stream);
            // What the client sends is read, so that its side never fills.
            std::thread::spawn(move || while matches!((&reader).read(&mut [0; 4096]), Ok(1..)) {});
        }
    });
    port
}

#[test]
fn each_host_that_hangs_is_named_with_its_phase_and_the_others_are_done() {
    check_fleet(20);
}

#[test]
#[ignore = "two hundred hosts: for the figures"]
fn three_of_two_hundred_hosts_hang() {
    check_fleet(197);
}

fn check_fleet(others: usize) {
    let fleet = Fleet::new("Match LocalAddress 127.0.99.1\n  ForceCommand sleep 600");
    fleet.hosts(&format!(
        "\n  web-[1:{others}]: {{address: '127.0.80.[1:{others}]'}}\n  silent: {{address: 127.0.0.1, port: {}}}\n  \
         kex: {{address: 127.0.0.1, port: {}}}\n  stuck: {{address: 127.0.99.1}}\n  engine: {{address: 127.0.80.250, docker: 'sleep 600;'}}",
        mute(""),
        mute("SSH-2.0-mute\r\n"),
    ));
    let said = run(fleet.mcp(&["hosts", "check", "--json", "--timeout", "5s"])).code(4);
    let rows = said.json();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), others + 4);
    for row in rows {
        let name = row["host"].as_str().unwrap();
        let phase = match name {
            "silent" | "kex" => "key exchange",
            "stuck" => "exec",
            "engine" => "docker",
            _ => {
                assert!(row["broken"].is_null(), "{row:#}");
                continue;
            }
        };
        assert_eq!(row["error"]["phase"], phase, "{row:#}");
        assert!(row["error"]["cause"].as_str().unwrap().contains("no answer within 5.0 s"), "{row:#}");
    }
    let slowest_other = rows.iter().filter(|row| row["broken"].is_null()).filter_map(|row| row["seconds"].as_f64());
    eprintln!("slowest of the others: {:.2} s", slowest_other.fold(0.0, f64::max));
}

#[test]
fn whom_a_run_waits_for_is_said_while_it_waits() {
    let fleet = Fleet::new("");
    fleet.hosts(&format!("\n  web: {{address: 127.0.80.1}}\n  silent: {{address: 127.0.0.1, port: {}}}", mute("")));
    run(fleet.mcp(&["hosts", "check", "--timeout", "12s"]))
        .code(4)
        .err("1 of 2 hosts done after 1")
        .err(", waiting for silent (key exchange)");
}
