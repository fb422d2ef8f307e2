//! The commands that change things, and what each is to have done.

/// A command of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    Start,
    Stop,
    Restart,
    Recreate,
    Remove,
    AddStart,
    Resume,
    Exec,
    Copy,
    Trust,
    Edit,
    HostsAdd,
}

/// What a host holds of a pair when all went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Running,
    Stopped,
    Gone,
    File,
    Nothing,
}

impl Verb {
    pub(crate) const ALL: [Self; 12] = [
        Self::Start,
        Self::Stop,
        Self::Restart,
        Self::Recreate,
        Self::Remove,
        Self::AddStart,
        Self::Resume,
        Self::Exec,
        Self::Copy,
        Self::Trust,
        Self::Edit,
        Self::HostsAdd,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Recreate => "restart --recreate",
            Self::Remove => "remove --stop",
            Self::AddStart => "add --start",
            Self::Resume => "resume",
            Self::Exec => "exec",
            Self::Copy => "copy",
            Self::Trust => "hosts trust",
            Self::Edit => "edit",
            Self::HostsAdd => "hosts add",
        }
    }

    /// Whether it has docker do something.
    pub(crate) fn uses_docker(self) -> bool {
        matches!(
            self,
            Self::Start | Self::Stop | Self::Restart | Self::Recreate | Self::Remove | Self::AddStart | Self::Resume
        )
    }

    /// Whether it logs in to hosts.
    pub(crate) fn logs_in(self) -> bool {
        self.uses_docker() || matches!(self, Self::Exec | Self::Copy)
    }

    /// Whether it acts in a request of its own, after one that looked.
    pub(crate) fn looks_first(self) -> bool {
        self.uses_docker() || self == Self::Copy
    }

    /// Whether containers run before it.
    pub(crate) fn needs_containers(self) -> bool {
        matches!(self, Self::Stop | Self::Restart | Self::Recreate | Self::Remove)
    }

    pub(crate) fn wanted(self) -> Wanted {
        match self {
            Self::Start | Self::Restart | Self::Recreate | Self::AddStart | Self::Resume => Wanted::Running,
            Self::Stop => Wanted::Stopped,
            Self::Remove => Wanted::Gone,
            Self::Exec | Self::Copy => Wanted::File,
            Self::Trust | Self::Edit | Self::HostsAdd => Wanted::Nothing,
        }
    }
}
