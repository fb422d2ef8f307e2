//! Stands between libssh2 and an agent, for what libssh2 cannot ask of it: to sign for a certificate of which the agent holds the
//! key alone, and to sign for an RSA certificate with SHA-2.
//!
//! Boundary: one connection, on a socket in a directory that nobody else can enter; it is there only while a login needs it.
//! Next: `auth` says which certificates it has to add. The messages are those of the SSH agent protocol (draft-ietf-sshm-ssh-agent).

use std::{
    io::{self, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::certificate::{Certificate, Fields};

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
/// `SSH_MSG_USERAUTH_REQUEST` (RFC 4252, section 5).
const USERAUTH_REQUEST: u8 = 50;
const RSA_SHA2_256: u32 = 2;
const RSA_SHA2_512: u32 = 4;

/// Longest message, as OpenSSH's agent has it.
const MESSAGE_LIMIT: u32 = 256 * 1024;

/// A certificate that the agent does not hold, of a key that it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Added {
    /// As it travels in the protocol.
    pub(super) certificate: Vec<u8>,
    /// The plain key.
    pub(super) key: Vec<u8>,
    /// What it is called among the identities.
    pub(super) comment: String,
}

/// A socket that leads to an agent.
pub(super) struct Relay {
    directory: TempDir,
}

impl Relay {
    /// Listens for one connection and relays it to the agent behind `agent`.
    pub(super) fn start(agent: &Path, added: Vec<Added>) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("mcp-agent-").tempdir()?;
        let relay = Self { directory };
        let listener = UnixListener::bind(relay.path())?;
        let agent = agent.to_owned();
        std::thread::Builder::new().stack_size(256 * 1024).spawn(move || {
            // Whoever asked is told by the end of the connection; libssh2 has no words for more.
            let _ = listener.accept().and_then(|(client, _)| serve(client, UnixStream::connect(agent)?, &added));
        })?;
        Ok(relay)
    }

    /// Where it listens.
    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join("agent")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Wakes a thread that nobody has connected to.
        let _ = UnixStream::connect(self.path());
    }
}

fn serve(mut client: UnixStream, mut agent: UnixStream, added: &[Added]) -> io::Result<()> {
    while let Some(request) = receive(&mut client)? {
        let kind = request.first().copied();
        let request = if kind == Some(SIGN_REQUEST) { sign_request(&request, added) } else { request };
        send(&mut agent, &request)?;
        let Some(answer) = receive(&mut agent)? else { return Ok(()) };
        let answer = if kind == Some(REQUEST_IDENTITIES) { identities(&answer, added) } else { answer };
        send(&mut client, &answer)?;
    }
    Ok(())
}

fn receive(stream: &mut UnixStream) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_be_bytes(length);
    if length > MESSAGE_LIMIT {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    stream.read_exact(&mut message)?;
    Ok(Some(message))
}

fn send(stream: &mut UnixStream, message: &[u8]) -> io::Result<()> {
    stream.write_all(&string(message))
}

/// The agent's list of identities with `added` behind it.
fn identities(answer: &[u8], added: &[Added]) -> Vec<u8> {
    let mut fields = Fields(answer.get(1..).unwrap_or_default());
    let (true, Some(count)) = (answer.first() == Some(&IDENTITIES_ANSWER), fields.u32()) else {
        return answer.to_vec();
    };
    let count = count.saturating_add(u32::try_from(added.len()).unwrap_or(u32::MAX));
    let mut list = vec![IDENTITIES_ANSWER];
    list.extend(count.to_be_bytes());
    list.extend(fields.0);
    for Added { certificate, comment, .. } in added {
        list.extend(string(certificate));
        list.extend(string(comment.as_bytes()));
    }
    list
}

/// A request that the agent can answer: by the key it holds, and with the digest that was promised to the host.
fn sign_request(request: &[u8], added: &[Added]) -> Vec<u8> {
    let mut fields = Fields(request.get(1..).unwrap_or_default());
    let (Some(key), Some(data), Some(flags)) = (fields.string(), fields.string(), fields.u32()) else {
        return request.to_vec();
    };
    let held = added.iter().find(|other| other.certificate == key).map_or(key, |other| other.key.as_slice());
    let flags = match algorithm(data) {
        Some(name) if name.starts_with(b"rsa-sha2-512") => RSA_SHA2_512,
        Some(name) if name.starts_with(b"rsa-sha2-256") => RSA_SHA2_256,
        _ => flags,
    };
    let mut rewritten = vec![SIGN_REQUEST];
    rewritten.extend(string(held));
    rewritten.extend(string(data));
    rewritten.extend(flags.to_be_bytes());
    rewritten
}

