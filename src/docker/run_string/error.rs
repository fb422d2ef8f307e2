//! Why a string cannot be registered, and what to write instead.
//!
//! Boundary: kinds and their texts. Values of flags never appear in them, except names, images and ports.

use crate::docker::{flags::FlagError, port::PortError, reference::ReferenceError, shell::SplitError};

/// Why a text is not a `docker run` string that `mcp` can manage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunStringError {
    /// It is more, or less, than one simple command.
    #[error("the string is not one plain command")]
    Shell(#[source] SplitError),
    /// Something other than `docker run`.
    #[error("the string is not a `docker run`: {found}")]
    NotADockerRun {
        /// What stands there instead.
        found: String,
    },
    /// A flag docker would not take.
    #[error("docker would refuse a flag of the string")]
    Flag(#[source] FlagError),
    /// `-t` without `-d`.
    #[error("`{flags}` without `-d` waits for a terminal")]
    Terminal {
        /// `-it` or `-t`.
        flags: &'static str,
    },
    /// `-i` without `-d`, and a restart policy.
    #[error(
        "`-i` without `-d` is a container for one connection, and `--restart {policy}` would start it again without one"
    )]
    OnDemandRestart {
        /// The policy.
        policy: String,
    },
    /// `-a`.
    #[error("`--attach` keeps docker in the foreground, and docker refuses it together with `-d`")]
    Attached,
    /// `--detach=false`.
    #[error("`--detach=false` keeps docker in the foreground")]
    Foreground,
    /// `--rm` together with a restart policy.
    #[error("`--rm` and `--restart {policy}` exclude each other: docker refuses them together")]
    RemoveAndRestart {
        /// The policy.
        policy: String,
    },
    /// Docker knows four restart policies.
    #[error("{0:?} is not a restart policy")]
    RestartPolicy(String),
    /// Docker would not take the name.
    #[error("{0:?} is not a container name")]
    Name(String),
    /// A name that `mcp` gives a container it keeps aside.
    #[error("{0:?} is the name of a container that `mcp` keeps aside while it replaces another")]
    NameReserved(String),
    /// The host's shell decides the name.
    #[error("the container's name {0:?} is decided by the host's shell")]
    NameUnresolved(String),
    /// No image.
    #[error("the string names no image")]
    NoImage,
    /// A word in the image's place that docker cannot take for one.
    #[error("`{word}` was read as the image, and docker would refuse it")]
    Image {
        /// The first word after the flags; secrets in it are masked.
        word: String,
        /// What is wrong with it.
        #[source]
        source: ReferenceError,
    },
    /// `%cd%`, `$env:X`, `C:\…`.
    #[error("`{found}` (at character {column}) is a {what} of Windows, and the string runs on the host")]
    Windows {
        /// As written, without what follows it.
        found: String,
        /// `variable` or `path`.
        what: &'static str,
        /// Where, in characters, from 1.
        column: usize,
    },
    /// `--help`.
    #[error("`--help` starts nothing")]
    Help,
    /// `-p` with something else than ports.
    #[error("`--publish {given}` does not say which port")]
    Port {
        /// As written.
        given: String,
        /// What is wrong with it.
        #[source]
        source: PortError,
    },
    /// `-v`, `--mount` or `--tmpfs` that says no target.
    #[error("`{flag}` does not say where in the container to mount")]
    Mount {
        /// The flag.
        flag: &'static str,
    },
    /// `-e` without a name.
    #[error("`--env` without a name")]
    EnvironmentName,
}

impl RunStringError {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Shell(source) => source.kind.hint().to_owned(),
            Self::NotADockerRun { .. } => {
                "write `docker run -d --name NAME IMAGE`; other words for docker (`sudo -n docker`, `podman`) go into hosts.yaml (hosts.NAME.docker)".to_owned()
            }
            Self::Flag(source) => source.hint(),
            Self::Terminal { flags } => format!(
                "write `-i` for a server that speaks over standard input and output (a terminal would change what it sends), \
                 `-d` in place of `{flags}` for one that listens on a port"
            ),
            Self::OnDemandRestart { .. } => {
                "leave `--restart` out, or write `-d` for a server that listens on a port".to_owned()
            }
            Self::Attached => "leave `-a`/`--attach` out; `mcp log -f` shows the output".to_owned(),
            Self::Foreground => "write `-d`, or leave `--detach=false` out".to_owned(),
            Self::RemoveAndRestart { .. } => "leave one of the two out; `mcp` removes what it replaces".to_owned(),
            Self::RestartPolicy(_) => "write `no`, `always`, `unless-stopped`, `on-failure` or `on-failure:N`".to_owned(),
            Self::Name(_) => {
                "a container name has at least two characters: a letter or digit, then letters, digits, `_`, `.` and `-`".to_owned()
            }
            Self::NameReserved(_) => "choose a name that does not end in `.mcp-previous` or `.mcp-rollback`".to_owned(),
            Self::NameUnresolved(_) => "write the name out: `mcp` finds the container by it".to_owned(),
            Self::NoImage => "write the image after the flags: `docker run -d --name NAME IMAGE`".to_owned(),
            Self::Image { word, source } => image_hint(word, source),
            Self::Windows { .. } => "write the path on the host, for example `-v /srv/data:/data`".to_owned(),
            Self::Help => "leave `--help` out".to_owned(),
            Self::Port { .. } => "write `[IP:]HOST:CONTAINER[/udp]`, for example `-p 127.0.0.1:8080:80`".to_owned(),
            Self::Mount { .. } => "write `-v SOURCE:/PATH[:ro]` or `--mount type=bind,source=SOURCE,target=/PATH`".to_owned(),
            Self::EnvironmentName => "write `-e NAME=VALUE`".to_owned(),
        }
    }
}

fn image_hint(word: &str, source: &ReferenceError) -> String {
    match source {
        ReferenceError::Scheme(_) => "leave the part up to `://` out: `REGISTRY/NAME:TAG`".to_owned(),
        ReferenceError::Uppercase => {
            let name_ends = word.rfind('/').map_or(0, |slash| slash + 1);
            let tag_at = word[name_ends..].find([':', '@']).map_or(word.len(), |at| name_ends + at);
            format!("write `{}{}`", word[..tag_at].to_lowercase(), &word[tag_at..])
        }
        ReferenceError::NoTag => "write the tag after the colon, or leave the colon out".to_owned(),
        _ => {
            "the image is the first word after the flags, `[REGISTRY/]NAME[:TAG]`; a value of the flag before it that holds blanks goes into quotes".to_owned()
        }
    }
}
