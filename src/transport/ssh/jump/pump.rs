//! The thread behind one jump host: opens its session, then a channel for each host that asks, and moves their bytes.
//!
//! libssh2 keeps the state of a channel that is being opened in the session, so one session opens one channel at a time. A
//! host that does not answer the jump host would hold up all others for as long as the jump host's kernel tries (minutes). So
//! when a channel takes much longer to open than others did and somebody else waits, a further session to the jump host is
//! started for them; the slow one goes on with what it has. A fleet whose hosts answer needs one session.
//!
//! Boundary: owns the sessions; nobody else touches them after they are logged in. Next: `tunnel` for the bytes.

use std::{
    collections::VecDeque,
    os::unix::net::UnixStream,
    sync::{
        Arc,
        mpsc::{Receiver, TryRecvError},
    },
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, poll};
use ssh2::Session;

use super::{
    Answer, Hub, Life, Message, Request, behind,
    tunnel::{Step, Tunnel},
};
use crate::{
    domain::JumpHost,
    transport::{
        Limits, Phase, TransportError, TransportErrorKind,
        local::timespec,
        ssh::{
            Core,
            socket::Socket,
            wire::{Wire, gone},
        },
    },
};

/// Least time a channel may take to open before others stop waiting for it.
const PATIENCE: Duration = Duration::from_millis(500);

/// Most of the same.
const MOST_PATIENCE: Duration = Duration::from_secs(4);

/// Most sessions to one jump host.
const MOST_LANES: usize = 32;

/// How often a jump host that says nothing is asked for a sign of life while somebody waits behind it.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// A jump host that gave none for so long is gone.
const SILENCE: Duration = Duration::from_secs(15);

/// How long a failed jump host is not tried again: every host behind it would wait for the same end.
const REMEMBERED: Duration = Duration::from_secs(5);

/// Further tries of a jump host that is busy or not there yet.
const RETRIES: u32 = 2;

/// Most rounds between two looks at the inbox.
const ROUNDS: usize = 16;

/// A session that is logged in, and how long that took.
pub(super) struct Started {
    wire: Wire,
    took: Duration,
}

/// One jump host's thread.
pub(super) struct Pump {
    core: Arc<Core>,
    way: Vec<Arc<JumpHost>>,
    hub: Arc<Hub>,
    inbox: Receiver<Message>,
    woken: UnixStream,
    lanes: Vec<Lane>,
    queue: VecDeque<Request>,
    /// A session is on its way.
    starting: bool,
    failed: Option<(Instant, Arc<TransportError>)>,
    patience: Duration,
    closed: bool,
}

/// One session with what goes through it.
struct Lane {
    wire: Wire,
    life: Arc<Life>,
    opening: Option<Opening>,
    tunnels: Vec<Tunnel>,
    blocked: Option<Blocked>,
    asked: Instant,
}

struct Opening {
    request: Request,
    since: Instant,
}

/// The step that has to be repeated before any other.
#[derive(Clone, Copy)]
enum Blocked {
    Opening,
    Keepalive,
    Tunnel(usize),
}

impl Pump {
    pub(super) fn new(
        core: Arc<Core>,
        way: Vec<Arc<JumpHost>>,
        hub: Arc<Hub>,
        inbox: Receiver<Message>,
        woken: UnixStream,
    ) -> Self {
        Self {
            core,
            way,
            hub,
            inbox,
            woken,
            lanes: Vec::new(),
            queue: VecDeque::new(),
            starting: false,
            failed: None,
            patience: PATIENCE,
            closed: false,
        }
    }

