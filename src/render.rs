//! The only place that writes to a terminal. stdout is the answer, stderr is the story.
//!
//! Boundary: takes reports, events and errors; never asks a host anything. Next: `ui` holds the two streams.

mod change;
mod error;
mod get;
mod history;
mod hosts;
mod interrupt;
mod log;
mod notes;
mod progress;
pub mod sanitise;
mod status;
mod table;
mod ui;
mod words;

pub use history::when;
pub use interrupt::interrupted;
pub use log::LogPrinter;
pub use progress::{Progress, suspended};
pub use ui::{Format, Ui};
pub use words::{bytes, duration};
