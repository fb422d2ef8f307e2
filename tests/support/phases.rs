//! How far an SSH connection has come, told from the bytes that pass: packets can be read up to the key exchange, and from there on
//! the client waits for an answer before each of its steps, so that its turns tell (RFC 4253, 4252, 4254).

/// A direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    ToHost,
    ToClient,
}

/// A point of a connection, in the order they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Nothing of the host's has come.
    Banner,
    /// Half of the host's KEXINIT has come.
    KeyExchange,
    /// The login was signed and has not been sent.
    Authentication,
    /// The channel was not asked for yet.
    ChannelOpen,
    /// The host has half of the first request to run something.
    ExecRequest,
    /// What runs there has begun to answer.
    Output,
    /// The host has half of the second request, that of a change to act.
    ActRequest,
    /// What acts has begun to answer.
    ActOutput,
    /// All has been said, and the channel is about to be closed.
    Close,
}

/// SSH_MSG_NEWKEYS (RFC 4253, section 12).
const NEWKEYS: u8 = 21;
/// Bytes in one turn that only a request to run something has: the longest step before it, the signed login, has 228.
const REQUEST: usize = 300;
/// Bytes to the client after a request when the command itself must have said some of them: that it was taken, and the window, are 108.
const ANSWER: usize = 150;
/// The client's turns after the key exchange: service request, the offer of a key, the signed login, the channel.
const LOGIN_TURN: usize = 3;
const CHANNEL_TURN: usize = 4;

/// What has passed of one connection.
#[derive(Default)]
pub(crate) struct Phases {
    to_host: Plain,
    to_client: Plain,
    last: Option<Direction>,
    turns: usize,
    in_turn: usize,
    requests: usize,
    answered: usize,
    reached: Vec<Phase>,
}

/// What can be read of one direction.
#[derive(Default)]
struct Plain {
    banner: Vec<u8>,
    has_banner: bool,
    packet: Vec<u8>,
    after_banner: usize,
    is_encrypted: bool,
}

impl Plain {
    fn feed(&mut self, byte: u8) {
        if self.is_encrypted {
            return;
        }
        if !self.has_banner {
            self.banner.push(byte);
            if byte == b'\n' {
                // Lines before the banner are allowed (RFC 4253, section 4.2).
                self.has_banner = self.banner.starts_with(b"SSH-");
                self.banner.clear();
            }
            return;
        }
        self.after_banner += 1;
        self.packet.push(byte);
        if let [a, b, c, d, _, kind, ..] = self.packet[..]
            && self.packet.len() == 4 + u32::from_be_bytes([a, b, c, d]) as usize
        {
            self.is_encrypted = kind == NEWKEYS;
            self.packet.clear();
        }
    }
}

impl Phases {
    /// Whether the connection has come to `phase`.
    pub(crate) fn has_reached(&self, phase: Phase) -> bool {
        self.reached.contains(&phase)
    }

    /// Takes the next byte one way; gives the phase that it is the first byte of.
    pub(crate) fn feed(&mut self, direction: Direction, byte: u8) -> Option<Phase> {
        let is_turn = direction == Direction::ToHost && self.last != Some(Direction::ToHost);
        let was_encrypted = self.to_host.is_encrypted;
        self.last = Some(direction);
        match direction {
            Direction::ToHost => self.to_host.feed(byte),
            Direction::ToClient => self.to_client.feed(byte),
        }
        let phase = match direction {
            Direction::ToHost if was_encrypted => self.client(is_turn),
            Direction::ToHost => None,
            Direction::ToClient => self.host(),
        };
        let new = phase.filter(|phase| !self.reached.contains(phase));
        self.reached.extend(new);
        new
    }

    fn client(&mut self, is_turn: bool) -> Option<Phase> {
        if is_turn || self.turns == 0 {
            self.turns += 1;
            self.in_turn = 0;
        }
        self.in_turn += 1;
        match (self.turns, self.in_turn) {
            (LOGIN_TURN, 1) => Some(Phase::Authentication),
            (CHANNEL_TURN, 1) => Some(Phase::ChannelOpen),
            (CHANNEL_TURN.., REQUEST) => {
                self.requests += 1;
                self.answered = 0;
                match self.requests {
                    1 => Some(Phase::ExecRequest),
                    2 => Some(Phase::ActRequest),
                    _ => None,
                }
            }
            (_, 1) if self.has_reached(Phase::ActOutput) => Some(Phase::Close),
            _ => None,
        }
    }

    fn host(&mut self) -> Option<Phase> {
        self.answered += 1;
        match self.requests {
            0 if !self.has_reached(Phase::Banner) => Some(Phase::Banner),
            0 => (self.to_client.after_banner == 20).then_some(Phase::KeyExchange),
            1 => (self.answered == ANSWER).then_some(Phase::Output),
            2 => (self.answered == ANSWER).then_some(Phase::ActOutput),
            _ => None,
        }
    }
}