    /// Runs until it is told to close.
    pub(super) fn run(mut self) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            self.read_inbox();
            if self.closed {
                return;
            }
            self.hand_out();
            let mut moved = false;
            for _ in 0..ROUNDS {
                moved = self.move_bytes(&mut buffer);
                if !moved {
                    break;
                }
            }
            self.hand_out();
            // Also when bytes go on moving: who was heard is known by polling.
            self.wait(moved);
        }
    }

    fn name(&self) -> &str {
        self.way.last().map_or("", |jump| &jump.name)
    }

    fn read_inbox(&mut self) {
        let mut bytes = [0; 256];
        while matches!(std::io::Read::read(&mut &self.woken, &mut bytes), Ok(read) if read == bytes.len()) {}
        loop {
            match self.inbox.try_recv() {
                Ok(Message::Open(request)) => self.queue.push_back(request),
                Ok(Message::Started(result)) => self.started(result),
                Ok(Message::Close) | Err(TryRecvError::Disconnected) => return self.closed = true,
                Err(TryRecvError::Empty) => return,
            }
        }
    }

    fn started(&mut self, result: Result<Started, TransportError>) {
        self.starting = false;
        match result {
            Ok(Started { wire, took }) => {
                // What a login takes tells how far away the jump host is.
                self.patience = self.patience.max(took / 2).min(MOST_PATIENCE);
                self.failed = None;
                wire.session.set_keepalive(true, 2);
                let life = Arc::new(Life::new(self.name(), wire.host_keys()));
                let tunnels = Vec::new();
                self.lanes.push(Lane { wire, life, opening: None, tunnels, blocked: None, asked: Instant::now() });
            }
            Err(error) => {
                let cause = Arc::new(error);
                self.failed = Some((Instant::now(), Arc::clone(&cause)));
                // With another session at work the queue goes on there, only later.
                if self.lanes.is_empty() {
                    let name = self.name().to_owned();
                    for request in self.queue.drain(..) {
                        let _ = request.reply.send(Answer::Failed(behind(&name, &cause)));
                    }
                }
            }
        }
    }

    /// Gives what waits to sessions that are free, and starts a session when none will be soon.
    fn hand_out(&mut self) {
        for lane in self.lanes.iter_mut().filter(|lane| lane.opening.is_none() && lane.blocked.is_none()) {
            let Some(request) = self.queue.pop_front() else { return };
            // Whoever asked may have given up meanwhile; then nobody hears this.
            if request.reply.send(Answer::Begun).is_ok() {
                lane.opening = Some(Opening { request, since: Instant::now() });
            }
        }
        if self.queue.is_empty() || self.starting || self.lanes.len() >= MOST_LANES {
            return;
        }
        let patience = self.patience;
        let is_slow = |lane: &Lane| lane.opening.as_ref().is_some_and(|opening| opening.since.elapsed() >= patience);
        if self.lanes.iter().all(is_slow) {
            self.start();
        }
    }

    fn start(&mut self) {
        if let Some((when, cause)) = &self.failed
            && when.elapsed() < REMEMBERED
        {
            if self.lanes.is_empty() {
                let (name, cause) = (self.name().to_owned(), Arc::clone(cause));
                for request in self.queue.drain(..) {
                    let _ = request.reply.send(Answer::Failed(behind(&name, &cause)));
                }
            }
            return;
        }
        self.starting = true;
        let (core, way, hub) = (Arc::clone(&self.core), self.way.clone(), Arc::clone(&self.hub));
        let spawned = std::thread::Builder::new().name("jump host login".to_owned()).stack_size(512 * 1024).spawn({
            let hub = Arc::clone(&hub);
            move || hub.tell(Message::Started(connect(&core, &way, &hub)))
        });
        if let Err(error) = spawned {
            let kind = TransportErrorKind::Lost(error.to_string());
            hub.tell(Message::Started(Err(TransportError::new(Phase::Jump, kind))));
        }
    }

    fn move_bytes(&mut self, buffer: &mut [u8]) -> bool {
        let mut moved = false;
        let mut patience = self.patience;
        let name = self.name().to_owned();
        let mut again = Vec::new();
        self.lanes.retain_mut(|lane| match lane.step(&name, buffer, &mut patience) {
            Ok(any) => {
                moved |= any;
                true
            }
            Err(error) => {
                again.extend(lane.end(&name, error));
                moved = true;
                false
            }
        });
        self.patience = patience;
        self.queue.extend(again);
        moved
    }

    fn wait(&self, moved: bool) {
        let mut fds = vec![PollFd::new(&self.woken, PollFlags::IN)];
        let mut until = Duration::from_secs(60);
        for lane in &self.lanes {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, lane.listens());
            flags.set(PollFlags::OUT, lane.blocked.is_some());
            fds.push(PollFd::new(lane.wire.socket(), flags));
            if !lane.is_idle() {
                until = until.min(KEEPALIVE.saturating_sub(lane.asked.elapsed().min(lane.life.silence())));
            }
            if let Some(opening) = lane.opening.as_ref().filter(|_| !self.queue.is_empty() && !self.starting) {
                until = until.min(self.patience.saturating_sub(opening.since.elapsed()));
            }
        }
        let sockets = fds.len();
        for lane in self.lanes.iter().filter(|lane| lane.blocked.is_none()) {
            fds.extend(lane.tunnels.iter().filter_map(Tunnel::waits_for).map(|(fd, flags)| {
                // A borrowed descriptor lives as long as its tunnel.
                PollFd::from_borrowed_fd(fd, flags)
            }));
        }
        let can_send = |lane: &Lane| lane.blocked.is_none() && lane.tunnels.iter().any(Tunnel::can_send);
        let until = if moved || self.lanes.iter().any(can_send) {
            rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 }
        } else {
            timespec(until)
        };
        let _ = poll(&mut fds, Some(&until));
        for (lane, fd) in self.lanes.iter().zip(&fds[1..sockets]) {
            // Who is not listened to is not silent.
            if fd.revents().contains(PollFlags::IN) || !lane.listens() {
                lane.life.hear();
            }
        }
    }
}

