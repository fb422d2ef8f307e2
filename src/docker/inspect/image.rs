//! Reads the lines that [`crate::docker::command::inspect_images`] asks for.
//!
//! Boundary: what drift needs to know of an image, and no more.

use serde::Deserialize;

/// An image as `docker image inspect` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Image {
    /// Its id, `sha256:…`.
    pub id: String,
    /// The names it has on that host.
    #[serde(default, deserialize_with = "nullable")]
    pub tags: Vec<String>,
    /// The names of the environment variables it sets.
    #[serde(default, deserialize_with = "nullable")]
    pub env_names: Vec<String>,
}

fn nullable<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads the images of an answer; lines that are none are skipped, since nothing is decided on an image's absence.
#[must_use]
pub fn parse_images(text: &str) -> Vec<Image> {
    super::objects(text).filter_map(|(_, object)| serde_json::from_str(object).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::fixture;

    #[test]
    fn images_are_read_and_missing_ones_are_absent() {
        for version in fixture::VERSIONS {
            let images = parse_images(&fixture::read(&format!("{version}/image/env.out")));
            assert_eq!(images.len(), 2, "{version}");
            assert_eq!(images[0].env_names, ["PATH", "IMAGE_VAR"]);
            assert_eq!(images[1].tags, ["tiny:latest"]);
            assert_eq!(parse_images(&fixture::read(&format!("{version}/image/missing.out"))).len(), 1);
        }
    }
}
