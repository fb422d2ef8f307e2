//! Keeps keys and passphrases out of core dumps.
//!
//! Boundary: one property of this process, set when the first secret comes into it, so that what needs none pays nothing. On Linux it is
//! prctl(2)'s `PR_SET_DUMPABLE`: no core is written or piped anywhere, other processes of the same user cannot attach to this one, and,
//! unlike a limit, it does not pass on to the programs that it runs. Elsewhere it is `RLIMIT_CORE`.

use std::sync::Once;

/// Has cores written after all, for whoever looks for a crash.
const ALLOW: &str = "MCP_ALLOW_CORE_DUMP";

/// From here on this process leaves no core, unless `MCP_ALLOW_CORE_DUMP=1` is set.
pub fn forbid() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if std::env::var_os(ALLOW).is_none_or(|value| value != "1") && !no_dump() {
            no_file();
        }
    });
}

/// Says whether it worked.
#[cfg(target_os = "linux")]
fn no_dump() -> bool {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn no_dump() -> bool {
    false
}

fn no_file() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    // The hard limit stays, so that programs run from here can raise theirs again.
    let maximum = getrlimit(Resource::Core).maximum;
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum });
}
