//! From an address to an open TCP connection.
//!
//! Boundary: name look-up and connect only. Nothing but the system's resolver knows all the ways to look a name up, and it blocks for as
//! long as it likes, so it runs on a thread that is left behind when the deadline comes. A connect is polled for.

use std::{
    io,
    net::{IpAddr, Shutdown, SocketAddr, TcpStream, ToSocketAddrs},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    net::{AddressFamily as Family, SocketFlags, SocketType, socket_with, sockopt::socket_error},
};

use super::wire::offload;
use crate::{
    domain::{AddressFamily, SshEndpoint},
    transport::{Cancel, Limits, Phase, TransportError, TransportErrorKind, local::timespec},
};

/// How often a connect that takes long looks whether the run was abandoned.
const LOOK: Duration = Duration::from_secs(1);

/// Connects to the first of the endpoint's addresses that answers.
pub(super) fn dial(endpoint: &SshEndpoint, limits: &Limits<'_>) -> Result<TcpStream, TransportError> {
    (limits.phase)(Phase::Dns);
    let addresses = resolve(endpoint, limits)?;
    (limits.phase)(Phase::Tcp);
    let deadline = limits.first_byte_by();
    let limits = &Limits { deadline, ..*limits };
    let stream = connect(&addresses, limits);
    if limits.cancel.is_abandoned() {
        return Err(TransportError::new(Phase::Tcp, TransportErrorKind::Cancelled));
    }
    stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream)).map_err(|source| {
        let kind = if source.kind() == io::ErrorKind::TimedOut && limits.left() < Duration::from_millis(5) {
            TransportErrorKind::Timeout { phase: Phase::Tcp, allowed: limits.allowed }
        } else {
            TransportErrorKind::Connect { target: super::target(endpoint), source }
        };
        TransportError::new(Phase::Tcp, kind)
    })
}

fn resolve(endpoint: &SshEndpoint, limits: &Limits<'_>) -> Result<Vec<SocketAddr>, TransportError> {
    let mut found = match endpoint.address.parse::<IpAddr>() {
        Ok(literal) => Ok(vec![SocketAddr::new(literal, endpoint.port)]),
        Err(_) => {
            let name = (endpoint.address.clone(), endpoint.port);
            offload(Phase::Dns, limits, move || name.to_socket_addrs().map(Vec::from_iter))?
        }
    };
    let (wanted, kind): (fn(&SocketAddr) -> bool, _) = match endpoint.address_family {
        AddressFamily::Any => (|_| true, ""),
        AddressFamily::Inet => (SocketAddr::is_ipv4, " of IPv4 (AddressFamily inet)"),
        AddressFamily::Inet6 => (SocketAddr::is_ipv6, " of IPv6 (AddressFamily inet6)"),
    };
    if let Ok(addresses) = &mut found {
        addresses.retain(wanted);
    }
    let unresolved = |reason: String| {
        let kind = TransportErrorKind::Resolve { address: endpoint.address.clone(), reason };
        TransportError::new(Phase::Dns, kind)
    };
    match found {
        Ok(addresses) if addresses.is_empty() => Err(unresolved(format!("it has none{kind}"))),
        Ok(addresses) => Ok(addresses),
        Err(error) => Err(unresolved(error.to_string())),
    }
}

/// The first of `addresses` that answers.
fn connect(addresses: &[SocketAddr], limits: &Limits<'_>) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for (index, address) in addresses.iter().enumerate() {
        // A dead address must leave time for the ones after it.
        let share = limits.left() / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        if share.is_zero() || limits.cancel.is_abandoned() {
            break;
        }
        match connect_to(address, share, limits.cancel) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A connection to `address` that does not block, made within `allowed` and before the run is abandoned.
fn connect_to(address: &SocketAddr, allowed: Duration, cancel: &Cancel) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { Family::INET } else { Family::INET6 };
    // In one step where that is possible: another thread may be starting a program right now.
    #[cfg(target_os = "linux")]
    let flags = SocketFlags::CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let flags = SocketFlags::empty();
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    #[cfg(not(target_os = "linux"))]
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    let stream = Arc::new(TcpStream::from(socket));
    stream.set_nonblocking(true)?;
    match rustix::net::connect(&*stream, address) {
        // Interrupted, it goes on all the same (connect(2)).
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let waking = Arc::clone(&stream);
    let guard = cancel.on_abandon(move || {
        let _ = waking.shutdown(Shutdown::Both);
    });
    until_connected(&stream, allowed, cancel)?;
    drop(guard);
    // Only an abandoned run still holds it.
    Arc::into_inner(stream).ok_or_else(|| io::ErrorKind::Interrupted.into())
}

fn until_connected(stream: &TcpStream, allowed: Duration, cancel: &Cancel) -> io::Result<()> {
    let end = Instant::now() + allowed;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let mut fds = [PollFd::new(stream, PollFlags::OUT)];
        // Not every system wakes a poll when a socket that is still connecting is shut down.
        match poll(&mut fds, Some(&timespec(left.min(LOOK)))) {
            Ok(0) | Err(Errno::INTR) if cancel.is_abandoned() => return Err(io::ErrorKind::Interrupted.into()),
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(socket_error(stream)??),
            Err(errno) => return Err(errno.into()),
        }
    }
}
