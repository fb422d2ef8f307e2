//! Holds the sessions that a run has left until nobody needs them any more.
//!
//! Boundary: one process, one socket, one thread, which waits for all runs and hosts at once: a thread for each of them would cost
//! more than what it does. Next: `attendant` serves a run, `control` asks from outside.

use std::{
    collections::HashMap,
    io,
    os::{fd::AsFd, unix::net::UnixListener},
    path::PathBuf,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, poll};

use super::{
    Directory, Key, Pool,
    attendant::{Attendant, Course, Events},
    control::{SessionRow, SessionState},
    frame::{CHUNK, Kind},
    left,
    pool::{Held, Title},
    talk::Talk,
    words::attach_from,
};
use crate::transport::local::timespec;

/// How long somebody may take to say what is wanted, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often it is looked for sessions whose time is up or whose host has hung up.
const ROUND: Duration = Duration::from_secs(1);

/// The process that holds kept sessions.
pub struct Keeper {
    directory: Directory,
    listener: UnixListener,
    socket: PathBuf,
    slots: HashMap<Key, Slot>,
    /// Who has said nothing yet, or only takes an answer now.
    visits: Vec<Visit>,
    served: Vec<Serving>,
    /// For bytes on their way.
    buffer: Vec<u8>,
    round: Duration,
    /// When somebody can be let in again.
    accepts_from: Instant,
}

enum Slot {
    Idle(Box<Held>),
    Busy(Title),
}

struct Visit {
    talk: Talk,
    until: Instant,
    is_answered: bool,
}

impl Visit {
    fn interest(&self) -> PollFlags {
        if self.is_answered { PollFlags::OUT } else { PollFlags::IN }
    }
}

struct Serving {
    key: Key,
    attendant: Attendant,
    /// What the last step led to.
    course: Course,
}

impl Keeper {
    /// Takes the sessions of `pool` over and lets runs find them; `None` when there are none that nobody else holds.
    ///
    /// # Errors
    /// The directory is not safe or cannot be written; the sessions are closed then.
    pub fn new(directory: &Directory, pool: &Pool) -> io::Result<Option<Self>> {
        let sessions = pool.take();
        if sessions.is_empty() {
            return Ok(None);
        }
        let (listener, socket) = directory.listen()?;
        let mut keeper = Self {
            directory: directory.clone(),
            listener,
            socket,
            slots: HashMap::new(),
            visits: vec![],
            served: vec![],
            buffer: vec![0; CHUNK],
            round: ROUND,
            accepts_from: Instant::now(),
        };
        for (key, held) in sessions {
            // Of several that runs have opened at the same time one is enough.
            if keeper.directory.publish(key, &keeper.socket)? {
                keeper.slots.insert(key, Slot::Idle(Box::new(held)));
            }
        }
        Ok((!keeper.slots.is_empty()).then_some(keeper))
    }

    /// Looks so often for sessions whose time is up or whose host has hung up, instead of every second.
    #[must_use]
    pub fn look_every(mut self, round: Duration) -> Self {
        self.round = round;
        self
    }

    /// Serves runs until no session is left.
    pub fn run(mut self) {
        let mut next_round = Instant::now();
        while !self.is_over() {
            if left(next_round).is_zero() {
                next_round = Instant::now() + self.round;
                self.look_around();
            } else {
                self.wait(next_round);
            }
        }
    }

    fn is_over(&self) -> bool {
        self.slots.is_empty() && self.visits.is_empty() && self.served.is_empty()
    }

    /// Waits for whoever has something to say, and goes on with those.
    fn wait(&mut self, until: Instant) {
        let listens = self.accepts_from <= Instant::now();
        let mut fds = Vec::with_capacity(1 + self.visits.len() + 2 * self.served.len());
        let door = listens.then(|| watch(&mut fds, &self.listener, PollFlags::IN)).flatten();
        let visits: Vec<_> =
            self.visits.iter().map(|visit| watch(&mut fds, &*visit.talk.stream, visit.interest())).collect();
        let served: Vec<_> = self
            .served
            .iter()
            .map(|Serving { attendant, .. }| {
                let interest = attendant.interest();
                let run = watch(&mut fds, &*attendant.talk.stream, interest.run);
                (run, watch(&mut fds, attendant.held.wire.socket(), interest.host))
            })
            .collect();
        let pauses = self.served.iter().any(|serving| serving.course == Course::Pauses);
        let patience = if pauses { rustix::event::Timespec::default() } else { timespec(left(until)) };
        if poll(&mut fds, Some(&patience)).is_err() {
            // A signal came.
            return;
        }
        let events: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
        drop(fds);
        let of = |place: Option<usize>| place.map_or(PollFlags::empty(), |place| events[place]);
        for (serving, (run, host)) in self.served.iter_mut().zip(served) {
            let events = Events { run: of(run), host: of(host) };
            if serving.course == Course::Pauses || !(events.run | events.host).is_empty() {
                serving.course = serving.attendant.step(events, &mut self.buffer);
            }
        }
        // Nobody has joined the visits since they were listed, so each is still where its news is.
        for (visit, place) in std::mem::take(&mut self.visits).into_iter().zip(visits) {
            let visit = if of(place).is_empty() { Some(visit) } else { self.hear(visit) };
            self.visits.extend(visit);
        }
        if !of(door).is_empty() {
            self.accept();
        }
        self.release();
    }

