//! A bad cable: a TCP proxy that passes bytes until it is told to cut.
//!
//! The first connection is the bad one; later ones pass whole, so that whoever was cut off can come back.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rustix::net::sockopt::set_socket_linger;

/// How a connection ends.
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
}

/// Which bytes are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    ToHost,
    ToClient,
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
    /// How the first connection ended, or is to.
    way: Option<Way>,
    to_host: usize,
    to_client: usize,
    delivers: bool,
    connections: usize,
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
}

impl Proxy {
    pub(crate) fn new(upstream: SocketAddr, cut: Option<Cut>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let inner = Arc::clone(&shared);
        thread::spawn(move || {
            for (number, client) in listener.incoming().enumerate() {
                if inner.ends.load(Ordering::SeqCst) {
                    return;
                }
                inner.state.lock().unwrap().connections += 1;
                let (client, host) = (client.unwrap(), TcpStream::connect(upstream).unwrap());
                Pump::begin(client, host, &inner, cut, number == 0);
            }
        });
        Self { address, shared }
    }

    /// Cuts the first connection now.
    pub(crate) fn cut(&self, way: Way) {
        self.shared.state.lock().unwrap().way.get_or_insert(way);
        self.shared.changed.notify_all();
    }

    /// Gives the host what [`Way::Hold`] kept from it.
    pub(crate) fn deliver(&self) {
        self.shared.state.lock().unwrap().delivers = true;
        self.shared.changed.notify_all();
    }

    /// Bytes of the first connection so far: to the host, to the client.
    pub(crate) fn passed(&self) -> (usize, usize) {
        let state = self.shared.state.lock().unwrap();
        (state.to_host, state.to_client)
    }

    /// Whether the first connection was cut.
    pub(crate) fn was_cut(&self) -> bool {
        self.shared.state.lock().unwrap().way.is_some()
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.state.lock().unwrap().connections
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        self.shared.changed.notify_all();
        // Wakes the listener, which then ends.
        let _ = TcpStream::connect(self.address);
    }
}

/// One way of one connection. The sockets close when both ways have let go of them.
struct Pump {
    from: Arc<TcpStream>,
    to: Arc<TcpStream>,
    shared: Arc<Shared>,
    direction: Direction,
    cut: Option<Cut>,
    is_bad: bool,
}

impl Pump {
    fn begin(client: TcpStream, host: TcpStream, shared: &Arc<Shared>, cut: Option<Cut>, is_bad: bool) {
        let (client, host) = (Arc::new(client), Arc::new(host));
        for (direction, from, to) in [(Direction::ToHost, &client, &host), (Direction::ToClient, &host, &client)] {
            from.set_nodelay(true).unwrap();
            from.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            let (from, to, shared) = (Arc::clone(from), Arc::clone(to), Arc::clone(shared));
            thread::spawn(move || Self { from, to, shared, direction, cut, is_bad }.run());
        }
    }

    fn run(self) {
        let mut buffer = [0; 16 * 1024];
        while !self.is_over() {
            let read = match (&*self.from).read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
                Err(_) => break,
            };
            let (passes, rest) = buffer[..read].split_at(self.admit(read));
            if (&*self.to).write_all(passes).is_err() {
                break;
            }
            if !rest.is_empty() {
                return self.part(rest);
            }
        }
        if self.is_over() {
            return self.part(&[]);
        }
        let _ = self.to.shutdown(Shutdown::Both);
        let _ = self.from.shutdown(Shutdown::Both);
    }

    /// Whether this is the bad connection and it was cut.
    fn is_over(&self) -> bool {
        self.is_bad && self.shared.state.lock().unwrap().way.is_some()
    }

    /// How many of `read` bytes may pass; cuts when the count is full.
    fn admit(&self, read: usize) -> usize {
        if !self.is_bad {
            return read;
        }
        let mut state = self.shared.state.lock().unwrap();
        if state.way.is_some() {
            return 0;
        }
        let passed = if self.direction == Direction::ToHost { &mut state.to_host } else { &mut state.to_client };
        let passes = match self.cut {
            Some(cut) if cut.direction == self.direction => cut.after.saturating_sub(*passed).min(read),
            _ => read,
        };
        *passed += passes;
        if passes < read {
            state.way = self.cut.map(|cut| cut.way);
        }
        passes
    }

    /// Ends this way of a cut connection, as it was told; `rest` are bytes that did not pass.
    fn part(self, rest: &[u8]) {
        let state = self.shared.state.lock().unwrap();
        match state.way.unwrap() {
            Way::Fin => {
                drop(state);
                let _ = self.to.shutdown(Shutdown::Both);
                let _ = self.from.shutdown(Shutdown::Both);
            }
            Way::Reset => {
                drop(state);
                // A linger of zero makes close(2) send a reset (socket(7)); close comes when the other way lets go as well.
                for stream in [&self.from, &self.to] {
                    set_socket_linger(stream, Some(Duration::ZERO)).unwrap();
                }
            }
            Way::Silence => self.shared.wait(state, |_| false),
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
                shared.wait(shared.state.lock().unwrap(), |_| false);
            }
        }
    }
}

impl Shared {
    /// Waits for `condition`, or the end of the test.
    fn wait(&self, mut state: MutexGuard<'_, State>, condition: impl Fn(&State) -> bool) {
        while !condition(&state) && !self.ends.load(Ordering::SeqCst) {
            state = self.changed.wait_timeout(state, Duration::from_millis(100)).unwrap().0;
        }
    }
}
