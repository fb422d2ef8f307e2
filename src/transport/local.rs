//! Runs scripts with `sh` on this machine, for hosts whose connection is `local`.
//!
//! Boundary: processes and pipes; the script's text is somebody else's. Each script has a process group of its own, so
//! that a deadline, a cancel or the end of a stream takes every process it started with it.
//! Next: `ssh` does the same for other machines.

mod group;

use std::{io, time::Duration};

use rustix::event::Timespec;

use self::group::Group;
use super::{
    Collected, Connector, End, Input, Limits, Output, Phase, Remote, ShellScript, Stream, TransportError,
    TransportErrorKind,
};
use crate::domain::Host;

/// Runs every script on this machine, whatever the host is called.
#[derive(Debug, Default, Clone, Copy)]
pub struct LocalConnector;

impl Connector for LocalConnector {
    fn connect(&self, _host: &Host, _limits: &Limits<'_>) -> Result<Box<dyn Remote>, TransportError> {
        Ok(Box::new(LocalRemote))
    }
}

struct LocalRemote;

impl Remote for LocalRemote {
    fn exec(&mut self, script: &ShellScript, limits: &Limits<'_>) -> Result<Output, TransportError> {
        let mut output = Collected::of_call(limits);
        let mut keep = |stream, bytes: &[u8]| {
            output.take(stream, bytes);
            true
        };
        let end = Group::spawn(script, limits)?.run(limits, Some(limits.deadline), &mut keep)?;
        Ok(output.into_output(end))
    }

    fn stream(
        &mut self,
        script: &ShellScript,
        limits: &Limits<'_>,
        sink: &mut dyn FnMut(Stream, &[u8]) -> bool,
    ) -> Result<End, TransportError> {
        let mut group = Group::spawn_tied(script, limits)?;
        match group.run(limits, None, sink) {
            Err(error) if matches!(*error.kind, TransportErrorKind::Cancelled) => Ok(End::Stopped),
            other => other,
        }
    }

    fn pipe(
        &mut self,
        script: &ShellScript,
        input: Option<&dyn Input>,
        limits: &Limits<'_>,
        sink: &mut dyn FnMut(Stream, &[u8]) -> bool,
    ) -> Result<End, TransportError> {
        Group::spawn_piped(script, input, limits)?.run(limits, Some(limits.deadline), sink)
    }
}

pub(super) fn timespec(duration: Duration) -> Timespec {
    // One millisecond more than asked, so that a poll that ran out of time finds the deadline passed.
    let duration = duration.saturating_add(Duration::from_millis(1));
    Timespec { tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX), tv_nsec: duration.subsec_nanos().into() }
}

fn local(error: io::Error) -> TransportError {
    TransportError::new(Phase::Exec, TransportErrorKind::Local(error))
}
