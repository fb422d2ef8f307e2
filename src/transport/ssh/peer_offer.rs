//! The algorithms a host offers, read from its first packet, to explain a key exchange that found none in common.
//!
//! Boundary: libssh2 keeps the packet to itself, so a second connection is opened, after a failure only. It goes no further than
//! SSH_MSG_KEXINIT (RFC 4253, sections 4.2, 6 and 7.1), and nothing about the user is sent. Next: `algorithms` says what is offered here.

use std::time::{Duration, Instant};

use rustix::{
    event::{PollFd, PollFlags, poll},
    net::{RecvFlags, SendFlags, recv, send},
};

use super::{certificate::Fields, socket::Socket};
use crate::transport::{Limits, local::timespec};

/// Most bytes read: banner lines and one packet, which is at most 35000 bytes (RFC 4253, section 6.1).
const MOST: usize = 64 * 1024;
/// Longest time the second connection may take, within the deadline of the host.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// What one side offers, each list in its order of preference.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) key_exchange: Vec<String>,
    pub(super) host_keys: Vec<String>,
    pub(super) ciphers: Vec<String>,
    pub(super) macs: Vec<String>,
}

/// One kind of algorithm that two sides have none of in common.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// What kind, as ssh calls it.
    pub(super) what: &'static str,
    /// The keyword of ssh_config(5) and sshd_config(5).
    pub(super) keyword: &'static str,
    pub(super) theirs: Vec<String>,
    pub(super) ours: Vec<String>,
}

impl Offer {
    /// The first kind without a common algorithm, in the order in which ssh looks; announcements do not count.
    pub(super) fn mismatch(&self, theirs: &Self) -> Option<Mismatch> {
        let kinds = [
            ("key exchange method", "KexAlgorithms", &self.key_exchange, &theirs.key_exchange),
            ("host key type", "HostKeyAlgorithms", &self.host_keys, &theirs.host_keys),
            ("cipher", "Ciphers", &self.ciphers, &theirs.ciphers),
            ("MAC", "MACs", &self.macs, &theirs.macs),
        ];
        let shown = |list: &[String]| list.iter().filter(|name| !is_announcement(name)).cloned().collect::<Vec<_>>();
        let cipher = self.ciphers.iter().find(|ours| theirs.ciphers.contains(ours));
        // These bring their own (RFC 5647, and PROTOCOL.chacha20poly1305 of OpenSSH).
        let needs_mac =
            !cipher.is_some_and(|cipher| cipher.contains("-gcm") || cipher.starts_with("chacha20-poly1305"));
        kinds.into_iter().filter(|(what, ..)| *what != "MAC" || needs_mac).find_map(|(what, keyword, ours, theirs)| {
            let (ours, theirs) = (shown(ours), shown(theirs));
            (!ours.iter().any(|name| theirs.contains(name))).then_some(Mismatch { what, keyword, theirs, ours })
        })
    }
}

/// Not algorithms: RFC 8308 and strict key exchange (section 1.10 of OpenSSH's PROTOCOL).
fn is_announcement(name: &str) -> bool {
    name.starts_with("ext-info-") || name.starts_with("kex-strict-")
}

/// What the host at the other end of `socket` offers; `None` when it has not said so by the deadline.
pub(super) fn read(socket: &Socket, limits: &Limits<'_>) -> Option<Offer> {
    socket.set_nonblocking().ok()?;
    let until = limits.deadline.min(Instant::now() + PATIENCE);
    let ready = |events: PollFlags| {
        let left = until.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::new(socket, events)];
        !left.is_zero() && !limits.cancel.is_abandoned() && !matches!(poll(&mut fds, Some(&timespec(left))), Ok(0))
    };
    if !ready(PollFlags::OUT) || send(socket, b"SSH-2.0-mcp\r\n", SendFlags::NOSIGNAL).is_err() {
        return None;
    }
    let (mut bytes, mut buffer) = (Vec::new(), vec![0_u8; 8192]);
    while bytes.len() < MOST && ready(PollFlags::IN) {
        match recv(socket, &mut buffer[..], RecvFlags::DONTWAIT) {
            Ok((_, 0)) => break,
            Ok((_, count)) => bytes.extend_from_slice(&buffer[..count]),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(_) => break,
        }
        if let Some(offer) = parse(&bytes) {
            return Some(offer);
        }
    }
    None
}

