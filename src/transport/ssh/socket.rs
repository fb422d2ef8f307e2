//! What a session's bytes travel on: a TCP connection, or a tunnel through a jump host's session.
//!
//! Boundary: descriptors and how they end. Next: `dial` makes the first kind, `jump` the second.

use std::{
    io,
    net::{Shutdown, TcpStream},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
        unix::net::UnixStream,
    },
    sync::Arc,
};

use rustix::net::{RecvFlags, recv};

use super::jump::Life;

/// A connected socket that an SSH session speaks through.
pub(super) enum Socket {
    /// Straight to the host.
    Tcp(TcpStream),
    /// This end of a tunnel; the other end is moved by the jump host's pump.
    Tunnel(UnixStream, Arc<Life>),
}

impl Socket {
    /// Shuts both directions down, which wakes whoever waits for either.
    pub(super) fn cut(&self) {
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Self::Tunnel(stream, _) => stream.shutdown(Shutdown::Both),
        };
    }

    /// Whether a byte is there to be read: false when the peer has hung up or there is nothing yet.
    pub(super) fn has_bytes(&self) -> bool {
        matches!(recv(self, &mut [0_u8; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT), Ok((_, 1)))
    }

    /// Has the kernel acknowledge at once: sshd's Nagle would otherwise hold its next packet back for our delayed one.
    pub(super) fn acknowledge_now(&self) {
        #[cfg(target_os = "linux")]
        if let Self::Tcp(stream) = self {
            let _ = rustix::net::sockopt::set_tcp_quickack(stream, true);
        }
    }

    /// The jump host's session that carries this, if one does.
    pub(super) fn life(&self) -> Option<&Life> {
        match self {
            Self::Tcp(_) => None,
            Self::Tunnel(_, life) => Some(life),
        }
    }

    /// Makes reads and writes return at once.
    pub(super) fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nonblocking(true),
            Self::Tunnel(stream, _) => stream.set_nonblocking(true),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Tunnel(stream, _) => stream.as_fd(),
        }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
