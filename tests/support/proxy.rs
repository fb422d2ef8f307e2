//! A bad cable: a TCP proxy that passes bytes until it is told to do harm.
//!
//! One connection is the bad one, the first that comes to the point of the harm; later ones pass whole, so that whoever was cut off can
//! come back. With `every` all of them are bad until the cable is mended.

#![allow(dead_code, reason = "each test binary uses its own part of this module")]

mod phases;

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use phases::Phases;
pub(crate) use phases::{Direction, Phase};
use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket, sockopt::set_socket_linger};

/// What is done to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Both ends are told in order.
    Fin,
    /// Both ends are told with a reset.
    Reset,
    /// Nobody is told, and nothing passes any more.
    Silence,
    /// The client gets a reset; what it has sent goes on to the host when [`Proxy::deliver`] says so.
    Hold,
    /// From there on a byte a second passes, each way.
    Drip,
    /// One byte is not what it was.
    Corrupt,
    /// From there on everything comes so many milliseconds late.
    Delay(u64),
    /// Nothing passes until [`Proxy::deliver`], and then everything.
    Pause,
}

/// Where it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// The port is closed, until the cable is mended.
    Refused,
    /// The port does not answer, until the cable is mended.
    Unanswered,
    /// Once the connection is taken, before anything has passed.
    Connect,
    /// After so many bytes one way.
    Bytes(Direction, usize),
    /// As the connection comes to this.
    Phase(Phase),
}

/// When a connection is harmed by itself, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Harm {
    pub(crate) at: Point,
    pub(crate) way: Way,
    /// All connections, not just the first that comes there.
    pub(crate) every: bool,
}

/// When the first connection is cut by itself: after so many bytes one way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) direction: Direction,
    pub(crate) after: usize,
    pub(crate) way: Way,
}

#[derive(Default)]
struct State {
    lines: Vec<Line>,
    /// The connection that is the bad one, once it is known.
    bad: Option<usize>,
    delivers: bool,
    is_mended: bool,
}

/// One connection.
#[derive(Default)]
struct Line {
    phases: Phases,
    /// How it is harmed.
    way: Option<Way>,
    to_host: usize,
    to_client: usize,
    /// Of the proxy's own socket towards the host.
    local: Option<SocketAddr>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    ends: AtomicBool,
}

/// A proxy in front of one address.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    /// A port that nobody listens on, or answers at, yet.
    closed: Mutex<Option<Closed>>,
}

struct Closed {
    socket: OwnedFd,
    upstream: SocketAddr,
    /// Fill the queue of connections that wait to be taken.
    waiting: Vec<TcpStream>,
}

impl Proxy {
    pub(crate) fn new(upstream: SocketAddr, cut: Option<Cut>) -> Self {
        let harm = |cut: Cut| Harm { at: Point::Bytes(cut.direction, cut.after), way: cut.way, every: false };
        Self::with(upstream, cut.map(harm))
    }

