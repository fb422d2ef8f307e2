//! Holds the sessions that a run has left until nobody needs them any more.
//!
//! Boundary: one process, one socket; a thread per run that is being served. Next: `attendant` serves a run, `control`
//! asks from outside.

use std::{
    collections::{HashMap, VecDeque},
    io,
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, poll};

use super::{
    Directory, Key, Pool,
    attendant::Attendant,
    control::{SessionRow, SessionState},
    directory::wait_readable,
    frame::{Filled, Inbox, Kind, Outbox},
    left,
    link::is_of_this_user,
    pool::{Held, Title},
};
use crate::transport::local::timespec;

/// How long a run may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often it is looked for sessions whose time is up or whose host has hung up.
const ROUND: Duration = Duration::from_secs(1);

/// Stack of a thread that serves a run.
const STACK: usize = 128 * 1024;

/// The process that holds kept sessions.
pub struct Keeper {
    listener: UnixListener,
    shared: Arc<Shared>,
}

struct Shared {
    directory: Directory,
    socket: PathBuf,
    slots: Mutex<HashMap<Key, Slot>>,
    queue: Mutex<Queue>,
    queued: Condvar,
}

/// Runs that wait for a thread, and threads that wait for a run.
#[derive(Default)]
struct Queue {
    streams: VecDeque<UnixStream>,
    idle: usize,
    /// How many are served or wait for it; the process must not end under them.
    served: usize,
}

enum Slot {
    Idle(Box<Held>),
    Busy(Title),
}

impl Keeper {
    /// Takes the sessions of `pool` over and lets runs find them; `None` when there are none.
    ///
    /// # Errors
    /// The directory is not safe or cannot be written; the sessions are closed then.
    pub fn new(directory: &Directory, pool: &Pool) -> io::Result<Option<Self>> {
        let sessions = pool.take();
        if sessions.is_empty() {
            return Ok(None);
        }
        let (listener, socket) = directory.listen()?;
        let shared = Shared {
            directory: directory.clone(),
            socket,
            slots: Mutex::default(),
            queue: Mutex::default(),
            queued: Condvar::new(),
        };
        for (key, held) in sessions {
            shared.directory.publish(key, &shared.socket)?;
            shared.slots().insert(key, Slot::Idle(Box::new(held)));
        }
        Ok(Some(Self { listener, shared: Arc::new(shared) }))
    }

    /// Serves runs until no session is left.
    pub fn run(self) {
        while !self.shared.end_of_round() {
            let mut fds = [PollFd::new(&self.listener, PollFlags::IN)];
            if poll(&mut fds, Some(&timespec(ROUND))).is_ok_and(|ready| ready > 0) {
                while let Ok((stream, _)) = self.listener.accept() {
                    self.shared.serve(stream);
                }
            }
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.shared.socket);
    }
}

impl Shared {
    fn slots(&self) -> MutexGuard<'_, HashMap<Key, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes sessions whose time is up or whose host has hung up; true when none is left and nobody is being served.
    fn end_of_round(&self) -> bool {
        let mut slots = self.slots();
        slots.retain(|key, slot| {
            let ends = match slot {
                Slot::Busy(_) => false,
                Slot::Idle(held) => left(held.used + held.persist).is_zero() || held.wire.is_hung_up(Duration::ZERO),
            };
            if ends {
                self.directory.withdraw(*key, &self.socket);
            }
            !ends
        });
        slots.is_empty() && self.queue().served == 0
    }

    /// Has a thread serve a run; those that have served one wait for the next.
    fn serve(self: &Arc<Self>, stream: UnixStream) {
        let mut queue = self.queue();
        queue.streams.push_back(stream);
        queue.served += 1;
        if queue.idle >= queue.streams.len() {
            self.queued.notify_one();
            return;
        }
        drop(queue);
        let shared = Arc::clone(self);
        let spawned = std::thread::Builder::new().stack_size(STACK).spawn(move || {
            loop {
                let stream = shared.next_stream();
                let _ = shared.attend(&stream);
                shared.queue().served -= 1;
            }
        });
        if spawned.is_err() {
            // A run that is hung up on connects by itself.
            let mut queue = self.queue();
            queue.served -= queue.streams.len();
            queue.streams.clear();
        }
    }

