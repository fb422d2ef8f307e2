//! libFuzzer's driver of all targets: `MCP_FUZZ_TARGET` names the one. One program, so that it is linked once.

#![no_main]

use std::sync::LazyLock;

static TARGET: LazyLock<mcp::fuzzing::Target> = LazyLock::new(|| {
    let name = std::env::var("MCP_FUZZ_TARGET").unwrap_or_default();
    let found = mcp::fuzzing::TARGETS.iter().find(|(known, _)| *known == name);
    let names = || mcp::fuzzing::TARGETS.map(|(name, _)| name).join(" ");
    found.unwrap_or_else(|| panic!("MCP_FUZZ_TARGET={name:?} names no target; there are: {}", names())).1
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| TARGET(input));