    fn accept(&mut self) {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    let talk = stream.set_nonblocking(true).and_then(|()| Talk::new(stream));
                    let Ok(talk) = talk else { continue };
                    // Most have said what they want by the time they are let in.
                    let visit = self.hear(Visit { talk, until: Instant::now() + PATIENCE, is_answered: false });
                    self.visits.extend(visit);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // Whoever waits outside stays there when no descriptor is free, and a poll would tell of it again and again.
                    if error.kind() != io::ErrorKind::WouldBlock {
                        self.accepts_from = Instant::now() + self.round;
                    }
                    return;
                }
            }
        }
    }

    /// Does what a visitor wants, once that is known; `None` when the visit is over or a run is served from here on.
    fn hear(&mut self, mut visit: Visit) -> Option<Visit> {
        if !visit.is_answered {
            let (kind, payload) = loop {
                if let Some((kind, payload)) = visit.talk.inbox.next().ok()? {
                    break (kind, payload.to_vec());
                }
                if !visit.talk.fill().ok()? {
                    return Some(visit);
                }
            };
            let answer = match kind {
                Kind::Attach => {
                    let wish = attach_from(&payload);
                    if let Some((key, persist, mut held)) = wish.and_then(|(key, p)| Some((key, p, self.take(key)?))) {
                        held.persist = persist;
                        let mut attendant = Attendant::new(visit.talk, held);
                        let course = attendant.step(Events::NONE, &mut self.buffer);
                        self.served.push(Serving { key, attendant, course });
                        return None;
                    }
                    (Kind::Gone, vec![])
                }
                Kind::List => (Kind::Answer, serde_json::to_vec(&self.rows()).ok()?),
                Kind::Close => {
                    let patterns = serde_json::from_slice::<Vec<String>>(&payload).ok()?;
                    (Kind::Answer, serde_json::to_vec(&self.close(&patterns)).ok()?)
                }
                _ => return None,
            };
            visit.talk.push(answer.0, &answer.1);
            visit.is_answered = true;
        }
        (!visit.talk.flush().ok()?).then_some(visit)
    }

    /// Takes sessions back from runs that need them no longer.
    fn release(&mut self) {
        let is_over = |serving: &Serving| matches!(serving.course, Course::Clean | Course::Broken);
        let over: Vec<Serving> = self.served.extract_if(.., |serving| is_over(serving)).collect();
        for Serving { key, attendant, course } in over {
            let Attendant { talk, mut held, .. } = attendant;
            held.used = Instant::now();
            self.give_back(key, (course == Course::Clean).then_some(held));
            if talk.unsent() > 0 {
                self.visits.push(Visit { talk, until: Instant::now() + PATIENCE, is_answered: true });
            }
        }
    }

    /// Ends what has lasted too long, and closes sessions whose host has hung up.
    fn look_around(&mut self) {
        self.visits.retain(|visit| !left(visit.until).is_zero());
        for serving in &mut self.served {
            serving.course = serving.attendant.look_for_life(&mut self.buffer);
        }
        self.release();
        let (directory, socket) = (&self.directory, &self.socket);
        self.slots.retain(|key, slot| {
            let ends = match slot {
                Slot::Busy(_) => false,
                Slot::Idle(held) => left(held.used + held.persist).is_zero() || held.wire.is_hung_up(Duration::ZERO),
            };
            if ends {
                directory.withdraw(*key, socket);
            }
            !ends
        });
    }

    /// Takes a session for one run.
    fn take(&mut self, key: Key) -> Option<Box<Held>> {
        let slot = self.slots.get_mut(&key)?;
        let Slot::Idle(held) = &*slot else { return None };
        let busy = Slot::Busy(held.title.clone());
        match std::mem::replace(slot, busy) {
            Slot::Idle(held) => Some(held),
            Slot::Busy(_) => None,
        }
    }

    /// Takes a session back, unless it broke or was told to close meanwhile.
    fn give_back(&mut self, key: Key, held: Option<Box<Held>>) {
        match (self.slots.contains_key(&key), held) {
            (true, Some(held)) => {
                self.slots.insert(key, Slot::Idle(held));
            }
            (true, None) => {
                self.slots.remove(&key);
                self.directory.withdraw(key, &self.socket);
            }
            (false, _) => {}
        }
    }

    fn rows(&self) -> Vec<SessionRow> {
        self.slots.values().map(row).collect()
    }

    /// Closes the sessions that `patterns` mean; one in use is closed when its run hangs up.
    fn close(&mut self, patterns: &[String]) -> Vec<SessionRow> {
        let (directory, socket) = (&self.directory, &self.socket);
        let mut closed = vec![];
        self.slots.retain(|key, slot| {
            let row = row(slot);
            let is_meant = row.is_meant_by(patterns);
            if is_meant {
                directory.withdraw(*key, socket);
                closed.push(row);
            }
            !is_meant
        });
        closed
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // Before anything else: nobody should find the way here any more.
        let _ = std::fs::remove_file(&self.socket);
        for key in self.slots.keys() {
            self.directory.withdraw(*key, &self.socket);
        }
    }
}

/// Has a poll watch `socket`, and gives its place in `fds`. Where nothing is waited for it is left out: a poll would tell of its
/// end all the same, each time.
fn watch<'a>(fds: &mut Vec<PollFd<'a>>, socket: &'a impl AsFd, interest: PollFlags) -> Option<usize> {
    (!interest.is_empty()).then(|| {
        fds.push(PollFd::new(socket, interest));
        fds.len() - 1
    })
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
