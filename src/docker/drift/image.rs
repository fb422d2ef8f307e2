//! Whether two names of images name the same one.
//!
//! Boundary: names and ids only; which id a tag has on the host now is asked by the caller.

use crate::docker::inspect::{Container, Image};

/// Whether a container made from `running` (its id `running_id`) is made from `registered`.
pub(super) fn is_same(registered: &str, running: &str, running_id: &str) -> bool {
    registered == running || normal(registered) == normal(running) || is_id(registered, running_id)
}

/// Whether the tag that `container` was made from names another image now, as far as it is among the host's `images`.
#[must_use]
pub fn is_moved(container: &Container, images: &[Image]) -> bool {
    let bare = |id: &str| id.strip_prefix("sha256:").unwrap_or(id).to_owned();
    // A digest cannot move, and an id is no tag.
    if container.image.contains('@') || is_id(&container.image, &container.image_id) {
        return false;
    }
    let name = normal(&container.image);
    let now = images.iter().find(|image| image.tags.iter().any(|tag| normal(tag) == name));
    now.is_some_and(|image| bare(&image.id) != bare(&container.image_id))
}

/// The name with everything that docker assumes spelt the same way: no `docker.io/library/`, `:latest` said, no tag beside a digest
/// (distribution/reference, `ParseNormalizedNamed`); podman names what was built or loaded without an image registry `localhost/…`.
fn normal(name: &str) -> String {
    let mut bare = name;
    for prefix in ["localhost/", "index.docker.io/", "docker.io/", "library/"] {
        bare = bare.strip_prefix(prefix).unwrap_or(bare);
    }
    let (path, digest) = bare.split_once('@').map_or((bare, None), |(path, digest)| (path, Some(digest)));
    // A colon before the last slash belongs to the registry's port.
    let tag_at = path.rfind(':').filter(|colon| !path[*colon..].contains('/'));
    let (path, tag) = tag_at.map_or((path, "latest"), |colon| (&path[..colon], &path[colon + 1..]));
    digest.map_or_else(|| format!("{path}:{tag}"), |digest| format!("{path}@{digest}"))
}

/// Whether `name` is an id, or the start of one as `docker images` shows it, of the image with this id.
fn is_id(name: &str, id: &str) -> bool {
    let hex = name.strip_prefix("sha256:").unwrap_or(name);
    let id = id.strip_prefix("sha256:").unwrap_or(id);
    hex.len() >= 12 && hex.bytes().all(|b| b.is_ascii_hexdigit()) && id.starts_with(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_image_has_many_names() {
        let id = "sha256:cc00a385cbfe8354dafbe568ce7fff996bab1be2169fa5095c6416c7b99cd973";
        for (a, b) in [
            ("nginx", "nginx:latest"),
            ("nginx", "docker.io/library/nginx"),
            ("docker.io/nginx:1", "library/nginx:1"),
            ("team/app", "docker.io/team/app:latest"),
            ("team/app:2", "localhost/team/app:2"),
            ("host:5000/app", "host:5000/app:latest"),
            ("app:1@sha256:ab", "app@sha256:ab"),
            ("cc00a385cbfe", "tiny"),
            (id, "tiny:latest"),
        ] {
            assert!(is_same(a, b, id), "{a} {b}");
        }
    }

    #[test]
    fn a_tag_that_names_another_image_now_is_moved() {
        let text = crate::docker::fixture::read("20.10/inspect/plain.out");
        let mut container =
            crate::docker::inspect::parse(&text).unwrap_or_else(|e| panic!("{e}")).pop().unwrap_or_else(|| panic!());
        let image = |id: &str, tags: &[&str]| Image {
            id: id.to_owned(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            env_names: vec![],
        };
        container.image_id = "sha256:aa11".to_owned();
        for (name, images, moved) in [
            ("app", vec![image("sha256:aa11", &["app:latest"])], false),
            ("app", vec![image("sha256:bb22", &["app:latest"])], true),
            ("app", vec![image("aa11", &["docker.io/library/app:latest"])], false),
            ("localhost/app:1", vec![image("bb22", &["localhost/app:1"])], true),
            ("app:1", vec![image("sha256:bb22", &["app:latest", "other:1"])], false),
            ("app", vec![], false),
            ("app@sha256:ab", vec![image("sha256:bb22", &["app:latest"])], false),
        ] {
            container.image = name.to_owned();
            assert_eq!(is_moved(&container, &images), moved, "{name} {images:?}");
        }
        container.image_id = "sha256:cc00a385cbfe8354dafbe568ce7fff996bab1be2169fa5095c6416c7b99cd973".to_owned();
        container.image = "cc00a385cbfe".to_owned();
        assert!(!is_moved(&container, &[image("sha256:bb22", &["cc00a385cbfe:latest"])]), "an id is no tag");
    }

    #[test]
    fn other_images_are_others() {
        for (a, b) in [
            ("nginx:1", "nginx:2"),
            ("nginx", "team/nginx"),
            ("host/nginx", "nginx"),
            ("host:5000/app", "host:5001/app"),
            ("app@sha256:ab", "app@sha256:cd"),
            ("app@sha256:ab", "app:latest"),
            ("cafe", "tiny"),
        ] {
            assert!(!is_same(a, b, "sha256:cafe00"), "{a} {b}");
        }
    }
}
