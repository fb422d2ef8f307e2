//! The mounts of a string against those of a container.
//!
//! Boundary: which mount answers which, by its place in the container, and whether it is the one asked for.

use super::{Drift, DriftField, lists};
use crate::docker::{
    inspect::Container,
    mount::{Mount, MountKind},
    run_string::{RegisteredMount, RunString},
};

pub(super) fn compare(registered: &RunString, running: &Container) -> Option<Drift> {
    let at = |target: &str| running.mounts.iter().find(|mount| mount.target == target);
    let asked = |mount: &Mount| registered.mounts().iter().find(|asked| asked.mount.target == mount.target);
    let known = registered.mounts().iter().filter(|asked| !asked.target_unresolved);
    let missing = known.filter(|asked| at(&asked.mount.target).is_none_or(|mount| !answers(asked, mount)));
    let surplus = running.mounts.iter().filter(|mount| match asked(mount) {
        Some(asked) => !answers(asked, mount),
        // Nobody asked for it: the image's own volume, or something to report.
        None => registered.mounts_are_known() && !is_anonymous(mount),
    });
    lists(DriftField::Mounts, missing.map(|asked| &asked.mount), surplus)
}

fn answers(asked: &RegisteredMount, mount: &Mount) -> bool {
    let same_source = asked.source_unresolved || (asked.mount.kind == mount.kind && same_source(&asked.mount, mount));
    same_source && asked.mount.read_only == mount.read_only
}

fn same_source(asked: &Mount, mount: &Mount) -> bool {
    match (&asked.source, &mount.source) {
        // Its name is the kind docker gives, so the reader took it for docker's own.
        (Some(name), None) => asked.kind == MountKind::Volume && name.len() == 64,
        (asked, found) => asked == found,
    }
}

fn is_anonymous(mount: &Mount) -> bool {
    mount.kind == MountKind::Volume && mount.source.is_none()
}
