//! From an address to an open TCP connection.
//!
//! Boundary: name look-up and connect only. Both can block longer than allowed, so each runs on a thread that is left
//! behind when the deadline comes.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs},
    time::{Duration, Instant},
};

use super::wire::offload;
use crate::{
    domain::SshEndpoint,
    transport::{Limits, Phase, TransportError, TransportErrorKind},
};

/// Connects to the first of the endpoint's addresses that answers.
pub(super) fn dial(endpoint: &SshEndpoint, limits: &Limits<'_>) -> Result<TcpStream, TransportError> {
    (limits.phase)(Phase::Dns);
    let addresses = resolve(endpoint, limits)?;
    (limits.phase)(Phase::Tcp);
    let deadline = limits.first_byte_by();
    let limits = &Limits { deadline, ..*limits };
    let stream = offload(Phase::Tcp, limits, move || connect(&addresses, deadline))?;
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
    if let Ok(literal) = endpoint.address.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(literal, endpoint.port)]);
    }
    let name = (endpoint.address.clone(), endpoint.port);
    let found = offload(Phase::Dns, limits, move || name.to_socket_addrs().map(Vec::from_iter))?;
    let unresolved = |reason: String| {
        let kind = TransportErrorKind::Resolve { address: endpoint.address.clone(), reason };
        TransportError::new(Phase::Dns, kind)
    };
    match found {
        Ok(addresses) if addresses.is_empty() => Err(unresolved("it has none".to_owned())),
        Ok(addresses) => Ok(addresses),
        Err(error) => Err(unresolved(error.to_string())),
    }
}

fn connect(addresses: &[SocketAddr], deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for (index, address) in addresses.iter().enumerate() {
        // A dead address must leave time for the ones after it.
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        if share.is_zero() {
            break;
        }
        match TcpStream::connect_timeout(address, share) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
