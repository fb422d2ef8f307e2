//! The use cases: select, plan (pure), run on the fleet, report.
//!
//! Boundary: no clap, no terminals, no ssh2. Reports are values that serialise. Next: `commands` call these one each.

pub mod act;
mod aftermath;
mod audit;
pub mod change;
pub mod check;
pub mod conceal;
mod context;
pub mod copy;
pub mod doctor;
pub mod dry_run;
pub mod edited;
pub mod exec;
pub mod forget;
pub mod get;
pub mod history;
pub mod host_run;
pub mod hosts;
pub mod list;
pub mod locks;
pub mod observe;
pub mod on_demand;
pub mod orphans;
mod outdated;
pub mod place;
pub mod preview;
pub mod pull;
pub mod recorder;
pub mod register;
pub mod registered;
mod report;
pub mod resume;
pub mod risks;
pub mod rollout;
pub mod run;
pub mod save;
pub mod select;
pub mod sessions;
pub mod stream;
pub mod trouble;
pub mod trust;
pub mod twins;
pub mod unlist;
pub mod usage;

pub use context::Context;
pub use report::{Action, ChangeReport, InstanceReport, Outcome, Verb};
pub use trouble::{Trouble, TroubleKind};
