//! Processes as this machine sees them: those of a rig's hosts are among them.

use std::{fs, net::SocketAddr};

use rustix::process::{Pid, Signal, kill_process};

/// The processes that `is_it` is true of, by their command line (words end with a zero byte).
fn those(is_it: impl Fn(u32, &[u8]) -> bool) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| is_it(*pid, &line))).collect()
}

/// The processes whose command line holds `word`, each with its beginning.
pub(crate) fn naming(word: &str) -> Vec<(u32, String)> {
    let holds = |line: &[u8]| line.windows(word.len()).any(|part| part == word.as_bytes());
    let shown = |pid: u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).replace(['\0', '\n'], " ").chars().take(160).collect()
    };
    let me = std::process::id();
    those(|pid, line| pid != me && holds(line)).into_iter().map(|pid| (pid, shown(pid))).collect()
}

/// The state and the group of process `pid`.
fn stat(pid: u32) -> Option<(String, u32)> {
    // proc(5): the command's name is in parentheses and may hold any character; the group is the third field after it.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
}

/// The process group of `pid`; 0 when it is gone.
pub(crate) fn group_of(pid: u32) -> u32 {
    stat(pid).map_or(0, |(_, group)| group)
}

/// The processes of process group `group`.
pub(crate) fn in_group(group: u32) -> Vec<u32> {
    those(|pid, _| group != 0 && stat(pid).is_some_and(|(state, of)| state != "Z" && of == group))
}

/// The sshd processes that hold the connection whose other end is `peer`, a socket of this machine.
pub(crate) fn sshd_of(peer: SocketAddr) -> Vec<u32> {
    let Some(inode) = inode_of_peer(peer) else { return vec![] };
    let socket = format!("socket:[{inode}]");
    let holds = |pid: u32| {
        let links = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        links.filter_map(|link| fs::read_link(link.path()).ok()).any(|target| target.as_os_str() == socket.as_str())
    };
    those(|pid, line| line.starts_with(b"sshd: ") && holds(pid))
}

/// The inode of the socket on this machine that is connected to `peer` (proc(5), /proc/net/tcp).
fn inode_of_peer(peer: SocketAddr) -> Option<u64> {
    let SocketAddr::V4(peer) = peer else { return None };
    let address = format!("{:08X}:{:04X}", u32::from_le_bytes(peer.ip().octets()), peer.port());
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields.get(2) == Some(&address.as_str())).then(|| fields.get(9)?.parse().ok())?
    })
}

/// Sends `signal` to each of `pids`.
pub(crate) fn signal(pids: &[u32], signal: Signal) {
    for pid in pids {
        let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) else { continue };
        let _ = kill_process(pid, signal);
    }
}