/// Reads the lines up to the version and the first packet; `None` as long as it is not whole, or when it is another one.
pub(super) fn parse(bytes: &[u8]) -> Option<Offer> {
    let mut rest = bytes;
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let is_version = rest.starts_with(b"SSH-");
        rest = &rest[end + 1..];
        if is_version {
            break;
        }
    }
    let length = usize::try_from(u32::from_be_bytes(rest.get(..4)?.try_into().ok()?)).ok()?;
    let packet = rest.get(4..4_usize.checked_add(length)?)?;
    // Padding length, SSH_MSG_KEXINIT, 16 bytes of cookie.
    if packet.get(1) != Some(&20) {
        return None;
    }
    let mut fields = Fields(packet.get(18..)?);
    let mut list = || {
        let text = String::from_utf8_lossy(fields.string()?).into_owned();
        Some(text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect::<Vec<_>>())
    };
    let (key_exchange, host_keys, ciphers, _, macs) = (list()?, list()?, list()?, list()?, list()?);
    Some(Offer { key_exchange, host_keys, ciphers, macs })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn packet(lists: &[&str]) -> Vec<u8> {
        let mut payload = vec![20];
        payload.extend([7; 16]);
        for list in lists {
            payload.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
            payload.extend(list.as_bytes());
        }
        let mut packet = b"Welcome\r\nSSH-2.0-old\r\n".to_vec();
        packet.extend(u32::try_from(payload.len() + 1 + 4).unwrap().to_be_bytes());
        packet.push(4);
        packet.extend(payload);
        packet.extend([0; 4]);
        packet
    }

    fn offer(lists: [&str; 4]) -> Offer {
        let list = |text: &str| text.split(',').map(str::to_owned).collect();
        let [key_exchange, host_keys, ciphers, macs] = lists.map(list);
        Offer { key_exchange, host_keys, ciphers, macs }
    }

    #[test]
    fn the_first_packet_of_a_host_is_read_once_it_is_whole() {
        let bytes = packet(&["kex-a,kex-b", "ssh-rsa", "c2s", "s2c", "mac-a,mac-b", "mac"]);
        for end in 0..bytes.len() {
            assert_eq!(parse(&bytes[..end]), None, "{end}");
        }
        assert_eq!(parse(&bytes), Some(offer(["kex-a,kex-b", "ssh-rsa", "c2s", "mac-a,mac-b"])));
        assert_eq!(parse(b"HTTP/1.1 400 Bad Request\r\n\r\n"), None);
        assert_eq!(parse(b"SSH-2.0-x\r\n\xff\xff\xff\xff\x04\x14"), None);
    }

    #[test]
    fn the_first_kind_without_a_common_algorithm_is_named_and_announcements_do_not_count() {
        let ours =
            offer(["curve,kex-strict-c-v00@openssh.com", "ssh-ed25519", "aes128-ctr,aes128-gcm@openssh.com", "hmac-a"]);
        let what = |theirs: [&str; 4]| ours.mismatch(&offer(theirs)).map(|mismatch| mismatch.what);
        assert_eq!(what(["curve", "ssh-ed25519", "aes128-ctr", "hmac-a"]), None);
        assert_eq!(what(["old,kex-strict-c-v00@openssh.com", "ssh-rsa", "3des", "md5"]), Some("key exchange method"));
        assert_eq!(what(["curve", "ssh-rsa", "3des", "md5"]), Some("host key type"));
        assert_eq!(what(["curve", "ssh-ed25519", "3des", "md5"]), Some("cipher"));
        assert_eq!(what(["curve", "ssh-ed25519", "aes128-ctr", "md5"]), Some("MAC"));
        assert_eq!(what(["curve", "ssh-ed25519", "aes128-gcm@openssh.com", "md5"]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = parse(&bytes);
            let _ = parse(&[b"SSH-2.0-x\n".as_slice(), &bytes].concat());
        }
    }
}
