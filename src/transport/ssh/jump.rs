//! Connections through jump hosts: one session to each, one thread that moves the bytes of all hosts behind it.
//!
//! A host behind a jump host gets one end of a socket pair; the pump moves what is written there through a `direct-tcpip`
//! channel (RFC 4254, section 7.2) of the jump host's session. Nothing listens on this machine. A jump host that is itself
//! behind another is reached through that one's tunnel in the same way, so a chain has one session per jump host.
//!
//! Boundary: who waits for what, and what to say when it fails. Next: `jump/pump.rs` is the thread, `jump/tunnel.rs` one
//! host's bytes.

mod pump;
mod tunnel;

use std::{
    collections::HashMap,
    os::unix::net::UnixStream,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use self::pump::Pump;
use super::{Core, socket::Socket, wire::timeout};
use crate::{
    domain::{JumpHost, SshEndpoint},
    transport::{Cancel, Limits, Phase, TransportError, TransportErrorKind},
};

/// Longest wait for a turn at a jump host whose other tunnels are slow to open; no deadline of a host runs meanwhile.
const LONGEST_QUEUE: Duration = Duration::from_secs(120);

/// A jump host that hears nothing for so long, not even an answer to a keepalive, is the likely cause of a timeout behind it.
const SUSPICIOUS: Duration = Duration::from_secs(7);

/// What the hosts behind a jump host can know of its session.
pub(super) struct Life {
    jump: String,
    host_keys: Vec<Vec<u8>>,
    heard: Mutex<Instant>,
    end: OnceLock<Arc<TransportError>>,
}

impl Life {
    fn new(jump: &str, host_keys: Vec<Vec<u8>>) -> Self {
        Self { jump: jump.to_owned(), host_keys, heard: Mutex::new(Instant::now()), end: OnceLock::new() }
    }

    /// The keys that the jump hosts on the way have shown, from the outermost in.
    pub(super) fn host_keys(&self) -> &[Vec<u8>] {
        &self.host_keys
    }

    fn hear(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn silence(&self) -> Duration {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    fn finish(&self, error: TransportError) -> Arc<TransportError> {
        Arc::clone(self.end.get_or_init(|| Arc::new(error)))
    }

    /// Why the jump host's session ended, if it has.
    pub(super) fn ended(&self) -> Option<TransportError> {
        self.end.get().map(|cause| behind(&self.jump, cause))
    }

    /// What is wrong with the jump host, if anything is.
    pub(super) fn trouble(&self) -> Option<TransportError> {
        if let Some(ended) = self.ended() {
            return Some(ended);
        }
        let silence = self.silence();
        (silence > SUSPICIOUS).then(|| {
            let kind = TransportErrorKind::Lost(format!("nothing heard from it for {} s", silence.as_secs()));
            behind(&self.jump, &Arc::new(TransportError::new(Phase::Jump, kind)))
        })
    }
}

/// The error of a host behind `jump`. In a chain the first jump host that fails is the cause for all behind it.
fn behind(jump: &str, cause: &Arc<TransportError>) -> TransportError {
    let kind = match &*cause.kind {
        TransportErrorKind::Jump { jump, cause } => {
            TransportErrorKind::Jump { jump: jump.clone(), cause: Arc::clone(cause) }
        }
        TransportErrorKind::Cancelled => TransportErrorKind::Cancelled,
        _ => TransportErrorKind::Jump { jump: jump.to_owned(), cause: Arc::clone(cause) },
    };
    TransportError::new(cause.phase, kind)
}

/// The jump hosts in use, by the way to them.
#[derive(Default)]
pub(super) struct Jumps {
    hubs: Mutex<HashMap<String, Arc<Hub>>>,
}

/// One jump host's doorkeeper.
struct Hub {
    inbox: Sender<Message>,
    wake: UnixStream,
    /// Ends what the pump waits for while it connects.
    cancel: Arc<Cancel>,
}

/// What the pump is told.
enum Message {
    Open(Request),
    /// A session that was asked for is there, or is not.
    Started(Result<pump::Started, TransportError>),
    Close,
}

/// A tunnel that somebody waits for.
struct Request {
    address: String,
    port: u16,
    /// It was lost with a session before.
    again: bool,
    reply: Sender<Answer>,
}

enum Answer {
    /// The channel is being opened now: the host's own time begins.
    Begun,
    Opened(Socket),
    Failed(TransportError),
}

/// The way as a key: two hosts share a session only if every jump host on their way is the same, user and port included.
pub(super) fn key(way: &[Arc<JumpHost>]) -> String {
    let hop = |jump: &Arc<JumpHost>| {
        let SshEndpoint { address, port, user, .. } = &jump.endpoint;
        format!("{} {user}@{address}:{port}", jump.name)
    };
    way.iter().map(hop).collect::<Vec<_>>().join(" > ")
}

impl Jumps {
    /// A tunnel to `endpoint` through its jump hosts. `waited` becomes the time until it was this host's turn.
    pub(super) fn open(
        &self,
        core: &Arc<Core>,
        endpoint: &SshEndpoint,
        limits: &Limits<'_>,
        waited: &mut Duration,
    ) -> Result<Socket, TransportError> {
        (limits.phase)(Phase::Jump);
        let hub = self.hub(core, &endpoint.jump)?;
        let (reply, answers) = mpsc::channel();
        let waker = reply.clone();
        let cancel = Arc::clone(&hub.cancel);
        let _guard = limits.cancel.on_abandon(move || {
            cancel.abandon();
            let _ = waker.send(Answer::Failed(TransportError::new(Phase::Jump, TransportErrorKind::Cancelled)));
        });
        let (address, port) = (endpoint.address.clone(), endpoint.port);
        hub.tell(Message::Open(Request { address, port, again: false, reply }));
        wait(&answers, limits, waited)
    }

    /// Ends every jump host's session.
    pub(super) fn close(&self) {
        for (_, hub) in self.hubs.lock().unwrap_or_else(PoisonError::into_inner).drain() {
            hub.tell(Message::Close);
        }
    }

    fn hub(&self, core: &Arc<Core>, way: &[Arc<JumpHost>]) -> Result<Arc<Hub>, TransportError> {
        let mut hubs = self.hubs.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(way);
        if let Some(hub) = hubs.get(&key) {
            return Ok(Arc::clone(hub));
        }
        let lost =
            |error: std::io::Error| TransportError::new(Phase::Jump, TransportErrorKind::Lost(error.to_string()));
        let (inbox, messages) = mpsc::channel();
        let (wake, woken) = UnixStream::pair().map_err(lost)?;
        wake.set_nonblocking(true).map_err(lost)?;
        woken.set_nonblocking(true).map_err(lost)?;
        let cancel = Arc::new(Cancel::new());
        let hub = Arc::new(Hub { inbox, wake, cancel });
        let pump = Pump::new(Arc::clone(core), way.to_vec(), Arc::clone(&hub), messages, woken);
        std::thread::Builder::new()
            .name("jump host".to_owned())
            .stack_size(512 * 1024)
            .spawn(move || pump.run())
            .map_err(lost)?;
        hubs.insert(key, Arc::clone(&hub));
        Ok(hub)
    }
}

impl Hub {
    fn tell(&self, message: Message) {
        let _ = self.inbox.send(message);
        // Full means that the pump will wake anyway.
        let _ = std::io::Write::write(&mut &self.wake, &[1]);
    }
}

fn wait(answers: &Receiver<Answer>, limits: &Limits<'_>, waited: &mut Duration) -> Result<Socket, TransportError> {
    let begin = Instant::now();
    let mut until = begin + LONGEST_QUEUE;
    let mut phase = Phase::Jump;
    loop {
        match answers.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Answer::Begun) => {
                phase = Phase::Tcp;
                (limits.phase)(phase);
                *waited = begin.elapsed();
                until = limits.deadline + *waited;
            }
            Ok(Answer::Opened(socket)) => return Ok(socket),
            Ok(Answer::Failed(error)) => return Err(error),
            Err(RecvTimeoutError::Timeout) => return Err(timeout(phase, limits)),
            Err(RecvTimeoutError::Disconnected) => {
                let kind = TransportErrorKind::Lost("the tunnel was closed".to_owned());
                return Err(TransportError::new(Phase::Jump, kind));
            }
        }
    }
}
