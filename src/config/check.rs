//! Everything that is wrong in a workspace's three files, in one list.
//!
//! Boundary: the same rules as loading; here a broken `state.yaml` counts too.

use super::{error::ConfigError, registry::Check, store};

/// All errors of `hosts.yaml` (or what the hosts come from instead), `servers.yaml` and `state.yaml` of `workspace`.
#[must_use]
pub fn check(workspace: &store::Workspace, check: Check<'_>) -> Vec<ConfigError> {
    let files = store::read(workspace.context(), workspace.sources(), check);
    let mut errors = Vec::new();
    errors.extend(files.inventory.err().into_iter().flat_map(|errors| errors.0));
    errors.extend(files.registry.err().into_iter().flat_map(|errors| errors.0));
    errors.extend(files.state.err().into_iter().flat_map(|errors| errors.0));
    errors
}
