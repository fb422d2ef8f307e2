//! Logs in with what an agent holds: which of its identities, in which order, with which certificates.
//!
//! Boundary: the agent signs, and its keys stay there. Next: `agent_relay` for what libssh2 cannot ask an agent.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use ssh2::{Agent, PublicKey};

use super::{Answer, Login, PHASE};
use crate::{
    domain::AgentChoice,
    transport::{
        TransportError,
        ssh::{
            agent_relay::{Added, Relay, needs_relay, plain_key},
            certificate::is_certificate,
            keys::UserCertificate,
        },
    },
};

/// An agent's identities for one login.
#[derive(Default)]
pub(super) struct Held {
    agent: Option<Agent>,
    /// Copies of the keys of the identity files, which go first.
    pub(super) named: Vec<PublicKey>,
    /// All others.
    pub(super) others: Vec<PublicKey>,
    /// Lives as long as the agent is asked.
    _relay: Option<Relay>,
}

impl Login<'_> {
    /// The agent's socket, or why there is none.
    fn agent_socket(&self) -> Result<PathBuf, &'static str> {
        match &self.endpoint.agent {
            AgentChoice::Environment => self.credentials.agent.clone().ok_or("no agent (SSH_AUTH_SOCK is not set)"),
            AgentChoice::Socket(path) => Ok(self.credentials.ring.expand(path)),
            AgentChoice::Off => Err("no agent (none is to be asked for this host)"),
        }
    }

    /// What the agent of this host holds; nothing when there is none, or it does not answer.
    pub(super) fn held(&mut self, certificates: &[Arc<UserCertificate>]) -> Result<Held, TransportError> {
        let socket = match self.agent_socket() {
            Ok(socket) => socket,
            Err(reason) => {
                self.tried.push(reason.to_owned());
                return Ok(Held::default());
            }
        };
        let Some((mut agent, mut identities)) = self.open_agent(&socket, &socket)? else { return Ok(Held::default()) };
        if identities.is_empty() {
            self.tried.push("agent (it holds no identities)".to_owned());
        }
        let added = added(certificates, &identities);
        let needs_relay = !added.is_empty() || identities.iter().any(|identity| needs_relay(identity.blob()));
        let relay = match needs_relay.then(|| Relay::start(&socket, added)) {
            None => None,
            Some(Err(error)) => {
                self.tried.push(format!("certificates for keys of the agent ({error})"));
                None
            }
            Some(Ok(relay)) => {
                let Some(opened) = self.open_agent(&socket, &relay.path())? else { return Ok(Held::default()) };
                (agent, identities) = opened;
                Some(relay)
            }
        };
        let (named, others) = self.in_order(identities, certificates);
        Ok(Held { agent: Some(agent), named, others, _relay: relay })
    }

    /// Offers `identities` of the agent in their order; each is noted in `offered`.
    pub(super) fn offer(
        &mut self,
        held: &mut Held,
        identities: Vec<PublicKey>,
        offered: &mut Vec<Vec<u8>>,
    ) -> Result<Answer, TransportError> {
        for identity in identities {
            let Some(agent) = held.agent.take() else { break };
            offered.push(identity.blob().to_vec());
            let kind = if is_certificate(identity.blob()) { "certificate" } else { "key" };
            let what = format!("agent {kind} {:?}", identity.comment());
            let (agent, answer) = self.agent_key(agent, identity, &what)?;
            held.agent = Some(agent);
            if answer == Answer::Accepted {
                return Ok(Answer::Accepted);
            }
        }
        Ok(Answer::Refused)
    }

    /// The agent `named` with its identities, asked at `socket`; `None` when it does not answer.
    fn open_agent(&mut self, named: &Path, socket: &Path) -> Result<Option<(Agent, Vec<PublicKey>)>, TransportError> {
        let (session, socket) = (self.wire.session.clone(), socket.to_owned());
        // An agent may hang or ask its user, and libssh2 waits for it without a limit.
        let opened = self.aside(move || {
            let mut agent = session.agent()?;
            agent.set_identity_path(&socket)?;
            agent.connect()?;
            agent.list_identities()?;
            let identities = agent.identities()?;
            Ok::<_, ssh2::Error>((agent, identities))
        })?;
        Ok(match opened {
            Ok(opened) => Some(opened),
            Err(error) => {
                self.tried.push(format!("agent {} ({})", named.display(), error.message()));
                None
            }
        })
    }

    /// The agent's identities as they are offered: those of the identity files, in the order of the files, and the others, unless
    /// only the former are wanted. A certificate goes before its key.
    fn in_order(
        &self,
        identities: Vec<PublicKey>,
        certificates: &[Arc<UserCertificate>],
    ) -> (Vec<PublicKey>, Vec<PublicKey>) {
        let ring = &self.credentials.ring;
        let of_files = ring.named(&self.endpoint.identity_files);
        let mut wanted: Vec<Vec<u8>> = of_files.iter().filter_map(|path| ring.public(path)).collect();
        wanted.extend(certificates.iter().map(|certificate| certificate.key.clone()));
        let mut ranked: Vec<_> = identities
            .into_iter()
            .map(|identity| {
                let key = plain_key(identity.blob());
                let place = wanted.iter().position(|blob| *blob == key);
                (place.unwrap_or(usize::MAX), !is_certificate(identity.blob()), identity)
            })
            .filter(|(place, ..)| *place != usize::MAX || !self.endpoint.identities_only)
            .collect();
        ranked.sort_by_key(|(place, is_plain, _)| (*place, *is_plain));
        let (named, others): (Vec<_>, Vec<_>) = ranked.into_iter().partition(|(place, ..)| *place != usize::MAX);
        let identities = |ranked: Vec<(usize, bool, PublicKey)>| ranked.into_iter().map(|(.., it)| it).collect();
        (identities(named), identities(others))
    }

    fn agent_key(
        &mut self,
        mut agent: Agent,
        mut identity: PublicKey,
        what: &str,
    ) -> Result<(Agent, Answer), TransportError> {
        loop {
            let user = self.endpoint.user.clone();
            let result;
            (agent, identity, result) = self.aside(move || {
                let result = agent.userauth(&user, &identity);
                (agent, identity, result)
            })?;
            if let Some(answer) = self.answer(what, result)? {
                return Ok((agent, answer));
            }
            self.wire.wait(PHASE, &self.limits, Some(self.limits.deadline))?;
        }
    }
}

/// The certificates of keys that the agent holds without them.
fn added(certificates: &[Arc<UserCertificate>], identities: &[PublicKey]) -> Vec<Added> {
    let holds = |blob: &[u8]| identities.iter().any(|identity| identity.blob() == blob);
    let missing = certificates.iter().filter(|certificate| holds(&certificate.key) && !holds(&certificate.blob));
    let add = |certificate: &Arc<UserCertificate>| Added {
        certificate: certificate.blob.clone(),
        key: certificate.key.clone(),
        comment: certificate.path.display().to_string(),
    };
    missing.map(add).collect()
}
