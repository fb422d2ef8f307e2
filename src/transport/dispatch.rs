//! Picks the connector a host's entry asks for.

use std::path::PathBuf;

use super::{
    Connector, Limits, Phase, Remote, ShownKey, TransportError, TransportErrorKind, local::LocalConnector,
    ssh::SshConnector,
};
use crate::domain::{Connection, Host, SshEndpoint};

/// Every way to a host.
pub struct Connectors {
    /// For hosts that are this machine.
    pub local: LocalConnector,
    /// For hosts reached over SSH.
    pub ssh: SshConnector,
}

impl Connector for Connectors {
    fn connect(&self, host: &Host, limits: &Limits<'_>) -> Result<Box<dyn Remote>, TransportError> {
        match &host.connection {
            Connection::Local => self.local.connect(host, limits),
            Connection::Ssh(_) => self.ssh.connect(host, limits),
            Connection::Refused(reason) => Err(refused(reason)),
        }
    }

    fn scan(&self, host: &Host, limits: &Limits<'_>) -> Result<ShownKey, TransportError> {
        match &host.connection {
            Connection::Local => self.local.scan(host, limits),
            Connection::Ssh(_) => self.ssh.scan(host, limits),
            Connection::Refused(reason) => Err(refused(reason)),
        }
    }

    fn remember(
        &self,
        keys: &[(&SshEndpoint, &ShownKey)],
        replace: bool,
        limits: &Limits<'_>,
    ) -> Result<PathBuf, TransportError> {
        self.ssh.remember(keys, replace, limits)
    }
}

fn refused(reason: &str) -> TransportError {
    TransportError::new(Phase::Configuration, TransportErrorKind::Unsupported(reason.to_owned()))
}