impl Lane {
    /// Whether anybody takes what the jump host sends: what comes for one tunnel has to be read for all.
    fn listens(&self) -> bool {
        self.is_idle()
            || self.opening.is_some()
            || self.blocked.is_some()
            || self.tunnels.iter().any(|tunnel| tunnel.wants_more() || tunnel.waits_to_send())
    }

    fn is_idle(&self) -> bool {
        self.opening.is_none() && self.tunnels.is_empty()
    }

    /// One round over everything that goes through this session.
    fn step(&mut self, jump: &str, buffer: &mut [u8], patience: &mut Duration) -> Result<bool, TransportError> {
        let session = self.wire.session.clone();
        let mut moved = false;
        match self.blocked.take() {
            None => {}
            Some(Blocked::Opening) => moved |= self.open(jump, patience)?,
            Some(Blocked::Keepalive) => self.keep_alive()?,
            Some(Blocked::Tunnel(at)) => moved |= self.step_tunnel(at, &session, buffer)?,
        }
        if self.blocked.is_some() {
            return Ok(moved);
        }
        self.look_for_life()?;
        if self.blocked.is_none() && self.opening.is_some() {
            moved |= self.open(jump, patience)?;
        }
        let mut at = 0;
        while self.blocked.is_none() && at < self.tunnels.len() {
            let before = self.tunnels.len();
            moved |= self.step_tunnel(at, &session, buffer)?;
            // One that is done was replaced by the last one, which still has its turn.
            at += usize::from(self.tunnels.len() == before);
        }
        Ok(moved)
    }

    fn step_tunnel(&mut self, at: usize, session: &Session, buffer: &mut [u8]) -> Result<bool, TransportError> {
        let Some(tunnel) = self.tunnels.get_mut(at) else { return Ok(false) };
        match tunnel.step(session, buffer) {
            Step::Moved => Ok(true),
            Step::Idle => Ok(false),
            Step::Blocked => {
                self.blocked = Some(Blocked::Tunnel(at));
                Ok(false)
            }
            Step::Done => {
                self.tunnels.swap_remove(at);
                Ok(true)
            }
            Step::Broken(error) => Err(self.broken(&error)),
        }
    }

