//! Whether the container of an instance is still what is registered: by the command it was made with, by where its image's tag
//! points now, and by what inspection shows.
//!
//! Boundary: pure. Values of environment variables are never asked for, so a changed value shows in the hash of the command alone.
//! Next: `observe` fills the record with it.

use super::registered::Registered;
use crate::{
    docker::{
        drift::{drift, is_moved},
        inspect::{Container, Image},
    },
    domain::ServerStatus,
};

/// The registered command is not the one that the container was made with.
const COMMAND: &str = "command";

/// The container's tag names another image on that host now.
pub(super) const IMAGE_MOVED: &str = "image_moved";

/// Why `container` is outdated, in words of JSON; empty when it is not. `made_from` is the hash of the command that it was made with,
/// where that is known; `images` are those of the host; where they were not
/// asked for, `was_moved` says what was last known of the tag.
#[must_use]
pub(super) fn reasons(
    r: &Registered<'_>,
    made_from: Option<&str>,
    container: &Container,
    images: Option<&[Image]>,
    was_moved: bool,
) -> Vec<String> {
    let mut reasons = vec![];
    if made_from.is_some_and(|hash| hash != r.hash()) {
        reasons.push(COMMAND.to_owned());
    }
    if images.map_or(was_moved, |images| is_moved(container, images)) {
        reasons.push(IMAGE_MOVED.to_owned());
    }
    let image = images.and_then(|images| images.iter().find(|image| image.id == container.image_id));
    let drifts = drift(&r.run, container, image.map(|image| image.env_names.as_slice()));
    reasons.extend(drifts.iter().map(|drift| drift.field.as_str().to_owned()));
    reasons
}

/// Adds to a remembered status that the command registered now, with the hash `registered`, is another than the one that its container
/// was made with, `made_from`.
pub(super) fn of_the_command(status: &mut ServerStatus, made_from: Option<&str>, registered: &str) {
    let is_changed = status.container_id.is_some() && made_from.is_some_and(|hash| hash != registered);
    let is_said = status.outdated_reasons.iter().any(|reason| reason == COMMAND);
    if is_changed && !is_said {
        status.outdated_reasons.insert(0, COMMAND.to_owned());
        status.outdated = Some(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        docker::{fixture, inspect},
        domain::{Connection, Host, HostName, Server, ServerName},
        operations::{registered::command_hash, select::Target},
    };

    const RUN: &str = "docker run -d --name plain example/app:1.0 sleep 1000";

    #[test]
    fn a_changed_value_shows_in_the_hash_and_a_moved_tag_in_the_image_id() {
        let text = fixture::read("20.10/inspect/plain.out");
        let container = inspect::parse(&text).unwrap_or_else(|e| panic!("{e}")).remove(0);
        let host = Host::new(HostName::new("edge-1").unwrap_or_else(|e| panic!("{e}")), Connection::Local);
        let name = || ServerName::new("web").unwrap_or_else(|e| panic!("{e}"));
        let image = |id: &str| Image {
            id: id.to_owned(),
            tags: vec!["example/app:1.0".to_owned()],
            env_names: container.env_names.clone(),
        };
        let (same, moved) = (vec![image(&container.image_id)], vec![image("sha256:00")]);
        let earlier = command_hash("docker run -d --name plain -e A=1 example/app:1.0 sleep 1000");
        let registered = command_hash(RUN);
        for (made_from, images, was_moved, run, expected) in [
            (None, None, false, RUN, &[][..]),
            (Some(&registered), Some(&same), false, RUN, &[]),
            (Some(&registered), Some(&same), true, RUN, &[]),
            (Some(&earlier), Some(&same), false, RUN, &["command"]),
            (Some(&earlier), Some(&moved), false, RUN, &["command", "image_moved"]),
            (Some(&registered), Some(&moved), false, RUN, &["image_moved"]),
            (Some(&registered), None, true, RUN, &["image_moved"]),
            (
                None,
                None,
                false,
                "docker run -d --name plain --restart always example/app:1.0 sleep 1000",
                &["restart_policy"],
            ),
            (None, None, false, "docker run -d --name plain example/app:2.0 sleep 1000", &["image"]),
        ] {
            let server = Server::new(name(), run, vec![]);
            let r = Registered::new(Target { server: &server, host: &host }).unwrap_or_else(|e| panic!("{e}"));
            let found = reasons(&r, made_from.map(String::as_str), &container, images.map(Vec::as_slice), was_moved);
            assert_eq!(found, expected, "{made_from:?} {images:?} {was_moved} {run}");
        }
    }
}
