//! The only place that writes to a terminal. stdout is the answer, stderr is the story.
//!
//! Boundary: takes reports, events and errors; never asks a host anything. Next: `ui` holds the two streams.

mod change;
mod color;
mod copy;
mod edited;
mod error;
mod exec;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod get;
mod hide;
mod history;
mod host_run;
mod hosts;
mod interrupt;
mod locks;
mod log;
mod notes;
mod orphans;
mod plan;
mod progress;
mod pull;
mod removed;
pub mod sanitise;
mod secret;
mod sessions;
mod status;
mod table;
mod terminal;
mod trouble;
mod trust;
mod ui;
mod verify;
mod watch;
mod words;

pub use color::ColorChoice;
pub use exec::{ExecPrinter, Gathered};
pub use history::when;
pub use interrupt::{interrupted, killed};
pub use log::LogPrinter;
pub use progress::{Progress, suspended};
pub use secret::ask_secret;
pub use trust::trust_question;
pub use ui::{Format, Ui, flush};
pub use watch::WatchPrinter;
pub use words::{bytes, duration};