    pub(crate) fn with(upstream: SocketAddr, harm: Option<Harm>) -> Self {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&socket, &"127.0.0.1:0".parse::<SocketAddr>().unwrap()).unwrap();
        let address = SocketAddr::try_from(getsockname(&socket).unwrap()).unwrap();
        let shared = Arc::new(Shared::default());
        let mut waiting = vec![];
        match harm.map(|harm| harm.at) {
            Some(Point::Refused) => {}
            Some(Point::Unanswered) => {
                listen(&socket, 0).unwrap();
                // A queue of none takes one, and Linux drops what comes when it is full (listen(2), tcp(7)).
                while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
                    waiting.push(stream);
                }
            }
            _ => {
                listen(&socket, 1024).unwrap();
                Self::accept(socket, upstream, &shared, harm);
                return Self { address, shared, closed: Mutex::new(None) };
            }
        }
        Self { address, shared, closed: Mutex::new(Some(Closed { socket, upstream, waiting })) }
    }

    fn accept(socket: OwnedFd, upstream: SocketAddr, shared: &Arc<Shared>, harm: Option<Harm>) {
        let (listener, shared) = (TcpListener::from(socket), Arc::clone(shared));
        thread::spawn(move || {
            for client in listener.incoming() {
                if shared.ends.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(client), Ok(host)) = (client, TcpStream::connect(upstream)) else { continue };
                Pump::begin(client, host, &shared, harm);
            }
        });
    }

    /// Cuts the bad connection now: the first one, if none was bad so far.
    pub(crate) fn cut(&self, way: Way) {
        let mut state = self.shared.state.lock().unwrap();
        let bad = *state.bad.get_or_insert(0);
        if let Some(line) = state.lines.get_mut(bad) {
            line.way.get_or_insert(way);
        }
        self.shared.changed.notify_all();
    }

    /// Gives the host what [`Way::Hold`] and [`Way::Pause`] kept from it.
    pub(crate) fn deliver(&self) {
        self.shared.state.lock().unwrap().delivers = true;
        self.shared.changed.notify_all();
    }

    /// Later connections pass whole, and those that are harmed end.
    pub(crate) fn mend(&self) {
        let mut state = self.shared.state.lock().unwrap();
        state.is_mended = true;
        state.delivers = true;
        for line in state.lines.iter_mut().filter(|line| line.way.is_some()) {
            line.way = Some(Way::Reset);
        }
        drop(state);
        self.shared.changed.notify_all();
        if let Some(Closed { socket, upstream, waiting }) = self.closed.lock().unwrap().take() {
            drop(waiting);
            listen(&socket, 1024).unwrap();
            Self::accept(socket, upstream, &self.shared, None);
        }
    }

    /// Waits until a connection is harmed; gives the address of the proxy's own socket towards the host.
    pub(crate) fn harmed(&self, within: Duration) -> Option<SocketAddr> {
        let begin = Instant::now();
        let mut state = self.shared.state.lock().unwrap();
        loop {
            if let Some(line) = state.lines.iter().find(|line| line.way.is_some()) {
                return line.local;
            }
            let left = within.checked_sub(begin.elapsed())?;
            state = self.shared.changed.wait_timeout(state, left.min(Duration::from_millis(50))).unwrap().0;
        }
    }

    /// Bytes of the first connection so far: to the host, to the client.
    pub(crate) fn passed(&self) -> (usize, usize) {
        let state = self.shared.state.lock().unwrap();
        state.lines.first().map_or((0, 0), |line| (line.to_host, line.to_client))
    }

    /// Whether a connection was harmed.
    pub(crate) fn was_cut(&self) -> bool {
        self.shared.state.lock().unwrap().lines.iter().any(|line| line.way.is_some())
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.state.lock().unwrap().lines.len()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        self.shared.changed.notify_all();
        if self.closed.lock().unwrap().is_none() {
            // Wakes the listener, which then ends.
            let _ = TcpStream::connect(self.address);
        }
    }
}

/// One way of one connection. The sockets close when both ways have let go of them.
struct Pump {
    from: Arc<TcpStream>,
    to: Arc<TcpStream>,
    shared: Arc<Shared>,
    direction: Direction,
    harm: Option<Harm>,
    number: usize,
}

impl Pump {
    fn begin(client: TcpStream, host: TcpStream, shared: &Arc<Shared>, harm: Option<Harm>) {
        let mut state = shared.state.lock().unwrap();
        let number = state.lines.len();
        state.lines.push(Line { local: host.local_addr().ok(), ..Line::default() });
        if let Some(harm) = harm.filter(|harm| harm.at == Point::Connect) {
            state.strike(number, harm);
        }
        drop(state);
        shared.changed.notify_all();
        let (client, host) = (Arc::new(client), Arc::new(host));
        for (direction, from, to) in [(Direction::ToHost, &client, &host), (Direction::ToClient, &host, &client)] {
            from.set_nodelay(true).unwrap();
            from.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            let (from, to, shared) = (Arc::clone(from), Arc::clone(to), Arc::clone(shared));
            thread::spawn(move || Self { from, to, shared, direction, harm, number }.run());
        }
    }

