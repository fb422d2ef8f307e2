//! Whether the container that runs is the one that is registered.
//!
//! Boundary: a comparison of two values. What the host's shell decides is never compared, what the image brings is not held
//! against the string, and environment variables are compared by name only. Arguments that were dropped from a string cannot be
//! seen, since the image's own command takes their place; the hash of the command in the state file covers that.

mod image;
mod mounts;

use std::{collections::BTreeSet, fmt};

use serde::Serialize;

pub use image::is_moved;

use super::{inspect::Container, port::PublishedPort, run_string::RunString};

/// What differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftField {
    /// The image.
    Image,
    /// Published ports.
    Ports,
    /// Names of environment variables.
    Environment,
    /// Mounts.
    Mounts,
    /// The restart policy.
    RestartPolicy,
    /// The entry point.
    Entrypoint,
    /// The arguments after the image.
    Arguments,
}

impl DriftField {
    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Ports => "ports",
            Self::Environment => "environment",
            Self::Mounts => "mounts",
            Self::RestartPolicy => "restart_policy",
            Self::Entrypoint => "entrypoint",
            Self::Arguments => "arguments",
        }
    }
}

impl fmt::Display for DriftField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Image => "image",
            Self::Ports => "ports",
            Self::Environment => "environment",
            Self::Mounts => "mounts",
            Self::RestartPolicy => "restart policy",
            Self::Entrypoint => "entrypoint",
            Self::Arguments => "arguments",
        })
    }
}

/// One difference. Lists show only what the other side lacks; an empty text is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// What differs.
    pub field: DriftField,
    /// As registered.
    pub registered: String,
    /// As it runs.
    pub running: String,
}

/// Variables docker, podman or the client's proxy settings put into containers (docker run reference, "environment variables";
/// docker CLI reference, "automatic proxy configuration for containers"; podman-run(1)).
const NOBODY_S: [&str; 15] = [
    "PATH",
    "HOME",
    "HOSTNAME",
    "TERM",
    "container",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "no_proxy",
    "all_proxy",
];

/// Compares what is registered with what runs, in the order of [`DriftField`]. `image_env` are the names the image sets
/// ([`super::inspect::Image::env_names`]); without them, variables that were taken out of the string cannot be told from the
/// image's and are not reported.
#[must_use]
pub fn drift(registered: &RunString, running: &Container, image_env: Option<&[String]>) -> Vec<Drift> {
    let found = [
        image(registered, running),
        ports(registered, running),
        environment(registered, running, image_env),
        mounts::compare(registered, running),
        restart_policy(registered, running),
        entrypoint(registered, running),
        arguments(registered, running),
    ];
    found.into_iter().flatten().collect()
}

fn image(registered: &RunString, running: &Container) -> Option<Drift> {
    let same =
        registered.image_is_unresolved() || image::is_same(registered.image(), &running.image, &running.image_id);
    (!same).then(|| difference(DriftField::Image, registered.image(), &running.image))
}

fn ports(registered: &RunString, running: &Container) -> Option<Drift> {
    let wanted: BTreeSet<PublishedPort> =
        registered.ports().iter().flat_map(PublishedPort::expanded).map(any_address).collect();
    let actual: BTreeSet<PublishedPort> = running.ports.iter().cloned().map(any_address).collect();
    let missing = wanted.iter().filter(|w| !actual.iter().any(|a| grants(w, a)));
    let surplus = actual.iter().filter(|a| registered.ports_are_known() && !wanted.iter().any(|w| grants(w, a)));
    lists(DriftField::Ports, missing, surplus)
}

/// Docker shows "every address" as an empty text, podman as `0.0.0.0`.
fn any_address(mut port: PublishedPort) -> PublishedPort {
    port.host_ip = port.host_ip.filter(|ip| ip != "0.0.0.0");
    port
}

/// Whether `actual` is what `wanted` asked for; podman shows the port it chose, docker the range it may choose from.
fn grants(wanted: &PublishedPort, actual: &PublishedPort) -> bool {
    let same_port = match (wanted.host, actual.host) {
        (None, _) => true,
        (Some(wanted), Some(actual)) => wanted == actual || (wanted.0 <= actual.0 && actual.1 <= wanted.1),
        (Some(_), None) => false,
    };
    same_port
        && wanted.container == actual.container
        && wanted.protocol == actual.protocol
        && wanted.host_ip == actual.host_ip
}

fn environment(registered: &RunString, running: &Container, image_env: Option<&[String]>) -> Option<Drift> {
    let runs = |name: &str| running.env_names.iter().any(|n| n == name);
    let asked = |name: &str| registered.env_names().iter().any(|(n, _)| n == name);
    // `-e NAME` hands on a variable that the client may not have.
    let missing =
        registered.env_names().iter().filter(|(name, has_value)| *has_value && !runs(name)).map(|(name, _)| name);
    let surplus = running.env_names.iter().filter(|name| {
        image_env.is_some_and(|image| registered.env_is_known() && !image.contains(name))
            && !asked(name)
            && !NOBODY_S.contains(&name.as_str())
    });
    lists(DriftField::Environment, missing, surplus)
}

fn restart_policy(registered: &RunString, running: &Container) -> Option<Drift> {
    let wanted = registered.restart_policy()?;
    (wanted != running.restart_policy).then(|| difference(DriftField::RestartPolicy, wanted, &running.restart_policy))
}

fn entrypoint(registered: &RunString, running: &Container) -> Option<Drift> {
    let wanted = registered.entrypoint()?;
    let actual: Vec<&str> = running.entrypoint.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
    let same = if wanted.is_empty() { actual.is_empty() } else { actual == [wanted] };
    (!same).then(|| difference(DriftField::Entrypoint, wanted, &actual.join(" ")))
}

fn arguments(registered: &RunString, running: &Container) -> Option<Drift> {
    let wanted = registered.arguments().filter(|arguments| !arguments.is_empty())?;
    let shown = |words: &[String]| words.iter().map(|word| super::shell::quote(word)).collect::<Vec<_>>().join(" ");
    (wanted != running.command.as_slice())
        .then(|| difference(DriftField::Arguments, &shown(wanted), &shown(&running.command)))
}

fn difference(field: DriftField, registered: &str, running: &str) -> Drift {
    Drift { field, registered: registered.to_owned(), running: running.to_owned() }
}

fn lists<A: fmt::Display, B: fmt::Display>(
    field: DriftField,
    missing: impl Iterator<Item = A>,
    surplus: impl Iterator<Item = B>,
) -> Option<Drift> {
    let missing: Vec<String> = missing.map(|item| item.to_string()).collect();
    let surplus: Vec<String> = surplus.map(|item| item.to_string()).collect();
    let differs = !(missing.is_empty() && surplus.is_empty());
    differs.then(|| difference(field, &missing.join(", "), &surplus.join(", ")))
}

#[cfg(test)]
mod tests;
