//! The question about one host and its answer.
//!
//! Boundary: values; `evaluate` gives them. What is expanded only when a connection is begun is expanded here.

use super::{
    Machine, Origin,
    jump::{Hop, Jump},
    tokens::{self, Variables},
    values::HostKeyChecking,
};
use crate::domain::{AddressFamily, Algorithms};

/// Which host is asked for, with what a command line would say of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// The name after `ssh`.
    pub name: &'a str,
    /// `-o HostName=`, taken literally.
    pub host_name: Option<&'a str>,
    /// `-l`.
    pub user: Option<&'a str>,
    /// `-p`.
    pub port: Option<u16>,
    /// The way is said elsewhere, as by `-J`: the configuration's `ProxyJump` and `ProxyCommand` are not in effect.
    pub way_is_given: bool,
}

/// What asks for something that is not done here, and so stands between a host and its connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The keyword: `ProxyCommand`, `Match exec`.
    pub keyword: &'static str,
    /// Where it is written.
    pub origin: Origin,
    /// Why it is not done, or what helps.
    pub why: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}) is in effect, and not supported: {}", self.keyword, self.origin, self.why)
    }
}

/// Everything said of one host that takes effect; what is `None` was not said.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// DNS name or IP address, in lower case.
    pub host_name: String,
    /// Remote user.
    pub user: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// `IdentityFile` as written, in order; `none` among them.
    pub identity_files: Vec<String>,
    /// `CertificateFile` as written, in order.
    pub certificate_files: Vec<String>,
    /// `IdentitiesOnly`.
    pub identities_only: Option<bool>,
    /// `IdentityAgent`, expanded; `none`, `SSH_AUTH_SOCK` and `$VARIABLE` as written.
    pub identity_agent: Option<String>,
    /// `UserKnownHostsFile`, expanded; `none` alone.
    pub user_known_hosts: Option<Vec<String>>,
    /// `GlobalKnownHostsFile`; `none` alone.
    pub global_known_hosts: Option<Vec<String>>,
    /// `StrictHostKeyChecking`.
    pub host_key_checking: Option<HostKeyChecking>,
    /// `ConnectTimeout` in seconds.
    pub connect_timeout: Option<u32>,
    /// `HostKeyAlias`, in lower case.
    pub host_key_alias: Option<String>,
    /// `HashKnownHosts`.
    pub hash_known_hosts: Option<bool>,
    /// `ProxyJump` as written, and where.
    pub jump: Option<(Jump, Origin)>,
    /// `AddressFamily`.
    pub address_family: Option<AddressFamily>,
    /// `Ciphers`, `MACs`, `KexAlgorithms`, `HostKeyAlgorithms`, `RequiredRSASize`.
    pub algorithms: Algorithms,
    /// What stands in the way, in the order of the files.
    pub refusals: Vec<Refusal>,
    pub(super) origins: Origins,
    pub(super) connection: tokens::Connection,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Origins {
    pub(super) identity_files: Vec<Origin>,
    pub(super) certificate_files: Vec<Origin>,
}

impl Settings {
    /// What holds where there is no configuration: the request alone.
    #[must_use]
    pub fn of(request: &Request<'_>) -> Self {
        Self {
            host_name: request.host_name.unwrap_or(request.name).to_owned(),
            user: request.user.map(str::to_owned),
            port: request.port,
            ..Self::default()
        }
    }

    /// The identity files, expanded; `none` is left out.
    ///
    /// # Errors
    /// A token or a variable that has no meaning.
    pub fn identity_paths(&self, machine: &dyn Machine) -> Result<Vec<String>, Refusal> {
        self.paths("IdentityFile", &self.identity_files, &self.origins.identity_files, machine)
    }

    /// The certificates, expanded; `none` is left out.
    ///
    /// # Errors
    /// A token or a variable that has no meaning.
    pub fn certificate_paths(&self, machine: &dyn Machine) -> Result<Vec<String>, Refusal> {
        self.paths("CertificateFile", &self.certificate_files, &self.origins.certificate_files, machine)
    }

    fn paths(
        &self,
        keyword: &'static str,
        files: &[String],
        origins: &[Origin],
        machine: &dyn Machine,
    ) -> Result<Vec<String>, Refusal> {
        let files = files.iter().zip(origins).filter(|(file, _)| !file.eq_ignore_ascii_case("none"));
        files
            .map(|(file, origin)| {
                tokens::path(file, &self.connection, machine).map_err(|why| Refusal {
                    keyword,
                    origin: origin.clone(),
                    why,
                })
            })
            .collect()
    }

    /// The jump hosts, expanded, the outermost first.
    ///
    /// # Errors
    /// A token that has no meaning there.
    pub fn hops(&self, machine: &dyn Machine) -> Result<Vec<Hop>, Refusal> {
        let Some((jump, origin)) = &self.jump else { return Ok(Vec::new()) };
        let expand = |text: &str| {
            tokens::expand(text, tokens::OF_A_PROXY, Variables::Kept, &self.connection, machine)
                .map_err(|why| Refusal { keyword: "ProxyJump", origin: origin.clone(), why })
        };
        jump.hops
            .iter()
            .map(|hop| {
                let user = hop.user.as_deref().map(expand).transpose()?;
                Ok(Hop { user, host: expand(&hop.host)?, port: hop.port })
            })
            .collect()
    }
}