    fn run(self) {
        let mut buffer = [0; 16 * 1024];
        loop {
            if let Some(way) = self.way().filter(|way| way.ends()) {
                return self.part(way, &[]);
            }
            let read = match (&*self.from).read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
                Err(_) => break,
            };
            let (passes, rest) = buffer[..read].split_at(self.admit(&buffer[..read]));
            if self.send(passes).is_err() {
                break;
            }
            if rest.is_empty() {
                continue;
            }
            match self.way() {
                Some(way) if way.ends() => return self.part(way, rest),
                Some(Way::Corrupt) => {
                    let mut wrong = rest.to_vec();
                    wrong[0] ^= 0x55;
                    if (&*self.to).write_all(&wrong).is_err() {
                        break;
                    }
                }
                _ if self.send(rest).is_err() => break,
                _ => {}
            }
        }
        let _ = self.to.shutdown(Shutdown::Both);
        let _ = self.from.shutdown(Shutdown::Both);
    }

    /// How this connection is harmed, if it is.
    fn way(&self) -> Option<Way> {
        self.shared.state.lock().unwrap().lines[self.number].way
    }

    /// Sends in the way that this connection has come to.
    fn send(&self, bytes: &[u8]) -> std::io::Result<()> {
        match self.way() {
            Some(Way::Drip) => {
                for byte in bytes {
                    let state = self.shared.state.lock().unwrap();
                    self.shared.pause(state, Duration::from_secs(1), |state| state.is_mended);
                    (&*self.to).write_all(&[*byte])?;
                    if self.shared.ends.load(Ordering::SeqCst) || self.way() != Some(Way::Drip) {
                        break;
                    }
                }
                Ok(())
            }
            Some(Way::Delay(milliseconds)) => {
                let state = self.shared.state.lock().unwrap();
                self.shared.pause(state, Duration::from_millis(milliseconds), |state| state.is_mended);
                (&*self.to).write_all(bytes)
            }
            Some(Way::Pause) => {
                self.shared.wait(self.shared.state.lock().unwrap(), |state| state.delivers);
                (&*self.to).write_all(bytes)
            }
            _ => (&*self.to).write_all(bytes),
        }
    }

    /// How many of `bytes` may pass before this connection is harmed; harms it when they are not all of them.
    fn admit(&self, bytes: &[u8]) -> usize {
        let mut state = self.shared.state.lock().unwrap();
        if state.lines[self.number].way.is_some_and(Way::ends) {
            return 0;
        }
        let was_harmed = state.lines[self.number].way.is_some();
        for (index, byte) in bytes.iter().enumerate() {
            let line = &mut state.lines[self.number];
            let passed = if self.direction == Direction::ToHost { &mut line.to_host } else { &mut line.to_client };
            let phase = line.phases.feed(self.direction, *byte);
            let is_there = match self.harm.map(|harm| harm.at) {
                Some(Point::Bytes(direction, after)) => direction == self.direction && *passed >= after,
                Some(Point::Phase(point)) => phase == Some(point),
                _ => false,
            };
            if is_there && !was_harmed && self.harm.is_some_and(|harm| state.strike(self.number, harm)) {
                self.shared.changed.notify_all();
                return index;
            }
            let line = &mut state.lines[self.number];
            *(if self.direction == Direction::ToHost { &mut line.to_host } else { &mut line.to_client }) += 1;
        }
        bytes.len()
    }

    /// Ends this way of a cut connection, as it was told; `rest` are bytes that did not pass.
    fn part(self, way: Way, rest: &[u8]) {
        let state = self.shared.state.lock().unwrap();
        match way {
            Way::Fin => {
                drop(state);
                let _ = self.to.shutdown(Shutdown::Both);
                let _ = self.from.shutdown(Shutdown::Both);
            }
            Way::Reset => {
                drop(state);
                // A linger of zero makes close(2) send a reset (socket(7)); close comes when the other way lets go as well.
                for stream in [&self.from, &self.to] {
                    let _ = set_socket_linger(stream, Some(Duration::ZERO));
                }
            }
            Way::Silence => self.shared.wait(state, |state| state.is_mended),
            Way::Hold => {
                let Self { from, to, shared, direction, .. } = &self;
                let (client, host) = if *direction == Direction::ToHost { (from, to) } else { (to, from) };
                set_socket_linger(client, Some(Duration::ZERO)).unwrap();
                let (host, shared, to_host) = (Arc::clone(host), Arc::clone(shared), *direction == Direction::ToHost);
                drop(state);
                drop(self);
                shared.wait(shared.state.lock().unwrap(), |state| state.delivers);
                if to_host {
                    let _ = (&*host).write_all(rest);
                }
                shared.wait(shared.state.lock().unwrap(), |state| state.is_mended);
            }
            Way::Drip | Way::Corrupt | Way::Delay(_) | Way::Pause => {}
        }
    }
}

impl Way {
    /// Whether nothing passes after it.
    fn ends(self) -> bool {
        matches!(self, Self::Fin | Self::Reset | Self::Silence | Self::Hold)
    }
}

impl State {
    /// Harms connection `number`, if it is one that is to be.
    fn strike(&mut self, number: usize, harm: Harm) -> bool {
        let is_bad = !self.is_mended && (harm.every || *self.bad.get_or_insert(number) == number);
        let line = &mut self.lines[number];
        if is_bad {
            line.way.get_or_insert(harm.way);
        }
        is_bad
    }
}

impl Shared {
    /// Waits for `condition`, or the end of the test.
    fn wait(&self, mut state: MutexGuard<'_, State>, condition: impl Fn(&State) -> bool) {
        while !condition(&state) && !self.ends.load(Ordering::SeqCst) {
            state = self.changed.wait_timeout(state, Duration::from_millis(100)).unwrap().0;
        }
    }

    /// Waits for so long, or for `condition`, or the end of the test.
    fn pause(&self, mut state: MutexGuard<'_, State>, time: Duration, condition: impl Fn(&State) -> bool) {
        let begin = Instant::now();
        while let Some(left) = time.checked_sub(begin.elapsed()) {
            if condition(&state) || self.ends.load(Ordering::SeqCst) {
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }
}
