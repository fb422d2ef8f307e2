//! Serves one run that uses a kept session: opens channels, starts commands, moves their bytes.
//!
//! Boundary: one socket and one session, in steps that never wait: the keeper polls for all of its attendants at once. A run
//! that hangs up in the middle of a command cuts the session: what the host would send next belongs to nobody.
//! Next: `running` for a command's bytes, `link` is the other side, `keeper` calls this.

use std::{
    io,
    time::{Duration, Instant},
};

use rustix::event::PollFlags;
use ssh2::Channel;

use super::{
    super::{
        direct::end_of,
        link::SILENCE,
        wire::{self, Wire},
    },
    frame::Kind,
    pool::Held,
    running::Running,
    talk::Talk,
    words::{end_to, ready_to},
};

/// How long a channel that nobody needs may take to close before its session is given up.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// Why a run is no longer served.
pub(super) enum Trouble {
    /// It has hung up, or speaks something else.
    Left,
    /// The session is of no use any more.
    Lost(String),
}

impl From<io::Error> for Trouble {
    fn from(_: io::Error) -> Self {
        Self::Left
    }
}

impl From<ssh2::Error> for Trouble {
    fn from(error: ssh2::Error) -> Self {
        let text = if Wire::is_gone(&error) { wire::gone(&error) } else { error.message() };
        Self::Lost(text.to_owned())
    }
}

/// What a poll is to find out, or what the last one has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Events {
    /// Of the run's socket.
    pub(super) run: PollFlags,
    /// Of the session's.
    pub(super) host: PollFlags,
}

impl Events {
    /// Nothing has happened.
    pub(super) const NONE: Self = Self { run: PollFlags::empty(), host: PollFlags::empty() };
}

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// It is still being served.
    Goes,
    /// It would be served further without waiting for anything, but others should have their turn.
    Pauses,
    /// It has hung up, and the session can be used again.
    Clean,
    /// The session is of no use any more.
    Broken,
}

/// One run's side.
pub(super) struct Attendant {
    pub(super) talk: Talk,
    pub(super) held: Box<Held>,
    stage: Stage,
    /// When the host was last heard, or began to be waited for.
    heard: Instant,
}

enum Stage {
    /// A channel is being opened.
    Opening,
    /// It waits for a command.
    Open(Channel),
    /// The host has not said yet that the command runs.
    Starting(Channel, String),
    Running(Running),
    Closing(Channel),
    /// The host has not closed its side yet.
    Closed(Channel),
    /// Nothing is open.
    Free,
    /// The run has left its channel unused.
    Unused(Channel, Instant),
}

/// What a step led to.
enum Next {
    Stage(Stage),
    Waits(Stage),
    Pauses(Stage),
    Over,
}

impl Attendant {
    pub(super) fn new(talk: Talk, held: Box<Held>) -> Self {
        Self { talk, held, stage: Stage::Opening, heard: Instant::now() }
    }

    /// What is waited for.
    pub(super) fn interest(&self) -> Events {
        let wire = &self.held.wire;
        let mut interest = match &self.stage {
            Stage::Open(_) | Stage::Free => Events { run: PollFlags::IN, ..Events::NONE },
            Stage::Running(running) => running.interest(&self.talk, wire),
            // Only whether the run leaves.
            Stage::Opening | Stage::Starting(..) | Stage::Closing(_) | Stage::Closed(_) => {
                Events { run: PollFlags::HUP, host: wire.waits_for() }
            }
            Stage::Unused(..) => return Events { host: wire.waits_for(), ..Events::NONE },
        };
        interest.run.set(PollFlags::OUT, self.talk.unsent() > 0);
        interest
    }

    /// Does all that can be done now; `buffer` is for bytes on their way.
    pub(super) fn step(&mut self, events: Events, buffer: &mut [u8]) -> Course {
        if events.host.contains(PollFlags::IN) {
            self.heard = Instant::now();
        }
        match self.go_on(events, buffer) {
            Ok(course) => course,
            Err(trouble) => self.end(&trouble),
        }
    }

    /// Looks after a host that may be gone; to be called now and then.
    pub(super) fn look_for_life(&mut self, buffer: &mut [u8]) -> Course {
        let waits = match &mut self.stage {
            Stage::Open(_) | Stage::Free => false,
            Stage::Running(running) => {
                running.keep_alive();
                running.listens(&self.talk)
            }
            _ => true,
        };
        if !waits {
            self.heard = Instant::now();
        }
        let silence = self.heard.elapsed();
        if silence > SILENCE {
            return self.end(&Trouble::Lost(format!("nothing heard for {} s", silence.as_secs())));
        }
        self.step(Events::NONE, buffer)
    }

    fn end(&mut self, trouble: &Trouble) -> Course {
        if let Trouble::Lost(why) = trouble {
            self.talk.push(Kind::Lost, why.as_bytes());
        }
        let _ = self.talk.flush();
        Course::Broken
    }

