//! Everything that is wrong in a workspace's three files, in one list.
//!
//! Boundary: the same rules as loading; here a broken `state.yaml` counts too.

use super::{error::ConfigError, inventory::Context, registry::Check, store};

/// All errors of `hosts.yaml`, `servers.yaml` and `state.yaml` of the workspace in `context.dir`.
#[must_use]
pub fn check(context: &Context, check: Check<'_>) -> Vec<ConfigError> {
    let files = store::read(context, check);
    let mut errors = Vec::new();
    errors.extend(files.inventory.err().into_iter().flat_map(|errors| errors.0));
    errors.extend(files.registry.err().into_iter().flat_map(|errors| errors.0));
    errors.extend(files.state.err().into_iter().flat_map(|errors| errors.0));
    errors
}
