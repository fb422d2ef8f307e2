//! What a fault is.

use crate::{
    proxy::{Harm, Phase},
    verb::Verb,
};

/// Where a fault comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// The cable between `mcp` and the second host.
    Cable(Harm),
    /// Something happens once the connection to the second host has come so far; it goes on afterwards.
    Moment(Phase, Deed),
    /// The second host is other than it should be: these lines of its entry in `hosts.yaml`, without the proxy's address.
    Host(&'static str),
    /// The second host has an sshd with this further configuration.
    Sshd(&'static str),
    /// Something is wrong before the command begins.
    Before(Deed),
    /// `mcp` runs in a place that is wrong.
    Place(Place),
}

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    StopSession,
    KillSession,
    StopEngine,
    KillEngine,
    FreezeEngine,
    RestartEngine,
    StopSshd,
    FreezeSshd,
    KillMcp,
    PauseMcp,
    MoveWorkspace,
    FillDisk,
    ClockForward,
    ClockBack,
    HostClockForward,
    HostClockBack,
}

impl Deed {
    /// Whether it takes the whole second machine, so that nobody else may be there.
    pub(crate) fn takes_the_machine(self) -> bool {
        matches!(
            self,
            Self::StopEngine
                | Self::KillEngine
                | Self::FreezeEngine
                | Self::RestartEngine
                | Self::StopSshd
                | Self::FreezeSshd
        )
    }
}

/// Where `mcp` runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    FullDisk,
    ReadOnly,
    /// This many descriptors.
    Descriptors(u32),
    /// `mcp` writes into a pipe that nobody reads.
    ClosedPipe,
}

/// What is right.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expect {
    /// The second host does as the others.
    Fine,
    /// The second host gave no answer, in one of these phases, and the cause says one of these.
    Unreachable(&'static [&'static str], &'static [&'static str]),
    /// The second host was lost at work: whatever its row says is so.
    Lost,
    /// The second host answered, and its row's cause says one of these.
    Failed(&'static [&'static str]),
    /// The same, or no answer in time.
    FailedOrLost,
    /// The second host did as the others, or was not reached in one of these phases.
    FineOr(&'static [&'static str]),
    /// Everything was done; standard error says one of these, and the exit code is 0.
    Warned(&'static [&'static str]),
    /// Nothing was done anywhere, or everything as before; either way standard error says one of these.
    RefusedOrWarned(&'static [&'static str]),
    /// There is no answer: `mcp` was killed.
    Killed,
}

/// One fault of the matrix.
pub(crate) struct Fault {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) expect: Expect,
    /// Which commands it concerns.
    pub(crate) concerns: fn(Verb) -> bool,
}

impl Fault {
    /// Whether it needs a rig to itself.
    pub(crate) fn takes_the_machine(&self) -> bool {
        match self.kind {
            Kind::Moment(_, deed) | Kind::Before(deed) => deed.takes_the_machine(),
            _ => false,
        }
    }
}