    fn go_on(&mut self, events: Events, buffer: &mut [u8]) -> Result<Course, Trouble> {
        let mut events = events;
        loop {
            let stage = std::mem::replace(&mut self.stage, Stage::Free);
            let next = self.advance(stage, events, buffer);
            // What the poll has said was for the stage that it was asked for.
            events = Events { run: events.run & PollFlags::HUP, ..Events::NONE };
            match next? {
                Next::Stage(stage) => {
                    self.heard = Instant::now();
                    self.stage = stage;
                }
                Next::Waits(stage) => {
                    self.stage = stage;
                    // All at once: the run is woken by each piece.
                    self.talk.flush()?;
                    let has_room = matches!(&self.stage, Stage::Running(running) if running.can_go_on(&self.talk));
                    return Ok(if has_room { Course::Pauses } else { Course::Goes });
                }
                Next::Pauses(stage) => {
                    self.stage = stage;
                    self.talk.flush()?;
                    return Ok(Course::Pauses);
                }
                Next::Over => return Ok(Course::Clean),
            }
        }
    }

    fn advance(&mut self, stage: Stage, events: Events, buffer: &mut [u8]) -> Result<Next, Trouble> {
        let has_left = events.run.contains(PollFlags::HUP);
        match stage {
            Stage::Opening | Stage::Starting(..) | Stage::Closing(_) | Stage::Closed(_) if has_left => {
                Err(Trouble::Left)
            }
            Stage::Opening => {
                let wire = &self.held.wire;
                let Some(channel) = wire.if_ready(wire.session.channel_session())? else {
                    return Ok(Next::Waits(Stage::Opening));
                };
                self.talk.push(Kind::Ready, &ready_to(wire.longest_command(), &wire.host_keys()));
                Ok(Next::Stage(Stage::Open(channel)))
            }
            Stage::Open(channel) => match self.word() {
                Ok(Some((Kind::Exec, command))) => {
                    Ok(Next::Stage(Stage::Starting(channel, String::from_utf8_lossy(&command).into_owned())))
                }
                // Input of a command that ended before it came.
                Ok(Some((Kind::Input | Kind::InputEnd, _))) => Ok(Next::Stage(Stage::Open(channel))),
                Ok(Some(_)) => Err(Trouble::Left),
                Ok(None) => Ok(Next::Waits(Stage::Open(channel))),
                Err(_) => Ok(Next::Stage(Stage::Unused(channel, Instant::now() + CLOSE_PATIENCE))),
            },
            Stage::Starting(mut channel, command) => match self.held.wire.if_ready(channel.exec(&command))? {
                Some(()) => Ok(Next::Stage(Stage::Running(Running::new(channel)))),
                None => Ok(Next::Waits(Stage::Starting(channel, command))),
            },
            Stage::Running(mut running) => {
                let moved = running.pump(&mut self.talk, &self.held.wire, events, buffer)?;
                Ok(match (running.is_at_end(), moved) {
                    (true, _) => Next::Stage(Stage::Closing(running.into_channel())),
                    (false, true) => Next::Pauses(Stage::Running(running)),
                    (false, false) => Next::Waits(Stage::Running(running)),
                })
            }
            Stage::Closing(mut channel) => match self.held.wire.if_ready(channel.close())? {
                Some(()) => Ok(Next::Stage(Stage::Closed(channel))),
                None => Ok(Next::Waits(Stage::Closing(channel))),
            },
            Stage::Closed(mut channel) => match self.held.wire.if_ready(channel.wait_close())? {
                Some(()) => {
                    self.talk.push(Kind::End, &end_to(&end_of(&channel)));
                    Ok(Next::Stage(Stage::Free))
                }
                None => Ok(Next::Waits(Stage::Closed(channel))),
            },
            Stage::Free => match self.word() {
                Ok(Some((Kind::Open, _))) => Ok(Next::Stage(Stage::Opening)),
                Ok(Some((Kind::Input | Kind::InputEnd, _))) => Ok(Next::Stage(Stage::Free)),
                Ok(Some(_)) => Err(Trouble::Left),
                Ok(None) => Ok(Next::Waits(Stage::Free)),
                Err(_) => Ok(Next::Over),
            },
            Stage::Unused(mut channel, until) => match self.held.wire.if_ready(channel.close())? {
                Some(()) => Ok(Next::Over),
                None if Instant::now() >= until => Err(Trouble::Left),
                None => Ok(Next::Waits(Stage::Unused(channel, until))),
            },
        }
    }

    /// The next word of the run, if it has come; an error when the run has hung up.
    fn word(&mut self) -> io::Result<Option<(Kind, Vec<u8>)>> {
        loop {
            if let Some((kind, payload)) = self.talk.inbox.next()? {
                return Ok(Some((kind, payload.to_vec())));
            }
            if !self.talk.fill()? {
                return Ok(None);
            }
        }
    }
}