    /// Goes on opening the channel that is asked for.
    fn open(&mut self, jump: &str, patience: &mut Duration) -> Result<bool, TransportError> {
        let Some(Opening { request, since }) = self.opening.take() else { return Ok(false) };
        // RFC 4254, section 7.2: the originator is for the other side's log only.
        let opened = self.wire.session.channel_direct_tcpip(&request.address, request.port, Some(("127.0.0.1", 0)));
        let channel = match opened {
            Ok(channel) => channel,
            Err(error) if Wire::would_block(&error) => {
                if self.wire.is_sending() {
                    self.blocked = Some(Blocked::Opening);
                }
                self.opening = Some(Opening { request, since });
                return Ok(false);
            }
            Err(error) if Wire::is_gone(&error) => {
                self.opening = Some(Opening { request, since });
                return Err(self.broken(&error));
            }
            Err(error) => {
                let kind = TransportErrorKind::Forward {
                    jump: jump.to_owned(),
                    target: format!("{}:{}", request.address, request.port),
                    reason: error
                        .message()
                        .trim_start_matches("Channel open failure")
                        .trim_matches([' ', '(', ')'])
                        .to_owned(),
                };
                let _ = request.reply.send(Answer::Failed(TransportError::new(Phase::Tcp, kind)));
                return Ok(true);
            }
        };
        *patience = (*patience).max(since.elapsed() * 3).min(MOST_PATIENCE);
        let pair = UnixStream::pair().and_then(|(near, far)| far.set_nonblocking(true).map(|()| (near, far)));
        match pair {
            Ok((near, far)) => {
                self.tunnels.push(Tunnel::new(channel, far));
                // Nobody waits any more: the near side is dropped, and with it the tunnel.
                let _ = request.reply.send(Answer::Opened(Socket::Tunnel(near, Arc::clone(&self.life))));
            }
            Err(error) => {
                let kind = TransportErrorKind::Lost(error.to_string());
                let _ = request.reply.send(Answer::Failed(TransportError::new(Phase::Jump, kind)));
            }
        }
        Ok(true)
    }

    /// Asks for a sign of life when there was none for a while, and gives up when none comes.
    fn look_for_life(&mut self) -> Result<(), TransportError> {
        let silence = self.life.silence();
        if self.is_idle() || silence < KEEPALIVE || self.asked.elapsed() < KEEPALIVE {
            return Ok(());
        }
        if silence > SILENCE {
            // The jump host before it may be the one that is silent: then that one is named.
            return Err(self.wire.lost(Phase::Jump, &format!("nothing heard from it for {} s", silence.as_secs())));
        }
        self.keep_alive()
    }

    fn keep_alive(&mut self) -> Result<(), TransportError> {
        self.asked = Instant::now();
        match self.wire.session.keepalive_send() {
            Ok(_) => {}
            Err(error) if Wire::would_block(&error) => self.blocked = Some(Blocked::Keepalive),
            Err(error) => return Err(self.broken(&error)),
        }
        // The answer is only taken in by a read, and there may be no tunnel that reads.
        Ok(())
    }

    /// The session broke, or the one of the jump host before it did.
    fn broken(&self, error: &ssh2::Error) -> TransportError {
        self.wire.lost(Phase::Jump, gone(error))
    }

    /// Ends everything that goes through here, with the cause. A request that should be tried again comes back.
    fn end(&mut self, jump: &str, error: TransportError) -> Option<Request> {
        let cause = self.life.finish(error);
        self.wire.cut();
        self.tunnels.clear();
        let Opening { mut request, .. } = self.opening.take()?;
        // The session may have died unnoticed while nothing went through it: one more try, with a new one.
        if !std::mem::replace(&mut request.again, true) {
            return Some(request);
        }
        let _ = request.reply.send(Answer::Failed(behind(jump, &cause)));
        None
    }
}

/// Opens a session to the last jump host of `way`, by its own deadline.
fn connect(core: &Arc<Core>, way: &[Arc<JumpHost>], hub: &Hub) -> Result<Started, TransportError> {
    let Some((jump, before)) = way.split_last() else {
        return Err(TransportError::new(
            Phase::Jump,
            TransportErrorKind::Unsupported("there is no jump host".to_owned()),
        ));
    };
    let endpoint = crate::domain::SshEndpoint { jump: before.to_vec(), ..jump.endpoint.clone() };
    let begin = Instant::now();
    let limits = Limits { retries: RETRIES, ..Limits::new(jump.connect_timeout, &hub.cancel, &|_| {}) };
    core.connect(&endpoint, &limits).map(|wire| Started { wire, took: begin.elapsed() })
}
