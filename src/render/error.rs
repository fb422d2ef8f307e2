//! Errors: what, where, why, what now.
//!
//! Boundary: prints a [`CommandError`] to stderr, nothing else.

use super::{Ui, sanitise};
use crate::error::CommandError;

impl Ui {
    /// Prints `error` with its causes and hint.
    pub fn error(&mut self, error: &CommandError) {
        let message = self.hide(&error.message).into_owned();
        let mut lines = message.lines();
        let first = lines.next().unwrap_or_default();
        self.story(&format!("{} {}", self.paint_err("error:", |s| s.red().bold()), sanitise::line(first)));
        for line in lines {
            self.story(&format!("  {}", sanitise::line(line)));
        }
        for cause in &error.causes {
            let cause = self.hide(cause).into_owned();
            for (index, line) in cause.lines().enumerate() {
                let label = if index == 0 { "  cause: " } else { "         " };
                self.story(&format!("{label}{}", sanitise::line(line)));
            }
        }
        if let Some(hint) = &error.hint {
            let hint = self.hide(hint).into_owned();
            self.story(&format!("  hint:  {}", sanitise::line(&hint)));
        }
    }
}
