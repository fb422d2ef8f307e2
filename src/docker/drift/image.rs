//! Whether two names of images name the same one.
//!
//! Boundary: names and ids only; whether a tag has moved since is not asked here.

/// Whether a container made from `running` (its id `running_id`) is made from `registered`.
pub(super) fn is_same(registered: &str, running: &str, running_id: &str) -> bool {
    registered == running || normal(registered) == normal(running) || is_id(registered, running_id)
}

/// The name with everything that docker assumes spelt the same way: no `docker.io/library/`, `:latest` said, no tag beside a digest
/// (distribution/reference, `ParseNormalizedNamed`).
fn normal(name: &str) -> String {
    let mut bare = name;
    for prefix in ["index.docker.io/", "docker.io/", "library/"] {
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
            ("host:5000/app", "host:5000/app:latest"),
            ("app:1@sha256:ab", "app@sha256:ab"),
            ("cc00a385cbfe", "tiny"),
            (id, "tiny:latest"),
        ] {
            assert!(is_same(a, b, id), "{a} {b}");
        }
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
