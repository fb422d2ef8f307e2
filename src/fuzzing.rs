//! What is fuzzed: every reader of text or bytes from outside, as a function that holds one input against what must be true of it.
//!
//! Boundary: built for tests and with `--cfg fuzzing` only, so no program that is shipped has it. Each floor's own `fuzzing` module
//! has the targets that reach into it; a target panics when something does not hold. Next: `replay` runs them in `cargo test`,
//! `fuzz/` for as long as one likes; docs/fuzzing.md.

#[cfg(test)]
mod replay;

use crate::{config, docker, domain, render, transport};

/// A target: any bytes may be given to it.
pub type Target = fn(&[u8]);

/// All targets, each by the name of its directory in `fuzz/corpus`.
pub const TARGETS: [(&str, Target); 28] = [
    ("ansible_ini", config::fuzzing::ansible_ini),
    ("ansible_json", config::fuzzing::ansible_json),
    ("ansible_yaml", config::fuzzing::ansible_yaml),
    ("certificate", transport::ssh::fuzzing::certificate),
    ("docker_answers", docker::fuzzing::answers),
    ("docker_gpu", docker::fuzzing::gpu),
    ("docker_inspect", docker::fuzzing::inspect),
    ("docker_stats", docker::fuzzing::stats),
    ("edit_hosts", config::fuzzing::edit_hosts),
    ("edit_servers", config::fuzzing::edit_servers),
    ("end_mark", transport::ssh::fuzzing::end_mark),
    ("hosts_yaml", config::fuzzing::hosts_yaml),
    ("journal", config::fuzzing::journal),
    ("kept_frames", transport::ssh::kept::fuzzing::frames),
    ("known_hosts", transport::ssh::fuzzing::known_hosts),
    ("leases", transport::fuzzing::leases),
    ("patterns", config::fuzzing::patterns),
    ("presence", transport::fuzzing::presence),
    ("private_keys", transport::ssh::keys::fuzzing::private_keys),
    ("registered", docker::fuzzing::registered),
    ("run_string", docker::fuzzing::run_string),
    ("sanitise", render::fuzzing::sanitise),
    ("secrets", domain::fuzzing::secrets),
    ("sections", transport::fuzzing::sections),
    ("servers_yaml", config::fuzzing::servers_yaml),
    ("shell_words", docker::fuzzing::shell_words),
    ("ssh_config", config::fuzzing::ssh_config),
    ("state_yaml", config::fuzzing::state_yaml),
];