    fn next_stream(&self) -> UnixStream {
        let mut queue = self.queue();
        loop {
            if let Some(stream) = queue.streams.pop_front() {
                return stream;
            }
            queue.idle += 1;
            queue = self.queued.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attend(&self, stream: &UnixStream) -> io::Result<()> {
        if !is_of_this_user(stream) {
            return Ok(());
        }
        stream.set_nonblocking(true)?;
        let mut inbox = Inbox::default();
        let until = Instant::now() + PATIENCE;
        let (kind, payload) = loop {
            if let Some((kind, payload)) = inbox.next()? {
                break (kind, payload.to_vec());
            }
            // Most have said what they want by the time they are served.
            match inbox.fill(stream)? {
                Filled::Some => {}
                Filled::Nothing if wait_readable(stream, left(until)) => {}
                Filled::Nothing | Filled::HungUp => return Ok(()),
            }
        };
        let answer = match kind {
            Kind::Attach => {
                let key = <[u8; 16]>::try_from(payload.as_slice()).map(Key);
                let Some((key, mut held)) = key.ok().and_then(|key| Some((key, self.take(key)?))) else {
                    return say(stream, Kind::Gone, &[]);
                };
                let is_clean = Attendant::new(stream, &mut inbox, &held.wire).serve();
                held.used = Instant::now();
                self.give_back(key, is_clean.then_some(held));
                return Ok(());
            }
            Kind::List => self.rows(),
            Kind::Close => self.close(serde_json::from_slice::<Vec<String>>(&payload).ok().as_deref()),
            _ => return Ok(()),
        };
        say(stream, Kind::Answer, &serde_json::to_vec(&answer)?)
    }

    /// Takes a session for one run.
    fn take(&self, key: Key) -> Option<Box<Held>> {
        let mut slots = self.slots();
        let slot = slots.get_mut(&key)?;
        let Slot::Idle(held) = &*slot else { return None };
        let busy = Slot::Busy(held.title.clone());
        match std::mem::replace(slot, busy) {
            Slot::Idle(held) => Some(held),
            Slot::Busy(_) => None,
        }
    }

    /// Takes a session back, unless it broke or was told to close meanwhile.
    fn give_back(&self, key: Key, held: Option<Box<Held>>) {
        let mut slots = self.slots();
        match (slots.contains_key(&key), held) {
            (true, Some(held)) => {
                slots.insert(key, Slot::Idle(held));
            }
            (true, None) => {
                slots.remove(&key);
                self.directory.withdraw(key, &self.socket);
            }
            (false, _) => {}
        }
    }

    fn rows(&self) -> Vec<SessionRow> {
        self.slots().values().map(row).collect()
    }

    /// Closes the sessions with `hosts`, or all; one in use is closed when its run hangs up.
    fn close(&self, hosts: Option<&[String]>) -> Vec<SessionRow> {
        let mut closed = vec![];
        self.slots().retain(|key, slot| {
            let row = row(slot);
            let is_meant = hosts.is_none_or(|hosts| hosts.contains(&row.host));
            if is_meant {
                self.directory.withdraw(*key, &self.socket);
                closed.push(row);
            }
            !is_meant
        });
        closed
    }
}

fn row(slot: &Slot) -> SessionRow {
    let (title, state, ends_in) = match slot {
        Slot::Busy(title) => (title, SessionState::Busy, None),
        Slot::Idle(held) => (&held.title, SessionState::Idle, Some(left(held.used + held.persist).as_secs())),
    };
    SessionRow {
        host: title.host.clone(),
        target: title.target.clone(),
        jump: title.jump.clone(),
        state,
        open_seconds: title.since.elapsed().as_secs(),
        ends_in_seconds: ends_in,
        keeper: std::process::id(),
    }
}

fn say(stream: &UnixStream, kind: Kind, payload: &[u8]) -> io::Result<()> {
    let mut outbox = Outbox::default();
    outbox.push(kind, payload);
    let until = Instant::now() + PATIENCE;
    while !outbox.flush(stream)? {
        let mut fds = [PollFd::new(stream, PollFlags::OUT)];
        if poll(&mut fds, Some(&timespec(left(until))))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    Ok(())
}
