//! What is said at once when a run is interrupted.
//!
//! Boundary: called from the thread that catches signals, while others may draw.

use super::suspended;

/// Says that a run ends as soon as what is at work is done, and how to end it now.
pub fn interrupted() {
    let text = "interrupted: no further host is taken up, those at work may finish; interrupt again to leave them\n";
    // The terminal may be gone with whoever hung up; that is no reason not to finish.
    suspended(|| {
        let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), text.as_bytes());
    });
}
