//! Picks the connector a host's entry asks for.

use super::{
    Connector, Limits, Phase, Remote, TransportError, TransportErrorKind, local::LocalConnector, ssh::SshConnector,
};
use crate::domain::{Connection, Host};

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
            Connection::Refused(reason) => {
                let kind = TransportErrorKind::Unsupported(reason.clone());
                Err(TransportError::new(Phase::Configuration, kind))
            }
        }
    }
}
