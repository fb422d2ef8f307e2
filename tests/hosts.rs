//! Hosts as they are: podman, sudo, warnings on stderr, other locales, other SSH servers and login shells, through the binary.
//!
//! Boundary: one host of a shared rig with something added to it (`rig.sh add`); what all hosts have in common is tested elsewhere.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "rig/mod.rs"]
mod rig;
#[path = "support/said.rs"]
mod said;

#[path = "hosts/dropbear.rs"]
mod dropbear;
#[path = "hosts/locale.rs"]
mod locale;
#[path = "hosts/place.rs"]
mod place;
#[path = "hosts/podman.rs"]
mod podman;
#[path = "hosts/shells.rs"]
mod shells;
#[path = "hosts/sudo.rs"]
mod sudo;
#[path = "hosts/warnings.rs"]
mod warnings;