/// The algorithm in what is signed to log in (RFC 4252, section 7): session, message, user, service, method, true, algorithm.
pub(super) fn algorithm(data: &[u8]) -> Option<&[u8]> {
    let mut fields = Fields(data);
    let _session = fields.string()?;
    fields.0 = fields.0.strip_prefix(&[USERAUTH_REQUEST])?;
    let (_user, _service, _method) = (fields.string()?, fields.string()?, fields.string()?);
    fields.0 = fields.0.strip_prefix(&[1])?;
    fields.string()
}

/// `bytes` as a string of the protocol (RFC 4251, section 5).
pub(super) fn string(bytes: &[u8]) -> Vec<u8> {
    // What is written here was read with a length of 32 bits, or is shorter than any message.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), bytes].concat()
}

/// Whether libssh2 would ask the agent for a signature by SHA-1, which hosts refuse.
pub(super) fn needs_relay(identity: &[u8]) -> bool {
    super::known_hosts::key_type_of(identity) == Some("ssh-rsa-cert-v01@openssh.com")
}

/// The plain key of an identity, which may be a certificate.
pub(super) fn plain_key(identity: &[u8]) -> Vec<u8> {
    Certificate::parse(identity).map_or_else(|| identity.to_vec(), |certificate| certificate.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added() -> Vec<Added> {
        vec![Added { certificate: b"cert".to_vec(), key: b"key".to_vec(), comment: "c".to_owned() }]
    }

    fn request(key: &[u8], algorithm: &[u8], flags: u32) -> Vec<u8> {
        let data = [
            &string(b"session")[..],
            &[USERAUTH_REQUEST],
            &string(b"ops"),
            &string(b"ssh-connection"),
            &string(b"publickey"),
            &[1],
            &string(algorithm),
            &string(key),
        ]
        .concat();
        [&[SIGN_REQUEST][..], &string(key), &string(&data), &flags.to_be_bytes()].concat()
    }

    #[test]
    fn a_certificate_is_listed_behind_what_the_agent_holds() {
        let list = [&[IDENTITIES_ANSWER, 0, 0, 0, 1][..], &string(b"key"), &string(b"mine")].concat();
        let expected =
            [&[IDENTITIES_ANSWER, 0, 0, 0, 2][..], &string(b"key"), &string(b"mine"), &string(b"cert"), &string(b"c")]
                .concat();
        assert_eq!(identities(&list, &added()), expected);
        for odd in [&b""[..], &[5], &[IDENTITIES_ANSWER, 0]] {
            assert_eq!(identities(odd, &added()), odd, "a failure stays one");
        }
    }

    #[test]
    fn the_agent_is_asked_for_the_key_it_holds_with_the_digest_that_was_promised() {
        let asked = |key: &[u8], algorithm: &[u8]| {
            let rewritten = sign_request(&request(key, algorithm, 0), &added());
            let mut fields = Fields(&rewritten[1..]);
            (fields.string().map(<[u8]>::to_vec), fields.string().map(<[u8]>::len), fields.u32())
        };
        let (key, _, flags) = asked(b"cert", b"ssh-ed25519-cert-v01@openssh.com");
        assert_eq!((key.as_deref(), flags), (Some(&b"key"[..]), Some(0)));
        let (key, _, flags) = asked(b"other", b"rsa-sha2-512-cert-v01@openssh.com");
        assert_eq!((key.as_deref(), flags), (Some(&b"other"[..]), Some(RSA_SHA2_512)));
        assert_eq!(asked(b"other", b"rsa-sha2-256").2, Some(RSA_SHA2_256));
        assert_eq!(sign_request(&[SIGN_REQUEST, 0, 0], &added()), [SIGN_REQUEST, 0, 0]);
    }
}
